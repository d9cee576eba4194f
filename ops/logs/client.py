"""What YARN's client reports of an application in a step's own log: states, end, what it waits for. Pure."""

import re
from dataclasses import dataclass

NOT_BEGUN = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED")
MOST_WORDS = 200

# 26/11/24 14:00:05 INFO Client: Application report for application_1795788536013_0019 (state: ACCEPTED)
_STATE = re.compile(r"Application report for application_\d+_\d+ \(state: (\w+)\)")
# 	 final status: SUCCEEDED
_FINAL = re.compile(r"final status: (\w+)")
# diagnostics: [Fri Nov 27 14:00:05 +0000 2026] Application is Activated, waiting for resources to be assigned …
_DIAGNOSTICS = re.compile(r"diagnostics: (?:\[[^\]\n]*\] )?(.+)")
# Details : AM Partition = ON_DEMAND ; Partition Resource = <memory:0, vCores:0> ; …
_PARTITION = re.compile(r"AM Partition = (?P<label>\S+) ; Partition Resource = <memory:0\b")
# What every application goes through for a moment
_MOMENT = re.compile(r"^N/A$|waiting for AM container to be allocated|AM container is launched")


@dataclass(frozen=True)
class Report:
    """What a client reported.

    Attributes
    ----------
    states : of the application, the last one last; empty where none was reported
    final : its final status, ``UNDEFINED`` while it runs; empty where none was reported
    diagnostics : YARN's last words about it, without their time
    """

    states: tuple[str, ...] = ()
    final: str = ""
    diagnostics: str = ""

    @property
    def state(self) -> str:
        """The last state; empty for none."""
        return self.states[-1] if self.states else ""

    @property
    def waits(self) -> str:
        """YARN's words about what an application waits for that has not begun; empty otherwise."""
        waiting = self.state in NOT_BEGUN and not _MOMENT.search(self.diagnostics)
        return self.diagnostics if waiting else ""


def parse_report(text: str) -> Report:
    """The report in a log.

    >>> parse_report("INFO Client: Application report for application_1795788536013_0001 (state: FINISHED)").state
    'FINISHED'
    """
    last = {name: pattern.findall(text)[-1:] for name, pattern in (("final", _FINAL), ("words", _DIAGNOSTICS))}
    return Report(tuple(_STATE.findall(text)), "".join(last["final"]), "".join(last["words"]).strip())


def explain_words(waits: str) -> str:
    """What YARN's words say that an application waits for.

    >>> explain_words("Skipping AM assignment as cluster resource is empty.  Details : ...")
    'there is no healthy node (YARN: cluster resource is empty)'
    >>> explain_words("AM Partition = ON_DEMAND ; Partition Resource = <memory:0, vCores:0> ; Queue's Absolute")
    'there is no on-demand node for the driver (AM Partition = ON_DEMAND ; Partition Resource = <memory:0>)'
    """
    if "luster resource is empty" in waits:
        return "there is no healthy node (YARN: cluster resource is empty)"
    if partition := _PARTITION.search(waits):
        label = partition["label"].strip("<>")
        kinds = {"ON_DEMAND": "on-demand node", "SPOT": "Spot node", "DEFAULT_PARTITION": "node"}
        return f"there is no {kinds.get(label, f'node labelled {label}')} for the driver ({partition[0]}>)"
    if re.search(r"(?:AM|user) resource limit", waits, re.IGNORECASE):
        return "the drivers of other steps take all the room for drivers; it starts when one of them ends"
    if "waiting for resources" in waits:
        return "no node has room for the driver yet"
    return f"YARN says: {waits[:MOST_WORDS]}"
