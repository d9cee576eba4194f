"""Numbers of things in messages: each goes through `format_count`, which knows what stands beside a one."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest
from fruits.wording import format_count

from ops.core.paths import ROOT

# A number in braces before one of these is wrong for one thing.
NOUNS = (
    "arguments|bytes|classes|components|cores|days|endpoints|executions|executors|features|fields|files|gateways|groups|"
    "hosts|hours|images|instances|lines|looks|masters|minutes|networks|nodes|objects|packages|pages|resources|routes|"
    "rows|runs|scores|spaces|steps|things|types|vCPUs|versions|volumes|VPCs|warnings|wheels|zones"
)
_AFTER = re.compile(rf"^ (?:more |NAT |Spot |public |Test |other |sampled )?(?:{NOUNS})\b(?!/)|^ (?:more )?were kept\b")


def is_never_one(value: ast.FormattedValue) -> bool:
    """A constant by its name, a number with decimals, or a sum with a constant that is more than one."""
    names = [part.id for part in ast.walk(value.value) if isinstance(part, ast.Name)]
    sums = [part.left for part in ast.walk(value.value) if isinstance(part, ast.BinOp)]
    is_large = any(isinstance(part, ast.Constant) and isinstance(part.value, int) and part.value > 1 for part in sums)
    is_decimal = value.format_spec is not None and ".1f" in ast.unparse(value.format_spec)
    return is_decimal or is_large or bool(names and all(name.isupper() for name in names))


def list_bare_counts(source: str) -> list[str]:
    """Numbers before a plural in the f-strings of a program."""
    texts = [node.values for node in ast.walk(ast.parse(source)) if isinstance(node, ast.JoinedStr)]
    return [
        f"{ast.unparse(value.value)}{str(after.value)[:20]}"
        for parts in texts
        for value, after in pairwise(parts)
        if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant) and _AFTER.match(str(after.value))
        if not is_never_one(value)
    ]


def test_the_check_finds_what_is_wrong_for_one() -> None:
    wrong = (
        'f"{len(a)} images of {n:,} classes, {COUNT} files, {40 + n} minutes, {t:.1f} minutes, {n} of {m} Test images"'
    )
    assert list_bare_counts(wrong) == ["len(a) images of ", "n classes, ", "m Test images"]


@pytest.mark.parametrize("path", sorted((ROOT / "ops").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_message_has_a_plural_beside_a_one(path: Path) -> None:
    assert list_bare_counts(path.read_text(encoding="utf-8")) == []


def test_one_thing_is_one_thing() -> None:
    numbers = [format_count(number, "image", "was") for number in (0, 1, 2, 12_000)]
    assert numbers == ["0 images were", "1 image was", "2 images were", "12,000 images were"]
    assert [format_count(n, "public address") for n in (1, 2)] == ["1 public address", "2 public addresses"]
