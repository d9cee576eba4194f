"""An operator's commands typed in a clone in which all is on that ENV=prod and Studio turn on.

Bootstrap actions and steps succeed without being run: what they need is the nodes' and not the operator's, and the
history (conftest.py) runs them. Two things are not typed, because ENV=local has no command for them: Terraform's
backend in S3 keeps the state of a stack of nothing (ENV=local keeps its states in files), and a step is given up by the
function that make run-step calls when no node takes its driver (here steps end at once).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3

from localaws import server
from localaws.keys import Keys
from localaws.state import Record
from ops.aws.account import Account
from ops.aws.studio import find_domain
from ops.core.console import Console
from ops.core.target import EMULATED_ACCOUNT, Target
from ops.lifecycle import step
from ops.terraform.binary import find_terraform, render_cli_config
from tests.drawn import draw_once
from tests.rehearsal.clones import Clone
from tests.rehearsal.life import REGION, make_onlooker
from tests.rehearsal.life import Account as Watched

STARTED = {"LOCALAWS_EXECUTE": "0", "LOCALAWS_STARTING_SECONDS": "0.1", "LOCALAWS_LOG_DELAY_SECONDS": "0.1"}
STORAGE = "enable_kms = true\n"
CLUSTER = """enable_ssm = true
core = { units = 16 }
task = { units = 16 }
"""
STUDIO = "enable_nat = true\nenable_studio = true\n"
FINDS = (0, 2)
"""What make ends with where a command may find something: drift, that a cluster bills by the hour."""
# of all that may change while a cluster lives
SHARED_CHANGED = 'tags = { Owner = "ana" }\n'
CLUSTER_CHANGED = """enable_ssm = true
core = { units = 16 }
task = { units = 8 }
idle_timeout_seconds = 1200
step_concurrency = 2
ttl_hours = 5
"""
TINY_STACK = """terraform {{
  required_version = ">= 1.10"
  backend "s3" {{
{settings}  }}
}}
resource "terraform_data" "this" {{
  input = "a state to keep"
}}
"""


def type_everything(clone: Clone) -> None:
    """Every command, in the order of an environment's life; each must end well."""
    types(clone, "local-up", **STARTED)
    record, _ = server.find_server(clone.folder / "build" / "localaws")
    target = Target(env="local", region=REGION, account_id=EMULATED_ACCOUNT, endpoint=record.endpoint, keys=record.keys)
    other = make_onlooker(Watched(record.endpoint, record.keys))
    keep_states(clone, record)
    write(clone, CLUSTER)
    types(clone, "operators", YES="1")
    types(clone, "apply", YES="1")
    draw_once(clone.folder / "fruits", views=1)
    types(clone, "upload-dataset", INPUT="fruits")
    for command in ("doctor", "status", "billing", "cost"):
        types(clone, command)
    types(clone, "drift", codes=FINDS)
    types(clone, "run-step", DETACH="1")
    give_up_a_step(clone, target)
    write(clone, CLUSTER_CHANGED, shared=SHARED_CHANGED)
    types(clone, "apply", YES="1")
    write(clone, CLUSTER)
    types(clone, "apply", YES="1")
    destroy_and_keep_the_account(clone)
    write(clone, CLUSTER + STUDIO)
    types(clone, "apply", YES="1")
    types(clone, "studio-notebook")
    types(clone, "studio-open", OPEN="0")
    open_notebook(target, other)
    types(clone, "billing")
    types(clone, "studio-stop")
    open_notebook(target, other)
    types(clone, "purge", YES="1")


def types(clone: Clone, command: str, *, codes: Sequence[int] = (0,), **variables: str) -> None:
    options = [f"{name}={value}" for name, value in variables.items() if not name.startswith("LOCALAWS_")]
    started = {name: value for name, value in variables.items() if name.startswith("LOCALAWS_")}
    ended, printed = clone.types(command, *options, timeout=900, **started)
    assert ended in codes, printed


def write(clone: Clone, cluster: str, *, shared: str = "") -> None:
    """The settings of ENV=local, as a user writes them."""
    folder = clone.folder / "infra" / "env"
    for name, text in (("local", shared), ("local.storage", STORAGE), ("local.cluster", cluster)):
        (folder / f"{name}.tfvars").write_text(text)


def keep_states(clone: Clone, record: Record) -> None:
    """`make state ENV=prod`, typed by an administrator first; then Terraform's backend with an operator's keys."""
    account = {"AWS_ENDPOINT_URL": record.endpoint, **record.keys.environment()}
    process = clone.make("state", "ENV=prod", **account)
    printed, _ = process.communicate(timeout=300)
    assert "made in" in printed, printed
    code, printed = clone.types("state", "ENV=prod", **account)
    assert (code, "is up to date" in printed) == (0, True), printed
    folder = clone.folder / "build" / "state"
    folder.mkdir()
    with clone.recording.of("state"):
        keep_a_state(folder, account)


def keep_a_state(folder: Path, account: Mapping[str, str]) -> None:
    """Let Terraform's S3 backend make, lock, read and change a state."""
    settings: dict[str, Any] = {
        "bucket": f"fruits-tfstate-{EMULATED_ACCOUNT}",
        "key": "prod/storage.tfstate",
        "region": REGION,
        "use_lockfile": True,
        "encrypt": True,
        "use_path_style": True,
        "skip_credentials_validation": True,
        "skip_requesting_account_id": True,
        "skip_region_validation": True,
    }
    text = "".join(f"    {name} = {json.dumps(value)}\n" for name, value in settings.items())
    (folder / "main.tf").write_text(TINY_STACK.format(settings=text))
    (folder / "terraform.rc").write_text(render_cli_config(None))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environ = {**kept, **account, "TF_CLI_CONFIG_FILE": str(folder / "terraform.rc")}
    for arguments in (["init", "-input=false"], ["apply", "-auto-approve"], ["destroy", "-auto-approve"]):
        command = [str(find_terraform()), *arguments, "-no-color"]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def open_notebook(target: Target, other: Keys) -> None:
    """A running space, as Studio's user makes one: with other rights than the operator's."""
    session = boto3.session.Session(region_name=REGION, **other.arguments())
    sagemaker = session.client("sagemaker", endpoint_url=target.endpoint)
    domain = find_domain(sagemaker, f"fruits-{target.env}")
    assert domain is not None
    if not sagemaker.list_spaces(DomainIdEquals=domain)["Spaces"]:
        (user,) = sagemaker.list_user_profiles(DomainIdEquals=domain)["UserProfiles"]
        sagemaker.create_space(
            DomainId=domain,
            SpaceName="mine",
            OwnershipSettings={"OwnerUserProfileName": user["UserProfileName"]},
            SpaceSharingSettings={"SharingType": "Private"},
        )
    sagemaker.create_app(DomainId=domain, SpaceName="mine", AppType="JupyterLab", AppName="default")


def destroy_and_keep_the_account(clone: Clone) -> None:
    """`make destroy` but for its last act, to stop the embedded AWS."""
    program = (
        "from ops.cli.place import open_account; from ops.core.console import Console; "
        "from ops.lifecycle.environment import destroy; destroy(open_account({}), Console())"
    )
    command = [sys.executable, "-c", program]
    environ = {**clone.environ, "PYTHONPATH": "jobs"}
    with clone.recording.of("destroy"):
        done = subprocess.run(command, cwd=clone.folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def give_up_a_step(clone: Clone, target: Target) -> None:
    """What make run-step does when no node takes a step's driver in time."""
    account = Account(target)
    emr = account.client("emr")
    (cluster,) = emr.list_clusters(ClusterStates=["WAITING", "RUNNING"])["Clusters"]
    newest = emr.list_steps(ClusterId=cluster["Id"])["Steps"][0]
    submitted = step.Submitted(cluster["Id"], newest["Id"], "")
    with clone.recording.of("run-step"):
        step.give_up(account, submitted, "no node is free", Console(quiet=True))
