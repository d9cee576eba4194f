"""`make studio-notebook`, `studio-open`, `studio-stop`: SageMaker Studio beside the cluster (docs/studio.md).

`studio-notebook` puts the notebook and its zip into the data bucket, from which Studio's user may read; `studio-open`
prints an address that lets him in; `studio-stop` ends what bills by the hour. What a user makes in a domain, spaces and
the apps in them, Terraform does not know, and SageMaker deletes neither user nor domain before it: `make destroy` calls
``close`` first.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from ops.aws.account import Account, NotAppliedError, OperatorError
from ops.core import browser
from ops.core.console import working
from ops.cost.bills import last_line
from ops.job.notebook import NOTEBOOK, SOURCE, ZIP, bundle, notebook
from ops.terraform.workspace import TerraformError

PREFIX = "notebook"
EXPIRES_SECONDS = 300
WAIT_SECONDS = 900.0
HERE = "The embedded AWS has no Studio behind this address: it only shows that the call is right."


class NoStudioError(OperatorError):
    """The environment has no Studio domain."""

    exit_code = 20


def connection(account: Account) -> Mapping[str, str]:
    """Domain, user and the line that connects a notebook to the cluster: the cluster stack's output.

    Raises
    ------
    NoStudioError : Studio is off
    NotAppliedError : there is no cluster
    """
    found: Mapping[str, str] | None = account.cluster.get("studio")
    if not found:
        env = account.target.env
        raise NoStudioError(
            f"ENV={env} has no SageMaker Studio. Fix: enable_studio = true and enable_nat = true in "
            f"infra/env/{env}.cluster.tfvars, then make apply ENV={env}."
        )
    return found


def put(account: Account, console: Console) -> list[str]:
    """Notebook and zip to the data bucket; their addresses. What is there already is replaced."""
    bucket, s3 = account.bucket("data"), account.client("s3")
    contents = {
        NOTEBOOK.name: notebook(SOURCE.read_text(encoding="utf-8")).encode(),
        ZIP: bundle(),
    }
    for name, content in contents.items():
        s3.put_object(Bucket=bucket, Key=f"{PREFIX}/{name}", Body=content)
    said = [
        f"put to s3://{bucket}/{PREFIX}/: {', '.join(contents)}",
        "in a terminal of JupyterLab:",
        f"  aws s3 cp --recursive s3://{bucket}/{PREFIX}/ fruits/",
        f"and open fruits/{NOTEBOOK.name}",
    ]
    try:
        said.append(f"for cells that run on the cluster: {connection(account)['line']}")
    except NotAppliedError:
        said.append("there is no cluster now; the notebook runs without one")
    except NoStudioError as error:
        said.append(f"{error} Then make studio-open.")
    for line in said:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return [f"s3://{bucket}/{PREFIX}/{name}" for name in contents]


def presigned(sagemaker: Any, domain_id: str, user: str) -> str:
    """An address that is the user's way in for five minutes."""
    answer = sagemaker.create_presigned_domain_url(
        DomainId=domain_id, UserProfileName=user, ExpiresInSeconds=EXPIRES_SECONDS
    )
    return str(answer["AuthorizedUrl"])


def open_(account: Account, environ: Mapping[str, str], console: Console) -> str:
    """Print the address, and open it where somebody is there to look."""
    found = connection(account)
    address = presigned(account.client("sagemaker"), found["domain_id"], found["user"])
    for line in (
        f"Studio of {found['user']}; whoever has the address is that user, and it works for five minutes:",
        address,
        "Make a JupyterLab space there; it bills by the hour while it runs. make studio-stop ends it.",
    ):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if account.target.emulated:
        console.print(HERE, highlight=False, soft_wrap=True)
    else:
        browser.show(address, environ, terminal=console.is_terminal)
    return address


# --------------------------------------------------------------------------------------------- what runs in a domain


def domain_of(sagemaker: Any, name: str) -> str | None:
    """The id of the domain of that name; None where there is none."""
    pages = sagemaker.get_paginator("list_domains").paginate()
    return next((str(d["DomainId"]) for page in pages for d in page["Domains"] if d["DomainName"] == name), None)


def apps_of(sagemaker: Any, domain_id: str) -> list[dict[str, Any]]:
    """What runs, starts or stops in a domain. SageMaker lists a deleted app for a day: those are left out."""
    pages = sagemaker.get_paginator("list_apps").paginate(DomainIdEquals=domain_id)
    return [app for page in pages for app in page["Apps"] if app["Status"] not in ("Deleted", "Failed")]


def label(app: Mapping[str, Any]) -> str:
    """An app for a reader.

    >>> label({"AppType": "JupyterLab", "SpaceName": "mine", "ResourceSpec": {"InstanceType": "ml.t3.medium"}})
    'JupyterLab of mine (ml.t3.medium)'
    """
    kind = (app.get("ResourceSpec") or {}).get("InstanceType")
    owner = app.get("SpaceName") or app.get("UserProfileName")
    return f"{app['AppType']} of {owner}" + (f" ({kind})" if kind else "")


def stop(
    sagemaker: Any,
    domain_id: str,
    *,
    say: Callable[[str], None] = lambda _: None,
    patience: float = WAIT_SECONDS,
    pause: float = 5.0,
) -> list[str]:
    """Delete every app of a domain, which is what bills by the hour; files stay in their spaces.

    Returns
    -------
    list of str
        What was stopped, for a reader.

    Raises
    ------
    OperatorError : something still runs at the end of the wait
    """
    found = apps_of(sagemaker, domain_id)
    for app in found:
        if app["Status"] != "Deleting":
            owner = {key: app[key] for key in ("SpaceName", "UserProfileName") if app.get(key)}
            sagemaker.delete_app(DomainId=domain_id, AppType=app["AppType"], AppName=app["AppName"], **owner)
    deadline = time.monotonic() + patience
    while left := apps_of(sagemaker, domain_id):
        names = ", ".join(label(app) for app in left)
        if time.monotonic() > deadline:
            raise OperatorError(f"still running after {patience:.0f} s: {names}. Fix: make studio-stop again.")
        say(f"waiting until SageMaker has stopped {names}")
        time.sleep(pause)
    return [label(app) for app in found]


def close(
    sagemaker: Any,
    domain_id: str,
    *,
    say: Callable[[str], None] = lambda _: None,
    patience: float = WAIT_SECONDS,
    pause: float = 5.0,
) -> list[str]:
    """Stop every app and delete every space of a domain, files in them too; returns the spaces' names.

    Raises
    ------
    OperatorError : something is still there at the end of the wait
    """
    stop(sagemaker, domain_id, say=say, patience=patience, pause=pause)

    def spaces() -> list[dict[str, Any]]:
        pages = sagemaker.get_paginator("list_spaces").paginate(DomainIdEquals=domain_id)
        return [space for page in pages for space in page["Spaces"]]

    found = spaces()
    for space in found:
        if space["Status"] != "Deleting":
            sagemaker.delete_space(DomainId=domain_id, SpaceName=space["SpaceName"])
    deadline = time.monotonic() + patience
    while left := spaces():
        if time.monotonic() > deadline:
            told = ", ".join(f"{space['SpaceName']} ({space['Status']})" for space in left)
            raise OperatorError(f"spaces are still there after {patience:.0f} s: {told}. Fix: make destroy again.")
        say(f"waiting until SageMaker has deleted {len(left)} space{'' if len(left) == 1 else 's'}")
        time.sleep(pause)
    return [str(space["SpaceName"]) for space in found]


def end(account: Account, console: Console) -> list[str]:
    """Stop what bills by the hour, and say what that was."""
    sagemaker, domain_id = account.client("sagemaker"), connection(account)["domain_id"]
    with working(console, "stopping what runs in Studio") as say:
        stopped = stop(sagemaker, domain_id, say=say, pause=1.0 if account.target.emulated else 5.0)
    what = f"stopped {', '.join(stopped)}" if stopped else "nothing was running"
    console.print(f"{what}; files stay in their spaces", highlight=False, soft_wrap=True, markup=False)
    return stopped


def main() -> int:
    """Entry point: ``notebook``, ``open`` or ``stop``. Exit code: 0; 20 without a cluster or without Studio."""
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    console = Console()
    try:
        if name not in ("notebook", "open", "stop"):
            raise OperatorError("say what: notebook, open or stop.", exit_code=2)
        account = Account.from_environment(os.environ)
        if name == "notebook":
            put(account, console)
        elif name == "open":
            open_(account, os.environ, console)
        else:
            end(account, console)
        console.print(last_line(account), highlight=False, soft_wrap=True, markup=False)
    except KeyboardInterrupt:
        return 130
    except (OperatorError, TerraformError, BotoCoreError, ClientError) as error:
        Console(stderr=True).print(f"studio: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return int(getattr(error, "exit_code", 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
