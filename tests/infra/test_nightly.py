"""`make drift` and the account's half of `make plan-report`, against a storage stack applied to the embedded AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from localaws import server
from ops.aws.account import Place, find_target
from ops.core.target import EMULATED_ACCOUNT
from ops.terraform.workspace import Workspace
from tests.infra.planning import ROOT
from tests.typed import as_typed

pytestmark = [pytest.mark.terraform, pytest.mark.aws, pytest.mark.slow]
DATA = f"fruits-local-data-{EMULATED_ACCOUNT}"


class Night:
    """An environment of its own, in which storage stands and nothing else."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environ = {**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'jobs'}", "FRUITS_ENV": "local"}
        self.environ |= {"LOCALAWS_HOME": str(home / "aws"), "FRUITS_OUT": str(home / "out")}

    def run(self, *module: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *module]
        environ = {**self.environ, **as_typed(variables)}
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    def client(self, service: str) -> Any:
        record, _ = server.find_server(self.home / "aws")
        return boto3.client(service, endpoint_url=record.endpoint, region_name="eu-west-3", **record.keys.arguments())

    def drift(self) -> tuple[int, str, dict[str, Any]]:
        """Exit code, the issue's text, and what is said to programs."""
        done = self.run("ops.cli", "drift")
        out = self.home / "out"
        assert (out / "drift.md").exists(), done.stderr
        return done.returncode, (out / "drift.md").read_text(), json.loads((out / "drift.json").read_text())


@pytest.fixture(scope="module")
def night(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    made = Night(tmp_path_factory.mktemp("night"))
    try:
        done = made.run("localaws", "start")
        assert done.returncode == 0, done.stdout + done.stderr
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LOCALAWS_HOME", made.environ["LOCALAWS_HOME"])
            Workspace(target=find_target(Place()), stack="storage", capture=True).apply()
        yield made
    finally:
        made.run("localaws", "stop")


def test_order_opens_no_issue(night: Night) -> None:
    code, text, said = night.drift()
    assert (code, said["found"]) == (0, False), text
    assert text == (
        "The storage stack matches the code.\n\nNothing of ours that was seen bills by the hour.\n\n"
        "<!-- fruits-drift local -->\n"
    )


def test_what_was_changed_by_hand_and_what_bills_is_found(night: Night) -> None:
    night.client("s3").put_bucket_versioning(Bucket=DATA, VersioningConfiguration={"Status": "Suspended"})
    ours = [{"Key": "Project", "Value": "fruits"}, {"Key": "Environment", "Value": "local"}]
    tags = [{"ResourceType": "elastic-ip", "Tags": ours}]
    address = night.client("ec2").allocate_address(Domain="vpc", TagSpecifications=tags)
    code, text, said = night.drift()
    assert (code, said["found"], said["title"]) == (33, True, "local: differs from the code, or bills")
    assert text.startswith("**The storage stack differs from the code**: an apply would find 1 to change.")
    assert "! module.data.aws_s3_bucket_versioning.this" in text
    assert '      versioning_configuration.0.status: "Suspended" → "Enabled"' in text
    assert f"elastic IP {address['AllocationId']}: " in text
    assert EMULATED_ACCOUNT not in text


def test_report_shows_what_an_apply_would_do_to_what_stands(night: Night) -> None:
    """The cluster stack stands nowhere, so it would be created; storage was changed by hand above."""
    done = night.run("ops.cli", "plan-report", BASE="HEAD", OFFLINE="0")
    text = (night.home / "out" / "report.md").read_text()
    assert "storage, against what is deployed in local: 1 to change" in text, done.stderr
    assert "cluster, against what is deployed in local: " in text
    assert "module.emr.aws_emr_cluster.this" in text
    assert EMULATED_ACCOUNT not in text + (night.home / "out" / "verdict.json").read_text() + done.stdout + done.stderr


def test_stopped_account_is_said_and_not_taken_for_order(tmp_path: Path) -> None:
    done = Night(tmp_path).run("ops.cli", "drift")
    assert done.returncode == 20
    assert (
        "drift: the embedded AWS of ENV=local is not running: there is no cluster and no bucket. Fix: make"
        in done.stderr
    )
    assert not (tmp_path / "out").exists()
