"""`make ui`: Spark's pages about a cluster's steps (jobs, stages, executors), also of steps that have ended.

On AWS that is EMR's persistent history server, which needs no open port and keeps an application for thirty days; on
the embedded AWS Spark's own history server, on loopback, over the event logs that the steps left, until Ctrl-C. The
history server knows no users: it answers only the gate in front of it, and that only who has the printed address.
"""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from localaws.emr.spark import locate_events
from localaws.interrupts import hold_interrupts
from localaws.java import find_java_home
from localaws.settings import Settings
from ops.aws.account import Account
from ops.aws.poll import poll
from ops.aws.refusals import is_passing
from ops.cli import browser
from ops.cli.place import open_account
from ops.core.console import Console, working
from ops.core.errors import ExitCode, OperatorError
from ops.core.gate import Gate, Identity, gate, make_identity
from ops.core.programs import end_group

HISTORY_SERVER = "org.apache.spark.deploy.history.HistoryServer"
START_SECONDS = 60.0
READY_SECONDS = 600.0
POLL_SECONDS = 5.0


class NoPageError(OperatorError):
    """There is no page to show."""

    exit_code = ExitCode.NO_PAGE


def wait_for_address(
    emr: Any,
    cluster_arn: str,
    *,
    patience: float = READY_SECONDS,
    pause: float = POLL_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """The address of EMR's persistent Spark history server for a cluster; whoever has it may look, for a while.

    Source: CreatePersistentAppUI and GetPersistentAppUIPresignedURL in EMR's API reference.

    Parameters
    ----------
    emr : boto3 client
    patience : seconds until the page must be ready
    pause : seconds between two looks
    say : is told of calls that fail

    Raises
    ------
    NoPageError : it was refused, or did not become ready
    """
    try:
        created = emr.create_persistent_app_ui(TargetResourceArn=cluster_arn, ProfilerType="SHS")
    except ClientError as error:
        if is_passing(error):
            raise
        raise NoPageError(
            f"EMR makes no page for {cluster_arn} ({error}). Fix: it needs the right "
            "elasticmapreduce:CreatePersistentAppUI, and a cluster that ended less than thirty days ago."
        ) from error
    page = created["PersistentAppUIId"]

    def address() -> str | None:
        answer = emr.get_persistent_app_ui_presigned_url(PersistentAppUIId=page, PersistentAppUIType="SHS")
        return str(answer["PresignedURL"]) if answer.get("PresignedURLReady") and answer.get("PresignedURL") else None

    if (url := poll(address, pause=pause, limit=patience, say=say)) is not None:
        return url
    page_status = emr.describe_persistent_app_ui(PersistentAppUIId=page)["PersistentAppUI"]
    reason = (
        page_status.get("LastStateChangeReason") or page_status.get("PersistentAppUIStatus") or "EMR gives no reason"
    )
    raise NoPageError(
        f"EMR's page was not ready after {patience:.0f} s ({reason}). Fix: make ui again in a few minutes."
    )


def read_port(line: str) -> int | None:
    """The port in the line with which the history server says that it listens.

    >>> read_port("26/11/24 10:00:00 INFO HistoryServer: Bound HistoryServer to 127.0.0.1, and started at "
    ...            "https://localhost:18480")
    18480
    """
    match = re.search(r"Bound HistoryServer to .*, and started at https://\S+:(\d+)", line)
    return int(match[1]) if match else None


def make_history_settings(events: Path, identity: Identity) -> dict[str, str]:
    """Settings of a history server over a folder of event logs, on loopback, which takes only the gate's certificate.

    Source: https://spark.apache.org/docs/3.5.6/security.html#ssl-configuration
    """
    tls = {
        "enabled": "true",
        "protocol": "TLSv1.3",
        "port": "0",
        "keyStore": str(identity.store),
        "keyStoreType": "PKCS12",
        "keyStorePassword": identity.password,
        "keyPassword": identity.password,
        "trustStore": str(identity.trusted),
        "trustStoreType": "PKCS12",
        "trustStorePassword": identity.password,
        "needClientAuth": "true",
    }
    return {
        "spark.history.fs.logDirectory": events.as_uri(),
        "spark.history.fs.update.interval": "3s",
        "spark.history.ui.port": "0",
        **{f"spark.ssl.historyServer.{name}": value for name, value in tls.items()},
    }


@contextmanager
def history_server(events: Path) -> Iterator[tuple[Gate, subprocess.Popen[str]]]:
    """Spark's history server over a folder of event logs, behind a gate, for the time of a block.

    Raises
    ------
    NoPageError : it did not start; its last words are in the message
    """
    import pyspark

    java = find_java_home()
    if java is None:
        raise NoPageError(
            "no Java 17 was found. Fix: make setup installs one, or set JAVA_HOME.", exit_code=ExitCode.PROGRAM
        )
    home = Path(pyspark.__file__).parent
    with tempfile.TemporaryDirectory(prefix="fruits-history-") as name:
        scratch = Path(name)
        log, identity = scratch / "log", make_identity(scratch)
        settings = make_history_settings(events, identity)
        # in a file: a command line can be read by everybody
        (scratch / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "AWS_"))} | {
            "JAVA_HOME": str(java),
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": str(scratch),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "512m",
            "SPARK_HISTORY_OPTS": f"-Djava.io.tmpdir={scratch}",
        }
        with log.open("w") as out, hold_interrupts() as release:
            process = subprocess.Popen(
                [str(home / "bin" / "spark-class"), HISTORY_SERVER],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl-C is ours to pass on
            )
            try:
                release()
                with gate(_listening(process, log), identity) as made:
                    yield made, process
            finally:
                end_group(process)


def _listening(process: subprocess.Popen[str], log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        lines = log.read_text(errors="replace").splitlines()
        if port := next((number for line in lines if (number := read_port(line))), None):
            return port
        if process.poll() is not None:
            break
        time.sleep(0.1)
    words = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise NoPageError(f"Spark's history server did not start. Its last lines:\n{words}")


def serve_pages(cluster_id: str, environ: Mapping[str, str], console: Console) -> None:
    """Serve the pages of the embedded AWS's cluster until Ctrl-C.

    Raises
    ------
    NoPageError : no step has left an event log, or the server ends by itself
    """
    events = locate_events(Settings.from_environment().home, cluster_id)
    if not events.is_dir() or not any(events.iterdir()):
        raise NoPageError(f"no Spark step has run on {cluster_id} yet, so there is no page. Fix: make run-step.")
    try:
        with ExitStack() as stack:
            with working(console, "starting Spark's history server"):
                entrance, process = stack.enter_context(history_server(events))
                # a browser is given a file that leads there: everybody can read a command line, and the key with it
                page = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fruits-page-"))) / "open.html"
            page.write_text(f'<meta http-equiv="refresh" content="0; url={entrance.address}">\n')
            console.print(f"Spark's pages of {cluster_id}: {entrance.address} (only for you; Ctrl-C stops it)")
            browser.open_page(page.as_uri(), environ, terminal=console.is_terminal)
            code = process.wait()
            raise NoPageError(f"Spark's history server has ended ({code}). Fix: make ui again.")
    except KeyboardInterrupt:
        console.print("\nstopped; make ui shows it again")


def show_pages(account: Account, environ: Mapping[str, str], console: Console) -> None:
    """Show the pages of ``CLUSTER=``, or of the environment's cluster."""
    cluster_id = environ.get("CLUSTER") or str(account.cluster["cluster_id"])
    if account.target.emulated:
        serve_pages(cluster_id, environ, console)
        return
    emr = account.client("emr")
    with working(console, "asking EMR for the page; the first time takes a few minutes") as say:
        arn = str(emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["ClusterArn"])
        address = wait_for_address(emr, arn, say=say)
    console.print("Spark's pages; anyone with the address can look until it expires:")
    console.print(address)
    browser.open_page(address, environ, terminal=console.is_terminal)


def main(environ: Mapping[str, str]) -> int:
    """Exit code: 0; 20 without a cluster; 25 when there is nothing to see."""
    show_pages(open_account(environ), environ, Console())
    return 0
