"""From single words of YARN, EMR, the kernel and Python to the cause: each code, each role, each right, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ops.diagnose.causes import judge
from ops.diagnose.evidence import ClusterInstance, Document, ErrorDetail, Evidence, Role
from ops.diagnose.verdict import Verdict
from tests.diagnose.reports import HEAD, OURS

CLIENT = "26/11/24 10:00:00 INFO Client: Application x failed 1 times due to AM Container for "
MASTER = CLIENT + "appattempt_1795600000000_0001_000001 exited with  exitCode: {}\n"
HOST = "\t ApplicationMaster host: ip-10-0-1-23.eu-west-3.compute.internal\n"
CONTAINER = "container_1795600000000_0001_01_000002"
EXECUTOR = (
    f"26/11/24 10:00:00 WARN YarnAllocator: Container from a bad node: {CONTAINER} on host: ip-10-0-1-23. "
    "Exit status: {}. Diagnostics: x\n26/11/24 10:00:01 ERROR ApplicationMaster: Max number of executor failures (3)\n"
)
JVM = "java.lang.IllegalStateException: a stone\n\tat x.y(z)\n"
BIG = "Total size of serialized results of 8 tasks (1025.0 MiB) is bigger than spark.driver.maxResultSize (1024 MiB)\n"


def judged(*logs: tuple[Role, str] | Document, **known: Any) -> Verdict:
    documents = tuple(log if isinstance(log, Document) else Document(log[0], log[0], log[1]) for log in logs)
    return judge(Evidence(**{"subject": "step", "state": "FAILED", "documents": documents, **known}))


# --- codes of processes, as Hadoop, Spark and the shell number them (test_exits.py asks them) ----------------


@pytest.mark.parametrize(
    ("code", "cause", "words"),
    [
        (-1000, "container-not-started", "YARN could not start a container"),
        (-100, "node-lost", "the driver's node was lost"),
        (-101, "disk-full", "a node's disk is full"),
        (-102, "preempted", "YARN gave a container's place to another application"),
        (-103, "out-of-memory-driver", "YARN killed the driver's container for its memory"),
        (-104, "out-of-memory-driver", "YARN killed the driver's container for its memory"),
        (13, "no-spark-context", "the program ended well without ever making a SparkSession"),
        (52, "out-of-memory-driver", "the heap of the driver's JVM was too small"),
        (126, "command-missing", "a command of the step is not there, or cannot be run"),
        (127, "command-missing", "a command of the step is not there, or cannot be run"),
        (134, "jvm-crash", "a JVM crashed in native code (SIGABRT)"),
        (137, "out-of-memory-driver", "the driver was killed from outside (SIGKILL)"),
        (139, "jvm-crash", "a JVM crashed in native code (SIGSEGV)"),
        (143, "driver-terminated", "the driver was told to end from outside"),
        (10, "unknown", "nothing that was found is a known cause"),
        (50, "unknown", "nothing that was found is a known cause"),
        (255, "unknown", "nothing that was found is a known cause"),
    ],
)
def test_what_ended_the_drivers_container(code: int, cause: str, words: str) -> None:
    verdict = judged(("step", MASTER.format(code)))
    assert (verdict.cause, verdict.meaning[: len(words)]) == (cause, words)
    assert f"exitCode: {code}" in verdict.words
    assert (verdict.certain, verdict.exit_code) == (False, 23)


@pytest.mark.parametrize(
    ("code", "cause", "words"),
    [
        (-101, "disk-full", "a node's disk is full"),
        (-102, "preempted", "YARN gave a container's place to another application"),
        (-103, "out-of-memory-executor", "YARN killed an executor's container for its memory"),
        (-104, "out-of-memory-executor", "YARN killed an executor's container for its memory"),
        (-105, "executor-lost", "executors were lost, and no log says why"),
        (-106, "executor-lost", "executors were lost, and no log says why"),
        (-1000, "executor-lost", "executors were lost, and no log says why"),
        (50, "executor-lost", "an exception that nothing caught ended an executor's JVM (50)"),
        (51, "executor-lost", "an exception that nothing caught ended an executor's JVM (50)"),
        (52, "out-of-memory-executor", "the heap of an executor's JVM was too small: OOM"),
        (53, "disk-full", "a node's disk is full"),
        (56, "driver-unreachable", "executors lost touch with the driver"),
        (134, "jvm-crash", "a JVM crashed in native code (SIGABRT)"),
        (137, "out-of-memory-executor", "an executor was killed from outside (137, SIGKILL)"),
        (143, "out-of-memory-executor", "an executor was told to end from outside (143, SIGTERM)"),
        (154, "node-lost", "a node was lost, or left the cluster"),
    ],
)
def test_what_ended_an_executors_container(code: int, cause: str, words: str) -> None:
    verdict = judged(("driver", EXECUTOR.format(code)))
    assert (verdict.cause, verdict.meaning[: len(words)]) == (cause, words)


@pytest.mark.parametrize(
    ("code", "cause", "words"),
    [
        (134, "python-crash", "the driver's: native code gave up (SIGABRT)"),
        (137, "out-of-memory-driver", "the driver was killed from outside (SIGKILL)"),
        (139, "python-crash", "the driver's: native code crashed (SIGSEGV, a wrong address)"),
        (143, "driver-terminated", "the driver was told to end from outside"),
        (126, "command-missing", "cannot be run: a command was found and could not be run (126)"),
        (127, "command-missing", "cannot be run: a command was not found (127)"),
        (1, "unknown", "nothing that was found"),
    ],
)
@pytest.mark.parametrize(
    "said", ["\t diagnostics: User application exited with status {}", "Command exiting with ret '{}'"]
)
def test_what_ended_the_drivers_python(said: str, code: int, cause: str, words: str) -> None:
    verdict = judged(("step", f"26/11/24 INFO Client: x\n{said.format(code)}\n"))
    assert verdict.cause == cause
    assert words in verdict.meaning


def test_a_command_that_a_log_names_is_named_and_not_the_code_alone() -> None:
    status = "\t diagnostics: User application exited with status 127\n"
    verdict = judged(("step", status), ("driver", "/usr/bin/env: 'python3.11': No such file or directory\n"))
    assert (verdict.cause, verdict.meaning[-12:]) == ("command-missing", ": python3.11")
    ours = judged(("step", status), ("driver", f"{HEAD}{OURS}ValueError: a stone\n"))
    assert ours.cause == "python-exception"


# Spark's own lines (core/src/main/scala/org/apache/spark/HeartbeatReceiver.scala, TaskSchedulerImpl.scala)
SILENCE = (
    "26/11/24 10:00:00 WARN HeartbeatReceiver: Removing executor {0} with no recent heartbeats: 130512 ms exceeds "
    "timeout 120000 ms\n26/11/24 10:00:00 ERROR YarnScheduler: Lost executor {0} on ip-10-0-1-23: Executor heartbeat "
    "timed out after 130512 ms\n"
)
ABORTED = (
    'Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 0.0 '
    "failed 4 times, most recent failure: {}\n\tat x.y(z)\n"
)


@pytest.mark.parametrize(
    ("failure", "silent"),
    [
        (
            "Lost task 0.3 in stage 0.0 (TID 9) (ip-10-0-1-23 executor 4): ExecutorLostFailure (executor 4 exited "
            "unrelated to the running tasks) Reason: Executor heartbeat timed out after 130512 ms",
            4,
        ),
        (
            "Lost task 0.3 in stage 0.0 (TID 9) (ip-10-0-1-23 executor 4): ExecutorLostFailure (executor 4 exited "
            "caused by one of the running tasks) Reason: Remote RPC client disassociated. Likely due to "
            "containers exceeding thresholds, or network issues.",
            4,
        ),
        (
            "ResultTask 7 (collect) has failed the maximum allowable number of times: 4. Most recent failure reason: "
            "FetchFailed(BlockManagerId(4, ip-10-0-1-23, 36493, None), shuffleId=0, mapIndex=1, mapId=1, reduceId=0)",
            4,
        ),
        ("org.apache.spark.shuffle.MetadataFetchFailedException: Missing an output location for shuffle 0", 4),
    ],
    ids=["its own words", "a lost connection", "its shuffle files", "nobody is named"],
)
def test_an_executor_that_fell_silent_is_told_from_one_that_is_gone(failure: str, silent: int) -> None:
    verdict = judged(("driver", SILENCE.format(silent) + ABORTED.format(failure)))
    assert verdict.cause == "executor-lost"
    assert verdict.meaning == "the driver gave up an executor that sent no heartbeat any more: 130512 ms"
    assert "heartbeat" in verdict.words
    assert "no log says why" not in verdict.meaning


GONE = ABORTED.format(
    "Lost task 0.3 in stage 0.0 (TID 9) (ip-10-0-1-23 executor 4): ExecutorLostFailure (executor 4 exited caused by "
    "one of the running tasks) Reason: Remote RPC client disassociated."
)
BEAT = "org.apache.spark.SparkException: Error sending heartbeat\n\tat x.y(z)\n"


@pytest.mark.parametrize(
    ("driver", "executor", "meaning"),
    [
        (SILENCE.format(4) + GONE, JVM, "Spark's JVM raised java.lang.IllegalStateException: a stone"),
        (SILENCE.format(4) + GONE, BEAT, "the driver gave up an executor that sent no heartbeat any more: 130512 ms"),
        (GONE, BEAT, "Spark's JVM raised org.apache.spark.SparkException: Error sending heartbeat"),
        (GONE, "", "executors were lost, and no log says why"),
    ],
)
def test_an_executors_own_exception_says_more_than_that_it_is_lost(driver: str, executor: str, meaning: str) -> None:
    assert judged(("driver", driver), ("executor", executor)).meaning[: len(meaning)] == meaning


@pytest.mark.parametrize("role", ["step", "controller"])
def test_an_exception_that_says_what_was_wrong_is_not_explained_by_others_words(role: Role) -> None:
    raised = 'Exception in thread "main" ' + JVM
    reported = "26/11/24 10:00:00 ERROR x: No space left on device\n"
    assert judged(("driver", raised), (role, reported)).cause == "jvm-exception"
    assert judged((role, reported)).cause == "disk-full"


def test_another_executors_silence_does_not_explain_a_loss() -> None:
    lost = (
        "Lost task 0.3 in stage 0.0 (TID 9) (ip-10-0-1-23 executor 4): ExecutorLostFailure (executor 4 exited "
        "unrelated to the running tasks) Reason: Slave lost"
    )
    verdict = judged(("driver", SILENCE.format(1) + ABORTED.format(lost)))
    assert verdict.meaning == "executors were lost, and no log says why"
    killed = judged(("driver", SILENCE.format(4) + EXECUTOR.format(137) + ABORTED.format(lost)))
    assert killed.cause == "out-of-memory-executor", "how its process ended says more"


def test_a_program_that_made_its_context_too_late_is_told_how_long_yarn_waits() -> None:
    late = (
        "26/11/24 ERROR ApplicationMaster: Uncaught: TimeoutException: Futures timed out after [100000 milliseconds]\n"
    )
    verdict = judged(("step", MASTER.format(13)), ("driver", late))
    assert verdict.cause == "no-spark-context"
    assert verdict.meaning.endswith("within the time that YARN's master waits: 100000 milliseconds")
    assert verdict.words.startswith("26/11/24 ERROR ApplicationMaster")
    raised = judged(("step", MASTER.format(13)), ("driver", f"{HEAD}{OURS}ValueError: a stone\n"))
    assert (raised.cause, raised.words) == ("python-exception", "ValueError: a stone")
    told = judged(("step", MASTER.format(13)), ("driver", f'Exception in thread "main" {JVM}'))
    assert told.cause == "jvm-exception"


def test_the_memory_that_was_used_is_said() -> None:
    beyond = (
        "Diagnostics: Container [pid=7,containerID=container_1795600000000_0001_01_000001] is running 9B beyond the "
        "'PHYSICAL' memory limit. Current usage: 1.5 GB of 1.4 GB physical memory used; 3 GB of 7 GB virtual\n"
    )
    verdict = judged(("step", MASTER.format(-104) + beyond))
    assert verdict.meaning.endswith("(1.5 GB of 1.4 GB used)")
    assert verdict.words.startswith("Diagnostics: Container")


# --- the node -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            "[Tue] Out of memory: Killed process 4711 (java) total-vm:9kB\n",
            "the driver: the kernel of its node killed java",
        ),
        (
            "oom-kill:constraint=NONE,nodemask=(null),task=python3,pid=77\n",
            "the driver: the kernel of its node killed py",
        ),
        (
            "Container [pid=77,containerID=container_1795600000000_0001_01_000001] is running 1024B beyond the "
            "'PHYSICAL' memory limit. Current usage: 2.1 GB of 2 GB physical memory used\n",
            "YARN killed the driver's container for its memory: its Python took more than the container has beside the "
            "heap (2.1 GB of 2 GB used)",
        ),
    ],
)
def test_the_drivers_own_node_says_who_killed_it_and_no_other_does(log: str, words: str) -> None:
    own, other = (Document("node", host, log, host=host) for host in ("ip-10-0-1-23", "ip-10-0-1-24"))
    verdict = judged(("step", HOST + MASTER.format(137)), own)
    assert (verdict.cause, verdict.meaning[: len(words)]) == ("out-of-memory-driver", words)
    assert verdict.source == "ip-10-0-1-23"
    assert judged(("step", HOST + MASTER.format(137)), other).meaning.startswith("the driver was killed from outside")


@pytest.mark.parametrize(
    ("mine", "others", "cause", "says"),
    [
        ("SPOT", "ON_DEMAND", "lost-spot-nodes", "EC2 took Spot nodes back: i-1 (gone)"),
        ("ON_DEMAND", "SPOT", "node-lost", "the driver's node was lost, or left the cluster: i-1, on demand (gone)"),
        (
            "",
            "SPOT",
            "node-lost",
            "the driver's node was lost, or left the cluster: i-1, of a market that is not named (gone)",
        ),
    ],
)
def test_a_lost_drivers_node_is_told_by_its_own_market(mine: str, others: str, cause: str, says: str) -> None:
    nodes = (
        ClusterInstance("i-1", mine, "gone", True, "ip-10-0-1-23"),
        ClusterInstance("i-2", others, "x", False, "ip-10-0-1-24"),
    )
    verdict = judged(("step", HOST + MASTER.format(-100)), nodes=nodes)
    assert (verdict.cause, verdict.meaning) == (cause, says)


def test_an_executor_killed_while_spot_nodes_went_is_their_loss() -> None:
    gone = (ClusterInstance("i-1", "SPOT", "interruption", True, "ip-10-0-1-29"),)
    assert judged(("driver", EXECUTOR.format(137)), nodes=gone).cause == "lost-spot-nodes"
    assert judged(("driver", EXECUTOR.format(52)), nodes=gone).cause == "out-of-memory-executor"


DISK = "2026-11-24 09:59:00,001 WARN DirectoryCollection: /mnt/yarn error, used space above threshold of 90.0%\n"


@pytest.mark.parametrize("codes", [(137,), (143,), (-100, 137)])
def test_a_full_disk_of_the_node_explains_the_first_end_there(codes: tuple[int, ...]) -> None:
    node = Document("node", "n", DISK, host="ip-10-0-1-23")
    verdict = judged(("driver", "".join(map(EXECUTOR.format, codes))), node)
    assert (verdict.cause, verdict.source) == ("disk-full", "n")


def test_of_many_lost_nodes_five_are_named() -> None:
    nodes = tuple(ClusterInstance(f"i-{number}", "ON_DEMAND", "gone", True) for number in range(6))
    meaning = judged(("step", MASTER.format(-100)), nodes=nodes).meaning
    assert [f"i-{number}" in meaning for number in range(6)] == [True] * 5 + [False]


# --- what executors and drivers wrote -----------------------------------------------------------------------


def test_an_executors_uncaught_exception_is_named_by_its_own_log() -> None:
    own = Document("executor", f"x/{CONTAINER}/stderr", f"26/11/24 ERROR Executor: Exception in task\n{JVM}")
    other = Document("executor", "x/another/stderr", f"26/11/24 ERROR Executor: x\n{JVM.replace('a stone', 'a leaf')}")
    verdict = judged(("driver", EXECUTOR.format(50)), other, own)
    assert verdict.meaning.endswith("(50): java.lang.IllegalStateException: a stone")


@pytest.mark.parametrize(
    ("log", "cause", "source"),
    [
        (("driver", f"26/11/24 x {BIG}"), "out-of-memory-driver", "driver"),
        (("executor", f"26/11/24 x {BIG}"), "unknown", "executor"),
        (("driver", f"26/11/24 ERROR RECEIVED SIGNAL TERM\n26/11/24 x {BIG}"), "unknown", "driver"),
        (("executor", "26/11/24 WARN x: java.io.IOException: No space left on device\n"), "disk-full", "executor"),
        (("driver", f"{HEAD}{OURS}MemoryError\n"), "out-of-memory-driver", "the driver's traceback"),
        (("executor", f"{HEAD}{OURS}MemoryError\n"), "out-of-memory-python", "the worker's traceback"),
        (("driver", f'Exception in thread "main" {JVM}'), "jvm-exception", "the JVM's exception"),
        (("executor", f"26/11/24 ERROR Executor: x\n{JVM}"), "jvm-exception", "the JVM's exception"),
    ],
)
def test_whose_words_count(log: tuple[Role, str], cause: str, source: str) -> None:
    verdict = judged(log)
    assert (verdict.cause, verdict.source) == (cause, source)


CLASS = (
    "26/11/24 ERROR Executor: Exception in task 0.0\njava.lang.ClassNotFoundException: org.example.Plum\n\tat x.y(z)\n"
)
FAILED = (
    'Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 '
    "failed 4 times, most recent failure: Lost task 0.3 in stage 1.0 (TID 9) (ip-10-0-0-9 executor 2): "
    "ExecutorLostFailure (executor 2 exited caused by one of the running tasks) Reason: worker lost\n\tat x.y(z)\n"
)
BLOCKS = (
    'Exception in thread "main" java.io.IOException: Could not get block locations. Source file "/x"\n\tat x.y(z)\n'
)
GONE = "py4j.protocol.Py4JNetworkError: Answer from Java side is empty\n"


@pytest.mark.parametrize(
    ("logs", "cause", "words"),
    [
        # a worker's words are not the driver's, though they are the same
        ([("executor", f"{HEAD}{OURS}RuntimeError: {BIG}")], "python-exception", "RuntimeError: Total size"),
        ([("executor", "x\n"), ("driver", f"26/11/24 x {BIG}")], "out-of-memory-driver", "26/11/24 x Total size"),
        # what ended the driver goes before what was survived, and that before nothing
        (
            [("driver", f'26/11/24 WARN x: No space left on device\nException in thread "main" {JVM}')],
            "jvm-exception",
            "java.lang.IllegalStateException: a stone",
        ),
        ([("driver", f'{CLASS}Exception in thread "main" {JVM}')], "jvm-exception", "java.lang.IllegalStateException"),
        (
            [("driver", f"{CLASS}26/11/24 INFO x: on\n")],
            "jar-mismatch",
            "java.lang.ClassNotFoundException: org.example",
        ),
        # of a loss the executor's own exception, or that it was lost
        ([("driver", FAILED)], "executor-lost", "org.apache.spark.SparkException: Job aborted"),
        (
            [("driver", FAILED), ("executor", f"26/11/24 ERROR Executor: x\n{JVM}")],
            "jvm-exception",
            "java.lang.IllegalStateException: a stone",
        ),
        ([("driver", f"26/11/24 ERROR x: {GONE}{HEAD}{OURS}{GONE}")], "driver-gone", "26/11/24 ERROR x: py4j"),
        ([("executor", "26/11/24 WARN x: Could not get block locations. Source file\n")], "node-lost", "26/11/24 WARN"),
        (
            [("step", MASTER.format(52)), ("driver", "java.lang.OutOfMemoryError: Java heap space\n")],
            "out-of-memory-driver",
            "java.lang.OutOfMemoryError: Java heap space",
        ),
        (
            [("driver", EXECUTOR.format(137)), ("executor", "java.lang.OutOfMemoryError: Java heap space\n")],
            "out-of-memory-executor",
            "java.lang.OutOfMemoryError: Java heap space",
        ),
    ],
)
def test_what_goes_before_what(logs: list[tuple[Role, str]], cause: str, words: str) -> None:
    verdict = judged(*logs)
    assert (verdict.cause, verdict.words[: len(words)]) == (cause, words)


@pytest.mark.parametrize(
    ("market", "cause", "meaning"),
    [
        ("SPOT", "lost-spot-nodes", "EC2 took Spot nodes back: i-1 (gone)"),
        ("ON_DEMAND", "node-lost", "a node was lost, or left the cluster: i-1, on demand (gone)"),
    ],
)
def test_a_lost_node_that_only_an_exception_shows_is_looked_up(market: str, cause: str, meaning: str) -> None:
    verdict = judged(("driver", BLOCKS), nodes=(ClusterInstance("i-1", market, "gone", True, "ip-10-0-1-29"),))
    assert (verdict.cause, verdict.meaning) == (cause, meaning)


def test_of_nothing_known_the_drivers_line_goes_before_an_executors_and_last_words_before_none() -> None:
    executor, driver = ("executor", "26/11/24 ERROR x: an executor's\n"), ("driver", "26/11/24 ERROR x: the driver's\n")
    assert judged(executor, driver).words == "26/11/24 ERROR x: the driver's"
    quiet = judged(("step", "26/11/24 INFO Client: y\n"), ("driver", "hello\n"))
    assert (quiet.cause, quiet.words, quiet.source) == ("unknown", "hello", "driver")
    assert judged().words == ""


# --- how it ended -------------------------------------------------------------------------------------------

REPORT = "26/11/24 10:01:08 INFO Client: Application report for application_1795600000000_0001 (state: {})\n"
BEGUN = "2026-11-24T10:00:00.101Z INFO startExec 'hadoop jar command-runner.jar spark-submit job.py'\n"
CAME = "26/11/24 10:01:30 INFO X: Registered executor NettyRpcEndpointRef(spark://x) (10.0.0.5:1) with ID {}, x\n"
LOST = "26/11/24 10:01:40 ERROR X: Lost executor {} on ip-10-0-1-23: Container released on a *lost* node\n"


@pytest.mark.parametrize(
    ("driver", "cause", "says"),
    [
        (
            CAME.format(1) + LOST.format(1),
            "waits-for-nodes",
            "the step still runs, and waits: every executor was lost, and no node is there for others",
        ),
        (
            CAME.format(1) + CAME.format(2) + LOST.format(1),
            "still-running",
            "the step still runs; executors were lost on the way, and Spark asks for others",
        ),
        (
            LOST.format(1),
            "still-running",
            "the step still runs; executors were lost on the way, and Spark asks for others",
        ),
        (CAME.format(1), "still-running", "the step still runs"),
        (
            "before\nWARN X: Initial job has not accepted any resources; check\nafter\n",
            "waits-for-nodes",
            "the step still runs, and waits: no node has room for an executor",
        ),
    ],
)
def test_a_step_that_lost_every_executor_waits(driver: str, cause: str, says: str) -> None:
    logs: list[tuple[Role, str]] = [("controller", BEGUN), ("step", REPORT.format("RUNNING")), ("driver", driver)]
    verdict = judged(*logs, stated=False)
    assert (verdict.cause, verdict.meaning, verdict.exit_code) == (cause, says, 0)
    if cause == "waits-for-nodes":
        assert verdict.source == "the driver"
        assert verdict.words in " ".join(driver.split())
        assert verdict.words


def test_who_ended_a_step_is_said_where_yarn_says_it() -> None:
    by = "Application application_1 was killed by user hadoop at 10.0.0.7\n"
    verdict = judged(("step", f"{REPORT.format('KILLED')}{by}"), stated=False)
    assert (verdict.cause, verdict.words) == ("cancelled", "was killed by user hadoop at 10.0.0.7")
    assert verdict.meaning.endswith("while it was open, by user hadoop at 10.0.0.7")
    assert verdict.source == "YARN's client"


@pytest.mark.parametrize(
    ("logs", "known", "cause", "words"),
    [
        ([], {"state": "CANCELLED"}, "cancelled", ""),
        (
            [],
            {"state": "CANCELLED", "reason": "the cluster ended", "step_reason": "x"},
            "cancelled",
            "the cluster ended",
        ),
        ([], {"state": "INTERRUPTED", "reason_code": "USER_REQUEST", "reason": "by ana"}, "cancelled", "by ana"),
        (
            [("step", REPORT.format("KILLED") + "\t final status: KILLED\n")],
            {"stated": False},
            "cancelled",
            "state: KILLED, final status: KILLED",
        ),
        (
            [("driver", "26/11/24 INFO ApplicationMaster: Final app status: SUCCEEDED, exitCode: 0\n")],
            {"stated": False},
            "nothing-failed",
            "Final app status: SUCCEEDED, exitCode: 0",
        ),
        ([("step", REPORT.format("FAILED") + "\t final status: FAILED\n")], {"stated": False}, "unknown", None),
        (
            [("step", REPORT.format("FINISHED") + "\t final status: SUCCEEDED\n")],
            {"stated": False},
            "nothing-failed",
            None,
        ),
    ],
)
def test_how_a_step_ended(logs: list[tuple[Role, str]], known: dict[str, Any], cause: str, words: str | None) -> None:
    verdict = judged(*logs, **known)
    assert verdict.cause == cause
    assert words is None or verdict.words == words


EXCEPTIONS = (
    f"{HEAD}{OURS}ValueError: a stone\n",
    f'Exception in thread "main" {JVM}',
    'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n\tat x.y(z)\n',
    "26/11/24 10:00:00 WARN X: java.io.IOException: No space left on device\n",
    EXECUTOR.format(137),
)


@pytest.mark.parametrize("log", EXCEPTIONS)
@pytest.mark.parametrize("role", ["driver", "step"])
@pytest.mark.parametrize(
    "known",
    [
        {"state": "CANCELLED"},
        {"state": "CANCELLED", "step_reason": "Canceled by user"},
        {"state": "INTERRUPTED", "reason_code": "USER_REQUEST", "reason": "Terminated by user request"},
        {"state": "CANCELLED", "job": {"cause": "Py4JError", "message": "gone", "traceback": "", "exit_code": 1}},
    ],
)
def test_a_step_that_was_cancelled_is_that_whatever_stands_in_its_log(
    known: dict[str, Any], role: Role, log: str
) -> None:
    verdict = judged((role, log), **known)
    assert verdict.cause == "cancelled"
    assert "stone" not in verdict.words
    failed = judged((role, log), **{**known, "state": "FAILED"})
    assert failed.cause != "cancelled"


def test_what_the_job_names_itself_goes_before_a_cancelling() -> None:
    named = judged(state="CANCELLED", job={"cause": "input", "message": "no image. Fix: look.", "exit_code": 10})
    assert named.cause == "input-missing"


def test_a_step_that_ended_well_says_what_it_lost() -> None:
    ended: tuple[Role, str] = ("controller", "Step succeeded with exitCode 0\n")
    assert judged(ended, stated=False).meaning == "the step ended well"
    assert judged(ended, stated=False).source == "EMR"
    verdict = judged(ended, ("driver", LOST.format(1)), stated=False)
    assert verdict.meaning == "the step ended well; what it lost on the way took nothing from it"
    assert (verdict.certain, verdict.exit_code, verdict.is_failure) == (True, 0, False)


# --- what is named ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "code"),
    [({"exit_code": 15}, 15), ({}, 23), ({"exit_code": "many"}, 23), ({"exit_code": 0}, 23), ({"exit_code": 4711}, 23)],
)
def test_the_jobs_own_word_is_certain_and_its_code_where_it_is_one(record: dict[str, Any], code: int) -> None:
    verdict = judged(job={"cause": "rejects", "message": "1 of 6 is rejected. Fix: look.", "phase": "plan", **record})
    assert (verdict.cause, verdict.certain, verdict.exit_code) == ("rejects-over-limit", True, code)
    assert (verdict.words, verdict.fix, verdict.source) == ("1 of 6 is rejected", "look", "the job, in phase plan")


def test_the_jobs_own_word_goes_before_what_logs_show() -> None:
    named = judged(("driver", f"26/11/24 x {BIG}"), job={"cause": "rejects", "message": "x"})
    assert (named.cause, named.certain) == ("rejects-over-limit", True)


@pytest.mark.parametrize(
    ("state", "cause"), [("INTERRUPTED", "no-capacity"), ("CANCELLED", "cancelled"), ("FAILED", "unknown")]
)
def test_why_a_cluster_ended_explains_only_a_step_that_it_interrupted(state: str, cause: str) -> None:
    code = "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ"
    verdict = judged(state=state, reason_code=code, reason="no room")
    assert (verdict.cause, verdict.words) == (cause, "no room")


@pytest.mark.parametrize(
    ("log", "words"), [("hello\nERROR: a stone\nbye\n", "ERROR: a stone"), ("hello\nbye\n", "bye")]
)
def test_of_a_bootstrap_that_names_nothing_its_error_is_shown_or_its_last_words(log: str, words: str) -> None:
    reason = "On the master instance (i-1), bootstrap action 1 returned a non-zero return code"
    known = {"subject": "cluster", "state": "TERMINATED_WITH_ERRORS", "reason_code": "BOOTSTRAP_FAILURE"}
    verdict = judged(("bootstrap", log), **known, reason=reason)
    assert (verdict.cause, verdict.words, verdict.source) == ("bootstrap-other", words, "bootstrap")
    assert judged(**known, reason=reason).words == reason


def test_the_jobs_last_words_and_exit_code_stand_for_its_record() -> None:
    said = "fruits: nothing is at s3://b. Fix: see.\nUser application exited with status 10\n"
    verdict = judged(("driver", said))
    assert (verdict.cause, verdict.words, verdict.exit_code) == ("input-missing", "nothing is at s3://b", 10)
    assert (verdict.fix, verdict.source) == ("see", "the job")
    assert not judged(("driver", said.replace("10", "99"))).certain


def test_a_bootstraps_json_is_certain_and_brings_its_own_fix() -> None:
    node = {"cause": "disk", "message": "/opt has 900 MiB free. Fix: more room."}
    verdict = judged(subject="cluster", state="TERMINATED_WITH_ERRORS", reason_code="BOOTSTRAP_FAILURE", node=node)
    assert (verdict.cause, verdict.certain, verdict.fix) == ("bootstrap-disk", True, "more room")
    assert (verdict.words, verdict.source) == ("/opt has 900 MiB free", "the bootstrap")


@pytest.mark.parametrize(
    ("detail", "says", "words", "source"),
    [
        (
            ErrorDetail(
                "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ",
                {"instance-types": "[m5.xlarge, m6i.xlarge]", "availability-zone": "eu-west-3a"},
                "the detail's",
            ),
            "EC2 has not enough machines of the types that were asked for: m5.xlarge, m6i.xlarge, eu-west-3a",
            "the detail's",
            "EMR (INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ)",
        ),
        (
            ErrorDetail("VALIDATION_ERROR_INVALID_SSH_KEY_NAME"),
            "the SSH key pair that the cluster was given is not there",
            "the reason",
            "EMR (VALIDATION_ERROR_INVALID_SSH_KEY_NAME)",
        ),
        (
            ErrorDetail("X", {"instance-type": "m5.xlarge"}, "the detail's"),
            "EMR refused to start the cluster for the reason that it gives",
            "the reason",
            "EMR (VALIDATION_ERROR)",
        ),
    ],
)
def test_emrs_details_go_before_its_reason(detail: ErrorDetail, says: str, words: str, source: str) -> None:
    verdict = judged(
        subject="cluster",
        state="TERMINATED_WITH_ERRORS",
        reason_code="VALIDATION_ERROR",
        reason="the reason",
        details=(detail,),
    )
    assert (verdict.meaning, verdict.words, verdict.source) == (says, words, source)


@pytest.mark.parametrize("code", ["USER_REQUEST", "ALL_STEPS_COMPLETED"])
def test_a_cluster_that_was_ended_says_how(code: str) -> None:
    known = {"subject": "cluster", "state": "TERMINATED", "reason_code": code}
    assert judged(**known).meaning == f"the cluster was ended: {code}"
    assert judged(**known, reason="Terminated by ana").meaning == "the cluster was ended: Terminated by ana"


# --- rights -------------------------------------------------------------------------------------------------

REFUSED = (
    HEAD + OURS + "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the {} operation: {}"
)
NODES = "in infra/modules/iam/instance_role.tf"


@pytest.mark.parametrize(
    ("operation", "said", "meaning", "grant"),
    [
        (
            "PutObject",
            "Access Denied for s3://other/x.parquet.",
            "s3:PutObject on s3://other/x.parquet",
            f"allow it {NODES}",
        ),
        ("DeleteObjects", "Access Denied", "s3:DeleteObject on an address that was not named", f"allow it {NODES}"),
        ("HeadBucket", "Forbidden", "s3:ListBucket on an address that was not named", f"allow it {NODES}"),
        (
            "ListObjectsV2",
            "User: arn:aws:sts::123456789012:assumed-role/node/i-1 is not authorized to perform: s3:ListBucket on "
            'resource: "arn:aws:s3:::other" because no identity-based policy allows the s3:ListBucket action',
            "s3:ListBucket on arn:aws:s3:::other",
            f"allow it to arn:aws:sts::123456789012:assumed-role/node/i-1 {NODES}",
        ),
    ],
)
def test_a_refused_call_names_the_right_and_who_grants_it(operation: str, said: str, meaning: str, grant: str) -> None:
    verdict = judged(("driver", REFUSED.format(operation, said)))
    assert (verdict.cause, verdict.meaning) == ("access-denied", f"{meaning} was refused")
    assert verdict.fix.endswith(grant)


@pytest.mark.parametrize(
    ("call", "right"), [("getFileStatus", "s3:GetObject"), ("open", "s3:GetObject"), ("listStatus", "s3:ListBucket")]
)
def test_hadoops_names_of_calls_are_rights_of_aws(call: str, right: str) -> None:
    said = f"java.nio.file.AccessDeniedException: s3a://other/a: {call} on s3a://other/a: S3Exception: Access Denied\n"
    verdict = judged(("driver", f'Exception in thread "main" {said}\tat x.y(z)\n'))
    assert verdict.meaning == f"{right} on s3a://other/a was refused"


def test_an_operators_right_and_the_service_roles_are_granted_elsewhere() -> None:
    said = (
        "Error: creating EMR Cluster: operation error EMR: RunJobFlow, AccessDeniedException: User: "
        "arn:aws:iam::123456789012:user/ana is not authorized to perform: {} on resource: x"
    )
    ours = judged(("terraform", said.format("elasticmapreduce:RunJobFlow")), subject="cluster")
    assert ours.fix == (
        "allow it to arn:aws:iam::123456789012:user/ana: an operator's rights are in infra/operators (an "
        "administrator applies it)"
    )
    for action in ("s3:GetObject", "ec2:CreateVpc", "iam:PassRole"):
        assert judged(("terraform", said.format(action)), subject="cluster").fix == ours.fix
    words = "Service role x has insufficient EC2 permissions. EC2 Message: You are not authorized to perform: {}"
    bare = "EC2 Message: You are not authorized to perform: {}"
    reasons = [words.format("s3:GetObject"), words.format("ec2:RunInstances")]
    reasons += [bare.format("ec2:RunInstances"), bare.format("iam:PassRole")]
    for reason in reasons:
        verdict = judged(subject="cluster", reason_code="VALIDATION_ERROR", reason=reason)
        assert verdict.fix == "allow it in infra/modules/iam/service_role.tf, and see that the resource has our tags"
    quoted = judged(("terraform", f"Error: waiting for EMR Cluster: {reasons[0]}"), subject="cluster")
    assert quoted.fix == verdict.fix


@pytest.mark.parametrize(
    ("said", "resource"),
    [("When listing objects under key 'a/b' in bucket 'c'", "s3://c/a/b"), ("When testing bucket 'c'", "s3://c")],
)
def test_a_refusal_that_names_bucket_and_key_apart_gives_their_address(said: str, resource: str) -> None:
    error = f"OSError: {said}: AWS Error ACCESS_DENIED during ListObjectsV2 operation: Access Denied"
    assert judged(("driver", HEAD + OURS + error)).meaning == f"s3:ListBucket on {resource} was refused"


# --- what else is said ------------------------------------------------------------------------------------------------


def test_of_what_is_not_known_the_first_error_and_what_was_looked_for_are_shown() -> None:
    oom = "java.lang.OutOfMemoryError: Java heap space"
    verdict = judged(("driver", f'{oom}\nException in thread "main" {JVM}'))
    assert (verdict.cause, verdict.is_known, verdict.first) == ("jvm-exception", False, f"driver: {oom}")
    assert "a lost node" in verdict.ruled_out
    assert "an OutOfMemoryError or MemoryError" not in verdict.ruled_out, "it was seen"
    known = judged(("driver", EXECUTOR.format(137)))
    assert (known.is_known, known.first, known.ruled_out) == (True, "", ())
    assert judged(("bootstrap", "26/11/24 ERROR x: y\n"), subject="cluster").ruled_out == ()


def test_what_decides_is_said_and_what_was_read_already() -> None:
    killed = ("driver", EXECUTOR.format(137))
    assert judged(killed).distinction.startswith("the kernel's log on its node (make shell, then dmesg) names ")  # type: ignore[arg-type]
    read = judged(killed, Document("node", "n", "x", host="ip-10-0-1-23"))  # type: ignore[arg-type]
    assert read.distinction.startswith("the logs of its node were read, and name no kill by the kernel or YARN; the ")
    lost = ("executor", "26/11/24 WARN x: Could not get block locations. Source file\n")
    verdict = judged(lost)  # type: ignore[arg-type]
    assert verdict.meaning == "a node was lost, or left the cluster"
    assert verdict.distinction
    ended = (ClusterInstance("i-1", "ON_DEMAND", "gone", True, "ip-10-0-1-29"),)
    assert judged(lost, nodes=ended).distinction == ""  # type: ignore[arg-type]


def test_an_executors_exception_is_raised_where_it_explains_the_loss() -> None:
    own = Document("executor", f"x/{CONTAINER}/stderr", f"26/11/24 ERROR Executor: Exception in task\n{JVM}")
    assert judged(("driver", EXECUTOR.format(50)), own).raised == "java.lang.IllegalStateException: a stone"
    assert judged(("driver", EXECUTOR.format(137)), own).raised == ""


@pytest.mark.parametrize(
    ("words", "meaning", "setting"),
    [
        ("AM memory (8192+819 MB)", "the driver of the application asks for more than", "spark.driver.memory"),
        (
            "executor memory (8192 MB), overhead (819 MB)",
            "an executor of the application asks for",
            "spark.executor.me",
        ),
    ],
)
def test_who_asked_for_too_much_and_which_setting_it_is(words: str, meaning: str, setting: str) -> None:
    refused = (
        f"java.lang.IllegalArgumentException: Required {words} is above the max threshold (6144 MB) of this cluster!"
    )
    verdict = judged(("step", f'Exception in thread "main" {refused}\n\tat x.y(z)\n'))
    assert (verdict.cause, verdict.meaning[: len(meaning)]) == ("request-too-large", meaning)
    assert verdict.meaning.endswith(" and 6144 MB at most")
    assert setting in verdict.fix


def test_of_many_spot_nodes_five_are_named_and_long_words_are_cut() -> None:
    nodes = tuple(ClusterInstance(f"i-{number}", "SPOT", "gone", True) for number in range(6))
    meaning = judged(("step", MASTER.format(-100)), nodes=nodes).meaning
    assert meaning == "EC2 took Spot nodes back: " + ", ".join(f"i-{number} (gone)" for number in range(5))
    assert judged(job={"cause": "rejects", "message": "x" * 1500}).words == "x" * 1000


# --- how logs are read -------------------------------------------------------------------------------------------


def test_of_a_bootstrap_that_failed_twice_the_last_counts() -> None:
    said = "install_tensorflow: failed in {} after 0.3 s ({}, exit 12): {}\n"
    log = said.format("import", "python", "first. Fix: this.") + said.format("check", "disk", "second. Fix: that.")
    verdict = judged(("bootstrap", log), subject="cluster", reason_code="BOOTSTRAP_FAILURE")
    assert (verdict.cause, verdict.words, verdict.fix) == ("bootstrap-disk", "second", "that")


def test_of_two_masters_the_last_ones_node_is_asked() -> None:
    kill = "[Tue] Out of memory: Killed process 4711 (java) total-vm:9kB\n"
    log = HOST.replace("1-23", "1-99") + HOST + MASTER.format(137)
    assert judged(("step", log), Document("node", "n", kill, host="ip-10-0-1-23")).source == "n"
    assert judged(("step", log), Document("node", "n", kill, host="ip-10-0-1-99")).source == "YARN's client"


def test_what_a_driver_quotes_of_an_executor_is_the_executors() -> None:
    quote = (
        f"26/11/24 10:00:00 WARN YarnAllocator: Container {CONTAINER} failed\nLast 4096 bytes of stderr :\n{{}}\n.\n"
    )
    heap = "java.lang.OutOfMemoryError: Java heap space"
    verdict = judged(("driver", f"{quote.format('')}{quote.format(heap)}{EXECUTOR.format(1)}"))
    assert (verdict.cause, verdict.words) == ("out-of-memory-executor", heap)
    assert verdict.source == f"driver (quoted of {CONTAINER})"
    nobodys = judged(("driver", f"Last 4096 bytes of stderr :\n{heap}\n.\n{EXECUTOR.format(1)}"))
    assert nobodys.source == "driver (quoted of an executor)"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (f"26/11/24 x {BIG.strip()}" + "y" * 30_000, "out-of-memory-driver"),
        ("y" * 30_000 + f"26/11/24 x {BIG.strip()}", "out-of-memory-driver"),
        ("y" * 15_000 + f"26/11/24 x {BIG.strip()}" + "y" * 15_000, "unknown"),
    ],
)
def test_of_a_very_long_line_beginning_and_end_are_read_and_short_ones_stay_whole(line: str, cause: str) -> None:
    verdict = judged(("driver", f"hello\n{line}\nbye\n"))
    assert verdict.cause == cause
    assert len(verdict.words) < 500
    assert cause == "unknown" or "is bigger than spark.driver.maxResultSize" in verdict.words
    assert cause != "unknown" or verdict.words == "bye"
