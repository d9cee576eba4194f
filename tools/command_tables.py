"""`make command-tables`: the Makefile's targets and the documents' tables, written from the command line itself.

Needed after a change of a command, a variable, a request's field or an assumption. ``--check`` says which are out of
date and changes nothing; a test does the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields

from fruits.backbones import BACKBONES
from fruits.request import MEANINGS, Request

from ops.cli.commands import COMMANDS, Command
from ops.cli.options import OPTIONS
from ops.core.paths import ROOT
from ops.job.local_spark import RUNS
from ops.verify.assumptions import ELSEWHERE, TABLE
from ops.verify.record import EMULATOR

WITHOUT_AWS = {
    *("run-local", "neighbours", "classify", "export", "sample", "dataset", "notebook", "weights", "wheelhouse"),
    *("prices", "plan", "plan-report", "validate", "fmt-check", "help-exit"),
}
"""Commands that need the runtime's packages, and not those of the embedded AWS."""


def group_commands() -> dict[str, list[Command]]:
    """The commands of each heading, in the order of the list."""
    by_heading: dict[str, list[Command]] = {}
    for command in COMMANDS.values():
        by_heading.setdefault(command.group, []).append(command)
    return by_heading


def format_variables(command: Command) -> str:
    """A command's options as make's variables.

    >>> format_variables(COMMANDS["steps"])
    'ENV= REGION= CLUSTER= JSON=1'
    """
    ends = {"text": "=", "flag": "=1", "switch": "=0"}
    return " ".join(f"{name}{ends[OPTIONS[name].kind]}" for name in command.takes)


def list_everyday() -> list[Command]:
    """The commands of the short list, which `make help` shows."""
    return [command for command in COMMANDS.values() if command.everyday]


def render_makefile() -> str:
    """One line per target, and the two rules that run them all."""
    lines: list[str] = []
    for group, commands in group_commands().items():
        lines.append(f"##@ {group}")
        for command in commands:
            needs = "$(VENV)/.runtime" if command.name in WITHOUT_AWS else "$(VENV)/.localaws"
            mark = "##!" if command.everyday else "##"
            text = f"{command.help}. {format_variables(command)}".rstrip()
            lines.append(f"{command.name}: {needs} {mark} {text}")
    lines += [f"{' '.join(COMMANDS)}:", "\t@$(FRUITS) $@", f".PHONY: {' '.join(COMMANDS)}"]
    return "\n".join(lines)


def _quote(words: str) -> str:
    return " ".join(f"`{word}`" for word in words.split()) or "–"


def render_table(commands: Sequence[Command], *, options: bool = False) -> str:
    """A Markdown table of commands."""
    head = ["| command | what it does |", "|---|---|"]
    rows = [f"| `make {command.name}` | {command.help} |" for command in commands]
    if options:
        head = [f"{head[0]} variables |", f"{head[1]}---|"]
        rows = [f"{row} {_quote(format_variables(command))} |" for row, command in zip(rows, commands, strict=True)]
    return "\n".join([*head, *rows])


def render_reference() -> str:
    """The page of commands: all of them with their variables, below their headings; then what each variable means."""
    parts = []
    for group, commands in group_commands().items():
        parts.append(f"## {group}\n\n{render_table(commands, options=True)}")
    rows = [f"| `{o.name}` | `{o.flag}` | {o.help} |" for o in OPTIONS.values()]
    parts.append("\n".join(["## Variables", "", "| make | fruits | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def render_assumptions() -> str:
    """The tables of docs/assumptions.md."""
    looked = [f"| `{a.id}` | {a.text} | {a.how} | {EMULATOR[a.emulator]} |" for a in TABLE]
    decided = [f"| `{e.id}` | {e.text} | {e.oracle} | `{e.test}` |" for e in ELSEWHERE if e.oracle]
    undecided = [f"| `{e.id}` | {e.text} |" for e in ELSEWHERE if not e.oracle]
    return "\n".join(
        [
            *("## Looked at by `make verify-aws`", ""),
            *("| id | assumption | how | on the embedded AWS it |", "|---|---|---|---|", *looked, ""),
            *("## Decided here, by something that others wrote", ""),
            *("| id | assumption | oracle | test |", "|---|---|---|---|", *decided, ""),
            *("## Open", "", "| id | assumption |", "|---|---|", *undecided),
        ]
    )


def render_fields() -> str:
    """A row for each field of a request that users give, with its default."""
    folders = {"input": "drawn sample", "output": f"`{RUNS}/<input>-<model>`"}
    rows = ["| variable | meaning | default |", "|---|---|---|"]
    for field in fields(Request):
        meaning = MEANINGS[field.name]
        if not meaning.typed:
            continue
        default = folders.get(field.name) or (f"`{field.default}`" if field.default else meaning.otherwise)
        names = ", ".join(f"`{name}`" for name in BACKBONES)
        rows.append(f"| `{field.name.upper()}` | {meaning.text.replace('name of a backbone', names)} | {default} |")
    return "\n".join(rows)


PLACES: Sequence[tuple[str, str, Callable[[], str]]] = (
    ("Makefile", "commands", render_makefile),
    ("docs/commands.md", "commands", render_reference),
    ("docs/assumptions.md", "assumptions", render_assumptions),
    ("README.md", "commands", lambda: render_table(list_everyday())),
    ("README.md", "run", render_fields),
)
"""A file, the name of a place in it between two comments, and what is written there."""


def replace_block(text: str, name: str, block: str) -> str | None:
    r"""A text with another block at the place of that name; None where it has no such place.

    >>> replace_block("# run: begin\nold\n# run: end", "run", "new")
    '# run: begin\nnew\n# run: end'
    """
    pattern = rf"((?:#|<!--) {name}: begin[^\n]*\n\n?).*?(\n\n?(?:#|<!--) {name}: end)"
    replaced, count = re.subn(pattern, lambda match: match[1] + block + match[2], text, count=1, flags=re.DOTALL)
    return replaced if count else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or say which are out of date (exit code 1)."""
    check = "--check" in (sys.argv[1:] if arguments is None else arguments)
    stale = 0
    for file, name, render in PLACES:
        text = (ROOT / file).read_text(encoding="utf-8")
        updated = replace_block(text, name, render())
        if updated is None:
            raise SystemExit(f"{file} has no place for its tables: {name}")
        if updated == text:
            continue
        stale += 1
        if check:
            print(f"{file} is out of date: run make command-tables", file=sys.stderr)
        else:
            (ROOT / file).write_text(updated, encoding="utf-8")
            print(file)
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
