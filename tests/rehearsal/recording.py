"""What commands call while they are typed: the lines that the embedded AWS writes, cut at the commands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localaws import keys
from tools.record_calls import FOLDER, Right, list_rights, list_unknown_calls, merge_rights, move_to_prod

ADMINISTRATORS = ("operators", "github")
"""Commands that no operator may type: what they call is left out."""


@dataclass
class Recording:
    """The calls of an operator's commands; those of nodes, services and of who looks on are left out.

    Attributes
    ----------
    path : where the embedded AWS writes (``LOCALAWS_RECORD``)
    lines : what it wrote while commands were typed, each with its ``command``
    """

    path: Path
    lines: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def of(self, command: str) -> Iterator[None]:
        """What is called in the block is this command's."""
        began = self._size()
        try:
            yield
        finally:
            lines = [{**line, "command": command} for line in self._since(began) if line["key"] == keys.OPERATOR]
            if command not in ADMINISTRATORS:
                self.lines += lines
                self._keep(lines)

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _since(self, began: int) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open() as file:
            file.seek(began)
            return [json.loads(line) for line in file]

    def _keep(self, lines: list[dict[str, Any]]) -> None:
        """For `make record-calls`, which types the rehearsal's commands and gathers what they called."""
        if folder := os.environ.get(FOLDER):
            with (Path(folder) / f"{os.getpid()}.jsonl").open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)

    def rights(self) -> list[Right]:
        """What ENV=prod's operators must be allowed so that the same commands work for them."""
        return merge_rights(move_to_prod(right) for right in list_rights(self.lines))

    def unknown(self) -> set[str]:
        """The calls whose rights nobody has written down."""
        return list_unknown_calls(self.lines)
