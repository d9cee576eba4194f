"""The account that a command works in: clients, buckets, the cluster that runs, as plain values for the other tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from localaws import server
from localaws.errors import NotAnsweringError, NotRunningError
from localaws.keys import Keys
from localaws.settings import Settings
from ops.core.errors import ExitCode, NoCredentialsError, NotAppliedError, TerraformError, WrongUseError
from ops.core.paths import ROOT
from ops.core.target import DEFAULT_REGION, EMULATED_ACCOUNT, NO_ACCOUNT, Target, open_session
from ops.terraform.workspace import Workspace, tfvars_files

if TYPE_CHECKING:
    from fruits.store import Store

NOT_RUNNING = "the embedded AWS is not running: there is no cluster and no bucket, and nothing bills. Fix: make apply."
KEY_VARIABLES = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")


@dataclass(frozen=True)
class Account:
    """One environment of one account.

    Attributes
    ----------
    target : Target
    environ : what the command was given: its options and the shell's variables
    """

    target: Target
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Account:
        """The account that ``ENV`` and the credentials at hand mean. The process's own environment stays as it is."""
        return cls(target_from(environ, may_be_offline=False), environ)

    @cached_property
    def session(self) -> Any:
        """boto3's session: whoever the shell says we are, or the embedded AWS's keys, whatever the shell says."""
        return open_session(self.target)

    def client(self, service: str) -> Any:
        """A boto3 client in this account and region, whatever the process's environment says.

        On the embedded AWS its address and keys are given; a profile or role of the shell is not asked.
        """
        return self.session.client(service, endpoint_url=self.target.endpoint)

    def store(self, uri: str) -> Store:
        """The files below a URI; those in S3 in this account and region."""
        from ops.aws.store import SignedStore  # pyarrow takes a second: only where a file is read

        return SignedStore(uri, self.session, self.target.environment())

    @cached_property
    def storage(self) -> dict[str, Any]:
        """Outputs of the storage stack.

        Raises
        ------
        NotAppliedError
            When it was never applied.
        """
        outputs = Workspace(target=self.target, stack="storage").outputs()
        if "buckets" not in outputs:
            raise NotAppliedError(f"there are no buckets of ENV={self.target.env}. Fix: make apply.")
        return outputs

    def bucket(self, purpose: str) -> str:
        """``data``, ``artifacts`` or ``logs``."""
        return str(self.storage["buckets"][purpose])

    @cached_property
    def cluster(self) -> dict[str, Any]:
        """Outputs of the cluster stack.

        Raises
        ------
        NotAppliedError
            When there is no cluster.
        """
        outputs = Workspace(target=self.target, stack="cluster").outputs()
        if "cluster_id" not in outputs:
            raise NotAppliedError(f"there is no cluster of ENV={self.target.env}. Fix: make apply.")
        return outputs

    def cluster_state(self) -> tuple[str, str]:
        """State of the cluster, and the reason that EMR gives, which may be empty."""
        status = self.client("emr").describe_cluster(ClusterId=self.cluster["cluster_id"])["Cluster"]["Status"]
        return str(status["State"]), str(status.get("StateChangeReason", {}).get("Message") or "")


def emulator(environ: Mapping[str, str]) -> dict[str, Any]:
    """Where the embedded AWS listens and the keys of its start, as ``Target`` takes them; empty where there is none.

    Raises
    ------
    TerraformError : it is there, and does not answer
    """
    if given := environ.get("AWS_ENDPOINT_URL"):
        access, secret, token = (environ.get(f"AWS_{name}", "") for name in KEY_VARIABLES)
        return {"endpoint": given, "keys": Keys(access, secret, token or None)}
    try:
        record, _ = server.status(Settings.from_environment().home)
    except NotRunningError:
        return {}
    except NotAnsweringError as error:
        raise TerraformError(str(error)) from error
    return {"endpoint": record.endpoint, "keys": record.keys}


def account_of(region: str, *, without: str = "") -> str:
    """The account of the credentials at hand.

    Parameters
    ----------
    without : how the command is used without an account, after "or "; empty where it cannot be

    Raises
    ------
    NoCredentialsError : there are none, or AWS does not take them
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        account: str = boto3.session.Session(region_name=region).client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise NoCredentialsError(
            f"no AWS credentials were found, or AWS does not take them ({error}). Fix: aws sso login, or "
            f"AWS_PROFILE=…; or ENV=local, which needs no account{without}."
        ) from error
    return account


def environment_and_region(environ: Mapping[str, str]) -> tuple[str, str]:
    """What ``ENV`` and ``REGION`` name, or what is taken without them.

    Raises
    ------
    WrongUseError : there is no such environment, or the region is none; both are said before AWS is asked anything
    """
    env = environ.get("ENV") or "local"
    region = environ.get("REGION") or environ.get("AWS_REGION") or DEFAULT_REGION
    tfvars_files(env, "storage", ROOT / "infra" / "env")
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        raise WrongUseError(f"{region} is no region of AWS. Fix: for example REGION={DEFAULT_REGION}, which is Paris.")
    return env, region


def offline_target(environ: Mapping[str, str]) -> Target:
    """The environment to be planned without asking AWS anything; raises as `environment_and_region` does."""
    env, region = environment_and_region(environ)
    account = EMULATED_ACCOUNT if env == "local" else NO_ACCOUNT
    return Target(env=env, region=region, account_id=account, offline=True)


def target_from(environ: Mapping[str, str], *, may_be_offline: bool) -> Target:
    """The target that ``ENV``, ``REGION`` and ``OFFLINE`` ask for.

    Raises
    ------
    WrongUseError : there is no such environment, or the region is none
    TerraformError : it is the embedded AWS, and that does not run
    """
    if environ.get("OFFLINE") == "1" and may_be_offline:
        return offline_target(environ)
    env, region = environment_and_region(environ)
    if env != "local":
        return Target(env=env, region=region, account_id=account_of(region, without=", or OFFLINE=1" * may_be_offline))
    found = emulator(environ)
    if not found and not may_be_offline:
        raise TerraformError(
            "the embedded AWS of ENV=local is not running: start it with make local-up. It begins empty; make apply "
            "starts it with buckets and a cluster.",
            exit_code=ExitCode.NOT_APPLIED,
        )
    return Target(env=env, region=region, account_id=EMULATED_ACCOUNT, offline=not found, **found)
