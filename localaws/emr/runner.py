"""Bootstrap actions and steps as processes of this machine, with the logs that EMR would leave."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.exceptions import BotoCoreError, ClientError

from localaws import faults
from localaws.emr import capacity, client, spark
from localaws.emr.hadoop import Hadoop, find_application, make_spark_command, make_submit_environment
from localaws.emr.logs import LogShipper, split_s3_uri
from localaws.emr.model import Cluster, Step, now
from localaws.emr.node import Node, ProcessGroup
from localaws.settings import Settings

MASTER = "org.apache.spark.deploy.yarn.ApplicationMaster"
COMMAND_RUNNER = "command-runner.jar"


class Runner:
    """Runs the bootstrap actions and steps of one cluster.

    Parameters
    ----------
    cluster : the cluster
    node : where they run
    shipper : who sends the logs
    settings : delays and sizes
    lose_spot, lose_master : take a Spot instance, or the driver's, away
    hadoop : the cluster's YARN; None: steps run on Spark's local-cluster
    """

    def __init__(
        self,
        cluster: Cluster,
        node: Node,
        shipper: LogShipper,
        settings: Settings,
        lose_spot: Callable[[], None],
        lose_master: Callable[[], None],
        hadoop: Hadoop | None = None,
    ) -> None:
        self.cluster, self.node, self.shipper, self.settings = cluster, node, shipper, settings
        self._lose_spot, self._lose_master = lose_spot, lose_master
        self.hadoop = hadoop
        self._groups: dict[str, ProcessGroup] = {}
        self._interrupted: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self._applications = 0
        self._born = int(cluster.created.timestamp() * 1000)

    # -- processes ----------------------------------------
    def _run(
        self, name: str, args: list[str], env: Mapping[str, str], cwd: Path, out: Path, err: Path, fault: str = ""
    ) -> int:
        cwd.mkdir(parents=True, exist_ok=True)
        with out.open("ab") as o, err.open("ab") as e:
            with self._lock:
                if self._stopping or name in self._interrupted:
                    return 143
                try:
                    group = ProcessGroup(args, env, cwd, o, e)
                except OSError as error:
                    e.write(f'Cannot run program "{args[0]}": {error.strerror}\n'.encode())
                    return 1
                self._groups[name] = group
            injector = faults.FaultInjector(fault, self._make_step_processes(group)) if fault else None
            code = group.wait()
            if injector:
                injector.stop()
        with self._lock:
            self._groups.pop(name, None)
        return code

    def _make_step_processes(self, group: ProcessGroup) -> faults.StepProcesses:
        if (hadoop := self.hadoop) is not None:
            return faults.StepProcesses(hadoop.list_processes, self._find_master, self._lose_spot, self._lose_master)
        pid = group.process.pid
        return faults.StepProcesses(lambda: faults.list_children(pid), lambda: psutil.Process(pid), self._lose_spot)

    def _find_master(self) -> psutil.Process | None:
        """The JVM of the newest application's master on YARN."""
        processes = self.hadoop.list_processes() if self.hadoop is not None else ()
        masters = [p for p in processes if MASTER in (words := faults.read_command(p)) and words[0].endswith("java")]
        return max(masters, key=lambda p: p.pid, default=None)

    def find_master_host(self) -> str:
        """The host on which the newest application's master runs; empty where there is none."""
        process = self._find_master()
        return self.hadoop.find_host(process) if self.hadoop is not None and process is not None else ""

    def interrupt(self, name: str, *, force: bool) -> None:
        """Ask a step's processes to end, or kill them."""
        with self._lock:
            self._interrupted.add(name)
            group = self._groups.get(name)
        if group is None:
            return
        if self.hadoop is not None and self._kill_application(name):
            return  # its client says that it was killed, and ends
        group.kill(signal.SIGKILL if force else signal.SIGTERM)

    def _kill_application(self, step_id: str) -> bool:
        """End a step's application on YARN, as EMR does; returns whether there was one and YARN agreed."""
        err = self.node.logs / "steps" / step_id / "stderr"
        application = find_application(err.read_text(errors="replace")) if err.exists() else None
        if self.hadoop is None or self.hadoop.yarn is None or application is None:
            return False
        return self.hadoop.yarn.kill_application(application)

    def stop(self) -> None:
        """End every process, and start no more."""
        with self._lock:
            self._stopping = True
            groups = list(self._groups.values())
        for group in groups:
            group.kill()

    # -- bootstrap ----------------------------------------
    def run_bootstrap_action(self, number: int, action: Mapping[str, Any], instance: str) -> str | None:
        """Run a bootstrap action; returns None, or EMR's sentence about the failure."""
        script = action["ScriptBootstrapAction"]
        out, err, controller = logs = _make_logs(self.node.logs / "bootstrap-actions" / str(number))
        local = self.node.tmp / f"bootstrap-{number}" / script["Path"].rsplit("/", 1)[-1]
        problem = self._fetch(script["Path"], local)
        if problem is None:
            env = self.node.make_environment()
            args = ["bash", str(local), *(self.node.localize_argument(a) for a in script.get("Args", []))]
            if self.settings.fault == "bootstrap":
                args = ["bash", "-c", "echo 'the fault bootstrap was asked for' >&2; exit 1"]
            controller.write_text(f"{now():%Y-%m-%dT%H:%M:%SZ} INFO startExec '{' '.join(args)}'\n")
            code = self._run(f"bootstrap-{number}", args, env, self.node.home, out, err)
            _append(controller, f"{now():%Y-%m-%dT%H:%M:%SZ} INFO waitProcessCompletion ended with exit code {code}\n")
            if code:
                problem = f"bootstrap action {number} returned a non-zero return code"
        else:
            err.write_text(problem + "\n")
            problem = f"bootstrap action {number} could not be downloaded: {problem}"
        for path in logs:
            self.shipper.send(path, f"node/{instance}/bootstrap-actions/{number}/{path.name}")
        return f"On the master instance ({instance}), {problem}" if problem else None

    def _fetch(self, uri: str, target: Path) -> str | None:
        if "://" not in uri:
            return f"{uri} is not an address in S3"
        target.parent.mkdir(parents=True, exist_ok=True)
        session = boto3.session.Session(**self.node.fetch_keys().arguments())
        s3 = session.client("s3", endpoint_url=self.node.endpoint, region_name=self.node.region)
        bucket, key = split_s3_uri(uri)
        try:
            s3.download_file(bucket, key, str(target))
        except (ClientError, BotoCoreError) as error:
            return f"{uri}: {error}"
        return None

    # -- steps ----------------------------------------
    def run_step(self, step: Step) -> int:
        """Run a step to its end, send its logs and describe its failure; returns the exit code."""
        folder = self.node.logs / "steps" / step.id
        out, err, controller = logs = _make_logs(folder)
        started = now()
        jar = step.config["HadoopJarStep"]["Jar"]
        command_line = " ".join([f"hadoop jar {jar}", *step.args])
        self._note(controller, f"INFO startExec '{command_line}'")
        self._note(controller, f"INFO redirectOutput to /mnt/var/log/hadoop/steps/{step.id}/stdout")
        self._note(controller, f"INFO redirectError to /mnt/var/log/hadoop/steps/{step.id}/stderr")
        if jar != COMMAND_RUNNER:
            err.write_text(f"Cannot fetch jar {jar}: only {COMMAND_RUNNER} is run by the embedded AWS.\n")
            code = 1
        elif not step.args:
            err.write_text("No command to run.\n")
            code = 1
        elif step.args[0] == "spark-submit":
            code = self._run_spark(step, folder, out, err)
        else:
            env = self.node.make_environment() | self._read_exports()
            code = self._run(step.id, step.args, env, self._locate_workdir(step), out, err)
        seconds = round((now() - started).total_seconds())
        self._note(controller, f"INFO waitProcessCompletion ended with exit code {code} : {command_line}")
        self._note(controller, f"INFO total process run time: {seconds} seconds")
        verdict = "INFO Step succeeded" if code == 0 else "WARN Step failed"
        self._note(controller, f"{verdict} with exitCode {code} and took {seconds} seconds")
        for path in logs:
            self.shipper.send(path, f"steps/{step.id}/{path.name}")
        if code:
            step.failure = self._describe_failure(step, err)
            step.failure_from = now() + timedelta(seconds=self.settings.log_delay_seconds)
        return code

    def _locate_workdir(self, step: Step) -> Path:
        return self.node.root / "mnt" / "var" / "lib" / "hadoop" / "steps" / step.id

    def _read_exports(self) -> dict[str, str]:
        return {k: self.node.localize_value(v) for k, v in self.cluster.read_properties("spark-env", "export").items()}

    @staticmethod
    def _note(path: Path, text: str) -> None:
        _append(path, f"{now():%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {text}\n")

    def _describe_failure(self, step: Step, err: Path) -> dict[str, str]:
        """FailureDetails as EMR gives them: a reason that says nothing, and sometimes the client's exception."""
        details = {"Reason": "Unknown Error."}
        lines = [line for line in err.read_text(errors="replace").splitlines() if "Exception in thread" in line]
        if lines:
            details["Message"] = lines[-1].strip()
        if uri := self.shipper.locate(f"steps/{step.id}/stderr"):
            details["LogFile"] = uri
        return details

    # -- Spark ----------------------------------------
    def _run_spark(self, step: Step, folder: Path, out: Path, err: Path) -> int:
        try:
            submit = spark.parse_submit(step.args[1:])
        except spark.BadSubmitError as problem:
            err.write_text(f"Error: {problem}\n")
            return 1
        if self.hadoop is not None:
            return self._run_on_yarn(step, submit, folder, self.hadoop, out, err)
        return self._run_locally(step, submit, folder, out, err)

    def _make_events_folder(self) -> Path:
        events = spark.locate_events(self.settings.home, self.cluster.id)
        events.mkdir(parents=True, exist_ok=True)
        return events

    def _write_conf(self, folder: Path, conf: Mapping[str, str]) -> Path:
        conf_dir = folder / "conf"
        conf_dir.mkdir()
        local_conf = {k: self.node.localize_value(v) for k, v in conf.items()}
        (conf_dir / "spark-defaults.conf").write_text(spark.format_properties(local_conf))
        return conf_dir

    def _run_on_yarn(self, step: Step, submit: spark.Submit, folder: Path, hadoop: Hadoop, out: Path, err: Path) -> int:
        """Spark's own client talks to YARN: its output is the step's log, the rest is in the containers' logs."""
        assert hadoop.yarn is not None  # a cluster runs steps only after it has started
        files = hadoop.list_spark_files(self._make_events_folder())
        submit.conf |= faults.SUBMIT_CONF.get(capacity.find_step_fault(self.settings.fault, self.cluster), {})
        command = make_spark_command(submit, self.cluster.read_properties("spark-defaults"), files)
        env = self.node.make_environment() | self._read_exports() | make_submit_environment(files, hadoop.yarn.plan)
        env["SPARK_CONF_DIR"] = str(self._write_conf(folder, command.conf))
        args = [f"{env['SPARK_HOME']}/bin/spark-submit", *command.args]
        fault = self.settings.fault if self.settings.fault in faults.STEP_FAULTS else ""
        with self.shipper.following(err, f"steps/{step.id}/{err.name}"):
            code = self._run(step.id, args, env, self._locate_workdir(step), out, err, fault)
        if application := find_application(err.read_text(errors="replace")):
            for key, path in hadoop.list_container_logs(application):
                self.shipper.send(path, key)
        return code

    def ship_node_logs(self) -> None:
        """Send what YARN's daemons wrote."""
        for key, path in self.hadoop.list_node_logs() if self.hadoop else ():
            self.shipper.send(path, key)

    def _run_locally(self, step: Step, submit: spark.Submit, folder: Path, out: Path, err: Path) -> int:
        with self._lock:
            self._applications += 1
            application = f"application_{self._born}_{self._applications:04d}"
        home = self.node.make_spark_home(folder)
        event_log_conf = spark.make_event_log_conf(self._make_events_folder())
        local_conf = self.node.make_s3a_conf() | event_log_conf | spark.make_authentication_conf()
        settings = replace(self.settings, fault=capacity.find_step_fault(self.settings.fault, self.cluster))
        command = spark.localize(submit, self.cluster.read_properties("spark-defaults"), local_conf, settings)
        env = self.node.make_environment() | self._read_exports()
        env |= {k: self.node.localize_value(v) for k, v in command.environment.items()}
        env |= {
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": str(self._write_conf(folder, command.conf)),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.node.root / "mnt" / "spark"),
        }
        args = [str(home / "bin" / "spark-submit"), *command.args]
        fault = self.settings.fault if self.settings.fault in faults.STEP_FAULTS else ""
        if not command.cluster_mode:
            code = self._run(step.id, args, env, self._locate_workdir(step), out, err, fault)
            self._ship_executors(folder, application)
            return code
        driver_out, driver_err = _make_logs(folder / "driver", "stdout", "stderr")
        primary = str(self.cluster.primary_dns)
        yarn_application = client.Application(application, now(), primary, self._find_driver_host())
        _append(err, yarn_application.format_submission(now()))
        code = self._run(step.id, args, env, self._locate_workdir(step), driver_out, driver_err, fault)
        _append(driver_err, client.describe_master_end(now(), code))
        _append(err, yarn_application.format_end(now(), code, cancelled=step.id in self._interrupted))
        container = f"containers/{application}/{_format_container(application, 1)}"
        for path in (driver_out, driver_err):
            self.shipper.send(path, f"{container}/{path.name}")
        self._ship_executors(folder, application)
        return 1 if code else 0

    def _find_driver_host(self) -> str:
        """The name of a core instance, because on a cluster the driver runs on one."""
        names = [i.private_dns for i in self.cluster.instances if i.role == "CORE" and i.ended is None]
        return names[0] if names else str(self.cluster.primary_dns)

    def _ship_executors(self, folder: Path, application: str) -> None:
        # the work folder of a standalone worker holds app-20261122100000-0000/<executor>/{stdout,stderr}
        folders = (folder / "spark" / "work").glob("app-*/*")
        registered = [e for e in folders if _has_registered(e / "stderr")]
        for number, executor in enumerate(sorted(registered, key=lambda e: int(e.name)), start=2):
            for name in ("stdout", "stderr"):
                key = f"containers/{application}/{_format_container(application, number)}/{name}"
                self.shipper.send(executor / name, key)


def _make_logs(folder: Path, *names: str) -> list[Path]:
    """Make empty log files: a process's two streams and EMR's controller, or others by name."""
    folder.mkdir(parents=True)
    paths = [folder / name for name in names or ("stdout", "stderr", "controller")]
    for path in paths:
        path.touch()
    return paths


def _append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def _has_registered(log: Path) -> bool:
    """Whether an executor did work: at an application's end local-cluster starts more and ends them at once."""
    # 26/11/22 11:17:24 INFO CoarseGrainedExecutorBackend: Successfully registered with driver
    return log.exists() and "Successfully registered with driver" in log.read_text(errors="replace")


def _format_container(application: str, number: int) -> str:
    return f"container_{application.removeprefix('application_')}_01_{number:06d}"
