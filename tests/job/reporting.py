"""Pages without a run: what `fruits.report.compose` needs, from a folder of pictures or from none."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fruits import report
from fruits.checks import ClassCount
from fruits.pca import Moments, Reduction, solve
from fruits.pca import reduce as reduce_spectrum
from fruits.report import sample
from numpy.typing import NDArray
from PIL import Image

HOSTILE = (
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "\"><img src=x onerror=document.title='owned'>",
    "<!--slot cost--><!--/slot cost-->",
    "{{ 7 * 7 }}{% raw %}",
    "Ünïcode 🍌 & Söhne\u2028",
)


def noise(seed: int, side: int = 100) -> bytes:
    """The JPEG that compresses worst."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@dataclass
class Pictures:
    """Stands for a `Store` of images: any key is a picture, unless `files` says what it is."""

    uri: str = "/images"
    files: dict[str, bytes] = field(default_factory=dict)
    default: bytes = field(default_factory=lambda: noise(0))

    def read(self, key: str, *, room: Any = None) -> bytes:
        data = self.files.get(key, self.default)
        if not data:
            raise FileNotFoundError(key)
        return data


def summary_of(counts: list[ClassCount], reduction: Reduction, **changed: Any) -> dict[str, Any]:
    """As `Run._summarise` makes it."""
    ok = sum(c.features for c in counts)
    return {
        "run_id": "20260101T000000Z-1",
        "finished": "2026-01-01T00:00:00Z",
        "images_in": sum(c.images for c in counts),
        "images_ok": ok,
        "images_rejected": sum(c.rejects for c in counts),
        "rejected": {"decode": n} if (n := sum(c.rejects for c in counts)) else {},
        "images_featurized_now": ok,
        "model": "efficientnet_lite0",
        "model_sha256": "a" * 64,
        "engine": "fast",
        "dimension": reduction.spectrum.mean.size,
        "k": reduction.k,
        "explained_variance": reduction.reached,
        "variance_statement": reduction.statement,
        "images_per_second": 123.4,
        "slots": 2,
        "seconds": {"start": 0.1, "featurize": 12.5},
        "versions": {"python": "3.11"},
        "commit": None,
        "arguments": {"input": "/images", "output": "/out", "k": None, "classes": []},
        **changed,
    }


def clusters(labels: list[str], width: int = 8, seed: int = 0) -> NDArray[np.float32]:
    """Scores in which the classes lie apart."""
    rng = np.random.default_rng(seed)
    centres = {label: 6 * rng.normal(size=width) for label in sorted(set(labels))}
    return np.array([centres[label] + rng.normal(size=width) for label in labels], np.float32)


def reduction_of(scores: NDArray[np.floating], k: int | None = None) -> Reduction:
    """A PCA to go with them."""
    return reduce_spectrum(solve(Moments.from_rows(scores)), k=k or min(scores.shape))


def page_of(
    labels: list[str],
    source: Any,
    *,
    rejects: list[dict[str, Any]] | None = None,
    name: str = "{}_100.jpg",
    keys: list[str] | None = None,
    twins: tuple[tuple[int, int], ...] = (),
    **changed: Any,
) -> str:
    """A page of images of these classes; a label may have folders above it, ``farm/Apple``.

    Their keys are made of labels and numbers where they are not given.
    """
    keys = keys or [f"{label}/{name.format(i)}" for i, label in enumerate(labels)]
    paths = [f"{source.uri}/{key}" for key in keys]
    scores = clusters(labels)
    for one, other in twins:
        scores[other] = scores[one]
    rows = [(p, c, sample.hash_order(p), s.tobytes()) for p, c, s in zip(paths, labels, scores, strict=True)]
    rejects = rejects or []
    bad = [str(row["label"]) for row in rejects]
    counts = [
        ClassCount(label, labels.count(label) + bad.count(label), labels.count(label), bad.count(label))
        for label in sorted({*labels, *bad})
    ]
    taken = sample.choose(rows, sample.compute_shares({c.label: c.features for c in counts}))
    reduction = reduction_of(scores)
    return report.compose(source, taken, reduction, counts, summary_of(counts, reduction, **changed), rejects)
