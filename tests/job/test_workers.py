"""Workers prepared while the driver lists are those that featurize. A second, with the shared session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from fruits import models
from fruits.models import PublishedModel, publish
from fruits.request import Request
from fruits.store import Store
from fruits.workers import prepare_workers

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.spark
def test_the_first_task_finds_the_network_compiled(
    spark: SparkSession, small_model: Path, small_published: Path
) -> None:
    """A worker of another kind, as Spark keeps its core's and its SQL's apart, would have to compile it itself."""
    output = Store(str(small_published))
    model = publish(Request(input="unused", output=output.uri, model=str(small_model)), output)
    publishing: Future[PublishedModel] = Future()
    preparing = prepare_workers(spark, 2, publishing, output, "tag")
    publishing.set_result(model)
    preparing.result(300)

    def count_compiled(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            before = models._load_engine.cache_info()
            models.load_engine(model, output)
            compiled = models._load_engine.cache_info().misses - before.misses
            yield pa.RecordBatch.from_pydict({"compiled": [compiled] * batch.num_rows})

    rows = spark.range(0, 2, 1, 2).mapInArrow(count_compiled, "compiled long").collect()
    assert [row["compiled"] for row in rows] == [0, 0]


def test_a_network_that_is_not_published_is_the_drivers_to_tell(spark: SparkSession, tmp_path: Path) -> None:
    publishing: Future[PublishedModel] = Future()
    publishing.set_exception(ValueError("no network"))
    preparing = prepare_workers(spark, 2, publishing, Store(str(tmp_path)), "tag")
    assert str(preparing.exception(300)) == "no network"
