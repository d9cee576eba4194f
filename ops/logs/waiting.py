"""Why a step that runs has not begun: YARN's own reason, from what its client wrote into the step's log.

`explain` is pure. `WaitingLog` reads the log now and then; on EMR it is up to five minutes old.
"""

from __future__ import annotations

import re
import time
from typing import Any

from ops.logs import layout
from ops.logs.reader import S3Logs

READ_AGAIN_SECONDS = 15.0
PATIENT_REPORTS = 2
NOT_BEGUN = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED")

# 26/11/27 14:00:05 INFO Client: Application report for application_1795788536013_0019 (state: ACCEPTED)
_REPORT = re.compile(r"Application report for application_\d+_\d+ \(state: (\w+)\)")
# diagnostics: [Fri Nov 27 14:00:05 +0000 2026] Application is Activated, waiting for resources to be assigned …
_DIAGNOSTICS = re.compile(r"diagnostics: (?:\[[^\]]*\] )?(.+)")
# Details : AM Partition = ON_DEMAND ; Partition Resource = <memory:0, vCores:0> ; …
_PARTITION = re.compile(r"AM Partition = (?P<label>\S+) ; Partition Resource = <memory:(?P<memory>\d+)")
_DEFAULT = "<DEFAULT_PARTITION>"


def explain(text: str) -> str:
    """What an application that has not begun waits for, in plain words; empty when it has begun or nothing is told.

    >>> report = "INFO Client: Application report for application_1795788536013_0001 (state: ACCEPTED)\\n"
    >>> told = "\\t diagnostics: Skipping AM assignment as cluster resource is empty.  Details : ...\\n"
    >>> explain(report + told + report)
    'no node is there and healthy (YARN: cluster resource is empty)'
    """
    states = _REPORT.findall(text)
    told = _DIAGNOSTICS.findall(text)
    # The client reports a change at once, and again half a minute later: every application waits for a second.
    if not told or len(states) < PATIENT_REPORTS or any(state not in NOT_BEGUN for state in states[-PATIENT_REPORTS:]):
        return ""
    words = told[-1].strip()
    if "luster resource is empty" in words:
        return "no node is there and healthy (YARN: cluster resource is empty)"
    found = _PARTITION.search(words)
    if found and found["memory"] == "0" and found["label"] != _DEFAULT:
        kind = {"ON_DEMAND": "an on-demand node", "SPOT": "a Spot node"}.get(found["label"], "a node")
        return f"the driver waits for {kind}, and none is there ({found[0]}>)"
    if "AM resource limit" in words:
        return "the drivers of other steps take all that there is for drivers; it begins when one of them ends"
    if "waiting for resources" in words:
        return "the driver waits until a node has room for it"
    if "waiting for AM container to be allocated" in words or words == "N/A" or "AM container is launched" in words:
        return ""  # a moment that every application goes through
    return f"YARN says: {words[:200]}"


class WaitingLog:
    """A step's own log, read again at most every `READ_AGAIN_SECONDS`.

    Parameters
    ----------
    emr, s3 : boto3's clients
    cluster_id, step_id : whose
    """

    def __init__(self, emr: Any, s3: Any, cluster_id: str, step_id: str) -> None:
        self._emr, self._s3, self._cluster_id = emr, s3, cluster_id
        self._log = layout.parse(f"{layout.step_folder(step_id)}stderr.gz")
        self._said, self._next = "", 0.0

    def explain(self) -> str:
        """What the step waits for, as far as its log tells; empty where it does not."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + READ_AGAIN_SECONDS
            cluster = self._emr.describe_cluster(ClusterId=self._cluster_id)["Cluster"]
            place = layout.cluster_uri(cluster.get("LogUri"), self._cluster_id)
            self._said = explain(S3Logs(self._s3, place).read(self._log).text) if place else ""
        return self._said
