"""`make results COMPARE=`: what two results have in common, by an independent count."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from fruits.errors import FruitsError, InputError, StorageError
from fruits.store import Store
from sklearn.neighbors import NearestNeighbors

from ops.cli import environment as commands
from ops.cli import main as cli
from ops.cli.commands import COMMANDS
from ops.core.console import Console
from ops.core.target import Target
from ops.job import compare
from ops.job.neighbours import find_neighbours, make_neighbours_table
from ops.job.results import Result
from ops.lifecycle import environment
from tests.job.reporting import HOSTILE, clusters
from tests.job.results_on_disk import write_result

LABELS = [label for label in ("Apple", "Banana", "Cherry") for _ in range(20)]
NAMES = [f"{i}_100.jpg" for i in range(60)]


def two(tmp_path: Path) -> tuple[Path, Path]:
    """An earlier result of five components, and a newer one of three: without five cherries, with two new apples."""
    scores = clusters(LABELS, width=5, seed=3)
    write_result(tmp_path / "earlier", "/old/photos", LABELS, scores, NAMES, images_rejected=3, explained_variance=0.99)
    labels = [*LABELS[:55], "Apple", "Apple"]
    extra = scores[:2] + 0.5
    newer = np.vstack([scores[:55], extra])[:, :3].copy()
    newer[:10] = newer[20:30]  # ten apples look like bananas now
    write_result(tmp_path / "newer", "s3://bucket/images", labels, newer, [*NAMES[:55], "new1.jpg", "new2.jpg"])
    return tmp_path / "newer", tmp_path / "earlier"


def test_the_numbers_are_those_of_an_independent_count(tmp_path: Path) -> None:
    newer, earlier = two(tmp_path)
    comparison = compare.compare_results(Result.at(str(newer)), Result.at(str(earlier)))
    assert comparison.gained == ["Apple/new1.jpg", "Apple/new2.jpg"]
    assert comparison.lost == [f"Cherry/{i}_100.jpg" for i in range(55, 60)]
    assert len(comparison.common) == len(comparison.compared) == 55
    sides = []
    for side in (comparison.newer, comparison.earlier):
        near = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(side.scores).kneighbors(return_distance=False)
        sides.append([set(row.tolist()) for row in near])
    assert comparison.overlap == pytest.approx([len(a & b) / 10 for a, b in zip(*sides, strict=True)])
    assert comparison.overlap.mean() < 0.9
    row = comparison.compared.index("Banana/25_100.jpg")
    assert comparison.earlier.scores[row] == pytest.approx(clusters(LABELS, width=5, seed=3)[25], abs=1e-5)
    wrong = {f"Apple/{i}_100.jpg" for i in range(10)}
    assert wrong <= set(comparison.changed(to=False))
    assert comparison.accuracies() == pytest.approx((1 - len(comparison.changed(to=False)) / 55, 1.0))
    assert comparison.classes()[0][:3] in (("Apple", 22, 20), ("Banana", 20, 20))


@pytest.mark.parametrize(
    ("given", "root", "below"),
    [
        ("/old/photos", "/old/photos", "Apple/1.jpg"),
        ("s3://b/images/", "s3://b/images", "Apple/1.jpg"),
        # what follows was run in another working directory than this one, or by somebody else
        ("data/photos", "/old/data/photos", "Apple/1.jpg"),
        ("./data/photos/", "/a/longer/path/than/this/one/of/the/test/data/photos", "Apple/1.jpg"),
        ("~/photos", "/home/ann/photos", "Apple/1.jpg"),
        (".", "/old", "/old/Apple/1.jpg"),  # nothing says where the input ends
    ],
)
def test_paths_lie_below_the_input_wherever_the_run_was(tmp_path: Path, given: str, root: str, below: str) -> None:
    folder = write_result(tmp_path / "result", root, ["Apple"], np.ones((1, 2)), ["1.jpg"], arguments={"input": given})
    result = Result.at(str(folder))
    assert result.below_input(result.names()[0]) == [below]
    table = make_neighbours_table(result, find_neighbours(result, np.ones(2), 1))
    assert [str(cell) for cell in table.columns[3].cells] == [below]


def test_a_relative_input_is_of_this_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given, root in (("photos", tmp_path / "photos"), (".", tmp_path)):
        folder = write_result(
            tmp_path / f"of {given}", str(root), ["photos"], np.ones((1, 2)), ["1.jpg"], arguments={"input": given}
        )
        result = Result.at(str(folder))
        assert result.below_input(result.names()[0]) == ["photos/1.jpg"]


def test_the_command_compares_two_results_of_this_machine_without_an_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    newer, earlier = two(tmp_path)
    code = cli.run(COMMANDS["results"], {"OUTPUT": str(newer), "COMPARE": str(earlier), "OPEN": "0"}, {})
    printed = capsys.readouterr().out
    assert code == 0
    assert "55 images are in both; 2 only in the newer, 5 only in the earlier result." in printed
    assert f"compared in {newer}/comparison.html" in printed
    text = (newer / "comparison.html").read_text()
    assert re.search(r"of the variance</th><td class=\"n\">95.3%</td><td class=\"n\">99.0%</td>", text)
    assert "http:" not in text
    assert "https:" not in text
    assert "<script" not in text


@pytest.mark.parametrize(
    ("earlier", "words"),
    [
        ("nowhere", "there is no finished result at {}/nowhere (no run.json). Fix: "),
        ("newer/pca", "there is no finished result at {}/newer/pca (no run.json). Fix: "),
    ],
)
def test_what_is_no_result_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], earlier: str, words: str
) -> None:
    newer, _ = two(tmp_path)
    code = cli.run(COMMANDS["results"], {"OUTPUT": str(newer), "COMPARE": str(tmp_path / earlier)}, {})
    assert (code, words.format(tmp_path) in capsys.readouterr().err) == (10, True)


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        ("path,label,pc1,pc2", "/photos/a/1.jpg,a,1,x", "the scores at .* cannot be read"),
        ("path,label,pc1,pc2", "/photos/a/1.jpg,a", "the scores at .* cannot be read"),
        ("name,class,pc1,pc2", "/photos/a/1.jpg,a,1,2", "the scores at .* cannot be read"),
        ("path,label", "/photos/a/1.jpg,a", "the scores at .* cannot be read"),
        ("path,label,pc1,pc2,pc3", "/photos/a/1.jpg,a,1,2,3", r"holds 3 scores per image, but its run.json says k = 2"),
    ],
)
def test_scores_that_are_none_or_another_runs_are_a_sentence(
    tmp_path: Path, header: str, row: str, reason: str
) -> None:
    folder = write_result(tmp_path / "r", "/photos", ["a"], np.ones((1, 2)), ["1.jpg"])
    (folder / "pca/scores.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises(InputError, match=rf"{reason}.* Fix: make results, or run the job again\.$"):
        Result.at(str(folder)).names()


@pytest.mark.parametrize("changed", [{"arguments": []}, {"k": "two"}, {"images_ok": None}, {"model": 5}])
def test_a_record_of_another_kind_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    folder = write_result(tmp_path / "r", "/photos", ["a"], np.ones((1, 2)), ["1.jpg"], **changed)
    with pytest.raises(InputError, match=r"is not the record of a run\. Fix: OUTPUT="):
        Result.at(str(folder))


def test_results_that_share_nothing_are_compared_all_the_same(tmp_path: Path) -> None:
    scores = clusters(LABELS)
    write_result(tmp_path / "a", "/x", LABELS, scores, NAMES)
    write_result(tmp_path / "b", "/y", ["Plum"], scores[:1], ["1.jpg"], images_per_second=None)
    comparison = compare.compare_results(Result.at(str(tmp_path / "a")), Result.at(str(tmp_path / "b")))
    assert compare.write_statements(comparison) == [
        "0 images are in both; 60 only in the newer, 1 only in the earlier result.",
    ]
    assert comparison.accuracies() is None
    assert "Only in the earlier result <small>1</small>" in compare.render_page(comparison)


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    labels = [label.replace("/", "∕") for label in HOSTILE for _ in range(4)]
    names = [f"{i}.jpg" for i in range(len(labels))]
    write_result(tmp_path / "a", "/x", labels, clusters(labels), names, model=HOSTILE[0])
    write_result(tmp_path / "b", "/x", labels[:4], clusters(labels[:4]), names[:4])
    comparison = compare.compare_results(Result.at(str(tmp_path / "a")), Result.at(str(tmp_path / "b")))
    text = compare.render_page(comparison)
    assert not re.search(r"<(script|img)", text)
    assert text.count("<!--") == 0


class Stored:
    """An account of which only the bucket's name is asked."""

    target = Target(env="dev", region="eu-west-3", account_id="123456789012")

    def bucket(self, purpose: str) -> str:
        return f"fruits-dev-{purpose}"


@pytest.mark.parametrize(
    ("named", "fetched"),
    [
        ("mobilenet_v2", ["", "s3://fruits-dev-data/results/mobilenet_v2"]),
        ("s3://other/results/x", ["", "s3://other/results/x"]),
        ("{}/earlier", [""]),
    ],
)
def test_the_earlier_result_may_be_one_of_the_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, fetched: list[str]
) -> None:
    newer, earlier = two(tmp_path)
    asked: list[str] = []

    def fetch(account: object, console: object, *, uri: str = "", model: str = "") -> Path:
        asked.append(uri)
        return earlier if uri else newer

    monkeypatch.setattr(environment, "fetch_results", fetch)
    monkeypatch.setattr(commands, "tell_upkeep", lambda account: "")
    given = {"ENV": "dev", "COMPARE": named.format(tmp_path), "OPEN": "0"}
    commands.show_results(Stored(), given, Console(quiet=True))  # type: ignore[arg-type]
    assert asked == fetched
    assert "55 images are in both" in (newer / "comparison.html").read_text()


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (OSError("curlCode: 6, Couldn't resolve host name"), StorageError, "Fix: check the address and the network."),
        (OSError("AWS Error ACCESS_DENIED"), StorageError, "lacks the right"),
        (IsADirectoryError(21, "Is a directory"), InputError, "Fix: run the job again."),
    ],
)
def test_a_store_that_refuses_is_no_damaged_result(
    monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[FruitsError], sentence: str
) -> None:
    def refuse(*_: object) -> bytes:
        raise error

    monkeypatch.setattr(Store, "read", refuse)
    with pytest.raises(kind, match=sentence):
        Result.at("s3://bucket/results")
