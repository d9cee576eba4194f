"""The causes that are known by name: how each is recognised, what it means, what cures it. Data only.

Every pattern stands below a line that it matches; where only AWS prints it, with the source of that line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One row of the table.

    Attributes
    ----------
    name : kebab-case
    says : what it means, one sentence; may hold fields of the match in braces
    cure : what to do about it; the same
    next : the command to type then
    patterns : in the failing statement of any log
    loud : whether the patterns count anywhere in the logs, not only in the failing statement
    driver_only : whether the patterns count only where the driver, the step's own log or EMR speaks
    codes : EMR's error codes (``ErrorDetails`` and ``StateChangeReason``)
    job : causes in ``_run/error.json``
    node : causes in the bootstrap's JSON
    """

    name: str
    says: str
    cure: str
    next: str = "make run-step"
    patterns: tuple[re.Pattern[str], ...] = ()
    loud: bool = False
    driver_only: bool = False
    codes: tuple[str, ...] = ()
    job: tuple[str, ...] = ()
    node: tuple[str, ...] = ()


def _patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text) for text in texts)


_MEMORY = (
    "a type with more memory per vCPU for the core and task fleets (core, task in infra/env/<env>.cluster.tfvars; the "
    "sizes of driver and executors are computed from it), then make apply"
)

CAUSES: tuple[Cause, ...] = (
    # -- the bootstrap ----------------------------------------
    Cause(
        name="bootstrap-disk",
        says="the node has too little disk for TensorFlow",
        cure="a larger root volume: root_volume_gib in infra/env/<env>.cluster.tfvars, then make apply",
        next="make destroy, then make apply",
        node=("disk",),
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-errordetail-bootstrap.html
        codes=(
            "BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE_PRIMARY",
            "BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE_WORKER",
        ),
    ),
    Cause(
        name="bootstrap-hash",
        says="a file of the wheelhouse does not have its hash",
        cure="upload the wheelhouse again: make wheelhouse TO=s3://<artifacts>/wheelhouse (make apply does it too)",
        next="make destroy, then make apply",
        node=("wheel-damaged",),
        # error: Hash mismatch for `numpy==2.4.6` (uv)
        patterns=_patterns(r"Hash mismatch for `(?P<package>[^`]+)`"),
    ),
    Cause(
        name="bootstrap-python",
        says="the wheels and the node's Python or processor do not fit",
        cure="a release with Python 3.11 (EMR 7.1 or newer) and a wheelhouse for its processor: make wheelhouse ARCH=…",
        next="make destroy, then make apply",
        node=("python", "architecture"),
        patterns=_patterns(
            # hint: Wheels are available for `numpy` (v2.4.6) with the following Python ABI tag: `cp312` (uv)
            r"with the following Python (?:ABI tag|implementation tag)s?: `(?P<tag>[^`]+)`",
            # hint: Wheels are available for `tensorflow-cpu` (v2.19.0) on the following platform:
            # `manylinux_2_17_aarch64`
            r"on the following platforms?: `(?P<platform>[^`]+)`",
            # Because the requested Python version (>=3.9.25) does not satisfy Python>=3.11 … (uv)
            r"does not satisfy Python[<>=]",
            # error: Failed to install: numpy-2.4.6-cp312-….whl … The wheel is incompatible with the current Python
            r"[Ww]heel is incompatible with the current",
        ),
    ),
    Cause(
        name="bootstrap-wheelhouse",
        says="the wheelhouse is not there, or not whole",
        cure="upload it again: make wheelhouse TO=s3://<artifacts>/wheelhouse (make apply does it too)",
        next="make destroy, then make apply",
        node=("wheelhouse", "wheel-missing"),
    ),
    Cause(
        name="bootstrap-import",
        says="everything was installed, and yet TensorFlow does not run on the node",
        cure="see the traceback; it may be a processor without AVX: take another instance type",
        next="make destroy, then make apply",
        node=("import",),
    ),
    Cause(
        name="bootstrap-script",
        says="EMR could not fetch the bootstrap script",
        cure="upload it again (make apply does); let the nodes' role and the S3 endpoint reach the artifacts bucket",
        next="make destroy, then make apply",
        codes=("BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY", "BOOTSTRAP_FAILURE_FILE_NOT_FOUND_PRIMARY"),
        # On the master instance (i-…), bootstrap action 1 could not be downloaded: s3://…: … (404) … Not Found
        patterns=_patterns(r"bootstrap action \d+ could not be downloaded(?!.*(?:403|AccessDenied|Forbidden))"),
    ),
    # -- rights and places ----------------------------------------
    Cause(
        name="access-denied",
        says="{action} on {resource} was refused",
        cure="{grant}",
        next="make apply, then make run-step",
        patterns=_patterns(
            # User: arn:aws:sts::123456789012:assumed-role/fruits-dev-emr-node/i-0ab is not authorized to perform:
            # s3:PutObject on resource: "arn:aws:s3:::b/k" because no identity-based policy allows the s3:PutObject
            # action
            # EC2 Message: You are not authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:…
            r"(?:(?P<principal>arn:[^\s:]{1,20}:\S{1,300}) )?(?:is|are) not authorized to perform"
            r"(?: this operation)?"
            r"(?:: (?P<action>[\w-]+:\w+)(?: on (?:resource: )?\"?(?P<resource>arn:[^\s\",]{1,1000}))?)?",
            # When listing objects under key 'x' in bucket 'b': AWS Error ACCESS_DENIED during ListObjectsV2
            # operation: …
            # When completing multiple part upload for key 'x' in bucket 'b': AWS Error ACCESS_DENIED during …
            r"(?:key '(?P<key>[^'\n]{0,1000})' )?in bucket '(?P<bucket>[^'\n]{1,100})': AWS Error ACCESS_DENIED during "
            r"(?P<operation>\w+) operation",
            # When testing for existence of bucket 'b': AWS Error ACCESS_DENIED during HeadBucket operation: No
            # response body.
            r"(?:bucket '(?P<bucket>[^'\n]{1,100})': )?AWS Error ACCESS_DENIED"
            r"(?: during (?P<operation>\w+) operation)?",
            # fatal error: An error occurred (AccessDenied) when calling the ListObjectsV2 operation: Access Denied
            # An error occurred (403) when calling the HeadObject operation: Forbidden
            r"An error occurred \((?:AccessDenied\w*|403|UnauthorizedOperation)\) when calling the (?P<operation>\w+)",
            # java.nio.file.AccessDeniedException: s3://b/k: getFileStatus on s3://b/k: …AmazonS3Exception: Forbidden
            # (…403…
            r"java\.nio\.file\.AccessDeniedException: (?P<uri>s3[an]?://\S{1,1000}?):? "
            r"(?P<call>[\w -]{1,60}?)(?: on |:|\n|$)",
            # operation error EMR: RunJobFlow, https response error StatusCode: 400, …, api error
            # AccessDeniedException: …
            r"operation error (?P<service>[\w ]{1,40}): (?P<operation>\w{1,60}), "
            r".{0,200}(?:AccessDenied|UnauthorizedOperation)",
            # com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403; …
            r"AmazonS3Exception: (?:Access Denied|Forbidden)",
        ),
    ),
    Cause(
        name="wrong-region",
        says="a bucket lies in another region{elsewhere}",
        cure="take a bucket of the cluster's region, or set REGION= to the bucket's for make apply and make run-step",
        patterns=_patterns(
            # AWS Error UNKNOWN (HTTP status 301) during HeadObject operation: No response body. Looks like the
            # configured
            # region is 'eu-west-3' while the bucket is located in 'us-east-2'.   (pyarrow; apache/arrow)
            r"configured region is '(?P<configured>[^'\n]{0,40})' while the bucket is located in "
            r"'(?P<region>[^'\n]{1,40})'",
            # The authorization header is malformed; the region 'eu-west-3' is wrong; expecting 'us-east-1'
            r"the region '(?P<configured>[^'\n]{0,40})' is wrong; expecting '(?P<region>[^'\n]{1,40})'",
            # The bucket you are attempting to access must be addressed using the specified endpoint. (… 301 …
            r"must be addressed using the specified endpoint",
            r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint",
        ),
    ),
    Cause(
        name="bucket-missing",
        says="a bucket that was named does not exist",
        cure="check its spelling in INPUT= and OUTPUT=; make status names ours",
        # AWS Error NO_SUCH_BUCKET during …     (NoSuchBucket) when calling …     The specified bucket does not exist
        patterns=_patterns(r"NO_SUCH_BUCKET|NoSuchBucket|specified bucket does not exist"),
    ),
    # -- versions ----------------------------------------
    Cause(
        name="version-mismatch",
        says="driver and workers do not run the same versions",
        cure="one environment on every node: make apply gives it; do not set PYSPARK_PYTHON for a step by hand",
        next="make destroy, then make apply",
        job=("versions",),
        patterns=_patterns(
            # pyspark.errors.…PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version
            # (3, 9)
            # than that in driver 3.11, PySpark cannot run with different minor versions.
            r"PYTHON_VERSION_MISMATCH|Python in worker has different version",
            r"driver and workers do not run the same versions",
            # java.io.InvalidClassException: org.apache.spark.…; local class incompatible: stream classdesc …
            r"InvalidClassException: \S{1,300}; local class incompatible",
            # A module that was compiled using NumPy 1.x cannot be run in NumPy 2.4.6     numpy.dtype size changed
            r"compiled using NumPy 1\.x cannot be run in|numpy\.dtype size changed",
        ),
    ),
    Cause(
        name="python-missing",
        says="there is no Python where the step was told to look for it ({program})",
        cure="the bootstrap makes /opt/fruits/venv on every node: a cluster of make apply has it",
        next="make destroy, then make apply",
        # java.io.IOException: Cannot run program "/opt/fruits/venv/bin/python": error=2, No such file or directory
        patterns=_patterns(r'Cannot run program "(?P<program>[^"\n]{0,1000})"'),
    ),
    Cause(
        name="module-missing",
        says="Python does not find the module {module}",
        cure="for the package fruits: submit by make run-step, which ships it; for another: add it to requirements.in",
        # ModuleNotFoundError: No module named 'fruits'
        patterns=_patterns(r"ModuleNotFoundError: No module named '(?P<module>[^']+)'"),
    ),
    # -- memory ----------------------------------------
    Cause(
        name="out-of-memory-driver",
        says="the driver ran out of memory{used}",
        cure=f"{_MEMORY}; or a model with fewer features",
        next="make apply, then make run-step",
        loud=True,
        driver_only=True,
        patterns=_patterns(
            # Application application_… failed 1 times … due to AM Container for appattempt_… exited with  exitCode:
            # -104
            # (-104: killed for its memory, -103: for its virtual memory, 137: killed, as the kernel does; YARN's
            # ContainerExitStatus)
            r"AM Container for \S{1,200} exited with\s+exitCode: (?:-10[34]|137)(?P<used>)",
            # User application exited with status 137     (the driver's Python was killed)
            r"User application exited with status (?:137|-9)(?P<used>)",
            # Total size of serialized results of 8 tasks (1025.0 MiB) is bigger than spark.driver.maxResultSize
            r"is bigger than spark\.driver\.maxResultSize(?P<used>)",
            # Exception in thread "main" java.lang.OutOfMemoryError: Java heap space
            r"(?m)^(?:(?!Lost task).)*java\.lang\.OutOfMemoryError(?P<used>)",
        ),
    ),
    Cause(
        name="out-of-memory-executor",
        says="YARN or the kernel killed an executor for its memory{used}",
        cure=_MEMORY,
        next="make apply, then make run-step",
        loud=True,
        patterns=_patterns(
            # Container killed by YARN for exceeding physical memory limits. 12.1 GB of 12 GB physical memory used.
            r"killed by YARN for exceeding (?:physical |virtual )?memory limits\. ?(?P<used>[\d.]+ .?B of [\d.]+ .?B)?",
            # Container [pid=1,containerID=container_…_000002] is running 1024B beyond the 'PHYSICAL' memory limit.
            # Current usage: 12.1 GB of 12 GB physical memory used
            r"is running (?:\d+B )?beyond (?:the ')?(?:physical|PHYSICAL)'? memory limits?\. Current usage: "
            r"(?P<used>[\d.]+ .?B of [\d.]+ .?B)",
            # Container from a bad node: container_… on host: ip-…. Exit status: 137. Diagnostics: …Killed by external
            # signal
            # (137: killed; 52: Spark's own code for an OutOfMemoryError; SparkExitCode.OOM)
            r"Exit status: (?:137|52|-104)\b(?P<used>)",
            # ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: Command exited with
            # code 137
            r"Reason: Command exited with code (?:137|52)\b(?P<used>)",
            # Lost task 0.3 in stage 1.0 (TID 9) (ip-… executor 2): java.lang.OutOfMemoryError: Java heap space
            r"Lost task .*java\.lang\.OutOfMemoryError(?P<used>)",
            r"SparkOutOfMemoryError(?P<used>)",
        ),
    ),
    Cause(
        name="python-crash",
        says="a Python worker crashed in native code ({signal})",
        cure="another instance type if it is an illegal instruction (OpenVINO and TensorFlow need AVX2); otherwise "
        "ENGINE=tensorflow leaves OpenVINO out",
        patterns=_patterns(
            # Fatal Python error: Segmentation fault     Fatal Python error: Illegal instruction
            r"Fatal Python error: (?P<signal>Segmentation fault|Illegal instruction|Aborted|Bus error)",
            # # A fatal error has been detected by the Java Runtime Environment: #  SIGSEGV (0xb) at pc=…
            r"#\s+(?P<signal>SIGSEGV|SIGILL|SIGBUS) \(0x",
        ),
        loud=True,
    ),
    Cause(
        name="out-of-memory-python",
        says="a Python worker ran out of memory, or was killed for want of it",
        cure=_MEMORY,
        next="make apply, then make run-step",
        loud=True,
        patterns=_patterns(
            # MemoryError     numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array …
            r"(?m)^(?:[\w.]*\.)?_?(?:Array)?MemoryError\b",
            r"Unable to allocate [\d.]+ .iB for an array|std::bad_alloc",
            # pyarrow.lib.ArrowMemoryError: malloc of size 8589934592 failed     OSError: [Errno 12] Cannot allocate
            # memory
            r"malloc of size \d+ failed|Cannot allocate memory",
            # org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)
            r"Python worker exited unexpectedly \(crashed\)",
            r"ResourceExhaustedError",
        ),
    ),
    # -- nodes ----------------------------------------
    Cause(
        name="lost-spot-nodes",
        says="EC2 took Spot nodes back{nodes}",
        cure="run the step again: it goes on where it stopped. Taken back again, more types or on demand for the task "
        "fleet (task in infra/env/<env>.cluster.tfvars)",
        loud=True,
        patterns=_patterns(
            # Container marked as failed: container_… on host: ip-…. Exit status: -100. Diagnostics: Container
            # released on a
            # *lost* node     (YARN's ContainerExitStatus.ABORTED)
            r"released on a \*lost\* node|Exit status: -100\b|exitCode: -100\b",
            # Instance was terminated by EC2: Spot instance interruption
            r"Spot instance interruption|[Ss]pot interruption",
            # ExecutorLostFailure (…) Reason: Executor decommission: spot…
            r"Executor decommission",
        ),
    ),
    Cause(
        name="executor-lost",
        says="executors were lost, and no log says why",
        cure="run the step again: it goes on where it stopped; if they are lost again, see them in make ui",
        patterns=_patterns(
            r"ExecutorLostFailure",
            r"Max number of executor failures",
            # Remote RPC client disassociated. Likely due to containers exceeding thresholds, or network issues.
            r"Remote RPC client disassociated|heartbeat timed out after",
        ),
    ),
    Cause(
        name="no-capacity",
        says="EC2 has not enough machines of the types that were asked for{where}",
        cure="wait and try again, or give more types and zones (core, task, zones in infra/env/<env>.cluster.tfvars)",
        next="make destroy, then make apply",
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-errordetail-internal.html
        codes=(
            "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ",
            "INTERNAL_ERROR_SPOT_NO_CAPACITY_PRIMARY",
            "INTERNAL_ERROR_SPOT_PRICE_INCREASE_PRIMARY",
            "INSTANCE_FLEET_TIMEOUT",
        ),
        patterns=_patterns(
            # EC2 is out of capacity for r5.24xlarge in availability zone us-east-1a. Learn more at https://…
            r"EC2 is out of capacity(?: for (?P<where>\S{1,60} in availability zone [\w-]{1,40}))?",
            r"InsufficientInstanceCapacity|[Ii]nsufficient (?:instance )?capacity",
        ),
    ),
    Cause(
        name="quota",
        says="the account's quota does not allow the machines that were asked for{where}",
        cure="fewer vCPUs (IMAGES= MINUTES=, or core and task in infra/env/<env>.cluster.tfvars), or ask for more at "
        "AWS Service Quotas: L-1216C47A on demand, L-34B43A08 Spot; make doctor says how many are free",
        next="make doctor, then make apply",
        patterns=_patterns(
            # The request to create the EMR cluster or add EC2 instances to it failed. The number of vCPUs for
            # instance type
            # m5.xlarge exceeds the EC2 service quota for that type. Request a service quota increase …
            r"The number of vCPUs for instance type (?P<where>[\w.-]{1,40}) exceeds the EC2 service quota",
            r"exceeds the EC2 service quota",
            # An error occurred (VcpuLimitExceeded) when calling the RunInstances operation: You have requested more
            # vCPU …
            r"VcpuLimitExceeded|MaxSpotInstanceCountExceeded|InstanceLimitExceeded|current vCPU limit",
            # The EBS volume limit was exceeded
            r"EBS volume limit was exceeded|VolumeLimitExceeded",
        ),
    ),
    Cause(
        name="type-not-offered",
        says="an instance type is not offered where the cluster should run{where}",
        cure="other types or zones (core, task, primary, zones in infra/env/<env>.cluster.tfvars); make doctor checks",
        next="make doctor, then make apply",
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-errordetail-validation.html
        codes=("VALIDATION_ERROR_INSTANCE_TYPE_NOT_SUPPORTED",),
        # The requested instance type m7i.xlarge is not supported in the requested availability zone.
        patterns=_patterns(r"instance type (?P<where>[\w.-]+) is not supported in the requested availability zone"),
    ),
    Cause(
        name="role-missing",
        says="a role or instance profile of the cluster is not there",
        cure="make apply again: a role made seconds before is not known everywhere at once",
        next="make destroy, then make apply",
        # Invalid InstanceProfile: fruits-dev-emr-node.     Service role fruits-dev-emr-service does not exist.
        patterns=_patterns(r"Invalid InstanceProfile|Service role \S+ does not exist|has no role\."),
    ),
    Cause(
        name="ec2-throttled",
        says="EC2 refused the launch because it was asked too often",
        cure="wait some minutes, then make apply again",
        next="make destroy, then make apply",
        # Throttled from Amazon EC2 while launching cluster
        patterns=_patterns(r"Throttled from Amazon EC2|throttling from Amazon EC2"),
    ),
    Cause(
        name="application-provisioning",
        says="EMR could not set up Hadoop or Spark on a node",
        cure="once: make apply again. Each time: let the nodes reach Amazon's repositories through the S3 endpoint "
        "(infra/modules/network/endpoints.tf); node/<instance>/provision-node/ has the reason",
        next="make destroy, then make apply",
        # On the master instance (i-0991cbf940d71cbfd), application provisioning failed
        patterns=_patterns(r"application provisioning (?:failed|timed out)"),
    ),
    # -- what stands around it ----------------------------------------
    Cause(
        name="disk-full",
        says="a node's disk is full",
        cure="larger data volumes (data_volume_gib in infra/modules/emr/variables.tf), or more nodes",
        next="make apply, then make run-step",
        loud=True,
        patterns=_patterns(r"No space left on device"),
    ),
    Cause(
        name="s3-throttled",
        says="S3 answered too often that it is asked too much",
        cure="run the step again: it goes on where it stopped; fewer vCPUs ask less",
        # AWS Error SLOW_DOWN during GetObject operation: Please reduce your request rate.     (Status Code: 503; …
        # SlowDown
        patterns=_patterns(r"SLOW_DOWN|SlowDown|reduce your request rate"),
    ),
    Cause(
        name="network-unreachable",
        says="a service could not be reached from the cluster",
        cure="let the endpoint reach it (infra/modules/network/endpoints.tf); nothing but S3 is reachable without "
        "enable_nat",
        patterns=_patterns(
            # AWS Error NETWORK_CONNECTION during …: curlCode: 28, Timeout was reached
            r"NETWORK_CONNECTION|curlCode: (?:6|7|28)\b",
            r"UnknownHostException|Could not connect to the endpoint URL|[Cc]onnect(?:ion)? timed out",
        ),
    ),
    Cause(
        name="file-missing",
        says="a file that the step names is not there",
        cure="submit by make run-step, which uploads what the step needs",
        patterns=_patterns(
            # java.io.FileNotFoundException: No such file or directory: s3://b/jobs/x.py
            r"FileNotFoundException: (?:No such file or directory:|File) ?(?P<uri>s3\S*)",
            r"NoSuchKey|NO_SUCH_KEY|\(404\) when calling the HeadObject",
        ),
    ),
    Cause(
        name="wrong-arguments",
        says="the step was given something that it cannot use",
        cure="see its words; make help lists the variables of make run-step",
        job=("usage",),
        patterns=_patterns(
            # Error: Unrecognized option: --memory     Error: Missing application resource.
            r"(?m)^Error: (?:Unrecognized option|Missing application resource|Missing argument|Spark config without)",
            r"No command to run\.|Cannot fetch jar ",
        ),
    ),
    # -- what the job says of itself ----------------------------------------
    Cause(
        name="rejects-over-limit",
        says="more images were rejected than allowed",
        cure="repair or remove them (rejects/ names them all), or allow more with MAX_REJECT_RATE=",
        job=("rejects",),
    ),
    Cause(
        name="input-missing",
        says="the input is missing, empty, or holds no such image",
        cure="make upload-dataset INPUT=folder, or another INPUT=",
        next="make upload-dataset INPUT=folder, then make run-step",
        job=("input",),
    ),
    Cause(
        name="model-unusable",
        says="the network or its weights cannot be used",
        cure="make weights MODEL=…, or another MODEL=",
        next="make weights, then make run-step",
        job=("model",),
    ),
    Cause(
        name="reduction-impossible",
        says="the principal components that were asked for cannot be had",
        cure="another K= or VARIANCE=, or more images",
        job=("reduction",),
    ),
    Cause(
        name="output-unusable",
        says="the results cannot be written where they were asked for",
        cure="another OUTPUT=",
        job=("output",),
    ),
    Cause(
        name="result-contradicts-input",
        says="the finished result contradicts its input",
        cure="run the step again; the same again is a fault of the job",
        job=("check",),
    ),
    Cause(
        name="storage-unreachable",
        says="a store refused, or could not be reached",
        cure="check the address, then run again",
        job=("storage",),
    ),
)

# What is left when no row fits.
CANCELLED = Cause(
    name="cancelled",
    says="the step was cancelled, or its cluster was ended while it was open",
    cure="make apply where the cluster has ended, then submit it again: it goes on where it stopped",
    next="make status, then make run-step",
)
PYTHON = Cause(
    name="python-exception",
    says="Python raised {exception}",
    cure="the traceback names the line; what is featurized is kept, so a repaired job goes on where this one stopped",
)
BOOTSTRAP = Cause(
    name="bootstrap-other",
    says="a bootstrap action failed",
    cure="see its last words; then make destroy, and make apply again",
    next="make destroy, then make apply",
    node=("unexpected", "arguments", "tool", "prefix", "install"),
    codes=("BOOTSTRAP_FAILURE", "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE"),
)
UNKNOWN = Cause(
    name="unknown",
    says="nothing that was found is a known cause",
    cure="read the whole log at the address below; make logs shows its end",
    next="make logs",
)
NAMES: tuple[str, ...] = tuple(cause.name for cause in (*CAUSES, CANCELLED, PYTHON, BOOTSTRAP, UNKNOWN))
