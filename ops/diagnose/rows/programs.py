"""What is wrong with what runs: arguments, Python, its packages and libraries, jars, YARN's answer to the request."""

from ops.diagnose.cause import make_cause

_ENVIRONMENT = "one environment on every node: make apply gives it; do not set PYSPARK_PYTHON for a step by hand"

ROWS = (
    # -- what YARN and spark-submit refuse ----------------------------------------
    make_cause(
        "request-too-large",
        # IllegalArgumentException: Required executor memory (8192 MB), offHeap memory (0) MB, overhead (896 MB), and
        # PySpark memory (0 MB) is above the max threshold (4096 MB) of this cluster!
        r"Required (?P<part>executor|AM) memory \((?P<asked>[\d+]+(?: ?MB)?)\).{0,200}?above the max threshold \("
        r"(?P<most>\d+ ?MB)\)",
        # InvalidResourceRequestException: Invalid resource request! Cannot allocate containers as requested resource is
        # greater than maximum allowed allocation. Requested resource type=[memory-mb] …
        r"requested (?:resource|memory|virtual cores) is (?:greater|larger) than maximum allowed|"
        r"InvalidResourceRequestException",
        meaning="{part} of the application asks for more than the largest container that a node can give{where}",
        fix="a larger type ({variables} in infra/env/<env>.cluster.tfvars; the sizes are computed from it), or leave "
        "spark.{setting}.memory and its memoryOverhead as they are",
        command="make apply, then make run-step",
    ),
    make_cause(
        "queue-missing",
        # YarnException: Failed to submit application_… : Application … submitted by user hadoop to unknown queue: x
        r"to unknown queue: (?P<where>[\w.-]{1,100})|cannot submit applications? to queue (?P<queue>[\w.-]{1,100})",
        r"User \S{1,60} (?:does not have permission to submit|cannot submit) \S{0,60}(?: to queue (?P<name>\S+))?",
        meaning="YARN has no queue of that name, or this user may not use it{where}",
        fix="leave --queue and spark.yarn.queue out: this cluster has one, default",
    ),
    make_cause(
        "user-refused",
        # main : requested yarn user is hdfs     Requested user hdfs is banned (sparklyr/sparklyr#1083)
        r"Requested user (?P<where>\S{1,60}) is (?:banned|not whitelisted)|User (?P<user>\S{1,60}) not found",
        meaning="YARN runs nothing for this user{where}",
        fix="submit as hadoop, as EMR's steps are; do not set HADOOP_USER_NAME",
    ),
    make_cause(
        "label-missing",
        # InvalidLabelResourceRequestException: Invalid label resource request, cluster do not contain , label= GOLD
        r"cluster do(?:es)? not contain ?,? label ?= ?(?P<where>\w{1,60})|InvalidLabelResourceRequestException",
        # Invalid resource request, queue=default doesn't have permission to access all labels in resource request.
        r"doesn't have permission to access all labels",
        meaning="no node of the cluster has the label that was asked for{where}",
        fix="leave spark.yarn.am.nodeLabelExpression and spark.yarn.executor.nodeLabelExpression out, or use a label "
        "of the cluster: ON_DEMAND, SPOT (EMR 7), CORE, TASK",
    ),
    make_cause(
        "queue-full",
        # Queue root.default already has 10000 applications, cannot accept submission of application: …
        r"already has \d+ applications, cannot accept submission|maximum (?:system )?application limit reached",
        meaning="YARN's queue has all the applications that it may have",
        fix="end what runs (yarn application -list, in make shell), then submit again",
    ),
    make_cause(
        "kerberos",
        # Can't get Master Kerberos principal for use as renewer     GSS initiate failed [Caused by GSSException: …
        r"Kerberos principal for use as renewer|GSS initiate failed|GSSException|SIMPLE authentication is not enabled|"
        r"Failed to find any Kerberos tgt|LoginException: Unable to obtain password",
        meaning="the cluster asks for a Kerberos ticket, and the step has none",
        fix="kinit first, or --principal and --keytab with spark-submit; a cluster of make apply asks for none",
    ),
    make_cause(
        "master-timed-out",
        # ApplicationMaster for attempt appattempt_…_000001 timed out. Failing the application.
        r"ApplicationMaster for attempt \S{1,80} timed out",
        # due to Error launching appattempt_…. Got exception: java.net.NoRouteToHostException: …
        r"Error launching appattempt_\S{1,80} Got exception",
        meaning="the application's master was started, and YARN heard nothing from it in time",
        fix="run the step again: it continues where it stopped; again: its node is overloaded, or cannot reach the "
        "primary node (infra/modules/network/groups.tf)",
    ),
    make_cause(
        "shuffle-service",
        # InvalidAuxServiceException: The auxService:spark_shuffle does not exist
        r"auxService: ?spark_shuffle does not exist|Unable to register with external shuffle server",
        meaning="executors cannot use the shuffle service of their nodes, which dynamic allocation needs",
        fix="spark.dynamicAllocation.enabled=false with --num-executors, or the service of the release as EMR sets it "
        "up (yarn.nodemanager.aux-services)",
    ),
    make_cause(
        "no-spark-context/late",
        # (in the master's log after its exit code 13, TimeoutException: Futures timed out after [8000 milliseconds])
        r"SparkContext did not initialize after waiting for (?P<after>\d+ ms)",
        meaning="the program made no SparkContext within the time that YARN's master waits{after}",
        fix="make the SparkSession first, and load or fetch things afterwards; spark.yarn.am.waitTime says how long it "
        "waits (100 s)",
    ),
    make_cause(
        "no-spark-context",
        # java.lang.IllegalStateException: User did not initialize spark context!
        r"User did not initialize spark context",
        meaning="the program ended well without ever making a SparkSession, and in cluster mode YARN counts that as "
        "failed",
        fix="SparkSession.builder.getOrCreate() in it, or no spark-submit; a script that only defines functions needs "
        "its call at the end",
    ),
    make_cause(
        "resourcemanager-unreachable",
        # ERROR Client: Failed to contact YARN for application application_…
        r"Failed to contact YARN for application",
        # ApplicationNotFoundException: Application with id 'application_…' doesn't exist in RM.
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-vpc.html (DHCP options)
        r"ApplicationNotFoundException: Application with id",
        # Retrying connect to server: ip-10-0-0-10.ec2.internal/10.0.0.10:8032. Already tried 9 time(s)
        r"Call From \S{1,200} to \S{1,200}:(?:803[0-9]|8050) failed on connection exception",
        r"Retrying connect to server: \S{1,200}:(?:803[0-9]|8050)",
        meaning="YARN's ResourceManager did not answer, or knows nothing of the application",
        fix="it runs on the primary node: make status says whether that lives; make apply makes another cluster",
        command="make status, then make apply",
    ),
    make_cause(
        "wrong-arguments",
        # Error: Unrecognized option: --memory     Error: Missing application resource.
        r"(?m)^Error: (?:Unrecognized option|Missing application resource|Missing argument|Spark config without|"
        r"Cluster deploy mode|Python applications|Must specify|Either|Executor|Driver|Cannot load main class|"
        r"Failed to load class|Master must)",
        r"No command to run\.|Cannot fetch jar |Exception in thread \"main\" java\.lang\.ClassNotFoundException: "
        r"Failed to find data source",
        # featurize_pca.py: error: the following arguments are required: --input
        r"(?m)^\S{1,60}: error: (?:the following arguments are required|unrecognized arguments|argument )",
        # A master URL must be set in your configuration     either HADOOP_CONF_DIR or YARN_CONF_DIR must be set
        r"A master URL must be set|must be set in the environment|Could not parse Master URL|Invalid master URL",
        # IllegalArgumentException: Executor memory 4 must be at least 471859200. Please increase executor memory …
        r"(?:Executor|System|Driver) memory \d+ must be at least|INVALID_(?:DRIVER|EXECUTOR)_MEMORY|Size must be "
        r"specified as bytes|Invalid initial heap size|Initial heap size set to a larger value|Unrecognized VM option|"
        r"(?:spark\.\S{1,80}) (?:should be|must be|is invalid)|Failed to parse byte string|Time must be specified as",
        # Main method … : Cannot execute more than one application at once …     Cannot modify the value of a Spark …
        r"must (?:be )?between min executor number|No main class set in JAR|spark\.\S{1,80} (?:=|is) \S{1,40} .{0,20}"
        r"(?:invalid|illegal)|CANNOT_MODIFY_CONFIG|Cannot modify the value of a (?:static|Spark) config",
        meaning="the step was given something that it cannot use",
        fix="see its words; make help-all lists the variables of make run-step",
        job=("usage",),
    ),
    make_cause(
        "packages-unresolved",
        # RuntimeException: [unresolved dependency: org.apache.hadoop#hadoop-aws;3.4.9: not found]
        r"unresolved dependency: (?P<package>[^\]\n]{1,160})|\[download failed: (?P<name>[^\]\n]{1,160})",
        r"Server access error at url|UNRESOLVED DEPENDENCIES|Provided Maven Coordinates must be",
        meaning="spark-submit could not fetch what --packages names{package}",
        fix="upload the jar and name it with --jars s3://…: nodes without a way to the internet reach no Maven "
        "repository; our job needs none",
    ),
    make_cause(
        "context-twice",
        # ValueError: Cannot run multiple SparkContexts at once; existing SparkContext(app=x, master=yarn) created by
        r"Cannot run multiple SparkContexts at once|Only one SparkContext (?:may|should) be running",
        # IllegalStateException: Cannot call methods on a stopped SparkContext.     'NoneType' … '_jvm'
        r"Cannot call methods on a stopped SparkContext|'NoneType' object has no attribute '(?:setCallSite|_?jvm|_jsc|"
        r"defaultParallelism|parallelize)'",
        meaning="a program made a second SparkContext, or used one that it had stopped",
        fix="one SparkSession for the whole program (SparkSession.builder.getOrCreate()), stopped at its very end",
    ),
    make_cause(
        "port-taken",
        # java.net.BindException: Address already in use: Service 'sparkDriver' failed after 16 retries …
        r"Service '(?P<where>\w{1,60})' failed after \d+ retries|BindException: (?P<what>[^\n:]{1,80})",
        meaning="Spark found no free port or address to listen on{where}",
        fix="end other applications on that machine, or spark.port.maxRetries larger; a wrong own address: "
        "spark.driver.host, SPARK_LOCAL_IP and the machine's name in /etc/hosts",
    ),
    make_cause(
        "java-missing",
        # PySparkRuntimeError: [JAVA_GATEWAY_EXITED] Java gateway process exited before sending its port number.
        r"JAVA_GATEWAY_EXITED|Java gateway process exited before sending|JAVA_HOME is not set|"
        r"Unable to locate a Java Runtime|find any JVMs matching|No such file or directory: '\S{0,200}/java'",
        meaning="Spark found no Java, or its JVM did not start{where}",
        fix="Java 17 or 8 as Spark's version wants it, with JAVA_HOME pointing at it: make doctor says what is there; "
        "EMR's nodes have one",
    ),
    make_cause(
        "java-version",
        # UnsupportedClassVersionError: … class file version 61.0, this version … recognizes … up to 52.0
        r"UnsupportedClassVersionError:? (?P<class>[\w.$/]{0,160})|Unsupported class file major version (?P<what>\d+)",
        # IllegalAccessError: class org.apache.spark.storage.StorageUtils$ cannot access class sun.nio.ch.DirectBuffer
        r"cannot access class sun\.nio\.ch\.DirectBuffer|InaccessibleObjectException|does not \"?opens? java\.\w",
        # UnsupportedOperationException: sun.misc.Unsafe or java.nio.DirectByteBuffer.<init>(long, int) not available
        r"sun\.misc\.Unsafe or java\.nio\.DirectByteBuffer|getSubject is (?:supported only|not supported)",
        meaning="this Java is not the one that Spark or a jar was made for{class}",
        fix="Java 8 or 17 for Spark 3, 17 or 21 for Spark 4 (JAVA_HOME); on EMR leave the release's own Java",
    ),
    # -- Python ----------------------------------------
    make_cause(
        "version-mismatch",
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
        # TypeError: an integer is required (got type bytes): Spark 2 with Python 3.8
        r"an integer is required \(got type bytes\)|required argument is not an integer",
        # Py4JError: org.apache.spark.api.python.PythonUtils.getEncryptionEnabled does not exist in the JVM
        r"(?P<versions>org\.apache\.spark\.[\w.]{1,160}) does not exist in the JVM|"
        r"constructor org\.apache\.spark\.\S{1,160} does not exist",
        # java.io.InvalidClassException     Unexpected version     PickleException: expected zero arguments for
        # construction of ClassDict (for numpy.core.multiarray._reconstruct)
        r"expected zero arguments for construction of ClassDict|unpickleable|STACK_GLOBAL requires str",
        meaning="driver and workers do not run the same versions{versions}",
        fix=_ENVIRONMENT,
        command="make destroy, then make apply",
        job=("versions",),
    ),
    make_cause(
        "version-mismatch/packages",
        # A module that was compiled using NumPy 1.x cannot be run in NumPy 2.4.6     numpy.dtype size changed
        r"compiled using NumPy 1\.x cannot be run in|numpy\.dtype size changed|binary incompatibility",
        # RuntimeError: module compiled against API version 0xe but this version of numpy is 0xd
        r"compiled against (?:ABI|API) version",
        # TypeError: Descriptors cannot be created directly. (protobuf)
        r"Descriptors cannot (?:not )?be created directly|Protobuf Gencode/Runtime",
        # ImportError: cannot import name 'url_quote' from 'werkzeug.urls' (/opt/…/site-packages/werkzeug/urls.py)
        r"ImportError: cannot import name (?P<versions>'[\w.]+' from '[\w.]+')(?= \(\S{0,300}(?:site|dist)-packages)",
        # ImportError: urllib3 v2 only supports OpenSSL 1.1.1+ … (urllib3#2168)
        r"urllib3 v2(?:\.0)? only supports OpenSSL",
        # AttributeError: module 'numpy' has no attribute 'bool'     'DataFrame' object has no attribute 'iteritems'
        r"module '(?P<versions>numpy|pandas|collections|pkgutil|typing|attr|lib|OpenSSL\.\w+|tensorflow|keras|"
        r"google|importlib)' has no attribute '\w+'|cannot import name '\w+' from '(?:collections|typing|importlib)'|"
        r"'DataFrame' object has no attribute '(?:iteritems|append)'",
        # ImportError: Pandas >= 1.0.5 must be installed; however, your version was 0.25.3.
        r"(?:Pandas|PyArrow|NumPy|pandas|pyarrow) >= [\d.]+ must be installed",
        meaning="two packages of the environment do not fit each other{versions}",
        fix="install what the lock says, and nothing beside it: bootstrap/requirements.txt; another version goes into "
        "bootstrap/requirements.in, then make lock and make apply",
        command="make destroy, then make apply",
    ),
    make_cause(
        "library-missing",
        # ImportError: libGL.so.1: cannot open shared object file: No such file or directory (opencv-python#851)
        r"(?P<library>lib[\w.+-]{1,80}\.so[\w.]{0,20}): cannot open shared object file",
        # ImportError: /lib64/libm.so.6: version `GLIBC_2.29' not found (required by …)
        r"version [`'](?P<library>[A-Z]\w{0,30}_[\w.]{1,20})' not found",
        r"(?:java\.lang\.)?UnsatisfiedLinkError: (?P<library>[^\n]{1,160})",
        # ImportError: x/_base.so: undefined symbol: GDALGetMetadata
        r"ImportError: [^\s:]{1,300}\.so[\w.]{0,20}: undefined symbol: (?P<library>\w{1,200})",
        meaning="the node lacks a library of the system: {library}",
        fix="a package that needs none (opencv-python-headless in place of opencv-python, Pillow), or dnf install it "
        "in a bootstrap action of your own",
        command="make destroy, then make apply",
        loud=True,
    ),
    make_cause(
        "worker-python",
        # SparkException: Python worker failed to connect back.     Caused by: SocketTimeoutException: Accept timed out
        r"Python worker failed to connect back|Timed out while waiting for the Python worker",
        # SparkException: Error from python worker: /usr/bin/python: No module named pyspark
        r"Error from python worker|EOFException occurred while reading the port number",
        meaning="the Python of a worker did not start, or did not report back to its executor",
        fix="the same working Python on every node (PYSPARK_PYTHON, spark.executorEnv.PYSPARK_PYTHON: "
        "/opt/fruits/venv/bin/python of make apply); a node whose processors are all taken answers too late as well",
        distinction="the executor's own stderr: a traceback of the worker's start there, or nothing (then too much "
        "load)",
    ),
    make_cause(
        "python-missing",
        # java.io.IOException: Cannot run program "/opt/fruits/venv/bin/python": error=2, No such file or directory
        r'Cannot run program "(?P<program>[^"\n]{0,1000})"',
        meaning="there is no Python where the step was told to look for it ({program})",
        fix="the bootstrap makes /opt/fruits/venv on every node: a cluster of make apply has it",
        command="make destroy, then make apply",
    ),
    make_cause(
        "module-missing",
        # ModuleNotFoundError: No module named 'fruits'     ImportError: No module named fruits (Python 2)
        r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<module>[\w.]+)'?",
        meaning="Python does not find the module {module}",
        fix="for the package fruits: submit by make run-step, which ships it; for another: add it to requirements.in",
    ),
    make_cause(
        "not-serializable",
        # PicklingError: Could not serialize object: TypeError: cannot pickle '_thread.RLock' object
        # (TensorFlowOnSpark#479, pyspark_dl_pipeline#1)
        r"Could not serialize object(?:: (?P<what>[^\n]{1,160}))?|PicklingError|"
        r"(?:cannot|can't) pickle '?(?P<type>[\w.]{1,80})'?",
        r"Task not serializable|NotSerializableException: (?P<class>\S{1,160})",
        r"attempting to (?:broadcast|reference) an RDD|SparkContext can only be used on the driver|"
        r"CONTEXT_ONLY_VALID_ON_DRIVER|SparkContext should only be created and accessed on the driver|"
        r"attempting to reference SparkContext from|RDD transformations and actions can only be invoked by the driver",
        meaning="something that the driver holds cannot be sent to the workers{what}",
        fix="make it in the function that runs there (a session, a client, a model, a lock), not outside of it",
    ),
    # -- jars ----------------------------------------
    make_cause(
        "jar-mismatch",
        # java.lang.NoSuchMethodError: com.google.common.util.concurrent.MoreExecutors.directExecutor() (spark-es#3)
        r"(?:NoSuchMethodError|NoSuchFieldError|AbstractMethodError): (?P<class>'?[^\n(]{1,160})",
        r"(?:NoClassDefFoundError|ClassNotFoundException):? (?:Class |Could not initialize class |"
        r"Failed to find data source: )?(?P<class>[\w.$/]{1,160})",
        # AnalysisException: Multiple sources found for parquet (…); please specify the fully qualified class name.
        r"Multiple sources found for (?P<class>\w+)|DATA_SOURCE_NOT_FOUND|No suitable driver|"
        r"Failed to find data source: (?P<name>\w{1,60})",
        # Error: Could not find or load main class org.apache.spark.deploy.yarn.ApplicationMaster
        r"Could not find or load main class (?P<class>[\w.$]{1,160})|Invalid signature file digest for Manifest|"
        r"Compression codec (?P<name>[\w.]{1,120}) (?:was )?not found",
        # NumberFormatException: For input string: "60s": S3A and Hadoop of two versions
        r"NumberFormatException: For input string: \"(?P<class>\d+[smhKMG])\"",
        r"IncompatibleClassChangeError|VerifyError: (?P<class>[^\n]{1,120})",
        # ClassCastException: cannot assign instance of scala.Some to field … (druid-spark-batch#103)
        r"ClassCastException: cannot assign instance of (?P<class>\S{1,160})",
        # ServiceConfigurationError: org.apache.spark.sql.sources.DataSourceRegister: … (sagemaker-spark#61)
        r"ServiceConfigurationError: (?P<class>[\w.$]{1,160})",
        # py4j.Py4JException: Method fromModelS3Path([class java.lang.String, …]) does not exist (sagemaker-spark#108)
        r"Py4JException: (?:Method|Constructor) (?P<class>\S{1,80}?)\(.{0,800} does not exist",
        # Py4JError: com.johnsnowlabs.nlp.DocumentAssembler does not exist in the JVM (spark-nlp#14385)
        r"TypeError: 'JavaPackage' object is not callable|(?P<class>(?!org\.apache\.spark)[\w.]{1,160}) does not exist "
        r"in the JVM",
        # com.esotericsoftware.kryo.KryoException: Unable to find class: org.example.Peach
        r"Unable to find class: (?P<class>[\w.$]{1,160})|Failed to load class: \[?(?P<name>[\w.$]{1,160})",
        meaning="a class of Java or Scala is missing, or of another version than what calls it{class}",
        fix="take no jar along that EMR has already (hadoop-aws, guava, aws-sdk), and jars for this Spark and Scala; "
        "our job needs none",
    ),
    make_cause(
        "command-missing",
        # sh: jar: command not found (gazelle_plugin#428)     /bin/bash: /bin/java: No such file or directory
        r"(?:sh|bash): (?:line \d+: )?(?P<command>[\w./+-]{1,120}): (?:command not found|No such file or directory|"
        r"Permission denied)",
        # /usr/bin/env: 'python': No such file or directory     env: python3: No such file or directory
        r"env: ['‘]?(?P<command>[\w./+-]{1,60})['’]?: No such file or directory",
        meaning="a command of the step is not there, or cannot be run{command}",
        fix="call it by its whole path, and see that the node has it",
    ),
    # -- sizes ----------------------------------------
    make_cause(
        "message-too-large",
        # Serialized task 15:0 was 137500581 bytes, which exceeds max allowed: spark.rpc.message.maxSize …
        r"Serialized task \S{1,20} was (?P<where>\d+ bytes)|exceeds max allowed: spark\.rpc",
        r"Kryo(?: serialization failed|Exception): Buffer overflow|spark\.kryoserializer\.buffer\.max",
        # IllegalArgumentException: Size exceeds Integer.MAX_VALUE     Too large frame: 2991947178
        r"(?P<where>Size exceeds Integer\.MAX_VALUE|Too large frame: \d+)|Cannot grow BufferHolder|"
        r"Cannot allocate a page with more than",
        # Cannot broadcast the table that is larger than 8.0 GiB
        r"Cannot broadcast the table (?:that is larger|over)",
        meaning="one piece of what driver and workers send each other is larger than Spark allows{where}",
        fix="more, smaller partitions, and nothing large in a closure: broadcast it; spark.rpc.message.maxSize and "
        "spark.kryoserializer.buffer.max are the limits",
    ),
    make_cause(
        "broadcast-timeout",
        r"Could not execute broadcast in (?P<after>\d+ secs)",
        # before Spark 3: BroadcastHashJoinExec … TimeoutException: Futures timed out after [300 seconds]
        r"Futures timed out after \[(?P<after>300 seconds)\]",
        meaning="a table took too long to reach all workers{after}",
        fix="spark.sql.autoBroadcastJoinThreshold=-1 for that join, or a longer spark.sql.broadcastTimeout",
    ),
    make_cause(
        "rpc-timeout",
        # RpcTimeoutException: Futures timed out after [120 seconds]. This timeout is controlled by spark.rpc.…
        r"(?:Futures timed out after|Cannot receive any reply (?:from \S{1,120} )?in) \[?(?P<after>\d+ \w+)\]?\. This "
        r"timeout is controlled by",
        meaning="driver and executors did not answer each other in time{after}",
        fix="less work in the driver, fewer and larger messages, and more memory where the garbage collector pauses; "
        "longer waits only then: spark.network.timeout",
        distinction="the other's log at that time: long pauses (GC), an OutOfMemoryError, or its end",
    ),
    make_cause(
        "recursion-too-deep",
        r"java\.lang\.StackOverflowError",
        meaning="a JVM's stack was too small: a plan of thousands of steps, or a structure nested that deeply",
        fix="cut the plan (frame.checkpoint() or write and read again in a loop); -Xss larger for driver and executors",
    ),
    # -- queries and files ----------------------------------------
    make_cause(
        "metastore",
        # Unable to instantiate org.apache.hadoop.hive.ql.metadata.SessionHiveMetaStoreClient
        r"Unable to instantiate \S{1,120}MetaStoreClient|Could not connect to meta store|Another instance of Derby",
        r"HiveMetaStore\S* .{0,120}(?:Connection refused|timed out)|MetaException\(message:(?P<what>[^)\n]{1,200})",
        meaning="Spark cannot use Hive's metastore{what}",
        fix="leave Hive out (enableHiveSupport, spark.sql.catalogImplementation): our job reads files; otherwise let "
        "the nodes reach it",
    ),
    make_cause(
        "query-refused",
        # AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column … cannot be resolved.   cannot resolve 'x'
        r"\[(?P<what>(?:UNRESOLVED|AMBIGUOUS|DATATYPE_MISMATCH|PARSE_\w+|MISSING_\w+|UNSUPPORTED_\w+|COLUMN_\w+|"
        r"WRONG_NUM_ARGS|NUM_COLUMNS\w*|CANNOT_MERGE\w*|TABLE_OR_VIEW\w*|SCHEMA_NOT\w*|INCOMPATIBLE_\w+|FIELD_\w+|"
        r"INVALID_(?:SCHEMA|SQL|IDENTIFIER|FIELD|EXTRACT)\w*)[\w.]*)\]",
        r"cannot resolve '(?P<what>[^'\n]{1,120})'|[Tt]able or view (?:'\S{1,120}' )?not found|"
        r"Table or view not found: (?P<name>\S{1,120})|Reference '\S{1,120}' is ambiguous",
        # ParseException: mismatched input 'from' expecting …     extraneous input
        r"(?:mismatched|extraneous|no viable alternative at) input '(?P<what>[^'\n]{1,120})'",
        meaning="Spark refuses the query: it names a column, table, type or function that is not so{what}",
        fix="see its words: frame.printSchema() shows what there is; nothing is wrong with the cluster",
    ),
    make_cause(
        "value-refused",
        # [CAST_INVALID_INPUT] The value 'abc' of the type "STRING" cannot be cast …     [DIVIDE_BY_ZERO]
        r"\[(?P<what>(?:CAST_|DIVIDE_BY_ZERO|ARITHMETIC_OVERFLOW|NUMERIC_|CANNOT_PARSE|INVALID_ARRAY_INDEX|DATETIME_|"
        r"NOT_NULL_|DUPLICATED_MAP_KEY|INCONSISTENT_BEHAVIOR_CROSS_VERSION)[\w.]*)\]",
        r"You may get a different result due to the upgrading|SparkUpgradeException",
        meaning="a value of the data does not fit what is done with it{what}",
        fix="see its words: repair or leave out such rows (try_cast, a filter); spark.sql.ansi.enabled and "
        "spark.sql.legacy.timeParserPolicy say how strict Spark is",
    ),
    make_cause(
        "python-encoding",
        r"Unicode(?:Encode|Decode)Error: 'ascii' codec (?P<what>[^\n]{1,160})",
        meaning="a Python of the cluster reads and writes plain ASCII, and met other letters{what}",
        fix="open(…, encoding='utf-8'), and PYTHONUTF8=1 for all: spark.executorEnv.PYTHONUTF8 and "
        "spark.yarn.appMasterEnv.PYTHONUTF8",
    ),
    make_cause(
        "file-rights",
        # PermissionError: [Errno 13] Permission denied: '/srv/x'     java.io.FileNotFoundException: /x (Permission
        # denied)     AccessDeniedException: /var/lib/x     Mkdirs failed to create file:/…
        r"PermissionError: \[Errno 13\] [^\n]{0,40}'(?P<where>[^'\n]{1,300})'",
        r"FileNotFoundException: (?P<where>/[^\s(]{1,300}) \(Permission denied\)|AccessDeniedException: "
        r"(?P<what>/\S{1,300})",
        r"Mkdirs failed to create (?P<where>\S{1,300})|\[Errno 30\] Read-only file system",
        meaning="the step may not read or write a file of its node{where}",
        fix="write below the container's own folder (the working directory), or to s3://; a step runs as hadoop",
    ),
)
