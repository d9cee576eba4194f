"""Networks, corpora and finished runs that the job's tests share; each is made once, for the first to ask."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fruits import pipeline
from fruits.models import PublishedModel, publish
from fruits.request import Request
from fruits.store import Store
from numpy.typing import NDArray
from PIL import Image

from tests.drawn import draw_once
from tests.job.browsing import browser, opened

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["browser", "opened"]  # fixtures

REPO = Path(__file__).resolve().parents[2]
PHOTOS = REPO.parent / "shared" / "fruits360" / "bench" / "Training"
ALL_PHOTOS = os.environ.get("EVERYTHING") == "1"


@dataclass(frozen=True)
class Pins:
    """What Keras' own features of the photographs come to by scikit-learn alone."""

    images: int
    main: int
    """Of the turn whose names have no `r`: what is learned from."""
    k: int
    """Components for 95% of the variance."""
    nearest: float
    """The share that 5-NN tells right on the other turns."""
    ridge: float
    """The share that ridge classifiers tell right, each side learned and tested."""
    ten: float
    """More than this share of images is told by its nearest others on ten components."""


PINS = Pins(3000, 1450, 173, 0.83, 0.882, 0.95) if ALL_PHOTOS else Pins(600, 305, 138, 0.841, 0.858, 0.9)
SIZE = 48
"""Input of the small network."""
WIDTH = 24
"""Features of the small network."""


_FLAGS = (
    re.findall(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M) if Path("/proc/cpuinfo").exists() else []
)
HAS_BF16 = bool({"amx_bf16", "avx512_bf16"} & set(" ".join(_FLAGS).split()))
"""Read from the kernel, not from the engine whose word is tested with it."""
needs_bf16 = pytest.mark.skipif(not HAS_BF16, reason="this processor has neither AMX nor AVX-512 BF16")


@dataclass(frozen=True)
class Rows:
    """The rows of a table of an output, read with nothing of the job."""

    path: list[str]
    label: list[str]
    values: NDArray[np.float32]

    def by_path(self) -> dict[str, NDArray[np.float32]]:
        assert len(set(self.path)) == len(self.path), "a path stands twice"
        return dict(zip(self.path, self.values, strict=True))


def read_rows(output: Path, table: str) -> Rows:
    """`features` or `pca/scores`, ordered by path."""
    column = "features" if table == "features" else "scores"
    files = sorted((output / table).glob("*.parquet"))
    frames = [pq.read_table(f, columns=["path", "label", column]) for f in files]
    rows = sorted(
        row for frame in frames for row in zip(*(frame[c].to_pylist() for c in frame.column_names), strict=True)
    )
    paths, labels, values = zip(*rows, strict=True)
    return Rows(list(paths), list(labels), np.array(values, np.float32))


def read_rejects(output: Path) -> dict[str, tuple[str, str]]:
    """Path to kind and reason."""
    found = {}
    for file in (output / "rejects").glob("*.parquet"):
        for row in pq.read_table(file).to_pylist():
            assert row["path"] not in found, "a path is rejected twice"
            found[row["path"]] = (row["kind"], row["reason"])
    return found


@dataclass(frozen=True)
class FinishedRun:
    """A run that the tests only read."""

    source: Path
    output: Path
    summary: dict[str, Any]

    @property
    def features(self) -> Rows:
        return read_rows(self.output, "features")

    @property
    def scores(self) -> Rows:
        return read_rows(self.output, "pca/scores")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded sample: eight fruits, 25 views each."""
    folder = tmp_path_factory.mktemp("drawn") / "sample"
    draw_once(folder, views=25)
    return folder


@pytest.fixture(scope="session")
def default_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[PublishedModel, Path]:
    """The default backbone, published; and the output that holds it."""
    output = tmp_path_factory.mktemp("default-model")
    request = Request(input="unused", output=str(output))
    return publish(request, Store(str(output))), output


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each of the 30 classes every fifth photograph, from all its series; all 3,000 in `make check`."""
    if ALL_PHOTOS:
        return PHOTOS
    folder = tmp_path_factory.mktemp("photographs")
    for kind in sorted(PHOTOS.iterdir()):
        (folder / kind.name).mkdir()
        for path in sorted(kind.glob("*.jpg"))[::5]:
            shutil.copy2(path, folder / kind.name)
    return folder


@pytest.fixture(scope="session")
def photo_run(
    spark: SparkSession,
    default_model: tuple[PublishedModel, Path],
    photographs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> FinishedRun:
    """The photographs through the default backbone. Only for tests marked `photos`."""
    output = tmp_path_factory.mktemp("photo-run")
    shutil.copytree(default_model[1] / "_model", output / "_model")
    summary = pipeline.run(spark, Request(input=str(photographs), output=str(output)))
    return FinishedRun(photographs, output, summary)


@pytest.fixture(scope="session")
def drawn_run(
    spark: SparkSession,
    default_model: tuple[PublishedModel, Path],
    drawn: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> FinishedRun:
    """The drawn sample through the default backbone."""
    output = tmp_path_factory.mktemp("drawn-run")
    shutil.copytree(default_model[1] / "_model", output / "_model")
    summary = pipeline.run(spark, Request(input=str(drawn), output=str(output)))
    return FinishedRun(drawn, output, summary)


def small_network(seed: int = 0) -> Any:
    """A Keras network that costs next to nothing: for tests of what happens around it."""
    import keras

    keras.utils.set_random_seed(seed)
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = keras.layers.Conv2D(12, 5, 3, activation="relu")(x)
    x = keras.layers.Conv2D(WIDTH, 3, 2)(x)
    return keras.Model(image, x)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network as a user's file."""
    path = tmp_path_factory.mktemp("small") / "small.keras"
    small_network().save(path)
    return path


@pytest.fixture(scope="session")
def small_published(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output that holds the small network already, to copy from."""
    output = tmp_path_factory.mktemp("small-published")
    publish(Request(input="unused", output=str(output), model=str(small_model)), Store(str(output)))
    return output


Job = Callable[..., dict[str, Any]]


@pytest.fixture
def job(spark: SparkSession, small_model: Path, small_published: Path) -> Job:
    """Run the job with the small network: ``job(source, output, **fields)``."""

    def run(source: Path | str, output: Path | str, **fields: Any) -> dict[str, Any]:
        target = Path(output)
        if "model" not in fields and not (target / "_model").exists() and not target.is_file():
            shutil.copytree(small_published / "_model", target / "_model")
        request = {"model": str(small_model), "max_reject_rate": 0.0, "k": 2, **fields}
        if "variance" in fields:
            del request["k"]
        return pipeline.run(spark, Request(input=str(source), output=str(output), **request))

    return run


def picture(seed: int, size: int = 40) -> Image.Image:
    """A seeded picture with shapes in it, no two alike."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def pristine_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of ten small pictures, to copy from."""
    folder = tmp_path_factory.mktemp("pristine") / "images"
    for number, label in enumerate(("Apple Red 1", "Pear")):
        (folder / label).mkdir(parents=True)
        for i in range(10):
            picture(100 * number + i).save(folder / label / f"{i}_100.jpg", quality=90)
    return folder


@pytest.fixture(scope="session")
def corpus_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every test's corpus lies: what one run made of it is true for the next, too."""
    return tmp_path_factory.mktemp("corpus") / "images"


def lay_out(pristine: Path, place: Path) -> None:
    """Make a folder what the pristine one is, to the nanosecond."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(pristine, place)


@pytest.fixture
def corpus(pristine_corpus: Path, corpus_place: Path) -> Path:
    """Two classes of ten small pictures, which a test may change as it likes."""
    lay_out(pristine_corpus, corpus_place)
    return corpus_place


@pytest.fixture(scope="session")
def corpus_run(
    spark: SparkSession,
    small_model: Path,
    small_published: Path,
    pristine_corpus: Path,
    corpus_place: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> FinishedRun:
    """A run over `corpus` with the small network, which nobody changes."""
    lay_out(pristine_corpus, corpus_place)
    output = tmp_path_factory.mktemp("corpus-run") / "out"
    shutil.copytree(small_published / "_model", output / "_model")
    request = Request(input=str(corpus_place), output=str(output), model=str(small_model), max_reject_rate=0.0, k=2)
    return FinishedRun(corpus_place, output, pipeline.run(spark, request))


@pytest.fixture
def first_run(corpus_run: FinishedRun, corpus: Path, tmp_path: Path) -> FinishedRun:
    """The same run as if it had just written to ``tmp_path / "out"``: for tests of what the next one does."""
    output = tmp_path / "out"
    shutil.copytree(corpus_run.output, output)
    return FinishedRun(corpus, output, corpus_run.summary)
