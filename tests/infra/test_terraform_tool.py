"""``ops.terraform`` around Terraform: finding it and its provider, state and variables per environment, exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ops.aws import account
from ops.aws.account import Place
from ops.cli.place import read_place
from ops.cli.values import read_size
from ops.core.errors import NoCredentialsError, TerraformError, WrongUseError
from ops.core.target import Target
from ops.terraform import binary, variables
from ops.terraform import workspace as terraform
from ops.terraform.binary import MissingTerraformError, OldTerraformError
from ops.terraform.variables import Artifacts, Size
from ops.terraform.workspace import Workspace
from tests.infra import provider
from tests.infra.planning import NO_ACCOUNT, REGION, ROOT, Planner


def fake(folder: Path, banner: str, code: int = 0) -> Path:
    """A program named terraform that answers with a banner."""
    program = folder / "terraform"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' '{banner}'\nexit {code}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


# ------------------------------------------------------------------------------------------------------- the program


def test_no_terraform_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MissingTerraformError) as caught:
        binary.find_terraform({"PATH": str(tmp_path)})
    assert str(caught.value) == (
        "Terraform was not found on the search path. Fix: install 1.10.0 or newer from "
        "https://developer.hashicorp.com/terraform/install, or name one: TERRAFORM=/path/to/terraform."
    )
    assert caught.value.exit_code == 3


def test_named_terraform_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingTerraformError, match=r"^TERRAFORM names /nowhere/terraform, which is not there\."):
        binary.find_terraform({"PATH": str(tmp_path), "TERRAFORM": "/nowhere/terraform"})


def test_terraform_too_old(tmp_path: Path) -> None:
    program = fake(tmp_path, "Terraform v1.9.8")
    with pytest.raises(OldTerraformError) as caught:
        binary.find_terraform({"PATH": str(tmp_path)})
    assert caught.value.found == (1, 9, 8)
    assert str(caught.value) == (
        f"Terraform 1.9.8 ({program}) is too old: the stacks need 1.10.0 or newer. Fix: install a newer one from "
        "https://developer.hashicorp.com/terraform/install, or name another: TERRAFORM=/path/to/terraform."
    )


@pytest.mark.parametrize("version", ["1.10.0", "1.11.4", "1.14.0"])
def test_terraform_new_enough(tmp_path: Path, version: str) -> None:
    program = fake(tmp_path, f"Terraform v{version}")
    assert binary.find_terraform({"PATH": str(tmp_path)}) == program


def test_program_that_is_no_terraform(tmp_path: Path) -> None:
    fake(tmp_path, "hello")
    with pytest.raises(MissingTerraformError, match="does not answer like Terraform"):
        binary.find_terraform({"PATH": str(tmp_path)})


def test_make_exits_with_the_sentence(tmp_path: Path) -> None:
    """What a user of `make plan` without Terraform sees: one sentence, exit code 3, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "plan"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "FRUITS_ENV": "dev", "FRUITS_OFFLINE": "1", "PYTHONPATH": str(ROOT / "jobs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("plan: Terraform was not found on the search path.")
    assert len(done.stderr.splitlines()) == 1


# ------------------------------------------------------------------------------------------------------ the provider


def mirror(place: Path, version: str = "5.100.0", target: str = "linux_amd64", packed: bool = False) -> Path:
    """A provider mirror with an empty provider."""
    home = place / "registry.terraform.io" / "hashicorp" / "aws"
    file = (
        home / f"terraform-provider-aws_{version}_{target}.zip"
        if packed
        else home / version / target / f"terraform-provider-aws_v{version}_x5"
    )
    file.parent.mkdir(parents=True)
    file.touch()
    return place


def found(home: Path, *, environ: dict[str, str] | None = None, below: tuple[Path, ...] = ()) -> Path | None:
    given = {"XDG_DATA_DIRS": str(home / "none"), **(environ or {})}
    return binary.find_mirror(given, home=home, below=below, target="linux_amd64")


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
def test_mirror_below_opt_is_found(tmp_path: Path, packed: bool) -> None:
    place = mirror(tmp_path / "opt" / "any-name", packed=packed)
    assert found(tmp_path, below=(tmp_path / "opt",)) == place


def test_mirror_directly_in_a_searched_folder_is_found(tmp_path: Path) -> None:
    place = mirror(tmp_path / "opt")
    assert found(tmp_path, below=(place,)) == place


def test_named_mirror_wins(tmp_path: Path) -> None:
    mirror(tmp_path / "opt" / "other")
    named = mirror(tmp_path / "named")
    assert found(tmp_path, environ={"TF_PROVIDER_MIRROR": str(named)}, below=(tmp_path / "opt",)) == named


def test_terraforms_own_folder_comes_before_opt(tmp_path: Path) -> None:
    mirror(tmp_path / "opt" / "other")
    own = mirror(tmp_path / ".terraform.d" / "plugins")
    assert found(tmp_path, below=(tmp_path / "opt",)) == own


def test_shared_data_folders_are_looked_at(tmp_path: Path) -> None:
    own = mirror(tmp_path / "share" / "terraform" / "plugins")
    assert found(tmp_path, environ={"XDG_DATA_DIRS": f"/nowhere:{tmp_path / 'share'}"}) == own


@pytest.mark.parametrize(
    ("version", "target"), [("5.99.1", "linux_amd64"), ("6.2.0", "linux_amd64"), ("5.100.0", "darwin_arm64")]
)
def test_mirror_of_another_version_or_machine_is_none(tmp_path: Path, version: str, target: str) -> None:
    mirror(tmp_path / "opt" / "x", version=version, target=target)
    assert found(tmp_path, below=(tmp_path / "opt",)) is None


def test_named_mirror_without_the_provider(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError) as caught:
        found(tmp_path, environ={"TF_PROVIDER_MIRROR": str(tmp_path)})
    assert str(caught.value) == (
        f"TF_PROVIDER_MIRROR names {tmp_path}, which holds no registry.terraform.io/hashicorp/aws 5.100 for "
        "linux_amd64. Fix: name the folder that contains registry.terraform.io, or unset it to use the registry."
    )


@pytest.mark.terraform
def test_init_without_route_and_mirror_says_what_to_do(
    planner: Planner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider is asked of the registry through a proxy that refuses, as where there is no route."""
    monkeypatch.setattr(terraform, "find_mirror", lambda: None)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TF_REGISTRY_DISCOVERY_RETRY", "0")
    work = Workspace(
        target=Target(env="dev", region=REGION, account_id=NO_ACCOUNT, offline=True),
        stack="storage",
        home=tmp_path,
        terraform=planner.terraform,
        capture=True,
    )
    with pytest.raises(terraform.CommandFailedError) as caught:
        work.validate()
    assert str(caught.value).startswith(
        "terraform init ended with 1. The AWS provider could not be fetched: this machine has no route to Terraform's "
        "registry, and no mirror with registry.terraform.io/hashicorp/aws 5.100 for "
    )
    assert str(caught.value).endswith(
        "Fix: connect, or name a mirror: TF_PROVIDER_MIRROR=/folder/that/holds/registry.terraform.io."
    )


INIT = """Initializing the backend...
Initializing modules...

Error: Failed to get existing workspaces: Unable to list objects in S3 bucket "fruits-tfstate-111122223333" with \
prefix "env:/": operation error S3: ListObjectsV2, https response error StatusCode: {status}, RequestID: , \
HostID: , {words}
"""  # as Terraform 1.10 prints it


@pytest.mark.parametrize(
    ("words", "fix", "code"),
    [
        ("api error ExpiredToken: The provided token has expired.", "log in again (aws sso login, or", 4),
        ("api error InvalidAccessKeyId: The AWS Access Key Id does not exist", "log in again (aws sso login, or", 4),
        ("get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role", "log in again", 4),
        ("api error ThrottlingException: Rate exceeded", "wait a minute, then run the command again.", 1),
        ('request send failed, Get "https://x": dial tcp: lookup x: no such host', "check the network, then run", 1),
        ("api error AccessDenied: Access Denied", "", 1),
    ],
)
def test_what_aws_refused_terraform_is_told_with_its_fix(words: str, fix: str, code: int) -> None:
    error = terraform.CommandFailedError(["init"], 1, INIT.format(status=400, words=words))
    assert str(error).startswith("terraform init ended with 1:\nError: Failed to get existing workspaces: Unable to ")
    assert words in str(error)
    assert error.exit_code == code
    last = str(error).splitlines()[-1]
    assert last.partition(" Fix: ")[2].startswith(fix) if fix else "Fix:" not in str(error)


def test_a_hint_stands_instead_of_what_was_printed() -> None:
    printed = INIT.format(status=400, words="api error ExpiredToken: m")
    error = terraform.CommandFailedError(["apply"], 1, printed, "Why:\nit.")
    assert (str(error), error.exit_code) == ("terraform apply ended with 1. Why:\nit.", 1)
    assert (
        str(terraform.CommandFailedError(["plan"], 1, "")) == "terraform plan ended with 1; its message stands above."
    )


# --------------------------------------------------------------------------------------- environments, state, inputs

ACCOUNT = Target(env="prod", region="eu-west-1", account_id="111122223333")
EMULATED = Target(env="local", region=REGION, account_id="123456789012", endpoint="http://127.0.0.1:4566")
OFFLINE = Target(env="dev", region=REGION, account_id=NO_ACCOUNT, offline=True)


def test_state_of_an_account_lies_in_its_bucket_locked_and_encrypted(tmp_path: Path) -> None:
    lines = terraform.render_backend(ACCOUNT, "cluster", tmp_path / "x")
    assert 'backend "s3"' in lines
    for setting in (
        'bucket = "fruits-tfstate-111122223333"',
        'key = "prod/cluster.tfstate"',
        'region = "eu-west-1"',
        "use_lockfile = true",
        "encrypt = true",
    ):
        assert setting in lines


@pytest.mark.parametrize("target", [EMULATED, OFFLINE], ids=["local", "offline"])
def test_state_elsewhere_is_a_file(target: Target, tmp_path: Path) -> None:
    lines = terraform.render_backend(target, "cluster", tmp_path / "x.tfstate")
    assert f'path = "{tmp_path}/x.tfstate"' in lines
    assert "s3" not in lines


def test_own_keys_never_reach_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile of the user's must not sign what goes to the emulator, nor the emulator's keys what goes to AWS."""
    assert EMULATED.environment()["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert EMULATED.environment()["AWS_ACCESS_KEY_ID"] == "testing"
    assert "AWS_ENDPOINT_URL" not in OFFLINE.environment()
    assert ACCOUNT.environment() == {"AWS_REGION": "eu-west-1"}


def test_environment_that_is_not_there(tmp_path: Path) -> None:
    for name in ("dev.tfvars", "prod.tfvars", "dev.cluster.tfvars"):
        (tmp_path / name).touch()
    with pytest.raises(WrongUseError) as caught:
        terraform.list_tfvars_files("staging", "cluster", tmp_path)
    assert (
        str(caught.value)
        == "there is no environment 'staging'. Fix: write infra/env/staging.tfvars, or take one of dev, prod."
    )
    assert [path.name for path in terraform.list_tfvars_files("dev", "cluster", tmp_path)] == [
        "dev.tfvars",
        "dev.cluster.tfvars",
    ]
    assert [path.name for path in terraform.list_tfvars_files("prod", "cluster", tmp_path)] == ["prod.tfvars"]


def test_size_that_is_no_number() -> None:
    with pytest.raises(WrongUseError, match=r"^IMAGES=many is not a number\. Fix: for example IMAGES=90000\.$"):
        read_size({"IMAGES": "many"})


def test_cluster_takes_names_and_key_from_storage() -> None:
    buckets = {"data": "d", "artifacts": "a", "logs": "l"}
    given = variables.cluster_variables(
        ACCOUNT, {"buckets": buckets, "kms_key_arn": "arn:k"}, read_size({"MINUTES": "10", "IMAGES": "5"})
    )
    assert given["buckets"] == buckets
    assert given["kms_key_arn"] == "arn:k"
    assert (given["images"], given["minutes"]) == (5, 10)
    assert given["bootstrap_uri"].startswith("s3://a/bootstrap/")
    assert given["wheelhouse_uri"].startswith("s3://a/wheelhouse/")


def test_artifacts_are_addressed_by_their_content(tmp_path: Path) -> None:
    """Nodes that come later fetch the same bytes: a changed script or lock has another place."""
    (tmp_path / "bootstrap").mkdir()
    (tmp_path / "bootstrap" / "install_tensorflow.sh").write_bytes(b"echo 1\n")
    (tmp_path / "bootstrap" / "requirements-aarch64.txt").write_bytes(b"a==1\n")
    script, lock = (hashlib.sha256(content).hexdigest()[:16] for content in (b"echo 1\n", b"a==1\n"))
    assert Artifacts.by_content("b", "arm64", tmp_path) == Artifacts(
        f"s3://b/bootstrap/{script}/install_tensorflow.sh", f"s3://b/wheelhouse/{lock}/"
    )
    assert Artifacts.by_content("b", "x86_64", tmp_path).wheelhouse_uri == "s3://b/wheelhouse/not-built/"
    assert read_size({}) == Size() == Size(images=None, minutes=None, arch="x86_64")


def test_what_was_uploaded_is_what_a_cluster_fetches_whatever_the_shell_says() -> None:
    uploaded = Artifacts("s3://a/bootstrap/1/x.sh", "s3://a/wheelhouse/2/")
    size = read_size({"BOOTSTRAP_URI": "s3://other/x.sh", "ARCH": "arm64"})
    given = variables.cluster_variables(ACCOUNT, {}, size, artifacts=uploaded)
    assert (given["bootstrap_uri"], given["wheelhouse_uri"]) == ("s3://a/bootstrap/1/x.sh", "s3://a/wheelhouse/2/")
    assert "other" not in str(variables.cluster_variables(ACCOUNT, {}, size))


def test_no_credentials_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(NoCredentialsError) as caught:
        account.find_target(Place(env="dev"), may_be_offline=True)
    assert "Unable to locate credentials" in str(caught.value)
    assert str(caught.value).endswith("or ENV=local, which needs no account, or OFFLINE=1.")
    assert caught.value.exit_code == 4
    with pytest.raises(NoCredentialsError, match=r"or ENV=local, which needs no account\.$"):  # no offer it cannot keep
        account.find_target(Place(env="dev"), may_be_offline=False)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"ENV": "prodd"}, "there is no environment 'prodd'. Fix: write infra/env/prodd.tfvars, or take one of dev, "),
        ({"ENV": "DEV"}, "there is no environment 'DEV'. Fix: "),
        ({"ENV": "dev", "REGION": "paris"}, "paris is not an AWS region. Fix: for example REGION=eu-west-3, "),
        ({"ENV": "dev", "AWS_REGION": "eu-west"}, "eu-west is not an AWS region. "),
    ],
)
@pytest.mark.parametrize("may_be_offline", [True, False])
def test_a_wrong_name_is_said_before_credentials_are_looked_for(
    environ: dict[str, str], sentence: str, may_be_offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "find_account_id", lambda *_, **__: pytest.fail("AWS was asked"))
    with pytest.raises(WrongUseError) as caught:
        account.find_target(read_place(environ), may_be_offline=may_be_offline)
    assert str(caught.value).startswith(sentence)


def test_emulator_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "find_emulator", lambda place: {})
    assert account.find_target(Place(), may_be_offline=True).offline
    with pytest.raises(TerraformError, match=r"not running: there is no cluster and no bucket\. Fix: make apply "):
        account.find_target(Place(), may_be_offline=False)


# ------------------------------------------------------------------------------------------------------ the workspace


def test_copy_follows_its_source(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    (source / "a").mkdir(parents=True)
    (source / "a" / "main.tf").write_text("one")
    (source / "a" / "old.tf").write_text("old")
    (source / "a" / ".terraform").mkdir()
    (source / "a" / ".terraform" / "x").write_text("the user's own")
    terraform.copy_tree(source, copy)
    (copy / "a" / "backend_override.tf").write_text("ours")
    (copy / "a" / ".terraform").mkdir()
    (copy / "a" / ".terraform" / "y").write_text("Terraform's")
    (source / "a" / "old.tf").unlink()
    (source / "a" / "main.tf").write_text("two")
    terraform.copy_tree(source, copy)
    files = {str(path.relative_to(copy)): path.read_text() for path in copy.rglob("*") if path.is_file()}
    assert files == {"a/main.tf": "two", "a/backend_override.tf": "ours", "a/.terraform/y": "Terraform's"}


TINY = """
variable "wish" { type = string }
resource "terraform_data" "wish" { input = var.wish }
"""
"""A stack without a provider: Terraform plans it in half a second."""


@pytest.fixture
def tiny(planner: Planner, tmp_path: Path) -> Callable[..., Workspace]:
    source = tmp_path / "source"
    (source / "storage").mkdir(parents=True)
    (source / "storage" / "main.tf").write_text(TINY)
    (source / "env").mkdir()
    for target in (ACCOUNT, EMULATED, OFFLINE):
        (source / "env" / f"{target.env}.tfvars").touch()
    places = {"source": source, "home": tmp_path / "home", "terraform": planner.terraform}

    def workspace(target: Target, wish: str) -> Workspace:
        return Workspace(target=target, stack="storage", extra={"wish": wish}, capture=True, **places)

    return workspace


@pytest.mark.terraform
@pytest.mark.parametrize("target", [EMULATED, OFFLINE], ids=["local", "offline"])
def test_commands_of_one_environment_run_side_by_side_each_with_its_own_plan(
    tiny: Callable[..., Workspace], target: Target, tmp_path: Path
) -> None:
    """As in two terminals, from the first command on, whose `init` the others wait for."""
    wishes = ["apple", "pear", "plum", "quince"]
    with ThreadPoolExecutor(len(wishes)) as at_once:
        plans = list(at_once.map(lambda wish: tiny(target, wish).make_plan(), wishes))
    assert [plan["resource_changes"][0]["change"]["after"]["input"] for plan in plans] == wishes
    (place,) = (tmp_path / "home").iterdir()
    assert {path.name for path in place.iterdir()} == {".lock", "infra", "terraform.rc"}, "plans may hold secrets"


@contextmanager
def running_moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@pytest.mark.terraform
@pytest.mark.aws
def test_a_locked_state_is_waited_for_and_then_told_with_the_command_that_unlocks_it(
    tiny: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terraform's own lock in S3, as a command leaves it that was killed; and what the message says, typed."""
    monkeypatch.setattr(terraform, "LOCK_SECONDS", 1)
    lock_info = {"ID": "5d3fa11c-4b0e", "Operation": "OperationTypeApply", "Who": "ann@laptop", "Version": "1.11.0"}
    lock_info |= {"Created": "2026-11-28T10:00:00Z", "Path": f"{ACCOUNT.state_bucket}/prod/storage.tfstate"}
    with running_moto() as endpoint:
        keys = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3", region_name=ACCOUNT.region)
        s3.create_bucket(Bucket=ACCOUNT.state_bucket, CreateBucketConfiguration={"LocationConstraint": ACCOUNT.region})
        s3.put_object(Bucket=ACCOUNT.state_bucket, Key="prod/storage.tfstate.tflock", Body=json.dumps(lock_info))
        work = tiny(ACCOUNT, "apple")
        with pytest.raises(terraform.CommandFailedError) as caught:
            work.plan()
        sentence = str(caught.value).splitlines()[-1]
        assert sentence == (
            "Another command works on this state, or was cut off. Fix: wait for it to end, then run the command again; "
            f"if nothing runs any more, remove its lock: terraform -chdir={work.directory} force-unlock 5d3fa11c-4b0e"
        )
        _, _, typed = sentence.partition("remove its lock: terraform ")
        subprocess.run([work.terraform, *typed.split()], input="yes\n", text=True, check=True, capture_output=True)
        assert work.plan(), "nothing is in the way any more"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (None, {}),
        ('{"version": 4, "outputs": {"cluster_id": {"value": "j-1", "type": "string"}}}', {"cluster_id": "j-1"}),
        (
            '{"version": 4, "outputs": {"fleets": {"value": {"core": [1]}, "sensitive": true}}}',
            {"fleets": {"core": [1]}},
        ),
        ('{"version": 4}', {}),
        ('{"version": 5, "outputs": {}}', None),
        ('{"version": 4, "outp', None),
        ("[]", None),
    ],
)
def test_a_local_state_is_read_without_terraform(
    tmp_path: Path, text: str | None, known: dict[str, Any] | None
) -> None:
    """None: Terraform itself is asked."""
    state = tmp_path / "cluster.tfstate"
    if text is not None:
        state.write_text(text)
    assert terraform.read_outputs(state) == known


@pytest.mark.terraform
def test_plan_of_this_environment_and_no_other(
    planner: Planner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that does not exist, and variables meant for another project, change nothing offline."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("TF_VAR_region", "us-east-1")
    monkeypatch.setenv("TF_CLI_ARGS_plan", "-no-such-option")
    work = planner.workspace("storage")
    assert work.plan(out=tmp_path / "p") is True  # by a provider that Terraform starts itself
    with provider.attached():
        shown: dict[str, Any] = work.show(tmp_path / "p")
    assert shown["format_version"].startswith("1.")
    assert shown["variables"]["region"]["value"] == REGION
    assert work.outputs() == {}  # nothing is applied
    work.state.write_text("[]")  # of a format that is not known: Terraform itself is asked, and refuses
    with pytest.raises(terraform.CommandFailedError, match="terraform output ended with 1"):
        work.outputs()


@pytest.mark.terraform
def test_code_is_valid_and_formatted(planner: Planner) -> None:
    for stack in terraform.STACKS:
        with planner.attached(planner.workspace(stack)) as work:
            work.validate()
    environ = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull}
    command = [str(planner.terraform), "fmt", "-recursive", "-check", "-diff", "infra", "tests/infra"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
