"""`make record-calls`: which rights the operator's commands need, recorded from a whole cycle on the embedded AWS.

The cycle is ENV=prod's (a key, SSM endpoints, a Spot fleet, life-cycle rules: the most calls), with a change between,
and the states in a bucket. Bootstrap actions and steps succeed without being run: they are the nodes' calls, not the
operator's. The wheels are invented; one is large enough to be sent in parts. What it leaves is
``infra/operators/recorded-calls.json``; ``--check`` says whether that file is up to date and writes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localaws import keys, server
from localaws.settings import Settings
from localaws.state import Record
from ops.aws import emr
from ops.aws.account import Account
from ops.aws.state_bucket import make_state
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.paths import ROOT
from ops.core.target import EMULATED_ACCOUNT, Target
from ops.doctor import checkup as doctor
from ops.job import wheelhouse
from ops.lifecycle import environment as deploy
from ops.lifecycle import step, studio
from ops.lifecycle.upload import upload
from ops.terraform.binary import cli_config, find_terraform
from ops.terraform.workspace import Workspace

RECORDED = ROOT / "infra" / "operators" / "recorded-calls.json"
ENV, REGION = "prod", "eu-west-3"
OPERATOR_KEY = keys.OPERATOR  # the embedded services sign their own calls with another
# boto3 sends what is larger than this in parts.
MULTIPART_BYTES = 8 * 2**20
STUDIO = {"enable_studio": True, "enable_nat": True}
# Condition keys of a request that no policy here reads would only make the record longer.
CONTEXT = (
    "aws:RequestTag/Environment",
    "aws:RequestTag/Project",
    "aws:RequestedRegion",
    "aws:TagKeys",
    "aws:ResourceTag/Environment",
    "aws:ResourceTag/ManagedByAmazonSageMakerResource",
    "aws:ResourceTag/Name",
    "aws:ResourceTag/Project",
    "aws:ResourceTag/for-use-with-amazon-emr-managed-policies",
    "ec2:CreateAction",
    "iam:PassedToService",
    "iam:PermissionsBoundary",
    "iam:PolicyARN",
    "sagemaker:OwnerUserProfileArn",
    "sagemaker:TaggingAction",
)
_TINY_STACK = 'terraform {{\n  required_version = ">= 1.10"\n  backend "s3" {{\n{settings}  }}\n}}\n' + (
    'resource "terraform_data" "this" {{\n  input = "a state to keep"\n}}\n'
)


class UnknownCallsError(OperatorError):
    """Calls reached the embedded AWS whose rights are not written in localaws/rights.py."""

    exit_code = 5


@dataclass(order=True, frozen=True)
class Right:
    """One action on one resource under known conditions, and the commands that need it.

    Attributes
    ----------
    context : pairs of condition key and value
    """

    action: str
    resource: str
    context: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    commands: tuple[str, ...] = field(default=(), compare=False)

    def as_json(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "resource": self.resource,
            "context": dict(self.context),
            "commands": list(self.commands),
        }


# ------------------------------------------------------------------------------------------- what is recorded


def normalise(text: str) -> str:
    """A resource or value without what differs from run to run and account to account.

    >>> normalise("arn:aws:ec2:eu-west-3:123456789012:vpc/vpc-0ab12cd34ef56ab78")
    'arn:aws:ec2:eu-west-3:<account>:vpc/vpc-<id>'
    >>> normalise("arn:aws:iam::123456789012:role/fruits-prod-ttl-j-ABCDEFGHIJ012")
    'arn:aws:iam::<account>:role/fruits-prod-ttl-j-<id>'
    >>> normalise("arn:aws:s3:::fruits-prod-data-123456789012/images/Pomme (1)/0_100.jpg")
    'arn:aws:s3:::fruits-prod-data-<account>/images/<key>'
    """
    text = text.replace(EMULATED_ACCOUNT, "<account>")
    if match := re.fullmatch(r"(arn:aws:s3:::[^/]+/)(prod/[^/]+|[^/]+)(/.*)?", text):
        return match[1] + match[2] + ("/<key>" if match[3] else "")
    text = re.sub(r"\b(j)-[A-Z0-9]{13}\b", r"\1-<id>", text)
    text = re.sub(r"/([a-z]+)-[0-9a-f]{8,17}\b", r"/\1-<id>", text)
    return re.sub(r"key/[0-9a-f-]{36}", "key/<id>", text)


def list_rights(lines: Iterable[Mapping[str, Any]], command: str) -> Iterator[Right]:
    """What the operator needed, from the lines of a recording (those of nodes and services are left out)."""
    for line in lines:
        if line["key"] != OPERATOR_KEY:
            continue
        for need in line.get("needs", ()):
            context = {
                key: _normalise_value(value) for key, value in need["context"].items() if _is_relevant(key, need)
            }
            yield Right(need["action"], normalise(need["resource"]), tuple(sorted(context.items())), (command,))


def _is_relevant(key: str, need: Mapping[str, Any]) -> bool:
    """Whether a policy of ours could depend on a key."""
    if key == "aws:TagKeys":  # beside the tags themselves it says nothing more
        return not any(name.startswith("aws:RequestTag/") for name in need["context"])
    if key == "aws:ResourceTag/Name":  # of ours it is only a name
        return "aws:ResourceTag/Project" not in need["context"]
    return key in CONTEXT


def _normalise_value(value: str | list[str]) -> str | tuple[str, ...]:
    return normalise(value) if isinstance(value, str) else tuple(value)


def list_unknown_calls(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """The operator's calls that are not understood."""
    return sorted({line["unknown"] for line in lines if "unknown" in line and line["key"] == OPERATOR_KEY})


def merge_rights(rights: Iterable[Right]) -> list[Right]:
    """Each right once, sorted, with every command that needs it."""
    commands: dict[Right, set[str]] = {}
    for right in rights:
        commands.setdefault(right, set()).update(right.commands)
    return [Right(r.action, r.resource, r.context, tuple(sorted(names))) for r, names in sorted(commands.items())]


def format_rights(rights: Sequence[Right]) -> str:
    """The file: one right a line, so that a change can be read."""
    lines = ",\n".join(json.dumps(right.as_json()) for right in rights)
    return f"[\n{lines}\n]\n"


def parse_rights(text: str) -> list[Right]:
    """The rights in a file."""
    return [
        Right(
            r["action"],
            r["resource"],
            tuple(sorted((k, v if isinstance(v, str) else tuple(v)) for k, v in r["context"].items())),
            tuple(r["commands"]),
        )
        for r in json.loads(text)
    ]


def diff_rights(recorded: Sequence[Right], current: Sequence[Right]) -> list[str]:
    """What a new recording has more and less; the commands beside a right are not compared."""
    added = [
        f"+ {right.action} on {right.resource} {dict(right.context)}" for right in current if right not in set(recorded)
    ]
    removed = [
        f"- {right.action} on {right.resource} {dict(right.context)}" for right in recorded if right not in set(current)
    ]
    return added + removed


# -------------------------------------------------------------------------------------------------- the cycle


@dataclass
class Recording:
    """The lines that the server writes, cut at the commands."""

    path: Path
    found: list[Right] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)

    def skip(self) -> list[dict[str, Any]]:
        """The lines since the last look."""
        text = self.path.read_text()
        self.path.write_text("")
        return [json.loads(line) for line in text.splitlines()]

    @contextmanager
    def of(self, command: str) -> Iterator[None]:
        """What happens in the block is this command's."""
        self.skip()
        yield
        lines = self.skip()
        self.found += list_rights(lines, command)
        self.not_understood += list_unknown_calls(lines)


def make_light_wheelhouse(folder: Path, name: str) -> wheelhouse.Wheelhouse:
    """A wheelhouse of invented wheels: a small one, and one that is sent in parts and that others share."""
    files = {
        "small-1-py3-none-any.whl": name.encode(),
        "large-1-py3-none-any.whl": b"0" * (MULTIPART_BYTES + 1),
        wheelhouse.LOCK: name.encode(),
    }
    place = folder / name
    place.mkdir()
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    for file, content in files.items():
        (place / file).write_bytes(content)
    (place / wheelhouse.SUMS).write_text("".join(f"{digest}  {file}\n" for file, digest in sums.items()))
    return wheelhouse.Wheelhouse(place, name, sums)


def exercise_state_backend(target: Target, folder: Path) -> None:
    """Let Terraform's S3 backend make, lock, read and change a state, with a stack of nothing.

    The stacks themselves keep theirs in a file here, as ENV=local does.
    """
    assert target.endpoint is not None
    settings: dict[str, Any] = {
        "bucket": target.state_bucket,
        "key": f"{target.env}/storage.tfstate",
        "region": target.region,
        "use_lockfile": True,
        "encrypt": True,
        "use_path_style": True,
        "skip_credentials_validation": True,
        "skip_requesting_account_id": True,
        "skip_region_validation": True,
    }
    text = "".join(f"    {name} = {json.dumps(value)}\n" for name, value in settings.items())
    (folder / "main.tf").write_text(_TINY_STACK.format(settings=text))
    (folder / "terraform.rc").write_text(cli_config(None))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environ = environment | target.environment() | {"TF_CLI_CONFIG_FILE": str(folder / "terraform.rc")}
    terraform = str(find_terraform())
    for arguments in (["init", "-input=false"], ["apply", "-auto-approve"], ["destroy", "-auto-approve"]):
        completed = subprocess.run(
            [terraform, *arguments, "-no-color"], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        if completed.returncode:
            raise OperatorError(f"Terraform kept no state in the bucket ({arguments[0]}): {completed.stderr.strip()}")


RUN: Mapping[str, Any] = {
    "images_in": 1, "images_ok": 1, "images_rejected": 0, "images_featurized_now": 1, "images_per_second": 1.0,
    "rows_removed": 0, "features_of_others": 0, "repaired": [], "rejected": {}, "classes": {"Apple": 1},
    "seconds": {"featurize": 1.0}, "seconds_total": 1.0, "model": "efficientnet_lite0", "dimension": 1280, "k": 1,
    "variance_statement": "100 %",
}  # fmt: skip
"""A run's record, as far as the operator's commands read it."""


def _put_result(account: Account, node_session: Any) -> None:
    """What a step leaves, as far as results and watchers read it; put there by the nodes' side."""
    s3 = node_session.client("s3", endpoint_url=account.target.endpoint)
    bucket, prefix = account.bucket("data"), "results/efficientnet_lite0"
    for name, content in (
        ("run.json", json.dumps(RUN).encode()),
        ("report.html", b"<p>report</p>"),
        ("pca/scores.csv", b"0" * (MULTIPART_BYTES + 1)),
        ("_run/progress.json", json.dumps({"phase": "done", "run_id": "1"}).encode()),
    ):
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)


def _start_notebook(account: Account, user_session: Any) -> None:
    """A running space, as Studio's user makes one: his rights, not the operator's."""
    sagemaker = user_session.client("sagemaker", endpoint_url=account.target.endpoint)
    connection = studio.connection(account)
    domain, owner = {"DomainId": connection["domain_id"]}, {"OwnerUserProfileName": connection["user"]}
    if not sagemaker.list_spaces(DomainIdEquals=connection["domain_id"])["Spaces"]:
        shared = {"SharingType": "Private"}
        sagemaker.create_space(**domain, SpaceName="mine", OwnershipSettings=owner, SpaceSharingSettings=shared)
    sagemaker.create_app(**domain, SpaceName="mine", AppType="JupyterLab", AppName="default")


def _make_other_session(account: Account) -> Any:
    """A session of somebody else than the operator: its calls are left out of the record."""
    import boto3

    iam, name = account.client("iam"), "somebody-else"
    iam.create_user(UserName=name)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="everything", PolicyDocument=json.dumps(everything))
    access_key = iam.create_access_key(UserName=name)["AccessKey"]
    session_keys = keys.Keys(access_key["AccessKeyId"], access_key["SecretAccessKey"])
    return boto3.session.Session(region_name=account.target.region, **session_keys.arguments())


@contextmanager
def _work_in(folder: Path) -> Iterator[None]:
    """States and results of this cycle lie in a folder of its own; an environment that is up is not touched."""
    environment_before = {
        name: value for name, value in os.environ.items() if name.startswith("AWS_") or name == "TERRAFORM_HOME"
    }
    folder_before = Path.cwd()
    os.environ["TERRAFORM_HOME"] = str(folder / "terraform")
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(folder_before)
        for name in [name for name in os.environ if name.startswith("AWS_") or name == "TERRAFORM_HOME"]:
            del os.environ[name]
        os.environ.update(environment_before)


def run_cycle(folder: Path, recording: Recording, aws: Record, console: Console) -> None:
    """Every command of an operator once, on the embedded AWS."""
    target = Target(env=ENV, region=REGION, account_id=EMULATED_ACCOUNT, endpoint=aws.endpoint, keys=aws.keys)
    account = Account(target)
    other_session = _make_other_session(account)
    quiet = Console(file=(folder / "console.txt").open("w"), width=120)
    Workspace(target=target, stack="operators", capture=True).apply()  # an administrator's, not recorded
    console.print("operators' stack applied")
    make_state(account.client("s3"), target)  # an administrator's too
    with recording.of("state"):
        make_state(account.client("s3"), target)
        (folder / "state").mkdir()
        exercise_state_backend(target, folder / "state")
    console.print("state kept in its bucket")
    wheels = [make_light_wheelhouse(folder, name) for name in ("first", "second")]
    with recording.of("apply"):
        deploy.apply({}, quiet, account, build=lambda *_: wheels[0])
    console.print("applied")
    with recording.of("apply"):  # changed settings, and a changed lock: nothing of it replaces the cluster
        changed = {"tags": {"Owner": "ana"}}
        storage = Workspace(target=target, stack="storage", extra=changed, capture=True)
        storage.apply()
        uri = f"s3://{account.bucket('artifacts')}/wheelhouse"
        wheelhouse.sync(wheels[1], uri, store=wheelhouse.open_store(uri, account.client("s3")), console=quiet)
        variables = json.loads((storage.state.parent / "cluster.auto.json").read_text())
        changed_variables = {
            **changed,
            "idle_timeout_seconds": 1200,
            "step_concurrency": 2,
            "task": {"units": 8},
            "ttl_hours": 5,
        }
        Workspace(target=target, stack="cluster", extra={**variables, **changed_variables}, capture=True).apply()
        storage = Workspace(target=target, stack="storage", capture=True)
        storage.apply()
        Workspace(target=target, stack="cluster", extra=variables, capture=True).apply()
    console.print("changed and changed back")
    images = folder / "images" / "Pomme d'été (1)"
    images.mkdir(parents=True)
    (images / "0_100.jpg").write_bytes(b"small")
    (images / "1_100.png").write_bytes(b"0" * (MULTIPART_BYTES + 1))
    with recording.of("upload-dataset"):
        upload(account.client("s3"), account.bucket("data"), folder / "images", quiet)
    _put_result(account, other_session)
    with recording.of("run-step"):
        code = step.run_step(account, {}, quiet, step.Terms())
        if code == 0:
            newest = account.client("emr").list_steps(ClusterId=account.cluster["cluster_id"])["Steps"][0]
            emr.read_output(account, newest["Id"])
    if code:
        raise OperatorError(f"the step ended with {code}; see {folder / 'console.txt'}")
    with recording.of("results"):
        deploy.fetch_results(account, {}, quiet)
    with recording.of("doctor"):
        doctor.examine({"ENV": ENV, "REGION": REGION}, quiet, account)
        doctor.look_at_bill(account, quiet)
    with recording.of("destroy"):
        deploy.destroy({}, quiet, account)
    console.print("destroyed")
    with recording.of("studio"):
        workspace = Workspace(target=target, stack="cluster", extra={**variables, **STUDIO}, capture=True)
        workspace.apply()
        account = Account(target)  # what the other has read of the stack is gone
        studio.put(account, quiet)
        studio.open_(account, {}, quiet)
        _start_notebook(account, other_session)
        doctor.look_at_bill(account, quiet)
        studio.end(account, quiet)
        _start_notebook(account, other_session)
        deploy.destroy({}, quiet, account)
    console.print("Studio applied, opened and destroyed")
    with recording.of("purge"):
        deploy.purge({"PURGE": account.bucket("data")}, quiet, account)
    console.print("purged")


def record_rights(console: Console) -> list[Right]:
    """Run the cycle in a folder that goes; the value is what it needed.

    Raises
    ------
    UnknownCallsError
        When a call is not understood: it would be missing in the record.
    """
    with tempfile.TemporaryDirectory(prefix="fruits-record-") as name:
        folder = Path(name)
        recording = Recording(folder / "calls.jsonl")
        settings = Settings(
            home=folder / "aws",
            execute=False,
            starting_seconds=0.1,
            log_delay_seconds=0.1,
            record=str(recording.path),
        )
        with server.running(settings) as aws, _work_in(folder):
            run_cycle(folder, recording, aws, console)
    if recording.not_understood:
        raise UnknownCallsError(
            "calls whose rights nobody has written down: "
            + "; ".join(sorted(set(recording.not_understood)))
            + ". Fix: write them in localaws/rights.py."
        )
    return merge_rights(recording.found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, or check the record; the exit code of a check is 1 where it is out of date."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.record_calls", description="Record the rights of an operator."
    )
    parser.add_argument("--check", action="store_true", help="compare with the file; write nothing")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        rights = record_rights(console)
    except OperatorError as error:
        Console(stderr=True).print(f"record-calls: {error}", style="red")
        return error.exit_code
    recorded = parse_rights(RECORDED.read_text()) if RECORDED.exists() else []
    changed = diff_rights(recorded, rights)
    for line in changed:
        console.print(line)
    console.print(f"{len(rights)} rights; {len(changed)} differ from {RECORDED.relative_to(ROOT)}")
    if options.check:
        return 1 if changed else 0
    RECORDED.write_text(format_rights(rights))
    return 0


if __name__ == "__main__":
    sys.exit(main())
