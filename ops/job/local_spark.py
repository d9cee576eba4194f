"""`make run-local`: the whole chain on this machine, by the same `spark-submit` and the same files as on a cluster.

The options of a run are the fields of `fruits.request.Request`. The job's own exit code is returned.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fruits.checks import describe_rejects
from fruits.errors import FruitsError, UsageError
from fruits.inputs import LeftOut
from fruits.progress import LEAST_FOR_A_RATE
from fruits.request import Request
from fruits.store import Store
from fruits.wording import format_count
from rich.text import Text

from localaws.interrupts import hold_interrupts
from localaws.java import find_java_home
from ops.core.console import Console, fail
from ops.core.errors import ExitCode
from ops.core.paths import ROOT
from ops.core.programs import describe_commit, end_group, inherited_environment
from ops.job import class_archive
from ops.job.names import result_name
from ops.job.package import ENTRY, JOBS, write_job_zip
from ops.job.watch import Watcher, show_progress

SAMPLE = "data/sample"
RUNS = "runs"
MODELS = ROOT / "build" / "models"
"""Networks that were converted on this machine: kept from run to run, and for results fetched without theirs."""


def make_request(fields: Mapping[str, Any]) -> Request:
    """The request of these fields; the drawn sample and a folder below `RUNS` where they say nothing."""
    images = fields.get("input", SAMPLE)
    name, model = Path(str(images).rstrip("/")).name, result_name(fields.get("model"))
    defaults = {"input": images, "output": f"{RUNS}/{name}-{model}"}
    return Request.from_json({**defaults, **fields, "networks": str(MODELS)})


def make_spark_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for spark-submit: this Python everywhere, a Java that runs it, nobody else's Spark."""
    java = find_java_home()
    if java is None:
        raise UsageError("no Java 17 was found. Fix: make setup installs one, or set JAVA_HOME.")
    variables = {k: v for k, v in environment.items() if k not in ("SPARK_HOME", "SPARK_CONF_DIR", "PYTHONPATH")}
    return {
        **variables,
        "JAVA_HOME": str(java),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        # eigh of a covariance of 1280 columns: 0.5 s on one thread; threads that wait for a busy core took 4 s
        "OPENBLAS_NUM_THREADS": "1",
        "FRUITS_COMMIT": describe_commit(ROOT),
    }


def make_command(
    zip_file: Path, request_file: Path, master: str, scratch: str, *, archive: str | None = None
) -> list[str]:
    """The spark-submit that runs a request.

    Parameters
    ----------
    archive : JVM options about the archive of Spark's classes; the one that `make setup` made where they are not given
    """
    if archive is None:
        home = find_java_home()
        archive = class_archive.option(home) if home else ""
    options = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        # the JVM only directs here: its optimising compiler and parallel collector would cost more than they save
        "spark.driver.extraJavaOptions": f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC {archive}".strip(),
        # generated code is compiled for each of a run's queries, and they handle nothing but names
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        # what workers need is imported once, unpacked, by what forks them
        "spark.python.daemon.module": "fruits.daemon",
        "spark.executorEnv.PYTHONPATH": str(JOBS),
        "spark.local.dir": scratch,
        "spark.sql.shuffle.partitions": str(max(2, os.cpu_count() or 2)),
        "spark.sql.warehouse.dir": f"{scratch}/warehouse",
    }
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--master", master]
    for name, value in options.items():
        submit += ["--conf", f"{name}={value}"]
    return [*submit, "--py-files", str(zip_file), str(ENTRY), "--request", str(request_file)]


def run_job(request: Request, console: Console, master: str) -> int:
    """Submit a request, show its progress until it ends, and say what came out; returns the exit code."""
    environment = make_spark_environment(inherited_environment())
    logs = ROOT / "build" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"run-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    output = Store(request.output)
    with (
        tempfile.TemporaryDirectory(prefix="fruits-") as scratch,
        log.open("wb") as sink,
        hold_interrupts() as release,
    ):
        request_file = Path(scratch) / "request.json"
        request_file.write_text(json.dumps(request.as_json()))
        process = subprocess.Popen(
            make_command(write_job_zip(ROOT / "build" / "jobs"), request_file, master, scratch),
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            release()
            code = show_progress(Watcher(output), process.poll, console)
        except KeyboardInterrupt:
            console.print("stopping …")
            end_group(process)
            console.print(
                "interrupted. What was featurized is kept: the same command continues where this one stopped."
            )
            return ExitCode.INTERRUPTED
        finally:
            end_group(process)
    if code == 0:
        console.print(describe_run(json.loads(output.read("run.json")), output))
        return 0
    fail(describe_failure(output, log, code))
    return code


def describe_run(summary: dict[str, Any], output: Store) -> Text:
    """What came out of a run, for a reader."""
    computed, earlier = summary["images_featurized_now"], summary["images_ok"] - summary["images_featurized_now"]
    if not computed:
        whole = "the only one was" if earlier == 1 else f"all {earlier:,} were"
        work = f"no feature was computed: {whole} kept from an earlier run"
    else:
        seconds = summary["seconds"]["featurize"]
        work = f"{format_count(computed, 'image')} featurized in {seconds:.1f} s"
        if computed >= LEAST_FOR_A_RATE:
            work += f": {summary['images_per_second']:.0f} images/s"
        if earlier > 0:
            work += f" ({format_count(earlier, 'other', 'was')} kept from an earlier run)"
    changes = ""
    if dropped := summary["rows_removed"]:
        changes += f"\n{format_count(dropped, 'row', 'was')} dropped from the result (of removed or changed images)"
    if unselected := summary["features_of_others"]:
        changes += f"\nfeatures of {format_count(unselected, 'other image')} are kept for other runs"
    if repaired := summary["repaired"]:
        changes += f"\n{format_count(len(repaired), 'file', 'was')} missing or damaged, and recomputed: {repaired[0]}"
        changes += f" and {len(repaired) - 1:,} more (run.json)" if len(repaired) > 1 else ""
    rejects = describe_rejects(summary["rejected"])
    rejected = f", {rejects}; see rejects/" if rejects else ", none rejected"
    left_out = LeftOut.from_json(summary.get("left_out") or {})
    omissions = f"\nleft out  {left_out.sentence()}" if left_out else ""
    text = (
        f": the job took {summary['seconds_total']:.0f} s\n"
        f"images    {summary['images_in']:,} of {format_count(len(summary['classes']), 'class')}{rejected}{omissions}\n"
        f"features  {summary['model']}, {summary['dimension']:,} per image; {work}{changes}\n"
        f"pca       k = {summary['k']}: {summary['variance_statement']}\n"
        f"results   {output.uri}\n"
        f"report    {output.location('report.html')}"
    )
    return Text.assemble("\n", ("done", "bold green"), text)


def describe_failure(output: Store, log: Path, code: int) -> str:
    """Why a run failed: what the job left, else the end of its log."""
    try:
        record = json.loads(output.read("_run/error.json"))
        text = f"\nfailed in phase {record['phase']}: {record['message']}"
        if record["exit_code"] == 1:
            text += f"\n{record['traceback'].strip()[-1500:]}"
        return f"{text}\nexit code {code}; full log: {log}"
    except (OSError, ValueError, KeyError, FruitsError):
        lines = log.read_text(errors="replace").splitlines()
        sentences = [line.removeprefix("fruits: ") for line in lines if line.startswith("fruits: ")]
        text = sentences[-1] if sentences else "\n".join(lines[-15:])
        return f"\nfailed before the job could report: {text}\nexit code {code}; full log: {log}"
