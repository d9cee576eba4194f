"""The idle watch outside the cluster, as Terraform makes it, on an embedded AWS whose clock runs 60 times as fast.

The subnets have no way out, so EMR's own limit never strikes (as its page says of them): what ends one here is ours.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localaws.services.workflows import InvalidDefinition, TaskFailedError, evaluate, parse_definition, stretch_times
from localaws.settings import ROOT
from ops.terraform.binary import find_mirror, render_cli_config
from tests.infra import provider
from tests.localaws.support import REGION, World, step, until

pytestmark = [pytest.mark.aws, pytest.mark.terraform]
ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
MAIN = """
provider "aws" {
  region                      = "eu-west-3"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}
variable "clusters" { type = map(object({ arn = string, seconds = number, applications = bool })) }
module "idle" {
  source             = "./idle"
  for_each           = var.clusters
  name               = "t-${lower(each.key)}"
  account_id         = "123456789012"
  region             = "eu-west-3"
  cluster_id         = each.key
  cluster_arn        = each.value.arn
  seconds            = each.value.seconds
  watch_applications = each.value.applications
}
"""


@dataclass
class Watches:
    """The module, once for each of some clusters."""

    world: World
    folder: Path
    terraform: Path
    environ: dict[str, str]

    def run(self, *arguments: str) -> str:
        command = [str(self.terraform), *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apply(self, **clusters: tuple[int, bool]) -> None:
        """Watch these clusters: the limit in seconds, and whether applications are counted."""
        arns = {c: self.world.emr.describe_cluster(ClusterId=c)["Cluster"]["ClusterArn"] for c in clusters}
        given = {
            c: {"arn": arns[c], "seconds": seconds, "applications": counted}
            for c, (seconds, counted) in clusters.items()
        }
        (self.folder / "terraform.tfvars.json").write_text(json.dumps({"clusters": given}))
        self.run("apply", "-auto-approve", "-input=false", "-no-color")

    def executions(self, cluster: str) -> list[dict[str, Any]]:
        machine = f"arn:aws:states:{REGION}:123456789012:stateMachine:t-{cluster.lower()}-idle"
        client = self.world.aws.client("stepfunctions")
        return list(client.list_executions(stateMachineArn=machine)["executions"])


@pytest.fixture(scope="module")
def watches(world: World, terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watches]:
    folder = tmp_path_factory.mktemp("watches")
    (folder / "idle").symlink_to(ROOT / "infra" / "modules" / "idle")
    (folder / "main.tf").write_text(MAIN)
    (folder / "rc").write_text(render_cli_config(find_mirror()))
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TF_CLI_CONFIG_FILE": str(folder / "rc")}
    environ |= {"AWS_ENDPOINT_URL": world.aws.endpoint, **world.aws.keys.environment()}
    stays = provider.start(environ)
    made = Watches(world, folder, terraform, environ | ({provider.NAME: stays} if stays else {}))
    made.run("init", "-input=false")
    yield made
    provider.stop()


def test_an_idle_cluster_is_ended_and_no_other(world: World, watches: Watches) -> None:
    """One minute is the limit of the first two: a second here; the watch looks every five."""
    gate = world.aws.home / "watch-gate"
    busy_step = step("busy", "bash", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done")
    idle = world.cluster(AutoTerminationPolicy={"IdleTimeout": 60})
    busy, patient, notebook, unwatched = (world.cluster(Steps=steps) for steps in ([busy_step], [], [], []))
    for cluster in (idle, patient, notebook, unwatched):
        world.wait(cluster, "WAITING")
    world.aws.client("cloudwatch").put_metric_data(
        Namespace="AWS/ElasticMapReduce",
        MetricData=[
            {
                "MetricName": "AppsRunning",
                "Dimensions": [{"Name": "JobFlowId", "Value": notebook}],
                "Timestamp": datetime.now(UTC),
                "Value": 1,
            }
        ],
    )
    watches.apply(**{idle: (60, False), busy: (60, False), patient: (604_800, False), notebook: (60, True)})
    world.wait(idle, *ENDED)
    reason = world.emr.describe_cluster(ClusterId=idle)["Cluster"]["Status"]["StateChangeReason"]
    assert reason["Code"] == "USER_REQUEST", "EMR's own limit does not strike without a way out"
    for cluster in (busy, patient, notebook):  # each was looked at, and left
        until(lambda c=cluster: watches.executions(c), lambda found: {"SUCCEEDED"} == {e["status"] for e in found})
    assert [world.state(c) for c in (busy, patient, notebook, unwatched)] == ["RUNNING", *["WAITING"] * 3]
    gate.touch()
    world.wait(busy, "WAITING")
    ended_step = world.steps(busy)[0]["Status"]["Timeline"]["EndDateTime"]
    found = world.wait(busy, *ENDED)
    assert found["Status"]["Timeline"]["EndDateTime"] - ended_step >= timedelta(seconds=1)
    for cluster in (patient, notebook, unwatched):
        world.end(cluster)
    assert {e["status"] for e in watches.executions(idle)} == {"SUCCEEDED"}
    ended = len(watches.executions(idle))
    until(lambda: len(watches.executions(idle)), lambda number: number > ended)  # a look at an ended cluster is none
    assert watches.executions(idle)[0]["status"] in ("SUCCEEDED", "RUNNING")


def test_it_goes_with_the_cluster(world: World, watches: Watches) -> None:
    watches.run("destroy", "-auto-approve", "-input=false", "-no-color")
    names = [s["Name"] for s in world.aws.client("scheduler").list_schedules()["Schedules"]]
    roles = [r["RoleName"] for r in world.aws.client("iam").list_roles()["Roles"]]
    assert [name for name in (*names, *roles) if name.startswith("t-j-")] == []
    assert world.aws.client("stepfunctions").list_state_machines()["stateMachines"] == []


def test_its_role_may_end_no_other_cluster(world: World, watches: Watches) -> None:
    mine, other = world.cluster(), world.cluster()
    for cluster in (mine, other):
        world.wait(cluster, "WAITING")
    watches.apply(**{mine: (604_800, False)})
    client = world.aws.client("stepfunctions")
    machine = client.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    definition = client.describe_state_machine(stateMachineArn=machine)["definition"]
    changed = definition.replace(mine, other).replace("604800", "60")
    client.update_state_machine(stateMachineArn=machine, definition=changed)
    execution = client.start_execution(stateMachineArn=machine)["executionArn"]
    found = until(lambda: client.describe_execution(executionArn=execution), lambda e: e["status"] != "RUNNING")
    assert (found["status"], found["error"]) == ("FAILED", "emr.AccessDeniedException")
    assert world.state(other) == "WAITING"
    for cluster in (mine, other):
        world.end(cluster)
    watches.run("destroy", "-auto-approve", "-input=false", "-no-color")


# ------------------------------------------------------------------------------------------- what is understood

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def machine(**states: Any) -> str:
    return json.dumps({"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states})


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ("{", "INVALID_JSON_DESCRIPTION"),
        (json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}), "only QueryLanguage JSONata"),
        (machine(A={"Type": "Wait", "Seconds": 1, "End": True}), "the type Wait is not run here at /States/A"),
        (machine(A={"Type": "Pass", "Retry": [], "End": True}), "Retry of Pass is not run here"),
        (machine(A={"Type": "Task", "Resource": "arn:aws:lambda:x", "End": True}), "resource arn:aws:lambda:x"),
        (machine(A={"Type": "Pass"}), "MISSING_TRANSITION"),
        (machine(A={"Type": "Pass", "Next": "B"}), "MISSING_TRANSITION_TARGET: B"),
        (machine(A={"Type": "Succeed"}, B={"Type": "Succeed"}), "UNREACHABLE_STATE: B"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(definition: str, complaint: str) -> None:
    with pytest.raises(InvalidDefinition, match=complaint):
        parse_definition(definition)


def test_expressions_know_variables_and_the_time() -> None:
    known = {"state": "WAITING", "states": {"result": {"Steps": []}}}
    assert evaluate("{% $state = 'WAITING' %}", known) is True
    assert evaluate({"a": ["{% 1 + 1 %}", "plain"]}, known) == {"a": [2, "plain"]}
    assert abs(evaluate("{% $millis() - $toMillis($now()) %}", known)) < 1000
    assert abs(evaluate("{% $millis() %}", known) / 1000 - datetime.now(UTC).timestamp()) < 5
    for wrong in ("{% $missing %}", "{% $toMillis(1) %}", "{% ( %}"):
        with pytest.raises(TaskFailedError, match=r"States\.QueryEvaluationError"):
            evaluate(wrong, known)


def test_what_was_is_so_many_times_longer_ago() -> None:
    ago = NOW - timedelta(seconds=10)
    assert stretch_times([{"at": ago}], NOW, 60) == [{"at": "2026-11-27T11:50:00.000Z"}]
    assert stretch_times({"at": ago, "ResponseMetadata": {}}, NOW, 1) == {"at": "2026-11-27T11:59:50.000Z"}
    assert stretch_times(ago, NOW, 1e12).startswith("19")
