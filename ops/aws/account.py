"""The account that a command works in: clients, buckets, the cluster that runs, as plain values for the other tools."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from fruits.command_line import read_request

from localaws import server
from localaws.errors import NotAnsweringError, NotRunningError
from localaws.keys import Keys
from localaws.settings import Settings
from ops.core.errors import ExitCode, NoCredentialsError, NotAppliedError, TerraformError, WrongUseError
from ops.core.paths import ROOT
from ops.core.target import (
    DEFAULT_REGION,
    EMULATED_ACCOUNT,
    INVENTED_KEYS,
    NO_ACCOUNT,
    Target,
    open_session,
    open_shell_session,
)
from ops.terraform.workspace import Stack, Workspace, list_tfvars_files

if TYPE_CHECKING:
    from fruits.store import Store
    from types_boto3_emr import EMRClient

NOT_RUNNING = "the embedded AWS is not running: there is no cluster and no bucket, and nothing bills. Fix: make apply."


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a command is to work; nothing was asked of AWS yet.

    Attributes
    ----------
    env : local, dev, prod, or a name of one's own with a file ``infra/env/<env>.tfvars``
    region : of everything
    endpoint, keys : of the embedded AWS that the shell points at; empty where it does not
    currency : the second currency of amounts; empty for the usual one

    Raises
    ------
    WrongUseError : there is no such environment, or the region is none
    """

    env: str = "local"
    region: str = DEFAULT_REGION
    endpoint: str = ""
    keys: Keys = INVENTED_KEYS
    currency: str = ""

    def __post_init__(self) -> None:
        list_tfvars_files(self.env, "storage", ROOT / "infra" / "env")
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", self.region):
            raise WrongUseError(
                f"{self.region} is not an AWS region. Fix: for example REGION={DEFAULT_REGION}, which is Paris."
            )

    @property
    def is_local(self) -> bool:
        """Whether it is on the embedded AWS."""
        return self.env == "local"


@dataclass(frozen=True)
class Account:
    """One environment of one account.

    Attributes
    ----------
    target : Target
    currency : the second currency of amounts; empty for the usual one
    """

    target: Target
    currency: str = ""

    @classmethod
    def at(cls, place: Place) -> Self:
        """The account of a place and of the credentials at hand. The process's own environment stays as it is."""
        return cls(find_target(place), place.currency)

    @cached_property
    def session(self) -> Any:
        """boto3's session: whoever the shell says we are, or the embedded AWS's keys, whatever the shell says."""
        return open_session(self.target)

    @overload
    def client(self, service: Literal["emr"]) -> "EMRClient": ...
    @overload
    def client(self, service: str) -> Any: ...
    def client(self, service: str) -> Any:
        """A boto3 client in this account and region, whatever the process's environment says.

        On the embedded AWS its address and keys are given; a profile or role of the shell is not asked.
        """
        return self.session.client(service, endpoint_url=self.target.endpoint)

    def store(self, uri: str) -> "Store":
        """The files below a URI; those in S3 in this account and region."""
        from ops.aws.store import SignedStore  # pyarrow takes a second: only where a file is read

        return SignedStore(uri, self.session, self.target.environment())

    @cached_property
    def storage(self) -> dict[str, Any]:
        """Outputs of the storage stack.

        Raises
        ------
        NotAppliedError : it was never applied
        """
        return self._read_outputs("storage", "buckets", "there are no buckets")

    def bucket(self, purpose: str) -> str:
        """``data``, ``artifacts`` or ``logs``."""
        return str(self.storage["buckets"][purpose])

    @cached_property
    def cluster(self) -> dict[str, Any]:
        """Outputs of the cluster stack.

        Raises
        ------
        NotAppliedError : there is no cluster
        """
        return self._read_outputs("cluster", "cluster_id", "there is no cluster")

    def _read_outputs(self, stack: Stack, key: str, missing: str) -> dict[str, Any]:
        outputs = Workspace(target=self.target, stack=stack).outputs()
        if key not in outputs:
            raise NotAppliedError(f"{missing} of ENV={self.target.env}. Fix: make apply.")
        return outputs

    def cluster_state(self) -> tuple[str, str]:
        """State of the cluster, and the reason that EMR gives, which may be empty."""
        status = self.client("emr").describe_cluster(ClusterId=self.cluster["cluster_id"])["Cluster"]["Status"]
        return str(status["State"]), str(status.get("StateChangeReason", {}).get("Message") or "")


def find_emulator(place: Place) -> dict[str, Any]:
    """Where the embedded AWS listens and the keys of its start, as ``Target`` takes them; empty where there is none.

    Raises
    ------
    TerraformError : it is there, and does not answer
    """
    if place.endpoint:
        return {"endpoint": place.endpoint, "keys": place.keys}
    try:
        record, _ = server.find_server(Settings.from_environment().home)
    except NotRunningError:
        return {}
    except NotAnsweringError as error:
        raise TerraformError(str(error)) from error
    return {"endpoint": record.endpoint, "keys": record.keys}


def find_account_id(region: str, *, without: str = "") -> str:
    """The account of the credentials at hand.

    Parameters
    ----------
    without : how the command is used without an account, after "or "; empty where it cannot be

    Raises
    ------
    NoCredentialsError : there are none, or AWS rejected them
    TerraformError : AWS cannot be asked now
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from ops.aws.refusals import describe_refusal, is_network, is_throttled

    try:
        account: str = open_shell_session(region).client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        offer = f"or ENV=local, which needs no account{without}."
        if is_network(error) or is_throttled(error):
            meaning, fix = describe_refusal(error)
            raise TerraformError(f"{meaning}. Fix: {fix.rstrip('.')}; {offer}") from error
        raise NoCredentialsError(
            f"no AWS credentials were found, or AWS rejected them ({error}). Fix: aws sso login, or AWS_PROFILE=…; "
            f"{offer}"
        ) from error
    return account


def offline_target(place: Place) -> Target:
    """The environment to be planned without asking AWS anything."""
    account_id = EMULATED_ACCOUNT if place.is_local else NO_ACCOUNT
    return Target(env=place.env, region=place.region, account_id=account_id, offline=True)


def find_target(place: Place, *, may_be_offline: bool = False) -> Target:
    """The target of a place.

    Parameters
    ----------
    may_be_offline : whether the command also works on a plan that asks AWS nothing (OFFLINE=1)

    Raises
    ------
    NoCredentialsError : AWS does not know who asks
    TerraformError : it is the embedded AWS, and that does not run
    """
    if not place.is_local:
        account_id = find_account_id(place.region, without=", or OFFLINE=1" * may_be_offline)
        return Target(env=place.env, region=place.region, account_id=account_id)
    emulator = find_emulator(place)
    if not emulator and not may_be_offline:
        raise TerraformError(
            "the embedded AWS of ENV=local is not running: there is no cluster and no bucket. Fix: make apply starts "
            "it with both; make local-up starts it empty.",
            exit_code=ExitCode.NOT_APPLIED,
        )
    return Target(env=place.env, region=place.region, account_id=EMULATED_ACCOUNT, offline=not emulator, **emulator)


def read_output_from(account: Account, arguments: Sequence[str]) -> str | None:
    """Where a step with these arguments puts its results; None where it is not one of ours.

    Raises
    ------
    FruitsError : its request cannot be read
    """
    if "--request" not in arguments[:-1]:
        return None
    uri = arguments[arguments.index("--request") + 1]
    return read_request(uri, account.store).output
