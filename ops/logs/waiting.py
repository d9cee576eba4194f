"""Why a step that runs has not begun: YARN's own reason, from what its client wrote into the step's log.

`explain_wait` is pure. `WaitingLog` reads the log now and then; on EMR it is up to five minutes old.
"""

import time
from typing import Any

from ops.logs import client, layout
from ops.logs.reader import S3Logs

READ_AGAIN_SECONDS = 15.0
PATIENT_REPORTS = 2


def explain_wait(text: str) -> str:
    """What an application that has not begun waits for, in plain words; empty when it has begun or nothing says so.

    >>> report = "INFO Client: Application report for application_1795788536013_0001 (state: ACCEPTED)\\n"
    >>> explain_wait(report + "\\t diagnostics: Skipping AM assignment as cluster resource is empty.\\n" + report)
    'there is no healthy node (YARN: cluster resource is empty)'
    """
    report = client.parse_report(text)
    # The client reports a change at once, and again half a minute later: every application waits for a second.
    last = report.states[-PATIENT_REPORTS:]
    if len(last) < PATIENT_REPORTS or any(state not in client.NOT_BEGUN for state in last) or not report.waits:
        return ""
    return client.explain_words(report.waits)


class WaitingLog:
    """A step's own log, read again at most every `READ_AGAIN_SECONDS`.

    Parameters
    ----------
    emr, s3 : boto3's clients
    cluster_id, step_id : whose
    """

    def __init__(self, emr: Any, s3: Any, cluster_id: str, step_id: str) -> None:
        self._emr, self._s3, self._cluster_id = emr, s3, cluster_id
        self._log = layout.parse_key(f"{layout.step_folder(step_id)}stderr.gz")
        self._reason, self._next = "", 0.0

    def explain(self) -> str:
        """What the step waits for, as far as its log says; empty where it does not."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + READ_AGAIN_SECONDS
            cluster = self._emr.describe_cluster(ClusterId=self._cluster_id)["Cluster"]
            place = layout.cluster_uri(cluster.get("LogUri"), self._cluster_id)
            self._reason = explain_wait(S3Logs(self._s3, place).read(self._log).text) if place else ""
        return self._reason
