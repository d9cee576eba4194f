"""What an exit code means, by whose it is: one table for containers, executors, masters, shells and signals.

Data, and nothing else. A test reads the same numbers out of Hadoop's and Spark's own classes.
"""

import signal
from dataclasses import dataclass
from typing import Literal

Owner = Literal["container", "executor", "master", "shell"]

_YARN = "org.apache.hadoop.yarn.api.records.ContainerExitStatus"
_LAUNCH = "org.apache.hadoop.yarn.server.nodemanager.ContainerExecutor$ExitCode"
_EXIT = "org.apache.spark.executor.ExecutorExitCode"
_SPARK = "org.apache.spark.util.SparkExitCode"
_MASTER = "org.apache.spark.deploy.yarn.ApplicationMaster"
_BASH = "bash(1), EXIT STATUS"
_MEMORY = "out-of-memory-executor"


@dataclass(frozen=True)
class Exit:
    """What an exit code of one kind of process means.

    Attributes
    ----------
    means : in words, to follow "ended with N: "
    cause : name in `table.NAMES` that the code stands for; empty where the code alone decides nothing
    source : the class or page that defines it
    constant : its name there
    aftermath : it ends what was going to end anyway, and explains no failure
    """

    owner: Owner
    code: int
    means: str
    source: str
    constant: str
    cause: str = ""
    aftermath: bool = False


EXITS: tuple[Exit, ...] = (
    # -- YARN's own codes for a container ----------------------------------------
    Exit("container", 0, "it ended well", _YARN, "SUCCESS", aftermath=True),
    Exit("container", -1000, "YARN could not prepare or start it", _YARN, "INVALID"),
    Exit("container", -100, "its node was lost, or took itself out", _YARN, "ABORTED", "node-lost"),
    Exit("container", -101, "the disks of its node failed YARN's check", _YARN, "DISKS_FAILED", "disk-full"),
    Exit("container", -102, "YARN gave its place to another application", _YARN, "PREEMPTED", "preempted"),
    Exit("container", -103, "YARN killed it for its virtual memory", _YARN, "KILLED_EXCEEDED_VMEM", _MEMORY),
    Exit("container", -104, "YARN killed it for its memory", _YARN, "KILLED_EXCEEDED_PMEM", _MEMORY),
    Exit("container", -105, "the application gave it back", _YARN, "KILLED_BY_APPMASTER", aftermath=True),
    Exit("container", -106, "YARN took it away", _YARN, "KILLED_BY_RESOURCEMANAGER", aftermath=True),
    Exit("container", -107, "the application was over", _YARN, "KILLED_AFTER_APP_COMPLETION", aftermath=True),
    Exit("container", -108, "YARN gave its place to another", _YARN, "KILLED_BY_CONTAINER_SCHEDULER", "preempted"),
    Exit("container", -109, "YARN killed it because it wrote too much log", _YARN, "KILLED_FOR_EXCESS_LOGS"),
    Exit("container", 154, "its node lost sight of it", _LAUNCH, "LOST", "node-lost"),
    # -- a Spark executor ----------------------------------------
    Exit("executor", 50, "an exception that nothing caught ended its JVM", _SPARK, "UNCAUGHT_EXCEPTION"),
    Exit(
        "executor",
        51,
        "an exception ended its JVM, and another kept it from saying so",
        _SPARK,
        "UNCAUGHT_EXCEPTION_TWICE",
    ),
    Exit("executor", 52, "its JVM's heap was too small", _SPARK, "OOM", _MEMORY),
    Exit("executor", 53, "it could make no folder on its disks", _EXIT, "DISK_STORE_FAILED_TO_CREATE_DIR", "disk-full"),
    Exit("executor", 54, "its external block store did not start", _EXIT, "EXTERNAL_BLOCK_STORE_FAILED_TO_INITIALIZE"),
    Exit("executor", 55, "its external block store made no folder", _EXIT, "EXTERNAL_BLOCK_STORE_FAILED_TO_CREATE_DIR"),
    Exit("executor", 56, "it could not reach the driver any more", _EXIT, "HEARTBEAT_FAILURE", "driver-unreachable"),
    # -- Spark's master of an application, in which the driver runs ----------------------------------------
    Exit("master", 10, "an exception that nothing caught ended it", _MASTER, "EXIT_UNCAUGHT_EXCEPTION"),
    Exit("master", 11, "too many executors failed", _MASTER, "EXIT_MAX_EXECUTOR_FAILURES"),
    Exit("master", 12, "it lost touch with YARN", _MASTER, "EXIT_REPORTER_FAILURE"),
    Exit("master", 13, "no SparkContext came up", _MASTER, "EXIT_SC_NOT_INITED", "no-spark-context"),
    Exit("master", 15, "the program raised an exception", _MASTER, "EXIT_EXCEPTION_USER_CLASS"),
    Exit("master", 16, "it was told to end before it had", _MASTER, "EXIT_EARLY"),
    Exit("master", 17, "it lost the driver", _MASTER, "EXIT_DISCONNECTED"),
    # -- what a shell says of a command that it could not run ----------------------------------------
    Exit("shell", 126, "a command was found and could not be run", _BASH, "", "command-missing"),
    Exit("shell", 127, "a command was not found", _BASH, "", "command-missing"),
)
"""All codes but the signals', which `explain_code` adds: 128 + the signal's number (bash), or -number (Python)."""

_SIGNALS: dict[int, tuple[str, str]] = {
    signal.SIGKILL: ("killed from outside (SIGKILL)", "killed"),
    signal.SIGTERM: ("told to end from outside (SIGTERM)", "terminated"),
    signal.SIGSEGV: ("native code crashed (SIGSEGV, a wrong address)", "native-crash"),
    signal.SIGABRT: ("native code gave up (SIGABRT)", "native-crash"),
    signal.SIGBUS: ("native code crashed (SIGBUS; a full disk or memory file does it too)", "native-crash"),
    signal.SIGILL: ("an instruction that the processor does not have (SIGILL)", "native-crash"),
    signal.SIGFPE: ("native code crashed (SIGFPE, a division)", "native-crash"),
}


def find_signal(code: int) -> int:
    """The signal that an exit code stands for, 0 for none.

    >>> find_signal(137), find_signal(-9), find_signal(1), find_signal(-100)
    (9, 9, 0, 0)
    """
    number = code - 128 if code > 128 else -code
    return number if code != 154 and 0 < number <= 31 else 0


def explain_code(code: int, *owners: Owner) -> Exit | None:
    """What a code means to the first of these who defines it, or as a signal; None where it means nothing by itself.

    >>> explain_code(52, "executor").cause, explain_code(52, "master"), explain_code(139, "executor").cause
    ('out-of-memory-executor', None, 'native-crash')
    """
    for owner in owners:
        for entry in EXITS:
            if (entry.owner, entry.code) == (owner, code):
                return entry
    if words := _SIGNALS.get(find_signal(code)):
        return Exit("shell", code, words[0], "signal(7)", signal.Signals(find_signal(code)).name, words[1])
    return None
