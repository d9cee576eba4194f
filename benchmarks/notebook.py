"""The job against the notebook that everyone uses: binaryFile, an iterator pandas UDF, `model.predict`."""

from __future__ import annotations

import io
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from fruits.backbones import build_network
from fruits.engines import read_archive, write_archive
from fruits.request import DEFAULT_MODEL

from benchmarks.photographs import link_photographs
from benchmarks.results import BenchmarkResult, Check, Options, alternate, compute_ratio, count_cores
from benchmarks.spark import WARM_UP, featurize, start_spark

if TYPE_CHECKING:
    from pyspark.broadcast import Broadcast
    from pyspark.sql import SparkSession

FULL = 3_000
ARROW_BATCH = 1024
TASKS_PER_CORE = 4
METHOD = (
    "images/s, in one Spark session. The notebook: spark.read.format('binaryFile'), repartitioned to "
    f"{TASKS_PER_CORE} tasks per core, an iterator pandas UDF with batches of up to {ARROW_BATCH} images, Pillow, and "
    "model.predict (batch size 32, as Keras has it); the network comes by broadcast and is built once per worker; "
    "features are written as Parquet; timed from reading to the end of writing. The job: the featurize phase of its "
    f"run.json. Both have featurized {WARM_UP} images per core in the same workers just before."
)

_networks: dict[int, Any] = {}


def _get_network(number: int, broadcast: Broadcast[bytes]) -> Any:
    """The Keras model of this worker, built when first asked for."""
    if number not in _networks:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        _networks[number] = read_archive(broadcast.value)
    return _networks[number]


def _decode(content: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from PIL import Image

    image = Image.open(io.BytesIO(content)).convert("RGB")
    return np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR))


def run_notebook(spark: SparkSession, folder: Path, network: Broadcast[bytes], output: Path) -> None:
    """Featurize a folder as notebooks do."""
    from pyspark.sql import functions
    from pyspark.sql.pandas.functions import pandas_udf

    number = network._jbroadcast.id() if network._jbroadcast is not None else 0

    def embed(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        model = _get_network(number, network)
        for contents in batches:
            images = np.stack([_decode(content) for content in contents])
            yield pd.Series(list(model.predict(images, verbose=0)))

    udf = pandas_udf(embed, "array<float>")  # type: ignore[call-overload]
    images = (
        spark.read.format("binaryFile")
        .option("pathGlobFilter", "*.jpg")
        .option("recursiveFileLookup", "true")
        .load(str(folder))
        .repartition(TASKS_PER_CORE * count_cores())
    )
    label = functions.element_at(functions.split("path", "/"), -2).alias("label")
    images.select("path", label, udf("content").alias("features")).write.mode("overwrite").parquet(str(output))


def measure(options: Options) -> BenchmarkResult:
    """Measure the job against the notebook; it should be 8 times as fast."""
    count = options.images or FULL
    folder, origin = link_photographs(count, options.scratch)
    warm_up_folder, _ = link_photographs(WARM_UP * count_cores(), options.scratch)
    archive = write_archive(build_network(DEFAULT_MODEL, 224, None))
    arrow = {"spark.sql.execution.arrow.maxRecordsPerBatch": str(ARROW_BATCH)}
    with start_spark(options.scratch, options=arrow) as spark:
        network = spark.sparkContext.broadcast(archive)

        def time_notebook() -> float:
            output = options.scratch / f"notebook-{uuid.uuid4().hex[:12]}"
            run_notebook(spark, warm_up_folder, network, output)
            began = time.monotonic()
            run_notebook(spark, folder, network, output)
            seconds = time.monotonic() - began
            rows = spark.read.parquet(str(output)).count()
            assert rows == count, f"the notebook wrote {rows} of {count} rows"
            return count / seconds

        sides = {
            "the notebook": time_notebook,
            "the job": lambda: featurize(spark, folder, options.scratch)["images_per_second"],
        }
        series = alternate(sides, options, unit="images/s")
    factor = compute_ratio(series["the job"], series["the notebook"])
    return BenchmarkResult(
        name="notebook",
        title=f"Featurization on local[{count_cores()}] against the usual notebook, {DEFAULT_MODEL}",
        method=METHOD,
        settings={"images": origin, "repeats": options.repeats},
        series=series,
        checks=(Check("faster than the notebook", factor, "×", 8, at_least=True),),
    )
