"""One comment and one issue, however often they are written: the workflows' own steps against GitHub's API, in memory.

The steps run in bash as they stand in the workflows. ``gh`` is the real one where it is installed, and always a program
that takes the arguments that the steps give it (jq filters for both).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml

from ops.core.paths import ROOT

BOT = "github-actions[bot]"
MARKER = "<!-- fruits-plan-report dev -->"
DRIFT = "<!-- fruits-drift dev -->"
TITLE = "dev: differs from the code, or bills"
IMITATION = '''#!{python} -SE
"""`gh api` for the options of the workflows' steps; pages are followed as the real one follows them."""
import argparse, json, os, pathlib, subprocess, sys, urllib.error, urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("api")
parser.add_argument("path")
parser.add_argument("--method", default="GET")
parser.add_argument("--paginate", action="store_true")
parser.add_argument("--silent", action="store_true")
parser.add_argument("--jq")
parser.add_argument("-f", action="append", default=[])
parser.add_argument("-F", action="append", default=[])
given = parser.parse_args()
fields = dict(field.split("=", 1) for field in given.f)
for name, value in (field.split("=", 1) for field in given.F):
    fields[name] = pathlib.Path(value.removeprefix("@")).read_text()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{"http": os.environ["HTTP_PROXY"]}}))
address = "http://api.github.localhost/" + given.path
while address:
    request = urllib.request.Request(address, method=given.method, data=json.dumps(fields).encode() if fields else None)
    request.add_header("Authorization", "token " + os.environ["GH_TOKEN"])
    try:
        with opener.open(request) as answer:
            data, link = answer.read(), answer.headers.get("Link", "")
    except urllib.error.HTTPError as error:
        sys.exit(f"gh: {{json.load(error)['message']}} (HTTP {{error.code}})")
    if given.jq:
        subprocess.run(["jq", "-r", given.jq], input=data, check=True)
    address = link.partition("<")[2].partition(">")[0] if given.paginate else ""
'''


class Forge:
    """Comments of one pull request and issues, kept in memory."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.refuses = False

    def answer(self, method: str, address: str, body: dict[str, Any]) -> tuple[int, Any, str]:
        """Status, content and the link to the next page."""
        url = urlparse(address)
        self.paths.append(f"{method} {url.path}")
        if self.refuses:
            return 403, {"message": "Resource not accessible by integration"}, ""
        things = self.comments if "comments" in url.path else self.issues
        key = "id" if things is self.comments else "number"
        if method == "GET":
            query = parse_qs(url.query)
            page, size = int(query.get("page", ["1"])[0]), int(query["per_page"][0])
            listed = [thing for thing in things if thing.get("state", "open") == query.get("state", ["open"])[0]]
            following = f'<{address.partition("&page=")[0]}&page={page + 1}>; rel="next"'
            return 200, listed[(page - 1) * size : page * size], following if len(listed) > page * size else ""
        if method == "POST":
            things.append({key: len(things) + 1, "user": {"login": BOT}, "state": "open", **body})
            return 201, things[-1], ""
        thing = next(thing for thing in things if str(thing[key]) == url.path.rpartition("/")[2])
        thing.update(body)
        return 200, thing, ""


def read_step(workflow: str, job: str) -> dict[str, Any]:
    """The last step of a workflow's job."""
    text = (ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text()
    step: dict[str, Any] = yaml.safe_load(text)["jobs"][job]["steps"][-1]
    return step


class Runner:
    """Runs the steps in a folder, as GitHub's runner does."""

    def __init__(self, forge: Forge, port: int, folder: Path, program: Path) -> None:
        self.forge, self.folder = forge, folder
        self.environment = os.environ | {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "HTTP_PROXY": f"http://127.0.0.1:{port}",
            "http_proxy": f"http://127.0.0.1:{port}",
            "GH_HOST": "github.localhost",  # by plain http
            "GH_CONFIG_DIR": str(folder / "settings"),
        }

    def run(self, workflow: str, job: str) -> subprocess.CompletedProcess[str]:
        step = read_step(workflow, job)
        assert step["shell"] == "bash"
        values = {
            "${{ github.token }}": "token-of-the-run",
            "${{ github.repository }}": "octocat/fruits",
            "${{ github.event.pull_request.number }}": "7",
        }
        variables = dict(step["env"])
        for name, text in variables.items():
            for expression, value in values.items():
                text = text.replace(expression, value)
            variables[name] = text
        assert "${{" not in "".join(variables.values())
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        environment = self.environment | variables
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def comment(self, text: str, marker: str = MARKER) -> None:
        place = self.folder / "plan-report"
        place.mkdir(exist_ok=True)
        (place / "report.md").write_text(f"{text}\n{marker}\n")
        (place / "verdict.json").write_text(json.dumps({"marker": marker}))
        done = self.run("plan", "comment")
        assert not done.returncode, done.stderr

    def issue(self, text: str, *, found: bool) -> None:
        place = self.folder / "drift"
        place.mkdir(exist_ok=True)
        (place / "drift.md").write_text(f"{text} {DRIFT}")
        (place / "drift.json").write_text(json.dumps({"marker": DRIFT, "title": TITLE, "found": found}))
        done = self.run("drift", "issue")
        assert not done.returncode, done.stderr


@pytest.fixture(params=["imitation", "gh"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runner]:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed, which GitHub's runners have")
    program = tmp_path / "bin" / "gh"
    if request.param == "gh":
        installed = shutil.which("gh")
        if installed is None:
            pytest.skip("gh is not installed: the steps run with an imitation of it only")
        program = Path(installed)
    else:
        program.parent.mkdir()
        program.write_text(IMITATION.format(python=sys.executable))
        program.chmod(0o755)
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            assert self.headers["Authorization"] == "token token-of-the-run"
            code, content, link = forge.answer(self.command, self.path, body)
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if link:
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Runner(forge, server.server_port, tmp_path, program)
        finally:
            server.shutdown()
            thread.join()


def test_second_report_updates_the_comment(runner: Runner) -> None:
    runner.comment("one")
    runner.comment("two: `a` $b 'c' \"d\" @e")
    assert [comment["body"] for comment in runner.forge.comments] == [f"two: `a` $b 'c' \"d\" @e\n{MARKER}\n"]
    assert runner.forge.paths == [
        "GET /repos/octocat/fruits/issues/7/comments",
        "POST /repos/octocat/fruits/issues/7/comments",
        "GET /repos/octocat/fruits/issues/7/comments",
        "PATCH /repos/octocat/fruits/issues/comments/1",
    ]


def test_comment_is_found_behind_a_hundred_others(runner: Runner) -> None:
    others = [{"id": number, "body": "talk", "user": {"login": "octocat"}} for number in range(1, 131)]
    runner.forge.comments += others
    runner.comment("one")
    runner.comment("two")
    assert len(runner.forge.comments) == 131
    assert runner.forge.comments[-1]["body"].startswith("two")


def test_marker_in_somebody_elses_comment_is_left_alone(runner: Runner) -> None:
    runner.forge.comments.append({"id": 1, "body": f"mine {MARKER}", "user": {"login": "stranger"}})
    runner.forge.comments.append({"id": 2, "body": None, "user": {"login": BOT}})
    runner.comment("one")
    assert [comment["body"] for comment in runner.forge.comments] == [f"mine {MARKER}", None, f"one\n{MARKER}\n"]


def test_environments_have_a_comment_each(runner: Runner) -> None:
    for env in ("dev", "prod", "dev"):
        runner.comment(env, f"<!-- fruits-plan-report {env} -->")
    assert len(runner.forge.comments) == 2


def test_findings_share_one_issue_which_closes(runner: Runner) -> None:
    issues = runner.forge.issues
    runner.issue("nothing", found=False)
    assert not issues
    runner.issue("a", found=True)
    runner.issue("b", found=True)
    assert [(issue["title"], issue["state"], issue["body"]) for issue in issues] == [(TITLE, "open", f"b {DRIFT}")]
    runner.issue("c", found=False)
    assert [(issue["state"], issue["body"]) for issue in issues] == [("closed", f"c {DRIFT}")]
    runner.issue("d", found=True)  # a closed one stays closed
    assert [issue["state"] for issue in issues] == ["closed", "open"]


def test_pull_request_and_strangers_are_no_issue(runner: Runner) -> None:
    runner.forge.issues += [
        {"number": 1, "state": "open", "body": DRIFT, "user": {"login": BOT}, "pull_request": {}},
        {"number": 2, "state": "open", "body": DRIFT, "user": {"login": "stranger"}},
    ]
    runner.issue("a", found=True)
    assert [issue["body"] for issue in runner.forge.issues] == [DRIFT, DRIFT, f"a {DRIFT}"]


def test_a_refusal_fails_the_step(runner: Runner) -> None:
    runner.comment("one")
    runner.forge.refuses = True
    done = runner.run("plan", "comment")
    assert done.returncode
    assert "Resource not accessible by integration (HTTP 403)" in done.stderr


@pytest.mark.parametrize(("workflow", "job"), [("plan", "comment"), ("drift", "issue")])
def test_without_a_report_nothing_is_written(workflow: str, job: str, runner: Runner) -> None:
    done = runner.run(workflow, job)
    assert done.returncode
    assert "No such file or directory" in done.stderr
    assert not runner.forge.paths
