"""`report.html` as text: what it shows of how many, what a hostile name can do in it, how large it may become."""

from __future__ import annotations

import base64
import colorsys
import hashlib
import io
import json
import math
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from fruits import report
from fruits.checks import ClassCount
from fruits.classifier import PENALTY, cross_validate
from fruits.errors import FruitsError
from fruits.images import decode
from fruits.parts import Part, PartWriter
from fruits.pca import SCORES_SCHEMA, Moments, Reduction, solve
from fruits.report import colours, page, pictures, sample
from fruits.report.clusters import find_clusters as cluster_of
from fruits.store import Store
from markupsafe import Markup
from PIL import Image

from ops.job.package import job_zip
from tests.job.conftest import FinishedRun
from tests.job.oracle import NearestNeighbors
from tests.job.reporting import HOSTILE, Pictures, clusters, noise, page_of, reduction_of, summary_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Parsed(HTMLParser):
    """Elements of a page, the texts of its scripts, and what its tags would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.without_alt = 0
        self.scripts: list[str] = []
        self.text = ""
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        named = dict(attrs)
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.loads += [str(v) for name, v in attrs if name in ("src", "srcset", "data") or (tag == "link" and v)]
        self.without_alt += tag == "img" and "alt" not in named
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data
        else:
            self.text += data


def data_of(text: str) -> dict[str, dict[str, list[object]]]:
    """What the page's own script will draw."""
    found: dict[str, dict[str, list[object]]] = json.loads(Parsed(text).scripts[0])
    return found


# ---- which images ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "points", "expected"),
    [
        ({"a": 3, "b": 4}, 10, {"a": 3, "b": 4}),
        ({"a": 1000, "b": 1000}, 10, {"a": 5, "b": 5}),
        ({"a": 2, "b": 1000, "c": 1000}, 12, {"a": 2, "b": 5, "c": 5}),
        ({"a": 1, "b": 2, "c": 9, "d": 10}, 15, {"a": 1, "b": 2, "c": 6, "d": 6}),
        ({"a": 5, "b": 0}, 3, {"a": 3}),
        ({}, 3, {}),
    ],
)
def test_shares_are_equal_and_what_a_small_class_leaves_goes_to_the_others(
    sizes: dict[str, int], points: int, expected: dict[str, int]
) -> None:
    assert sample.compute_shares(sizes, points) == expected


def test_with_more_classes_than_points_one_image_each_of_some() -> None:
    shares = sample.compute_shares({f"class {i}": 7 for i in range(5000)})
    assert len(shares) == sample.MAX_POINTS
    assert set(shares.values()) == {1}


def test_neighbours_are_scikit_learns() -> None:
    x = np.random.default_rng(0).normal(size=(300, 12)).astype(np.float32)
    far, theirs = NearestNeighbors(n_neighbors=8, algorithm="brute").fit(x).kneighbors()
    rows, distances = sample.find_nearest(x, 8)
    assert (rows == theirs).all()
    assert np.allclose(distances, far, atol=1e-5)
    assert [array.shape for array in sample.find_nearest(x[:3], 8)] == [(3, 2), (3, 2)]
    assert [array.shape for array in sample.find_nearest(x[:1], 8)] == [(1, 0), (1, 0)]


def test_clusters_are_as_tight_as_scikit_learns() -> None:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    x = clusters([f"class {i}" for i in range(7) for _ in range(30)])
    ours = cluster_of(x, 7)
    theirs = KMeans(7, n_init=10, random_state=0).fit(x)
    inertia = sum(((x[ours == c] - x[ours == c].mean(axis=0)) ** 2).sum() for c in range(7))
    assert inertia <= 1.02 * theirs.inertia_
    assert adjusted_rand_score(theirs.labels_, ours) > 0.97
    sizes = np.bincount(cluster_of(x, 4))
    assert (np.diff(sizes) <= 0).all()  # the largest first
    assert cluster_of(np.zeros((5, 3)), 4).tolist() == [0] * 5
    assert cluster_of(np.zeros((0, 3)), 4).shape == cluster_of(np.zeros((0, 0)), 4).shape == (0,)
    assert cluster_of(np.zeros((4, 0)), 4).tolist() == [0] * 4


def test_what_each_image_is_taken_for_is_scikit_learns_answer() -> None:
    from sklearn.linear_model import RidgeClassifier

    labels = ["Apple"] * 20 + ["Pear"] * 20 + ["Lonely"]
    paths = [f"/images/{label}/{i}_100.jpg" for i, label in enumerate(labels)]
    x = clusters(labels, width=3, seed=3) + 12 * np.random.default_rng(1).normal(size=(41, 3)).astype(np.float32)
    result = cross_validate(paths, labels, x)
    assert result is not None
    halves = [*range(10), *range(20, 30)], [*range(10, 20), *range(30, 40)]
    expected = np.full(41, -1)
    for learned, tested in (halves, halves[::-1]):
        penalty = PENALTY * np.trace(np.cov(x[learned].T, bias=True)) * len(learned) / 3
        model = RidgeClassifier(penalty).fit(x[learned], [labels[i] for i in learned])
        expected[tested] = [["Apple", "Pear"].index(label) for label in model.predict(x[tested])]
    assert result.predicted.tolist() == expected.tolist()
    assert (expected[:20] == 1).any()
    wanted = [paths[40], paths[25], paths[0], "/images/gone.jpg"]
    taken = page.list_predictions(result, paths, wanted, ["Pear", "Apple"])
    assert taken == [-1, 1 - expected[25], 1 - expected[0], -1]
    assert page.list_predictions(result, paths, wanted, []) == [-1] * 4


def test_reasons_beyond_the_palette_are_one() -> None:
    rows = [{"label": f"class {i:02}", "reason": f"reason {i:02}"} for i in range(12)]
    found = report.count_reject_reasons([f"class {i:02}" for i in range(14)], rows)
    assert len(found["names"]) == report.PALETTE
    assert found["names"][-1] == "another reason"
    assert found["of"][:3] == [1, 2, 3]
    assert found["of"][8:] == [8, 8, 8, 8, 0, 0]
    assert report.count_reject_reasons(["a"], []) == {"names": ["none rejected"], "of": [0]}


def test_a_rate_is_shown_where_it_means_something() -> None:
    def last(**changed: Any) -> tuple[str, str]:
        scores = clusters(["a"] * 4)
        counts = [ClassCount("a", 4, 4, 0)]
        return report.list_figures(summary_of(counts, reduction_of(scores), **changed), counts)[-1]

    assert last(images_featurized_now=999) == ("12 s", "to featurize, mostly start-up")
    assert last(images_featurized_now=1000) == ("123/s", "images featurized")
    assert last(images_featurized_now=0, images_per_second=None) == ("kept", "nothing computed again")
    text = page_of(["a"] * 4, Pictures())
    assert "images/s" not in Parsed(text).text
    assert "4 images were featurized, 2 at once" in " ".join(Parsed(text).text.split())


def test_umap_is_the_published_one() -> None:
    head, _, script = page.read_resource("umap.js").partition("\n")
    assert head.startswith("// umap-js 1.4.0, lib/umap-js.min.js, unchanged below this line.")
    digest = hashlib.sha256(script.encode()).hexdigest()
    assert digest == "9d226db25cc57eae1e1843765eac64c90f6bccfdeb2c2be2520b2e310abc3ded"


def contrast(colour: str, other_colour: str) -> float:
    """The ratio of two colours, 1 to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""

    def luminance(text: str) -> float:
        srgb = np.array([*bytes.fromhex(text[1:])]) / 255
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(colour), luminance(other_colour)))
    return (light + 0.05) / (dark + 0.05)


def test_a_class_can_be_told_on_white_on_black_and_by_its_shape() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    css = page.read_resource("page.css")
    papers = re.findall(r"--card: (#\w{6})", css)
    assert len(papers) == 2
    looks = colours.choose_looks(131)
    for colour, _ in looks:
        assert min(contrast(colour, paper) for paper in papers) >= 3
    assert len(set(looks)) == 131
    for (one, shape), (other, another) in pairwise(looks):
        assert one != other
        assert shape != another


@pytest.mark.parametrize("classes", [1, 2, 3, 7, 8, 10, 15, 22, 29, 30, 43, 60])
def test_up_to_sixty_classes_differ_in_shape_or_clearly_in_hue(classes: int) -> None:
    looks = colours.choose_looks(classes)
    assert len(set(looks)) == classes
    for (one, shape), (other, another) in combinations(looks, 2):
        hues = [colorsys.rgb_to_hls(*(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)))[0] for c in (one, other)]
        apart = abs(hues[0] - hues[1])
        assert shape != another or min(apart, 1 - apart) > 2 / max(classes, 30), (one, other)


def test_texts_have_the_contrast_that_wcag_asks() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", page.read_resource("page.css"), re.DOTALL)
    for block in (light, dark):
        colour = dict(re.findall(r"--(\w+): (#\w{6})", block))
        for text in ("ink", "quiet", "leaf", "bad"):
            for ground in ("paper", "card", "soft"):
                assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)


# ---- escaping --------------------------------------------------------------------------------------------------


def rejects_of(labels: Sequence[str]) -> list[dict[str, Any]]:
    return [{"path": f"/images/{label}/{label}.jpg", "label": label, "size": 9, "reason": label} for label in labels]


def hostile_page() -> str:
    return page_of(
        [label for label in HOSTILE for _ in range(4)],
        Pictures(),
        rejects=rejects_of(HOSTILE),
        name=f"{{}}{HOSTILE[0]}{HOSTILE[1]}.jpg",
        model=HOSTILE[1],
        arguments={"input": HOSTILE[2], "classes": list(HOSTILE)},
        variance_statement=HOSTILE[1],
    )


@pytest.mark.costly
def test_names_cannot_become_markup_or_code() -> None:
    hostile = Parsed(hostile_page())
    names = [f"class {i}" for i in range(6)]
    tame = Parsed(page_of([name for name in names for _ in range(4)], Pictures(), rejects=rejects_of(names)))
    assert len(hostile.scripts) == len(tame.scripts) == 5  # data, two of Bokeh, umap-js, ours
    assert hostile.scripts[1:] == tame.scripts[1:]
    assert set(hostile.tags) == set(tame.tags)
    assert hostile.ids == tame.ids
    assert all(load.startswith("data:image/jpeg;base64,") for load in hostile.loads)
    assert data_of(hostile_page())["labels"] == sorted(HOSTILE)


def test_a_slot_is_filled_where_it_stands_and_not_where_a_name_says() -> None:
    text = hostile_page()
    filled = page.refill(text, "cost", page.render_paragraphs(["<b>1 $</b> & more"]))
    assert filled is not None
    assert filled.count("<p>&lt;b&gt;1 $&lt;/b&gt; &amp; more</p>") == 1
    assert "this run was not billed" in text
    assert "this run was not billed" not in filled
    assert Parsed(filled).scripts == Parsed(text).scripts
    again = page.refill(filled, "cost", Markup("<p>\\1 twice</p>"))
    assert again is not None
    assert "<p>\\1 twice</p>" in again
    assert page.refill("<p>an older page</p>", "cost", Markup("")) is None


def test_the_policy_lets_nothing_load_and_no_other_script_run() -> None:
    text = page_of(["a", "a", "b", "b"], Pictures())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    said = policy[1].replace("&#39;", "'")
    assert said == page.make_policy(Parsed(text).scripts[1:])
    assert said.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in said
    assert "http" not in said


def test_every_image_has_an_alternative_and_every_id_is_one() -> None:
    found = Parsed(hostile_page())
    assert found.without_alt == 0
    assert len(found.ids) == len(set(found.ids))


# ---- what it says ----------------------------------------------------------------------------------------------


def test_the_page_says_how_many_of_how_many() -> None:
    assert report.describe_shown(8, 8, 2, 2) == "all 8 images"
    assert report.describe_shown(1500, 90483, 131, 131) == "1,500 of 90,483 images, the same share of every class"
    assert (
        report.describe_shown(1500, 20000, 1500, 5000)
        == "1,500 of 20,000 images, one each of 1,500 of the 5,000 classes"
    )


def test_ends_are_the_outermost_of_all_images_in_rising_order() -> None:
    labels = [f"class {i % 3}" for i in range(90)]
    scores = clusters(labels)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([f"/images/{i:03d}.jpg" for i in range(90)]),
            pa.array(labels),
            pa.array(scores.tolist(), SCORES_SCHEMA.field("scores").type),
        ],
        schema=SCORES_SCHEMA,
    )
    halves = [batch.slice(0, 40), batch.slice(40, 3), batch.slice(43)]
    rows = [
        tuple(row.values())
        for part in sample.select_candidates(iter(halves), {"class 0": 0})
        for row in part.to_pylist()
    ]
    taken = sample.choose(rows, {})
    assert len(taken.shown) == 0
    assert len(taken.ends) == sample.COMPONENTS
    for j, (low, high) in enumerate(taken.ends):
        order = np.argsort(scores[:, j])
        assert low.paths == [f"/images/{i:03d}.jpg" for i in order[: sample.ENDS]]
        assert high.paths == [f"/images/{i:03d}.jpg" for i in order[::-1][: sample.ENDS]]
        assert low.labels == [labels[i] for i in order[: sample.ENDS]]


def test_the_shares_that_components_reach_are_numpys() -> None:
    variance = np.array([4.0, 3, 2, 1])
    reduction = Reduction(solve(Moments.from_rows(np.random.default_rng(0).normal(size=(9, 4)))), 2, 0.7)
    object.__setattr__(reduction.spectrum, "explained_variance", variance)
    assert report.count_components(reduction) == [(0.5, 2), (0.7, 2), (0.8, 3), (0.9, 3), (0.95, 4), (0.99, 4)]
    assert report.describe_scree(reduction).endswith("4 for 99%. Kept: 2.")


def cut(data: bytes) -> bytes:
    return data[: 2 * len(data) // 3]


def test_rejects_are_shown_with_reason_and_what_can_be_seen_of_them() -> None:
    gif = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(gif, "GIF")
    files = {
        "Pear/cut.jpg": cut(noise(1)),
        "Pear/really a gif.jpg": gif.getvalue(),
        "Pear/text.jpg": b"a text file",
        "Pear/empty.jpg": b"",
        "Pear/huge.jpg": noise(2),
    }
    reasons = ["the JPEG image is truncated", *["not an image but a text file"] * 2, "the file is empty", "too large"]
    rejects = [
        {
            "path": f"/images/{key}",
            "label": "Pear",
            "size": (pictures.MAX_REJECT + 1) * ("huge" in key),
            "reason": reason,
        }
        for key, reason in zip(files, reasons, strict=True)
    ]
    left = {".mov": {"files": 30, "first": "Pear/<1>.mov"}, "hidden": {"files": 2, "first": ".x"}}
    text = page_of(["Apple"] * 3 + ["Pear"] * 3, Pictures(files=files), rejects=rejects, left_out=left)
    assert "32 files are left out: 30 .mov, 2 hidden (first: Pear/&lt;1&gt;.mov)." in text
    section = text[text.index('id="rejects-title"') : text.index('id="time-title"')]
    assert "5 of 11 images have no features" in section
    assert '<td>not an image but a text file</td><td class="n">2</td>' in section
    shown = dict(re.findall(r'base64,([^"]+)" alt="what can be seen of ([^"]+)"', section))
    assert set(shown.values()) == {"cut.jpg", "really a gif.jpg"}
    assert section.count('aria-label="what can be seen of') == 3
    (red,) = (data for data, name in shown.items() if "gif" in name)
    with Image.open(io.BytesIO(base64.b64decode(red))) as image:
        assert np.abs(np.asarray(image, int) - [255, 0, 0]).max() < 12


def test_images_that_are_gone_leave_a_page_without_them() -> None:
    text = page_of(["Apple"] * 3 + ["Pear"] * 3, Pictures(default=b""))
    assert "data:image/jpeg;base64,/" not in text
    assert data_of(text)["images"]["picture"] == [""] * 6


def test_one_image_one_class_one_component() -> None:
    scores = np.array([[0.0]], np.float32)
    reduction = reduction_of(scores)
    counts = [ClassCount("Apple", 1, 1, 0)]
    taken = sample.choose([("/images/Apple/1.jpg", "Apple", 5, scores.tobytes())], {"Apple": 1})
    text = report.compose(Pictures(), taken, reduction, counts, summary_of(counts, reduction), [])
    assert "the only image" in text
    assert "it needs at least two classes of two images" in text


# ---- bounds ----------------------------------------------------------------------------------------------------


def seen(data: bytes) -> Image.Image:
    return Image.fromarray(decode(data, pictures.SIDE))


def test_a_thumbnail_is_bounded_whatever_it_shows() -> None:
    for side in (50, 100, 1000):
        image = Image.open(io.BytesIO(base64.b64decode(pictures.encode_jpeg(seen(noise(side, side))))))
        assert image.format == "JPEG"
        assert image.width == image.height <= pictures.SIDE
    assert len(base64.b64decode(pictures.encode_jpeg(seen(noise(3))))) <= pictures.MAX_BYTES


@pytest.mark.spark
def test_a_hundred_thousand_images_make_a_page_below_15_mb(spark: SparkSession, tmp_path: Path) -> None:
    """131 classes, as unequal as they come, long names, pictures that do not compress."""
    classes = [f"class {i:03d} with a long name" for i in range(131)]
    sizes = dict.fromkeys(classes[:10], 3) | dict.fromkeys(classes[10:], math.ceil((100_000 - 30) / 121))
    store = Store(str(tmp_path / "scores"))
    rng = np.random.default_rng(0)
    parts: list[Part] = []
    for start in range(0, 131, 33):
        writer = PartWriter(store, SCORES_SCHEMA, plain=("path",))
        for label in classes[start : start + 33]:
            scores = rng.normal(size=(sizes[label], 60)).astype(np.float32)
            paths = [f"/images/{label}/{'long ' * 30}{i}_100.jpg" for i in range(sizes[label])]
            offsets = pa.array(np.arange(0, scores.size + 1, 60, dtype=np.int32))
            column = pa.ListArray.from_arrays(
                offsets, pa.array(scores.reshape(-1)), type=SCORES_SCHEMA.field("scores").type
            )
            columns = [pa.array(paths), pa.array([label] * len(paths)), column]
            writer.write(pa.RecordBatch.from_arrays(columns, schema=SCORES_SCHEMA))
        part = writer.close()
        assert part is not None
        parts.append(part)
    total = sum(sizes.values())
    assert sum(part.rows for part in parts) == total >= 100_000
    taken = sample.choose_sample(spark, store, parts, sizes, 2)
    shown = Counter(taken.shown.labels)
    assert {shown[label] for label in classes[:10]} == {3}
    assert {shown[label] for label in classes[10:]} == {(sample.MAX_POINTS - 30) // 121}
    again = sample.choose_sample(spark, store, parts[::-1], sizes, 1)
    assert again.shown.paths == taken.shown.paths
    assert again.ends == taken.ends

    counts = [ClassCount(label, n, n, 0) for label, n in sizes.items()]
    reduction = reduction_of(taken.shown.scores)
    text = report.compose(Pictures(), taken, reduction, counts, summary_of(counts, reduction), [])
    assert len(text.encode()) < 15_000_000
    assert f"Shown: {len(taken.shown):,} of {total:,} images, the same share of every class." in text
    assert len(data_of(text)["images"]["label"]) == len(taken.shown) <= sample.MAX_POINTS
    assert f"{total:,} fruit images" in text


def test_what_a_task_returns_does_not_grow_with_its_rows() -> None:
    def batches(count: int) -> list[pa.RecordBatch]:
        rng = np.random.default_rng(0)
        made = []
        for b in range(count):
            scores = pa.array(list(rng.normal(size=(1024, 300)).astype(np.float32)), SCORES_SCHEMA.field("scores").type)
            names = pa.array([f"{b}/{i}.jpg" for i in range(1024)])
            made.append(pa.RecordBatch.from_arrays([names, pa.array(["a"] * 1024), scores], schema=SCORES_SCHEMA))
        return made

    for count in (4, 40):
        sizes = {"a": 1024 * count}
        limits = sample._compute_limits(sizes, sample.compute_shares(sizes, 100))
        (found,) = sample.select_candidates(iter(batches(count)), limits)
        kept = sum(order >= 0 for order in found.column("order").to_pylist())
        assert 100 <= kept <= 260
        assert found.num_rows - kept <= 2 * sample.ENDS * sample.COMPONENTS
        assert {len(scores) for scores in found.column("scores").to_pylist()} == {4 * sample.WIDTH}


@pytest.mark.costly
def test_more_classes_than_a_page_can_list() -> None:
    text = page_of([f"class {i:04d}" for i in range(2000) for _ in range(2)], Pictures())
    assert "1,500 of 4,000 images, one each of 1,500 of the 2,000 classes" in text
    assert "The 500 largest of 2,000" in text
    assert len(text) < 15_000_000


# ---- how it ships ----------------------------------------------------------------------------------------------


def test_the_zip_that_ships_holds_what_the_page_is_made_of() -> None:
    with zipfile.ZipFile(io.BytesIO(job_zip())) as packed:
        names = set(packed.namelist())
        for name in ("page.html", "macros.html", "classifier.html", "page.css", "page.js", "umap.js"):
            assert packed.read(f"fruits/report/{name}").decode() == page.read_resource(name)
    assert "fruits/report/__init__.py" in names


def test_without_the_plotting_library_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    with pytest.raises(FruitsError, match=r"^the plotting library bokeh is not installed here. Fix: install "):
        page.read_plotting_library()


@pytest.mark.spark
@pytest.mark.tensorflow
def test_the_report_is_one_page_that_needs_no_network(drawn_run: FinishedRun) -> None:
    text = (drawn_run.output / "report.html").read_text()
    assert "200 fruit images in PCA space" in text
    assert "Shown: all 200 images." in text
    assert drawn_run.summary["variance_statement"] in text
    for label in drawn_run.summary["classes"]:
        assert f'<th scope="row">{label}</th>' in text
    assert "None: every image was read, decoded and featurized." in text
    found = Parsed(text)
    assert len(found.loads) >= 8
    assert all(address.startswith("data:image/jpeg;base64,") for address in found.loads)
    images = data_of(text)["images"]
    assert len(images["picture"]) == len(images["path"]) == 200
    assert all(images["picture"])
    by_path = drawn_run.scores.by_path()
    for i, path in enumerate(images["path"]):
        mine = [images["scores"][j][i] for j in range(2)]  # type: ignore[index]
        assert np.allclose(mine, by_path[f"{drawn_run.source}/{path}"][:2], rtol=1e-4)
    assert len(text) < 4_000_000


# --- many classes -----------------------------------------------------------------------------------------------


def many_classes(classes: int, of_each: int) -> sample.ReportSample:
    """Scores of which the first two say the class, chosen as tasks and driver choose them."""
    labels = [f"class {i:05d}" for i in range(classes) for _ in range(of_each)]
    paths = [f"/x/{label}/{i}_100.jpg" for i, label in enumerate(labels)]
    number = np.repeat(np.arange(classes), of_each)
    angle = 2 * np.pi * number / classes
    scores = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    sizes = dict.fromkeys(labels, of_each)
    learned = sample.compute_learned_shares(sizes)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(paths),
            pa.array(labels),
            pa.FixedSizeListArray.from_arrays(scores.reshape(-1), 2).cast(pa.list_(pa.float32())),
        ],
        names=["path", "label", "scores"],
    )
    rows = [
        (row["path"], row["label"], row["order"], row["scores"])
        for found in sample.select_candidates([batch], sample._compute_limits(sizes, learned))
        for row in found.to_pylist()
    ]
    return sample.choose(rows, sample.compute_shares(sizes), learned)


@pytest.mark.parametrize("classes", [400, 751])
def test_the_classifier_has_images_of_every_class_however_many_there_are(classes: int) -> None:
    """The map shows 1,500 images: of 751 classes one each, from which nothing can be learned."""
    taken = many_classes(classes, 12)
    assert len(taken.shown) <= sample.MAX_POINTS
    per_class = Counter(taken.learned.labels)
    assert len(per_class) == classes
    assert min(per_class.values()) >= 6
    counts = [ClassCount(label, 12, 12, 0) for label in per_class]
    section = str(report.render_classifier_section(taken, counts, 12 * classes))
    assert "Not available" not in section
    assert f"of {len(taken.learned):,} images" in section


def test_too_many_classes_are_the_reason_where_they_are() -> None:
    counts = [ClassCount(f"class {i}", 9, 9, 0) for i in range(3001)]
    none = sample.ShownImages([], [], np.empty((0, 2), np.float32))
    nothing = sample.ReportSample(none, [], none)
    assert str(report.render_classifier_section(nothing, counts, 27_009)).strip() == (
        "<p>Not available: 3,001 classes are more than the 3,000 it can tell apart.</p>"
    )


def test_few_classes_are_learned_from_what_the_map_shows() -> None:
    taken = many_classes(30, 80)
    assert taken.learned.paths == taken.shown.paths
