"""What only a node can tell: run there, with the node's own Python, by a step; prints one JSON object.

It imports nothing that the standard library of Python 3.11 has not. A part that cannot be asked says ``skipped`` or
``error`` and why; the probe itself always ends well.
"""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

METADATA = "http://169.254.169.254"
PREFIX = "/opt/fruits"
SECONDS = 10


def node() -> dict[str, Any]:
    """System, processor, C library, and the Python that runs this."""
    release = {}
    for line in Path("/etc/os-release").read_text().splitlines():
        # ID="amzn"
        name, _, value = line.partition("=")
        release[name] = value.strip('"')
    return {
        "system": release.get("ID"),
        "version": release.get("VERSION_ID"),
        "machine": platform.machine(),
        "libc": list(platform.libc_ver()),
        "python": platform.python_version(),
        "executable": sys.executable,
        "environment": {name: os.environ.get(name) for name in ("AWS_REGION", "PYSPARK_PYTHON", "OMP_NUM_THREADS")},
    }


def ready() -> dict[str, Any]:
    """What the bootstrap wrote when TensorFlow had run."""
    marker: dict[str, Any] = json.loads(Path(f"{os.environ.get('NODE_ROOT', '')}{PREFIX}/ready.json").read_text())
    fields = ("python", "architecture", "lock_sha256", "seconds")
    return {**{name: marker[name] for name in fields}, "packages": len(marker["packages"])}


def metadata() -> dict[str, Any]:
    """How the instance metadata service answers without a token, and with one."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED") == "true":
        return {"skipped": "this node has no metadata service"}

    def ask(path: str, method: str, headers: dict[str, str]) -> tuple[int, str]:
        request = urllib.request.Request(METADATA + path, method=method, headers=headers)  # noqa: S310 - a constant
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""

    without, _ = ask("/latest/meta-data/", "GET", {})
    status, token = ask("/latest/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    region = ask("/latest/meta-data/placement/region", "GET", {"X-aws-ec2-metadata-token": token})[1]
    return {"without_token": without, "token": status, "region": region}


def run(*command: str) -> dict[str, Any]:
    """Exit code and the end of what a command said."""
    completed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return {"code": completed.returncode, "said": (completed.stdout + completed.stderr).strip()[-800:]}


def repositories() -> dict[str, Any]:
    """Whether Amazon Linux's own packages can be reached: they lie in S3."""
    if shutil.which("dnf") is None:
        return {"skipped": "this node has no dnf"}
    return run("sudo", "-n", "dnf", "--quiet", "makecache", "--refresh")


def foreign_bucket() -> dict[str, Any]:
    """An object that anybody may read, in a bucket that the endpoint's policy does not name: asked for unsigned."""
    region = os.environ.get("AWS_REGION", "")
    uri = f"s3://amazon-ssm-{region}/latest/VERSION"
    return {"uri": uri, **run("aws", "s3", "cp", "--no-sign-request", "--cli-read-timeout", "20", uri, "-")}


def read_json(url: str) -> Any:
    """What a service of the cluster answers."""
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - the cluster's own hosts
        return json.load(answer)


def yarn() -> dict[str, Any]:
    """The nodes' labels, and where each application's master ran, from YARN's ResourceManager."""
    if shutil.which("yarn") is None:
        return {"skipped": "this node has no YARN"}
    root = f"http://{socket.gethostname()}:8088/ws/v1/cluster"
    nodes = (read_json(f"{root}/nodes").get("nodes") or {}).get("node") or []
    apps = (read_json(f"{root}/apps").get("apps") or {}).get("app") or []
    return {
        "nodes": [{"host": n.get("nodeHostName"), "labels": n.get("nodeLabels", [])} for n in nodes],
        "masters": [
            # ip-10-42-1-7.eu-west-3.compute.internal:8042
            {"id": a.get("id"), "name": a.get("name"), "host": str(a.get("amHostHttpAddress", "")).partition(":")[0],
             "label": a.get("amNodeLabelExpression"), "status": a.get("finalStatus")}
            for a in apps
        ],
    }  # fmt: skip


def executors() -> dict[str, Any]:
    """Which hosts the executors of each application ran on, from Spark's history server on this node."""
    if shutil.which("yarn") is None:
        return {"skipped": "this node has no YARN"}
    root = f"http://{socket.gethostname()}:18080/api/v1/applications"
    applications = []
    for application in read_json(root):
        attempt = application["attempts"][0].get("attemptId")
        path = f"/{application['id']}/{attempt}" if attempt else f"/{application['id']}"
        applications.append(
            {
                "id": application["id"],
                "executors": [
                    # ip-10-42-1-7.eu-west-3.compute.internal:41233
                    {"id": e["id"], "host": e["hostPort"].partition(":")[0], "cores": e["totalCores"],
                     "tasks": e["completedTasks"], "peak": e.get("peakMemoryMetrics")}
                    for e in read_json(f"{root}{path}/allexecutors")
                    if e["id"] != "driver"
                ],
            }
        )  # fmt: skip
    return {"applications": applications}


def way_out() -> dict[str, Any]:
    """Whether a host of the internet that is no service of this region can be reached."""
    try:
        with socket.create_connection(("checkip.amazonaws.com", 443), timeout=SECONDS):
            return {"reached": True}
    except OSError as error:
        return {"reached": False, "why": f"{type(error).__name__}: {error}"}


MEMORY_SETTINGS = (
    "yarn.nodemanager.resource.memory.enforced",
    "yarn.nodemanager.pmem-check-enabled",
    "yarn.nodemanager.vmem-check-enabled",
    "yarn.nodemanager.container-monitor.procfs-tree.smaps-based-rss.enabled",
    "yarn.nodemanager.resource.memory.cgroups.enabled",
    "yarn.nodemanager.resource.memory-mb",
    "yarn.nodemanager.container-executor.class",
)


def memory() -> dict[str, Any]:
    """What each NodeManager really has about containers' memory, from its own configuration page."""
    answer = yarn()
    if "skipped" in answer:
        return answer

    def ask(host: str, name: str) -> str | None:
        url = f"http://{host}:8042/conf?format=json&name={name}"
        try:
            value = read_json(url)["property"]["value"]
        except (OSError, KeyError, ValueError):
            return None
        return str(value)

    return {"nodes": {n["host"]: {name: ask(n["host"], name) for name in MEMORY_SETTINGS} for n in answer["nodes"]}}


PARTS = (node, ready, metadata, repositories, foreign_bucket, yarn, memory, executors, way_out)


def main() -> int:
    """Ask everything; always 0, so that the step's end says only whether the probe ran."""
    answers: dict[str, Any] = {}
    for part in PARTS:
        try:
            answers[part.__name__] = part()
        except Exception as error:  # noqa: BLE001 - one part that fails must not hide the others
            answers[part.__name__] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answers, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
