"""A cluster's node on this machine: a folder in place of its root, an environment like that of user hadoop, processes.

Nothing needs root. Absolute paths among a bootstrap action's arguments (``--prefix /opt/fruits``) are taken below the
node's folder, which it also finds in ``NODE_ROOT``; paths in the cluster's configuration that exist there are taken
from there.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from localaws.errors import LocalAwsError
from localaws.java import find_java_home, find_pyspark
from localaws.keys import Keys

JARS = ("hadoop-aws-*.jar", "aws-java-sdk-bundle-*.jar")
# A step's processes get no more of the server's environment than this.
_PASSED_ON = ("LANG", "LC_ALL", "TZ", "TMPDIR", "HOSTNAME")


class ProcessGroup:
    """The processes of a bootstrap action or step."""

    def __init__(self, args: list[str], env: Mapping[str, str], cwd: Path, out: IO[bytes], err: IO[bytes]) -> None:
        self.process = subprocess.Popen(
            args, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )

    def wait(self) -> int:
        """Wait for the exit code; what the group left behind is ended."""
        code = self.process.wait()
        self.kill()
        return code

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill the group, or send it another signal."""
        with contextlib.suppress(ProcessLookupError):  # all of it has ended by itself
            os.killpg(self.process.pid, number)


class Node:
    """The folder and environment of one cluster's processes.

    Parameters
    ----------
    root : the folder that stands for ``/``
    endpoint : URL of the embedded AWS
    region : the cluster's region
    fetch_keys : gives fresh keys of the instance profile's role
    """

    def __init__(self, root: Path, endpoint: str, region: str, fetch_keys: Callable[[], Keys]) -> None:
        self.root, self.endpoint, self.region, self.fetch_keys = root, endpoint, region, fetch_keys
        self.logs = root / "var" / "log"
        self.home = root / "home" / "hadoop"
        self.tmp = root / "mnt" / "tmp"
        for folder in (self.logs, self.home, self.tmp):
            folder.mkdir(parents=True, exist_ok=True)
        # An empty file, not /dev/null: the Java SDK wants a regular one, and otherwise looks below the real home.
        self._no_profile = self.home / "no-profile"
        self._no_profile.touch()
        self._write_shims()

    def _write_shims(self) -> None:
        bin_dir = self.root / "usr" / "local" / "bin"
        bin_dir.mkdir(parents=True, exist_ok=True)
        shims = {
            # The AWS command line that every EMR node has; version 1 ignores AWS_ENDPOINT_URL for some services.
            "aws": f'exec "{sys.executable}" -m awscli --endpoint-url "$AWS_ENDPOINT_URL" "$@"',
            # The user hadoop may do anything on a node; here nothing needs that.
            "sudo": 'while [[ "${1:-}" == -* ]]; do shift; done\nexec "$@"',
        }
        for name, body in shims.items():
            path = bin_dir / name
            path.write_text(f"#!/usr/bin/env bash\n{body}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def identify(self, cluster_id: str, instance_id: str) -> None:
        """Write the files in which EMR tells a node its cluster and instance."""
        folder = self.root / "mnt" / "var" / "lib" / "info"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "job-flow.json").write_text(json.dumps({"jobFlowId": cluster_id}))
        (folder / "instance.json").write_text(json.dumps({"instanceId": instance_id, "isMaster": True}))

    def make_environment(self) -> dict[str, str]:
        """The environment of every process on the node."""
        java = find_java_home()
        return {
            **{k: os.environ[k] for k in _PASSED_ON if k in os.environ},
            **({"JAVA_HOME": str(java)} if java else {}),
            "PATH": f"{self.root}/usr/local/bin:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(self.home),
            "USER": "hadoop",
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "NODE_ROOT": str(self.root),
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self._no_profile),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._no_profile),
            **self.fetch_keys().environment(),
        }

    def localize_argument(self, value: str) -> str:
        """An argument of a bootstrap action, with an absolute path taken below the node's folder."""
        return f"{self.root}{value}" if value.startswith("/") else value

    def localize_value(self, value: str) -> str:
        """A configuration value, with a path that exists on the node taken from the node's folder."""
        if value.startswith("/"):
            local = self.root / value.lstrip("/")
            if os.path.lexists(local):
                return str(local)
        return value

    @staticmethod
    def make_spark_home(folder: Path) -> Path:
        """A SPARK_HOME of links to this environment's PySpark: ``local-cluster`` puts the executors' logs into it."""
        home = folder / "spark"
        home.mkdir()
        for entry in find_pyspark().iterdir():
            if entry.name not in ("work", "logs", "conf"):
                (home / entry.name).symlink_to(entry)
        return home

    def make_s3a_conf(self) -> dict[str, str]:
        """Spark configuration that makes ``s3://`` mean the embedded S3."""
        jars = ":".join(str(p) for p in find_s3a_jars())
        return {
            "spark.driver.extraClassPath": jars,
            "spark.executor.extraClassPath": jars,
            "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            "spark.hadoop.fs.s3a.endpoint": self.endpoint,
            "spark.hadoop.fs.s3a.endpoint.region": self.region,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        }

    def remove(self) -> None:
        """Delete the node's folder: a built environment takes about 2 GB."""
        shutil.rmtree(self.root, ignore_errors=True)


def find_s3a_jars() -> list[Path]:
    """The jars of S3A, from the package ``sagemaker-pyspark``."""
    spec = importlib.util.find_spec("sagemaker_pyspark")
    if spec is None or spec.origin is None:
        raise LocalAwsError("S3A is missing (package sagemaker-pyspark). Fix: make setup ENV=local.")
    folder = Path(spec.origin).parent / "jars"
    paths = [next(iter(sorted(folder.glob(pattern))), None) for pattern in JARS]
    if None in paths:
        raise LocalAwsError(f"S3A's jars are not in {folder}. Fix: install sagemaker-pyspark again.")
    return [p for p in paths if p is not None]
