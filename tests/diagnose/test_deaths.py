"""Processes that ended, as YARN, Spark and EMR write it: codes, places and words, by hand."""

from __future__ import annotations

import pytest

from ops.diagnose.deaths import Death, cut_aftermath, is_aftermath, parse_deaths

CONTAINER = "container_1795600000000_0001_01_000002"


def death(code: int) -> Death:
    return Death("executor", code, CONTAINER, "", "", "")


@pytest.mark.parametrize(
    ("line", "process", "code", "container", "host"),
    [
        (f"Completed container {CONTAINER} on host: ip-10-0-1-23 (state: x, exit status: -104)", "executor", -104,
         CONTAINER, "ip-10-0-1-23"),
        ("ExecutorLostFailure Reason: Command exited with code 137", "executor", 137, "", ""),
        ("Container killed by YARN for exceeding physical memory limits. 1.0 GB of 896 MB", "executor", -104, "", ""),
        ("Container killed by YARN for exceeding virtual memory limits. 3 GB of 2 GB", "executor", -103, "", ""),
        ("On ip-10-0-1-24.ec2.internal: Container released on a *lost* node", "executor", -100, "", "ip-10-0-1-24"),
        ("AM Container for appattempt_1_0001_000001 exited with  exitCode: 13", "master", 13, "", ""),
        ("User application exited with status 10", "python", 10, "", ""),
        ("Command exiting with ret '1'", "command", 1, "", ""),
    ],
)  # fmt: skip
def test_whose_end_a_line_reports(line: str, process: str, code: int, container: str, host: str) -> None:
    after = [f"line {n}" for n in range(20)]
    (found,) = parse_deaths("\n".join(["nothing of interest", line, *after]))
    assert (found.process, found.code, found.container, found.host) == (process, code, container, host)
    assert (found.line, found.block) == (line.replace("  ", " "), "\n".join([line, *after[:11]]))


def test_a_long_line_is_shortened_around_the_words() -> None:
    words = "Command exiting with ret '1'"
    lines = {
        "…" + "a" * 75 + words + "b" * (225 - len(words)) + "…": "a" * 1000 + words + "b" * 1000,
        words + "b" * (300 - len(words)) + "…": words + "b" * 1000,
        "…" + "a" * (300 - len(words)) + words: "a" * 1000 + words,
        "a" * (300 - len(words)) + words: "a" * (300 - len(words)) + words,
    }
    for short, line in lines.items():
        (found,) = parse_deaths(line)
        assert found.line == short


def test_what_follows_an_order_to_end_is_aftermath() -> None:
    assert cut_aftermath("a\nb\n26/11/24 ERROR RECEIVED SIGNAL TERM\nc") == "a\nb"
    assert cut_aftermath("RECEIVED SIGNAL TERM\nc") == ""
    assert cut_aftermath("a\nb") == "a\nb"
    assert [is_aftermath(death(code)) for code in (0, -105, 137, -104)] == [True, True, False, False]
