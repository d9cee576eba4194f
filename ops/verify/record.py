"""The dated record of a look: JSON with the evidence, Markdown for a reader, both without the account's number."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.core.paths import ROOT
from ops.verify.assumptions import NOT_LOOKED_AT, AssumptionResult

WORDS = {"verified": "verified", "rehearsed": "rehearsed, not verified", "broken": "**does not hold**", "open": "open"}
EMULATOR = {"runs": "really runs", "imitates": "is imitated", "lacks": "is not there"}
MASK = "<account>"
FOLDER = ROOT / "docs" / "verified"
"""Where the records of real accounts are kept."""


def mask_values(value: Any, account_id: str) -> Any:
    """The value without the account's number, access keys, and the name of who ran it.

    >>> mask_values({"Arn": "arn:aws:iam::123456789012:role/x"}, "123456789012")
    {'Arn': 'arn:aws:iam::<account>:role/x'}
    >>> mask_values(["AKIAIOSFODNN7EXAMPLE", 1], "123456789012")
    ['<key>', 1]
    """
    if isinstance(value, Mapping):
        return {mask_values(k, account_id): mask_values(v, account_id) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [mask_values(v, account_id) for v in value]
    if isinstance(value, str):
        text = value.replace(account_id, MASK)
        # AKIAIOSFODNN7EXAMPLE, ASIA… of a session
        text = re.sub(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b", "<key>", text)
        # arn:aws:sts::123456789012:assumed-role/Admin/ana
        return re.sub(r":(assumed-role|user)/[^\s\"]+", r":\1/<name>", text)
    return value


def _rows(results: Sequence[AssumptionResult]) -> list[dict[str, Any]]:
    return [
        {
            "id": r.assumption.id,
            "assumption": r.assumption.text,
            "how": r.assumption.how,
            "on_the_embedded_aws": EMULATOR[r.assumption.emulator],
            "verdict": r.verdict,
            "said": r.summary,
            "seen": r.details,
        }
        for r in results
    ]


def make_record(
    results: Sequence[AssumptionResult], about: Mapping[str, Any], evidence: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole record."""
    return {
        "schema": 1,
        **about,
        "verdicts": dict(Counter(result.verdict for result in results)),
        "assumptions": _rows(results),
        "not_looked_at": list(NOT_LOOKED_AT),
        "evidence": evidence,
    }


def amend(
    record: dict[str, Any], results: Sequence[AssumptionResult], place: Path, account_id: str
) -> tuple[Path, Path]:
    """Put later verdicts into a record that is there, in place of those that it has for the same assumptions."""
    later = {row["id"]: row for row in _rows(results)}
    record["assumptions"] = [*(later.pop(row["id"], row) for row in record["assumptions"]), *later.values()]
    record["verdicts"] = dict(Counter(row["verdict"] for row in record["assumptions"]))
    return _write(record, account_id, place)


def _cell(text: str) -> str:
    """One line of a table.

    >>> _cell("a | b\\nc")
    'a \\\\| b c'
    """
    return " ".join(text.split()).replace("|", "\\|")


def render_markdown(record: Mapping[str, Any]) -> str:
    """The record for a reader."""
    emulated = record["emulated"]
    place = "the embedded AWS: a rehearsal, which verifies nothing of AWS" if emulated else f"AWS, {record['region']}"
    counts = ", ".join(f"{n} {WORDS[verdict].strip('*')}" for verdict, n in sorted(record["verdicts"].items()))
    lines = [
        f"# What was looked at on {record['started'][:10]}",
        "",
        f"On {place}; ENV={record['env']}, {record['release'] or 'no cluster'}, commit "
        f"{record['commit'] or 'unknown'}, {record['minutes']:.1f} minutes. {counts[:1].upper()}{counts[1:]}.",
        "",
    ]
    if record["stopped"]:
        lines += [f"**It did not come to its end:** {_cell(record['stopped'])}", ""]
    last = "on the embedded AWS" if emulated else "how"
    lines += [f"| id | assumption | verdict | what was seen | {last} |", "|---|---|---|---|---|"]
    for row in record["assumptions"]:
        tail = f"{row['on_the_embedded_aws']}" if emulated else row["how"]
        cells = (row["id"], row["assumption"], WORDS[row["verdict"]], row["said"], tail)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    lines += ["", "Not looked at:", ""]
    lines += [f"- {text}" for text in record["not_looked_at"]]
    lines += ["", "The evidence stands in the JSON beside this page."]
    return "\n".join(lines) + "\n"


def write_files(record: Mapping[str, Any], account_id: str, folder: Path) -> tuple[Path, Path]:
    """Write both, masked; the name is the moment of the start."""
    folder.mkdir(parents=True, exist_ok=True)
    return _write(record, account_id, folder / f"{str(record['started'])[:16].replace(':', '')}-{record['env']}.json")


def _write(record: Mapping[str, Any], account_id: str, data: Path) -> tuple[Path, Path]:
    clean = mask_values(record, account_id)
    page = data.with_suffix(".md")
    data.write_text(json.dumps(clean, indent=1, ensure_ascii=False, default=str) + "\n")
    page.write_text(render_markdown(clean))
    return data, page
