"""`make apply`, `results`, `destroy`, `purge`, `state`, `upload-dataset`: the life of an environment.

With ``ENV=local`` all of it happens on the embedded AWS, which is started when it is needed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws.account import Account
from ops.aws.poll import LostError
from ops.aws.state_bucket import make_visibly
from ops.cli import browser
from ops.cli.place import open_account, read_place
from ops.cli.values import is_on, read_env, read_person, read_size
from ops.core.console import Console, tell_next, working
from ops.core.errors import ExitCode, UnfinishedError, WrongUseError
from ops.cost.upkeep import tell_upkeep
from ops.job.names import result_name
from ops.job.wheelhouse import WheelhouseError
from ops.lifecycle import environment, fault, upload
from ops.lifecycle.environment import RUN, Order
from ops.terraform.workspace import CommandFailedError, Workspace

BEGUN = (CommandFailedError, UnfinishedError, LostError, WheelhouseError, BotoCoreError, ClientError, OSError)
"""What breaks a command off when it may have made or removed something; what is refused before is none of these."""


def read_order(environ: Mapping[str, str]) -> Order:
    """How the environment is to be made; a fault that would not happen is refused before anything starts."""
    kind = fault.parse_fault(environ.get("FAULT") or "", fault.AT_START)
    return Order(size=read_size(environ), person=read_person(environ), fault=kind)


def describe_leftovers(command: str, local: bool) -> str:
    """What a command that broke off leaves, and what removes it."""
    again = "make purge" if command == "purge" else "make destroy"
    if local:
        return f"what was made so far is kept: {again} removes it; the embedded AWS bills nothing"
    return f"MAY STILL BILL: what is there so far; make status says what, {again} removes it"


def changes_environment(body: Callable[[Mapping[str, str], Console], None]) -> Callable[[Mapping[str, str]], int]:
    """A command of this group; when it breaks off, it says what that leaves."""
    name = body.__name__

    def command(environ: Mapping[str, str]) -> int:
        console, is_local = Console(), read_env(environ) == "local"
        try:
            body(environ, console)
        except KeyboardInterrupt:
            console.print(f"interrupted; {describe_leftovers(name, is_local)}")
            return ExitCode.INTERRUPTED
        except BEGUN as error:
            if name != "results":
                error.add_note(describe_leftovers(name, is_local))
            raise
        return 0

    return command


@changes_environment
def apply(environ: Mapping[str, str], console: Console) -> None:
    """`make apply`."""
    order, place = read_order(environ), read_place(environ)
    account = environment.prepare_account(place, order, console, yarn=is_on(environ, "YARN"))
    environment.apply(account, order, console)
    console.print(tell_upkeep(account))
    tell_next(console, account.target.command("upload-dataset INPUT=folder"), account.target.command("run-step"))


@changes_environment
def destroy(environ: Mapping[str, str], console: Console) -> None:
    """`make destroy`: asks first in a real account."""
    account = open_account(environ)
    environment.confirm_removal(account, read_person(environ), console)
    is_gone = environment.destroy(account, console)
    stop_after_removal(account, console, is_gone=is_gone)


@changes_environment
def purge(environ: Mapping[str, str], console: Console) -> None:
    """`make purge`: asks for the bucket's name."""
    account = open_account(environ)
    environment.purge(account, read_person(environ), console, confirmation=environ.get("PURGE") or "")
    stop_after_removal(account, console, is_gone=True)


def stop_after_removal(account: Account, console: Console, *, is_gone: bool) -> None:
    """Stop the embedded AWS after the end of its environment; without a cluster it goes on as long as it has images."""
    if not account.target.emulated:
        return
    if not is_gone and Workspace(target=account.target, stack="storage", capture=True).outputs():
        console.print("the embedded AWS keeps running, with its images; make local-down stops it and deletes them")
        return
    environment.stop_embedded(console)
    console.print("its images and results were deleted with it; what make results fetched is in runs/local/")


@changes_environment
def results(environ: Mapping[str, str], console: Console) -> None:
    """`make results`; two results of this machine are compared without an account."""
    output, earlier = environ.get("OUTPUT", ""), environ.get("COMPARE", "")
    if earlier and (Path(output) / RUN).is_file():
        show_comparison(Path(output), earlier, environ, console)
    else:
        show_results(open_account(environ), environ, console)


def show_results(account: Account, environ: Mapping[str, str], console: Console) -> None:
    """Fetch the results and show the page, where somebody is there to look (``OPEN=0`` declines)."""
    uri, model = environ.get("OUTPUT", ""), environ.get("MODEL", "")
    folder = environment.fetch_results(account, console, uri=uri, model=model)
    if earlier := environ.get("COMPARE"):
        show_comparison(folder, fetch_earlier(account, earlier, console), environ, console)
    else:
        show_page(folder / "report.html", environ, console)
    console.print(tell_upkeep(account))
    option = "" if folder.name == result_name(None) else f" OUTPUT={folder}"
    tell_next(
        console, account.target.command(f"neighbours IMAGE=photograph{option}"), account.target.command("destroy")
    )


def show_page(page: Path, environ: Mapping[str, str], console: Console) -> None:
    """Open a page in the browser, where there is one."""
    if page.exists() and browser.open_page(page.resolve().as_uri(), environ, terminal=console.is_terminal):
        console.print("opened in the browser (OPEN=0 turns that off)")


def fetch_earlier(account: Account, name: str, console: Console) -> str:
    """The folder of what COMPARE= names: one of this machine, or a result of the data bucket, which is fetched."""
    if (Path(name) / RUN).is_file():
        return name
    uri = name if "://" in name else f"s3://{account.bucket('data')}/results/{name}"
    return str(environment.fetch_results(account, console, uri=uri))


def show_comparison(newer: Path, earlier: str, environ: Mapping[str, str], console: Console) -> None:
    """Print what differs between two results of this machine, and write the page beside the newer one."""
    from ops.job import compare  # it takes the job's packages: only where they are asked for
    from ops.job.results import Result

    comparison = compare.compare_results(Result.at(str(newer)), Result.at(earlier))
    console.print(compare.make_facts_table(comparison))
    for line in compare.write_statements(comparison):
        console.print(line)
    page = newer / compare.PAGE
    page.write_text(compare.render_page(comparison), encoding="utf-8")
    console.print(f"compared in {page}")
    show_page(page, environ, console)


def create_state(environ: Mapping[str, str]) -> int:
    """`make state`."""
    console = Console()
    if read_env(environ) == "local":
        console.print("ENV=local keeps its state in build/terraform/local: there is nothing to make")
    else:
        make_visibly(open_account(environ), console)
    return 0


def upload_dataset(environ: Mapping[str, str]) -> int:
    """`make upload-dataset`."""
    console = Console()
    if not (name := environ.get("INPUT", "")):
        raise WrongUseError("no folder was given. Fix: make upload-dataset INPUT=dir.")
    try:
        folder = Path(name)
        with working(console, f"counting the images of {folder}"):
            paths, left_out = upload.list_images(folder)
        account = open_account(environ)
        upload.upload_visibly(account, folder, paths, console)
        if left_out:
            console.print(left_out.sentence())
        console.print(tell_upkeep(account))
        tell_next(console, account.target.command("run-step"))
    except KeyboardInterrupt:
        console.print("interrupted; what arrived is kept, and the same command continues with the rest")
        return ExitCode.INTERRUPTED
    return 0
