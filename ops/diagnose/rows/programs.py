"""What is wrong with what runs: arguments, Python, its packages and libraries, jars, YARN's answer to the request."""

from ops.diagnose.cause import Cause, patterns

_ENVIRONMENT = "one environment on every node: make apply gives it; do not set PYSPARK_PYTHON for a step by hand"

ROWS = (
    # -- what YARN and spark-submit refuse ----------------------------------------
    Cause(
        name="request-too-large",
        says="{part} of the application asks for more than the largest container that a node can give{where}",
        fix="a larger type (core, task in infra/env/<env>.cluster.tfvars; the sizes are computed from it), or leave "
        "spark.{setting}.memory and its memoryOverhead as they are",
        next="make apply, then make run-step",
        patterns=patterns(
            # IllegalArgumentException: Required executor memory (8192 MB), offHeap memory (0) MB, overhead (896 MB),
            # and
            # PySpark memory (0 MB) is above the max threshold (4096 MB) of this cluster!
            r"Required (?P<part>executor|AM) memory \((?P<asked>[\d+]+(?: ?MB)?)\).{0,200}?above the max threshold "
            r"\((?P<most>\d+ ?MB)\)",
            # InvalidResourceRequestException: Invalid resource request! Cannot allocate containers as requested
            # resource
            # is greater than maximum allowed allocation. Requested resource type=[memory-mb] …
            r"requested (?:resource|memory|virtual cores) is (?:greater|larger) than maximum allowed|"
            r"InvalidResourceRequestException",
        ),
    ),
    Cause(
        name="queue-missing",
        says="YARN has no queue of that name, or nobody may use it{where}",
        fix="leave --queue and spark.yarn.queue out: this cluster has one, default",
        patterns=patterns(
            # YarnException: Failed to submit application_… : Application … submitted by user hadoop to unknown queue: x
            r"to unknown queue: (?P<where>[\w.-]{1,100})|cannot submit applications? to queue (?P<queue>[\w.-]{1,100})",
            r"User \S{1,60} (?:does not have permission to submit|cannot submit) \S{0,60}(?: to queue (?P<name>\S+))?",
        ),
    ),
    Cause(
        name="user-refused",
        says="YARN runs nothing for this user{where}",
        fix="submit as hadoop, as EMR's steps are; do not set HADOOP_USER_NAME",
        patterns=patterns(
            # main : requested yarn user is hdfs     Requested user hdfs is banned (sparklyr/sparklyr#1083)
            r"Requested user (?P<where>\S{1,60}) is (?:banned|not whitelisted)|User (?P<user>\S{1,60}) not found",
        ),
    ),
    Cause(
        name="label-missing",
        says="no node of the cluster has the label that was asked for{where}",
        fix="leave spark.yarn.am.nodeLabelExpression and spark.yarn.executor.nodeLabelExpression out, or use a label "
        "of the cluster: ON_DEMAND, SPOT (EMR 7), CORE, TASK",
        patterns=patterns(
            # InvalidLabelResourceRequestException: Invalid label resource request, cluster do not contain , label= GOLD
            r"cluster do(?:es)? not contain ?,? label ?= ?(?P<where>\w{1,60})|InvalidLabelResourceRequestException",
            # Invalid resource request, queue=default doesn't have permission to access all labels in resource request.
            r"doesn't have permission to access all labels",
        ),
    ),
    Cause(
        name="no-spark-context",
        variant="late",
        says="the program made no SparkContext within the time that YARN's master waits{after}",
        fix="make the SparkSession first, and load or fetch things afterwards; spark.yarn.am.waitTime says how long it "
        "waits (100 s)",
        patterns=patterns(
            # (in the master's log after its exit code 13, TimeoutException: Futures timed out after [8000
            # milliseconds])
            r"SparkContext did not initialize after waiting for (?P<after>\d+ ms)",
        ),
    ),
    Cause(
        name="no-spark-context",
        says="the program ended well without ever making a SparkSession, and in cluster mode YARN counts that as "
        "failed",
        fix="SparkSession.builder.getOrCreate() in it, or no spark-submit; a script that only defines functions needs "
        "its call at the end",
        # java.lang.IllegalStateException: User did not initialize spark context!
        patterns=patterns(r"User did not initialize spark context"),
    ),
    Cause(
        name="resourcemanager-unreachable",
        says="YARN's ResourceManager did not answer, or knows nothing of the application",
        fix="it runs on the primary node: make status says whether that lives; make apply makes another cluster",
        next="make status, then make apply",
        patterns=patterns(
            # ERROR Client: Failed to contact YARN for application application_…
            r"Failed to contact YARN for application",
            # ApplicationNotFoundException: Application with id 'application_…' doesn't exist in RM.
            # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-vpc.html (DHCP options)
            r"ApplicationNotFoundException: Application with id",
            # Retrying connect to server: ip-10-0-0-10.ec2.internal/10.0.0.10:8032. Already tried 9 time(s)
            r"Call From \S{1,200} to \S{1,200}:80[23][0-9] failed on connection exception",
            r"Retrying connect to server: \S{1,200}:80[23][0-9]",
        ),
    ),
    Cause(
        name="wrong-arguments",
        says="the step was given something that it cannot use",
        fix="see its words; make help lists the variables of make run-step",
        job=("usage",),
        patterns=patterns(
            # Error: Unrecognized option: --memory     Error: Missing application resource.
            r"(?m)^Error: (?:Unrecognized option|Missing application resource|Missing argument|Spark config without|"
            r"Cluster deploy mode|Python applications|Must specify|Either|Executor|Driver|Cannot load main class|"
            r"Failed "
            r"to load class|Master must)",
            r"No command to run\.|Cannot fetch jar |Exception in thread \"main\" java\.lang\.ClassNotFoundException: "
            r"Failed to find data source",
            # featurize_pca.py: error: the following arguments are required: --input
            r"(?m)^\S{1,60}: error: (?:the following arguments are required|unrecognized arguments|argument )",
            # A master URL must be set in your configuration
            r"A master URL must be set",
        ),
    ),
    # -- Python ----------------------------------------
    Cause(
        name="version-mismatch",
        says="driver and workers do not run the same versions{versions}",
        fix=_ENVIRONMENT,
        next="make destroy, then make apply",
        job=("versions",),
        patterns=patterns(
            # PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version (3, 9) than that in
            # driver 3.11, PySpark cannot run with different minor versions. (bitnami-docker-spark#73, coursera#6)
            r"PYTHON_VERSION_MISMATCH|Python in worker has different version",
            r"driver and workers do not run the same versions",
            # java.io.InvalidClassException: org.apache.spark.…; local class incompatible: stream classdesc …
            r"InvalidClassException: \S{1,300}; local class incompatible",
            # ModuleNotFoundError: No module named 'numpy._core' (numpy#15584, #18025: numpy 2 renamed numpy.core)
            r"No module named '(?P<versions>(?:numpy|pandas|sklearn|scipy|torch|tensorflow|keras|pyarrow)\.[\w.]+)'",
            # ValueError: unsupported pickle protocol: 5     TypeError: code() argument 13 must be str, not int
            r"unsupported pickle protocol|code\(\) (?:argument|takes at)|bad marshal data|unknown opcode",
            # AttributeError: Can't get attribute '_make_skel_func' on <module 'pyspark.cloudpickle' …
            r"Can't get attribute '\w+' on <module '(?:pyspark|cloudpickle|numpy|pandas)[\w.]*'",
        ),
    ),
    Cause(
        name="version-mismatch",
        variant="packages",
        says="two packages of the environment do not fit each other{versions}",
        fix="install what the lock says, and nothing beside it: bootstrap/requirements.txt; another version goes into "
        "bootstrap/requirements.in, then make lock and make apply",
        next="make destroy, then make apply",
        patterns=patterns(
            # A module that was compiled using NumPy 1.x cannot be run in NumPy 2.4.6     numpy.dtype size changed
            r"compiled using NumPy 1\.x cannot be run in|numpy\.dtype size changed|binary incompatibility",
            # RuntimeError: module compiled against API version 0xe but this version of numpy is 0xd
            r"compiled against (?:ABI|API) version",
            # TypeError: Descriptors cannot be created directly. (protobuf)
            r"Descriptors cannot (?:not )?be created directly|Protobuf Gencode/Runtime",
            # ImportError: cannot import name 'url_quote' from 'werkzeug.urls' (/opt/…/site-packages/werkzeug/urls.py)
            r"ImportError: cannot import name (?P<versions>'[\w.]+' from '[\w.]+')(?= \(\S{0,300}(?:site|"
            r"dist)-packages)",
            # ImportError: urllib3 v2 only supports OpenSSL 1.1.1+ … (urllib3#2168)
            r"urllib3 v2(?:\.0)? only supports OpenSSL",
            # AttributeError: module 'numpy' has no attribute 'bool'     'DataFrame' object has no attribute 'iteritems'
            r"module '(?:numpy|pandas)' has no attribute '\w+'|'DataFrame' object has no attribute '(?:iteritems|"
            r"append)'",
            # ImportError: Pandas >= 1.0.5 must be installed; however, your version was 0.25.3.
            r"(?:Pandas|PyArrow|NumPy|pandas|pyarrow) >= [\d.]+ must be installed",
        ),
    ),
    Cause(
        name="library-missing",
        says="the node lacks a library of the system: {library}",
        fix="a package that needs none (opencv-python-headless in place of opencv-python, Pillow), or dnf install it "
        "in "
        "a bootstrap action of your own",
        next="make destroy, then make apply",
        loud=True,
        patterns=patterns(
            # ImportError: libGL.so.1: cannot open shared object file: No such file or directory (opencv-python#851)
            r"(?P<library>lib[\w.+-]{1,80}\.so[\w.]{0,20}): cannot open shared object file",
            # ImportError: /lib64/libm.so.6: version `GLIBC_2.29' not found (required by …)
            r"version `(?P<library>(?:GLIBC|GLIBCXX|CXXABI|OPENSSL)_[\w.]{1,20})' not found",
            r"(?:java\.lang\.)?UnsatisfiedLinkError: (?P<library>[^\n]{1,160})",
        ),
    ),
    Cause(
        name="worker-python",
        says="the Python of a worker did not start, or did not report back to its executor",
        fix="the same working Python on every node (PYSPARK_PYTHON, spark.executorEnv.PYSPARK_PYTHON: /opt/fruits/venv/"
        "bin/python of make apply); a node whose processors are all taken answers too late as well",
        decides="the executor's own stderr: a traceback of the worker's start there, or nothing (then too much load)",
        patterns=patterns(
            # SparkException: Python worker failed to connect back.     Caused by: SocketTimeoutException: Accept
            # timed out
            r"Python worker failed to connect back|Timed out while waiting for the Python worker",
            # SparkException: Error from python worker: /usr/bin/python: No module named pyspark
            r"Error from python worker|EOFException occurred while reading the port number",
        ),
    ),
    Cause(
        name="python-missing",
        says="there is no Python where the step was told to look for it ({program})",
        fix="the bootstrap makes /opt/fruits/venv on every node: a cluster of make apply has it",
        next="make destroy, then make apply",
        # java.io.IOException: Cannot run program "/opt/fruits/venv/bin/python": error=2, No such file or directory
        patterns=patterns(r'Cannot run program "(?P<program>[^"\n]{0,1000})"'),
    ),
    Cause(
        name="module-missing",
        says="Python does not find the module {module}",
        fix="for the package fruits: submit by make run-step, which ships it; for another: add it to requirements.in",
        patterns=patterns(
            # ModuleNotFoundError: No module named 'fruits'     ImportError: No module named fruits (Python 2)
            r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<module>[\w.]+)'?",
        ),
    ),
    Cause(
        name="not-serializable",
        says="something that the driver holds cannot be sent to the workers{what}",
        fix="make it in the function that runs there (a session, a client, a model, a lock), not outside of it",
        patterns=patterns(
            # PicklingError: Could not serialize object: TypeError: cannot pickle '_thread.RLock' object
            # (TensorFlowOnSpark#479, pyspark_dl_pipeline#1)
            r"Could not serialize object(?:: (?P<what>[^\n]{1,160}))?|PicklingError|"
            r"cannot pickle '(?P<type>[^']{1,80})'",
            r"Task not serializable|NotSerializableException: (?P<class>\S{1,160})",
            r"SparkContext can only be used on the driver|CONTEXT_ONLY_VALID_ON_DRIVER",
        ),
    ),
    # -- jars ----------------------------------------
    Cause(
        name="jar-mismatch",
        says="a class of Java or Scala is missing, or of another version than what calls it{class}",
        fix="take no jar along that EMR has already (hadoop-aws, guava, aws-sdk), and jars for this Spark and Scala; "
        "our "
        "job needs none",
        patterns=patterns(
            # java.lang.NoSuchMethodError: com.google.common.util.concurrent.MoreExecutors.directExecutor() (spark-es#3)
            r"(?:NoSuchMethodError|NoSuchFieldError|AbstractMethodError): (?P<class>'?[^\n(]{1,160})",
            r"(?:NoClassDefFoundError|ClassNotFoundException):? (?P<class>[\w.$/]{1,160})",
            r"UnsupportedClassVersionError:? (?P<class>[\w.$/]{0,160})|IncompatibleClassChangeError",
            # ClassCastException: cannot assign instance of scala.Some to field … (druid-spark-batch#103)
            r"ClassCastException: cannot assign instance of (?P<class>\S{1,160})",
            # ServiceConfigurationError: org.apache.spark.sql.sources.DataSourceRegister: … (sagemaker-spark#61)
            r"ServiceConfigurationError: (?P<class>[\w.$]{1,160})",
            # py4j.Py4JException: Method fromModelS3Path([class java.lang.String, …]) does not exist
            # (sagemaker-spark#108)
            r"Py4JException: (?:Method|Constructor) (?P<class>\S{1,80}?)\(.{0,800} does not exist",
            r"TypeError: 'JavaPackage' object is not callable",
        ),
    ),
    Cause(
        name="command-missing",
        says="a command of the step is not there, or cannot be run{command}",
        fix="call it by its whole path, and see that the node has it",
        patterns=patterns(
            # sh: jar: command not found (gazelle_plugin#428)     /bin/bash: /bin/java: No such file or directory
            r"(?:sh|bash): (?:line \d+: )?(?P<command>[\w./+-]{1,120}): (?:command not found|No such file or directory|"
            r"Permission denied)",
        ),
    ),
    # -- sizes ----------------------------------------
    Cause(
        name="message-too-large",
        says="one piece of what driver and workers send each other is larger than Spark allows{where}",
        fix="more, smaller partitions, and nothing large in a closure: broadcast it; spark.rpc.message.maxSize and "
        "spark.kryoserializer.buffer.max are the limits",
        patterns=patterns(
            # Serialized task 15:0 was 137500581 bytes, which exceeds max allowed: spark.rpc.message.maxSize …
            r"Serialized task \S{1,20} was (?P<where>\d+ bytes)|exceeds max allowed: spark\.rpc",
            r"Kryo(?: serialization failed|Exception): Buffer overflow|spark\.kryoserializer\.buffer\.max",
            # Cannot broadcast the table that is larger than 8.0 GiB
            r"Cannot broadcast the table (?:that is larger|over)",
        ),
    ),
    Cause(
        name="broadcast-timeout",
        says="a table took too long to reach all workers{after}",
        fix="spark.sql.autoBroadcastJoinThreshold=-1 for that join, or a longer spark.sql.broadcastTimeout",
        patterns=patterns(r"Could not execute broadcast in (?P<after>\d+ secs)"),
    ),
)
