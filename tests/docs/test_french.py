"""README.fr.md says what README.md says: the same commands, variables, numbers, links and sections. Below a second."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal
from pathlib import Path

import pytest

from ops.plan.cluster_rules import WATCH_MINUTES

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, FRENCH = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.fr.md"))
LONGEST = 150


def commands(text: str) -> list[str]:
    """What is typed, without its comments."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(("make", "git"))]


def code(text: str) -> list[str]:
    """What stands between backticks, in the order of the alphabet; a French reader's class is a `classe`."""
    return sorted(word.replace("<classe>/<nom>", "<class>/<name>") for word in re.findall(r"`([^`\n]+)`", text))


def prose_of(text: str) -> str:
    return re.sub(r"^```\n.*?^```|`[^`\n]+`|\]\([^)]*\)", "", text, flags=re.MULTILINE | re.DOTALL)


def numbers(text: str) -> list[str]:
    """Every number of the prose and the tables, sorted: words such as "fifteen" are not used in either."""
    english = re.sub(r"(?<=\d),(?=\d\d?(?!\d))", ".", prose_of(text)).replace("\u00a0", ",")
    return sorted(re.findall(r"\d[\d.,]*\d|\d", english))


def test_french_numbers_have_a_comma_and_a_space() -> None:
    assert numbers("0,31 USD, 30\u00a0000 images, Python 3.11") == numbers("0.31 USD, 30,000 images, Python 3.11")
    versions_and_typed = {"1.10", "2.0", "3.11", "0.95"}
    assert set(re.findall(r"\d+\.\d+|\d,\d{3}", prose_of(FRENCH))) == versions_and_typed


def links(text: str) -> list[str]:
    return sorted(set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.fr.md"})


@pytest.mark.parametrize("part", [commands, code, numbers, links])
def test_both_say_the_same(part: object) -> None:
    assert callable(part)
    english, french = part(ENGLISH), part(FRENCH)
    assert len(english) > 5
    assert french == english


def test_both_have_the_same_sections_and_fit_on_three_screens() -> None:
    assert len(re.findall(r"^## ", FRENCH, re.MULTILINE)) == len(re.findall(r"^## ", ENGLISH, re.MULTILINE))
    assert max(len(text.splitlines()) for text in (ENGLISH, FRENCH)) <= LONGEST


def test_each_leads_to_the_other() -> None:
    assert "(README.fr.md)" in ENGLISH
    assert "(README.md)" in FRENCH


def test_the_worst_case_of_a_forgotten_cluster_follows_from_the_price_of_an_hour() -> None:
    """Twenty minutes of idling (the limit, and the time between two looks of the watch), and four hours."""
    hour = Decimal(re.findall(r"costs at most ([\d.]+) USD", ENGLISH)[0])
    idle, end = (Decimal(text) for text in re.findall(r"([\d.]+) USD at most", ENGLISH))
    storage = (ROOT / "infra/cluster/variables.tf").read_text()
    limits = dict(re.findall(r'variable "(idle_timeout_seconds|ttl_hours)" \{.*?default\s+= (\d+)', storage, re.DOTALL))
    assert end == hour * int(limits["ttl_hours"])
    cents = Decimal("0.01")
    minutes = int(limits["idle_timeout_seconds"]) / Decimal(60) + WATCH_MINUTES
    assert idle == (hour * minutes / 60).quantize(cents, ROUND_UP)
    assert f"{idle} USD for an idle cluster, and {end} USD" in (ROOT / "docs/faq.md").read_text()
