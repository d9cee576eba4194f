"""`make neighbours IMAGE=path`: which images of a result are most like a new photograph.

It goes the way of every image of the run: same decoding, same network, same PCA; then the nearest by distance between
scores.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from fruits.engines import BATCH
from fruits.errors import InputError
from fruits.guard import Guard
from fruits.store import Store, explain_error
from fruits.wording import format_count
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from ops.job.results import Result

VOTERS = 5


@dataclass(frozen=True)
class Neighbour:
    """An image of the result, and how far its scores are from the new one's."""

    path: str
    label: str
    distance: float


def read_image(uri: str) -> bytes:
    """The photograph's bytes.

    Raises
    ------
    InputError : there is none, or it is no file
    StorageError : its store cannot be read
    """
    folder, _, name = uri.rpartition("/")
    store = Store(folder or ("/" if uri.startswith("/") else "."))
    try:
        return store.read(name)
    except FileNotFoundError:
        raise InputError(f"there is no image {uri}. Fix: IMAGE= names a photograph's file.") from None
    except OSError as error:
        if store.is_in_trouble(error):
            raise explain_error(error, f"cannot read the image {uri}") from error
        raise InputError(f"the image {uri} cannot be read ({error}). Fix: IMAGE= names a photograph's file.") from error


def compute_scores(result: Result, uri: str) -> NDArray[np.float64]:
    """Scores of a new photograph, shape (k,).

    Raises
    ------
    InputError : it is no image
    ModelError : the network of the result cannot be had
    """
    data = read_image(uri)
    mean, components = result.projection
    model, engine = result.engine()
    if model.dimension != mean.size:
        raise InputError(
            f"the network gives {format_count(model.dimension, 'feature')} and the PCA takes {mean.size:,}: "
            f"{result.store.uri} mixes files of two runs. Fix: run the job again."
        )
    with Guard(model.image_size, BATCH) as guard:
        if (reason := guard.decode([data])[0]) is not None:
            raise InputError(f"the image {uri} cannot be used: {reason}. Fix: IMAGE= names a photograph's file.")
        features = np.asarray(engine.embed(guard.pixels)[0], np.float64)
    scores: NDArray[np.float64] = (features - mean) @ components.T
    return scores


def find_neighbours(result: Result, scores: NDArray[np.float64], count: int, *, but: str = "") -> list[Neighbour]:
    """The nearest images of a result, the nearest first; memory does not grow with it.

    Parameters
    ----------
    but : path of an image that is left out: the photograph itself, where the result holds it
    """
    closest: list[Neighbour] = []
    for block in result.blocks():
        distances = np.linalg.norm(block.scores.astype(np.float64) - scores, axis=1)
        distances[[i for i, path in enumerate(block.paths) if path == but]] = np.inf
        order = np.argsort(distances, kind="stable")[:count]
        closest += [
            Neighbour(block.paths[i], block.labels[i], float(distances[i])) for i in order if np.isfinite(distances[i])
        ]
        closest = sorted(closest, key=lambda neighbour: (neighbour.distance, neighbour.path))[:count]
    return closest


def vote(neighbours: list[Neighbour]) -> tuple[str, int, int]:
    """The class of most of the nearest few, how many they are, and of how many; of equals the nearer one.

    >>> vote([Neighbour("1", "a", 1.0), Neighbour("2", "b", 2.0), Neighbour("3", "b", 3.0)])
    ('b', 2, 3)
    """
    voters = neighbours[:VOTERS]
    label, votes = Counter(voter.label for voter in voters).most_common(1)[0]
    return label, votes, len(voters)


def make_neighbours_table(result: Result, neighbours: list[Neighbour]) -> Table:
    """The nearest images as a table."""
    table = Table("", "distance", "class", "image", title=f"nearest images in {result.store.uri}", title_justify="left")
    paths = result.below_input(neighbour.path for neighbour in neighbours)
    for rank, (neighbour, path) in enumerate(zip(neighbours, paths, strict=True), 1):
        table.add_row(str(rank), f"{neighbour.distance:.2f}", Text(neighbour.label), Text(path, overflow="fold"))
    return table


def describe_neighbours(result: Result, image: str, neighbours: list[Neighbour]) -> dict[str, Any]:
    """The nearest images and their vote, for a program."""
    label, votes, voters = vote(neighbours)
    return {
        "image": image,
        "result": result.store.uri,
        "model": result.summary["model"],
        "label": label,
        "votes": votes,
        "voters": voters,
        "neighbours": [asdict(neighbour) for neighbour in neighbours],
    }
