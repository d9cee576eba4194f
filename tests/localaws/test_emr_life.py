"""EMR as its users see it: states and reasons, failures, refusals, logs. Commands really run."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError, WaiterError

from localaws import server
from localaws.settings import ROOT
from tests.localaws.support import (
    REGION,
    SERVICE_POLICY,
    TAG,
    Aws,
    World,
    allow,
    fleet,
    make_world,
    step,
    trust,
    until,
)

pytestmark = pytest.mark.aws
ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")


def reason(world: World, cluster: str) -> tuple[str, str, str]:
    status = world.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
    return status["State"], status["StateChangeReason"].get("Code", ""), status["StateChangeReason"].get("Message", "")


def logs(world: World, cluster: str) -> dict[str, str]:
    listed = world.s3.list_objects_v2(Bucket=world.logs, Prefix=f"emr/{cluster}/").get("Contents", [])
    return {
        found["Key"].removeprefix(f"emr/{cluster}/"): gzip.decompress(
            world.s3.get_object(Bucket=world.logs, Key=found["Key"])["Body"].read()
        ).decode()
        for found in listed
    }


def await_logs(world: World, cluster: str, *keys: str) -> dict[str, str]:
    """A cluster's logs, once all of those named are there: they come one after the other."""
    return until(lambda: logs(world, cluster), lambda seen: seen.keys() >= set(keys))


def refused(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**request)
    return f"{error.value.response['Error']['Code']}: {error.value.response['Error']['Message']}"


@pytest.fixture(scope="module")
def waiting(world: World) -> str:
    """A cluster that waits, for tests that leave it so."""
    cluster = world.cluster()
    world.wait(cluster, "WAITING")
    return cluster


# -- birth ----------------------------------------
def test_a_cluster_goes_through_its_states_and_bootstraps(world: World) -> None:
    gate = Path(world.aws.home) / "bootstrap-gate"
    script = world.script(
        "boot.sh",
        f'set -eu\nmkdir -p "$2"\nenv > "$2/env"\nwhile [ ! -e {gate} ]; do sleep 0.05; done\n'
        'aws s3 cp --quiet "$3" "$2/copy"\ncat "$2/copy"\necho careful >&2\n',
    )
    word = world.script("word.txt", "abricot\n")
    action = {"Name": "b", "ScriptBootstrapAction": {"Path": script, "Args": ["--prefix", "/opt/fruits", word]}}
    cluster = world.cluster(BootstrapActions=[action], Steps=[step("first", "true")])
    assert world.state(cluster) in ("STARTING", "BOOTSTRAPPING")
    described = world.wait(cluster, "BOOTSTRAPPING")
    assert "ReadyDateTime" not in described["Status"]["Timeline"]
    assert world.states(cluster) == ["PENDING"]
    gate.touch()
    described = world.wait(cluster, "WAITING")
    timeline = described["Status"]["Timeline"]
    assert timeline["CreationDateTime"] < timeline["ReadyDateTime"]
    assert world.states(cluster) == ["COMPLETED"]
    primary = world.emr.list_instances(ClusterId=cluster, InstanceFleetType="MASTER")["Instances"][0]
    node = Path(world.aws.home) / "clusters" / cluster
    assert (node / "opt/fruits/copy").read_text() == "abricot\n"
    environment = (node / "opt/fruits/env").read_text()
    assert "\nUSER=hadoop\n" in f"\n{environment}"
    assert f"AWS_REGION={REGION}\n" in environment
    folder = f"node/{primary['Ec2InstanceId']}/bootstrap-actions/1"
    found = await_logs(world, cluster, f"{folder}/stdout.gz", f"{folder}/stderr.gz")
    assert found[f"{folder}/stdout.gz"] == "abricot\n"
    assert found[f"{folder}/stderr.gz"] == "careful\n"
    world.end(cluster)
    assert until(lambda: not node.exists(), bool), "the node's folder stays"  # 2 GB, deleted after the end is told


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("s3://{bucket}/bad.sh", "bootstrap action 1 returned a non-zero return code"),
        ("s3://{bucket}/absent.sh", "bootstrap action 1 could not be downloaded"),
        ("bad.sh", "bootstrap action 1 could not be downloaded: bad.sh is not an address in S3"),
    ],
)
def test_a_failed_bootstrap_ends_the_cluster(world: World, path: str, sentence: str) -> None:
    world.script("bad.sh", "echo no wheels >&2; exit 7\n")
    script = path.format(bucket=world.code)
    action = {"Name": "b", "ScriptBootstrapAction": {"Path": script, "Args": []}}
    cluster = world.cluster(BootstrapActions=[action], Steps=[step("never", "true")])
    world.wait(cluster, *ENDED)
    state, code, message = reason(world, cluster)
    primary = world.emr.list_instances(ClusterId=cluster, InstanceFleetType="MASTER")["Instances"][0]
    assert (state, code) == ("TERMINATED_WITH_ERRORS", "BOOTSTRAP_FAILURE")
    assert message.startswith(f"On the master instance ({primary['Ec2InstanceId']}), {sentence}")
    assert world.states(cluster) == ["CANCELLED"]
    if "non-zero" in sentence:
        folder = f"node/{primary['Ec2InstanceId']}/bootstrap-actions/1"
        assert logs(world, cluster)[f"{folder}/stderr.gz"] == "no wheels\n"


def test_terraforms_reading_of_a_cluster(world: World, waiting: str) -> None:
    found = world.emr.describe_cluster(ClusterId=waiting)["Cluster"]
    assert found["ClusterArn"] == f"arn:aws:elasticmapreduce:{REGION}:123456789012:cluster/{waiting}"
    assert found["LogUri"] == f"s3n://{world.logs}/emr/"
    assert found["InstanceCollectionType"] == "INSTANCE_FLEET"
    attributes = found["Ec2InstanceAttributes"]
    assert attributes["RequestedEc2SubnetIds"] == [world.subnet]
    assert attributes["EmrManagedMasterSecurityGroup"] == world.groups[0]
    assert attributes["Ec2AvailabilityZone"].startswith(REGION)
    fleets = {f["InstanceFleetType"]: f for f in world.emr.list_instance_fleets(ClusterId=waiting)["InstanceFleets"]}
    assert {k: f["ProvisionedOnDemandCapacity"] for k, f in fleets.items()} == {"MASTER": 1, "CORE": 2}
    assert {f["Status"]["State"] for f in fleets.values()} == {"RUNNING"}
    assert waiting in [c["Id"] for c in world.emr.list_clusters(ClusterStates=["WAITING"])["Clusters"]]
    assert "uses instance fleets" in refused(world.emr.list_instance_groups, ClusterId=waiting)


# -- what the service role and the network must allow ----------------------------------------
def test_an_untagged_network_is_refused_as_the_managed_policy_would(aws: Aws) -> None:
    world = make_world(aws, tags=[])
    cluster = world.cluster()
    world.wait(cluster, *ENDED)
    state, code, message = reason(world, cluster)
    assert (state, code) == ("TERMINATED_WITH_ERRORS", "VALIDATION_ERROR")
    assert "has insufficient EC2 permissions" in message
    assert f"subnet/{world.subnet}" in message


def test_untagged_clusters_and_missing_rights_and_profiles_are_refused(aws: Aws) -> None:
    world = make_world(aws)
    iam = aws.client("iam")
    cases = {"untagged": world.cluster(Tags=[])}
    iam.create_role(RoleName=f"bare-{world.profile}", AssumeRolePolicyDocument=trust("elasticmapreduce.amazonaws.com"))
    iam.attach_role_policy(RoleName=f"bare-{world.profile}", PolicyArn=SERVICE_POLICY)
    cases["no pass role"] = world.cluster(ServiceRole=f"bare-{world.profile}")
    cases["no profile"] = world.cluster(JobFlowRole="nobody")
    cases["no role"] = world.cluster(ServiceRole="nobody")
    messages = {}
    for name, cluster in cases.items():
        world.wait(cluster, *ENDED)
        state, code, messages[name] = reason(world, cluster)
        assert (state, code) == ("TERMINATED_WITH_ERRORS", "VALIDATION_ERROR")
    assert "ec2:RunInstances on resource: " in messages["untagged"]
    assert "iam:PassRole on resource: " in messages["no pass role"]
    assert messages["no profile"] == "Invalid InstanceProfile: nobody."
    assert messages["no role"] == "Service role nobody does not exist."
    launched = aws.client("ec2").describe_instances(Filters=[{"Name": "subnet-id", "Values": [world.subnet]}])
    assert launched["Reservations"] == []


def test_emrs_own_endpoint_is_made_once_and_stays(aws: Aws) -> None:
    world, ec2 = make_world(aws), aws.client("ec2")

    def endpoints() -> list[str]:
        filters = [{"Name": "vpc-id", "Values": [world.vpc]}, {"Name": "tag:Name", "Values": ["emr-service-vpce"]}]
        return [e["VpcEndpointId"] for e in ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]]

    old = world.cluster(release="emr-7.4.0")
    world.wait(old, "WAITING")
    assert endpoints() == []
    first, second = world.cluster(), world.cluster()
    world.wait(first, "WAITING")
    world.wait(second, "WAITING")
    assert len(endpoints()) == 1
    for cluster in (old, first, second):
        world.end(cluster)
    assert len(endpoints()) == 1
    tags = ec2.describe_vpc_endpoints(VpcEndpointIds=endpoints())["VpcEndpoints"][0]["Tags"]
    assert {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"} in tags
    rules = ec2.describe_security_groups(GroupIds=[world.groups[2]])["SecurityGroups"][0]["IpPermissions"]
    assert [(r["FromPort"], r["UserIdGroupPairs"][0]["GroupId"]) for r in rules] == [(9443, world.groups[0])]


# -- steps ----------------------------------------
def test_steps_run_in_order_and_leave_logs_in_emrs_layout_after_a_while(world: World, waiting: str) -> None:
    before = len(world.steps(waiting))
    steps = [step("good", "bash", "-c", "echo out; echo err >&2"), step("bad", "bash", "-c", "echo oh >&2; exit 3")]
    ids = world.emr.add_job_flow_steps(JobFlowId=waiting, Steps=steps)["StepIds"]
    until(lambda: world.states(waiting)[before:], lambda s: s == ["COMPLETED", "FAILED"])
    good, bad = world.steps(waiting)[before:]
    assert good["Status"]["Timeline"]["EndDateTime"] <= bad["Status"]["Timeline"]["StartDateTime"]
    if "FailureDetails" in bad["Status"]:  # only a busy machine looks as late as that: they come with the logs
        assert f"steps/{ids[1]}/stderr.gz" in logs(world, waiting)
    names = (f"{ids[0]}/stdout", f"{ids[0]}/stderr", f"{ids[1]}/stderr", f"{ids[1]}/controller")
    found = await_logs(world, waiting, *(f"steps/{name}.gz" for name in names))
    assert found[f"steps/{ids[0]}/stdout.gz"] == "out\n"
    assert found[f"steps/{ids[0]}/stderr.gz"] == "err\n"
    assert found[f"steps/{ids[1]}/stderr.gz"] == "oh\n"
    assert "waitProcessCompletion ended with exit code 3" in found[f"steps/{ids[1]}/controller.gz"]
    details = until(
        lambda: world.emr.describe_step(ClusterId=waiting, StepId=ids[1])["Step"]["Status"].get("FailureDetails"),
        lambda seen: seen is not None,
    )
    where = f"s3://{world.logs}/emr/{waiting}/steps/{ids[1]}/stderr.gz"
    assert details == {"Reason": "Unknown Error.", "LogFile": where}
    assert world.wait(waiting, "WAITING")["Status"]["State"] == "WAITING"


def test_a_step_runs_with_the_rights_of_the_instance_profile(world: World, waiting: str) -> None:
    secret, image = world.aws.bucket("secret"), "in/a.jpg"
    world.s3.put_object(Bucket=secret, Key="k", Body=b"1")
    world.script(image, "jpeg")
    commands = {
        "may read": f"aws s3 cp s3://{world.code}/{image} - > /dev/null",
        "may write its results": f"echo 1 | aws s3 cp - s3://{world.code}/out/x",
        "may not read another bucket": f"aws s3 cp s3://{secret}/k -",
        "may not delete an image": f"aws s3 rm s3://{world.code}/{image}",
        "may not write elsewhere": f"echo 1 | aws s3 cp - s3://{world.code}/in/b.jpg",
    }
    before = len(world.steps(waiting))
    world.emr.add_job_flow_steps(
        JobFlowId=waiting, Steps=[step(name, "bash", "-c", command) for name, command in commands.items()]
    )
    states = until(lambda: world.states(waiting)[before:], lambda s: not {"PENDING", "RUNNING"} & set(s))
    assert dict(zip(commands, states, strict=True)) == {
        name: "FAILED" if "not" in name else "COMPLETED" for name in commands
    }
    assert world.s3.head_object(Bucket=world.code, Key=image)["ContentLength"] == 4


def test_a_jar_that_is_not_the_command_runner_fails_with_a_sentence(world: World, waiting: str) -> None:
    step_id = world.emr.add_job_flow_steps(JobFlowId=waiting, Steps=[step("jar", "x", jar="s3://b/some.jar")])[
        "StepIds"
    ][0]
    with pytest.raises(WaiterError):
        world.emr.get_waiter("step_complete").wait(ClusterId=waiting, StepId=step_id, WaiterConfig={"Delay": 1})
    found = await_logs(world, waiting, f"steps/{step_id}/stderr.gz")
    assert found[f"steps/{step_id}/stderr.gz"].startswith("Cannot fetch jar s3://b/some.jar")


@pytest.mark.parametrize(
    ("action", "states", "end"),
    [
        ("CONTINUE", ["FAILED", "COMPLETED"], "WAITING"),
        ("CANCEL_AND_WAIT", ["FAILED", "CANCELLED"], "WAITING"),
        ("TERMINATE_CLUSTER", ["FAILED", "CANCELLED"], "TERMINATED_WITH_ERRORS"),
        ("TERMINATE_JOB_FLOW", ["FAILED", "CANCELLED"], "TERMINATED_WITH_ERRORS"),
    ],
)
def test_action_on_failure(world: World, action: str, states: list[str], end: str) -> None:
    cluster = world.cluster(Steps=[step("bad", "false", on_failure=action), step("next", "true")])
    world.wait(cluster, "WAITING", *ENDED)
    assert (world.state(cluster), world.states(cluster)) == (end, states)
    if end == "WAITING":
        world.end(cluster)
    else:
        failed = world.steps(cluster)[0]["Id"]
        assert reason(world, cluster)[1:] == ("STEP_FAILURE", f"Shut down as step failed: {failed}")


def test_a_failed_step_does_not_end_a_protected_cluster(world: World) -> None:
    cluster = world.cluster(
        Instances={"TerminationProtected": True},
        Steps=[step("bad", "false", on_failure="TERMINATE_CLUSTER"), step("next", "true")],
    )
    world.wait(cluster, "WAITING", *ENDED)
    assert (world.state(cluster), world.states(cluster)) == ("WAITING", ["FAILED", "CANCELLED"])
    sentence = refused(world.emr.terminate_job_flows, JobFlowIds=[cluster])
    assert sentence == (
        "ValidationException: Could not shut down one or more job flows since they are termination protected."
    )
    assert world.state(cluster) == "WAITING"
    world.emr.set_termination_protection(JobFlowIds=[cluster], TerminationProtected=False)
    world.end(cluster)


def test_two_steps_at_once(world: World) -> None:
    cluster = world.cluster(StepConcurrencyLevel=2)
    world.wait(cluster, "WAITING")
    meet = "touch $0.here; while [ ! -e $1.here ]; do sleep 0.05; done"
    a, b = (str(Path(world.aws.home) / f"meet-{n}") for n in "ab")
    world.emr.add_job_flow_steps(
        JobFlowId=cluster,
        Steps=[step("a", "bash", "-c", meet, a, b), step("b", "bash", "-c", meet, b, a), step("c", "true")],
    )
    until(lambda: world.states(cluster), lambda s: s == ["COMPLETED"] * 3)
    for action in ("TERMINATE_CLUSTER", "CANCEL_AND_WAIT"):
        sentence = refused(
            world.emr.add_job_flow_steps, JobFlowId=cluster, Steps=[step("x", "true", on_failure=action)]
        )
        assert sentence.startswith(f"ValidationException: The ActionOnFailure setting {action} is not valid")
    assert len(world.steps(cluster)) == 3
    assert world.emr.modify_cluster(ClusterId=cluster, StepConcurrencyLevel=1)["StepConcurrencyLevel"] == 1
    assert "between 1 and 256" in refused(world.emr.modify_cluster, ClusterId=cluster, StepConcurrencyLevel=257)
    world.end(cluster)


def test_cancelling_steps(world: World) -> None:
    cluster = world.cluster()
    world.wait(cluster, "WAITING")
    mark = Path(world.aws.home) / "interrupted"
    listens = Path(world.aws.home) / "listens"
    polite = f"trap 'touch {mark}; exit 1' TERM; touch {listens}; while true; do sleep 0.05; done"
    stubborn = "trap '' TERM; while true; do sleep 0.05; done"
    ids = world.emr.add_job_flow_steps(
        JobFlowId=cluster,
        Steps=[
            step("polite", "bash", "-c", polite, on_failure="TERMINATE_CLUSTER"),
            step("waits", "true"),
            step("stubborn", "bash", "-c", stubborn),
            step("last", "true"),
        ],
    )["StepIds"]
    until(listens.exists, bool)
    answer = world.emr.cancel_steps(ClusterId=cluster, StepIds=ids[:2])["CancelStepsInfoList"]
    assert [a["Status"] for a in answer] == ["SUBMITTED", "SUBMITTED"]
    until(lambda: world.states(cluster)[:3], lambda s: s == ["CANCELLED", "CANCELLED", "RUNNING"])
    assert mark.exists(), "the step's process was not asked to end"
    again = world.emr.cancel_steps(ClusterId=cluster, StepIds=[ids[0]])["CancelStepsInfoList"][0]
    assert (again["Status"], again["Reason"]) == ("FAILED", "The step is not in a state that can be canceled.")
    world.emr.cancel_steps(ClusterId=cluster, StepIds=[ids[2]], StepCancellationOption="TERMINATE_PROCESS")
    until(lambda: world.states(cluster), lambda s: s == ["CANCELLED", "CANCELLED", "CANCELLED", "COMPLETED"])
    assert world.wait(cluster, "WAITING")["Status"]["State"] == "WAITING"  # ActionOnFailure is not triggered
    world.end(cluster)


# -- ends ----------------------------------------
def test_terminating_interrupts_what_runs_and_cancels_what_waits(world: World) -> None:
    cluster = world.cluster(Steps=[step("long", "bash", "-c", "sleep 3600 & wait"), step("next", "true")])
    world.wait(cluster, "RUNNING")
    node = str(Path(world.aws.home) / "clusters" / cluster)
    until(lambda: processes_of(node), lambda found: len(found) >= 2)
    world.end(cluster)
    assert world.states(cluster) == ["INTERRUPTED", "CANCELLED"]
    assert processes_of(node) == []
    assert reason(world, cluster) == ("TERMINATED", "USER_REQUEST", "Terminated by user request")
    world.emr.get_waiter("cluster_terminated").wait(ClusterId=cluster)
    instances = world.emr.list_instances(ClusterId=cluster)["Instances"]
    assert {i["Status"]["State"] for i in instances} == {"TERMINATED"}
    ec2 = world.aws.client("ec2").describe_instances(InstanceIds=[i["Ec2InstanceId"] for i in instances])
    assert {i["State"]["Name"] for r in ec2["Reservations"] for i in r["Instances"]} == {"terminated"}


def processes_of(folder: str) -> list[int]:
    """The processes whose working folder lies below a folder."""
    listed = psutil.process_iter(["pid", "cwd", "status"])
    return [
        p.info["pid"]
        for p in listed
        if (p.info["cwd"] or "").startswith(folder) and p.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_a_cluster_without_steps_to_do_ends_if_it_is_not_kept_alive(world: World) -> None:
    cluster = world.cluster(Instances={"KeepJobFlowAliveWhenNoSteps": False}, Steps=[step("only", "true")])
    world.wait(cluster, *ENDED)
    assert reason(world, cluster) == ("TERMINATED", "ALL_STEPS_COMPLETED", "Steps completed")
    assert world.states(cluster) == ["COMPLETED"]


def test_an_idle_cluster_ends_by_itself_and_a_busy_one_does_not(world: World) -> None:
    """The clock runs 60 times as fast: the shortest idle time, a minute, is a second here."""
    ec2, filters = world.aws.client("ec2"), [{"Name": "vpc-id", "Values": [world.vpc]}]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=world.vpc)
    table = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    gate = Path(world.aws.home) / "idle-gate"
    busy = step("busy", "bash", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done")
    idle, other = (world.cluster(AutoTerminationPolicy={"IdleTimeout": 60}, Steps=steps) for steps in ([], [busy]))
    world.wait(idle, *ENDED)
    assert reason(world, idle)[:2] == ("TERMINATED", "ALL_STEPS_COMPLETED")
    assert "auto-termination" in reason(world, idle)[2]
    assert world.state(other) == "RUNNING"
    assert world.emr.get_auto_termination_policy(ClusterId=other)["AutoTerminationPolicy"] == {"IdleTimeout": 60}
    world.emr.remove_auto_termination_policy(ClusterId=other)
    assert "AutoTerminationPolicy" not in world.emr.get_auto_termination_policy(ClusterId=other)
    gate.touch()
    world.wait(other, "WAITING")
    world.emr.put_auto_termination_policy(ClusterId=other, AutoTerminationPolicy={"IdleTimeout": 60})
    world.wait(other, *ENDED)
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=world.vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_the_schedule_outside_ends_a_cluster_if_its_role_may(world: World) -> None:
    iam, scheduler = world.aws.client("iam"), world.aws.client("scheduler")
    gate = "while true; do sleep 0.1; done"
    mine, other = (world.cluster(Steps=[step("hangs", "bash", "-c", gate)]) for _ in "12")
    for cluster in (mine, other):
        world.wait(cluster, "RUNNING")
    arn = world.emr.describe_cluster(ClusterId=mine)["Cluster"]["ClusterArn"]
    role = iam.create_role(RoleName=f"ttl-{mine}", AssumeRolePolicyDocument=trust("scheduler.amazonaws.com"))["Role"]
    right = allow("elasticmapreduce:TerminateJobFlows", on=[arn])
    iam.put_role_policy(RoleName=f"ttl-{mine}", PolicyName="p", PolicyDocument=right)
    at = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%S")
    for cluster in (other, mine):  # the role may end only one of them
        scheduler.create_schedule(
            Name=f"ttl-{cluster}",
            ScheduleExpression=f"at({at})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:scheduler:::aws-sdk:emr:terminateJobFlows",
                "RoleArn": role["Arn"],
                "Input": json.dumps({"JobFlowIds": [cluster]}),
            },
        )
    world.wait(mine, *ENDED)
    assert reason(world, mine)[:2] == ("TERMINATED", "USER_REQUEST")
    assert world.state(other) == "RUNNING"
    world.end(other)


# -- refusals ----------------------------------------
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"release": "emr-7.99.0"}, "The supplied release label is invalid: emr-7.99.0."),
        ({"AutoTerminationPolicy": {"IdleTimeout": 59}}, "The idle timeout must be between 60 and 604800 seconds."),
        ({"LogUri": "logs/emr/"}, "The log URI logs/emr/ is not an address in S3, such as s3://bucket/logs/."),
        ({"SecurityConfiguration": "absent"}, "Security configuration with name 'absent' does not exist."),
        ({"Instances": {"Ec2SubnetIds": ["subnet-0"]}}, "The subnet subnet-0 does not exist."),
        ({"Instances": {"InstanceFleets": []}}, "Must specify exactly one of the following"),
        ({"Instances": {"InstanceFleets": [fleet("CORE", 1)]}}, "Exactly one master instance fleet"),
        (
            {"Instances": {"InstanceFleets": [fleet("MASTER", 1), fleet("TASK", 1)]}},
            "Clusters with task instance fleets must also define core",
        ),
        (
            {"Instances": {"InstanceFleets": [fleet("MASTER", 2)]}},
            "The master instance fleet must have a target capacity of exactly 1.",
        ),
        (
            {"Instances": {"InstanceFleets": [fleet("MASTER", 1, InstanceTypeConfigs=[{"InstanceType": "m99.huge"}])]}},
            "Instance type 'm99.huge' is not supported.",
        ),
        (
            {"StepConcurrencyLevel": 2, "Steps": [step("x", "true", on_failure="CANCEL_AND_WAIT")]},
            "The ActionOnFailure setting CANCEL_AND_WAIT is not valid",
        ),
        (
            {"BootstrapActions": [{"Name": "b", "ScriptBootstrapAction": {"Path": "s3://b/k"}}] * 17},
            "The number of bootstrap actions exceeds the maximum of 16.",
        ),
    ],
)
def test_clusters_that_are_refused_at_once(world: World, changes: dict[str, Any], sentence: str) -> None:
    before = len(world.emr.list_clusters()["Clusters"])
    with pytest.raises(ClientError) as error:
        world.cluster(**changes)
    assert sentence in error.value.response["Error"]["Message"]
    assert len(world.emr.list_clusters()["Clusters"]) == before


def test_no_more_than_256_open_steps(world: World) -> None:
    gate = Path(world.aws.home) / "many-gate"
    cluster = world.cluster(Steps=[step("holds", "bash", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done")])
    world.wait(cluster, "RUNNING")
    many = [step(str(i), "true") for i in range(256)]
    assert "Maximum number of active steps" in refused(world.emr.add_job_flow_steps, JobFlowId=cluster, Steps=many)
    world.emr.add_job_flow_steps(JobFlowId=cluster, Steps=many[:255])
    assert "256" in refused(world.emr.add_job_flow_steps, JobFlowId=cluster, Steps=many[:1])
    pages = world.emr.get_paginator("list_steps").paginate(ClusterId=cluster)
    assert [len(page["Steps"]) for page in pages] == [50, 50, 50, 50, 50, 6]
    world.end(cluster)
    pages = world.emr.get_paginator("list_steps").paginate(ClusterId=cluster, StepStates=["CANCELLED"])
    assert sum(len(page["Steps"]) for page in pages) == 255


def test_an_ended_cluster_and_unknown_ids_are_refused(world: World) -> None:
    cluster = world.cluster()
    world.wait(cluster, "WAITING")
    world.end(cluster)
    sentence = "ValidationException: A job flow that is shutting down, terminated, or finished may not be modified."
    assert refused(world.emr.add_job_flow_steps, JobFlowId=cluster, Steps=[step("x", "true")]) == sentence
    assert world.state(cluster) == "TERMINATED"
    absent = "InvalidRequestException: Cluster id 'j-ABSENT' is not valid."
    assert refused(world.emr.describe_cluster, ClusterId="j-ABSENT") == absent
    assert refused(world.emr.list_steps, ClusterId="j-ABSENT") == absent
    wrong = refused(world.emr.describe_step, ClusterId=cluster, StepId="s-ABSENT")
    assert wrong == "InvalidRequestException: Step id 's-ABSENT' is not valid."
    marker = "InvalidRequestException: Marker 'nowhere' is not valid."
    assert refused(world.emr.list_steps, ClusterId=cluster, Marker="nowhere") == marker
    assert "does not exist" in refused(world.emr.add_job_flow_steps, JobFlowId="j-ABSENT", Steps=[step("x", "true")])
    fleets = world.emr.list_instance_fleets(ClusterId=cluster)["InstanceFleets"]
    change = {"InstanceFleetId": fleets[0]["Id"], "TargetOnDemandCapacity": 2}
    assert refused(world.emr.modify_instance_fleet, ClusterId=cluster, InstanceFleet=change) == (
        "InvalidRequestException: An instance fleet may only be modified when the cluster is running or waiting."
    )


# -- capacity ----------------------------------------
def test_a_task_fleet_comes_grows_and_shrinks(world: World) -> None:
    cluster = world.cluster()
    world.wait(cluster, "WAITING")
    config = fleet("TASK", 0, TargetSpotCapacity=6)
    config["InstanceTypeConfigs"] = [{"InstanceType": "m5.xlarge", "WeightedCapacity": 4}]
    made = world.emr.add_instance_fleet(ClusterId=cluster, InstanceFleet=config)["InstanceFleetId"]

    def tasks() -> int:
        states = ["RUNNING", "PROVISIONING"]
        asked = {"ClusterId": cluster, "InstanceFleetId": made, "InstanceStates": states}
        return len(world.emr.list_instances(**asked)["Instances"])

    assert tasks() == 2
    assert {i["Market"] for i in world.emr.list_instances(ClusterId=cluster, InstanceFleetId=made)["Instances"]} == {
        "SPOT"
    }
    for units, count in ((12, 3), (0, 0)):
        change = {"InstanceFleetId": made, "TargetSpotCapacity": units}
        world.emr.modify_instance_fleet(ClusterId=cluster, InstanceFleet=change)
        assert tasks() == count
    assert "already exists" in refused(world.emr.add_instance_fleet, ClusterId=cluster, InstanceFleet=config)
    world.end(cluster)


def test_managed_scaling_policies(world: World, waiting: str) -> None:
    limits = {"UnitType": "InstanceFleetUnits", "MinimumCapacityUnits": 2, "MaximumCapacityUnits": 10}
    policy = {"ComputeLimits": limits}
    assert "ManagedScalingPolicy" not in world.emr.get_managed_scaling_policy(ClusterId=waiting)
    world.emr.put_managed_scaling_policy(ClusterId=waiting, ManagedScalingPolicy=policy)
    assert world.emr.get_managed_scaling_policy(ClusterId=waiting)["ManagedScalingPolicy"] == policy
    wrong = {"ComputeLimits": limits | {"UnitType": "VCPU"}}
    sentence = refused(world.emr.put_managed_scaling_policy, ClusterId=waiting, ManagedScalingPolicy=wrong)
    assert "must be InstanceFleetUnits" in sentence
    world.emr.remove_managed_scaling_policy(ClusterId=waiting)
    assert "ManagedScalingPolicy" not in world.emr.get_managed_scaling_policy(ClusterId=waiting)


# -- clients ----------------------------------------
def test_the_aws_command_line_and_waiters(world: World, waiting: str) -> None:
    env = {k: v for k, v in os.environ.items() if k not in server.CLEARED}
    env |= server.make_client_environment(world.aws.server, REGION)

    def aws_cli(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "awscli", "--endpoint-url", world.aws.endpoint, *words]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    step_id = world.emr.add_job_flow_steps(JobFlowId=waiting, Steps=[step("cli", "true")])["StepIds"][0]
    waited = aws_cli("emr", "wait", "step-complete", "--cluster-id", waiting, "--step-id", step_id)
    assert waited.returncode == 0, waited.stderr
    told = aws_cli("emr", "describe-step", "--cluster-id", waiting, "--step-id", step_id)
    assert json.loads(told.stdout)["Step"]["Status"]["State"] == "COMPLETED"
    listed = aws_cli("emr", "list-steps", "--cluster-id", waiting)
    assert step_id in [s["Id"] for s in json.loads(listed.stdout)["Steps"]]
    assert f"{world.code}" in aws_cli("s3", "ls").stdout


def test_tags_of_a_cluster(world: World, waiting: str) -> None:
    world.emr.add_tags(ResourceId=waiting, Tags=[{"Key": "Owner", "Value": "ana"}])
    tags = world.emr.describe_cluster(ClusterId=waiting)["Cluster"]["Tags"]
    assert {"Key": "Owner", "Value": "ana"} in tags
    world.emr.remove_tags(ResourceId=waiting, TagKeys=["Owner"])
    assert world.emr.describe_cluster(ClusterId=waiting)["Cluster"]["Tags"] == TAG
