"""The variables that each stack is given (artifacts, sizes, boundary, repository), and its workspace with them."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ops.core.errors import OperatorError, TerraformError
from ops.core.paths import ROOT
from ops.core.target import EMULATED_ACCOUNT, NO_ACCOUNT, Target, open_session
from ops.terraform.workspace import CommandFailedError, Stack, Workspace


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a cluster is sized by; None where the environment's files say it.

    Attributes
    ----------
    images : how many the next run has
    minutes : that it may take
    precision : of the run: f32, or bf16 on processors that compute in it
    arch : processor of the nodes: x86_64 or arm64
    """

    images: float | int | None = None
    minutes: float | int | None = None
    precision: str | None = None
    arch: str = "x86_64"


@dataclass(frozen=True)
class Artifacts:
    """Where a node fetches the bootstrap script and the wheels: URIs in the artifacts bucket."""

    bootstrap_uri: str
    wheelhouse_uri: str

    @classmethod
    def by_content(cls, bucket: str, arch: str, root: Path = ROOT) -> Self:
        """Where they are once they are uploaded: below the first 16 digits of a sha256.

        The script is called by its own, a wheelhouse by that of the lock of its architecture.
        """

        def digest(name: str) -> str:
            path = root / "bootstrap" / name
            return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "not-built"

        script, lock = "install_tensorflow.sh", f"requirements-{'aarch64' if arch == 'arm64' else arch}.txt"
        return cls(f"s3://{bucket}/bootstrap/{digest(script)}/{script}", f"s3://{bucket}/wheelhouse/{digest(lock)}/")


def cluster_variables(
    target: Target,
    storage: Mapping[str, Any],
    size: Size,
    *,
    artifacts: Artifacts | None = None,
    boundary: str | None = None,
    root: Path = ROOT,
) -> dict[str, Any]:
    """What the cluster stack is given beside its files: the storage stack's outputs, artifacts, sizes, boundary.

    Parameters
    ----------
    artifacts : that were uploaded; None for those of the checkout at ``root``
    """
    buckets = storage.get("buckets")
    bucket = buckets["artifacts"] if buckets else target.bucket_names["artifacts"]
    return {
        "buckets": buckets,
        "kms_key_arn": storage.get("kms_key_arn"),
        "images": size.images,
        "minutes": size.minutes,
        "precision": size.precision,
        "permissions_boundary": boundary,
        **asdict(artifacts or Artifacts.by_content(bucket, size.arch, root)),
    }


def find_boundary(target: Target) -> str | None:
    """The policy that bounds every role of an environment, where the stack ``operators`` has made one.

    An operator may make roles only within it, so the cluster stack must name it; an account without that stack has
    none, and needs none.
    """
    if target.offline:
        return None
    from botocore.exceptions import BotoCoreError, ClientError

    arn = f"arn:aws:iam::{target.account_id}:policy/fruits-{target.env}-boundary"
    try:
        iam = open_session(target).client("iam", endpoint_url=target.endpoint)
        policy_arn: str = iam.get_policy(PolicyArn=arn)["Policy"]["Arn"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchEntity", "AccessDenied"):
            return None
        raise TerraformError(f"IAM did not say whether {arn} exists: {error}. Fix: run it again.") from error
    except BotoCoreError as error:
        raise TerraformError(f"IAM did not say whether {arn} exists: {error}. Fix: check the network.") from error
    return policy_arn


def make_workspace(
    stack: Stack,
    target: Target,
    size: Size,
    *,
    repository: Mapping[str, str] | None = None,
    root: Path = ROOT,
    **options: Any,
) -> Workspace:
    """A stack with the variables that it takes in this environment.

    Parameters
    ----------
    size : of the cluster
    repository : repository, subject and branch whose workflows may take GitHub's roles
    root : the checkout
    options : more of `Workspace`
    """
    options["source"] = root / "infra"
    if stack in ("storage", "operators"):
        return Workspace(target=target, stack=stack, **options)
    if stack == "github":
        return Workspace(target=target, stack=stack, extra=repository or {}, **options)
    storage = Workspace(target=target, stack="storage", **options).outputs() if not target.offline else {}
    extra = cluster_variables(target, storage, size, boundary=find_boundary(target), root=root)
    return Workspace(target=target, stack=stack, extra=extra, **options)


def plan_cluster(target: Target, size: Size) -> dict[str, Any]:
    """The cluster stack's plan, made without asking AWS anything.

    Raises
    ------
    OperatorError : Terraform refuses the plan; the message holds its reasons
    """
    account = EMULATED_ACCOUNT if target.env == "local" else NO_ACCOUNT
    offline = Target(env=target.env, region=target.region, account_id=account, offline=True)
    try:
        return make_workspace("cluster", offline, size, capture=True).make_plan()
    except CommandFailedError as error:
        raise OperatorError(f"the cluster cannot be planned, so it has no price:\n{error.reasons}") from error
