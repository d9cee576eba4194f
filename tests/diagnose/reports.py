"""Failures that people reported in public, as EMR would have kept them: a text, its source, and where it stands.

``reports/seen`` helped to make the table of causes. ``reports/held`` was looked for when the table was done, in other
sources, and only measures it. A file is four lines of heads, a blank line, and what the programs wrote, with hosts and
accounts replaced. Its place says whose log it is: ``driver`` (cluster mode), ``driver-alone`` (nothing else was kept),
``client`` (client mode) and ``submit`` (the step's own log), ``bootstrap``, or ``cluster:`` with EMR's reason code. A
line ``==> executor container_…`` begins that container's log.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "reports"
CLUSTER, STEP, NODE = "j-2AXXXXXXGAPLF", "s-08812552QZHJ7GG0YUF2", "i-0b22a22eec53224bd"
HEAD = "Traceback (most recent call last):\n"
OURS = '  File "/mnt/x/__pyfiles__/fruits.zip/fruits/store.py", line 262, in write\n    sink.write(data)\n'
CONTROLLER = """\
2026-11-24T10:00:00.101Z INFO startExec 'hadoop jar command-runner.jar spark-submit --deploy-mode cluster job.py'
2026-11-24T10:04:33.001Z INFO waitProcessCompletion ended with exit code 1 : hadoop jar /var/lib/aws/emr/step-r...
2026-11-24T10:04:33.101Z WARN Step failed with exitCode 1 and took 272 seconds
"""
CLIENT = """\
26/11/24 10:00:03 INFO Client: Submitting application {application} to ResourceManager
26/11/24 10:04:31 INFO Client: Application report for {application} (state: FINISHED)
\t diagnostics: User application exited with status 1
\t final status: FAILED
26/11/24 10:04:31 ERROR Client: Application diagnostics message: User application exited with status 1
Exception in thread "main" org.apache.spark.SparkException: Application {application} finished with failed status
\tat org.apache.spark.deploy.yarn.Client.run(Client.scala:1309)
"""


@dataclass(frozen=True)
class Report:
    """One text.

    Attributes
    ----------
    expect : the causes that are right
    line : a part of the decisive line, which has to be on the screen whatever the cause
    """

    name: str
    source: str
    place: str
    expect: tuple[str, ...]
    line: str
    text: str


def load(half: str) -> list[Report]:
    """The reports of a half, ``seen`` or ``held``."""
    return [_read(path) for path in sorted((FOLDER / half).glob("*.txt"))]


def _read(path: Path) -> Report:
    head, _, text = path.read_text().partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.split("\n"))
    return Report(
        path.stem, fields["source"], fields["place"], tuple(fields["expect"].split("|")), fields["line"], text
    )


def build(report: Report, tree: Path) -> None:
    """Its log tree in EMR's layout."""
    found = re.search(r"(?:container|application)_(?:e\d+_)?(\d{10,}_\d{4,})", report.text)
    application = f"application_{found[1] if found else '1795600000000_0001'}"
    step, containers = tree / CLUSTER / "steps" / STEP, tree / CLUSTER / "containers" / application
    own, *executors = report.text.split("==> executor ")
    for part in executors:
        name, _, log = part.partition("\n")
        _put(containers / name / "stderr", log)
    if report.place.startswith("driver"):
        _put(containers / f"container_{application.removeprefix('application_')}_01_000001" / "stderr", own)
    if report.place == "driver":
        _put(step / "stderr", CLIENT.format(application=application))
    if report.place in ("client", "submit"):
        _put(step / "stderr", own)
    if report.place in ("driver", "client", "submit"):
        _put(step / "controller", CONTROLLER)
        return
    if report.place == "bootstrap":
        _put(tree / CLUSTER / "node" / NODE / "bootstrap-actions" / "1" / "stderr", own)
        said = f"On the master instance ({NODE}), bootstrap action 1 returned a non-zero return code"
        _put(tree / "describe-cluster.json", _described("BOOTSTRAP_FAILURE", said))
    elif report.place.startswith("cluster:"):
        _put(tree / "describe-cluster.json", _described(report.place.partition(":")[2], own.strip()))


def _described(code: str, message: str) -> str:
    reason = {"Code": code, "Message": message}
    status = {"State": "TERMINATED_WITH_ERRORS", "StateChangeReason": reason}
    return json.dumps({"Cluster": {"Id": CLUSTER, "Name": "fruits-dev", "Status": status}})


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
