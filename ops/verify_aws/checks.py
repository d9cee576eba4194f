"""What is assumed, and whether the facts of a run bear it out. Pure functions: facts in, a finding out.

``facts`` is what ``ops.verify_aws.facts`` gathers, plain values by name; what could not be looked at is missing there,
and the finding is then "not observable", with the reason where there is one (``facts["unseen"]``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from ops.policies import EMR_TAG, REQUIRED_TAGS
from ops.sweep import ENDPOINT_NAME

Facts = Mapping[str, Any]
# EMR says that logs are copied every five minutes; twice that is no longer "about five minutes".
LOG_SECONDS = 600


class Verdict(Enum):
    """What the facts say about an assumption."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_OBSERVABLE = "not observable"


@dataclass(frozen=True)
class Finding:
    """One assumption and what was seen.

    Attributes
    ----------
    name : of the check
    assumption : what the repository takes for granted
    observed : what was seen, for a reader
    evidence : the values behind it
    """

    name: str
    assumption: str
    verdict: Verdict
    observed: str
    evidence: Any = None


Judged = tuple[Verdict, str, Any]
CHECKS: dict[str, tuple[str, tuple[str, ...], Callable[[Facts], Judged]]] = {}


def check(
    name: str, assumption: str, *needed: str
) -> Callable[[Callable[[Facts], Judged]], Callable[[Facts], Judged]]:
    """Register a check, with the facts without which it cannot judge."""

    def register(judge: Callable[[Facts], Judged]) -> Callable[[Facts], Judged]:
        CHECKS[name] = (assumption, needed, judge)
        return judge

    return register


def judge_all(facts: Facts) -> list[Finding]:
    """Every check, in order."""
    findings = []
    for name, (assumption, needed, judge) in CHECKS.items():
        if missing := [fact for fact in needed if fact not in facts]:
            reasons = facts.get("unseen", {})
            why = "; ".join(f"{fact}: {reasons.get(fact, 'was not reached')}" for fact in missing)
            findings.append(Finding(name, assumption, Verdict.NOT_OBSERVABLE, why))
        else:
            findings.append(Finding(name, assumption, *judge(facts)))
    return findings


def _is(held: bool, observed: str, evidence: Any = None) -> Judged:
    return (Verdict.CONFIRMED if held else Verdict.REFUTED), observed, evidence


# ------------------------------------------------------------------------------------------------- start and network


@check("start-without-nat", "A cluster starts in subnets that have no way to the internet.", "started", "network")
def _start_without_nat(facts: Facts) -> Judged:
    network, started = facts["network"], facts["started"]
    out = [*network["nat_gateways"], *network["internet_gateways"], *network["default_routes"]]
    seconds = started["seconds"]
    said = f"the cluster became {started['state']} after {seconds:.0f} s" if seconds else "it did not start"
    if out:
        return _is(False, f"{said}, but the network has a way out: {', '.join(out)}", network)
    return _is(started["state"] in ("WAITING", "RUNNING"), f"{said}, without a way out", {**started, **network})


@check(
    "endpoint-policy",
    "The S3 endpoint's policy, which names buckets, lets everything through that a start needs.",
    "started",
    "s3_endpoint_policy",
)
def _endpoint_policy(facts: Facts) -> Judged:
    statements = facts["s3_endpoint_policy"]["Statement"]
    listed = [r for s in statements for r in ([s["Resource"]] if isinstance(s["Resource"], str) else s["Resource"])]
    if "*" in listed:
        return _is(False, "the endpoint's policy allows every bucket, so it was not put to the test", listed)
    started = facts["started"]["state"] in ("WAITING", "RUNNING")
    return _is(started, f"{'started' if started else 'did not start'} with {len(listed)} resources allowed", listed)


@check("emr-endpoint", f"Since EMR 7.5 the service makes the endpoint {ENDPOINT_NAME} in our VPC.", "emr_endpoints")
def _emr_endpoint(facts: Facts) -> Judged:
    found = facts["emr_endpoints"]
    return _is(bool(found), f"{len(found)} such endpoints beside the running cluster", found)


@check(
    "emr-endpoint-stays",
    "That endpoint outlives its cluster, bills, and must be swept before the VPC can go.",
    "emr_endpoints_after_end",
)
def _emr_endpoint_stays(facts: Facts) -> Judged:
    found = facts["emr_endpoints_after_end"]
    return _is(bool(found), f"{len(found)} such endpoints after the cluster had ended", found)


@check("security-groups", "EMR uses our three groups and makes none of its own.", "groups")
def _groups(facts: Facts) -> Judged:
    foreign = [name for name in facts["groups"] if name.startswith("ElasticMapReduce-")]
    return _is(not foreign, f"EMR's own groups: {', '.join(foreign) or 'none'}", facts["groups"])


# ------------------------------------------------------------------------------------------------- tags and machines


@check("tags", "Cluster, instances and volumes bear the tags of the stack, EMR's among them.", "tags")
def _tags(facts: Facts) -> Judged:
    wanted = (*REQUIRED_TAGS, EMR_TAG)
    lacking = {
        resource: missing
        for resource, tags in facts["tags"].items()
        if (missing := [name for name in wanted if name not in tags])
    }
    kinds = sorted({re.split(r"[-/]", resource)[0] for resource in facts["tags"]})
    if lacking:
        return _is(False, f"tags are missing: {lacking}", facts["tags"])
    return _is(bool(facts["tags"]), f"{len(facts['tags'])} resources ({', '.join(kinds)}) bear all of them")


@check("markets", "Primary and core nodes are on demand, task nodes on Spot.", "instances")
def _markets(facts: Facts) -> Judged:
    wrong = [
        node["Id"] for node in facts["instances"] if (node["Market"] == "SPOT") != (node["Fleet"] == "TASK")
    ]  # a Spot fleet that found no capacity switches to on demand: then this says so
    kinds = sorted(f"{node['Fleet']}: {node['Market']}" for node in facts["instances"])
    return _is(not wrong and bool(kinds), ", ".join(kinds), facts["instances"])


@check(
    "driver-on-demand",
    "With node labels on, the driver (YARN's application master) runs on an on-demand node.",
    "master_host",
    "instances",
)
def _driver_on_demand(facts: Facts) -> Judged:
    host = facts["master_host"]
    node = next((n for n in facts["instances"] if host in (n["PrivateDnsName"], n["PrivateIpAddress"])), None)
    if node is None:
        return Verdict.NOT_OBSERVABLE, f"{host} is none of the cluster's nodes", facts["instances"]
    spot = any(n["Market"] == "SPOT" for n in facts["instances"])
    if not spot:
        return Verdict.NOT_OBSERVABLE, "there was no Spot node that it could have run on", node
    return _is(node["Market"] == "ON_DEMAND", f"it ran on {host}, {node['Fleet']}, {node['Market']}", node)


@check("amazon-linux", "The nodes run Amazon Linux 2023.", "os_release")
def _amazon_linux(facts: Facts) -> Judged:
    found = facts["os_release"]
    held = found.get("ID") == "amzn" and found.get("VERSION_ID", "").startswith("2023")
    return _is(held, found.get("PRETTY_NAME", "unknown"), found)


@check(
    "wheels",
    "The wheelhouse installs on a node without the internet, and TensorFlow computes there.",
    "ready",
)
def _wheels(facts: Facts) -> Judged:
    ready = facts["ready"]
    version, seconds = ready.get("tensorflow"), ready.get("seconds", {}).get("total")
    return _is(bool(version), f"TensorFlow {version} on {ready.get('architecture')} after {seconds} s", ready)


@check("metadata-by-token", "Instance metadata answers only to who has a token (401 without).", "metadata_status")
def _metadata(facts: Facts) -> Judged:
    return _is(facts["metadata_status"] == 401, f"HTTP {facts['metadata_status']} without a token")


# ------------------------------------------------------------------------------------------------------ step and logs


@check("sample", "The job featurizes every image of the sample.", "run")
def _sample(facts: Facts) -> Judged:
    run = facts["run"]
    held = run.get("images_in") == run.get("expected") and run.get("images_ok") == run.get("expected")
    said = f"{run.get('images_ok')} of {run.get('expected')} images in {run.get('seconds_total')} s; exit {run['code']}"
    return _is(held and run["code"] == 0, said, run)


LAYOUT = {
    "a step's logs": r"steps/s-[A-Z0-9]+/(controller|stderr|stdout|syslog)\.gz",
    "a bootstrap action's logs": r"node/i-[0-9a-f]+/bootstrap-actions/1/(controller|stderr|stdout)\.gz",
    "the driver's logs": r"containers/application_\d+_\d+/container_[\w]+_000001/(stderr|stdout)\.gz",
    "an executor's logs": r"containers/application_\d+_\d+/container_[\w]+_00000[2-9]/(stderr|stdout)\.gz",
}


@check("log-layout", "Logs lie where `make run-step` says: steps/, containers/, node/.", "log_keys")
def _log_layout(facts: Facts) -> Judged:
    found = {
        what: next((key for key in facts["log_keys"] if re.fullmatch(pattern, key)), None)
        for what, pattern in LAYOUT.items()
    }
    missing = [what for what, key in found.items() if key is None]
    return _is(not missing, f"not found: {', '.join(missing)}" if missing else "each kind was found", found)


@check("log-delay", f"A step's logs are in S3 at most {LOG_SECONDS} s after its end.", "log_delay_seconds")
def _log_delay(facts: Facts) -> Judged:
    delay = facts["log_delay_seconds"]
    return _is(delay <= LOG_SECONDS, f"{delay:.0f} s after the step's end")


@check(
    "driver-output",
    "In cluster mode the job's own sentence is in the driver's container log and not in the step's.",
    "said_in",
)
def _driver_output(facts: Facts) -> Judged:
    found = facts["said_in"]
    in_driver = any(key.startswith("containers/") for key in found)
    in_step = any(key.startswith("steps/") for key in found)
    return _is(in_driver and not in_step, f"found in {', '.join(found) or 'no log'}", found)


@check("failure-details", "EMR's FailureDetails of a Spark step say no more than \"Unknown Error\".", "failure")
def _failure_details(facts: Facts) -> Judged:
    details = facts["failure"]["details"]
    if not details:
        return Verdict.NOT_OBSERVABLE, f"none within {facts['failure']['waited_seconds']:.0f} s", None
    late = f", {facts['failure']['seconds']:.0f} s after the step's end"
    return _is(details.get("Reason", "").startswith("Unknown Error"), f"{details.get('Reason')}{late}", details)


@check("error-json", "A failed job has left its cause in _run/error.json when EMR calls the step FAILED.", "error_json")
def _error_json(facts: Facts) -> Judged:
    held = facts["error_json"]
    return _is(bool(held.get("message")), str(held.get("message") or "there is none"), held)


# --------------------------------------------------------------------------------------------------------- its ends


@check("auto-termination", "The cluster ends itself after the idle time that the stack sets.", "idle_timeout")
def _auto_termination(facts: Facts) -> Judged:
    found = facts["idle_timeout"]
    return _is(found["found"] == found["wanted"], f"{found['found']} s, {found['wanted']} wanted", found)


@check("schedule", "A schedule outside the cluster terminates it at a fixed hour.", "schedule")
def _schedule(facts: Facts) -> Judged:
    found = facts["schedule"]
    named = re.fullmatch(r"at\((\S+)\)", found["expression"])
    held = (
        found["state"] == "ENABLED"
        and found["target"].endswith(":aws-sdk:emr:terminateJobFlows")
        and facts["cluster_id"] in found["input"]
        and named is not None
        and datetime.fromisoformat(named[1]) > datetime.fromisoformat(found["now"])
    )
    return _is(held, f"{found['state']} {found['expression']}", found)


@check("second-plan", "A second plan against the service has nothing to do.", "second_plan")
def _second_plan(facts: Facts) -> Judged:
    changes = facts["second_plan"]
    return _is(not changes, f"changes: {', '.join(changes)}" if changes else "no changes", changes)


@check("storage-stays", "Destroying the cluster leaves images, results and logs.", "kept")
def _storage_stays(facts: Facts) -> Judged:
    before, after = facts["kept"]["before"], facts["kept"]["after"]
    lost = sorted(set(before) - set(after))
    return _is(not lost and bool(before), f"{len(before)} objects before, {len(lost)} of them gone after", lost[:20])


@check("nothing-left", "After destroy and purge nothing of the environment is left in the account.", "left")
def _nothing_left(facts: Facts) -> Judged:
    left = {kind: names for kind, names in facts["left"].items() if names}
    said = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in left.items())
    return _is(not left, said or f"looked for {', '.join(facts['left'])}: none", facts["left"])
