"""What a choice of network, image size and precision costs and brings, measured on a sample of the user's own images.

The sample is drawn once; every choice sees the same images, decoded and computed as the job does it, on one core. How
good the features are, the report's own classifier says (`fruits.classifier`): a linear one on the scores, tested on
photographs that it did not learn from.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from fruits import backbones, pca
from fruits.classifier import cross_validate
from fruits.engines import BATCH, Engine, require_bf16
from fruits.errors import InputError, ModelError
from fruits.guard import Guard
from fruits.images import decode
from fruits.inputs import NOT_EXPRESSIBLE, LeftOut, read_label, walk
from fruits.models import LEAST_BF16_COSINE, PublishedModel, load_engine, publish, require_model
from fruits.request import DEFAULT_MODEL, DEFAULT_VARIANCE, PRECISIONS, Request
from fruits.store import Store
from fruits.wording import format_count
from numpy.typing import NDArray

SIZES = (224, 160, 128, 96)
SAMPLE = 600
PER_CLASS = 8
"""Images that a class of the sample has where it can: of many classes some are taken, not one image of each."""
READ_SECONDS = 60.0
"""After so long the sample ends where it is: large photographs take their time."""
SAID_EVERY = 200
"""Images between two words of progress."""
NEARLY = 0.9
"""A choice this near to the fastest counts as fast: the better features decide."""
DEFAULT = (DEFAULT_MODEL, 224, "f32")


@dataclass(frozen=True, order=True)
class Choice:
    """What one may set: network, pixels, precision."""

    model: str
    size: int
    precision: str

    def __str__(self) -> str:
        return f"{self.model} at {self.size} pixels in {self.precision}"

    @property
    def variables(self) -> str:
        """As make takes it; what is the default is left out."""
        values = zip(
            ("MODEL", "IMAGE_SIZE", "PRECISION"), (self.model, self.size, self.precision), DEFAULT, strict=True
        )
        return " ".join(f"{name}={value}" for name, value, default in values if value != default)


@dataclass(frozen=True)
class Row:
    """What a choice gave.

    Attributes
    ----------
    rate : float
        Images a second and core, decoding included.
    right : ndarray of bool, shape (tested images,)
        Whether the classifier took each for what it is; the same images in every row.
    k : components for 95% of the sample's variance
    cosine : float, optional
        In bf16 the lowest cosine of an image's features to those in f32.
    """

    choice: Choice
    rate: float
    right: NDArray[np.bool_]
    k: int
    cosine: float | None = None

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())


@dataclass(frozen=True)
class Advice:
    """The row to take, and why."""

    row: Row
    why: str


def standard_error(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Of the difference of two accuracies over the same images: only those count that one alone got right (McNemar).

    >>> round(standard_error(np.array([True, True, False, False]), np.array([True, False, True, False])), 4)
    0.3536
    """
    difference = a.astype(float) - b.astype(float)
    return float(math.sqrt(max((difference**2).mean() - difference.mean() ** 2, 0.0) / len(difference)))


def recommend(rows: Sequence[Row]) -> Advice:
    """The fastest choice whose accuracy is within one standard error of the best (the rule of Breiman et al. 1984).

    Among choices that are nearly as fast as that the most accurate is taken, and of equals single precision.

    Parameters
    ----------
    rows : at least one
    """
    best = max(rows, key=lambda row: (row.accuracy, row.rate))
    good = [row for row in rows if best.accuracy - row.accuracy <= standard_error(best.right, row.right) + 1e-12]
    fastest = max(row.rate for row in good)
    fast = [row for row in good if row.rate >= NEARLY * fastest]
    chosen = max(fast, key=lambda row: (row.accuracy, row.choice.precision == "f32", row.rate))
    return Advice(chosen, _why(chosen, best, rows))


def _why(chosen: Row, best: Row, rows: Sequence[Row]) -> str:
    images = format_count(len(chosen.right), "image")
    default = next((row for row in rows if row.choice == Choice(*DEFAULT)), None)
    reasons = []
    if default is not None and default is not chosen:
        reasons.append(f"{chosen.rate / default.rate:.1f} times as fast as the default ({default.choice})")
    if chosen is best:
        reasons.append(f"none of the choices is more accurate ({100 * chosen.accuracy:.1f}% of {images})")
    else:
        error = standard_error(best.right, chosen.right)
        reasons.append(
            f"{100 * chosen.accuracy:.1f}% of {images} are recognised against {100 * best.accuracy:.1f}% with "
            f"{best.choice}, a difference within its standard error ({100 * error:.1f} points)"
        )
    return "; ".join(reasons)


@dataclass(frozen=True)
class Sample:
    """Some images of an input.

    Attributes
    ----------
    keys, labels : below `store`; the classes take turns
    images, classes : of the whole input
    """

    store: Store
    keys: list[str]
    labels: list[str]
    images: int
    classes: int


def _lot(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def take_sample(store: Store, size: int) -> Sample:
    """Draw a sample: always the same of the same input, classes in turn, `PER_CLASS` images of each where there are.

    Raises
    ------
    InputError : there are not two classes of two images, so that nothing says which features are better
    """
    by_class: dict[str, list[str]] = {}
    images = 0
    for entry in walk(store, LeftOut()):
        images += 1
        if entry.size != NOT_EXPRESSIBLE:
            by_class.setdefault(read_label(store.location(entry.key)), []).append(entry.key)
    large = sorted((label for label, keys in by_class.items() if len(keys) > 1), key=_lot)
    if len(large) < 2:
        raise InputError(
            f"{store.uri} holds {format_count(images, 'image')} of {format_count(len(by_class), 'class')}, and choices "
            "are compared by how well they tell classes apart. Fix: INPUT= with two folders or more, of two images or "
            "more each: <class>/<name>."
        )
    chosen = large[: max(2, size // PER_CLASS)]
    turns = {label: sorted(by_class[label], key=_lot) for label in chosen}
    keys: list[str] = []
    for rank in range(max(map(len, turns.values()))):
        keys += [members[rank] for members in turns.values() if rank < len(members)]
        if len(keys) >= size:
            break
    keys = keys[:size]
    return Sample(store, keys, [read_label(store.location(key)) for key in keys], images, len(by_class))


@dataclass
class _Measured:
    """Of one choice, while it is measured."""

    choice: Choice
    engine: Engine
    features: list[NDArray[np.float32]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def compute(self, pixels: NDArray[np.uint8]) -> None:
        began = time.process_time()  # of all threads here, so that a busy machine does not count
        self.features.append(self.engine.embed(pixels).copy())
        self.seconds.append(time.process_time() - began)

    @property
    def per_image(self) -> float:
        return float(np.median(self.seconds)) / BATCH


def models_at_hand(weights: str | None) -> list[str]:
    """The known networks whose weights are here; the default one always is."""
    names = []
    for name in backbones.BACKBONES:
        try:
            require_model(Request(input=".", output=".", model=name, weights=weights))
        except ModelError:
            continue
        names.append(name)
    return names


def choose_precisions(precision: str | None, capabilities: Sequence[str]) -> tuple[str, ...]:
    """Those to measure: what was asked, else what this processor computes.

    Raises
    ------
    ModelError : bf16 was asked for where it would be imitated
    """
    if precision == "bf16":
        require_bf16(capabilities)
    if precision:
        return (precision,)
    return PRECISIONS if "BF16" in capabilities else ("f32",)


def read_capabilities() -> list[str]:
    """What OpenVINO says that this processor computes."""
    import openvino

    names: list[str] = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return names


def _batches(sample: Sample, guard: Guard, size: int) -> Iterator[tuple[NDArray[np.bool_], float]]:
    """Decode the sample, `BATCH` at a time into ``guard.pixels``: which of them are images, and seconds that one took.

    What the guard has decoded without harm is decoded again here, once a batch, where the processor's time is known.
    """
    until = time.monotonic() + READ_SECONDS
    for start in range(0, len(sample.keys), BATCH):
        if start and time.monotonic() > until:
            return
        files = [sample.store.read(key) for key in sample.keys[start : start + BATCH]]
        good = np.array([reason is None for reason in guard.decode(files)])
        guard.pixels[len(files) :] = 0
        taken = math.nan
        if good.any():
            data = files[int(good.argmax())]
            began = time.process_time()
            decode(data, size)
            taken = time.process_time() - began
        yield good, taken


def measure(
    sample: Sample,
    requests: Iterable[Request],
    precisions: Sequence[str],
    networks: Store,
    say: Callable[[str], None],
) -> list[Row]:
    """Measure every size and network in every precision.

    Parameters
    ----------
    requests : one for each size and network
    precisions : precisions
    networks : keeps converted networks from run to run

    Raises
    ------
    InputError : hardly an image can be decoded
    """
    by_size: dict[int, list[PublishedModel]] = {}
    for request in requests:
        say(f"preparing {request.model.rpartition('/')[2]} at {request.image_size} pixels")
        model = publish(request, networks)
        if model not in by_size.setdefault(model.image_size, []):  # a .keras file may have one size only
            by_size[model.image_size].append(model)
    usable = np.ones(len(sample.keys), bool)
    measured: list[tuple[_Measured, float]] = []
    for size, models in by_size.items():
        cells = [
            _Measured(Choice(model.name, size, precision), load_engine(replace(model, precision=precision), networks))
            for model in models
            for precision in precisions
        ]
        decoding, decoded = _compute(sample, size, cells, say)
        usable &= decoded
        measured += [(cell, decoding) for cell in cells]
    labels = {label for label, is_usable in zip(sample.labels, usable, strict=True) if is_usable}
    if usable.sum() < 2 * PER_CLASS or len(labels) < 2:
        raise InputError(
            f"{int(usable.sum())} of {format_count(len(usable), 'sampled image')} of {sample.store.uri} can be "
            "decoded: too few to compare. Fix: INPUT= with more of them; LIMIT= takes a larger sample."
        )
    say("learning and testing")
    return _rows(sample, usable, measured)


def _compute(
    sample: Sample, size: int, cells: list[_Measured], say: Callable[[str], None]
) -> tuple[float, NDArray[np.bool_]]:
    """All cells of one size over the sample: seconds that an image's decoding takes, and which images were decoded."""
    decoded = np.zeros(len(sample.keys), bool)
    seconds: list[float] = []
    done = 0
    with Guard(size, BATCH) as guard:
        for cell in cells:
            cell.engine.embed(guard.pixels)  # the first call is a slow one
        for good, taken in _batches(sample, guard, size):
            decoded[done : done + len(good)] = good
            seconds.append(taken)
            for cell in cells:
                cell.compute(guard.pixels)
            if done % SAID_EVERY == 0:
                networks = format_count(len(cells), "network")
                say(f"{size} pixels: {done:,} of {format_count(len(sample.keys), 'image')} by {networks}")
            done += len(good)
    return float(np.nanmean(seconds)) if decoded.any() else math.inf, decoded


def _rows(sample: Sample, usable: NDArray[np.bool_], measured: list[tuple[_Measured, float]]) -> list[Row]:
    places = np.flatnonzero(usable)
    keys, labels = [sample.keys[i] for i in places], [sample.labels[i] for i in places]
    rows: list[Row] = []
    single: dict[tuple[str, int], NDArray[np.float64]] = {}
    for cell, decoding in measured:
        features = np.concatenate(cell.features)[places].astype(np.float64)
        cosine = None
        if cell.choice.precision == "f32":
            single[cell.choice.model, cell.choice.size] = features
        elif (reference := single.get((cell.choice.model, cell.choice.size))) is not None:
            cosine = float(_cosines(features, reference).min())
            if cosine < LEAST_BF16_COSINE:
                continue  # the job refuses it
        reduction = pca.reduce(pca.solve(pca.Moments.from_rows(features)), target=DEFAULT_VARIANCE)
        result = cross_validate(keys, labels, reduction.scores(features))
        if result is None:
            raise InputError(
                f"of {sample.store.uri} no two classes of two images are left in the sample. Fix: LIMIT= takes a "
                "larger one."
            )
        answers = [(label, answer) for label, answer in zip(labels, result.predicted, strict=True) if answer >= 0]
        right = np.array([label == result.labels[answer] for label, answer in answers])
        rows.append(Row(cell.choice, 1 / (decoding + cell.per_image), right, reduction.k, cosine))
    return rows


def _cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    cosines: NDArray[np.float64] = (a * b).sum(1) / np.maximum(
        np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-300
    )
    return cosines


def as_json(row: Row) -> dict[str, Any]:
    """A row for a program."""
    return {
        "model": row.choice.model,
        "image_size": row.choice.size,
        "precision": row.choice.precision,
        "images_per_second_per_core": round(row.rate, 2),
        "accuracy": round(row.accuracy, 4),
        "k": row.k,
        "lowest_cosine_to_f32": None if row.cosine is None else round(row.cosine, 4),
    }
