"""The two stacks' whole life, applied to the embedded AWS by the real Terraform and provider.

The history is in conftest.py; what it asked of the account on its way stands in `Life.seen`. Each test is one sentence.
"""

from __future__ import annotations

import pytest

from localaws.java import find_java_home
from tests.rehearsal.life import BUCKETS, REGION, Inventory
from tests.rehearsal.support import Operator

pytestmark = [
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.terraform,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]
NEW_ACCOUNT = {"vpcs": 1, "subnets": 3, "groups": 1, "tables": 1}
"""What AWS gives a region of a new account: the default network. Of all else there is nothing."""


def counts(inventory: Inventory) -> dict[str, int]:
    return {kind: len(names) for kind, names in inventory.items() if names}


def test_apply_makes_buckets_and_a_cluster_that_waits(history: Operator) -> None:
    seen = history.life.seen
    assert seen["outputs"]["buckets"] == BUCKETS
    assert [name for name in seen["made"]["buckets"] if name.startswith("fruits-local-")] == sorted(BUCKETS.values())
    assert seen["made"]["clusters"] == [seen["cluster"]]
    assert {instance["Status"]["State"] for instance in seen["instances"]} == {"RUNNING"}
    assert seen["made"]["instances"] == sorted(instance["Ec2InstanceId"] for instance in seen["instances"])


def test_the_bootstrap_action_ran_with_its_arguments(history: Operator) -> None:
    (action,) = history.life.seen["bootstrap"]
    assert action["Name"] == "install-tensorflow"
    flag, wheels = action["Args"][:2]
    assert flag == "--wheelhouse"
    assert wheels.startswith(f"s3://{BUCKETS['artifacts']}/wheelhouse/")
    assert wheels.endswith("/")
    assert any(log["Key"].endswith("/bootstrap-actions/1/stdout.gz") for log in history.life.seen["logs"])


def test_the_nodes_can_do_their_work_in_s3_and_no_more(history: Operator) -> None:
    allowed, forbidden = history.life.seen["allowed"], history.life.seen["forbidden"]
    assert len(allowed) == 4
    assert set(allowed.values()) == {"allowed"}, allowed
    assert len(forbidden) == 8
    assert set(forbidden.values()) == {"AccessDenied"}, forbidden


@pytest.mark.parametrize("stack", ["storage", "cluster"])
def test_a_second_plan_has_nothing_to_do(history: Operator, stack: str) -> None:
    assert history.life.seen["second plans"][stack] == (False, {})


def test_a_harmless_change_keeps_the_cluster(history: Operator) -> None:
    seen = history.life.seen
    assert seen["live after the change"] == [seen["cluster"]]
    assert seen["changed"]["Status"]["State"] == "WAITING"
    assert {"Key": "Owner", "Value": "ana"} in seen["changed"]["Tags"]
    assert seen["idle"] == {"IdleTimeout": 1200}


def test_a_cluster_that_ended_by_itself_is_planned_anew(history: Operator) -> None:
    status = history.life.seen["ended"]["Status"]
    assert (status["State"], status["StateChangeReason"]["Code"]) == (
        "TERMINATED",
        "USER_REQUEST",
    )  # the idle watch asks for it
    different, actions = history.life.seen["plan after the end"]
    assert different
    assert actions["module.emr.aws_emr_cluster.this"] == ["create"]
    assert not [a for a, done in actions.items() if "delete" in done and a.startswith("module.network")]


def test_destroy_leaves_nothing_of_the_cluster(history: Operator) -> None:
    seen = history.life.seen
    storage = {kind: seen["made"][kind] for kind in ("buckets", "budgets")}
    assert {kind: seen["left"][kind] for kind in storage} == storage
    assert counts(seen["left"]) == {**NEW_ACCOUNT, **counts(storage)}
    assert seen["tagged after destroy"] == []


def test_the_endpoint_that_emr_makes_was_there_and_is_swept(history: Operator) -> None:
    seen = history.life.seen
    assert [(e["VpcEndpointType"], e["ServiceName"]) for e in seen["endpoints"]] == [
        ("Interface", f"com.amazonaws.{REGION}.elasticmapreduce")
    ]
    assert seen["endpoints"][0]["VpcEndpointId"] in seen["made"]["endpoints"]
    assert seen["left"]["endpoints"] == []


def test_destroy_does_not_touch_storage(history: Operator) -> None:
    objects, settings = history.life.seen["kept before"]
    images = [key for bucket, key, _ in objects if bucket == BUCKETS["data"] and key.startswith("images/")]
    assert len(images) == 40
    kept, settings_after = history.life.seen["kept after"]
    assert set(kept) >= set(objects)
    assert all("/ledger/" in key or key.startswith("ledger/") for _, key, _ in set(kept) - set(objects))
    assert settings_after == settings


def test_purge_leaves_an_empty_account(history: Operator) -> None:
    assert counts(history.life.seen["purged"]) == NEW_ACCOUNT
    assert history.life.seen["tagged after purge"] == []
    assert "storage removed: nothing of this environment is left, and nothing bills" in history.said["purge"][1]
