"""`make studio-notebook`, `studio-open`, `studio-stop`: SageMaker Studio beside the cluster (docs/studio.md).

`studio-notebook` puts the notebook and its zip into the data bucket, from which Studio's user may read; `studio-open`
prints an address that lets him in; `studio-stop` ends what bills by the hour. What a user makes in a domain, spaces and
the apps in them, Terraform does not know, and SageMaker deletes neither user nor domain before it: `make destroy` calls
``close_domain`` first.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ops.aws.account import Account
from ops.aws.describe import list_pages
from ops.aws.poll import pace, poll
from ops.aws.studio import describe_app, list_apps
from ops.core.console import Console, working
from ops.core.errors import ExitCode, NotAppliedError, OperatorError, UnfinishedError
from ops.job.notebook import NOTEBOOK, SOURCE, ZIP, make_bundle, make_notebook

PREFIX = "notebook"
EXPIRES_SECONDS = 300
WAIT_SECONDS = 900.0
HERE = "The embedded AWS has no Studio behind this address: it only shows that the call is right."


class NoStudioError(OperatorError):
    """The environment has no Studio domain."""

    exit_code = ExitCode.NOT_APPLIED


def read_connection(account: Account) -> Mapping[str, str]:
    """Domain, user and the line that connects a notebook to the cluster: the cluster stack's output.

    Raises
    ------
    NoStudioError : Studio is off
    NotAppliedError : there is no cluster
    """
    values: Mapping[str, str] | None = account.cluster.get("studio")
    if not values:
        env = account.target.env
        raise NoStudioError(
            f"ENV={env} has no SageMaker Studio. Fix: enable_studio = true and enable_nat = true in "
            f"infra/env/{env}.cluster.tfvars, then make apply ENV={env}."
        )
    return values


def put_notebook(account: Account, console: Console) -> list[str]:
    """Notebook and zip to the data bucket; their addresses. What is there already is replaced."""
    bucket, s3 = account.bucket("data"), account.client("s3")
    contents = {NOTEBOOK.name: make_notebook(SOURCE.read_text(encoding="utf-8")).encode(), ZIP: make_bundle()}
    for name, content in contents.items():
        s3.put_object(Bucket=bucket, Key=f"{PREFIX}/{name}", Body=content)
    texts = [
        f"put to s3://{bucket}/{PREFIX}/: {', '.join(contents)}",
        "in a terminal of JupyterLab:",
        f"  aws s3 cp --recursive s3://{bucket}/{PREFIX}/ fruits/",
        f"and open fruits/{NOTEBOOK.name}",
    ]
    try:
        texts.append(f"for cells that run on the cluster: {read_connection(account)['line']}")
    except NotAppliedError:
        texts.append("there is no cluster now; the notebook runs without one")
    except NoStudioError as error:
        texts.append(f"{error} Then make studio-open.")
    for line in texts:
        console.print(line)
    return [f"s3://{bucket}/{PREFIX}/{name}" for name in contents]


def make_address(sagemaker: Any, domain_id: str, user: str) -> str:
    """An address that is the user's way in for five minutes."""
    answer = sagemaker.create_presigned_domain_url(
        DomainId=domain_id, UserProfileName=user, ExpiresInSeconds=EXPIRES_SECONDS
    )
    return str(answer["AuthorizedUrl"])


def print_address(account: Account, console: Console) -> str:
    """An address that opens Studio, printed with what it is good for."""
    values = read_connection(account)
    address = make_address(account.client("sagemaker"), values["domain_id"], values["user"])
    for line in (
        f"Studio of {values['user']}; anyone with this address is that user for five minutes:",
        address,
        "Make a JupyterLab space there; it bills by the hour while it runs. make studio-stop ends it.",
    ):
        console.print(line)
    if account.target.emulated:
        console.print(HERE)
    return address


def stop_apps(sagemaker: Any, domain_id: str, **waiting: Any) -> list[str]:
    """Delete every app of a domain, which is what bills by the hour, and say which; files stay in their spaces.

    Parameters
    ----------
    waiting : say, patience and pause of `wait_until_gone`

    Raises
    ------
    UnfinishedError : something still runs at the end of the wait
    """
    apps = list_apps(sagemaker, domain_id)
    for app in apps:
        if app["Status"] != "Deleting":
            owner = {key: app[key] for key in ("SpaceName", "UserProfileName") if app.get(key)}
            sagemaker.delete_app(DomainId=domain_id, AppType=app["AppType"], AppName=app["AppName"], **owner)

    def list_running() -> list[str]:
        return [describe_app(app) for app in list_apps(sagemaker, domain_id)]

    if running := wait_until_gone(list_running, "stopped {}", **waiting):
        raise UnfinishedError(f"still running in Studio: {', '.join(running)}. Fix: make studio-stop again.")
    return [describe_app(app) for app in apps]


def wait_until_gone(
    look: Callable[[], list[str]],
    done: str,
    *,
    say: Callable[[str], None] = lambda _: None,
    patience: float = WAIT_SECONDS,
    pause: float = 5.0,
) -> list[str]:
    """Wait until a look finds nothing more; what is left when the patience ends.

    Parameters
    ----------
    done : what SageMaker is to have done with ``{}``
    """
    names: list[str] = []

    def is_gone() -> bool | None:
        names[:] = look()
        if names:
            say(f"waiting until SageMaker has {done.format(', '.join(names))}")
        return None if names else True

    poll(is_gone, pause=pause, limit=patience, say=say)
    return names


def close_domain(sagemaker: Any, domain_id: str, **waiting: Any) -> list[str]:
    """Stop every app and delete every space of a domain, files in them too; returns the spaces' names.

    Parameters
    ----------
    waiting : as `stop_apps` takes it

    Raises
    ------
    UnfinishedError : something is still there at the end of the wait
    """
    stop_apps(sagemaker, domain_id, **waiting)

    def spaces() -> list[dict[str, Any]]:
        return list(list_pages(sagemaker, "list_spaces", "Spaces", DomainIdEquals=domain_id))

    listed = spaces()
    for space in listed:
        if space["Status"] != "Deleting":
            sagemaker.delete_space(DomainId=domain_id, SpaceName=space["SpaceName"])

    def list_left() -> list[str]:
        return [f"{space['SpaceName']} ({space['Status']})" for space in spaces()]

    if names := wait_until_gone(list_left, "deleted the spaces {}", **waiting):
        raise UnfinishedError(f"spaces are still there: {', '.join(names)}. Fix: make destroy again.")
    return [str(space["SpaceName"]) for space in listed]


def stop_studio(account: Account, console: Console) -> list[str]:
    """Stop what bills by the hour, and say what that was."""
    sagemaker, domain_id = account.client("sagemaker"), read_connection(account)["domain_id"]
    with working(console, "stopping what runs in Studio") as say:
        stopped = stop_apps(sagemaker, domain_id, say=say, pause=pace(5.0, emulated=account.target.emulated))
    outcome = f"stopped {', '.join(stopped)}" if stopped else "nothing was running"
    console.print(f"{outcome}; files stay in their spaces")
    return stopped
