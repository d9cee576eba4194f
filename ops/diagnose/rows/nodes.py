"""Nodes, disks and executors that go."""

from ops.diagnose.cause import list_rows, make_cause

LOST_SPOT = make_cause(
    "lost-spot-nodes",
    # Instance was terminated by EC2: Spot instance interruption
    r"Spot instance interruption|[Ss]pot interruption|Server\.Spot(?:Instance)?(?:Termination|Shutdown)",
    # ExecutorLostFailure (…) Reason: Executor decommission: spot…
    r"Executor decommission.{0,40}[Ss]pot",
    meaning="EC2 took Spot nodes back{nodes}",
    fix="run the step again: it continues where it stopped. Taken back again, more types or on demand for the task "
    "fleet (task in infra/env/<env>.cluster.tfvars)",
    loud=True,
)
DISK_FULL = make_cause(
    "disk-full",
    r"No space left on device|[Nn]o usable space|DISK_STORE_FAILED_TO_CREATE_DIR",
    # 1/1 local-dirs usable space is below configured utilization percentage/no more usable space [ /mnt/yarn : used
    # space above threshold of 90.0% ] (INSATunisia/TP-BigData#2, mattshma/bigdata#10)
    r"used space above threshold of|usable space is below configured utilization|(?:local|log)-dirs (?:are|turned) bad",
    # DiskErrorException: Could not find any valid local directory for …     Failed to create local dir in /mnt/…
    r"Could not find any valid local directory|Failed to create (?:local dir|any local dir)",
    meaning="a node's disk is full",
    fix="larger data volumes (data_volume_gib in infra/modules/emr/variables.tf), or more nodes",
    command="make apply, then make run-step",
    loud=True,
)
NODE_LOST = make_cause(
    "node-lost",
    # Container marked as failed: container_… Exit status: -100. Diagnostics: Container released on a *lost* node
    r"released on a \*lost\* node|Exit status: -100\b|exitCode: -100\b",
    # Cluster terminates with NO_SLAVE_LEFT and core nodes FAILED_BY_MASTER (EMR's management guide)
    r"NO_SLAVE_LEFT|FAILED_BY_MASTER|NO_CORE_LEFT",
    # Could not get block locations. Source file "…" - Aborting... (ldbc_snb_datagen_spark#374)
    r"Could not get block locations|BlockMissingException|All datanodes .{0,400} are bad",
    # Executor decommission: …     Node … reported UNHEALTHY with details: …
    r"Executor decommission|reported UNHEALTHY",
    meaning="{whose} was lost, or left the cluster{nodes}",
    fix="run the step again: it continues where it stopped. Lost again: larger data volumes if its disk was full, or "
    "more types and zones",
    distinction="aws emr list-instances --cluster-id … says of each node its market, its end and why: Spot "
    "interruption, or a disk above 90%, no heartbeat, somebody's request",
    command="make status, then make run-step",
    loud=True,
    weak=True,
)
DRIVER_UNREACHABLE = make_cause(
    "driver-unreachable",
    # ERROR Executor: Exit as unable to send heartbeats to driver more than 60 times (spark-on-k8s#405)
    r"unable to send heartbeats to driver more than",
    meaning="executors lost touch with the driver: it was too busy to answer, or gone",
    fix="less work in the driver (no collect of much data), and more memory for it: spark.driver.memory; then see its "
    "own log for what it did at that time",
    distinction="the driver's log: long pauses (GC) or an OutOfMemoryError there, or nothing wrong (then the network)",
    loud=True,
)
UNCAUGHT = make_cause(
    "executor-lost/uncaught",
    meaning="an exception that nothing caught ended an executor's JVM (50){raised}",
    fix="what it says is in the executor's own stderr; run the step again, and see it in make ui if it comes back",
)
LAUNCH = make_cause(
    "container-not-started",
    # launch_container.sh: line 27: $PWD:$PWD/__spark_conf__:…: bad substitution
    r"launch_container\.sh: line \d+: (?P<how>[^\n]{0,300}bad substitution)",
    # Resource hdfs://… changed on src filesystem (expected 1, was 2)
    r"(?P<how>Resource \S{1,300} changed on src filesystem)",
    meaning="YARN could not start a container{how}",
    fix="its own words above name what is missing: a file to be fetched, a command, a right",
)
PREEMPTED = make_cause(
    "preempted",
    meaning="YARN gave a container's place to another application",
    fix="one step at a time (step_concurrency 1, the default), then run the step again: it continues where it stopped",
)
DRIVER_TERMINATED = make_cause(
    "driver-terminated",
    meaning="the driver was told to end from outside (143, SIGTERM), and its log says nothing of memory",
    fix="run the step again: it continues where it stopped",
    distinction="who did it: make status (was the cluster or its node taken away?), yarn application -kill by a user, "
    "or an earlier attempt of the same step",
)
DRIVER_GONE = make_cause(
    "driver-gone",
    # py4j.protocol.Py4JNetworkError: Answer from Java side is empty (aws-samples/spark-on-aws-lambda#21)
    r"Answer from Java side is empty|Py4JNetworkError: Error while sending or receiving",
    r"An error occurred while trying to connect to the Java server",
    meaning="the driver's JVM went away while Python was talking to it, and no log says why",
    fix="see the end of the driver's log, and run the step again; a larger spark.driver.memory if it comes back",
    distinction="how the step's command ended (its controller): 137 means killed, usually by the kernel when memory "
    "ran out; 143 told to end; an OutOfMemoryError stands in the log itself",
    weak=True,
)
SILENT = make_cause(
    "executor-lost/silent",
    # WARN HeartbeatReceiver: Removing executor 1 with no recent heartbeats: 19523 ms exceeds timeout 16000 ms
    r"Removing executor (?P<executor>\d+) with no recent heartbeats: (?P<after>\d+ ms)",
    # ERROR YarnScheduler: Lost executor 1 on ip-10-0-0-6: Executor heartbeat timed out after 19523 ms
    r"Lost executor (?P<executor>\d+) on [^\n]{1,200}eartbeat timed out after (?P<after>\d+ ms)",
    # ExecutorLostFailure (executor 1 exited caused by …) Reason: Executor heartbeat timed out after 19523 ms
    r"(?:executor (?P<executor>\d+)\b[^\n]{0,200})?eartbeat timed out after (?P<after>\d+ ms)",
    r"with no recent heartbeats",
    meaning="the driver gave up an executor that sent no heartbeat any more{after}",
    fix="run the step again: it continues where it stopped. Silent again: more memory per vCPU for the nodes, or fewer "
    "of them on Spot; a longer spark.network.timeout only hides it",
    distinction="the executor's own log at that time: nothing at all (a long garbage collection, or a node that was "
    "frozen, swapped or overloaded), or errors of its heartbeater (the network)",
    command="make ui, then make run-step",
    weak=True,
)
SHUFFLE_LOST = make_cause(
    "executor-lost/shuffle",
    # MetadataFetchFailedException: Missing an output location for shuffle 19 partition 0 (spark-notebook#986)
    r"Failed to get broadcast_\w+ of broadcast|TaskResultLost|Missing an output location for shuffle|FetchFailed|"
    r"has failed the maximum allowable number of times",
    # ERROR ShuffleBlockFetcherIterator: Failed to get block(s) from 10.0.25.120:33544
    r"Failed to get block\(s\) from",
    meaning="executors were lost with what they had computed for others (their shuffle files), and no log says why",
    fix="run the step again: it continues where it stopped; if they are lost again, see them in make ui",
    weak=True,
    loud=True,
)
EXECUTOR_LOST = make_cause(
    "executor-lost",
    r"ExecutorLostFailure",
    # Container marked as failed: container_… on host: node4. Exit status: 1. (JanusGraph#1357)
    r"Container (?:marked as failed|from a bad node): [^\n]{0,200}Exit status: \d+",
    r"Max number of executor failures|Slave lost|Worker lost|worker lost",
    # Spark context stopped while waiting for backend     Yarn application has already ended!
    r"Spark context stopped while waiting for backend|Yarn application has already (?:ended|exited)",
    # Remote RPC client disassociated. Likely due to containers exceeding thresholds, or network issues.
    r"[Rr]emote R(?:PC|pc) client disassociated",
    meaning="executors were lost, and no log says why",
    fix="run the step again: it continues where it stopped; if they are lost again, see them in make ui",
    weak=True,
)

ROWS = list_rows(vars())
