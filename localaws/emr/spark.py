"""How a step's ``spark-submit`` for YARN becomes one for this machine. Pure: arguments in, arguments out.

Kept: the application and its arguments, its files, the configuration of cluster and step, ``spark.executorEnv``, in
cluster mode ``spark.yarn.appMasterEnv`` (as the driver's environment). Replaced: the master, the deploy mode and all
sizes, which are made for the cluster's instance types and not for this machine.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localaws.faults import UNPLACEABLE_EXECUTORS
from localaws.settings import Settings

# org.apache.spark.launcher.SparkSubmitOptionParser, Spark 3.5
FLAGS = frozenset({"--help", "-h", "--supervise", "--usage-error", "--verbose", "-v", "--version"})
SIZE_OPTIONS = frozenset({"--master", "--deploy-mode", "--queue"}).union(
    ("--driver-cores", "--driver-memory", "--executor-cores", "--executor-memory", "--num-executors"),
    ("--total-executor-cores",),
)
VALUED = SIZE_OPTIONS.union(
    ("--archives", "--class", "--conf", "-c", "--driver-class-path", "--driver-java-options", "--driver-library-path"),
    ("--exclude-packages", "--files", "--jars", "--keytab", "--kill", "--name", "--packages", "--principal"),
    ("--properties-file", "--proxy-user", "--py-files", "--remote", "--repositories", "--status"),
)
_NOT_HERE = re.compile(
    r"spark\.(master|submit\.deployMode|yarn\..*|dynamicAllocation\..*|shuffle\.service\..*"
    r"|(driver|executor)\.(memory|cores|instances|memoryOverhead|memoryOverheadFactor|extraClassPath|extraLibraryPath)"
    r"|executor\.pyspark\.memory|eventLog\..*|history\..*|emr\..*|hadoop\.yarn\..*|blacklist\..*|decommissioning\..*)"
)


class BadSubmitError(ValueError):
    """Arguments that spark-submit would refuse."""


@dataclass
class Submit:
    """A parsed spark-submit.

    Attributes
    ----------
    options : the options with values, in order, without ``--conf``
    conf : the values of ``--conf``
    flags : the options without value
    application : the main file or jar
    arguments : the application's own arguments
    """

    options: list[tuple[str, str]] = field(default_factory=list)
    conf: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    application: str = ""
    arguments: list[str] = field(default_factory=list)

    def find_option(self, name: str) -> str | None:
        """The last value of an option."""
        return next((v for k, v in reversed(self.options) if k == name), None)


def parse_submit(args: list[str]) -> Submit:
    """Read spark-submit's arguments as Spark does: options until the first word that is none, then the application's.

    >>> parse_submit(["--deploy-mode", "cluster", "--conf", "a.b=c=d", "s3://b/job.py", "--input", "x"]).arguments
    ['--input', 'x']
    """
    submit, words = Submit(), list(args)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            submit.application, submit.arguments = word, words
            return submit
        if word in FLAGS:
            submit.flags.append(word)
            continue
        name, joined, value = word.partition("=")
        if name not in VALUED:
            raise BadSubmitError(f"Unrecognized option: {name}")
        if not joined:
            if not words:
                raise BadSubmitError(f"Missing argument for option '{name}'.")
            value = words.pop(0)
        if name in ("--conf", "-c"):
            key, equals, setting = value.partition("=")
            if not equals:
                raise BadSubmitError(f"Spark config without '=': {value}")
            submit.conf[key] = setting
        else:
            submit.options.append((name, value))
    raise BadSubmitError("Missing application resource.")


def read_classification(configurations: Iterable[Mapping[str, Any]], *path: str) -> dict[str, str]:
    """The properties of a (nested) EMR configuration classification.

    >>> nested = [{"Classification": "spark-env", "Configurations": [
    ...     {"Classification": "export", "Properties": {"A": "1"}}]}]
    >>> read_classification(nested, "spark-env", "export")
    {'A': '1'}
    """
    properties: dict[str, str] = {}
    for item in configurations:
        if item.get("Classification") == path[0]:
            if len(path) == 1:
                properties |= item.get("Properties") or {}
            else:
                properties |= read_classification(item.get("Configurations") or [], *path[1:])
    return properties


@dataclass(frozen=True)
class SparkCommand:
    """The spark-submit that is run on this machine for a step.

    Attributes
    ----------
    args : arguments of spark-submit
    conf : the whole configuration, for spark-defaults.conf
    environment : variables of the driver besides the node's own
    cluster_mode : whether the driver would run in a container of the cluster
    """

    args: list[str]
    conf: dict[str, str]
    environment: dict[str, str]
    cluster_mode: bool


def localize(submit: Submit, defaults: Mapping[str, str], local: Mapping[str, str], settings: Settings) -> SparkCommand:
    """The step's spark-submit for this machine.

    Parameters
    ----------
    submit : the step's own
    defaults : the cluster's spark-defaults
    local : configuration of this machine (S3A, event log); wins over everything
    settings : the sizes
    """
    requested = dict(defaults) | submit.conf
    mode = submit.find_option("--deploy-mode") or requested.get("spark.submit.deployMode", "client")
    prefix = "spark.yarn.appMasterEnv."
    environment = {k.removeprefix(prefix): v for k, v in requested.items() if k.startswith(prefix)}
    conf = {k: v for k, v in requested.items() if not _NOT_HERE.fullmatch(k)}
    memory = settings.executor_memory_mb
    conf |= {
        "spark.master": f"local-cluster[{settings.executors},{settings.executor_cores},{memory + 512}]",
        "spark.executor.memory": f"{memory}m",
        "spark.driver.memory": f"{settings.driver_memory_mb}m",
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        **local,
    }
    if settings.fault == "no-capacity":
        conf |= UNPLACEABLE_EXECUTORS
    # C1 alone and the serial collector: half the processor time of short jobs, whose work is in Python.
    for side in ("driver", "executor"):
        conf.setdefault(f"spark.{side}.defaultJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    args = [word for name, value in submit.options if name not in SIZE_OPTIONS for word in (name, value)]
    args += [f for f in submit.flags if f != "--supervise"]
    return SparkCommand([*args, submit.application, *submit.arguments], conf, environment, mode == "cluster")


def locate_events(home: Path, cluster_id: str) -> Path:
    """The folder of a cluster's event logs: beside the nodes' folders, because they outlive the cluster, as those of
    EMR's persistent history server do (`make ui`)."""
    return home / "spark-events" / cluster_id


def make_event_log_conf(folder: Path) -> dict[str, str]:
    """Configuration that makes an application write its event log into a folder, which must be there."""
    return {"spark.eventLog.enabled": "true", "spark.eventLog.dir": folder.as_uri()}


def make_authentication_conf() -> dict[str, str]:
    """Configuration that closes Spark's ports, which every user of this machine can reach, to all but its processes."""
    return {"spark.authenticate": "true", "spark.authenticate.secret": secrets.token_hex(20)}


def format_properties(conf: Mapping[str, str]) -> str:
    """The text of a spark-defaults.conf."""
    return "".join(f"{key} {value}\n" for key, value in sorted(conf.items()))
