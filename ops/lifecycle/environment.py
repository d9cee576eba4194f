"""The life of an environment: apply, fetch results, destroy, purge.

With ``ENV=local`` all of it happens on the embedded AWS, which is started when it is needed.
"""

import platform
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fruits.wording import format_count

from localaws import faults, server
from localaws.errors import NotRunningError
from localaws.settings import Settings
from ops.aws import transfer
from ops.aws.account import Account, Place
from ops.aws.describe import list_pages
from ops.aws.poll import pace, poll
from ops.aws.state_bucket import MissingStateError, make_state_bucket, require_state
from ops.aws.studio import find_domain
from ops.aws.sweep import find_vpcs, has_studio, sweep_network
from ops.core.console import Console, Person, ask, counting, elapsed, working
from ops.core.errors import ExitCode, OperatorError, UnfinishedError, WrongUseError
from ops.core.paths import ROOT
from ops.core.target import BUCKET_PURPOSES, PROJECT
from ops.cost import after, in_report
from ops.cost.quote import describe_before_apply
from ops.cost.upkeep import tell_upkeep
from ops.job import wheelhouse
from ops.job.names import result_name
from ops.lifecycle import fault, studio
from ops.plan import policies
from ops.plan.summary import summarize, warn_unmailed
from ops.terraform.variables import Artifacts, Size, cluster_variables, find_boundary
from ops.terraform.workspace import CommandFailedError, Workspace, find_embedded_home

BOOTSTRAP = ROOT / "bootstrap" / "install_tensorflow.sh"
SAMPLE = Path("data/sample")
NOTHING = "nothing was created."


@dataclass(frozen=True, kw_only=True)
class Order:
    """How an environment is to be made.

    Attributes
    ----------
    size : of its cluster
    person : who may be asked before anything is made
    fault : what goes wrong while its cluster comes up; empty for nothing
    """

    size: Size = field(default_factory=Size)
    person: Person = field(default_factory=Person)
    fault: str = ""


def start_embedded(console: Console, *, yarn: bool = False, kind: str = "") -> None:
    """Start the embedded AWS unless it runs. A new one is empty, so Terraform's states of an earlier one go.

    Parameters
    ----------
    yarn : run the steps on a real YARN
    kind : of the fault that will be asked of it

    Raises
    ------
    WithoutYarnError, YarnError : they cannot
    """
    settings = Settings.from_environment()
    settings.yarn = settings.yarn or yarn
    faults.require_yarn(kind, settings)
    try:
        server.find_server(settings.home)
        server.start(settings)  # it runs: as it is wanted?
    except NotRunningError:
        for state in (find_embedded_home() / "local").glob("*.tfstate*"):
            state.unlink(missing_ok=True)
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
    asked_for = wheelhouse.ARCHITECTURES.get(arch)
    if machine and asked_for and machine != asked_for and Settings.from_environment().execute:
        raise WrongUseError(
            f"the embedded AWS runs the nodes' bootstrap and steps on this machine, which is {machine} and not "
            f"{asked_for}. Fix: {fix}."
        )


def prepare_account(place: Place, order: Order, console: Console, *, yarn: bool = False) -> Account:
    """The account of an environment that is to be made; the embedded AWS is started for it.

    Raises
    ------
    WrongUseError : the nodes of the order have another processor than this machine
    """
    if place.is_local:
        arch = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
        require_processor(order.size.arch, f"ARCH={arch}")
        start_embedded(console, yarn=yarn, kind=order.fault)
    return Account.at(place)


def upload_artifacts(
    account: Account,
    arch: str,
    console: Console,
    build: Callable[..., wheelhouse.Wheelhouse] = wheelhouse.build_wheelhouse,
) -> Artifacts:
    """Put bootstrap script and wheelhouse under their immutable keys; only what is not there is sent."""
    bucket = account.bucket("artifacts")
    artifacts = Artifacts.by_content(bucket, arch)
    key = artifacts.bootstrap_uri.removeprefix(f"s3://{bucket}/")
    account.client("s3").put_object(Bucket=bucket, Key=key, Body=BOOTSTRAP.read_bytes())
    wheels_here = wheelhouse.build_visibly(arch, console, build)
    uri = f"s3://{bucket}/wheelhouse"
    wheels = wheelhouse.sync(wheels_here, uri, store=wheelhouse.open_store(uri, account.client("s3")), console=console)
    return replace(artifacts, wheelhouse_uri=wheels.uri)


def ensure_state(account: Account, person: Person, console: Console) -> bool:
    """The bucket of Terraform's states, made after a yes where the account has none; whether it was made.

    Raises
    ------
    NoStateError : it cannot be used; or it is not there, and nobody said that it may be made
    """
    try:
        require_state(account)
    except MissingStateError:
        bucket = account.target.state_bucket
        text = f"Terraform keeps its states in {bucket}, once per account: a few kilobytes, which no command removes."
        if not person.has_agreed:
            if not person.is_present:
                raise
            confirm(account, [text], person, console)
        make_state_bucket(account.client("s3"), account.target)
        console.print(f"{bucket} made")
        return True
    return False


def refuse_broken_rule(account: Account, plan: Mapping[str, Any]) -> None:
    """Check a plan against the rules of `ops.plan.policies`.

    Raises
    ------
    OperatorError : it breaks one
    """
    if broken := policies.check_plan(plan, region=account.target.region):
        raise OperatorError(f"the plan breaks a rule: {broken[0]}", exit_code=ExitCode.RULE)


def ask_first(account: Account, order: Order, console: Console, refused: str = NOTHING) -> None:
    """Show what both stacks would make and its price, and ask, before anything is there. The embedded AWS asks nothing.

    Parameters
    ----------
    refused : what a no leaves

    Raises
    ------
    OperatorError : a rule is broken, the answer is no, or nobody is there to answer
    """
    if account.target.emulated:
        return
    changes, plan = preview_plans(account, order.size)
    refuse_broken_rule(account, plan)
    if changes:
        lines = [line for line in summarize(plan, account.target.region) if "an hour costs" not in line]
        lines += describe_before_apply(plan, account, order.size)
        confirm(account, [*changes, *lines], order.person, console, refused)


def open_cluster(
    account: Account, storage: Mapping[str, Any], size: Size, *, capture: bool, artifacts: Artifacts | None = None
) -> Workspace:
    """The cluster's stack with its variables; ``storage`` are the outputs of the storage stack."""
    boundary = find_boundary(account.target)
    extra = cluster_variables(account.target, storage, size, artifacts=artifacts, boundary=boundary)
    return Workspace(target=account.target, stack="cluster", extra=extra, capture=capture)


def preview_plans(account: Account, size: Size) -> tuple[list[str], dict[str, Any]]:
    """What would be made, in sentences (none where nothing would), and the plan of the cluster, before any bucket."""
    storage = Workspace(target=account.target, stack="storage", capture=True)
    with storage.plan_file() as file:
        planned = storage.plan(out=file)
        stored, outputs = storage.show(file), storage.outputs()
    if not outputs and any(r["type"] == "aws_kms_key" for r in stored.get("resource_changes", [])):
        target = account.target  # the key's own id is known after apply; the price does not depend on it
        outputs = {"kms_key_arn": f"arn:aws:kms:{target.region}:{target.account_id}:key/{uuid.UUID(int=0)}"}
    cluster = open_cluster(account, outputs, size, capture=True)
    with cluster.plan_file() as file:
        changes = cluster.plan(out=file)
        planned_cluster = cluster.show(file)
    lines = []
    if planned:
        amount = f"some {wheelhouse.SOME_MB} MB"
        lines.append(f"   storage: buckets for images, results and logs, and the wheels of a node ({amount})")
        lines += warn_unmailed(stored, account.target.env)
    return [*lines, *(["   a cluster:"] if changes else [])], planned_cluster


def confirm(account: Account, lines: list[str], person: Person, console: Console, refused: str = NOTHING) -> None:
    """Ask before the first cent.

    Raises
    ------
    OperatorError : the answer is no, or nobody is there to answer
    """
    if account.target.emulated or person.has_agreed:
        return
    console.print("\n".join(lines))
    absent = "there is no terminal to confirm the price on. Fix: YES=1 confirms it beforehand."
    ask("create it?", person, refused=refused, absent=absent, console=console)


def apply(
    account: Account,
    order: Order,
    console: Console,
    *,
    build: Callable[..., wheelhouse.Wheelhouse] = wheelhouse.build_wheelhouse,
) -> None:
    """Both stacks, with what a node needs uploaded in between.

    ``build`` (of the wheelhouse) is given where it is rehearsed.
    """
    is_new = ensure_state(account, order.person, console)
    refused = f"nothing was created but {account.target.state_bucket}, which is empty and stays." if is_new else NOTHING
    ask_first(account, order, console, refused)
    storage = apply_storage(account, console)
    artifacts = upload_artifacts(account, order.size.arch, console, build)
    quiet = is_quiet(account, console)
    cluster = open_cluster(account, storage.outputs(), order.size, capture=quiet, artifacts=artifacts)
    apply_cluster(account, cluster, order.fault, console)


def is_quiet(account: Account, console: Console) -> bool:
    """Whether Terraform's own text is kept back: on the embedded AWS, and where no terminal shows it."""
    return not console.is_terminal or account.target.emulated


def apply_storage(account: Account, console: Console) -> Workspace:
    """Make or change the buckets and the budget; their stack."""
    storage = Workspace(target=account.target, stack="storage", capture=is_quiet(account, console))
    began = elapsed()
    with working(console, "storage: buckets, budget", quiet=not storage.capture):
        storage.apply()
    console.print(f"storage applied in {elapsed() - began:.0f} s")
    return storage


def apply_cluster(account: Account, cluster: Workspace, kind: str, console: Console) -> None:
    """Plan the cluster, refuse a plan that breaks a rule, and apply just that plan.

    Parameters
    ----------
    kind : of the fault that strikes while it comes up; empty for none

    Raises
    ------
    OperatorError : a rule is broken, or the cluster did not come up; the message says why where that is known
    """
    with cluster.plan_file() as file:
        with working(console, "cluster: planning", quiet=not cluster.capture):
            changes = cluster.plan(out=file)
            plan = cluster.show(file)
        if not changes:
            console.print("the cluster is up to date: nothing to do")
            return
        refuse_broken_rule(account, plan)
        create_cluster(account, cluster, file, kind, console)


def create_cluster(account: Account, cluster: Workspace, plan: Path, kind: str, console: Console) -> None:
    """Apply a kept plan of the cluster.

    Raises
    ------
    CommandFailedError : the cluster did not come up; the message says why where that is known
    """
    began = elapsed()
    creating = "cluster: creating; AWS takes five to ten minutes, the embedded one a minute"
    try:
        with working(console, creating, quiet=not cluster.capture), fault.injected(account, kind, fault.AT_START):
            cluster.apply_plan(plan)
    except CommandFailedError as error:
        if not (hint := explain_start(account, error.output, console)):
            raise
        raise CommandFailedError(error.arguments, error.code, error.output, hint=hint) from error
    outputs = account.cluster
    name = f"cluster {outputs['cluster_id']} ({outputs['release_label']})"
    console.print(f"{name} applied in {elapsed() - began:.0f} s")


def explain_start(account: Account, printed: str, console: Console) -> str:
    """Why a cluster did not come up, after what Terraform printed; empty where nothing tells."""
    from ops.diagnose import wait as diagnosis  # its tables of causes; every other command does without

    if (diagnosed := diagnosis.diagnose_start(account, printed, console)) is None:
        return ""
    console.print(printed.strip()[-6000:])
    return f"Why:\n{diagnosed.as_text(account.target.env)}"


def destroy(account: Account, console: Console) -> bool:
    """Remove the cluster stack and what EMR left in its network, not images and results; whether there was anything."""
    quiet = is_quiet(account, console)
    outputs = Workspace(target=account.target, stack="cluster", capture=quiet).outputs()
    ec2 = account.client("ec2")
    # By its tags: an apply that broke off leaves a network and no outputs.
    vpcs = find_vpcs(ec2, PROJECT, account.target.env)
    if not outputs and not vpcs:
        console.print("there is no cluster stack: nothing to destroy")
        console.print(tell_upkeep(account))
        return False
    storage = Workspace(target=account.target, stack="storage", capture=True).outputs()
    cluster = open_cluster(account, storage, Size(), capture=quiet)
    with working(console, "ending the cluster") as say:
        if "cluster_id" in outputs:
            end_cluster(account, str(outputs["cluster_id"]), say)
            after.tell_cluster_cost(account, str(outputs["cluster_id"]), console)
    if has_studio(ec2, vpcs):
        close_studio(account, console)
        with working(console, "removing the notebooks' domain and home folders", quiet=not quiet):
            cluster.destroy(arguments=["-target=module.studio"])
    with working(console, "removing what AWS left in the network") as say:
        names = sweep_network(ec2, vpcs, pause=pace(5.0, emulated=account.target.emulated), say=say)
    if names:
        console.print(f"removed what AWS left in the network: {', '.join(names)}")
    with working(console, "cluster: removing", quiet=not quiet):
        cluster.destroy()
    remark = "" if account.target.emulated else "; images and results are untouched"
    console.print(f"cluster destroyed{remark}")
    # a fresh account: what this one has read of the stack is gone
    console.print(tell_upkeep(replace(account)))
    return True


def confirm_removal(account: Account, person: Person, console: Console) -> None:
    """Say what `destroy` removes in a real account, and ask.

    Raises
    ------
    OperatorError : the answer is no, or nobody is there to answer
    """
    if account.target.emulated:
        return
    where = f"ENV={account.target.env} of account {account.target.account_id} in {account.target.region}"
    console.print(tell_upkeep(account))
    question = f"this removes the cluster and the network of {where}; images and results stay. Remove them?"
    ask(question, person, refused="nothing was removed.")


def close_studio(account: Account, console: Console) -> None:
    """What a user made in the domain, which Terraform does not know and SageMaker wants gone before the domain."""
    sagemaker = account.client("sagemaker")
    domain = find_domain(sagemaker, f"{PROJECT}-{account.target.env}")
    if domain is None:
        return
    with working(console, "closing what runs in Studio") as say:
        pause = pace(5.0, emulated=account.target.emulated)
        spaces = studio.close_domain(sagemaker, domain, say=say, pause=pause)
    if spaces:
        console.print(f"closed in Studio, with the files in them: {', '.join(spaces)}")


def end_cluster(account: Account, cluster_id: str, say: Callable[[str], None] = lambda _: None) -> None:
    """Terminate a cluster and wait until it is gone: its groups and EMR's endpoint cannot go before."""
    emr = account.client("emr")
    emr.terminate_job_flows(JobFlowIds=[cluster_id])

    def look() -> bool | None:
        state = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]
        say(f"ending the cluster: {cluster_id} is {state}")
        return True if state.startswith("TERMINATED") else None

    poll(look, pause=pace(10.0, emulated=account.target.emulated), say=say)


RUN = "run.json"
FETCHED = (RUN, "report.html", "pca/scores.csv", "pca/model.npz")


def fetch_results(account: Account, console: Console, *, uri: str = "", model: str = "") -> Path:
    """Report, scores and run.json of a result, to ``runs/<env>/<name>``.

    Parameters
    ----------
    uri : of the result; without one, that of a model below the data bucket
    """
    if uri and "://" not in uri:
        raise OperatorError(
            f"there is no finished result at {uri}: neither a folder of this machine with a {RUN}, nor an address "
            "(s3://…). Fix: OUTPUT=, as make steps shows it.",
            exit_code=10,
        )
    uri = uri or f"s3://{account.bucket('data')}/results/{result_name(model)}"
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    folder = Path("runs") / account.target.env / prefix.rpartition("/")[2]
    if not fetch_files(account.client("s3"), bucket, prefix, folder, console):
        raise OperatorError(f"there is no finished result below {uri}. Fix: make run-step, or OUTPUT=.", exit_code=10)
    in_report.add_cost(account, folder)
    console.print(f"results in {folder}; open {folder / 'report.html'}")
    return folder


def fetch_files(s3: Any, bucket: str, prefix: str, folder: Path, console: Console) -> bool:
    """Fetch the files of a finished result that a person looks at; false when there is none.

    Its `RUN` goes first and comes last, so that no folder with one holds files of two results.
    """
    listed = list_pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=f"{prefix}/")
    items = {folder / name: item for item in listed if (name := item["Key"].removeprefix(f"{prefix}/")) in FETCHED}
    size = sum(int(item["Size"]) for item in items.values())
    if (run := items.pop(folder / RUN, None)) is None:
        return False
    for path in {folder / name for name in FETCHED} - items.keys():
        path.unlink(missing_ok=True)
    with counting(console, "fetching", size, in_bytes=True) as advance:
        transfer.fetch(s3, bucket, items, advance)
        record = s3.get_object(Bucket=bucket, Key=run["Key"])["Body"].read()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RUN).write_bytes(record)
        advance(len(record))
    return True


def purge(account: Account, person: Person, console: Console, *, confirmation: str = "") -> None:
    """Storage too: every image and result.

    Parameters
    ----------
    confirmation : the data bucket's name confirms it (PURGE=); without, it must be typed
    """
    bucket = account.bucket("data")
    answer = confirmation or (bucket if person.has_agreed else "")
    if not answer and person.is_present:
        where = f"ENV={account.target.env} of account {account.target.account_id}"
        answer = console.input(f"this removes the cluster and every image and result of {where}. Type {bucket}: ")
    if answer.strip() != bucket:
        raise WrongUseError(f"nothing was removed. Fix: PURGE={bucket} confirms it.")
    destroy(account, console)
    with working(console, "emptying the buckets") as say:
        for purpose in BUCKET_PURPOSES:
            empty_bucket(account.client("s3"), account.bucket(purpose), say)
    storage = Workspace(target=account.target, stack="storage", capture=is_quiet(account, console))
    with working(console, "storage: removing", quiet=not storage.capture):
        storage.destroy()
    console.print("storage removed: nothing of this environment is left, and nothing bills")


def empty_bucket(s3: Any, bucket: str, say: Callable[[str], None] = lambda _: None) -> None:
    """Delete every object and every older version of it.

    Raises
    ------
    UnfinishedError : S3 refuses to delete one
    """
    deleted = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
        if objects:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                refused = format_count(len(errors), "object version", "was")
                raise UnfinishedError(
                    f"{refused} not deleted from {bucket}, first {errors[0]['Key']} ({errors[0]['Code']}). Fix: look "
                    "at the bucket's policy and locks, then run the command again."
                )
            deleted += len(objects)
            if deleted % 100_000 < len(objects):
                say(f"emptying {bucket}: {format_count(deleted, 'object version')}")


def stop_embedded(console: Console) -> None:
    """Stop the embedded AWS, where it is ours."""
    if server.stop(Settings.from_environment().home):
        console.print("the embedded AWS is stopped; nothing is left running")
