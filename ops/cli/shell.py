"""`make shell`: a shell on the primary node, without an open port.

On AWS a session of Systems Manager, which needs ``enable_ssm`` in the cluster stack and AWS's session-manager-plugin on
this machine. The embedded AWS has no machine to go to: there it is a shell of this machine in the folder that stands
for the node, with the variables and the keys that the node's processes have; it says so.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from localaws.emr.node import Node
from localaws.keys import Keys
from localaws.settings import Settings
from ops.aws.account import Account
from ops.aws.describe import list_pages
from ops.aws.states import LIVE_STATES
from ops.cli.place import open_account
from ops.core.console import Console
from ops.core.errors import ExitCode, OperatorError

PLUGIN = "session-manager-plugin"
INSTALL = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)


class NoShellError(OperatorError):
    """No shell can be had; the message says why."""

    exit_code = ExitCode.NO_SHELL


def find_primary(account: Account, cluster_id: str) -> str:
    """EC2's id of the primary node.

    Raises
    ------
    NoShellError : the cluster has none yet, or no more
    """
    which = {"ClusterId": cluster_id, "InstanceFleetType": "MASTER", "InstanceStates": ["RUNNING"]}
    ids = [str(i["Ec2InstanceId"]) for i in list_pages(account.client("emr"), "list_instances", "Instances", **which)]
    if not ids:
        raise NoShellError(f"{cluster_id} has no running primary node. Fix: make status says what it does.")
    return ids[0]


def require_cluster(account: Account) -> str:
    """The id of the environment's cluster, which must live.

    Raises
    ------
    OperatorError : it has ended
    """
    state, reason = account.cluster_state()
    cluster_id = str(account.cluster["cluster_id"])
    if state not in LIVE_STATES:
        why = f" ({reason})" if reason else ""
        raise OperatorError(
            f"the cluster {cluster_id} is {state}{why}: its nodes are gone. Fix: make logs shows what they wrote; "
            "make apply creates a new one.",
            exit_code=ExitCode.CLUSTER_ENDED,
        )
    return cluster_id


def find_plugin() -> str:
    """Where AWS's session-manager-plugin is.

    Raises
    ------
    NoShellError : it is not installed
    """
    path = shutil.which(PLUGIN)
    if path is None:
        raise NoShellError(f"{PLUGIN} is not installed. Fix: {INSTALL}", exit_code=ExitCode.PROGRAM)
    return path


def require_reachable(ssm: Any, instance: str) -> None:
    """Check that the node's agent has called Systems Manager.

    Raises
    ------
    NoShellError : it has not
    """
    filters = [{"Key": "InstanceIds", "Values": [instance]}]
    agents = ssm.describe_instance_information(Filters=filters)["InstanceInformationList"]
    status = agents[0]["PingStatus"] if agents else "not known to Systems Manager"
    if status != "Online":
        raise NoShellError(
            f"the agent on {instance} is not reachable ({status}). Fix: a node that has just started needs a few "
            "minutes; otherwise check that the stack was applied with enable_ssm = true."
        )


def list_plugin_arguments(
    answer: Mapping[str, Any], *, region: str, profile: str, target: str, endpoint: str
) -> list[str]:
    """The plugin's arguments, in the order that aws-cli gives them (aws-cli, sessionmanager.py).

    Parameters
    ----------
    answer : of StartSession
    profile : name of the AWS profile; empty for none
    target : EC2's id of the node
    endpoint : of Systems Manager
    """
    session = {name: answer[name] for name in ("SessionId", "TokenValue", "StreamUrl")}
    return [json.dumps(session), region, "StartSession", profile, json.dumps({"Target": target}), endpoint]


def start_session(account: Account, environ: Mapping[str, str], console: Console) -> int:
    """A session of Systems Manager on the primary node; the plugin's exit code.

    Raises
    ------
    NoShellError : the stack has no way in, the plugin is missing, or the agent does not answer
    """
    if "ssm" not in account.cluster.get("endpoints", []):
        raise NoShellError(
            "the cluster was created without access for a shell. Fix: enable_ssm = true in "
            f"infra/env/{account.target.env}.cluster.tfvars, then make apply (its endpoints cost about "
            "0.03 USD per hour and zone)."
        )
    program = find_plugin()
    instance = find_primary(account, require_cluster(account))
    ssm = account.client("ssm")
    require_reachable(ssm, instance)
    answer = ssm.start_session(Target=instance)
    arguments = list_plugin_arguments(
        answer,
        region=account.target.region,
        profile=environ.get("AWS_PROFILE", ""),
        target=instance,
        endpoint=str(ssm.meta.endpoint_url),
    )
    console.print(f"{instance}, as ssm-user; hadoop's shell is: sudo -iu hadoop")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for what runs on the node
    try:
        code = subprocess.run([program, *arguments], check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if code:  # a plugin that ends well has ended its session
        ssm.terminate_session(SessionId=answer["SessionId"])
    return code


def assume_role(account: Account, session_name: str) -> Keys:
    """Temporary keys of the nodes' role, as a node of the embedded AWS has them."""
    cluster = account.client("emr").describe_cluster(ClusterId=account.cluster["cluster_id"])["Cluster"]
    profile = str(cluster["Ec2InstanceAttributes"]["IamInstanceProfile"]).rsplit("/", 1)[-1]
    role = account.client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"][0]
    keys = account.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName=session_name)["Credentials"]
    return Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def open_local_shell(account: Account, console: Console) -> int:
    """A shell in the folder that stands for the node; bash's exit code.

    Raises
    ------
    NoShellError : the folder is gone with its cluster
    """
    cluster_id = require_cluster(account)
    root = Settings.from_environment().clusters / cluster_id
    if not root.is_dir():
        raise NoShellError(f"{cluster_id} has no folder yet. Fix: wait until it is BOOTSTRAPPING; make status.")
    primary = find_primary(account, cluster_id)
    node = Node(root, str(account.target.endpoint), account.target.region, lambda: assume_role(account, primary))
    python = node.localize_argument(str(account.cluster["python"]))
    console.print(
        f"this is a shell of your own machine, in the folder that stands for the primary node of {cluster_id}: the "
        f"embedded AWS has no machine.\nIt has the node's variables and its role's keys: aws s3 ls may do what the "
        f"node may. The job's Python: {python}. Type exit to leave."
    )
    interactive = sys.stdin.isatty()
    bash = ["bash", "--noprofile", "--norc", *(["-i"] if interactive else [])]
    prompt = {"PS1": f"[{cluster_id} primary, embedded] \\w $ ", "TERM": os.environ.get("TERM", "dumb")}
    return subprocess.run(
        bash, cwd=root, env={**node.make_environment(), **prompt, "PYTHON": python}, check=False
    ).returncode


def main(environ: Mapping[str, str]) -> int:
    """Exit code: the shell's own; 3, 20, 21 or 26 where there is none to be had."""
    account, console = open_account(environ), Console(stderr=True)
    return open_local_shell(account, console) if account.target.emulated else start_session(account, environ, console)
