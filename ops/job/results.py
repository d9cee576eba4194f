"""A finished result, wherever it lies: below the output of a run, or as `make results` fetched it."""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from fruits.engines import Engine
from fruits.errors import InputError, ModelError, OutputError, StorageError
from fruits.models import FOLDER, PublishedModel, load_engine, publish
from fruits.outputs import MODEL, RUN, SCORES, SCORES_CSV
from fruits.parts import read_batches
from fruits.pca import to_matrix
from fruits.request import Request
from fruits.store import Store, explain_error
from fruits.wording import format_count
from numpy.typing import NDArray

from ops.job.local_spark import MODELS, RUNS, make_request
from ops.job.names import result_name


@dataclass(frozen=True)
class Block:
    """Some rows of the scores, in the order of the files; ``scores`` has the shape (n, k)."""

    paths: list[str]
    labels: list[str]
    scores: NDArray[np.floating]


@dataclass(frozen=True)
class Result:
    """A result whose ``run.json`` says that it is whole.

    Attributes
    ----------
    summary : ``run.json``
    """

    store: Store
    summary: dict[str, Any]

    @classmethod
    def at(cls, uri: str) -> Self:
        """The result at an address.

        Raises
        ------
        InputError : there is none, or the run has not finished
        StorageError : its store cannot be read
        """
        store = Store(uri)
        try:
            summary = json.loads(store.read(RUN))
            kinds = {"model": str, "model_sha256": str, "k": int, "images_ok": int, "arguments": dict}
            is_record = all(isinstance(summary.get(name), kind) for name, kind in kinds.items())
        except FileNotFoundError:
            raise InputError(
                f"there is no finished result at {store.uri} (no {RUN}). Fix: make run-local, or make run-step and "
                "make results; OUTPUT= names another folder."
            ) from None
        except (OSError, ValueError, AttributeError) as error:
            if isinstance(error, OSError) and store.is_in_trouble(error):
                raise explain_error(error, f"cannot read {store.location(RUN)}") from error
            raise InputError(f"{store.location(RUN)} cannot be read ({error}). Fix: run the job again.") from error
        if not is_record:
            raise InputError(f"{store.location(RUN)} is not the record of a run. Fix: OUTPUT= names another folder.")
        return cls(store, summary)

    def blocks(self) -> Iterator[Block]:
        """The scores, some thousand rows at a time.

        Raises
        ------
        InputError : neither the Parquet files nor the CSV file is there
        """
        rows = 0
        for block in self._readable():
            rows += len(block.paths)
            if block.scores.shape[1] != self.summary["k"]:
                raise InputError(
                    f"{self.store.uri} holds {format_count(block.scores.shape[1], 'score')} per image, but its {RUN} "
                    f"says k = {self.summary['k']}: files of two runs are mixed. Fix: make results, or run the job "
                    "again."
                )
            yield block
        if rows != self.summary["images_ok"]:
            raise InputError(
                f"{self.store.uri} holds scores of {format_count(rows, 'image')}, but its {RUN} says "
                f"{self.summary['images_ok']:,}. Fix: make results fetches them again; or run the job again."
            )

    def names(self) -> tuple[list[str], list[str]]:
        """Paths and labels of all images, in the order of the scores; raises as `blocks`."""
        paths: list[str] = []
        labels: list[str] = []
        for block in self.blocks():
            paths += block.paths
            labels += block.labels
        return paths, labels

    def below_input(self, paths: Iterable[str]) -> list[str]:
        """Paths as they lie below the input of the run, whichever working directory and home that had."""
        given = str(self.summary["arguments"].get("input", "."))
        root, tail = f"{Store(given).uri}/", f"/{PurePosixPath(given.removeprefix('~/'))}/"
        return [path[len(root) :] if path.startswith(root) else path.partition(tail)[2] or path for path in paths]

    def _readable(self) -> Iterator[Block]:
        try:
            for batch in self._batches():
                scores = to_matrix(batch.column("scores")) if "scores" in batch.schema.names else _columns(batch)
                yield Block(batch.column("path").to_pylist(), batch.column("label").to_pylist(), scores)
        except (OSError, ValueError, KeyError, StorageError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"the scores at {self.store.uri} cannot be read ({reason}). Fix: make results, or run the job again."
            ) from error

    def _batches(self) -> Iterator[pa.RecordBatch]:
        scores = self.store.child(SCORES)
        names = sorted(entry.key for entry in scores.list() if entry.is_file and entry.key.endswith(".parquet"))
        if names:
            yield from read_batches(scores, names, ["path", "label", "scores"])
            return
        if self.store.kind(SCORES_CSV) == "file":
            # a class may be named "null" or "1e5": text stays text
            convert = pa_csv.ConvertOptions(
                column_types={"path": pa.string(), "label": pa.string()}, strings_can_be_null=False
            )
            parse = pa_csv.ParseOptions(newlines_in_values=True)
            with (
                self.store.fs.open_input_stream(self.store.path(SCORES_CSV)) as source,
                pa_csv.open_csv(source, convert_options=convert, parse_options=parse) as reader,
            ):
                yield from reader
            return
        raise InputError(
            f"{self.store.uri} holds no scores ({SCORES} or {SCORES_CSV}). Fix: make results, or run the job again."
        )

    @cached_property
    def projection(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean, shape (d,), and components, shape (k, d), of the PCA.

        Raises
        ------
        InputError : the file is missing or damaged
        """
        try:
            with np.load(io.BytesIO(self.store.read(MODEL))) as saved:
                mean, components = saved["mean"], saved["components"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self.store.location(MODEL)} is missing or damaged. Fix: make results, or run the job again."
            ) from error
        if components.shape != (self.summary["k"], mean.size):
            raise InputError(
                f"{self.store.location(MODEL)} has {format_count(components.shape[0], 'component')} of "
                f"{format_count(components.shape[1], 'feature')}, but {RUN} says k = {self.summary['k']}: files of "
                "two runs are mixed. Fix: run the job again."
            )
        return mean, components

    def engine(self) -> tuple[PublishedModel, Engine]:
        """The network that made the features: the result's own, or the same one built anew.

        Raises
        ------
        ModelError : the network that can be built here is another one
        """
        model = self._published()
        if model is not None:
            return model, load_engine(model, self.store)
        place = Store(str(MODELS))
        request = Request.from_json({**self.summary["arguments"], "output": str(MODELS), "networks": None})
        model = publish(request, place)
        if model.sha256 != self.summary["model_sha256"]:
            raise ModelError(
                f"the result at {self.store.uri} was made by another {self.summary['model']} (file "
                f"{self.summary['model_sha256'][:12]}…; here: {model.sha256[:12]}…: other weights or TensorFlow), and "
                f"features of two networks cannot be compared. Fix: OUTPUT= names the run's own output, which holds "
                "its network."
            )
        return model, load_engine(model, place)

    def _published(self) -> PublishedModel | None:
        for entry in self.store.list(FOLDER):
            if "/recipe-" not in f"/{entry.key}" or not entry.key.endswith(".json"):
                continue
            try:
                record = json.loads(self.store.read(entry.key))
                record.pop("recipe")
                model = PublishedModel(**record)
            except (OSError, ValueError, TypeError, KeyError):
                continue  # half a record names no network
            if model.sha256 == self.summary["model_sha256"] and model.precision == self.summary.get("precision", "f32"):
                return model
        return None


def _columns(batch: pa.RecordBatch) -> NDArray[np.floating]:
    values = [np.asarray(batch.column(name), np.float32) for name in batch.schema.names if name.startswith("pc")]
    return np.column_stack(values)


def list_places(env: str, *, images: str = "", model: str = "") -> list[str]:
    """Where a result may lie whose folder nobody names: of `make run-local`, and of `make results`."""
    fields = {name: value for name, value in (("input", images), ("model", model)) if value}
    return [make_request(fields).output, f"{RUNS}/{env}/{result_name(model)}"]


def find_result(uri: str, places: Sequence[str], model: str = "") -> Result:
    """The result at an address; without one, the newest in some folders.

    Parameters
    ----------
    model : the network that must have made it; empty for any

    Raises
    ------
    InputError : there is none
    OutputError : another network made it
    """
    if uri:
        result = Result.at(uri)
    else:
        results = [Result.at(place) for place in places if Store(place).kind(RUN) == "file"]
        if not results:
            raise InputError(
                f"there is no finished result in {' or '.join(places)}. Fix: make run-local, or make run-step and "
                "make results; OUTPUT= names another folder."
            )
        result = max(results, key=lambda result: str(result.summary.get("finished", "")))
    if model and result_name(model) != result_name(result.summary["model"]):
        raise OutputError(
            f"the result at {result.store.uri} was made by {result.summary['model']}, not by {model}. Fix: leave "
            "MODEL= out, or OUTPUT= names the result of that network."
        )
    return result
