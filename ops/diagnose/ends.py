"""How a step ended, before anything is said about why: from EMR's state, the controller and YARN's client. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from ops.aws.states import OPEN_STATES
from ops.diagnose.evidence import Document, Evidence
from ops.logs import client

Outcome = Literal["failed", "succeeded", "killed", "running", "unknown"]

# INFO waitProcessCompletion ended with exit code 1 : hadoop jar …     WARN Step failed with exitCode 1 and took 20 s
# INFO Step succeeded with exitCode 0 and took 61 seconds
_CONTROLLER = re.compile(r"(?:ended with exit code|Step (?:failed|succeeded) with exitCode) (-?\d{1,10})")
# Exception in thread "main" …     Error: Missing application resource.     … ShutdownHookManager: Shutdown hook called
_CLIENT_ENDED = re.compile(r"Exception in thread \"main\"|^Error: |Shutdown hook called|Command exiting with ret", re.M)
# INFO ApplicationMaster: Final app status: SUCCEEDED, exitCode: 0
_MASTER = re.compile(r"Final app status: (\w+), exitCode: (-?\d+)")
# Application application_… was killed by user hadoop at 10.0.0.7     Kill job … received from hadoop (auth:SIMPLE)
_KILLED = re.compile(
    r"was killed by user (?P<user>\S+)(?: at (?P<place>\S+))?|[Kk]ill (?:job|application) \S+ received from (?P<by>\S+)"
)

_OUTCOMES: dict[str, Outcome] = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "killed",
    "INTERRUPTED": "killed",
    **dict.fromkeys(OPEN_STATES, "running"),
}


@dataclass(frozen=True)
class End:
    """How a step ended.

    Attributes
    ----------
    outcome : ``unknown`` where nothing says so, as in a part of a tree
    words : the words that settle it
    by : who killed it, in words; empty where that is not known
    yarn : the application's last state as YARN's client reported it
    waits : YARN's words about what an application that has not begun waits for
    """

    outcome: Outcome
    words: str = ""
    by: str = ""
    yarn: str = ""
    waits: str = ""


def read_end(evidence: Evidence) -> End:
    """How a step ended: what EMR says of it, else the controller, else YARN's client, else the master."""
    documents = evidence.find_documents("step", "driver", "controller")
    text = "\n".join(document.text for document in documents if document.role != "controller")
    report, killed = client.parse_report(text), _KILLED.search(text)
    outcome = _OUTCOMES.get(evidence.state, "unknown") if evidence.stated else "unknown"
    if outcome == "unknown":
        outcome = _read_outcome(documents, text, report)
    if outcome == "failed" and report.state == "KILLED" and killed:
        outcome = "killed"
    if killed and outcome == "killed":
        words = killed[0]
    elif report.state:
        words = f"state: {report.state}, final status: {report.final}"
    else:
        words = "".join([master[0] for master in _MASTER.finditer(text)][-1:])
    return End(outcome, words, _describe_killer(killed), report.state, report.waits)


def _describe_killer(killed: re.Match[str] | None) -> str:
    if killed is None:
        return ""
    user = killed["user"] or killed["by"]
    return f"user {user}" + (f" at {killed['place']}" if killed["place"] else "")


def _read_outcome(documents: list[Document], text: str, report: client.Report) -> Outcome:
    """By what the logs say alone."""
    controllers = [document.text for document in documents if document.role == "controller"]
    codes = [int(code) for controller in controllers for code in _CONTROLLER.findall(controller)]
    if codes:
        return "succeeded" if codes[-1] == 0 else "failed"
    if "KILLED" in (report.state, report.final):
        return "killed"
    if "FAILED" in (report.state, report.final):
        return "failed"
    if (report.state, report.final) == ("FINISHED", "SUCCEEDED"):
        return "succeeded"
    if controllers and any("startExec" in controller for controller in controllers) and not _CLIENT_ENDED.search(text):
        return "running"
    masters = [master for document in documents for master in _MASTER.findall(document.text)]
    if masters and not controllers and masters[-1] == ("SUCCEEDED", "0"):
        return "succeeded"
    return "unknown"
