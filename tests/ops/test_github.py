"""One comment and one issue, however often they are written: against a server that answers as GitHub's API does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from ops.ci import github
from ops.ci.github import BOT, GitHubError, Repository, write_comment, write_issue

MARKER = "<!-- fruits-plan-report dev -->"


class Forge:
    """Comments of one pull request and issues, kept in memory."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.refuse = 0

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        self.calls.append((method, path))
        if self.refuse:
            return self.refuse, {"message": "Resource not accessible by integration"}
        held = self.comments if "comments" in path else self.issues
        key = "id" if held is self.comments else "number"
        if method == "GET":
            page, size = int(query["page"][0]), int(query["per_page"][0])
            listed = [one for one in held if one.get("state", "open") == query.get("state", ["open"])[0]]
            return 200, listed[(page - 1) * size : page * size]
        if method == "POST":
            held.append({key: len(held) + 1, "user": {"login": BOT}, "state": "open", **body})
            return 201, held[-1]
        one = next(one for one in held if str(one[key]) == path.rpartition("/")[2])
        one.update(body)
        return 200, one


@pytest.fixture
def forge() -> Iterator[tuple[Forge, Repository]]:
    kept = Forge()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            url = urlparse(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            assert self.headers["Authorization"] == "Bearer token-of-the-run"
            code, said = kept.answer(self.command, url.path, parse_qs(url.query), body)
            data = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept, Repository("octocat/fruits", "token-of-the-run", f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_second_report_updates_the_comment(forge: tuple[Forge, Repository]) -> None:
    kept, repository = forge
    assert write_comment(repository, 7, f"one\n{MARKER}", MARKER) == "created"
    assert write_comment(repository, 7, f"two\n{MARKER}", MARKER) == "updated"
    assert [one["body"] for one in kept.comments] == [f"two\n{MARKER}"]
    assert kept.calls[0] == ("GET", "/repos/octocat/fruits/issues/7/comments")


def test_comment_is_found_behind_a_hundred_others(forge: tuple[Forge, Repository]) -> None:
    kept, repository = forge
    kept.comments += [{"id": n, "body": "talk", "user": {"login": "octocat"}} for n in range(1, 131)]
    write_comment(repository, 7, f"one\n{MARKER}", MARKER)
    assert write_comment(repository, 7, f"two\n{MARKER}", MARKER) == "updated"
    assert len(kept.comments) == 131


def test_marker_in_somebody_elses_comment_is_left_alone(forge: tuple[Forge, Repository]) -> None:
    kept, repository = forge
    kept.comments.append({"id": 1, "body": f"mine {MARKER}", "user": {"login": "stranger"}})
    assert write_comment(repository, 7, f"one\n{MARKER}", MARKER) == "created"
    assert kept.comments[0]["body"] == f"mine {MARKER}"


def test_environments_have_a_comment_each(forge: tuple[Forge, Repository]) -> None:
    kept, repository = forge
    for env in ("dev", "prod", "dev"):
        marker = f"<!-- fruits-plan-report {env} -->"
        write_comment(repository, 7, f"{env}\n{marker}", marker)
    assert len(kept.comments) == 2


def test_findings_share_one_issue_which_closes(forge: tuple[Forge, Repository]) -> None:
    kept, repository = forge
    marker = "<!-- fruits-drift dev -->"
    assert write_issue(repository, "t", f"nothing {marker}", marker, is_needed=False) == "nothing to say"
    assert write_issue(repository, "t", f"a {marker}", marker, is_needed=True) == "opened"
    assert write_issue(repository, "t", f"b {marker}", marker, is_needed=True) == "updated"
    assert [(one["state"], one["body"]) for one in kept.issues] == [("open", f"b {marker}")]
    assert write_issue(repository, "t", f"c {marker}", marker, is_needed=False) == "closed"
    assert kept.issues[0]["state"] == "closed"
    assert write_issue(repository, "t", f"d {marker}", marker, is_needed=True) == "opened"  # a closed one stays closed
    assert len(kept.issues) == 2


def test_pull_request_is_no_issue(forge: tuple[Forge, Repository]) -> None:
    kept, repository = forge
    marker = "<!-- fruits-drift dev -->"
    kept.issues.append({"number": 1, "state": "open", "body": marker, "user": {"login": BOT}, "pull_request": {}})
    assert write_issue(repository, "t", marker, marker, is_needed=True) == "opened"
    assert kept.issues[0]["body"] == marker


def test_refusal_says_to_what(forge: tuple[Forge, Repository]) -> None:
    kept, repository = forge
    kept.refuse = 403
    with pytest.raises(GitHubError, match=r"^GitHub answered 403 to GET issues/7/comments.*Resource not accessible"):
        write_comment(repository, 7, MARKER, MARKER)


def test_as_the_workflow_types_it(
    forge: tuple[Forge, Repository], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, repository = forge
    monkeypatch.setenv("GITHUB_TOKEN", repository.token)
    monkeypatch.setenv("GITHUB_REPOSITORY", repository.name)
    monkeypatch.setenv("GITHUB_API_URL", repository.api)
    assert github.main(["comment", str(tmp_path), "--number", "7"]) == 2
    assert "holds no report" in capsys.readouterr().err
    (tmp_path / "report.md").write_text(f"text\n{MARKER}\n")
    (tmp_path / "verdict.json").write_text(json.dumps({"marker": MARKER}))
    assert github.main(["comment", str(tmp_path), "--number", "7"]) == 0
    assert kept.comments[0]["body"] == f"text\n{MARKER}\n"
    (tmp_path / "drift.md").write_text("finding <!-- fruits-drift dev -->\n")
    said = {"marker": "<!-- fruits-drift dev -->", "title": "dev: differs from the code, or bills", "found": True}
    (tmp_path / "drift.json").write_text(json.dumps(said))
    assert github.main(["issue", str(tmp_path)]) == 0
    assert kept.issues[0]["title"] == "dev: differs from the code, or bills"
    monkeypatch.delenv("GITHUB_TOKEN")
    assert github.main(["issue", str(tmp_path)]) == 1
    assert "GITHUB_TOKEN not set. Fix: run it in a workflow, or set them." in capsys.readouterr().err


def test_needs_nothing_but_the_standard_library() -> None:
    """The job that may write installs nothing."""
    text = Path(github.__file__).read_text()
    imported = {
        line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    }
    known = {"__future__", "argparse", "collections", "dataclasses", "json", "os", "pathlib", "sys", "typing", "urllib"}
    assert imported <= known
