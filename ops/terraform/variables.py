"""The variables that each stack is given: artifacts, sizes, the operators' boundary, the repository."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.core.errors import TerraformError, WrongUseError
from ops.core.paths import ROOT
from ops.core.target import Target
from ops.core.text import number
from ops.terraform.workspace import Stack, Workspace


def artifact_uris(bucket: str, environ: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """The URIs of bootstrap script and wheelhouse: as given, or as their contents would be addressed.

    A wheelhouse is called by the hash of the lock of its architecture (``ARCH``: x86_64, the default, or arm64), the
    script by its own; both hashes are the first 16 digits of a sha256.

    >>> artifact_uris("b", {"BOOTSTRAP_URI": "s3://b/x.sh", "WHEELHOUSE_URI": "s3://b/w/"})
    {'bootstrap_uri': 's3://b/x.sh', 'wheelhouse_uri': 's3://b/w/'}
    """

    def digest(name: str) -> str:
        path = root / "bootstrap" / name
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "not-built"

    machine = {"arm64": "aarch64"}.get(environ.get("ARCH", ""), environ.get("ARCH") or "x86_64")
    script, lock = "install_tensorflow.sh", f"requirements-{machine}.txt"
    return {
        "bootstrap_uri": environ.get("BOOTSTRAP_URI") or f"s3://{bucket}/bootstrap/{digest(script)}/{script}",
        "wheelhouse_uri": environ.get("WHEELHOUSE_URI") or f"s3://{bucket}/wheelhouse/{digest(lock)}/",
    }


def cluster_variables(
    target: Target, storage: Mapping[str, Any], environ: Mapping[str, str], boundary: str | None = None
) -> dict[str, Any]:
    """What the cluster stack is given beside its files: the storage stack's outputs, artifacts, sizes, boundary."""
    buckets = storage.get("buckets")
    artifacts = buckets["artifacts"] if buckets else f"fruits-{target.env}-artifacts-{target.account_id}"
    return {
        "buckets": buckets,
        "kms_key_arn": storage.get("kms_key_arn"),
        "images": number(environ, "IMAGES"),
        "minutes": number(environ, "MINUTES"),
        "precision": environ.get("PRECISION") or None,
        "permissions_boundary": boundary,
        **artifact_uris(artifacts, environ),
    }


def boundary_of(target: Target) -> str | None:
    """The policy that bounds every role of an environment, where the stack ``operators`` has made one.

    An operator may make roles only within it, so the cluster stack must name it; an account without that stack has
    none, and needs none.
    """
    if target.offline:
        return None
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    keys = {"endpoint_url": target.endpoint, **target.keys.arguments()} if target.emulated else {}
    arn = f"arn:aws:iam::{target.account_id}:policy/fruits-{target.env}-boundary"
    try:
        found: str = boto3.client("iam", region_name=target.region, **keys).get_policy(PolicyArn=arn)["Policy"]["Arn"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchEntity", "AccessDenied"):
            return None
        raise TerraformError(f"IAM did not say whether {arn} exists: {error}. Fix: run it again.") from error
    except BotoCoreError as error:
        raise TerraformError(f"IAM did not say whether {arn} exists: {error}. Fix: check the network.") from error
    return found


def github_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the stack of GitHub's roles is given beside its files: ``REPOSITORY``, ``SUBJECT`` and ``BRANCH``.

    Raises
    ------
    WrongUseError : no repository is named
    """
    if not environ.get("REPOSITORY"):
        raise WrongUseError("whose workflows may take the roles? Fix: REPOSITORY=owner/name.")
    names = {"repository": "REPOSITORY", "subject": "SUBJECT", "branch": "BRANCH"}
    return {variable: environ[name] for variable, name in names.items() if environ.get(name)}


def workspace(stack: Stack, target: Target, environ: Mapping[str, str], **options: Any) -> Workspace:
    """A stack with the variables that it takes in this environment."""
    if stack in ("storage", "operators"):
        return Workspace(target=target, stack=stack, **options)
    if stack == "github":
        return Workspace(target=target, stack=stack, extra=github_variables(environ), **options)
    storage = Workspace(target=target, stack="storage", **options).outputs() if not target.offline else {}
    extra = cluster_variables(target, storage, environ, boundary_of(target))
    return Workspace(target=target, stack=stack, extra=extra, **options)
