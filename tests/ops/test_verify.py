"""Each assumption about AWS is decided both ways, on answers as AWS gives them; what is missing stays open."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.cli import verify as command
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.paths import INFRA
from ops.verify import gather, probe, record
from ops.verify.assumptions import TABLE, judge_assumptions
from ops.verify.extras import EXTRAS

ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:eu-west-3:{ACCOUNT}:key/0a1b"
Evidence = dict[str, Any]
TAGS = [
    {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"},
    {"Key": "Project", "Value": "fruits"},
    {"Key": "Environment", "Value": "verify"},
]
ENDPOINT = {
    "VpcEndpointId": "vpce-1",
    "VpcId": "vpc-1",
    "Tags": [{"Key": "Name", "Value": "emr-service-vpce"}, TAGS[0]],
}
ARGUMENTS = [
    "spark-submit",
    "--deploy-mode",
    "cluster",
    "--py-files",
    "s3://a/z",
    "s3://a/f.py",
    "--request",
    "s3://d/r",
]


def machine(name: str, market: str) -> dict[str, Any]:
    host = f"ip-{name}.eu-west-3.compute.internal"
    node = {"Ec2InstanceId": f"i-{name}", "PrivateDnsName": host, "Market": market, "InstanceType": "m5.xlarge"}
    return {**node, "InstanceFleetId": {"1": "if-M", "2": "if-C", "3": "if-T"}[name]}


def on_aws() -> Evidence:
    """What a run would see on AWS if everything were as assumed."""
    timeline = {"CreationDateTime": "2026-11-20T10:00:00+00:00", "ReadyDateTime": "2026-11-20T10:07:30+00:00"}
    ended = {"StartDateTime": "2026-11-20T10:09:00+00:00", "EndDateTime": "2026-11-20T10:11:00+00:00"}
    profile = f"arn:aws:iam::{ACCOUNT}:instance-profile/fruits-verify-emr-node"
    groups = [
        {"GroupId": f"sg-{n}", "GroupName": f"fruits-verify-{n}", "Tags": TAGS,
         "IpPermissions": [{"IpRanges": [], "UserIdGroupPairs": [{"GroupId": "sg-1"}]}]}
        for n in (1, 2, 3)
    ]  # fmt: skip
    nodes = [machine("1", "ON_DEMAND"), machine("2", "ON_DEMAND"), machine("3", "SPOT")]
    fleet = {"TargetOnDemandCapacity": 1, "ProvisionedOnDemandCapacity": 1}
    spot = {"Id": "if-T", "InstanceFleetType": "TASK", "TargetSpotCapacity": 4, "ProvisionedSpotCapacity": 4}
    changes = [["module.emr.aws_emr_cluster.this", ["create"]], ["module.ttl.aws_iam_role.this", ["delete", "create"]]]
    return {
        "caller": {"kind": "user", "operator": True},
        "denied": [],
        "with": ["kms", "ssm", "arm64", "idle", "again"],
        "uploaded": 200,
        "extras": {
            "kms": {"key": KEY, "object": KEY, "volumes": [{"id": "vol-1", "encrypted": True, "key": KEY}]},
            "ssm": [{"InstanceId": "i-1", "PingStatus": "Online"}, {"InstanceId": "i-2", "PingStatus": "Inactive"}],
            "arm64": [{"InstanceId": "i-1", "Architecture": "arm64"}],
            "idle": {
                "limit": 600,
                "state": "TERMINATED",
                "seconds": 1020.0,
                "reason": {"Code": "USER_REQUEST", "Message": "Terminated by user request"},
                "looks": [],
            },
            "again": {"before": "j-1", "cluster_id": "j-2", "state": "WAITING", "seconds": 610.0},
            "nat": [{"NatGatewayId": "nat-1", "State": "available"}],
            "scaling": {"ComputeLimits": {"MinimumCapacityUnits": 4, "MaximumCapacityUnits": 12}},
            "studio": {"status": "InService", "address": True},
        },
        "plan_after_end": {"changes": changes},
        "bill": {"usd": "0.33", "expected_usd": "0.31", "by_tag": True, "services": {"EMR": "0.33"}},
        "alive": {
            "cluster": {
                "Id": "j-1",
                "ReleaseLabel": "emr-7.13.0",
                "Status": {"State": "WAITING", "Timeline": timeline},
                "Tags": TAGS,
                "Ec2InstanceAttributes": {
                    "IamInstanceProfile": profile,
                    "EmrManagedMasterSecurityGroup": "sg-1",
                    "EmrManagedSlaveSecurityGroup": "sg-2",
                    "ServiceAccessSecurityGroup": "sg-3",
                },
            },
            "fleets": [
                {"Id": "if-M", "InstanceFleetType": "MASTER", **fleet},
                spot,
                {"Id": "if-C", "InstanceFleetType": "CORE", **fleet},
            ],
            "instances": nodes,
            "machines": [
                {"InstanceId": n["Ec2InstanceId"], "Tags": TAGS, "IamInstanceProfile": {"Arn": profile}} for n in nodes
            ],
            "network": {
                "vpc": {"VpcId": "vpc-1", "Tags": TAGS},
                "subnets": [{"SubnetId": "subnet-1", "MapPublicIpOnLaunch": False, "Tags": TAGS}],
                "tables": [{"Routes": [{"DestinationCidrBlock": "10.42.0.0/16"}]}],
                "nats": [],
                "groups": groups,
                "endpoints": [ENDPOINT],
            },
            "service_role": {"managed": ["arn:aws:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"]},
            "idle": {"IdleTimeout": 900},
            "watch": [{"status": "RUNNING", "name": "2"}, {"status": "SUCCEEDED", "name": "1"}],
            "budget": {
                "BudgetName": "fruits-verify-monthly",
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": "10.0", "Unit": "USD"},
            },
            "interfaces": {"persistent": {"came": True}, "cluster": {"came": False, "error": "X: Y"}},
        },
        "sample": {
            "step": {"Id": "s-1A", "Status": {"State": "COMPLETED", "Timeline": ended}, "Config": {"Args": ARGUMENTS}},
            "arguments": ARGUMENTS,
            "request": {"input": "s3://d/images", "variance": 0.95},
            "run": {
                "images_in": 200,
                "images_ok": 200,
                "versions": {"spark": "3.5.6-amzn-2"},
                "arguments": {"input": "s3://d/images", "variance": 0.95},
            },
            "run_written": "2026-11-20T10:10:55+00:00",
        },
        "failing": {
            "step": {"Id": "s-2B", "Status": {"State": "FAILED", "Timeline": ended}},
            "told": {"exit_code": 10, "message": "no image is of class No such fruit. Fix: …"},
            "details": {"seconds": 190.0, "found": {"Reason": "Unknown Error."}},
        },
        "probe": {
            "node": {"system": "amzn", "version": "2023", "libc": ["glibc", "2.34"]},
            "ready": {"python": "3.11.9", "packages": 80, "seconds": {"total": 61.0}, "architecture": "aarch64"},
            "way_out": {"reached": True},
            "executors": {
                "applications": [
                    {"id": "application_1_0001", "executors": [{"host": n["PrivateDnsName"]} for n in nodes[1:]]}
                ]
            },
            "metadata": {"without_token": 401, "token": 200, "region": "eu-west-3"},
            "repositories": {"code": 0, "said": ""},
            "foreign_bucket": {"uri": "s3://other/x", "code": 1, "said": "An error occurred (403): Forbidden"},
            "yarn": {
                "nodes": [{"host": n["PrivateDnsName"], "labels": [n["Market"]]} for n in nodes[1:]],
                "masters": [{"id": "application_1_0001", "host": nodes[1]["PrivateDnsName"]}],
            },
            "memory": {
                "nodes": {
                    n["PrivateDnsName"]: {
                        "yarn.nodemanager.resource.memory.enforced": "false",
                        "yarn.nodemanager.pmem-check-enabled": "true",
                    }
                    for n in nodes[1:]
                }
            },
        },
        "second_plan": {"changes": []},
        "logs": {
            "keys": {
                "steps/s-1A/stderr.gz": "2026-11-20T10:15:30+00:00",
                "steps/s-2B/stderr.gz": "2026-11-20T10:16:00+00:00",
                "containers/application_1_0002/container_1_0002_01_000001/stdout.gz": "2026-11-20T10:16:00+00:00",
                "node/i-0a1/bootstrap-actions/1/stdout.gz": "2026-11-20T10:08:00+00:00",
            },
            "traceback": {"containers": True, "step": False},
        },
        "clock": {"target": "arn:aws:scheduler:::aws-sdk:emr:terminateJobFlows", "by_the_clock": True, "seconds": 14.0},
        "ended": {
            "cluster": {"Status": {"State": "TERMINATED", "StateChangeReason": {"Code": "USER_REQUEST"}}},
            "endpoints": [ENDPOINT],
        },
        "cost": {"usd": "0.31", "limit_usd": "0.95", "said": "0.31 USD (0.27 EUR)"},
        "left": {"clusters": [], "VPCs": []},
    }


def verdicts(evidence: Evidence, *, emulated: bool = False) -> dict[str, str]:
    return {result.assumption.id: result.verdict for result in judge_assumptions(evidence, emulated=emulated)}


def said(evidence: Evidence, name: str) -> str:
    return next(
        result.summary for result in judge_assumptions(evidence, emulated=False) if result.assumption.id == name
    )


def put(path: str, value: Any) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        place: Any = evidence
        *way, last = path.split("/")
        for name in way:
            place = place[int(name)] if isinstance(place, list) else place[name]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def with_a_way_out() -> Evidence:
    """The same, of a cluster with a NAT gateway, which the smallest one has not."""
    evidence = on_aws()
    evidence["with"] += ["nat", "scaling", "studio"]
    return evidence


def on_one_node() -> Evidence:
    """The same, of a primary alone."""
    evidence = on_aws()
    evidence["with"] += ["one-node"]
    evidence["extras"]["one-node"] = ["MASTER"]
    primary = evidence["alive"]["instances"][0]
    evidence["alive"] |= {"instances": [primary], "fleets": evidence["alive"]["fleets"][:1]}
    evidence["probe"]["executors"]["applications"][0]["executors"] = [{"host": primary["PrivateDnsName"]}]
    return evidence


def test_a_primary_alone_is_looked_at_and_has_no_labels() -> None:
    found = verdicts(on_one_node())
    assert (found["one-node"], found["executors"]) == ("verified", "verified")
    assert (found["spot"], found["master-on-demand"]) == ("open", "open")


@pytest.mark.parametrize(
    ("evidence", "unseen"),
    [
        (on_aws(), {"nat", "scaling", "studio", "one-node"}),
        (with_a_way_out(), {"start-without-nat", "one-node"}),
    ],
    ids=["no way out", "a NAT gateway"],
)
def test_everything_as_assumed_is_verified(evidence: Evidence, unseen: set[str]) -> None:
    on_aws_, rehearsed = verdicts(evidence), verdicts(evidence, emulated=True)
    assert {name for name, verdict in on_aws_.items() if verdict == "open"} == unseen
    assert {verdict for name, verdict in on_aws_.items() if name not in unseen} == {"verified"}
    assert {verdict for name, verdict in rehearsed.items() if name not in unseen} == {"rehearsed"}


ANYBODY = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def unwatched(evidence: Evidence) -> None:
    """One node leaves memory to cgroups, which is Hadoop's own default."""
    nodes = evidence["probe"]["memory"]["nodes"]
    next(iter(nodes.values()))["yarn.nodemanager.resource.memory.enforced"] = "true"


def only_on_the_task_node(evidence: Evidence) -> None:
    """Two of them, as AWS's page on node labels would have it."""
    second = {**machine("3", "SPOT"), "PrivateDnsName": "ip-4.eu-west-3.compute.internal"}
    evidence["alive"]["instances"].append(second)
    hosts = [machine("3", "")["PrivateDnsName"], second["PrivateDnsName"]]
    evidence["probe"]["executors"]["applications"][0]["executors"] = [{"host": host} for host in hosts]


VPC_GOES = ["module.network.aws_vpc.this", ["delete", "create"]]
WRONG = [
    (
        "start-without-nat",
        put("alive/network/nats", [{"NatGatewayId": "nat-1", "State": "available"}]),
        "1 NAT gateway, ",
    ),
    ("start-without-nat", put("alive/network/tables/0/Routes/0/DestinationCidrBlock", "0.0.0.0/0"), "1 route out"),
    ("start-without-nat", put("alive/cluster/Status/State", "TERMINATED_WITH_ERRORS"), "after 7.5 min"),
    ("no-way-in", put("alive/network/groups/0/IpPermissions", [ANYBODY]), "1 group open to the world"),
    ("no-way-in", put("alive/machines/0/PublicIpAddress", "192.0.2.7"), "1 public address, also"),
    (
        "own-groups",
        put("alive/network/groups/0/GroupName", "ElasticMapReduce-Master-Private"),
        "EMR made 1 group of its own",
    ),
    ("endpoint-packages", put("probe/repositories", {"code": 1, "said": "Curl error (28)"}), "dnf: Curl error (28)"),
    ("endpoint-refuses", put("probe/foreign_bucket", {"uri": "s3://other/x", "code": 0, "said": "3.3.1"}), "was READ"),
    ("service-policy", put("alive/network/vpc/Tags", []), "the tag is missing from 1 of 6 things"),
    ("service-policy", put("alive/service_role/managed", ["arn:aws:iam::aws:policy/x/V1"]), "started under V1"),
    ("pass-role", put("alive/machines/1/IamInstanceProfile", None), "instances have"),
    ("tags-propagate", put("alive/machines/2/Tags", []), "tags are on 2 of 3 instances"),
    ("capacity", put("alive/fleets/1/ProvisionedSpotCapacity", 0), "short of capacity: TASK"),
    (
        "master-on-demand",
        put("probe/yarn/masters/0/host", machine("3", "")["PrivateDnsName"]),
        "0 of 1 master on demand",
    ),
    ("master-on-demand", put("probe/yarn/nodes/0/labels", []), "1 node without a label"),
    ("memory-watched", unwatched, "of 2 nodes"),
    ("wheels", put("probe/node/libc", ["glibc", "2.26"]), "C library 2.26"),
    ("wheels", put("probe/node/system", "debian"), "80 packages on debian"),
    ("metadata", put("probe/metadata/without_token", 200), "without a token 200"),
    ("region", put("sample/run/images_ok", 199), "199 of 200 images"),
    ("arguments", put("sample/step/Config/Args", ARGUMENTS[:-1]), "EMR kept 7 arguments"),
    ("arguments", put("sample/run/arguments/variance", "0.95"), "read 1 of 2 fields"),
    ("completed", put("sample/run_written", "2026-11-20T10:12:00+00:00"), "COMPLETED -60 s after"),
    ("failure", put("failing/step/Status/State", "COMPLETED"), "FailureDetails came 190 s later"),
    ("log-layout", lambda e: e["logs"]["keys"].pop("node/i-0a1/bootstrap-actions/1/stdout.gz"), "kinds: bootstrap"),
    ("log-driver", put("logs/traceback/step", True), "in the step's own log True"),
    (
        "log-delay",
        lambda e: e["logs"]["keys"].update({"steps/s-1A/stderr.gz": "2026-11-20T10:27:00+00:00"}),
        "960 s after",
    ),
    (
        "no-drift",
        put("second_plan/changes", [["module.emr.aws_emr_cluster.this", ["update"]]]),
        "1 resource would change",
    ),
    ("idle-watch", put("alive/watch", [{"status": "FAILED", "name": "1"}]), "1 look, 1 failed"),
    ("idle-limit", put("alive/idle", {}), "EMR holds None s"),
    ("clock", put("clock/by_the_clock", False), "it did not end it"),
    ("clock", put("clock/seconds", 301.0), "it did not end it"),
    ("emr-endpoint", put("ended/endpoints", []), "0 after its end"),
    ("leftovers", put("left/VPCs", ["vpc-1"]), "left after destroy and purge: VPCs: vpc-1"),
    ("budget", put("alive/budget/BudgetLimit/Amount", "0"), "0.00 USD (monthly)"),
    ("cost", put("cost/usd", "1.20"), "by the instances' lifetimes"),
    ("bill", put("bill/usd", "0.38"), "0.3800 USD by tag, expected 0.3100"),
    ("executors", only_on_the_task_node, "executors ran on TASK SPOT; none on CORE"),
    ("after-end", put("plan_after_end/changes", [["module.ttl.x", ["create"]]]), "the cluster is NOT created"),
    ("after-end", lambda e: e["plan_after_end"]["changes"].append(VPC_GOES), "3 resources would change"),
    ("again", put("extras/again/cluster_id", "j-1"), "a second cluster is WAITING after 610 s"),
    ("again", put("extras/again/state", "TERMINATED_WITH_ERRORS"), "is TERMINATED_WITH_ERRORS"),
    ("idle-end", put("extras/idle/state", "WAITING"), "WAITING 1020 s after the last step, limit 600 s"),
    ("idle-end", put("extras/idle/seconds", 1501.0), "TERMINATED 1501 s after"),
    ("kms", put("extras/kms/object", "another"), "results are under another key"),
    ("kms", put("extras/kms/volumes/0/encrypted", False), "so are 0 of 1 volume"),
    ("ssm", put("extras/ssm/0/PingStatus", "ConnectionLost"), "0 of 2 instances online"),
    ("arm64", put("extras/arm64/0/Architecture", "x86_64"), "instances are x86_64"),
    ("one-node", put("extras/one-node", ["MASTER", "CORE"]), "fleets: MASTER, CORE; 1 instance; executors on ip-"),
    ("one-node", lambda e: e["alive"]["instances"].append(machine("2", "ON_DEMAND")), "2 instances"),
    ("arm64", put("probe/ready/architecture", "x86_64"), "TensorFlow ran on x86_64"),
    ("nat", put("probe/way_out", {"reached": False}), "1 NAT gateway; a host of the internet was not reached"),
    ("nat", put("extras/nat/0/State", "failed"), "0 NAT gateways"),
    ("scaling", put("extras/scaling", {}), "EMR holds None to None units"),
    ("studio", put("extras/studio/status", "Failed"), "the domain is Failed"),
    ("studio", put("extras/studio/address", False), "an address did not come"),
    ("operator", put("denied", ["DescribeNatGateways"]), "refused: DescribeNatGateways"),
]


@pytest.mark.parametrize(("name", "change", "sentence"), WRONG)
def test_what_is_otherwise_does_not_hold(name: str, change: Callable[[Evidence], Any], sentence: str) -> None:
    makers = {"nat": with_a_way_out, "scaling": with_a_way_out, "studio": with_a_way_out, "one-node": on_one_node}
    evidence = makers.get(name, on_aws)()
    change(evidence)
    assert verdicts(evidence)[name] == "broken"
    assert sentence in said(evidence, name)


MISSING = [
    ("spot", put("alive/instances/2/Market", "ON_DEMAND"), "no Spot instance came"),
    ("endpoint-refuses", put("probe/foreign_bucket/said", "Could not connect"), "could not be asked for"),
    ("master-on-demand", put("probe/yarn", {"skipped": "this node has no YARN"}), "this node has no YARN"),
    ("memory-watched", put("probe/memory", {"skipped": "this node has no YARN"}), "this node has no YARN"),
    ("interfaces", put("alive/interfaces/persistent", {"error": "X: Y"}), "persistent: X: Y"),
    ("operator", put("caller", {"kind": "assumed-role", "operator": False}), "run as assumed-role"),
    ("log-delay", put("logs/keys", {"steps/s-2B/stderr.gz": "2026-11-20T10:16:00+00:00"}), "no log of the sample"),
    ("budget", put("alive/budget", {"error": "DescribeBudget: AccessDenied"}), "DescribeBudget: AccessDenied"),
    ("capacity", put("alive/fleets", None), "another shape"),
    ("idle-watch", put("alive/watch", []), "has not ended a look yet"),
    ("start-without-nat", put("with", ["nat"]), "which WITH= asked for"),
    ("kms", put("with", []), "not asked for: WITH=kms"),
    ("kms", put("extras/kms/volumes", []), "EC2 lists no volume"),
    ("ssm", put("extras/ssm", {"error": "DescribeInstanceInformation: AccessDenied"}), "AccessDenied"),
    ("bill", lambda e: e["bill"].update(by_tag=False, usd="9.99"), "the tag Project is not active in billing"),
    ("executors", put("probe/executors/applications", []), "ran on 0 hosts, too few for 2 kinds"),
    (
        "emr-endpoint",
        lambda e: (put("alive/network/endpoints", [])(e), put("ended/endpoints", [])(e)),
        "as AWS's pages say of releases before Spark 8",
    ),
]


def test_a_subnet_that_emr_was_not_given_needs_no_tag() -> None:
    evidence = on_aws()
    evidence["alive"]["network"]["subnets"].append({"SubnetId": "subnet-nat", "Tags": []})
    assert verdicts(evidence)["service-policy"] == "broken"
    evidence["alive"]["cluster"]["Ec2InstanceAttributes"]["RequestedEc2SubnetIds"] = ["subnet-1"]
    assert verdicts(evidence)["service-policy"] == "verified"


@pytest.mark.parametrize(("name", "change", "sentence"), MISSING)
def test_what_could_not_be_seen_stays_open(name: str, change: Callable[[Evidence], Any], sentence: str) -> None:
    evidence = on_aws()
    change(evidence)
    assert verdicts(evidence)[name] == "open"
    assert sentence in said(evidence, name)


def test_each_assumption_has_a_wrong_case_or_a_missing_one_and_a_name_of_its_own() -> None:
    names = [assumption.id for assumption in TABLE]
    assert len(set(names)) == len(names)
    assert {case[0] for case in [*WRONG, *MISSING]} == set(names)


def test_a_run_that_broke_off_leaves_everything_open_but_what_is_left() -> None:
    found = verdicts({"left": {}, "denied": [], "caller": {"kind": "user", "operator": False}})
    assert {name for name, verdict in found.items() if verdict != "open"} == {"leftovers"}


def test_what_the_embedded_aws_lacks_is_open_there_and_never_broken() -> None:
    evidence = on_aws()
    evidence["probe"]["node"]["system"] = "debian"
    evidence["alive"]["network"]["vpc"]["Tags"] = []
    found = verdicts(evidence, emulated=True)
    assert (found["wheels"], found["service-policy"]) == ("open", "broken")


# -- the record ----------------------------------------
ABOUT = {
    "env": "verify",
    "region": "eu-west-3",
    "emulated": False,
    "started": "2026-11-20T10:00:00+00:00",
    "minutes": 31.0,
    "release": "emr-7.13.0",
    "commit": "abc1234",
    "stopped": None,
}


def test_the_record_is_for_readers_and_bears_no_number_of_the_account(tmp_path: Path) -> None:
    evidence = on_aws()
    evidence["left"]["VPCs"] = ["vpc-1"]
    evidence["who"] = f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/ana ASIAIOSFODNN7EXAMPLE"
    whole = record.make_record(judge_assumptions(evidence, emulated=False), ABOUT, evidence)
    data, page = record.write_files(whole, ACCOUNT, tmp_path)
    assert [data.name, page.name] == ["2026-11-20T1000-verify.json", "2026-11-20T1000-verify.md"]
    for text in (data.read_text(), page.read_text()):
        assert ACCOUNT not in text
        assert "/ana" not in text
        assert "ASIA" not in text
    kept = json.loads(data.read_text())
    assert kept["verdicts"] == {"verified": len(TABLE) - 5, "broken": 1, "open": 4}
    assert kept["evidence"]["alive"]["cluster"]["Ec2InstanceAttributes"]["IamInstanceProfile"].startswith(
        "arn:aws:iam::<account>:"
    )
    lines = page.read_text().splitlines()
    assert lines[0] == "# What was looked at on 2026-11-20"
    assert "On AWS, eu-west-3; ENV=verify, emr-7.13.0, commit abc1234, 31.0 minutes." in lines[2]
    row = next(line for line in lines if line.startswith("| leftovers |"))
    assert "| **does not hold** | left after destroy and purge: VPCs: vpc-1 |" in row
    assert len([line for line in lines if line.startswith("| ")]) == len(TABLE) + 1


def test_the_record_of_a_rehearsal_says_that_it_verifies_nothing(tmp_path: Path) -> None:
    about = {**ABOUT, "emulated": True, "env": "local", "stopped": "interrupted"}
    whole = record.make_record(judge_assumptions({"left": {}}, emulated=True), about, {})
    text = record.write_files(whole, ACCOUNT, tmp_path)[1].read_text()
    assert "a rehearsal, which verifies nothing of AWS" in text
    assert "**It did not come to its end:** interrupted" in text
    assert "| rehearsed, not verified |" in text
    assert "| verified |" not in text


# -- the probe ----------------------------------------
def test_the_probe_ends_well_where_there_is_nothing_to_ask(tmp_path: Path) -> None:
    (tmp_path / "opt/fruits").mkdir(parents=True)
    ready = {"python": "3.11.2", "architecture": "x86_64", "lock_sha256": "ab", "seconds": {"total": 9.5}}
    (tmp_path / "opt/fruits/ready.json").write_text(json.dumps({**ready, "packages": {"numpy": "1"}}))
    (tmp_path / "aws").write_text("#!/bin/sh\necho 'fatal error: 403' >&2\nexit 1\n")
    (tmp_path / "aws").chmod(0o755)
    environ = {
        "PATH": str(tmp_path),
        "NODE_ROOT": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "r",
    }
    done = subprocess.run(
        [sys.executable, "-I", probe.__file__], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["node"]["python"].startswith("3.11.")
    assert told["ready"] == {**ready, "packages": 1}
    assert told["metadata"] == {"skipped": "this node has no metadata service"}
    assert told["repositories"] == {"skipped": "this node has no dnf"}
    assert told["yarn"] == {"skipped": "this node has no YARN"}
    assert told["foreign_bucket"]["said"] == "fatal error: 403"
    (tmp_path / "opt/fruits/ready.json").unlink()
    again = subprocess.run(
        [sys.executable, "-I", probe.__file__], env=environ, capture_output=True, text=True, check=True
    )
    assert json.loads(again.stdout)["ready"]["error"].startswith("FileNotFoundError")


# -- removing, whatever happens ----------------------------------------
def test_removing_is_done_again_after_ctrl_c_and_after_a_failure() -> None:
    happens: list[BaseException | None] = [KeyboardInterrupt(), OperatorError("the VPC has dependencies"), None]
    console = Console(record=True, width=120)

    def remove() -> None:
        if trouble := happens.pop(0):
            raise trouble

    assert command.retry_action(remove, console) is None
    text = console.export_text()
    assert "still removing what was made: it would bill otherwise" in text
    assert "not removed yet, trying again: the VPC has dependencies" in text


def test_what_cannot_be_removed_is_told_with_its_reason() -> None:
    def remove() -> None:
        raise OperatorError("the bucket is somebody's")

    assert command.retry_action(remove, Console(quiet=True)) == "the bucket is somebody's"


@pytest.mark.parametrize(
    ("error", "said"), [(OSError(28, "No space left on device"), "No space left"), (KeyError("Status"), "'Status'")]
)
def test_no_failure_whatever_ends_the_removing(error: Exception, said: str) -> None:
    happens: list[Exception | None] = [error, None]

    def remove() -> None:
        if trouble := happens.pop(0):
            raise trouble

    console = Console(record=True, width=120)
    assert command.retry_action(remove, console) is None
    assert said in console.export_text()


def test_an_error_of_aws_is_evidence_and_a_want_of_rights_is_named() -> None:
    from botocore.exceptions import ClientError

    found = gather.Gatherer.__new__(gather.Gatherer)
    found.denied = []

    def refuse() -> None:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "DescribeNatGateways")

    assert found.ask(refuse) == {"error": "DescribeNatGateways: UnauthorizedOperation"}
    assert found.denied == ["DescribeNatGateways"]
    assert found.ask(lambda: {"a": 1, "ResponseMetadata": {}}) == {"a": 1}


def test_the_evidence_is_not_changed_by_judging_it() -> None:
    evidence = on_aws()
    before = copy.deepcopy(evidence)
    judge_assumptions(evidence, emulated=False)
    assert evidence == before


def test_the_operators_of_env_verify_may_do_whatever_with_names() -> None:
    text = (INFRA / "env" / "verify.operators.tfvars").read_text()
    granted = set(re.findall(r"^(enable_\w+) += true$", text, re.MULTILINE))
    named = [name for extra in EXTRAS.values() for name in (*extra.storage, *extra.cluster)]
    asked = {name for name in named if name.startswith("enable_")}
    assert asked - granted == {"enable_nat"}  # its rights are in enable_studio's
