"""Which changes replace the cluster, asked of the real provider: a cluster that is replaced is minutes and a run lost.

The first plan of the cluster's modules, with every id given, is taken for the state; the provider then judges changes
against it, without a server.
"""

from __future__ import annotations

import pytest

from ops.plan.changes import list_changes
from tests.infra.emr_root import CLUSTER, TASK, Root, changed

pytestmark = pytest.mark.terraform


def test_second_plan_is_empty(root: Root) -> None:
    assert changed(root.of("nothing")) == {}


def test_changed_in_place(root: Root) -> None:
    plan = root.of("in place")
    assert changed(plan) == {CLUSTER: ("update",), TASK: ("update",)}
    assert not [change for change in list_changes(plan) if change.kind == "replace"]


def test_replaces_the_cluster_and_says_why(root: Root) -> None:
    plan = root.of("new cluster")
    because = next(change.because for change in list_changes(plan) if change.address == CLUSTER)
    assert {"release_label", "ebs_root_volume_size", "configurations_json"} <= set(because)
    assert {"core_instance_fleet.0.target_on_demand_capacity"} <= set(because)


def test_other_bootstrap_or_scaling_makes_a_new_cluster(root: Root) -> None:
    """The provider would change a bootstrap's path in place, which reaches no node; and EMR takes one task fleet in the
    life of a cluster, where the one that scales is another resource."""
    plan = root.of("other bootstrap")
    actions = changed(plan)
    assert set(actions[CLUSTER]) == {"create", "delete"}
    assert actions["module.emr.aws_emr_instance_fleet.scaled_task[0]"] == ("create",)
    assert actions[TASK] == ("delete",)
    reasons = {change["address"]: change.get("action_reason") for change in plan["resource_changes"]}
    assert reasons[CLUSTER] == "replace_by_triggers"
