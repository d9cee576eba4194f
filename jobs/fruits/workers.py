"""Python workers that are ready when the first task comes: on one machine they start while the driver lists images."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from fruits.errors import FruitsError
from fruits.featurize import PLACES
from fruits.guard import get_guard
from fruits.models import PublishedModel, load_engine
from fruits.store import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SQL_WORKERS = "SPARK_SIMPLIFIED_TRACEBACK"
"""Spark reuses workers that have the same environment, and sets this variable for those of its SQL."""


def prepare_worker(model: PublishedModel, output: Store) -> None:
    """Start the process that decodes, and compile the network: what the first task of a worker does first."""
    get_guard(model.image_size, PLACES)
    with suppress(FruitsError):  # the task gets the same error, and reports it
        load_engine(model, output)


def prepare_workers(
    spark: SparkSession, slots: int, publishing: Future[PublishedModel], output: Store, tag: str
) -> Future[None]:
    """Prepare a worker for each slot, in a thread, as soon as the network is published.

    As a job of Spark's core: the driver needs another second to load the classes of its SQL.

    Parameters
    ----------
    tag : str
        Tag of the job, by which it can be stopped.
    """
    context = spark.sparkContext
    context.environment[SQL_WORKERS] = "1"

    def run() -> None:
        model = publishing.result()
        context.addJobTag(tag)
        context.parallelize(range(slots), slots).foreachPartition(lambda _: prepare_worker(model, output))

    pool = ThreadPoolExecutor(1, thread_name_prefix="workers")
    preparing = pool.submit(run)
    pool.shutdown(wait=False)
    return preparing
