"""`report.html`: one self-contained page, opened from disk, that shows the results of a run.

`sample` chooses the images that it shows, `pictures` makes thumbnails, `colours` gives each class its look, `page`
writes the HTML; page.js draws the figures in the browser. The page stays below 15 MB whatever the run's size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from fruits.checks import ClassCount, describe_rejects
from fruits.classifier import MAX_CLASSES as MAX_LEARNED_CLASSES
from fruits.classifier import cross_validate
from fruits.featurize import REJECTS
from fruits.inputs import LeftOut
from fruits.manifests import State
from fruits.outputs import SCORES
from fruits.parts import Part, read_batches
from fruits.pca import Reduction
from fruits.progress import LEAST_FOR_A_RATE
from fruits.report import clusters, colours, findings, page, pictures, sample
from fruits.report.page import shorten
from fruits.store import Store
from fruits.wording import format_count

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MAX_REJECTS = 50
"""Rejected images shown one by one."""
MAX_REASONS = 10_000
"""Rejected images whose reasons are counted."""
MAX_CLASSES = 500
"""Rows of the table of classes."""
NEIGHBOURS = 15
"""For the map of neighbours: UMAP's default. The list beside the map shows the first eight."""
PALETTE = 9
"""Colours for columns other than the class."""
_SCREE_POINTS = 400
_SHARES = (0.5, 0.8, 0.9, 0.95, 0.99)


def build_page(
    spark: SparkSession,
    source: Store,
    output: Store,
    state: State,
    scores: list[Part],
    reduction: Reduction,
    counts: list[ClassCount],
    summary: dict[str, Any],
) -> str:
    """Choose the images of the page, and write it.

    Parameters
    ----------
    source, output : Store
        Images, for the pictures; results.
    state : State
        Names the files of rejects.
    scores : list of Part
    counts : list of ClassCount
    summary : dict
        The content of `run.json`.

    Returns
    -------
    str
        HTML that needs no network.
    """
    sizes = {count.label: count.features for count in counts}
    chosen = sample.choose_sample(spark, output.child(SCORES), scores, sizes, summary["slots"])
    return compose(source, chosen, reduction, counts, summary, read_rejects(output, state.rejects))


def read_rejects(output: Store, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Read path, label, size and reason of the first `MAX_REASONS` rejected images."""
    batches = read_batches(output.child(REJECTS), [part.name for part in parts], ["path", "label", "size", "reason"])
    rows = (row for batch in batches for row in batch.to_pylist())
    return sorted(islice(rows, MAX_REASONS), key=lambda row: str(row["path"]))


def compose(
    source: Store,
    chosen: sample.ReportSample,
    reduction: Reduction,
    counts: list[ClassCount],
    summary: dict[str, Any],
    rejects: list[dict[str, Any]],
) -> str:
    """Write the page about the chosen images; reads their pictures."""
    shown, images = chosen.shown, summary["images_ok"]
    picture_of = read_pictures(source, chosen)
    values = {
        "title": f"{format_count(images, 'fruit image')} in PCA space",
        "run": summary,
        "has_rate": summary["images_featurized_now"] >= LEAST_FOR_A_RATE,
        "figures": list_figures(summary, counts),
        "shown": describe_shown(len(shown), images, len(set(shown.labels)), sum(c.features > 0 for c in counts)),
        "sampled": len(shown) < images,
        "count": len(shown),
        "side": pictures.SIDE,
        "ends": [
            {"share": 100 * share, "low": _make_strip(low, picture_of), "high": _make_strip(high, picture_of)}
            for share, (low, high) in zip(reduction.spectrum.ratio, chosen.ends, strict=False)
        ],
        "findings": findings.find_all(shown.scores, [shorten(label) for label in shown.labels]),
        "scree_text": describe_scree(reduction),
        "needed": [(f"{100 * share:g}%", page.format_number(k)) for share, k in count_components(reduction)],
        "classes": list_classes(counts, shown, picture_of),
        "classes_left": max(0, len(counts) - MAX_CLASSES),
        "classifier": render_classifier_section(chosen, counts, images),
        "cost": page.render_paragraphs(
            ["No cost: this run was not billed. For a run on AWS, make results adds what it cost."]
        ),
        **describe_rejected(source, summary, rejects),
        "phases": list_phases(summary["seconds"]),
        "arguments": list_arguments(summary),
        "versions": list_versions(summary),
    }
    reasons = count_reject_reasons(shown.labels, rejects)
    return page.render(collect_figure_data(source, shown, picture_of, reduction) | {"rejects": reasons}, values)


def read_pictures(source: Store, chosen: sample.ReportSample) -> dict[str, str]:
    """Thumbnails of all images that the page shows, by path."""
    ends = (end for pair in chosen.ends for end in pair)
    paths = list(dict.fromkeys([*chosen.shown.paths, *(path for end in ends for path in end.paths)]))
    return dict(zip(paths, pictures.make_thumbnails(source, paths), strict=True))


def list_classes(
    counts: Sequence[ClassCount], shown: sample.ShownImages, picture_of: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Rows of the table of classes, by name: the `MAX_CLASSES` largest, each with a picture where there is one."""
    examples: dict[str, str] = {}
    for path, label in zip(shown.paths, shown.labels, strict=True):
        if picture_of[path]:
            examples.setdefault(label, picture_of[path])
    largest = sorted(counts, key=lambda c: (-c.images, c.label))[:MAX_CLASSES]
    return [
        {
            "label": shorten(c.label),
            "images": c.images,
            "features": c.features,
            "rejects": c.rejects,
            "share": 100 * c.images / largest[0].images,
            "picture": examples.get(c.label, ""),
        }
        for c in sorted(largest, key=lambda c: c.label)
    ]


def describe_rejected(source: Store, summary: Mapping[str, Any], rejects: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page says about images without features, and about files that were left out; reads their pictures."""
    skip = len(source.uri) + 1
    first_rejects = rejects[:MAX_REJECTS]
    reject_pictures = pictures.make_reject_thumbnails(source, first_rejects)
    return {
        "rejected": summary["images_rejected"],
        "rejected_kinds": describe_rejects(summary["rejected"]).partition(": ")[2],
        "left_out": shorten(LeftOut.from_json(summary.get("left_out", {})).sentence(), 1000),
        "rejects": [
            {
                "path": shorten(row["path"][skip:]),
                "name": shorten(row["path"].rpartition("/")[2]),
                "label": shorten(row["label"]),
                "reason": row["reason"],
                "picture": picture,
            }
            for row, picture in zip(first_rejects, reject_pictures, strict=True)
        ],
        "reasons": Counter(str(row["reason"]) for row in rejects).most_common(20),
        "reasons_of": len(rejects),
    }


def render_classifier_section(chosen: sample.ReportSample, counts: Sequence[ClassCount], images: int) -> Markup:
    """Render how well a classifier tells the classes apart, or why that is not known."""
    learned, shown = chosen.learned, chosen.shown
    classes = sum(count.features > 0 for count in counts)
    if classes > MAX_LEARNED_CLASSES:
        return page.render_classifier(
            None, f"{classes:,} classes are more than the {MAX_LEARNED_CLASSES:,} it can tell apart"
        )
    result = cross_validate(learned.paths, learned.labels, learned.scores, population=images)
    if result is None:
        return page.render_classifier(None)
    names = [shorten(label) for label in sorted(set(shown.labels))]
    return page.render_classifier(result, predictions=page.list_predictions(result, learned.paths, shown.paths, names))


def count_reject_reasons(labels: Sequence[str], rejects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Find the most frequent reason for rejects of each class, by which the map can be coloured.

    Returns
    -------
    dict
        `names`: "none rejected", the most frequent reasons, and "another reason" if there are more than the palette has
        colours. `of`: for each class of the map, in order of the names, a number in `names`.
    """
    by_label: dict[str, Counter[str]] = {}
    for row in rejects:
        by_label.setdefault(str(row["label"]), Counter())[str(row["reason"])] += 1
    frequent_reason = {
        label: min(reasons.items(), key=lambda item: (-item[1], item[0]))[0] for label, reasons in by_label.items()
    }
    classes = sorted(set(labels))
    frequent = [
        reason for reason, _ in Counter(frequent_reason[c] for c in classes if c in frequent_reason).most_common()
    ]
    names = ["none rejected", *frequent[: PALETTE - 2]] + ["another reason"] * (len(frequent) > PALETTE - 2)
    return {
        "names": [shorten(name) for name in names],
        "of": [
            0
            if c not in frequent_reason
            else names.index(frequent_reason[c])
            if frequent_reason[c] in names
            else len(names) - 1
            for c in classes
        ],
    }


def describe_shown(images_shown: int, images: int, classes_shown: int, classes: int) -> str:
    """Which images the map shows.

    >>> describe_shown(200, 200, 8, 8)
    'all 200 images'
    >>> describe_shown(1500, 100000, 30, 30)
    '1,500 of 100,000 images, the same share of every class'
    """
    if images_shown == images:
        return f"all {format_count(images, 'image')}" if images != 1 else "the only image"
    if classes_shown < classes:
        return f"{images_shown:,} of {images:,} images, one each of {classes_shown:,} of the {classes:,} classes"
    return f"{images_shown:,} of {images:,} images, the same share of every class"


def list_figures(summary: Mapping[str, Any], counts: Sequence[ClassCount]) -> list[tuple[str, str]]:
    """List the numbers at the top of the page."""
    rate = summary["images_per_second"]
    if not rate:
        speed = ("kept", "nothing computed again")
    elif summary["images_featurized_now"] < LEAST_FOR_A_RATE:
        speed = (f"{summary['seconds'].get('featurize', 0.0):.0f} s", "to featurize, mostly start-up")
    else:
        speed = (f"{rate:,.0f}/s", "images featurized")
    return [
        (f"{summary['images_ok']:,}", "images with features"),
        (f"{summary['images_rejected']:,}", "rejected"),
        (f"{len(counts):,}", "class" if len(counts) == 1 else "classes"),
        (f"{summary['k']:,}", f"components of {summary['dimension']:,} features"),
        (f"{100 * summary['explained_variance']:.1f}%", "of the variance"),
        speed,
    ]


def _make_strip(end: sample.ComponentEnd, picture_of: Mapping[str, str]) -> list[dict[str, str]]:
    """Make the row of pictures at an end of a component, in order of their values."""
    rows = [
        {
            "picture": picture_of[path],
            "label": shorten(label),
            "name": shorten(path.rpartition("/")[2]),
            "value": f"{value:.2f}",
            "order": f"{value:.9e}",
        }
        for path, label, value in zip(end.paths, end.labels, end.values, strict=True)
    ]
    return sorted(rows, key=lambda row: float(row["order"]))


def count_components(reduction: Reduction) -> list[tuple[float, int | None]]:
    """How many components reach each of some shares of the variance; None where all together do not."""
    available = reduction.spectrum.components.shape[0]
    cumulated = np.cumsum(reduction.spectrum.ratio[:available])
    shares = sorted({*_SHARES, *([reduction.target] if reduction.target is not None else [])})
    needed: list[tuple[float, int | None]] = []
    for share in shares:
        reaching = np.flatnonzero(cumulated + 1e-12 >= share)
        needed.append((share, int(reaching[0]) + 1 if reaching.size else None))
    return needed


def describe_scree(reduction: Reduction) -> str:
    """What the variance plot shows, in words for those who cannot see it."""
    parts = [f"{k:,} for {100 * share:g}%" for share, k in count_components(reduction) if k is not None]
    return f"Variance plot. Components needed: {', '.join(parts) or 'there is no variance'}. Kept: {reduction.k:,}."


def list_phases(seconds: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """List each phase with its seconds and the length of its bar in percent, in the order in which they ran."""
    longest = max(seconds.values(), default=0.0) or 1.0
    return [(name, float(value), 100 * float(value) / longest) for name, value in seconds.items()]


def list_arguments(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the arguments of the run."""
    return [
        (name, shorten(", ".join(value) if isinstance(value, list) else str(value), 1000))
        for name, value in summary["arguments"].items()
        if value not in (None, [], ())
    ]


def _describe_engine(summary: Mapping[str, Any]) -> str:
    return f"{summary['engine']}, {summary.get('precision', 'f32')}"


def list_versions(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List versions of packages, the network, the engine and the code."""
    rows = [(str(name), str(value)) for name, value in summary["versions"].items()]
    rows += [
        ("network", f"{summary['model']}, sha256 {summary['model_sha256'][:16]}…"),
        ("engine", _describe_engine(summary)),
    ]
    if summary.get("commit"):
        rows.append(("commit", str(summary["commit"])))
    return [*rows, ("run", str(summary["run_id"]))]


def collect_figure_data(
    source: Store, shown: sample.ShownImages, picture_of: Mapping[str, str], reduction: Reduction
) -> dict[str, Any]:
    """Collect what page.js draws."""
    labels = sorted(set(shown.labels))
    place = {label: i for i, label in enumerate(labels)}
    skip = len(source.uri) + 1
    ratio = reduction.spectrum.ratio[: reduction.spectrum.components.shape[0]]
    length = min(ratio.size, max(2 * reduction.k, 20), 2000)
    cumulated = np.cumsum(ratio[:length])
    near, apart = sample.find_nearest(shown.scores, NEIGHBOURS)
    chosen = np.unique(np.linspace(0, length - 1, min(length, _SCREE_POINTS)).astype(int))
    return {
        "labels": [shorten(label) for label in labels],
        "looks": colours.choose_looks(len(labels)),
        "palette": colours.choose_looks(PALETTE),
        "images": {
            "label": [place[label] for label in shown.labels],
            "path": [shorten(path[skip:]) for path in shown.paths],
            "picture": [picture_of[path] for path in shown.paths],
            "scores": _round(shown.scores[:, : sample.COMPONENTS].T),
            "near": near.tolist(),
            "apart": _round(apart),
            "cluster": clusters.find_clusters(shown.scores, min(PALETTE, max(2, len(labels)))).tolist(),
        },
        "ratio": _round(ratio[: sample.COMPONENTS]),
        "scree": {
            "number": [int(i) + 1 for i in chosen],
            "single": _round(ratio[chosen]),
            "cumulated": _round(cumulated[chosen]),
            "k": reduction.k,
            "target": reduction.target,
        },
    }


def _round(values: NDArray[np.floating]) -> Any:
    """Round to five digits: more than a screen shows."""
    flat = [float(f"{value:.5g}") for value in np.asarray(values, np.float64).reshape(-1).tolist()]
    return np.array(flat).reshape(values.shape).tolist()
