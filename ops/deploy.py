"""`make apply`, `make destroy`, `make purge`, `make results`, `make demo`: the life of an environment.

With ``ENV=local`` all of it happens on the embedded AWS, which is started when it is needed.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fruits.errors import FruitsError
from rich.console import Console

from ops import fault, policies, step, wheelhouse
from ops.account import PROJECT, Account, NotAppliedError, OperatorError
from ops.cost import after
from ops.dataset_upload import upload
from ops.datasets.draw import draw_sample
from ops.localaws import server
from ops.localaws.errors import LocalAwsError, NotRunningError
from ops.localaws.settings import Settings
from ops.state import require_state
from ops.sweep import SweepError, has_studio, sweep, vpcs_of
from ops.terraform import TerraformError, Workspace, boundary_of, cluster_variables, embedded_home, summary

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / "bootstrap" / "install_tensorflow.sh"
SAMPLE = Path("data/sample")
STOPPED_MESSAGE = "the embedded AWS is stopped; nothing is left running"


def start_embedded(console: Console) -> None:
    """Start the embedded AWS unless it runs. A new one is empty, so Terraform's states of an earlier one go."""
    settings = Settings.from_environment()
    try:
        server.status(settings.home)
    except NotRunningError:
        for state in (embedded_home() / "local").glob("*.tfstate*"):
            state.unlink()
        record = server.start(settings)
        console.print(f"embedded AWS at {record.endpoint}", highlight=False)


def upload_artifacts(
    account: Account,
    environ: Mapping[str, str],
    console: Console,
    build: Callable[[str], wheelhouse.Wheelhouse] = wheelhouse.build,
) -> dict[str, str]:
    """Put bootstrap script and wheelhouse under their immutable keys; only what is not there is sent.

    Returns
    -------
    dict
        ``BOOTSTRAP_URI`` and ``WHEELHOUSE_URI``.
    """
    bucket = account.bucket("artifacts")
    data = BOOTSTRAP.read_bytes()
    key = f"bootstrap/{hashlib.sha256(data).hexdigest()[:16]}/{BOOTSTRAP.name}"
    account.client("s3").put_object(Bucket=bucket, Key=key, Body=data)
    arch = environ.get("ARCH") or "x86_64"
    wheels = wheelhouse.sync(build(arch), f"s3://{bucket}/wheelhouse", console=console)
    return {"BOOTSTRAP_URI": f"s3://{bucket}/{key}", "WHEELHOUSE_URI": wheels.uri}


def confirm(account: Account, lines: list[str], environ: Mapping[str, str], console: Console) -> None:
    """Ask before the first cent.

    Raises
    ------
    OperatorError
        When the answer is no, or nobody is there to answer.
    """
    if account.target.emulated or environ.get("YES") == "1":
        return
    console.print("\n".join(lines), highlight=False, markup=False)
    if environ.get("CI") or not sys.stdin.isatty():
        raise OperatorError("nobody is here to confirm the price. Cure: YES=1 confirms it beforehand.", exit_code=2)
    if console.input("create it? type yes: ").strip() != "yes":
        raise OperatorError("nothing was created.", exit_code=2)


def apply(
    environ: Mapping[str, str],
    console: Console,
    account: Account | None = None,
    *,
    build: Callable[[str], wheelhouse.Wheelhouse] = wheelhouse.build,
) -> Account:
    """Both stacks, with what a node needs uploaded in between.

    ``account`` and ``build`` (of the wheelhouse) are given where it is rehearsed.
    """
    fault.wanted(environ)  # a fault that there is not is refused before anything starts
    if account is None:
        if (environ.get("ENV") or "local") == "local":
            start_embedded(console)
        account = Account.from_environment(environ)
    require_state(account)
    quiet = not console.is_terminal or account.target.emulated
    storage = Workspace(target=account.target, stack="storage", capture=quiet)
    with console.status("storage: buckets, budget"):
        storage.apply()
    console.print("storage applied", highlight=False)
    uris = upload_artifacts(account, environ, console, build)
    extra = cluster_variables(account.target, storage.outputs(), {**environ, **uris}, boundary_of(account.target))
    cluster = Workspace(target=account.target, stack="cluster", extra=extra, capture=quiet)
    plan = cluster.state.with_suffix(".tfplan")
    plan.parent.mkdir(parents=True, exist_ok=True)
    with console.status("cluster: planning"):
        changes = cluster.plan(out=plan)
        shown = cluster.show(plan)
    said = summary(shown, account.target.region)
    if not changes:
        console.print("the cluster is as it should be: nothing to do", highlight=False)
        return account
    if broken := policies.check(shown, ceiling=None, region=account.target.region):
        raise OperatorError(f"the plan breaks a rule: {broken[0]}", exit_code=5)
    confirm(account, [*said, *after.before_apply(shown, account, environ)], environ, console)
    creating = "cluster: creating; AWS takes five to ten minutes, the embedded one a minute"
    with console.status(creating), fault.injected(account, environ, fault.AT_START):
        cluster.apply()
    outputs = account.cluster
    bill = (
        "on the embedded AWS; nothing is billed"
        if account.target.emulated
        else f"it bills until make destroy, or {outputs['terminates_at']} at the latest"
    )
    console.print(f"cluster {outputs['cluster_id']} ({outputs['release_label']}): {bill}", highlight=False)
    return account


def destroy(environ: Mapping[str, str], console: Console, account: Account | None = None) -> None:
    """The cluster stack, and what EMR left in its network. Images and results stay (with ENV=local: until it stops)."""
    account = account or Account.from_environment(environ)
    cluster = Workspace(target=account.target, stack="cluster", capture=account.target.emulated)
    outputs, ec2 = cluster.outputs(), account.client("ec2")
    # By its tags: an apply that broke off leaves a network and no outputs.
    vpcs = vpcs_of(ec2, PROJECT, account.target.env)
    if not outputs and not vpcs:
        console.print("there is no cluster stack: nothing to destroy", highlight=False)
        return
    storage = Workspace(target=account.target, stack="storage", capture=True).outputs()
    gone = {**environ, "BOOTSTRAP_URI": "", "WHEELHOUSE_URI": ""}
    extra = cluster_variables(account.target, storage, gone, boundary_of(account.target))
    cluster = Workspace(target=account.target, stack="cluster", extra=extra, capture=account.target.emulated)
    with console.status("ending the cluster"):
        if "cluster_id" in outputs:
            end_cluster(account, str(outputs["cluster_id"]))
            after.after_cluster(account, str(outputs["cluster_id"]), console)
    if has_studio(ec2, vpcs):
        with console.status("removing the notebooks' domain and home folders"):
            cluster.destroy(arguments=["-target=module.studio"])
    with console.status("removing what EMR left in the network"):
        swept = sweep(ec2, vpcs, pause=1.0 if account.target.emulated else 5.0)
    if left := [*swept.endpoints, *swept.groups]:
        console.print(f"removed what AWS left in the network: {', '.join(left)}", highlight=False)
    with console.status("cluster: removing"):
        cluster.destroy()
    console.print("cluster destroyed; images and results are untouched", highlight=False)


def end_cluster(account: Account, cluster_id: str) -> None:
    """Terminate a cluster and wait until it is gone: its groups and EMR's endpoint cannot go before."""
    emr = account.client("emr")
    emr.terminate_job_flows(JobFlowIds=[cluster_id])
    while True:
        state = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]
        if state.startswith("TERMINATED"):
            return
        time.sleep(1.0 if account.target.emulated else 10.0)


def fetch_results(account: Account, environ: Mapping[str, str], console: Console) -> Path:
    """Report, scores and run.json of a result below the data bucket, to ``runs/<env>/<name>``."""
    data = account.bucket("data")
    uri = environ.get("OUTPUT") or f"s3://{data}/results/{environ.get('MODEL') or 'efficientnet_lite0'}"
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    folder = Path("runs") / account.target.env / prefix.rpartition("/")[2]
    s3 = account.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    wanted = ("run.json", "report.html", "pca/scores.csv", "pca/model.npz")
    fetched = 0
    for page in pages:
        for item in page.get("Contents", []):
            name = item["Key"].removeprefix(f"{prefix}/")
            if name in wanted:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, item["Key"], str(target))
                fetched += 1
    if not fetched:
        raise OperatorError(f"there is no finished result below {uri}. Cure: make run-step, or OUTPUT=.", exit_code=10)
    console.print(f"results in {folder}; open {folder / 'report.html'}", highlight=False, soft_wrap=True)
    return folder


def purge(environ: Mapping[str, str], console: Console, account: Account | None = None) -> None:
    """Storage too: every image and result. The data bucket's name must be typed, or given as PURGE=."""
    account = account or Account.from_environment(environ)
    bucket = account.bucket("data")
    given = environ.get("PURGE") or (
        console.input(f"this removes every image and result. Type {bucket}: ") if sys.stdin.isatty() else ""
    )
    if given.strip() != bucket:
        raise OperatorError(f"nothing was removed. Cure: PURGE={bucket} confirms it.", exit_code=2)
    destroy(environ, console, account)
    for purpose in ("data", "artifacts", "logs"):
        empty_bucket(account.client("s3"), account.bucket(purpose))
    with console.status("storage: removing"):
        Workspace(target=account.target, stack="storage", capture=account.target.emulated).destroy()
    console.print("storage removed: nothing of this environment is left", highlight=False)


def empty_bucket(s3: Any, bucket: str) -> None:
    """Every object and every older version of it."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        things = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": thing["Key"], "VersionId": thing["VersionId"]} for thing in things]
        if objects:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


def stop_embedded(console: Console) -> None:
    """Stop the embedded AWS, where it is ours."""
    if server.stop(Settings.from_environment().home):
        console.print(STOPPED_MESSAGE, highlight=False)


def demo(environ: Mapping[str, str], console: Console) -> int:
    """Apply, upload the drawn sample, run the step, fetch the results, destroy, stop; returns the step's exit code."""
    began = time.monotonic()
    environ = {**environ, "ENV": "local"}
    folder: Path | None = None
    price: list[str] = []
    try:
        account = apply(environ, console)
        counts = draw_sample(SAMPLE)
        sent, total = upload(account.client("s3"), account.bucket("data"), SAMPLE, console)
        console.print(
            f"the embedded sample, drawn (not photographed): {total} images of {len(counts)} fruits, {sent} uploaded",
            highlight=False,
        )
        with fault.injected(account, environ, fault.IN_STEP):
            # whatever happens to the step, its cluster ends below
            code = step.run_step(account, {**environ, "DETACH": "", "ONESHOT": "1"}, console)
        if code == 0:
            folder = fetch_results(account, environ, console)
        destroy(environ, console)
        price = after.demo_lines(account, str(account.cluster["cluster_id"]), environ)
    finally:
        stop_embedded(console)
    if folder is not None:
        console.print(
            f"[bold green]demo done[/] in {time.monotonic() - began:.0f} s; bill 0.00. Open {folder / 'report.html'}",
            highlight=False,
            soft_wrap=True,
        )
        console.print("\n".join(price), highlight=False, soft_wrap=True, markup=False)
    return code


def main(arguments: list[str] | None = None) -> int:
    """Entry point: ``python -m ops.deploy apply|destroy|purge|results|demo``."""
    command = (sys.argv[1:] if arguments is None else arguments)[0]
    console = Console()
    environ = os.environ
    local = (environ.get("ENV") or "local") == "local"
    try:
        if command == "apply":
            apply(environ, console)
        elif command == "results":
            fetch_results(Account.from_environment(environ), environ, console)
        elif command == "demo":
            return demo(environ, console)
        else:
            {"destroy": destroy, "purge": purge}[command](environ, console)
            if local:
                stop_embedded(console)
    except KeyboardInterrupt:
        kept = "what was made so far is kept: make destroy removes it"
        console.print(f"interrupted; {STOPPED_MESSAGE if command == 'demo' else kept}", highlight=False)
        return 130
    except NotAppliedError as error:
        Console(stderr=True).print(f"{command}: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return error.exit_code
    except (OperatorError, TerraformError, wheelhouse.WheelhouseError, LocalAwsError, SweepError, FruitsError) as error:
        Console(stderr=True).print(f"{command}: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return int(getattr(error, "exit_code", 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
