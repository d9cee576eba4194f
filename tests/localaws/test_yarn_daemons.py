"""The daemons, without Spark: who gets in, who listens, what an accident and an end leave.

They are those of the cluster of test_yarn_step.py; what starts others is slow.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from localaws.java import find_java_home, find_pyspark
from localaws.processes import find_processes
from localaws.yarn import jars, plan
from localaws.yarn.daemons import MACHINE_VARIABLE, Yarn
from localaws.yarn.errors import DaemonError, PortTakenError
from localaws.yarn.plan import MASTER_PORTS, ClusterPlan, Machine
from tests.conftest import REPO
from tests.localaws.on_yarn import JARS, OnYarn, needs_jars
from tests.localaws.support import until

PASSED_ON = ("JAVA_HOME", "PATH", "HADOOP_CONF_DIR", MACHINE_VARIABLE)
pytestmark = [pytest.mark.aws, *needs_jars]


def make_yarn(folder: Path, network: str = "", **more: Any) -> Yarn:
    home = find_java_home()
    assert home is not None
    classpath = jars.build_classpath(jars.verify_jars(JARS, jars.read_own_pins()), find_pyspark() / "jars")
    cluster_plan = ClusterPlan(
        folder, network or plan.choose_network(), "ip-10-0-0-10.ec2.internal", passed_on=PASSED_ON, **more
    )
    return Yarn(cluster_plan, java_home=home, classpath=classpath, environment={"PATH": os.environ["PATH"]})


def make_machine(yarn: Yarn, number: int) -> Machine:
    return Machine(f"ip-10-0-1-{number}.ec2.internal", f"{yarn.plan.network}.{number}", 2048, 2)


@pytest.fixture(scope="module")
def yarn(on_yarn: OnYarn) -> Yarn:
    """The shared cluster's daemons by their folder and addresses: to be asked, not to be started or stopped."""
    folder = on_yarn.folder / "hadoop"
    address = (folder / "hosts").read_text().split()[0]
    return make_yarn(folder, address.rpartition(".")[0])


def ask(url: str, method: str = "GET", body: dict[str, Any] | None = None, **headers: str) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    sent = {"Accept": "application/json", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, data=data, method=method, headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def rest(yarn: Yarn, path: str) -> str:
    return f"http://{yarn.plan.master_address}:8088/ws/v1/cluster/{path}"


def count_nodes(yarn: Yarn, state: str) -> int:
    metrics = ask(rest(yarn, "metrics"))[1]
    return int(metrics.get("clusterMetrics", metrics)[f"{state}Nodes"])


def a_program(application: str, mark: Path) -> dict[str, Any]:
    """What the REST interface takes: a command, run as the ResourceManager's own user."""
    return {
        "applicationId": application,
        "applicationName": "a stranger's",
        "applicationType": "YARN",
        "containerLaunchContextInfo": {"commands": [f"touch {mark}"]},
        "resource": {"memory": 128, "vCores": 1},
    }


@pytest.mark.parametrize("user", ["", "?user.name=hadoop", "?doAs=hadoop"])
def test_nobody_runs_a_program_by_the_rest_interface(yarn: Yarn, tmp_path: Path, user: str) -> None:
    mark = tmp_path / "ran"
    code, given = ask(rest(yarn, f"apps/new-application{user}"), "POST", {}, **{"X-XSRF-Header": "1"})
    assert code == 200
    body = a_program(given["applicationId"], mark)
    code, said = ask(rest(yarn, f"apps{user}"), "POST", body, **{"X-XSRF-Header": "1"})
    assert code in (400, 401, 403), said
    assert "does not have permission to submit" in str(said)
    assert not mark.exists()
    assert body["applicationName"] not in str(ask(rest(yarn, "apps"))[1])


def test_configuration_and_logs_are_not_shown_to_strangers(yarn: Yarn) -> None:
    for base in (f"http://{yarn.plan.master_address}:8088", f"http://{yarn.plan.network}.11:8042"):
        for path in ("conf", "jmx", "stacks", "logLevel"):
            assert ask(f"{base}/{path}")[0] == 403, path
        assert ask(f"{base}/logs/")[0] in (401, 403, 404)


PAGE = """<script>
const base = "BASE", told = [];
async function go() {
  for (const type of ["text/plain", "application/json", "application/x-www-form-urlencoded"]) {
    for (const path of ["apps/new-application", "apps"]) {
      try {
        const answer = await fetch(base + path, {method: "POST", body: JSON.stringify(PROGRAM),
                                                 headers: {"Content-Type": type}});
        told.push(answer.status);
      } catch (error) { told.push("refused"); }
    }
  }
  try { told.push("read " + await (await fetch(base + "info")).text()); } catch (error) { told.push("unread"); }
  document.title = told.join(" ");
}
go();
</script>"""


def test_a_page_of_another_origin_can_neither_ask_nor_read(yarn: Yarn, tmp_path: Path) -> None:
    """What any web page could try while the cluster runs, in a real browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs Chromium")
    code, given = ask(rest(yarn, "apps/new-application"), "POST", {}, **{"X-XSRF-Header": "1"})
    assert code == 200
    mark = tmp_path / "ran"
    page = PAGE.replace("BASE", rest(yarn, "")).replace("PROGRAM", json.dumps(a_program(given["applicationId"], mark)))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        with playwright.sync_playwright() as started:
            browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
            tab = browser.new_page()
            tab.goto(f"http://127.0.0.1:{site.server_address[1]}/")
            tab.wait_for_function("document.title !== ''", timeout=300_000)
            told = tab.title()
            browser.close()
        site.shutdown()
    assert told.split() == ["refused"] * 6 + ["unread"]
    assert not mark.exists()


def test_the_clusters_folder_is_the_owners_alone(yarn: Yarn) -> None:
    assert yarn.plan.folder.stat().st_mode & 0o077 == 0


def test_a_taken_port_is_told_and_nothing_is_left(yarn: Yarn, tmp_path: Path) -> None:
    second = make_yarn(tmp_path / "hadoop", yarn.plan.network)
    with pytest.raises(PortTakenError, match=r"^port \d+ of 127\.\d+\.\d+\.1 is taken by another program\. Fix: "):
        second.start([])
    assert list(find_processes(tmp_path, MACHINE_VARIABLE)) == []


def test_a_master_is_ready_when_all_its_services_listen(tmp_path: Path) -> None:
    """The port of the administrator opens seconds before that of the NodeManagers, more on a busy machine."""
    starting = make_yarn(tmp_path / "hadoop")
    with contextlib.ExitStack() as services:
        for port in MASTER_PORTS.values():
            assert not starting._is_master_listening()
            services.enter_context(socket.create_server((starting.plan.master_address, port)))
        assert starting._is_master_listening()


@pytest.mark.slow
def test_a_daemon_that_cannot_start_shows_its_last_words(tmp_path: Path) -> None:
    broken = make_yarn(tmp_path / "hadoop", site={"yarn.resourcemanager.scheduler.class": "no.such.Scheduler"})
    with pytest.raises(
        DaemonError, match=r"(?s)^the ResourceManager ended; its log .* ends with:.*no\.such\.Scheduler"
    ):
        broken.start([])
    assert list(find_processes(tmp_path, MACHINE_VARIABLE)) == []


@pytest.mark.slow
def test_a_second_cluster_stands_beside_and_a_machine_of_it_is_lost(yarn: Yarn, tmp_path: Path) -> None:
    other = make_yarn(tmp_path / "hadoop")
    before = count_nodes(yarn, "active")
    try:
        other.start([make_machine(other, 11), make_machine(other, 12)])
        assert other.plan.network != yarn.plan.network
        assert (count_nodes(yarn, "active"), count_nodes(other, "active")) == (before, 2)
        lost = next(machine for machine in other.machines if machine.name == "ip-10-0-1-12.ec2.internal")
        assert other.lose(lost) == 1
        until(lambda: count_nodes(other, "lost"), lambda count: count == 1, seconds=40)
        assert count_nodes(yarn, "active") == before
    finally:
        other.stop()
    assert list(find_processes(tmp_path, MACHINE_VARIABLE)) == []
    assert count_nodes(yarn, "active") == before


SLEEPERS = """
import os, signal, subprocess, sys, time
from pathlib import Path
from localaws.reaper import Reaper
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
folder = Path(sys.argv[1])
reaper = Reaper(folder)
env = {**os.environ, "NODE_ROOT": str(folder / "j-1")}
# a daemon in a session of its own, whose child has lost its parent: what a NodeManager leaves
subprocess.Popen(["bash", "-c", "setsid sleep 600 & exec setsid sleep 600"], env=env)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_what_a_server_started_ends_with_it_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    program = [sys.executable, "-c", SLEEPERS, str(tmp_path)]
    with subprocess.Popen(program, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        until(lambda: len(list(find_processes(tmp_path))), lambda count: count == 2)
        server.send_signal(number)
        server.wait()
    until(lambda: list(find_processes(tmp_path)), lambda found: not found, seconds=15)
