"""`make apply`, `make destroy`, `make purge`, `make results`, `make demo`: the life of an environment.

With ``ENV=local`` all of it happens on the embedded AWS, which is started when it is needed.
"""

from __future__ import annotations

import hashlib
import platform
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError
from fruits.outputs import RUN

from localaws import faults, server
from localaws.errors import LocalAwsError, NotRunningError
from localaws.settings import Settings
from ops.aws.account import Account
from ops.aws.poll import poll
from ops.aws.state_bucket import NoStateError, make_state, require_state
from ops.aws.studio import find_domain
from ops.aws.sweep import SweepError, has_studio, sweep, vpcs_of
from ops.core import browser
from ops.core.console import Console, ask, counting, elapsed, tell_next, working
from ops.core.errors import ExitCode, OperatorError, WrongUseError
from ops.core.paths import ROOT
from ops.core.target import BUCKET_PURPOSES, PROJECT
from ops.cost import after, in_report
from ops.cost.bills import last_line
from ops.diagnose import wait as diagnosis
from ops.job import wheelhouse
from ops.job.names import result_name
from ops.lifecycle import fault, studio
from ops.plan import policies
from ops.plan.summary import summary
from ops.terraform.variables import Artifacts, Size, boundary_of, cluster_variables
from ops.terraform.workspace import CommandFailedError, Workspace, embedded_home

BOOTSTRAP = ROOT / "bootstrap" / "install_tensorflow.sh"
SAMPLE = Path("data/sample")
STOPPED_MESSAGE = "the embedded AWS is stopped; nothing is left running"


def start_embedded(console: Console, environ: Mapping[str, str] | None = None) -> None:
    """Start the embedded AWS unless it runs. A new one is empty, so Terraform's states of an earlier one go.

    Parameters
    ----------
    environ : YARN=1 in it runs the steps on a real YARN

    Raises
    ------
    WithoutYarnError, YarnError : they cannot
    """
    settings = Settings.from_environment()
    settings.yarn = settings.yarn or (environ or {}).get("YARN") == "1"
    faults.require_yarn(fault.wanted(environ or {}), settings)
    try:
        server.status(settings.home)
        server.start(settings)  # it runs: as it is wanted?
    except NotRunningError:
        for state in (embedded_home() / "local").glob("*.tfstate*"):
            state.unlink()
        with working(console, "starting the embedded AWS"):
            record = server.start(settings)
        console.print(f"embedded AWS at {record.endpoint}")


def require_processor(arch: str, fix: str) -> None:
    """Nodes on the embedded AWS are of this machine's processor, because it runs their bootstrap and their steps.

    Raises
    ------
    WrongUseError : another is asked for
    """
    machine = wheelhouse.ARCHITECTURES.get(platform.machine())
    wanted = wheelhouse.ARCHITECTURES.get(arch)
    if machine and wanted and machine != wanted and Settings.from_environment().execute:
        raise WrongUseError(
            f"the embedded AWS runs the nodes' bootstrap and steps on this machine, which is {machine} and not "
            f"{wanted}. Fix: {fix}."
        )


def upload_artifacts(
    account: Account,
    arch: str,
    console: Console,
    build: Callable[..., wheelhouse.Wheelhouse] = wheelhouse.build,
) -> Artifacts:
    """Put bootstrap script and wheelhouse under their immutable keys; only what is not there is sent."""
    bucket = account.bucket("artifacts")
    data = BOOTSTRAP.read_bytes()
    key = f"bootstrap/{hashlib.sha256(data).hexdigest()[:16]}/{BOOTSTRAP.name}"
    account.client("s3").put_object(Bucket=bucket, Key=key, Body=data)
    made = wheelhouse.build_visibly(arch, console, build)
    uri = f"s3://{bucket}/wheelhouse"
    wheels = wheelhouse.sync(made, uri, store=wheelhouse.open_store(uri, account.client("s3")), console=console)
    return Artifacts(f"s3://{bucket}/{key}", wheels.uri)


def ensure_state(account: Account, environ: Mapping[str, str], console: Console) -> None:
    """The bucket of Terraform's states, made after a yes where the account has none.

    Raises
    ------
    NoStateError
        When it is not there, and nobody said that it may be made.
    """
    try:
        require_state(account)
    except NoStateError:
        bucket = account.target.state_bucket
        told = f"Terraform keeps its states in {bucket}, once an account: some kilobytes, which no command removes."
        if environ.get("YES") != "1":
            if environ.get("CI") or not sys.stdin.isatty():
                raise
            confirm(account, [told], environ, console)
        make_state(account.client("s3"), account.target)
        console.print(f"{bucket} made")


def ask_first(account: Account, storage: Workspace, environ: Mapping[str, str], console: Console) -> None:
    """Show what both stacks would make and its price, and ask, before anything is there. The embedded AWS asks nothing.

    Raises
    ------
    OperatorError
        When a rule is broken, the answer is no, or nobody is there to answer.
    """
    if account.target.emulated:
        return
    with working(console, "planning", quiet=True):
        changes, shown = preview(account, storage, environ)
    if broken := policies.check(shown, ceiling=None, region=account.target.region):
        raise OperatorError(f"the plan breaks a rule: {broken[0]}", exit_code=5)
    if changes:
        lines = [line for line in summary(shown, account.target.region) if "an hour costs" not in line]
        confirm(account, [*changes, *lines, *after.before_apply(shown, account, environ)], environ, console)


def preview(account: Account, storage: Workspace, environ: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    """What would be made, in sentences (none where nothing would), and the plan of the cluster, before any bucket."""
    place = storage.state.with_suffix(".preview.tfplan")
    place.parent.mkdir(parents=True, exist_ok=True)
    planned = storage.plan(out=place)
    stored, held = storage.show(place), storage.outputs()
    if not held and any(r["type"] == "aws_kms_key" for r in stored.get("resource_changes", [])):
        target = account.target  # the key's own id is known after apply; the price does not depend on it
        held = {"kms_key_arn": f"arn:aws:kms:{target.region}:{target.account_id}:key/{uuid.UUID(int=0)}"}
    boundary = boundary_of(account.target)
    extra = cluster_variables(account.target, held, Size.from_options(environ), boundary=boundary)
    cluster = Workspace(target=account.target, stack="cluster", extra=extra, capture=True)
    place = cluster.state.with_suffix(".preview.tfplan")
    changes = cluster.plan(out=place)
    lines = []
    if planned:
        size = f"some {wheelhouse.SOME_MB} MB"
        lines.append(f"   storage: buckets for images, results and logs, and the wheels of a node ({size})")
        if not stored.get("variables", {}).get("budget_emails", {}).get("value"):
            env = account.target.env
            lines.append(
                f"   nobody is mailed about the budget: name them in budget_emails, infra/env/{env}.storage.tfvars"
            )
    return [*lines, *(["   a cluster:"] if changes else [])], cluster.show(place)


def confirm(account: Account, lines: list[str], environ: Mapping[str, str], console: Console) -> None:
    """Ask before the first cent.

    Raises
    ------
    OperatorError
        When the answer is no, or nobody is there to answer.
    """
    if account.target.emulated or environ.get("YES") == "1":
        return
    console.print("\n".join(lines))
    if environ.get("CI") or not sys.stdin.isatty():
        raise OperatorError("nobody is here to confirm the price. Fix: YES=1 confirms it beforehand.", exit_code=2)
    if console.input("create it? type yes: ").strip() != "yes":
        raise OperatorError("nothing was created.", exit_code=2)


def apply(
    environ: Mapping[str, str],
    console: Console,
    account: Account | None = None,
    *,
    build: Callable[..., wheelhouse.Wheelhouse] = wheelhouse.build,
) -> Account:
    """Both stacks, with what a node needs uploaded in between.

    ``account`` and ``build`` (of the wheelhouse) are given where it is rehearsed.
    """
    fault.wanted(environ)  # a fault that there is not is refused before anything starts
    if account is None:
        if (environ.get("ENV") or "local") == "local":
            own = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
            require_processor(Size.from_options(environ).arch, f"ARCH={own}")
            start_embedded(console, environ)
        account = Account.from_environment(environ)
    ensure_state(account, environ, console)
    quiet = not console.is_terminal or account.target.emulated
    ask_first(account, Workspace(target=account.target, stack="storage", capture=True), environ, console)
    storage = Workspace(target=account.target, stack="storage", capture=quiet)
    began = elapsed()
    with working(console, "storage: buckets, budget", quiet=not quiet):
        storage.apply()
    console.print(f"storage applied in {elapsed() - began:.0f} s")
    size, boundary = Size.from_options(environ), boundary_of(account.target)
    artifacts = upload_artifacts(account, size.arch, console, build)
    extra = cluster_variables(account.target, storage.outputs(), size, artifacts=artifacts, boundary=boundary)
    cluster = Workspace(target=account.target, stack="cluster", extra=extra, capture=quiet)
    plan = cluster.state.with_suffix(".tfplan")
    plan.parent.mkdir(parents=True, exist_ok=True)
    with working(console, "cluster: planning", quiet=not quiet):
        changes = cluster.plan(out=plan)
        shown = cluster.show(plan)
    if not changes:
        console.print("the cluster is up to date: nothing to do")
        return account
    if broken := policies.check(shown, ceiling=None, region=account.target.region):
        raise OperatorError(f"the plan breaks a rule: {broken[0]}", exit_code=5)
    began = elapsed()
    creating = "cluster: creating; AWS takes five to ten minutes, the embedded one a minute"
    try:
        with working(console, creating, quiet=not quiet), fault.injected(account, environ, fault.AT_START):
            cluster.apply()
    except CommandFailedError as error:
        if (found := diagnosis.diagnose_start(account, error.output, console)) is None:
            raise
        console.print(error.output.strip()[-6000:])
        why = found.as_text(account.target.env)
        raise CommandFailedError(error.arguments, error.code, error.output, hint=f"Why:\n{why}") from error
    outputs = account.cluster
    name = f"cluster {outputs['cluster_id']} ({outputs['release_label']})"
    console.print(f"{name} applied in {elapsed() - began:.0f} s")
    return account


def destroy(environ: Mapping[str, str], console: Console, account: Account | None = None) -> None:
    """The cluster stack, and what EMR left in its network. Images and results stay (with ENV=local: until it stops)."""
    account = account or Account.from_environment(environ)
    quiet = not console.is_terminal or account.target.emulated
    cluster = Workspace(target=account.target, stack="cluster", capture=quiet)
    outputs, ec2 = cluster.outputs(), account.client("ec2")
    # By its tags: an apply that broke off leaves a network and no outputs.
    vpcs = vpcs_of(ec2, PROJECT, account.target.env)
    if not outputs and not vpcs:
        console.print("there is no cluster stack: nothing to destroy")
        console.print(last_line(account))
        return
    storage = Workspace(target=account.target, stack="storage", capture=True).outputs()
    size, boundary = Size.from_options(environ), boundary_of(account.target)
    extra = cluster_variables(account.target, storage, size, boundary=boundary)
    cluster = Workspace(target=account.target, stack="cluster", extra=extra, capture=quiet)
    with working(console, "ending the cluster") as say:
        if "cluster_id" in outputs:
            end_cluster(account, str(outputs["cluster_id"]), say)
            after.after_cluster(account, str(outputs["cluster_id"]), console)
    if has_studio(ec2, vpcs):
        close_studio(account, console)
        with working(console, "removing the notebooks' domain and home folders", quiet=not quiet):
            cluster.destroy(arguments=["-target=module.studio"])
    with working(console, "removing what AWS left in the network") as say:
        swept = sweep(ec2, vpcs, pause=1.0 if account.target.emulated else 5.0, say=say)
    if left := [*swept.endpoints, *swept.groups]:
        console.print(f"removed what AWS left in the network: {', '.join(left)}")
    with working(console, "cluster: removing", quiet=not quiet):
        cluster.destroy()
    rest = "" if account.target.emulated else "; images and results are untouched"
    console.print(f"cluster destroyed{rest}")
    # a fresh account: what this one has read of the stack is gone
    console.print(last_line(Account(account.target, account.environ)))


def confirm_removal(account: Account, environ: Mapping[str, str], console: Console) -> None:
    """Say what `destroy` removes in a real account, and ask.

    Raises
    ------
    OperatorError
        When the answer is no, or nobody is there to answer.
    """
    if account.target.emulated:
        return
    where = f"ENV={account.target.env} of account {account.target.account_id} in {account.target.region}"
    console.print(last_line(account))
    question = f"this removes the cluster and the network of {where}; images and results stay. Remove them?"
    ask(question, environ, refused="nothing was removed.")


def close_studio(account: Account, console: Console) -> None:
    """What a user made in the domain, which Terraform does not know and SageMaker wants gone before the domain."""
    sagemaker = account.client("sagemaker")
    domain = find_domain(sagemaker, f"{PROJECT}-{account.target.env}")
    if domain is None:
        return
    with working(console, "closing what runs in Studio") as say:
        spaces = studio.close(sagemaker, domain, say=say, pause=1.0 if account.target.emulated else 5.0)
    if spaces:
        told = f"closed in Studio, with the files in them: {', '.join(spaces)}"
        console.print(told)


def end_cluster(account: Account, cluster_id: str, say: Callable[[str], None] = lambda _: None) -> None:
    """Terminate a cluster and wait until it is gone: its groups and EMR's endpoint cannot go before."""
    emr = account.client("emr")
    emr.terminate_job_flows(JobFlowIds=[cluster_id])

    def look() -> bool | None:
        state = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]
        say(f"ending the cluster: {cluster_id} is {state}")
        return True if state.startswith("TERMINATED") else None

    poll(look, pause=1.0 if account.target.emulated else 10.0, say=say)


FETCHED = ("run.json", "report.html", "pca/scores.csv", "pca/model.npz")


def fetch_results(account: Account, environ: Mapping[str, str], console: Console) -> Path:
    """Report, scores and run.json of a result below the data bucket, to ``runs/<env>/<name>``."""
    data = account.bucket("data")
    uri = environ.get("OUTPUT") or f"s3://{data}/results/{result_name(environ.get('MODEL'))}"
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    folder = Path("runs") / account.target.env / prefix.rpartition("/")[2]
    if not fetch_files(account.client("s3"), bucket, prefix, folder, console):
        raise OperatorError(f"there is no finished result below {uri}. Fix: make run-step, or OUTPUT=.", exit_code=10)
    in_report.into_report(account, folder, environ)
    console.print(f"results in {folder}; open {folder / 'report.html'}")
    return folder


def fetch_files(s3: Any, bucket: str, prefix: str, folder: Path, console: Console) -> bool:
    """Fetch the files of a result that a person looks at; false when there is none."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    sizes = {
        name: int(item["Size"])
        for page in pages
        for item in page.get("Contents", [])
        if (name := item["Key"].removeprefix(f"{prefix}/")) in FETCHED
    }
    with counting(console, "fetching", sum(sizes.values()), bytes_=True) as advance:
        for name in sizes:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, f"{prefix}/{name}", str(target), Callback=advance)
    return bool(sizes)


def results(account: Account, environ: Mapping[str, str], console: Console) -> None:
    """Fetch the results and show the page, where somebody is there to look (``OPEN=0`` declines)."""
    folder = fetch_results(account, environ, console)
    if earlier := environ.get("COMPARE"):
        show_comparison(folder, earlier_result(account, earlier, environ, console), environ, console)
    else:
        show_page(folder / "report.html", environ, console)
    console.print(last_line(account))
    tell_next(console, account.target.command("neighbours IMAGE=photograph"), account.target.command("destroy"))


def show_page(page: Path, environ: Mapping[str, str], console: Console) -> None:
    """Open a page in the browser, where there is one."""
    if page.exists() and browser.show(page.resolve().as_uri(), environ, terminal=console.is_terminal):
        console.print("opened in the browser (OPEN=0 declines)")


def earlier_result(account: Account, name: str, environ: Mapping[str, str], console: Console) -> str:
    """The folder of what COMPARE= names: one of this machine, or a result of the data bucket, which is fetched."""
    if (Path(name) / RUN).is_file():
        return name
    uri = name if "://" in name else f"s3://{account.bucket('data')}/results/{name}"
    return str(fetch_results(account, {**environ, "OUTPUT": uri}, console))


def show_comparison(newer: Path, earlier: str, environ: Mapping[str, str], console: Console) -> None:
    """Print what differs between two results of this machine, and write the page beside the newer one."""
    from ops.job import compare  # it takes the job's packages: only where they are asked for
    from ops.job.results import Result

    found = compare.compare(Result.at(str(newer)), Result.at(earlier))
    console.print(compare.table_of(found))
    for line in compare.statements(found):
        console.print(line)
    page = newer / compare.PAGE
    page.write_text(compare.page_of(found), encoding="utf-8")
    console.print(f"compared in {page}")
    show_page(page, environ, console)


def purge(environ: Mapping[str, str], console: Console, account: Account | None = None) -> None:
    """Storage too: every image and result. The data bucket's name must be typed, or given as PURGE=."""
    account = account or Account.from_environment(environ)
    bucket = account.bucket("data")
    given = environ.get("PURGE") or (bucket if environ.get("YES") == "1" else "")
    if not given and sys.stdin.isatty():
        where = f"ENV={account.target.env} of account {account.target.account_id}"
        given = console.input(f"this removes the cluster and every image and result of {where}. Type {bucket}: ")
    if given.strip() != bucket:
        raise OperatorError(f"nothing was removed. Fix: PURGE={bucket} confirms it.", exit_code=2)
    destroy(environ, console, account)
    with working(console, "emptying the buckets") as say:
        for purpose in BUCKET_PURPOSES:
            empty_bucket(account.client("s3"), account.bucket(purpose), say)
    quiet = not console.is_terminal or account.target.emulated
    with working(console, "storage: removing", quiet=not quiet):
        Workspace(target=account.target, stack="storage", capture=quiet).destroy()
    console.print("storage removed: nothing of this environment is left, and nothing bills")


def empty_bucket(s3: Any, bucket: str, say: Callable[[str], None] = lambda _: None) -> None:
    """Every object and every older version of it."""
    gone = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        things = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": thing["Key"], "VersionId": thing["VersionId"]} for thing in things]
        if objects:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            gone += len(objects)
            if gone % 100_000 < len(objects):
                say(f"emptying {bucket}: {gone:,} objects and versions")


def stop_embedded(console: Console) -> None:
    """Stop the embedded AWS, where it is ours."""
    if server.stop(Settings.from_environment().home):
        console.print(STOPPED_MESSAGE)


def left_after(command: str, local: bool) -> str:
    """What a command that broke off leaves, and what removes it."""
    if command == "demo":
        return STOPPED_MESSAGE
    again = "make purge" if command == "purge" else "make destroy"
    if local:
        return f"what was made so far is kept: {again} removes it; the embedded AWS bills nothing"
    return f"MAY STILL BILL: what is there so far; make status says what, {again} removes it"


def told(command: str, environ: Mapping[str, str], body: Callable[[], int | None]) -> int:
    """Run a command of this room; when it breaks off, say what that leaves."""
    console, local = Console(), (environ.get("ENV") or "local") == "local"
    try:
        return body() or 0
    except KeyboardInterrupt:
        console.print(f"interrupted; {left_after(command, local)}")
        return ExitCode.INTERRUPTED
    except (OperatorError, LocalAwsError, FruitsError, BotoCoreError, ClientError) as error:
        broke_off = isinstance(error, (CommandFailedError, SweepError, BotoCoreError, ClientError))
        if command in ("apply", "destroy", "purge") and broke_off:
            error.add_note(left_after(command, local))
        raise


def apply_command(environ: Mapping[str, str]) -> int:
    """`make apply`."""
    return told("apply", environ, lambda: _applied(environ, Console()))


def _applied(environ: Mapping[str, str], console: Console) -> None:
    account = apply(environ, console)
    console.print(last_line(account))
    tell_next(console, account.target.command("upload-dataset INPUT=folder"), account.target.command("run-step"))


def results_command(environ: Mapping[str, str]) -> int:
    """`make results`; two results of this machine are compared without an account."""
    output, earlier = environ.get("OUTPUT", ""), environ.get("COMPARE", "")
    if earlier and (Path(output) / RUN).is_file():
        return told("results", environ, lambda: show_comparison(Path(output), earlier, environ, Console()))
    return told("results", environ, lambda: results(Account.from_environment(environ), environ, Console()))


def destroy_command(environ: Mapping[str, str]) -> int:
    """`make destroy`: asks first in a real account."""
    return told("destroy", environ, lambda: _removed(destroy, environ))


def purge_command(environ: Mapping[str, str]) -> int:
    """`make purge`: asks for the bucket's name."""
    return told("purge", environ, lambda: _removed(purge, environ))


def _removed(remove: Callable[[Mapping[str, str], Console, Account], None], environ: Mapping[str, str]) -> None:
    account, console = Account.from_environment(environ), Console()
    if remove is destroy:
        confirm_removal(account, environ, console)
    remove(environ, console, account)
    if (environ.get("ENV") or "local") == "local":
        stop_embedded(console)
        gone = "its images and results went with it; what make results fetched is in runs/local/"
        console.print(gone)
