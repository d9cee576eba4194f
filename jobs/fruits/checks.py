"""Does the result contradict its input? Counted anew from the files, not taken from what the writers said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fruits.errors import CheckError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class ClassCount:
    """Images of one class: found, with features, rejected."""

    label: str
    images: int
    features: int
    rejects: int


def count_classes(selected: DataFrame, features: DataFrame, rejects: DataFrame) -> list[ClassCount]:
    """Count rows by class in the three tables, and compare the sums of their paths' hashes.

    A row a class and table is all that is shuffled: of a hundred million images not one path travels, unless something
    is wrong.

    Raises
    ------
    CheckError
        When images ≠ features + rejects for a class, or a path stands in a table twice.
    """
    from pyspark.sql import functions as sf

    def tagged(frame: DataFrame, table: str) -> DataFrame:
        return frame.select("label", "path", sf.lit(table).alias("table"))

    everything = tagged(selected, "images").unionByName(tagged(features, "features"))
    everything = everything.unionByName(tagged(rejects, "rejects"))
    hashed = sf.sum(sf.xxhash64("path").cast("decimal(38,0)")).alias("hash")  # wide enough never to overflow
    rows = everything.groupBy("table", "label").agg(sf.count("*").alias("rows"), hashed).collect()
    counts: dict[str, dict[str, int]] = {}
    hashes: dict[str, int] = {}
    for row in rows:
        counts.setdefault(row["label"], {})[row["table"]] = int(row["rows"])
        sign = 1 if row["table"] == "images" else -1
        hashes[row["label"]] = hashes.get(row["label"], 0) + sign * int(row["hash"])
    result = [
        ClassCount(label, c.get("images", 0), c.get("features", 0), c.get("rejects", 0))
        for label, c in sorted(counts.items())
    ]
    wrong = [c for c in result if c.images != c.features + c.rejects]
    if wrong or any(hashes.values()):
        _require_once(everything)
    if wrong:
        first = wrong[0]
        raise CheckError(
            f"{len(wrong)} classes do not add up, first {first.label}: {first.images} images, but {first.features} "
            f"features and {first.rejects} rejects. Fix: were images changed while the job ran? Run it again."
        )
    if other := sorted(label for label, difference in hashes.items() if difference):
        raise CheckError(
            f"{len(other)} classes hold other images than were listed, first {other[0]}. Fix: were images changed "
            "while the job ran? Run it again."
        )
    return result


def _require_once(everything: DataFrame) -> None:
    """Name what stands in a table twice."""
    from pyspark.sql import functions as sf

    twice = everything.groupBy("table", "label").agg((sf.count("*") - sf.countDistinct("path")).alias("extra"))
    for row in twice.where("extra > 0").orderBy("table", "label").limit(1).collect():
        raise CheckError(
            f"{row['extra']} images of class {row['label']} stand in {row['table']} more than once. Fix: delete the "
            "output's features and run again; please report it."
        )
