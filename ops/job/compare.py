"""`make results COMPARE=`: two results side by side, as a table and as a page beside the newer one.

The images of both are known by their paths below the input, so the same folder may have lain in two places. Memory
holds the names of all images, and the scores of those whose neighbours are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fruits.classifier import MAX_CLASSES, cross_validate_blocks
from fruits.report import page
from fruits.report.sample import find_nearest, hash_order
from fruits.wording import format_count
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from ops.job.results import Result

PAGE = "comparison.html"
SAMPLE = 1500
"""Images in both whose neighbours are compared."""
NEIGHBOURS = 10
SHOWN = 15
"""Rows of a list."""


@dataclass(frozen=True)
class Side:
    """One of the two results.

    Attributes
    ----------
    labels : class of each image, by its path below the input, in the order of the scores
    right : whether a linear classifier recognises an image that it has not seen; images that were not tested are not in
        it
    scores : ndarray, shape (n, k)
        Of the images whose neighbours are compared, in their order.
    """

    result: Result
    labels: dict[str, str]
    right: dict[str, bool]
    scores: NDArray[np.floating]

    @property
    def name(self) -> str:
        return self.result.store.uri


@dataclass(frozen=True)
class Comparison:
    """What differs.

    Attributes
    ----------
    gained, lost : images only in the newer, and only in the earlier result
    overlap : ndarray, shape (n,)
        For each compared image the share of its nearest images that are the same in both results.
    compared : list of str
    """

    newer: Side
    earlier: Side
    gained: list[str]
    lost: list[str]
    common: list[str]
    compared: list[str]
    overlap: NDArray[np.float64]

    def accuracies(self) -> tuple[float, float] | None:
        """Share recognised among the images that were tested in both, of the newer and the earlier result."""
        both = [path for path in self.common if path in self.newer.right and path in self.earlier.right]
        if not both:
            return None
        newer, earlier = (sum(side.right[path] for path in both) / len(both) for side in (self.newer, self.earlier))
        return newer, earlier

    def changed(self, *, to: bool) -> list[str]:
        """Images that are recognised in one result only: in the newer one, or in the earlier one."""
        newer, earlier = self.newer.right, self.earlier.right
        return [path for path in self.common if newer.get(path) is to and earlier.get(path) is (not to)]

    def classes(self) -> list[tuple[str, int, int, float | None, float | None]]:
        """Class, images in the newer and the earlier result, shares recognised; the largest change first."""
        rows = []
        for label in sorted({*self.newer.labels.values(), *self.earlier.labels.values()}):
            members = [
                [path for path, path_label in side.labels.items() if path_label == label]
                for side in (self.newer, self.earlier)
            ]
            shares = [
                sum(tested) / len(tested) if (tested := [side.right[p] for p in paths if p in side.right]) else None
                for side, paths in zip((self.newer, self.earlier), members, strict=True)
            ]
            rows.append((label, len(members[0]), len(members[1]), shares[0], shares[1]))
        return sorted(rows, key=lambda row: (-abs((row[3] or 0) - (row[4] or 0)), row[0]))


def _read(result: Result) -> tuple[dict[str, str], dict[str, bool]]:
    """Class of each image, and whether it is recognised."""
    paths, labels = result.names()
    keys = result.below_input(paths)
    tested = None
    if len(set(labels)) <= MAX_CLASSES:
        tested = cross_validate_blocks(paths, labels, lambda: (block.scores for block in result.blocks()))
    right: dict[str, bool] = {}
    if tested is not None:
        rows = zip(keys, labels, tested.predicted, strict=True)
        right = {key: tested.labels[answer] == label for key, label, answer in rows if answer >= 0}
    return dict(zip(keys, labels, strict=True)), right


def _scores_of(result: Result, keys: Sequence[str]) -> NDArray[np.floating]:
    place = {key: i for i, key in enumerate(keys)}
    scores = np.zeros((len(keys), int(result.summary["k"])))
    for block in result.blocks():
        for key, row in zip(result.below_input(block.paths), block.scores, strict=True):
            if key in place:
                scores[place[key]] = row
    return scores


def compare_results(newer: Result, earlier: Result) -> Comparison:
    """Read both results, three times each; the value is what differs.

    Raises
    ------
    InputError : scores are missing or damaged
    """
    read = {id(result): _read(result) for result in (newer, earlier)}
    labels, before = read[id(newer)][0], read[id(earlier)][0]
    common = [key for key in labels if key in before]
    compared = sorted(sorted(common, key=hash_order)[:SAMPLE])
    sides = [Side(result, *read[id(result)], _scores_of(result, compared)) for result in (newer, earlier)]
    near = [find_nearest(side.scores, NEIGHBOURS)[0] for side in sides]
    overlap = np.array([len({*a} & {*b}) / max(len(a), 1) for a, b in zip(*near, strict=True)])
    return Comparison(
        newer=sides[0],
        earlier=sides[1],
        gained=[key for key in labels if key not in before],
        lost=[key for key in before if key not in labels],
        common=common,
        compared=compared,
        overlap=overlap,
    )


def list_facts(comparison: Comparison) -> list[tuple[str, str, str]]:
    """What is compared, of the newer and of the earlier result."""
    newer, earlier = comparison.newer.result.summary, comparison.earlier.result.summary
    accuracies = comparison.accuracies()

    def format_both(name: str, form: str = "{:,}") -> tuple[str, str]:
        return tuple(form.format(s[name]) if s.get(name) is not None else "–" for s in (newer, earlier))  # type: ignore[return-value]

    rows = [
        ("network", *format_both("model", "{}")),
        ("finished", *format_both("finished", "{}")),
        ("images with features", *format_both("images_ok")),
        ("images rejected", *format_both("images_rejected")),
        ("features per image", *format_both("dimension")),
        ("components", *format_both("k")),
        ("of the variance", *format_both("explained_variance", "{:.1%}")),
        ("images per second", *format_both("images_per_second", "{:,.0f}")),
    ]
    if accuracies is not None:
        rows.append(
            ("recognised by a linear classifier, images in both", f"{accuracies[0]:.1%}", f"{accuracies[1]:.1%}")
        )
    return rows


def write_statements(comparison: Comparison) -> list[str]:
    """What the numbers of both together say."""
    lines = [
        f"{format_count(len(comparison.common), 'image', 'is')} in both; {len(comparison.gained):,} only in the newer, "
        f"{len(comparison.lost):,} only in the earlier result."
    ]
    if len(comparison.compared) > 2:  # of two, each is the other's nearest
        sample = (
            f"a sample of {len(comparison.compared):,} of them"
            if len(comparison.compared) < len(comparison.common)
            else "these"
        )
        count = min(NEIGHBOURS, len(comparison.compared) - 1)
        lines.append(
            f"Among {sample}, {comparison.overlap.mean():.1%} of an image's {count} nearest images are the same in "
            f"both results; by chance it would be {count / (len(comparison.compared) - 1):.1%}."
        )
    if comparison.accuracies() is not None:
        better, worse = len(comparison.changed(to=True)), len(comparison.changed(to=False))
        recognised = f"{format_count(better, 'image', 'is')} recognised only in the newer result"
        lines.append(f"{recognised}, {worse:,} only in the earlier one.")
    return lines


def make_facts_table(comparison: Comparison) -> Table:
    """The facts, for a terminal."""
    table = Table("", "newer", "earlier", title_justify="left")
    for fact, newer, earlier in list_facts(comparison):
        table.add_row(fact, Text(newer), Text(earlier))
    return table


def render_page(comparison: Comparison) -> str:
    """One self-contained page without scripts."""
    from jinja2 import Environment, StrictUndefined

    lists: list[tuple[str, list[str]]] = [
        ("Recognised only in the newer result", comparison.changed(to=True)),
        ("Recognised only in the earlier result", comparison.changed(to=False)),
        (
            "Other neighbours than before",
            [
                comparison.compared[i]
                for i in np.argsort(comparison.overlap, kind="stable")
                if comparison.overlap[i] < 0.5
            ],
        ),
        ("Only in the newer result", comparison.gained),
        ("Only in the earlier result", comparison.lost),
    ]
    template = (Path(__file__).with_name("comparison.html")).read_text(encoding="utf-8")
    values: dict[str, Any] = {
        "style": page.read_resource("page.css"),
        "newer": comparison.newer.name,
        "earlier": comparison.earlier.name,
        "facts": list_facts(comparison),
        "statements": write_statements(comparison),
        "classes": comparison.classes()[: 10 * SHOWN],
        "lists": [(title, [page.shorten(key) for key in keys[:SHOWN]], len(keys)) for title, keys in lists],
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(values)
