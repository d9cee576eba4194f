"""The settings of the embedded AWS, from the environment (``LOCALAWS_…``)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from localaws.errors import LocalAwsError

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT = "123456789012"


_LEAST = {
    "clock_rate": 0.001,
    "executors": 1,
    "executor_cores": 1,
    # Spark refuses a JVM with less: it reserves 300 MB and wants half as much again
    "executor_memory_mb": 512,
    "driver_memory_mb": 512,
    "yarn_nodes": 1,
}
"""The least that the server can work with, where 0 is too little."""


class SettingError(LocalAwsError):
    """A setting that should be a number and is not, or one that is too small to work with."""

    exit_code = 2

    def __init__(self, name: str, text: str, default: float) -> None:
        number = "whole number" if isinstance(default, int) else "number"
        least, name = _LEAST.get(name, 0), f"LOCALAWS_{name.upper()}"
        super().__init__(f"{name}={text} is not a {number} from {least}. Fix: for example {name}={default}.")


@dataclass
class Settings:
    """How the embedded AWS behaves. Every field can be given as ``LOCALAWS_<NAME>``; the clock's rate can be changed
    while it runs (``server.set_clock``).

    Attributes
    ----------
    home : folder of the state file, the log and the clusters' node folders
    execute : run bootstrap actions and steps for real; off, they succeed at once (for tests that need only the stacks)
    starting_seconds : how long a cluster stays STARTING
    log_delay_seconds : how long after their end the logs of a step appear in S3 (EMR: about five minutes)
    api_delay_seconds : pause before each changing call is answered (see ``app.py``)
    clock_rate : how many times faster than real time idle clocks and schedules run
    executors : Spark executor processes of a cluster
    executor_cores : cores of each
    executor_memory_mb : heap of each
    driver_memory_mb : heap of the driver
    vcpu_quota : vCPUs that Service Quotas answers, on demand and on Spot each; nothing is refused because of it
    yarn : run Spark steps on a real YARN (``localaws/yarn``) instead of Spark's local-cluster
    yarn_jars : the folder of its jars
    yarn_nodes : the most NodeManagers of a cluster; each stands for a core or task instance
    fault : a fault to inject from the start (see ``faults.py``)
    record : a file for the rights that each call needs (see ``recording.py``); empty: none is written
    """

    home: Path = ROOT / "build" / "localaws"
    execute: bool = True
    starting_seconds: float = 1.0
    log_delay_seconds: float = 5.0
    api_delay_seconds: float = 0.01
    clock_rate: float = 1.0
    executors: int = 2
    executor_cores: int = 1
    executor_memory_mb: int = 1536
    driver_memory_mb: int = 1536
    vcpu_quota: int = 64
    yarn: bool = False
    yarn_jars: Path = ROOT / "build" / "yarn" / "jars"
    yarn_nodes: int = 3
    fault: str = ""
    record: str = ""

    @property
    def clusters(self) -> Path:
        """The folder of the clusters' node folders, one named after each cluster."""
        return Path(self.home) / "clusters"

    @classmethod
    def from_environment(cls, environ: dict[str, str] | None = None) -> Settings:
        """The settings of an environment's variables.

        >>> Settings.from_environment({"LOCALAWS_EXECUTE": "0", "LOCALAWS_EXECUTORS": "3"}).executors
        3
        """
        environ = dict(os.environ) if environ is None else environ
        values: dict[str, Any] = {}
        for field in fields(cls):
            text = environ.get(f"LOCALAWS_{field.name.upper()}")
            if text is not None:
                values[field.name] = _parse(field.name, text, field.default)
        return cls(**values)


def _parse(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return text.lower() not in ("0", "false", "no", "")
    if isinstance(default, Path):
        return Path(text).resolve()
    if isinstance(default, str):
        return text
    digits = r"[0-9]{1,9}" if isinstance(default, int) else r"[0-9]{1,9}(\.[0-9]{1,9})?"
    if not re.fullmatch(digits, text) or float(text) < _LEAST.get(name, 0):
        raise SettingError(name, text, default)
    return type(default)(text)
