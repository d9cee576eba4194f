"""Whether the result contradicts its input: counted again from the files, not taken from what the writers said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fruits.errors import CheckError
from fruits.wording import format_count

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class ClassCount:
    """Images of one class: how many there are, have features, and were rejected; the rejected ones by kind, too."""

    label: str
    images: int
    features: int
    rejects: int
    kinds: Mapping[str, int] = field(default_factory=dict)


REJECTED = {
    "decode": "cannot be decoded",
    "read": "cannot be read (gone, or without the right to read)",
    "address": "cannot be addressed",
    "features": "made the network fail",
}
"""What each kind of reject means: a bad file, or a good one that was not delivered."""


def count_kinds(counts: Iterable[ClassCount]) -> dict[str, int]:
    """Rejected images by kind, of all classes."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count.kinds)
    return dict(total.most_common())


def describe_rejects(kinds: Mapping[str, int]) -> str:
    """How many images were rejected, by kind; empty where none was.

    >>> describe_rejects({"decode": 30, "read": 1})
    '31 rejected: 30 cannot be decoded, 1 cannot be read (gone, or without the right to read)'
    """
    if not kinds:
        return ""
    parts = ", ".join(f"{n:,} {REJECTED.get(kind, kind)}" for kind, n in kinds.items())
    return f"{sum(kinds.values()):,} rejected: {parts}"


def count_classes(selected: DataFrame, features: DataFrame, rejects: DataFrame) -> list[ClassCount]:
    """Count rows by class in the three tables, and compare the sums of their paths' hashes.

    Only one row per class and table is shuffled: of a hundred million images not one path is, unless something is
    wrong.

    Raises
    ------
    CheckError
        When images ≠ features + rejects for a class, or a path counts twice in a table.
    """
    from pyspark.sql import functions as sf

    def tag(frame: DataFrame, table: str) -> DataFrame:
        kind = sf.col("kind") if table == "rejects" else sf.lit("")
        return frame.select("label", "path", sf.lit(table).alias("table"), kind.alias("kind"))

    everything = tag(selected, "images").unionByName(tag(features, "features"))
    everything = everything.unionByName(tag(rejects, "rejects"))
    hashed = sf.sum(sf.xxhash64("path").cast("decimal(38,0)")).alias("hash")  # wide enough never to overflow
    rows = everything.groupBy("table", "label", "kind").agg(sf.count("*").alias("rows"), hashed).collect()
    counts: dict[str, Counter[str]] = {}
    kinds: dict[str, Counter[str]] = {}
    differences: Counter[str] = Counter()
    for row in rows:
        counts.setdefault(row["label"], Counter())[row["table"]] += int(row["rows"])
        if row["table"] == "rejects":
            kinds.setdefault(row["label"], Counter())[row["kind"]] += int(row["rows"])
        differences[row["label"]] += int(row["hash"]) if row["table"] == "images" else -int(row["hash"])
    result = [
        ClassCount(label, c["images"], c["features"], c["rejects"], dict(kinds.get(label, {})))
        for label, c in sorted(counts.items())
    ]
    _require_sums(everything, result, sorted(label for label, difference in differences.items() if difference))
    return result


def _require_sums(everything: DataFrame, counts: list[ClassCount], changed: list[str]) -> None:
    """Refuse classes whose rows do not add up, or whose images are others than those listed (`changed`)."""
    wrong = [c for c in counts if c.images != c.features + c.rejects]
    if wrong or changed:
        _require_once(everything)
    if wrong:
        first = wrong[0]
        raise CheckError(
            f"the counts of {format_count(len(wrong), 'class')} do not add up, first {first.label}: "
            f"{format_count(first.images, 'image')}, but {format_count(first.features, 'feature')} and "
            f"{format_count(first.rejects, 'reject')}. Fix: if images changed while the job ran, run it again."
        )
    if changed:
        raise CheckError(
            f"the images of {format_count(len(changed), 'class')} are not those that were listed, first {changed[0]}. "
            "Fix: if images changed while the job ran, run it again."
        )


def _require_once(everything: DataFrame) -> None:
    """Refuse a table in which an image counts twice."""
    from pyspark.sql import functions as sf

    twice = everything.groupBy("table", "label").agg((sf.count("*") - sf.countDistinct("path")).alias("extra"))
    for row in twice.where("extra > 0").orderBy("table", "label").limit(1).collect():
        raise CheckError(
            f"{format_count(row['extra'], 'image')} of class {row['label']} counted more than once in {row['table']}. "
            "Fix: delete the output's features and run again; please report it."
        )
