"""Only the command line reads the process's environment: a command gets what it was given, and passes it on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ops.cli.options import OPTIONS
from ops.core.paths import ROOT

MAY = {
    "ops/core/programs.py": "what a program that a command starts inherits",
    "ops/verify/probe.py": "a program of its own: it runs on a node",
}
"""Who else reads it, and why."""


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
    assert found == MAY.keys()


TAKE = {
    "ops/job/local_spark.py": {"make_spark_environment"},
    "ops/terraform/binary.py": {"find_terraform", "list_implied_mirrors", "find_mirror"},
}
"""Functions of rooms that are given a whole environment: what programs read of a shell's own variables."""


def test_a_room_is_given_what_it_needs_and_not_the_environment() -> None:
    takers: dict[str, set[str]] = {}
    for path in (path for path in (ROOT / "ops").rglob("*.py") if path.parent.name != "cli"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
                if argument.arg in ("environ", "environment"):
                    takers.setdefault(path.relative_to(ROOT).as_posix(), set()).add(function.name)
    assert takers == TAKE


def test_nothing_below_the_command_line_changes_the_environment() -> None:
    changing = r"os\.environ(\[[^\]]+\])? \|?= |os\.environ\.(update|pop|setdefault|clear)|putenv|del os\.environ"
    for path in (path for path in (ROOT / "ops").rglob("*.py") if path.parent.name != "cli"):
        assert not re.search(changing, path.read_text(encoding="utf-8")), path


def test_who_may_reads_no_option_there() -> None:
    for name in MAY:
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv"):
                assert ast.literal_eval(node.args[0]) not in OPTIONS if isinstance(node.args[0], ast.Constant) else True
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                assert not isinstance(node.slice, ast.Constant) or node.slice.value not in OPTIONS
