"""A cluster with notebooks beside it is destroyed whole: domain, home folders, what SageMaker leaves (two minutes)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ops import deploy
from ops.account import Account
from ops.localaws import server
from ops.localaws.settings import Settings
from ops.sweep import has_studio, vpcs_of
from ops.terraform import EMULATED_ACCOUNT, Target, Workspace, cluster_variables
from tests.infra.test_life_cycle import told

pytestmark = [pytest.mark.terraform, pytest.mark.aws, pytest.mark.slow]
REGION = "eu-west-3"


@pytest.fixture
def account(tmp_path: Path, terraform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                 "AWS_EC2_METADATA_DISABLED"):  # fmt: skip
        monkeypatch.setenv(name, "")  # Account.of sets them; monkeypatch puts back what was
    monkeypatch.setenv("TERRAFORM_HOME", str(tmp_path / "terraform"))
    settings = Settings(home=tmp_path / "aws", execute=False, starting_seconds=0.1, log_delay_seconds=0.1)
    with server.running(settings) as endpoint:
        yield Account.of(Target(env="dev", region=REGION, account_id=EMULATED_ACCOUNT, endpoint=endpoint))


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


def test_destroy_removes_the_domain_before_what_it_leaves(account: Account) -> None:
    before = around(account)
    given = {**cluster_variables(account.target, {}, {}), "enable_studio": True, "enable_nat": True}
    work = Workspace(target=account.target, stack="cluster", extra=given, capture=True)
    with told():
        work.apply()
        assert not work.plan(), "a second plan has nothing to do"
    ec2 = account.client("ec2")
    made, vpcs = around(account), vpcs_of(ec2, "fruits", "dev")
    assert [len(made[kind]) for kind in ("domains", "file systems", "NAT")] == [1, 1, 1]
    assert has_studio(ec2, vpcs)

    console = Console(record=True, width=200)
    with told():
        deploy.destroy({"ENV": "dev"}, console, account)
    assert around(account) == before
    text = console.export_text()
    assert "removed what AWS left in the network: vpce-" in text
    assert text.count("sg-") == 2, "the two groups of the home folders"
