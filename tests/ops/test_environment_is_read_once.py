"""Only the command line reads the process's environment: a command gets what it was given, and passes it on."""

from __future__ import annotations

import ast
from pathlib import Path

from ops.cli.options import OPTIONS
from ops.core.paths import ROOT

MAY = {
    "ops/aws/account.py": "AWS's own variables: where clients go",
    "ops/ci/github.py": "runs on GitHub's machine without any package",
    "ops/data/fetch.py": "git's environment",
    "ops/job/local_spark.py": "spark-submit's environment",
    "ops/job/wheelhouse.py": "AWS's own region",
    "ops/terraform/binary.py": "Terraform's environment, and where it is",
    "ops/terraform/workspace.py": "Terraform's environment",
    "ops/verify/probe.py": "runs on a node, by itself",
}
"""Modules that hand an environment to a program, or read variables that are not ours."""


def readers(path: Path) -> list[ast.AST]:
    """Places where a module takes the process's environment."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]


def test_no_room_but_the_command_lines_reads_the_environment() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ops").rglob("*.py")
        if path.parent.name != "cli" and readers(path)
    }
    assert found <= MAY.keys()


def test_who_may_reads_no_option_there() -> None:
    for name in MAY:
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv"):
                assert ast.literal_eval(node.args[0]) not in OPTIONS if isinstance(node.args[0], ast.Constant) else True
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                assert not isinstance(node.slice, ast.Constant) or node.slice.value not in OPTIONS
