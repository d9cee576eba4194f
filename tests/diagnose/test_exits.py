"""The table of exit codes against the classes that define them: Hadoop's and Spark's own, asked in a JVM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from ops.diagnose import exits, table


@pytest.fixture(scope="module")
def jvm() -> Iterator[Any]:
    """A JVM with Spark's jars and no Spark in it; some two seconds."""
    from pyspark.java_gateway import launch_gateway

    gateway = launch_gateway()
    yield gateway.jvm
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(300)


def constants(jvm: Any, name: str) -> dict[str, int]:
    """The integers that a class of Java or an object of Scala names, without Scala's prefix of private ones."""
    found, owner = {}, jvm.java.lang.Class.forName(name)
    module = None
    if name.endswith("$"):
        module = owner.getField("MODULE$").get(None)
    for field in owner.getDeclaredFields():
        if field.getType().getName() == "int":
            field.setAccessible(True)
            found[field.getName().rpartition("$$")[2]] = int(field.get(module))
    return found


def test_the_codes_are_those_of_hadoop_and_spark(jvm: Any) -> None:
    """All that Hadoop and Spark name, and nothing else under their names."""
    classes = {
        "container": ["org.apache.hadoop.yarn.api.records.ContainerExitStatus"],
        "executor": ["org.apache.spark.executor.ExecutorExitCode$", "org.apache.spark.util.SparkExitCode$"],
        "master": ["org.apache.spark.deploy.yarn.ApplicationMaster$"],
    }
    general = {"EXIT_SUCCESS", "EXIT_FAILURE", "ERROR_MISUSE_SHELL_BUILTIN", "ERROR_PATH_NOT_FOUND"}
    general |= {"ERROR_COMMAND_NOT_FOUND", "EXCEED_MAX_EXECUTOR_FAILURES"}  # a shell's, and the master's 11
    for who, names in classes.items():
        wanted = {constant: code for name in names for constant, code in constants(jvm, name).items()}
        told = {found.constant: found.code for found in exits.EXITS if found.owner == who and found.code != 154}
        assert told == {constant: code for constant, code in wanted.items() if constant not in general}


def test_every_cause_of_a_code_is_a_row_or_a_kind_of_end() -> None:
    causes = {found.cause for found in exits.EXITS} - {""}
    assert causes <= set(table.NAMES)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGILL, signal.SIGABRT])
def test_a_shells_code_and_pythons_mean_the_same_signal(number: signal.Signals) -> None:
    assert exits.find_signal(128 + number) == exits.find_signal(-number) == number
    found = exits.explain_code(128 + number, "container", "executor", "shell")
    assert found is not None
    assert found.constant == number.name


def test_codes_that_say_nothing_by_themselves_have_no_meaning() -> None:
    assert exits.explain_code(1, "container", "executor", "shell") is None
    assert exits.explain_code(255, "container", "executor", "shell") is None
