"""`report.html`: one self-contained page, opened from disk, that shows what a run found."""

from __future__ import annotations

import base64
import colorsys
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fruits.checks import ClassCount
from fruits.featurize import REJECTS
from fruits.images import ImageError, decode
from fruits.manifests import State
from fruits.outputs import SCORES
from fruits.parts import Part, read_frame
from fruits.pca import Reduction
from fruits.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MAX_POINTS = 1500
MAX_REJECTS = 50
THUMBNAIL = 64
_COMPONENTS = 6


def sample_scores(frame: DataFrame, classes: int, points: int = MAX_POINTS) -> list[Any]:
    """At most about `points` rows of path, label and the first scores: every class gets an equal share.

    The rows with the smallest hashes of their path are taken, so the same result shows the same images.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    share = max(1, points // max(classes, 1))
    order = Window.partitionBy("label").orderBy(sf.xxhash64("path"), "path")
    first = sf.slice("scores", 1, _COMPONENTS).alias("scores")
    ranked = frame.select("path", "label", first, sf.row_number().over(order).alias("rank"))
    rows: list[Any] = ranked.where(sf.col("rank") <= share).drop("rank").limit(2 * points).collect()
    return sorted(rows, key=lambda row: (row["label"], row["path"]))


def thumbnails(source: Store, paths: Iterable[str]) -> list[str]:
    """Small JPEGs as ``data:`` URIs, in order; empty where an image cannot be read any more."""
    skip = len(source.uri) + 1

    def one(path: str) -> str:
        try:
            pixels = decode(source.read(path[skip:]), THUMBNAIL)
        except (OSError, ImageError):
            return ""
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, paths))


def class_colours(labels: list[str]) -> dict[str, str]:
    """Well separated hues, in two lightnesses where there are many classes."""
    colours = {}
    for i, label in enumerate(labels):
        hue = (i * 0.61803398875) % 1.0
        red, green, blue = colorsys.hls_to_rgb(hue, 0.45 if i % 2 == 0 else 0.6, 0.75)
        colours[label] = f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
    return colours


def _map_figure(rows: list[Any], images: list[str], ratio: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure

    def axis(i: int) -> str:
        return f"component {i + 1} ({100 * ratio[i]:.1f} %)" if i < ratio.size else "(no second component)"

    plot = figure(
        height=560,
        sizing_mode="stretch_width",
        x_axis_label=axis(0),
        y_axis_label=axis(1),
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll="wheel_zoom",
        background_fill_color=None,
        border_fill_color=None,
        output_backend="webgl",
    )
    labels = sorted({row["label"] for row in rows})
    colours = class_colours(labels)
    for label in labels:
        members = [i for i, row in enumerate(rows) if row["label"] == label]
        data = ColumnDataSource(
            {
                "x": [float(rows[i]["scores"][0]) for i in members],
                "y": [float(rows[i]["scores"][1]) if len(rows[i]["scores"]) > 1 else 0.0 for i in members],
                "label": [label] * len(members),
                "name": [rows[i]["path"].rpartition("/")[2] for i in members],
                "picture": [images[i] for i in members],
            }
        )
        plot.scatter("x", "y", source=data, size=8, color=colours[label], alpha=0.75, legend_label=label, name="image")
    plot.add_tools(
        HoverTool(
            tooltips="<div><img src='@picture' width='96' height='96' alt=''><br><b>@label</b><br>@name</div>",
            attachment="horizontal",
        )
    )
    legend = plot.legend[0]
    plot.add_layout(legend, "right")
    legend.click_policy = "hide"
    legend.label_text_font_size = "8pt"
    legend.spacing = 0
    legend.glyph_height = legend.glyph_width = 12
    legend.ncols = max(1, len(labels) // 30 + 1)
    return plot


def _scree_figure(reduction: Reduction) -> Any:
    from bokeh.models import Range1d
    from bokeh.models.annotations import Span
    from bokeh.plotting import figure

    ratio = reduction.spectrum.ratio[: reduction.spectrum.components.shape[0]]
    shown = min(ratio.size, max(2 * reduction.k, 20), 1000)
    numbers = np.arange(1.0, shown + 1)
    plot = figure(
        height=300,
        sizing_mode="stretch_width",
        x_axis_label="components",
        y_axis_label="share of the variance, cumulated",
        y_range=Range1d(start=0, end=1.03),
        tools="pan,wheel_zoom,reset,save,hover",
        tooltips="$x{0} components: @y{0.00%}",
        background_fill_color=None,
        border_fill_color=None,
    )
    plot.line(numbers, np.cumsum(ratio[:shown]), line_width=2, color="#2a7f3f", name="cumulated")
    plot.vbar(numbers, top=ratio[:shown], width=0.9, color="#9ccc65", name="single")
    plot.add_layout(Span(location=reduction.k, dimension="height", line_dash="dashed", line_color="#c62828"))
    if reduction.target is not None:
        plot.add_layout(Span(location=reduction.target, dimension="width", line_dash="dotted", line_color="#c62828"))
    return plot


def _table(head: list[str], rows: Iterable[Iterable[Any]]) -> str:
    def cell(value: Any) -> str:
        number = isinstance(value, int | float)
        text = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}" if isinstance(value, float) else str(value)
        return f"<td{' class=n' if number else ''}>{escape(text)}</td>"

    body = "".join(f"<tr>{''.join(cell(value) for value in row)}</tr>" for row in rows)
    return (
        f"<table><thead><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr></thead><tbody>{body}</tbody></table>"
    )


_STYLE = """
:root { color-scheme: light dark; --ink: #1d2a1f; --paper: #fdfdf9; --line: #d6dccf; --soft: #f1f4ea; --leaf: #2a7f3f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebe3; --paper: #161b17; --line: #38423a; --soft: #202821; --leaf: #7fce91; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper) }
h1 { margin: 0; font-size: 1.9rem } h1 span { color: var(--leaf) } h2 { margin: 2.2rem 0 .6rem; font-size: 1.2rem }
.lead { margin: .2rem 0 1.2rem }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem }
.figures div { background: var(--soft); border: 1px solid var(--line); border-radius: .6rem; padding: .7rem .9rem }
.figures b { display: block; font-size: 1.5rem; line-height: 1.2 }
.plot { background: #fff; color: #222; border: 1px solid var(--line); border-radius: .6rem; padding: .5rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere }
td.n { text-align: right; font-variant-numeric: tabular-nums } .two { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)) } .columns { columns: 22rem }
.columns table { width: 100% }
"""


def _strip(rows: list[Any], images: list[str]) -> str:
    """One picture a class, to recognise the set at a glance."""
    seen: dict[str, str] = {}
    for row, picture in zip(rows, images, strict=True):
        if picture:
            seen.setdefault(row["label"], picture)
    return "".join(
        f'<img src="{picture}" alt="{escape(label)}" title="{escape(label)}" width="{THUMBNAIL}" height="{THUMBNAIL}">'
        for label, picture in list(seen.items())[:60]
    )


def build(
    spark: SparkSession,
    source: Store,
    output: Store,
    state: State,
    scores: list[Part],
    reduction: Reduction,
    counts: list[ClassCount],
    summary: dict[str, Any],
) -> str:
    """The page.

    Parameters
    ----------
    source, output : Store
        Images, for the pictures; results.
    state : State
        For the rejects.
    scores : list of Part
    counts : list of ClassCount
    summary : dict
        What `run.json` will say.

    Returns
    -------
    str
        HTML that needs no network.
    """
    from bokeh.embed import components
    from bokeh.resources import INLINE

    columns = {"path": "string", "label": "string", "scores": "array<float>"}
    frame = read_frame(spark, output.child(SCORES), scores, columns=columns, tasks=summary["slots"])
    rows = sample_scores(frame, len(counts))
    images = thumbnails(source, [row["path"] for row in rows])
    script, (map_html, scree_html) = components(
        (_map_figure(rows, images, reduction.spectrum.ratio), _scree_figure(reduction)), wrap_script=True
    )
    rejects = _rejects(spark, output, state)
    shown = (
        f"{len(rows):,} of {summary['images_ok']:,} images, an equal share of every class"
        if len(rows) < summary["images_ok"]
        else f"all {len(rows):,} images"
    )
    rate = summary["images_per_second"]
    figures = [
        (f"{summary['images_ok']:,}", "images with features"),
        (f"{summary['images_rejected']:,}", "rejected"),
        (f"{len(counts):,}", "classes"),
        (f"{summary['k']:,}", f"components of {summary['dimension']:,}"),
        (f"{100 * summary['explained_variance']:.1f} %", "of the variance"),
        (f"{rate:,.0f}/s" if rate else "kept", "featurized" if rate else "nothing computed anew"),
    ]
    title = f"{summary['images_ok']:,} fruit images in PCA space"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{_STYLE}</style>{INLINE.render_js()}</head><body>
<h1><span>Fruits!</span> {escape(title)}</h1>
<p class="lead">{escape(summary["variance_statement"])}. Network {escape(summary["model"])},
finished {escape(summary["finished"])}.</p>
<div class="figures">{"".join(f"<div><b>{escape(a)}</b>{escape(b)}</div>" for a, b in figures)}</div>
<h2>The images by their first two components</h2>
<p>Shown: {shown}. Zoom with the wheel, point at a dot for its photograph, click a class to hide it.</p>
<div class="plot" id="map">{map_html}</div>
<h2>One of each</h2><p>{_strip(rows, images)}</p>
<h2>How much of the variance the components explain</h2>
<div class="plot" id="scree">{scree_html}</div>
<h2>Images by class</h2><div class="columns">{
        _table(
            ["class", "images", "with features", "rejected"],
            ((c.label, c.images, c.features, c.rejects) for c in counts),
        )
    }</div>
<h2>Rejected images</h2>{rejects}
<div class="two"><div><h2>Seconds by phase</h2>{_table(["phase", "seconds"], summary_seconds(summary))}</div>
<div><h2>Versions</h2>{_table(["what", "version"], summary["versions"].items())}</div></div>
<h2>Asked for</h2><div class="scroll">{_table(["argument", "value"], _arguments(summary))}</div>
{script}</body></html>
"""


def summary_seconds(summary: dict[str, Any]) -> list[tuple[str, float]]:
    """Phases in the order they ran."""
    return [(str(name), float(value)) for name, value in summary["seconds"].items()]


def _arguments(summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, ", ".join(value) if isinstance(value, list) else str(value))
        for name, value in summary["arguments"].items()
        if value not in (None, [], ())
    ]


def _rejects(spark: SparkSession, output: Store, state: State) -> str:
    total = sum(part.rows for part in state.rejects)
    if not total:
        return "<p>None: every image was read, decoded and featurized.</p>"
    columns = {"path": "string", "label": "string", "reason": "string"}
    frame = read_frame(spark, output.child(REJECTS), state.rejects, columns=columns, tasks=1)
    rows = frame.limit(MAX_REJECTS).collect()
    more = (
        f"<p>The first {MAX_REJECTS} of {total:,}; all are in <code>rejects/</code>.</p>" if total > len(rows) else ""
    )
    return more + _table(["image", "reason"], sorted((row["path"], row["reason"]) for row in rows))
