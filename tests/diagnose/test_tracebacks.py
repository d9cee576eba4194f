"""Tracebacks as logs hold them: in chains, inside Spark's messages, cut, in thousands; which of them explains."""

from __future__ import annotations

import random
import time

import pytest

from ops.core.paths import ROOT
from ops.diagnose import render, tracebacks
from ops.diagnose.tracebacks import choose_traceback, parse_tracebacks
from tests.diagnose.reports import HEAD, OURS

LIBRARY = '  File "/opt/fruits/venv/lib/python3.11/site-packages/pyarrow/fs.py", line 9, in read\n'
CAUSE = "The above exception was the direct cause of the following exception:"
WRAPPED = "py4j.protocol.Py4JJavaError: An error occurred while calling o1.collect."


def test_the_root_of_a_chain_is_chosen() -> None:
    chain = f"{HEAD}{OURS}OSError: refused\n\nThe above exception was the direct cause of the following exception:\n\n"
    chosen = choose_traceback(parse_tracebacks(f"{chain}{HEAD}{OURS}fruits.errors.StorageError: cannot write\n"))
    assert chosen is not None
    assert chosen.exception == "OSError"


def test_of_what_was_raised_while_handling_another_the_last_counts() -> None:
    chain = f"{HEAD}{OURS}KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n"
    chosen = choose_traceback(parse_tracebacks(f"{chain}{HEAD}{OURS}ValueError: no such x\n"))
    assert chosen is not None
    assert chosen.exception == "ValueError"


def test_a_workers_traceback_is_found_in_sparks_message() -> None:
    worker = f'{HEAD}  File "/x/pyspark.zip/pyspark/worker.py", line 1, in main\n{OURS}ValueError: a stone\n'
    spark = (
        "py4j.protocol.Py4JJavaError: An error occurred while calling o1.collect.\n: org.apache.spark.SparkException: "
    )
    driver = f'{HEAD}  File "/x/featurize_pca.py", line 20, in main\n{spark}Job aborted: PythonException: {worker}'
    chosen = choose_traceback(parse_tracebacks(f"26/11/24 10:00:00 ERROR x\n{driver}\n\tat org.apache.spark.x(y)\n"))
    assert chosen is not None
    assert (chosen.exception, chosen.message, chosen.process) == ("ValueError", "a stone", "worker")
    assert chosen.where is not None
    assert render.format_place(chosen.where) == "jobs/fruits/store.py:262, in write"


def test_without_our_source_the_users_own_is_named() -> None:
    chosen = choose_traceback(
        parse_tracebacks(f'{HEAD}  File "/mnt/tmp/spark-1/job.py", line 7, in f\n    g()\n{LIBRARY}ValueError: x\n')
    )
    assert chosen is not None
    assert chosen.where is not None
    assert (chosen.where.file, chosen.where.source) == ("/mnt/tmp/spark-1/job.py", "g()")


@pytest.mark.parametrize("seed", range(40))
def test_cut_and_shuffled_tracebacks_never_raise(seed: int) -> None:
    draw = random.Random(seed)
    lines = (HEAD + OURS + LIBRARY + "ValueError: x\n\nThe above exception was the direct cause\n").split("\n") * 5
    draw.shuffle(lines)
    text = "\n".join(lines)[draw.randrange(50) :]
    for found in parse_tracebacks(text):
        assert found.summary is not None
        assert isinstance(found.has_ours, bool)
    choose_traceback(parse_tracebacks(text))


def test_thousands_of_tracebacks_are_bounded() -> None:
    text = (HEAD + OURS + "ValueError: x\n") * 5000
    began = time.monotonic()
    assert len(parse_tracebacks(text)) == tracebacks.MOST
    assert time.monotonic() - began < 10


def test_a_line_without_its_source_is_read_from_this_checkout() -> None:
    frame = tracebacks.Frame("./fruits.zip/fruits/__init__.py", 1)
    assert render.read_source(frame) == (ROOT / "jobs/fruits/__init__.py").read_text().splitlines()[0].strip()
    assert render.read_source(tracebacks.Frame("./fruits.zip/fruits/gone.py", 1)) == ""
    assert render.read_source(tracebacks.Frame("./fruits.zip/fruits/__init__.py", 10**6)) == ""


@pytest.mark.parametrize(
    ("between", "link"),
    [
        (f"{CAUSE}\n", "cause"),
        (f"\n{CAUSE}\n\n", "cause"),
        ("During handling of the above exception, another exception occurred:\n\n", "context"),
        (f"{CAUSE}\n\n\n\n", ""),
        (f"{CAUSE}\nbut first this\n\n", ""),
        ("\n", ""),
    ],
)
def test_a_link_stands_right_above_what_it_links(between: str, link: str) -> None:
    assert parse_tracebacks(f"{between}{HEAD}{OURS}ValueError: x\n")[0].link == link
    assert [
        found.link for found in parse_tracebacks(f"x\n{HEAD}{OURS}KeyError: 1\n{between}{HEAD}{OURS}ValueError: x\n")
    ] == [
        "",
        link,
    ]


def test_what_stands_in_the_message_of_a_wrapper_is_nested_and_nothing_else_is() -> None:
    inner = f"{HEAD}{OURS}ValueError: a stone\n"
    assert [found.link for found in parse_tracebacks(f"{HEAD}{OURS}{WRAPPED}\n{inner}")] == ["", "nested"]
    assert [found.link for found in parse_tracebacks(f"{HEAD}{OURS}{WRAPPED}\n\n{inner}")] == ["", ""]
    assert [found.link for found in parse_tracebacks(f"{HEAD}{OURS}KeyError: 1\n{inner}")] == ["", ""]
    outer, nested = parse_tracebacks(f"{HEAD}{OURS}{WRAPPED}\n{inner}")
    chosen = choose_traceback([outer, nested])
    assert chosen is not None
    assert (chosen.exception, chosen.process) == ("ValueError", "worker")


def test_of_wrappers_alone_the_innermost_exception_is_told_at_our_line() -> None:
    library = f"{HEAD}{LIBRARY}"
    text = f"{HEAD}{OURS}{WRAPPED}\n{library}pyspark.errors.PythonException: x\n{library}KeyError: 'pear'\n"
    chosen = choose_traceback(parse_tracebacks(text))
    assert chosen is not None
    assert (chosen.exception, chosen.message) == ("KeyError", "'pear'")
    assert chosen.where is not None
    assert chosen.where.ours == "jobs/fruits/store.py"
    assert chosen.text.count(HEAD.strip()) == 3


def test_an_exception_cut_off_explains_nothing_but_stands_where_nothing_else_does() -> None:
    cut = f"{HEAD}{OURS}"
    (only,) = parse_tracebacks(cut)
    assert (only.exception, only.message, only.frames[0].source) == ("", "", "sink.write(data)")
    assert choose_traceback([only]) is only
    chosen = choose_traceback(parse_tracebacks(f"{cut}\n{CAUSE}\n\n{HEAD}{OURS}ValueError: x\n"))
    assert chosen is not None
    assert chosen.exception == "ValueError", "its root is not known"


def test_frames_and_messages_are_bounded() -> None:
    frames = "".join(f'  File "/mnt/x/job.py", line {n}, in f\n    g({n})\n' for n in range(1, 301))
    (found,) = parse_tracebacks(f"{HEAD}{frames}ValueError: 0\n" + "".join(f"more {n}\n" for n in range(1, 40)))
    assert [frame.line for frame in found.frames] == list(range(1, 201))
    assert found.frames[-1].source == "g(200)"
    assert found.message.split("\n") == ["0", *(f"more {n}" for n in range(1, 20))]
    assert found.text.endswith("more 39")
    (long,) = parse_tracebacks(f"{HEAD}{OURS}ValueError: {'x' * 3000}\n")
    assert len(long.words) == tracebacks.MOST_LINE


def test_marks_below_a_line_are_not_its_source() -> None:
    (found,) = parse_tracebacks(
        f'{HEAD}  File "/a.py", line 1, in f\n    ~~~^^\n    g()\n    ^^^\n    more\nValueError\n'
    )
    assert [(frame.file, frame.source) for frame in found.frames] == [("/a.py", "g()")]
    assert (found.exception, found.message) == ("ValueError", "")
    assert found.words == found.summary == "ValueError"


@pytest.mark.parametrize(
    "after",
    [
        "26/11/24 10:00:00 ERROR Executor: x",
        "install_tensorflow: failed in import after 61.0 s",
        "\tat org.apache.spark.api.python.Runner(x)",
        "\t... 3 more",
        "Caused by: java.io.IOException",
        "Driver stacktrace:",
        "",
    ],
)
def test_a_message_ends_where_a_log_goes_on(after: str) -> None:
    (found,) = parse_tracebacks(f"{HEAD}{OURS}ValueError: first\nsecond\n{after}\nthird\n")
    assert found.message == "first\nsecond"
    assert found.summary == "ValueError: first second"


def test_what_follows_from_a_process_that_has_gone_decides_nothing() -> None:
    def one(exception: str, frame: str = OURS) -> tracebacks.Traceback:
        return parse_tracebacks(f"{HEAD}{frame}{exception}\n")[0]

    assert one("ValueError: x").decides
    assert not one("ValueError: x", LIBRARY).decides
    assert one("ValueError: x", LIBRARY).is_itself
    assert not one("py4j.protocol.Py4JNetworkError: Answer from Java side is empty").is_itself
    assert not one(WRAPPED).is_itself
    assert one("ValueError: x").process == "driver"
    assert one("ValueError: x", '  File "/x/pyspark.zip/pyspark/daemon.py", line 1, in m\n').process == "worker"


@pytest.mark.parametrize(
    ("last", "message", "decides"),
    [
        ("<frozen zipimport>", "[Errno 2] No such file or directory: '/mnt/yarn/c_06/fruits.zip'", False),
        ("/x/posixpath.py", "[Errno 2] No such file or directory", False),
        ("/x/posixpath.py", "[Errno 2] No such file or directory: '/mnt/yarn/c_06/weights.h5'", True),
    ],
)
def test_a_process_whose_folder_was_removed_is_no_cause(last: str, message: str, decides: bool) -> None:
    """YARN removes the folder of a container that it ends, below workers that still live."""
    text = f'{HEAD}{OURS}  File "{last}", line 592, in _get_data\nFileNotFoundError: {message}\n'
    (traceback,) = parse_tracebacks(text)
    assert traceback.decides is decides
