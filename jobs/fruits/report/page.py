"""The page's HTML from plain values: templates that escape every text, data as JSON, the scripts by their hashes.

A policy inside the page forbids the browser to load anything and to run any script but the three that it names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pkgutil
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from fruits.classifier import CrossValidation
from fruits.errors import FruitsError

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_TEXT = 200
"""Characters of a name."""
MAX_MATRIX = 60
"""Classes up to which the confusion matrix is shown whole."""
TOP_CONFUSIONS = 10
_SHADES = 5


def shorten(text: str, length: int = MAX_TEXT) -> str:
    """Shorten a text from the left.

    >>> shorten("abcdef", 4)
    '…def'
    """
    return text if len(text) <= length else "…" + text[1 - length :]


def read_resource(name: str) -> str:
    """Read a file of this package, from a folder or from the zip that the job is shipped in."""
    data = pkgutil.get_data(__name__.rpartition(".")[0], name)
    assert data is not None
    return data.decode()


def read_plotting_library() -> list[str]:
    """Read BokehJS and its plotting interface from the installed package.

    The package itself is not imported: that takes a second, and the browser draws the figures.

    Raises
    ------
    FruitsError
        When it is not installed.
    """
    spec = find_spec("bokeh")
    if spec is None or not spec.submodule_search_locations:
        raise FruitsError("the plotting library bokeh is not installed here. Fix: install requirements.txt.")
    folder = Path(spec.submodule_search_locations[0]) / "server" / "static" / "js"
    return [(folder / name).read_text(encoding="utf-8") for name in ("bokeh.min.js", "bokeh-api.min.js")]


def format_number(value: float | None) -> str:
    """A number with thousands separated; a dash for None."""
    return "–" if value is None else f"{value:,}"


@lru_cache(maxsize=1)
def _make_environment() -> Environment:
    # here, not above: the tasks that choose images import this module too, and do not need it
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(read_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"number": format_number}
    macros: Any = environment.get_template("macros.html").module
    environment.globals |= {"picture": macros.picture, "slot": macros.slot}
    return environment


def make_policy(scripts: Iterable[str]) -> str:
    """Make the page's content security policy, which allows these scripts only."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def render(data: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Render the whole page.

    Parameters
    ----------
    data : for the page's script
    values : for the template
    """
    from jinja2.utils import htmlsafe_json_dumps

    library = read_plotting_library()
    scripts = [*library, read_resource("umap.js"), read_resource("page.js")]
    return (
        _make_environment()
        .get_template("page.html")
        .render(
            **values,
            data=htmlsafe_json_dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False),
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - the package's own files, no user's text
            style=Markup(read_resource("page.css")),  # noqa: S704
            policy=make_policy(scripts),
            bokeh_version=version("bokeh"),
        )
    )


def list_predictions(
    result: CrossValidation, paths: Sequence[str], images: Sequence[str], labels: Sequence[str]
) -> list[int]:
    """List the classes that the classifier predicts for some images.

    Parameters
    ----------
    paths : of the images that it was tested with, in its order
    images : paths of the wanted images
    labels : names of classes, shortened

    Returns
    -------
    list of int
        For each wanted image a number in `labels`; -1 where it was not tested, or another class is predicted.
    """
    place = {label: i for i, label in enumerate(labels)}
    numbers = [place.get(shorten(label), -1) for label in result.labels]
    row = {path: i for i, path in enumerate(paths)}
    predictions = [int(result.predicted[row[path]]) if path in row else -1 for path in images]
    return [numbers[prediction] if prediction >= 0 else -1 for prediction in predictions]


def render_classifier(
    result: CrossValidation | None,
    reason: str = "it needs at least two classes of two images",
    *,
    predictions: Sequence[int] = (),
) -> Markup:
    """Render the section about the classifier, or the reason why there is no result.

    Parameters
    ----------
    predictions : class predicted for each shown image (`list_predictions`), for the pictures of a confusion
    """
    matrix = []
    if result is not None and len(result.labels) <= MAX_MATRIX:
        totals = np.maximum(result.confusion.sum(axis=1, keepdims=True), 1)
        shades = np.ceil(_SHADES * result.confusion / totals).astype(int)
        matrix = [
            (shorten(label), list(zip(row.tolist(), shade.tolist(), strict=True)))
            for label, row, shade in zip(result.labels, result.confusion, shades, strict=True)
        ]
    text = (
        _make_environment()
        .get_template("classifier.html")
        .render(
            result=result,
            reason=reason,
            matrix=matrix,
            confusions=[(shorten(a), shorten(b), n) for a, b, n in result.list_top_confusions(TOP_CONFUSIONS)]
            if result
            else [],
            taken=" ".join(map(str, predictions)),
        )
    )
    return Markup(text)  # noqa: S704 - rendered with escaping


def render_paragraphs(texts: Sequence[str]) -> Markup:
    """Render sentences as the content of a slot."""
    return Markup("").join(Markup("<p>{}</p>").format(text) for text in texts)


def read_shown_images(page: str) -> tuple[list[str], list[str]] | None:
    """Read the names of classes and the paths of images on a page's map; None where another version wrote the page."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    try:
        data = json.loads(match[1]) if match else {}
        return list(data["labels"]), list(data["images"]["path"])
    except (ValueError, KeyError, TypeError):
        return None


def refill(page: str, slot: str, content: Markup) -> str | None:
    """Replace the content of a page's slot; None when it has no such slot (another version wrote it).

    No user's text can look like the marks of a slot: its ``<`` is escaped.
    """
    marks = re.compile(f"<!--slot {slot}-->.*?<!--/slot {slot}-->", re.DOTALL)
    filled, count = marks.subn(lambda _: f"<!--slot {slot}-->{content}<!--/slot {slot}-->", page, count=1)
    return filled if count else None
