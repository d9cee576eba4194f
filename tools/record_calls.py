"""`make record-calls`: which rights the operator's commands need, recorded while the rehearsal types them.

Needed when a command of operators makes another call; `tests/rehearsal/test_rights.py` says so. The tests of
`REHEARSALS` type the commands on the embedded AWS, which writes down the rights that each call needs. They are written
to ``infra/operators/recorded-calls.json``, with ENV=prod's names. ``--check`` says whether that file is up to date and
writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localaws import reference
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.paths import ROOT
from ops.core.target import EMULATED_ACCOUNT

RECORDED = ROOT / "infra" / "operators" / "recorded-calls.json"
REHEARSALS = ("tests/rehearsal/test_rights.py", "tests/rehearsal/test_verify.py")
FOLDER = "RECORDINGS"
"""The variable that names the folder in which the rehearsal writes down the calls."""
BOUNDARY = "iam:PermissionsBoundary"
# Other condition keys would only make the record longer: no policy here reads them.
CONTEXT = (
    "aws:RequestTag/Environment",
    "aws:RequestTag/Project",
    "aws:RequestedRegion",
    "aws:TagKeys",
    "aws:ResourceTag/Environment",
    "aws:ResourceTag/ManagedByAmazonSageMakerResource",
    "aws:ResourceTag/Name",
    "aws:ResourceTag/Project",
    "aws:ResourceTag/for-use-with-amazon-emr-managed-policies",
    "ec2:CreateAction",
    "iam:PassedToService",
    BOUNDARY,
    "iam:PolicyARN",
    "sagemaker:OwnerUserProfileArn",
    "sagemaker:TaggingAction",
)
NOT_NEEDED = {
    "sts:AssumeRole": "make shell of the embedded AWS lends the node's keys; on AWS it is a session of Systems Manager",
    "iam:GetUser": "the provider finds its account so where credentials are not validated, as with the emulator; "
    "on AWS it uses sts:GetCallerIdentity, which needs no right",
    "iam:ListGroupsForUser": "make verify-aws asks what it runs as: operators are refused, which is the answer",
}
"""Actions of calls that operators make here, and for which they need no right on AWS."""


class RehearsalError(OperatorError):
    """The rehearsal failed, or it made calls whose rights are not written in localaws/rights.py."""

    exit_code = 5


@dataclass(order=True, frozen=True)
class Right:
    """One action on one resource under known conditions, and the commands that need it.

    Attributes
    ----------
    context : pairs of condition key and value
    """

    action: str
    resource: str
    context: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    commands: tuple[str, ...] = field(default=(), compare=False)

    def as_json(self) -> dict[str, Any]:
        """The right, as the file holds it."""
        return {
            "action": self.action,
            "resource": self.resource,
            "context": dict(self.context),
            "commands": list(self.commands),
        }


# ------------------------------------------------------------------------------------------- what is recorded


def normalise(text: str) -> str:
    """A resource or value without ids, keys and the account, which differ from run to run.

    >>> normalise("arn:aws:ec2:eu-west-3:123456789012:vpc/vpc-0ab12cd34ef56ab78")
    'arn:aws:ec2:eu-west-3:<account>:vpc/vpc-<id>'
    >>> normalise("arn:aws:iam::123456789012:role/fruits-prod-ttl-j-ABCDEFGHIJ012")
    'arn:aws:iam::<account>:role/fruits-prod-ttl-j-<id>'
    >>> normalise("arn:aws:s3:::fruits-prod-data-123456789012/images/Pomme (1)/0_100.jpg")
    'arn:aws:s3:::fruits-prod-data-<account>/images/<key>'
    """
    text = text.replace(EMULATED_ACCOUNT, "<account>")
    if parts := re.fullmatch(r"(arn:aws:s3:::[^/]+/)(prod/[^/]+|[^/]+)(/.*)?", text):
        return parts[1] + parts[2] + ("/<key>" if parts[3] else "")
    text = re.sub(r"\b(j)-[A-Z0-9]{13}\b", r"\1-<id>", text)
    text = re.sub(r"/([a-z]+)-[0-9a-f]{8,17}\b", r"/\1-<id>", text)
    return re.sub(r"key/[0-9a-f-]{36}", "key/<id>", text)


def list_rights(lines: Iterable[Mapping[str, Any]]) -> Iterator[Right]:
    """The rights that commands needed, from the lines of a recording."""
    for line in lines:
        for need in line.get("needs", ()):
            if need["action"] in NOT_NEEDED:
                continue
            keys = [key for key in sorted(need["context"]) if _is_relevant(key, need)]
            context = tuple((key, _normalise_value(need["context"][key])) for key in keys)
            yield Right(need["action"], normalise(need["resource"]), context, (line["command"],))


def _is_relevant(key: str, need: Mapping[str, Any]) -> bool:
    """Whether a policy of ours could depend on a key."""
    if key == "aws:TagKeys":  # beside the tags themselves it adds nothing
        return not any(other.startswith("aws:RequestTag/") for other in need["context"])
    if key == "aws:ResourceTag/Name":  # where there is a project, it is only a name
        return "aws:ResourceTag/Project" not in need["context"]
    return key in CONTEXT


def _normalise_value(value: str | list[str]) -> str | tuple[str, ...]:
    return normalise(value) if isinstance(value, str) else tuple(value)


def list_unknown_calls(lines: Iterable[Mapping[str, Any]]) -> set[str]:
    """The calls whose rights are not written down, and should be."""
    return {line["unknown"] for line in lines if "unknown" in line} - set(NOT_NEEDED)


def move_to_prod(right: Right) -> Right:
    """A right of ENV=local as ENV=prod's operators need it: with their names, tags and permissions boundary.

    >>> move_to_prod(Right("s3:ListBucket", "arn:aws:s3:::fruits-local-data-<account>")).resource
    'arn:aws:s3:::fruits-prod-data-<account>'
    """

    def move(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, tuple):
            return tuple(str(move(part)) for part in value)
        return "prod" if value == "local" else value.replace("fruits-local", "fruits-prod")

    context = {key: move(value) for key, value in right.context}
    role = right.action.startswith("iam:") and ":role/fruits-" in right.resource
    if role and any(kind.knows(BOUNDARY) for kind in reference.find_action(right.action).kinds):
        context[BOUNDARY] = "arn:aws:iam::<account>:policy/fruits-prod-boundary"
    return Right(right.action, str(move(right.resource)), tuple(sorted(context.items())), right.commands)


def merge_rights(rights: Iterable[Right]) -> list[Right]:
    """Each right once, sorted, with all commands that need it."""
    commands: dict[Right, set[str]] = {}
    for right in rights:
        commands.setdefault(right, set()).update(right.commands)
    return [Right(r.action, r.resource, r.context, tuple(sorted(names))) for r, names in sorted(commands.items())]


def format_rights(rights: Sequence[Right]) -> str:
    """The file: one right per line, so that a change can be read."""
    lines = ",\n".join(json.dumps(right.as_json()) for right in rights)
    return f"[\n{lines}\n]\n"


def parse_rights(text: str) -> list[Right]:
    """The rights in a file."""
    return [
        Right(
            r["action"],
            r["resource"],
            tuple(sorted((k, v if isinstance(v, str) else tuple(v)) for k, v in r["context"].items())),
            tuple(r["commands"]),
        )
        for r in json.loads(text)
    ]


def diff_rights(before: Sequence[Right], now: Sequence[Right]) -> list[str]:
    """The rights that a new recording adds and lacks; the commands of a right are not compared."""
    more = [f"+ {right.action} on {right.resource} {dict(right.context)}" for right in now if right not in set(before)]
    less = [f"- {right.action} on {right.resource} {dict(right.context)}" for right in before if right not in set(now)]
    return more + less


# --------------------------------------------------------------------------------------------- the rehearsal


def rehearse(folder: Path) -> list[Right]:
    """Run the rehearsal, with its recordings in a folder; returns the rights that its commands needed.

    Raises
    ------
    RehearsalError : one of its commands failed, or a call is not understood
    """
    # without the tests that compare the rehearsal with the record, which is to be renewed
    selection = ["-n", "0", "-k", "not record_knows and not ctrl_c", *REHEARSALS]
    command = [sys.executable, "-m", "pytest", "-q", *selection]
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, FOLDER: str(folder)}, check=False).returncode
    if code:
        raise RehearsalError("the rehearsal failed: see above. Fix: the test that it names, then record again.")
    texts = [file.read_text() for file in sorted(folder.glob("*.jsonl"))]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    if unknown := list_unknown_calls(lines):
        raise RehearsalError(
            f"calls whose rights are not written down: {'; '.join(sorted(unknown))}. Fix: write them in "
            "localaws/rights.py."
        )
    return merge_rights(move_to_prod(right) for right in list_rights(lines))


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, or check the record. Exit code: 0; 1 when ``--check`` sees a difference; 5 when the rehearsal failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.record_calls", description="Record the rights of an operator."
    )
    parser.add_argument("--check", action="store_true", help="compare with the file; write nothing")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="fruits-record-") as name:
            rights = rehearse(Path(name))
    except OperatorError as error:
        Console(stderr=True).print(f"record-calls: {error}", style="red")
        return error.exit_code
    before = parse_rights(RECORDED.read_text()) if RECORDED.exists() else []
    changed = diff_rights(before, rights)
    for line in changed:
        console.print(line)
    console.print(f"{len(rights)} rights; {len(changed)} differ from {RECORDED.relative_to(ROOT)}")
    if options.check:
        return 1 if changed else 0
    RECORDED.write_text(format_rights(rights))
    return 0


if __name__ == "__main__":
    sys.exit(main())
