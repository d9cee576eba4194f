"""Where a command works: environment, region, account, and whether AWS is the embedded one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localaws.keys import Keys

PROJECT = "fruits"
BUCKET_PURPOSES = ("data", "artifacts", "logs")
EMULATED_ACCOUNT = "123456789012"
NO_ACCOUNT = "000000000000"
DEFAULT_REGION = "eu-west-3"
OF_THE_SHELL = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
"""What botocore would take from the shell, and what it gets instead on the embedded AWS."""
INVENTED_KEYS = Keys("testing", "testing")  # where nobody asks whose they are


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a stack is planned or applied.

    Attributes
    ----------
    env : local, dev, prod, or a name of one's own with a file ``infra/env/<env>.tfvars``
    region : of everything
    account_id : 12 digits; the state's bucket bears it in its name
    endpoint : of the emulator, where AWS is emulated
    keys : what the emulator's calls are signed with
    offline : ask AWS nothing, with dummy keys
    workflows : the address that is asked instead of Step Functions, where nothing else is asked
    overrides : variables by stack that win over the environment's files and everything else
    """

    env: str
    region: str
    account_id: str
    endpoint: str | None = None
    offline: bool = False
    workflows: str | None = None
    keys: Keys = INVENTED_KEYS
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    @property
    def emulated(self) -> bool:
        return self.endpoint is not None

    @property
    def local_state(self) -> bool:
        """Whether the state is a file on this machine."""
        return self.emulated or self.offline

    @property
    def state_bucket(self) -> str:
        return f"fruits-tfstate-{self.account_id}"

    def command(self, goal: str) -> str:
        """A command as it is typed for this environment; ENV=local is make's own default.

        >>> Target(env="dev", region="eu-west-3", account_id=NO_ACCOUNT).command("results")
        'make results ENV=dev'
        """
        name, _, rest = goal.partition(" ")
        words = ["make", name, *([] if self.env == "local" else [f"ENV={self.env}"]), *([rest] if rest else [])]
        return " ".join(words)

    @property
    def bucket_names(self) -> dict[str, str]:
        """The storage stack's buckets by purpose."""
        return {purpose: f"{PROJECT}-{self.env}-{purpose}-{self.account_id}" for purpose in BUCKET_PURPOSES}

    def variables(self) -> dict[str, Any]:
        """The variables that both stacks take."""
        return {
            "env": self.env,
            "region": self.region,
            "account_id": self.account_id,
            "offline": self.offline,
            "emulated": self.emulated,
        }

    def environment(self) -> dict[str, str]:
        """What the AWS provider reads from the environment."""
        if not self.local_state:
            return {"AWS_REGION": self.region}
        return {
            "AWS_REGION": self.region,
            "AWS_SESSION_TOKEN": "",
            **self.keys.environment(),
            "AWS_EC2_METADATA_DISABLED": "true",
            **({"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}),
            **({"AWS_ENDPOINT_URL_SFN": self.workflows} if self.workflows else {}),
        }


def open_shell_session(region: str) -> Any:
    """boto3's session of whoever the shell says we are; an answer that is a web page is an error of the network."""
    import boto3

    session = boto3.session.Session(region_name=region)
    session.events.register("before-parse", _refuse_web_page)
    return session


def _refuse_web_page(event_name: str, response_dict: Mapping[str, Any], **_: object) -> None:
    """botocore reads a proxy's page as an answer in which nothing is listed; what has no text is no page."""
    from botocore.exceptions import HTTPClientError

    is_object = event_name.endswith((".GetObject", ".HeadObject"))  # a report in S3 is a web page
    is_page = response_dict["headers"].get("content-type", "").startswith("text/html")
    if is_page and response_dict["status_code"] == 200 and response_dict["body"] and not is_object:
        raise HTTPClientError(error="the answer is a web page, as of a proxy that wants a login")


def open_session(target: Target) -> Any:
    """boto3's session of a target: whoever the shell says we are, or the embedded AWS's keys, whatever the shell says.

    On the embedded AWS a client of it still has to be given the endpoint.
    """
    if not target.emulated:
        return open_shell_session(target.region)
    import boto3
    import botocore.session

    nothing: dict[str, Any] = {name: (None, None, default, None) for name, default in OF_THE_SHELL.items()}
    core = botocore.session.Session(session_vars=nothing)
    return boto3.session.Session(botocore_session=core, region_name=target.region, **target.keys.arguments())
