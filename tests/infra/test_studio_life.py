"""A cluster with notebooks beside it: the notebook is put, opened, stopped; all is destroyed whole (two minutes)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws import server
from localaws.policy import AccessRequest, Decision, decide
from localaws.settings import Settings
from ops.aws.account import Account
from ops.aws.sweep import find_vpcs, has_studio
from ops.core.console import Console
from ops.core.target import EMULATED_ACCOUNT, Target
from ops.job.notebook import ZIP, make_bundle
from ops.lifecycle import environment as deploy
from ops.lifecycle import studio
from ops.terraform.variables import Size, cluster_variables
from ops.terraform.workspace import Workspace
from tests.infra.planning import told

pytestmark = [pytest.mark.terraform, pytest.mark.aws, pytest.mark.slow]
REGION = "eu-west-3"


@pytest.fixture
def account(tmp_path: Path, terraform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("TERRAFORM_HOME", str(tmp_path / "terraform"))
    settings = Settings(home=tmp_path / "aws", execute=False, starting_seconds=0.1, log_delay_seconds=0.1)
    with server.running(settings) as record:
        where = {"endpoint": record.endpoint, "keys": record.keys}
        target = Target(env="dev", region=REGION, account_id=EMULATED_ACCOUNT, **where)
        yield Account(target)


def around(account: Account) -> dict[str, list[str]]:
    """What notebooks and network add to an account."""
    ec2 = account.client("ec2")
    gateways = ec2.describe_nat_gateways()["NatGateways"]
    found: dict[str, list[Any]] = {
        "domains": [d["DomainId"] for d in account.client("sagemaker").list_domains()["Domains"]],
        "file systems": [f["FileSystemId"] for f in account.client("efs").describe_file_systems()["FileSystems"]],
        "groups": [g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]],
        "VPCs": [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"]],
        "subnets": [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]],
        "addresses": [a["AllocationId"] for a in ec2.describe_addresses()["Addresses"]],
        "NAT": [n["NatGatewayId"] for n in gateways if n["State"] not in ("deleted", "deleting")],
        "roles": [r["RoleName"] for r in account.client("iam").list_roles()["Roles"]],
    }
    return {kind: sorted(names) for kind, names in found.items()}


def put_and_open(account: Account) -> None:
    """What an operator types once the stack is there, and what Studio's user may do with it."""
    bucket, s3 = f"fruits-dev-data-{EMULATED_ACCOUNT}", account.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    vars(account)["storage"] = {"buckets": {"data": bucket}}  # that stack alone would take another minute
    console = Console(record=True, width=200)
    addresses = studio.put_notebook(account, console)
    assert addresses == [f"s3://{bucket}/notebook/fruits.ipynb", f"s3://{bucket}/notebook/{ZIP}"]
    assert s3.get_object(Bucket=bucket, Key=f"notebook/{ZIP}")["Body"].read() == make_bundle()
    url = studio.print_address(account, console)
    domain, text = account.cluster["studio"]["domain_id"], console.export_text()
    assert url.startswith(f"https://{domain}.studio.{REGION}.sagemaker.aws/auth?token=")
    assert f"  aws s3 cp --recursive s3://{bucket}/notebook/ fruits/\n" in text
    assert f"%sm_analytics emr connect --cluster-id {account.cluster['cluster_id']} --auth-type None\n" in text
    assert "Studio of fruits-dev; anyone with this address is that user for five minutes:\n" in text
    assert f"{studio.HERE}\n" in text

    policy = account.client("iam").get_role_policy(RoleName="fruits-dev-studio", PolicyName="clusters-and-results")

    def may(action: str, resource: str) -> bool:
        return decide([policy["PolicyDocument"]], AccessRequest(action, resource, {})) is Decision.ALLOW

    for address in addresses:
        arn = address.replace("s3://", "arn:aws:s3:::")
        assert may("s3:GetObject", arn)
        assert not may("s3:PutObject", arn)
    assert may("s3:ListBucket", f"arn:aws:s3:::{bucket}")


def work_as_the_user(account: Account) -> None:
    """A private space with JupyterLab in it, as Studio's page makes it: nothing of it is in Terraform's state."""
    sagemaker, domain = account.client("sagemaker"), account.cluster["studio"]["domain_id"]
    own = {
        "OwnershipSettings": {"OwnerUserProfileName": "fruits-dev"},
        "SpaceSharingSettings": {"SharingType": "Private"},
    }
    for space in ("mine", "second"):
        sagemaker.create_space(DomainId=domain, SpaceName=space, **own)
        where = {"DomainId": domain, "SpaceName": space, "AppType": "JupyterLab", "AppName": "default"}
        sagemaker.create_app(**where, ResourceSpec={"InstanceType": "ml.t3.medium"})
    sagemaker.delete_app(DomainId=domain, SpaceName="second", AppType="JupyterLab", AppName="default")


def test_destroy_removes_the_domain_before_what_it_leaves(account: Account) -> None:
    before = around(account)
    given = {**cluster_variables(account.target, {}, Size()), "enable_studio": True, "enable_nat": True}
    work = Workspace(target=account.target, stack="cluster", extra=given, capture=True)
    with told():
        work.apply()
        assert not work.plan(), "a second plan has nothing to do"
    ec2 = account.client("ec2")
    made, vpcs = around(account), find_vpcs(ec2, "fruits", "dev")
    assert [len(made[kind]) for kind in ("domains", "file systems", "NAT")] == [1, 1, 1]
    assert has_studio(ec2, vpcs)
    put_and_open(account)
    work_as_the_user(account)
    told_to_stop = Console(record=True, width=200)
    assert sorted(studio.stop_studio(account, told_to_stop)) == [
        f"JupyterLab of {space} (ml.t3.medium)" for space in ("mine", "second")
    ]
    assert "; files stay in their spaces" in told_to_stop.export_text()

    console = Console(record=True, width=200)
    with told():
        deploy.destroy(account, console)
    assert around(account) == before
    text = console.export_text()
    assert "closed in Studio, with the files in them: mine, second\n" in text
    assert "removed what AWS left in the network: vpce-" in text
    assert text.count("sg-") == 2, "the two groups of the home folders"
