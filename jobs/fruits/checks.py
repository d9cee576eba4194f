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
    """Count rows and distinct paths by class in the three tables.

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
    rows = (
        everything.groupBy("table", "label")
        .agg(sf.count("*").alias("rows"), sf.countDistinct("path").alias("paths"))
        .collect()
    )
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        if row["rows"] != row["paths"]:
            raise CheckError(
                f"{row['rows'] - row['paths']} images of class {row['label']} stand in {row['table']} more than once. "
                "Fix: delete the output's features and run again; please report it."
            )
        counts.setdefault(row["label"], {})[row["table"]] = int(row["rows"])
    result = [
        ClassCount(label, c.get("images", 0), c.get("features", 0), c.get("rejects", 0))
        for label, c in sorted(counts.items())
    ]
    wrong = [c for c in result if c.images != c.features + c.rejects]
    if wrong:
        first = wrong[0]
        raise CheckError(
            f"{len(wrong)} classes do not add up, first {first.label}: {first.images} images, but {first.features} "
            f"features and {first.rejects} rejects. Fix: were images changed while the job ran? Run it again."
        )
    return result
