"""Memory and processes that end: heaps, containers, workers, native code."""

from functools import partial

from ops.diagnose.cause import list_rows, make_cause

_TYPES = "{variables} in infra/env/<env>.cluster.tfvars; the sizes of driver and executors are computed from it"
LARGER = f"a type with more memory per vCPU for {{fleets}} ({_TYPES}), then make apply"
make_memory_cause = partial(make_cause, command="make apply, then make run-step", loud=True)
_WHO_KILLED = (
    "the kernel's log on its node (make shell, then dmesg) names what it killed; nothing there: somebody or something "
    "else sent the signal"
)
_KERNEL = "the kernel of its node killed {process} because memory ran out: more ran there than the node has room for"

RESULT = make_memory_cause(
    "out-of-memory-driver/result",
    # Total size of serialized results of 8 tasks (1025.0 MiB) is bigger than spark.driver.maxResultSize (1024.0 MiB)
    r"serialized results of \d+ tasks \((?P<used>[\d.]+ .?i?B)\) is bigger than|"
    r"is bigger than (?:local result size limit )?spark\.driver\.maxResultSize",
    meaning="the driver was sent more than it may hold at once (spark.driver.maxResultSize){used}",
    fix="write results from the workers instead of collecting them; otherwise a larger spark.driver.maxResultSize with "
    "the heap for it (spark.driver.memory)",
    driver_only=True,
)
NATIVE_MEMORY = make_memory_cause(
    "out-of-memory-native",
    # java.lang.OutOfMemoryError: Direct buffer memory     OutOfMemoryError: Metaspace     PermGen space
    r"OutOfMemoryError(?P<kind>: (?:Direct buffer memory|Metaspace|PermGen space|Compressed class space))",
    # io.netty.util.internal.OutOfDirectMemoryError: failed to allocate 16777216 byte(s) of direct memory (used: …
    r"OutOfDirectMemoryError(?P<kind>: [^\n]{1,80})?",
    # There is insufficient memory for the Java Runtime Environment to continue.     os::commit_memory(…) failed;
    # error='Cannot allocate memory' (errno=12)
    r"insufficient memory for the Java Runtime Environment|os::commit_memory|"
    r"Could not reserve enough space for (?P<kind>\S+ heap)",
    meaning="a JVM ran out of memory that is not its heap{kind}",
    fix=f"spark.executor.memoryOverhead (or spark.driver.memoryOverhead) larger, not the heap: {LARGER}; for Metaspace "
    "leave -XX:MaxMetaspaceSize out",
)
TOO_MANY = make_cause(
    "limit-of-the-system",
    # java.lang.OutOfMemoryError: unable to create new native thread: no larger heap helps
    r"OutOfMemoryError: (?P<kind>[Uu]nable to create (?:new )?native thread)",
    # RuntimeError: can't start new thread     pthread_create failed (EAGAIN)
    r"(?P<kind>can't start new thread|pthread_create failed)",
    # java.io.FileNotFoundException: … (Too many open files)     OSError: [Errno 24] Too many open files
    r"(?P<kind>Too many open files)",
    meaning="a process may open no more files or start no more threads{kind}",
    fix="fewer cores per executor and fewer partitions written at once; the limits of a node: ulimit -n and -u (make "
    "shell)",
    loud=True,
)
DRIVER_CONTAINER = make_memory_cause(
    "out-of-memory-driver/container",
    # Application application_… failed 1 times … due to AM Container for appattempt_… exited with  exitCode: -104
    r"AM Container for \S{1,200} exited with\s+exitCode: -10[34]",
    meaning="YARN killed the driver's container for its memory: its Python took more than the container has beside the "
    "heap{used}",
    fix=f"spark.driver.memoryOverhead larger: {LARGER}; or a model with fewer features",
    driver_only=True,
)
EXECUTOR_CONTAINER = make_memory_cause(
    "out-of-memory-executor/container",
    # Container killed by YARN for exceeding physical memory limits. 12.1 GB of 12 GB physical memory used.
    r"killed by YARN for exceeding (?:physical |virtual )?memory limits\. ?(?P<used>[\d.]+ .?B of [\d.]+ .?B)?",
    # Container [pid=1,containerID=container_…_000002] is running 1024B beyond the 'PHYSICAL' memory limit.
    # Current usage: 12.1 GB of 12 GB physical memory used
    r"is running (?:\d+B )?beyond (?:the ')?(?:physical|PHYSICAL|virtual|VIRTUAL)'? memory limits?\. Current usage: "
    r"(?P<used>[\d.]+ .?B of [\d.]+ .?B)",
    meaning="YARN killed an executor's container for its memory: the Python workers took more than it has beside the "
    "heap{used}",
    fix=f"spark.executor.memoryOverhead larger: {LARGER}",
)
EXECUTOR_HEAP = make_memory_cause(
    "out-of-memory-executor/heap",
    # Lost task 0.3 in stage 1.0 (TID 9) (ip-… executor 2): java.lang.OutOfMemoryError: Java heap space
    r"Lost task .*java\.lang\.OutOfMemoryError(?!: (?:[Uu]nable to create|Direct buffer|Metaspace|"
    r"PermGen))(?P<kind>: [^\n]{1,80})?",
    # SparkOutOfMemoryError: Unable to acquire 65536 bytes of memory, got 0
    r"SparkOutOfMemoryError(?P<kind>: [^\n]{1,80})?",
    meaning="the heap of an executor's JVM was too small{kind}",
    fix=f"spark.executor.memory larger: {LARGER}; or smaller rows and partitions",
)
PYTHON_CRASH = make_cause(
    "python-crash",
    # Fatal Python error: Segmentation fault     Fatal Python error: Illegal instruction
    r"Fatal Python error: (?P<signal>Segmentation fault|Illegal instruction|Aborted|Bus error|Floating point \w+)",
    # job.sh: line 7: 4711 Illegal instruction (core dumped) python3 …     Segmentation fault (core dumped)
    r"(?P<signal>Segmentation fault|Illegal instruction|Bus error|Aborted|Floating point exception) *\(core dumped\)",
    # The TensorFlow library was compiled to use AVX instructions, but these aren't available on your machine.
    r"compiled to use (?P<signal>[\w. ]{1,20} instructions), but these aren't available",
    meaning="a Python worker crashed in native code ({signal})",
    fix="another instance type if it is an illegal instruction (OpenVINO and TensorFlow need AVX2); otherwise "
    "ENGINE=tensorflow leaves OpenVINO out",
    loud=True,
)
JVM_CRASH = make_cause(
    "jvm-crash",
    # # A fatal error has been detected by the Java Runtime Environment: #  SIGSEGV (0xb) at pc=…
    r"#\s+(?P<signal>SIGSEGV|SIGILL|SIGBUS|SIGFPE) \(0x",
    meaning="a JVM crashed in native code ({signal})",
    fix="leave native libraries out of it one by one; the file hs_err_pid… beside its log names the one that crashed",
    loud=True,
)
PYTHON_MEMORY = make_memory_cause(
    "out-of-memory-python",
    # MemoryError     numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array …
    r"(?m)^(?:[\w.]*\.)?_?(?:Array)?MemoryError\b",
    r"Unable to allocate [\d.]+ .iB for an array|std::bad_alloc",
    # pyarrow.lib.ArrowMemoryError: malloc of size 8589934592 failed     OSError: [Errno 12] Cannot allocate memory
    r"malloc of size \d+ failed|Cannot allocate memory",
    r"ResourceExhaustedError",
    # Out of memory: Killed process 12345 (python3.11) total-vm:…     (the kernel, in /var/log/messages)
    r"Out of memory: Killed process \d+ \(python",
    meaning="a Python worker ran out of memory",
    fix=LARGER,
)
DRIVER_HEAP = make_memory_cause(
    "out-of-memory-driver/heap",
    # Exception in thread "main" java.lang.OutOfMemoryError: Java heap space     GC overhead limit exceeded
    r"(?m)^(?:(?!Lost task|Uncaught exception in thread Thread\[Executor).)*java\.lang\.OutOfMemoryError(?!: "
    r"(?:[Uu]nable to create|Direct buffer|Metaspace|PermGen|unable to create))(?P<kind>: [^\n]{1,80})?",
    # Not enough memory to build and broadcast the table to all worker nodes
    r"Not enough memory to build and broadcast",
    meaning="the heap of the driver's JVM was too small{kind}",
    fix=f"spark.driver.memory larger: {LARGER}; collect less in the driver",
    driver_only=True,
)
DRIVER_KERNEL = make_memory_cause("out-of-memory-driver/kernel", meaning=f"the driver: {_KERNEL}", fix=LARGER)
EXECUTOR_KERNEL = make_memory_cause("out-of-memory-executor/kernel", meaning=f"an executor: {_KERNEL}", fix=LARGER)
DRIVER_KILLED = make_memory_cause(
    "out-of-memory-driver/killed",
    meaning="the driver was killed from outside (SIGKILL), as the kernel does when memory runs out",
    fix=f"spark.driver.memoryOverhead larger: {LARGER}; or a model with fewer features",
    distinction=_WHO_KILLED,
)
DRIVER_PYTHON = make_memory_cause(
    "out-of-memory-driver/python",
    meaning="the driver's Python ran out of memory",
    fix=f"spark.driver.memoryOverhead larger: {LARGER}; or a model with fewer features",
)
EXECUTOR_KILLED = make_memory_cause(
    "out-of-memory-executor/killed",
    meaning="an executor was killed from outside (137, SIGKILL), and its own log says nothing: usually by the kernel, "
    "when memory ran out",
    fix=f"spark.executor.memoryOverhead larger: {LARGER}",
    distinction=_WHO_KILLED,
)
EXECUTOR_TERMINATED = make_memory_cause(
    "out-of-memory-executor/terminated",
    meaning="an executor was told to end from outside (143, SIGTERM), by YARN or by its own JVM: too little memory is "
    "the usual reason",
    fix=f"spark.executor.memory and its memoryOverhead larger: {LARGER}",
    distinction="the executor's own stderr and stdout: Java heap space there means the heap; YARN's log on its node "
    "(running beyond … memory limits) the overhead; neither: its node was being taken away",
)
WORKER_GONE = make_cause(
    "python-crash/silent",
    # org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)
    r"Python worker exited unexpectedly \(crashed\)",
    # java.net.SocketException: Connection reset … at org.apache.spark.api.python.PythonRunner$$anon$3.read(…)
    r"java\.net\.SocketException: Connection reset(?=(?:\n\s+at .*){1,15}\n\s+at "
    r"org\.apache\.spark\.api\.python\.\w*Python)",
    meaning="a Python worker ended without a word: native code crashed in it, or the kernel killed it when memory ran "
    "out",
    fix="a crash: ENGINE=tensorflow leaves OpenVINO out. A kill: a type with more memory per vCPU ({variables} in "
    "infra/env/<env>.cluster.tfvars)",
    distinction="spark.python.worker.faulthandler.enabled=true (a cluster of make apply has it) puts the stack of a "
    "crash into the log; with it on and no stack there, the worker was killed: memory",
    weak=True,
    loud=True,
)

ROWS = list_rows(vars())
