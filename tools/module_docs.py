"""`make module-docs`: the README of every Terraform module, written from its own code.

Needed after a change of a module's inputs, outputs or resources; a test says so. ``--check`` says which READMEs are out
of date and changes nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

from ops.core.paths import INFRA

PLAIN = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False, explicit_blocks=False)
WRITTEN = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, wrap_objects=True, wrap_tuples=True)


@dataclass(frozen=True)
class Module:
    """A folder of Terraform code, parsed.

    Attributes
    ----------
    path : the folder
    summary : the comment at the head of its main.tf
    variables, outputs : name → attributes; of variables as they are written
    resources : addresses of its resources, ``module.name`` for the modules that it calls
    """

    path: Path
    summary: str
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    resources: list[str] = field(default_factory=list)

    @property
    def is_root(self) -> bool:
        """Whether it is a stack, not a module that stacks use."""
        return self.path.parent.name != "modules"


def list_modules(infra: Path = INFRA) -> list[Path]:
    """Every folder of Terraform code: the stacks, then the modules."""
    return [
        *sorted(path.parent for path in infra.glob("*/versions.tf")),
        *sorted(path for path in (infra / "modules").iterdir() if path.is_dir()),
    ]


def read_head_comment(text: str) -> str:
    r"""The comment at the head of a file, as one paragraph.

    >>> read_head_comment('# One bucket:\n# private.\n\nresource "x" "y" {}')
    'One bucket: private.'
    """
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").strip())
    return " ".join(lines)


_read_tree = cache(hcl2.parses)


@cache
def parse_blocks(text: str, *, as_written: bool = False) -> dict[str, Any]:
    """The blocks of a file's text, by python-hcl2; cached, so callers must not change them.

    Parameters
    ----------
    as_written : objects and lists are texts, and strings keep their quotes
    """
    parsed: dict[str, Any] = hcl2.serialize(_read_tree(text), serialization_options=WRITTEN if as_written else PLAIN)
    return parsed


def load_blocks(path: Path, *, as_written: bool = False) -> list[dict[str, Any]]:
    """The blocks of every file of a module."""
    return [parse_blocks(file.read_text(), as_written=as_written) for file in sorted(path.glob("*.tf"))]


def read_module(path: Path) -> Module:
    """Parse a module."""
    module = Module(path=path, summary=read_head_comment((path / "main.tf").read_text()))
    for parsed in load_blocks(path, as_written=True):
        for block in parsed.get("variable", []):
            module.variables.update({name.strip('"'): variable for name, variable in block.items()})
    for parsed in load_blocks(path):
        for block in parsed.get("output", []):
            module.outputs.update(block)
        for block in parsed.get("resource", []):
            for resource_type, resources in block.items():
                module.resources.extend(f"{resource_type}.{name}" for name in resources)
        for block in parsed.get("module", []):
            module.resources.extend(f"module.{name}" for name in block)
    return module


def format_expression(value: Any) -> str:
    """An expression of the parser, written as Terraform does.

    >>> [format_expression(value) for value in ('${object({b = string})}', "number", '"x"', None, True)]
    ['object({ b = string })', 'number', '"x"', 'null', 'true']
    """
    text = value.removeprefix("${").removesuffix("}") if str(value).startswith("${") else value
    return re.sub(r"(?<=\{)(?=\w)|(?<=[^{])(?=\})", " ", text) if isinstance(text, str) else json.dumps(text)


def escape_cell(text: object) -> str:
    """Text for a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def render_readme(module: Module) -> str:
    """The README of a module."""
    kind = "stack" if module.is_root else "module"
    lines = [
        f"# {kind.capitalize()} `{module.path.name}`",
        "",
        module.summary,
        "",
        "<!-- Written by `make module-docs` from the code; change the code. -->",
        "",
        "## Inputs",
        "",
        "| Name | Description | Type | Default |",
        "|---|---|---|---|",
    ]
    for name, variable in sorted(module.variables.items()):
        default = f"`{format_expression(variable['default'])}`" if "default" in variable else "required"
        cells = (json.loads(variable["description"]), f"`{format_expression(variable['type'])}`", default)
        lines.append(f"| `{name}` | {' | '.join(map(escape_cell, cells))} |")
    lines += ["", "## Outputs", "", "| Name | Description |", "|---|---|"]
    lines += [f"| `{name}` | {escape_cell(output['description'])} |" for name, output in sorted(module.outputs.items())]
    lines += ["", "## What it makes", ""]
    lines += [f"- `{address}`" for address in sorted(module.resources)] or ["Nothing: it computes."]
    return "\n".join(lines) + "\n"


def find_outdated(infra: Path = INFRA) -> dict[Path, str]:
    """The READMEs that differ from the code, with their right texts."""
    readmes = {path / "README.md": render_readme(read_module(path)) for path in list_modules(infra)}
    return {path: text for path, text in readmes.items() if not path.exists() or path.read_text() != text}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check. Exit code: 0; 1 when ``--check`` sees a README that is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.module_docs", description="Write the modules' READMEs.")
    parser.add_argument("--check", action="store_true", help="change nothing; say which are out of date")
    options = parser.parse_args(arguments)
    stale = find_outdated()
    for path, text in stale.items():
        if options.check:
            print(f"{path.relative_to(INFRA.parent)} is out of date: run make module-docs", file=sys.stderr)
        else:
            path.write_text(text)
            print(path.relative_to(INFRA.parent))
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
