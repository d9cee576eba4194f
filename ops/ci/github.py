"""Puts a report where people look on GitHub: one comment of a pull request, or one issue, found again by its marker.

Needs the standard library alone, so that the job that may write runs nothing that the change could have installed.
``GITHUB_TOKEN``, ``GITHUB_REPOSITORY`` and ``GITHUB_API_URL`` are read as the runner sets them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = 100
BOT = "github-actions[bot]"


class GitHubError(Exception):
    """GitHub said no; the message says to what, and what to do."""


@dataclass(frozen=True)
class Repository:
    """A repository, spoken to by its REST API.

    Attributes
    ----------
    name : owner/name
    token : of the run
    api : address of the API, without a slash at the end
    """

    name: str
    token: str
    api: str = "https://api.github.com"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Repository:
        """The repository of the run.

        Raises
        ------
        GitHubError : this is no run of GitHub's
        """
        missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environ.get(name)]
        if missing:
            raise GitHubError(f"{' and '.join(missing)} not set. Fix: run it in a workflow, or set them.")
        api = environ.get("GITHUB_API_URL") or cls.api
        return cls(environ["GITHUB_REPOSITORY"], environ["GITHUB_TOKEN"], api.rstrip("/"))

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call.

        Raises
        ------
        GitHubError : it was refused, or did not get through
        """
        request = urllib.request.Request(  # noqa: S310  # the runner's own https address
            f"{self.api}/repos/{self.name}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "User-Agent": "fruits",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                text = error.read(2000).decode(errors="replace")
            raise GitHubError(f"GitHub answered {error.code} to {method} {path}: {text}") from error
        except (urllib.error.URLError, TimeoutError) as error:
            raise GitHubError(f"GitHub cannot be reached ({error}). Fix: run the job again.") from error

    def pages(self, path: str) -> Iterator[Any]:
        """Everything of a listing."""
        page, joint = 1, "&" if "?" in path else "?"
        while True:
            things = self.ask("GET", f"{path}{joint}per_page={PAGE}&page={page}")
            yield from things
            if len(things) < PAGE:
                return
            page += 1


def _ours(thing: Mapping[str, Any], marker: str) -> bool:
    """Whether a comment or an issue bears our marker and is our own: anybody may write a marker."""
    return marker in (thing.get("body") or "") and thing.get("user", {}).get("login") == BOT


def write_comment(repository: Repository, number: int, body: str, marker: str) -> str:
    """Write a pull request's comment anew, or for the first time; what was done."""
    for earlier in repository.pages(f"issues/{number}/comments"):
        if _ours(earlier, marker):
            repository.ask("PATCH", f"issues/comments/{earlier['id']}", {"body": body})
            return "updated"
    repository.ask("POST", f"issues/{number}/comments", {"body": body})
    return "created"


def write_issue(repository: Repository, title: str, body: str, marker: str, *, is_needed: bool) -> str:
    """Open or update the one issue about a finding, or close it where nothing is found any more; what was done."""
    for earlier in repository.pages("issues?state=open"):
        if "pull_request" in earlier or not _ours(earlier, marker):
            continue
        if is_needed:
            repository.ask("PATCH", f"issues/{earlier['number']}", {"title": title, "body": body})
            return "updated"
        repository.ask("PATCH", f"issues/{earlier['number']}", {"body": body, "state": "closed"})
        return "closed"
    if not is_needed:
        return "nothing to say"
    repository.ask("POST", "issues", {"title": title, "body": body})
    return "opened"


def main(arguments: Sequence[str] | None = None) -> int:
    """``comment --number N FOLDER`` (of make plan-report) or ``issue FOLDER`` (of make drift)."""
    parser = argparse.ArgumentParser(prog="python3 -m ops.ci.github", description=__doc__)
    parser.add_argument("what", choices=["comment", "issue"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--number", type=int, help="of the pull request")
    options = parser.parse_args(arguments)
    try:
        repository = Repository.from_environment(os.environ)
        if options.what == "comment":
            if options.number is None:
                parser.error("comment needs --number")
            verdict = json.loads((options.folder / "verdict.json").read_text())
            outcome = write_comment(
                repository, options.number, (options.folder / "report.md").read_text(), verdict["marker"]
            )
        else:
            verdict = json.loads((options.folder / "drift.json").read_text())
            body = (options.folder / "drift.md").read_text()
            outcome = write_issue(repository, verdict["title"], body, verdict["marker"], is_needed=verdict["found"])
    except (OSError, ValueError, KeyError) as error:
        print(
            f"github: {options.folder} holds no report ({error}). Fix: make plan-report, make drift.", file=sys.stderr
        )
        return 2
    except GitHubError as error:
        print(f"github: {error}", file=sys.stderr)
        return 1
    print(f"{options.what}: {outcome}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
