"""Which images a run is about: some classes, and at most so many of them.

A selection is a condition on an image's path and label, not a list: Spark filters tables with it, tasks filter the
files they read, and it costs the same for any number of images.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_PREFIX = 4
"""Hexadecimal digits by which images are counted: 65,536 counts say where a limit of any size lies."""


def normalise_names(classes: Iterable[str]) -> list[str]:
    """Class names as `inputs.read_label` writes them."""
    return [unicodedata.normalize("NFC", name) for name in classes]


@dataclass(frozen=True)
class Selection:
    """A condition on images.

    Attributes
    ----------
    classes : tuple of str
        Labels; empty for all.
    last : str, optional
        The largest SHA-256 of a path that is selected; None for all.
    skip : int
        Length of the input's address, which is not hashed with the path: a copy elsewhere gives the same images.
    """

    classes: tuple[str, ...] = ()
    last: str | None = None
    skip: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every image belongs to it."""
        return not self.classes and self.last is None

    @property
    def fingerprint(self) -> str:
        """Changes with what is selected; empty for all images."""
        return "" if self.is_whole else json.dumps([sorted(self.classes), self.last])

    def make_column(self) -> Column:
        """The condition as a column of Spark's, for a table with the columns path and label."""
        from pyspark.sql import functions as sf

        condition = sf.lit(True)
        if self.classes:
            condition = condition & sf.col("label").isin(list(self.classes))
        if self.last is not None:
            condition = condition & (_hash_column(self.skip) <= self.last)
        return condition

    def filter(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Keep the selected rows of a batch with the columns path and label."""
        if self.classes:
            batch = batch.filter(pc.is_in(batch.column("label"), value_set=pa.array(self.classes, pa.string())))
        if self.last is not None:
            paths = batch.column("path").to_pylist()
            batch = batch.filter(pa.array([hash_key(path[self.skip :]) <= self.last for path in paths], pa.bool_()))
        return batch


EVERYTHING = Selection()


def hash_key(key: str) -> str:
    """The hash of a path by which a limit selects; the same in Spark and in Python."""
    return hashlib.sha256(key.encode()).hexdigest()


def _hash_column(skip: int) -> Column:
    from pyspark.sql import functions as sf

    return sf.sha2(sf.encode(sf.expr(f"substring(path, {skip + 1})"), "UTF-8"), 256)


def select(frame: DataFrame, classes: Iterable[str], limit: int | None, skip: int = 0) -> Selection:
    """Select some classes, and at most `limit` images of a table.

    The limit takes the images whose paths have the smallest hashes: always the same ones, from all over the input.
    Counts by the first digits tell where the limit is; only the few images that share these digits are sorted.
    """
    from pyspark.sql import functions as sf

    selection = Selection(tuple(normalise_names(classes)), skip=skip)
    if limit is None:
        return selection
    hashes = frame.where(selection.make_column()).select(_hash_column(skip).alias("hash"))
    prefix = sf.substring("hash", 1, _PREFIX)
    counts = hashes.groupBy(prefix.alias("prefix")).count().collect()
    remaining = limit
    for digits, images in sorted((str(row["prefix"]), int(row["count"])) for row in counts):
        if images >= remaining:
            shared = hashes.where(prefix == digits).orderBy("hash").limit(remaining).collect()
            return replace(selection, last=max(str(row["hash"]) for row in shared))
        remaining -= images
    return selection
