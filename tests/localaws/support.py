"""What the tests of the embedded AWS share: clients, a network with roles and buckets, waiting for a state."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
from botocore.serialize import create_serializer
from werkzeug.test import EnvironBuilder

from localaws.answers import read_service_model
from localaws.keys import Keys
from localaws.state import Record

REGION = "eu-west-3"
TAG = [{"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"}]
SERVICE_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"
_numbers = count(1)
PATIENCE = 300.0
"""Seconds, far more than anything here takes: a busy machine must not fail a test."""


@dataclass
class Aws:
    """A server, and clients of the account's owner."""

    server: Record
    home: Path

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def keys(self) -> Keys:
        return self.server.keys

    @cached_property
    def session(self) -> boto3.session.Session:
        return boto3.session.Session(region_name=REGION, **self.keys.arguments())

    def client(self, service: str, **keys: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)

    def bucket(self, prefix: str = "bucket") -> str:
        name = f"{prefix}-{next(_numbers)}"
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name


SIGNED_AS = {"emr": "elasticmapreduce", "stepfunctions": "states"}


def sent(service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A call as a WSGI server hands it on, written by botocore's own serializer."""
    model = read_service_model(service).operation_model(operation)
    serializer = create_serializer(model.service_model.resolved_protocol, include_validation=False)
    request = serializer.serialize_to_request(parameters, model)
    body, headers = request["body"], dict(request["headers"])
    if isinstance(body, dict):  # a query: its form is botocore's HTTP client's work
        body, headers["Content-Type"] = urlencode(body).encode(), "application/x-www-form-urlencoded"
    scope = f"AKIA/20260101/{REGION}/{SIGNED_AS.get(service, service)}/aws4_request"
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host"
    path, _, literal = request["url_path"].partition("?")  # of S3: /bucket?delete
    query = "&".join(filter(None, (literal, urlencode(request["query_string"]))))
    builder = EnvironBuilder(path, query_string=query, method=request["method"], headers=headers, data=body)
    return {**builder.get_environ(), "REQUEST_URI": path + (f"?{query}" if query else "")}


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(*actions: str, on: list[str], **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass
class World:
    """A network, roles and buckets that clusters can be made in."""

    aws: Aws
    vpc: str
    subnet: str
    groups: list[str]
    service_role: str
    profile: str
    logs: str
    code: str

    @property
    def emr(self) -> Any:
        return self.aws.client("emr")

    @property
    def s3(self) -> Any:
        return self.aws.client("s3")

    def script(self, name: str, text: str) -> str:
        self.s3.put_object(Bucket=self.code, Key=name, Body=text.encode())
        return f"s3://{self.code}/{name}"

    def cluster(self, *, release: str = "emr-7.13.0", **changes: Any) -> str:
        instances = {
            "KeepJobFlowAliveWhenNoSteps": True,
            "Ec2SubnetIds": [self.subnet],
            "EmrManagedMasterSecurityGroup": self.groups[0],
            "EmrManagedSlaveSecurityGroup": self.groups[1],
            "ServiceAccessSecurityGroup": self.groups[2],
            "InstanceFleets": [fleet("MASTER", 1), fleet("CORE", 2)],
            **changes.pop("Instances", {}),
        }
        request = {
            "Name": "test",
            "ReleaseLabel": release,
            "LogUri": f"s3://{self.logs}/emr/",
            "ServiceRole": self.service_role,
            "JobFlowRole": self.profile,
            "Applications": [{"Name": "Spark"}],
            "Tags": TAG,
            **changes,
        }
        return str(self.emr.run_job_flow(Instances=instances, **request)["JobFlowId"])

    def state(self, cluster: str) -> str:
        return str(self.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"])

    def steps(self, cluster: str) -> list[dict[str, Any]]:
        return list(reversed(self.emr.list_steps(ClusterId=cluster)["Steps"]))

    def states(self, cluster: str) -> list[str]:
        return [s["Status"]["State"] for s in self.steps(cluster)]

    def wait(self, cluster: str, *states: str, seconds: float = PATIENCE) -> dict[str, Any]:
        return until(
            lambda: self.emr.describe_cluster(ClusterId=cluster)["Cluster"],
            lambda c: c["Status"]["State"] in states,
            seconds,
        )

    def end(self, cluster: str) -> None:
        self.emr.terminate_job_flows(JobFlowIds=[cluster])
        self.wait(cluster, "TERMINATED", "TERMINATED_WITH_ERRORS")


def until(ask: Callable[[], Any], done: Callable[[Any], bool], seconds: float = PATIENCE) -> Any:
    """What ``ask`` gives once ``done`` holds for it."""
    deadline = time.monotonic() + seconds
    while not done(found := ask()):
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.05)
    return found


def fleet(kind: str, on_demand: int, **more: Any) -> dict[str, Any]:
    return {
        "InstanceFleetType": kind,
        "TargetOnDemandCapacity": on_demand,
        "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}],
        **more,
    }


def step(name: str, *command: str, on_failure: str = "CONTINUE", jar: str = "command-runner.jar") -> dict[str, Any]:
    return {"Name": name, "ActionOnFailure": on_failure, "HadoopJarStep": {"Jar": jar, "Args": list(command)}}


def make_world(aws: Aws, *, tags: list[dict[str, str]] = TAG) -> World:
    number = next(_numbers)
    ec2, iam = aws.client("ec2"), aws.client("iam")

    def tagged(kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": tags}] if tags else []

    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", TagSpecifications=tagged("subnet"))["Subnet"]
    groups = [
        ec2.create_security_group(
            GroupName=f"{name}-{number}",
            Description=name,
            VpcId=vpc,
            TagSpecifications=tagged("security-group"),
        )["GroupId"]
        for name in ("primary", "core", "service")
    ]
    logs, code = aws.bucket("logs"), aws.bucket("code")
    service, node = f"service-{number}", f"node-{number}"
    iam.create_role(RoleName=service, AssumeRolePolicyDocument=trust("elasticmapreduce.amazonaws.com"))
    iam.attach_role_policy(RoleName=service, PolicyArn=SERVICE_POLICY)
    role = iam.create_role(RoleName=node, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=service, PolicyName="pass", PolicyDocument=allow("iam:PassRole", on=[role]))
    own = [f"arn:aws:s3:::{code}", f"arn:aws:s3:::{code}/*"]
    iam.put_role_policy(RoleName=node, PolicyName="read", PolicyDocument=allow("s3:Get*", "s3:List*", on=own))
    out = allow("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", on=[f"arn:aws:s3:::{code}/out/*"])
    iam.put_role_policy(RoleName=node, PolicyName="write", PolicyDocument=out)
    iam.create_instance_profile(InstanceProfileName=node)
    iam.add_role_to_instance_profile(InstanceProfileName=node, RoleName=node)
    return World(aws, vpc, subnet["SubnetId"], groups, service, node, logs, code)
