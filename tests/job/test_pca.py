"""The PCA against scikit-learn, both in float64, and against its own algebra."""

from __future__ import annotations

import io
import json
import tempfile
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fruits import manifests, pca, pipeline
from fruits.errors import ReductionError, StorageError
from fruits.pca import Moments, Spectrum, fix_signs, reduce, solve
from fruits.request import Request
from fruits.store import Store
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.job.oracle import PCA

Float = NDArray[np.float64]
GAP = 1e-6
quick = settings(max_examples=60, deadline=None)


def moments(x: Float, cuts: list[int] | None = None) -> Moments:
    """Of the blocks between the cuts: each in a file of its own, as tasks leave them, and read back."""
    return merged(*(Moments.from_rows(block) for block in np.split(x, sorted(cuts or []))))


def merged(*sums: Moments) -> Moments:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        total = Moments.load_total(store, [each.write(store) for each in sums])
    assert total is not None
    return total


def clusters(values: Float, top: float) -> list[slice]:
    """Runs of eigenvalues that no gap above GAP·λ₁ separates: within one, only the subspace is determined."""
    edges = [0, *(np.flatnonzero(values[:-1] - values[1:] > GAP * top) + 1), len(values)]
    return [slice(a, b) for a, b in pairwise(edges)]


def assert_like_sklearn(x: Float, spectrum: Spectrum) -> None:
    """Spectrum to 1e-9·λ₁; components and scores to 1e-6 across a gap, subspaces elsewhere."""
    n, d = x.shape
    reference = PCA(svd_solver="full").fit(x)
    most = min(n, d)
    values = np.zeros(d)
    values[:most] = reference.explained_variance_
    top = values[0]
    assert np.abs(spectrum.mean - x.mean(axis=0)).max() <= 1e-9 * max(1.0, np.abs(x).max())
    assert np.abs(spectrum.explained_variance - values).max() <= 1e-9 * top
    assert np.abs(spectrum.ratio[:most] - reference.explained_variance_ratio_).max() <= 1e-9
    assert spectrum.components.shape == (most, d)
    assert np.abs(spectrum.components @ spectrum.components.T - np.eye(most)).max() <= 1e-9
    theirs = fix_signs(reference.components_)
    centred = x - x.mean(axis=0)
    scale = np.sqrt(top)
    for run in clusters(values, top):
        if values[run.start] <= GAP * top:
            break  # the null space: any basis of it is right, and orthonormality was checked
        mine, other = spectrum.components[run], theirs[run]
        if run.stop - run.start == 1:
            loadings = np.sort(np.abs(mine[0]))
            if len(loadings) > 1 and loadings[-1] - loadings[-2] <= 1e-6:  # a tie decides the sign by rounding
                other = other * np.sign(mine[0] @ other[0])
            assert np.abs(mine - other).max() <= 1e-6
            assert np.abs(centred @ mine.T - centred @ other.T).max() <= 1e-6 * max(1.0, scale)
        else:
            assert np.abs(mine.T @ mine - other.T @ other).max() <= 1e-6


# --- against scikit-learn -----------------------------------------------------------------------------------


def features(n: int, d: int, seed: int = 0) -> Float:
    """With a decaying spectrum and a mean, as a network's features have."""
    rng = np.random.default_rng(seed)
    m = min(n, d)
    x = rng.normal(size=(n, m)) * 0.9 ** np.arange(m) @ np.linalg.qr(rng.normal(size=(d, m)))[0].T
    return np.asarray(x + rng.uniform(0, 3, d))


CASES = {
    "tall": features(3000, 40),
    "wide": features(30, 200),
    "square": features(50, 50),
    "two rows": features(2, 9),
    "one column": features(40, 1),
    "rank-deficient": features(300, 10) @ np.random.default_rng(1).normal(size=(10, 25)),
    "constant columns": np.hstack([features(200, 12), np.full((200, 3), 7.25)]),
    "doubled columns": np.hstack([features(200, 8)] * 2),
    "repeated rows": np.repeat(features(20, 12), 10, axis=0),
    "badly conditioned": features(400, 20) * 10.0 ** -np.linspace(0, 8, 20),
    "far from the origin": features(500, 15) + 1e5,
    "equal eigenvalues": np.vstack([np.eye(12), -np.eye(12)]),
    "float32": features(400, 30).astype(np.float32).astype(np.float64),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_scikit_learn(name: str) -> None:
    x = CASES[name]
    assert_like_sklearn(x, solve(moments(x, cuts=[0, len(x) // 3, len(x) // 3, len(x) // 2])))


def test_float32_rows_are_summed_in_float64() -> None:
    x = (features(5000, 10) + 300).astype(np.float32)
    assert_like_sklearn(x.astype(np.float64), solve(Moments.from_rows(x)))


matrices = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 25), st.integers(1, 12)),
    elements=st.floats(-1e3, 1e3, allow_nan=False, width=32),
)


@quick
@given(matrices, st.data())
def test_equals_scikit_learn_on_any_matrix_cut_anywhere(x: Float, data: st.DataObject) -> None:
    assume(x.std(axis=0).max() > 1e-3 * max(1.0, np.abs(x).max()))
    cuts = data.draw(st.lists(st.integers(0, len(x)), max_size=6))  # the same cut twice: an empty partition
    assert_like_sklearn(x, solve(moments(x, cuts)))


# --- algebra of the partial sums ----------------------------------------------------------------------------


def close(a: Moments, b: Moments, tolerance: float = 1e-9) -> bool:
    scale = max(1.0, np.abs(b.scatter).max())
    return (
        (a.n, a.bad) == (b.n, b.bad)
        and np.abs(a.mean - b.mean).max(initial=0) <= tolerance * max(1.0, np.abs(b.mean).max(initial=0))
        and np.abs(a.scatter - b.scatter).max(initial=0) <= tolerance * scale
    )


@quick
@given(matrices, st.data())
def test_partitioning_and_order_do_not_matter(x: Float, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(x)), max_size=8))
    order = np.array(data.draw(st.permutations(range(len(x)))))
    assert close(moments(x[order], cuts), Moments.from_rows(x))


@quick
@given(matrices)
@pytest.mark.costly
def test_merging_is_commutative_and_associative_and_has_a_neutral_element(x: Float) -> None:
    a, b, c = (Moments.from_rows(block) for block in np.array_split(x, 3))
    nothing = Moments.from_rows(x[:0])
    assert close(merged(a, b), merged(b, a))
    assert close(merged(merged(a, b), c), merged(a, merged(b, c)))
    assert close(merged(a, nothing), a, 0)
    assert close(merged(nothing, a), a, 0)


@pytest.mark.parametrize("d", [1, pca.STRIP - 1, pca.STRIP, pca.STRIP + 1, 3 * pca.STRIP - 7])
def test_strips_make_the_whole_matrix(d: int) -> None:
    x = features(90, d) + 3.0
    wanted = (x - x.mean(axis=0)).T @ (x - x.mean(axis=0))
    found = moments(x, [20, 21, 60])
    assert np.abs(found.scatter - wanted).max() <= 1e-9 * np.abs(wanted).max()
    assert (found.scatter == found.scatter.T).all() or np.abs(found.scatter - found.scatter.T).max() < 1e-9


@pytest.mark.costly
def test_a_thousand_partial_sums_lose_nothing() -> None:
    x = features(4000, 12) + 1e4
    assert close(moments(x, list(range(4, 4000, 4))), Moments.from_rows(x), 1e-11)


def test_nothing_at_all() -> None:
    assert Moments.load_total(Store("/nowhere"), []) is None


def test_sums_travel_as_a_file_and_come_back_the_same(tmp_path: Path) -> None:
    sums = Moments.from_rows(np.vstack([features(30, 7), np.full((2, 7), np.nan)]))
    store = Store(str(tmp_path / "sums"))
    back = Moments.load_total(store, [sums.write(store)])
    assert back is not None
    assert close(back, sums, 0)


def test_a_sum_that_was_cut_or_is_gone_is_named(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    name = Moments.from_rows(features(30, 7)).write(store)
    data = (tmp_path / name).read_bytes()
    for length in (0, 10, 24, 60, len(data) - 1):
        (tmp_path / name).write_bytes(data[:length])
        with pytest.raises(StorageError, match=rf"{name} cannot be read \(it ends early\)\. Fix: run it again\."):
            Moments.load_total(store, [name])
    (tmp_path / name).unlink()
    with pytest.raises(StorageError, match=f"{name} cannot be read"):
        Moments.load_total(store, [name])


def test_one_matrix_is_all_that_a_sum_of_many_holds(tmp_path: Path) -> None:
    """At d = 1,500 a matrix has 18 MB. Adding rows, merging files and writing take strips beside it, no second one."""
    d = 1500
    store = Store(str(tmp_path))
    x = np.random.default_rng(0).normal(size=(300, d)).astype(np.float32)
    names = [Moments.from_rows(x + i).write(store) for i in range(3)]
    tracemalloc.start()
    try:
        total = Moments.load_total(store, names)
        assert total is not None
        total.add(x)
        total.write(store)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.75 * 8 * d * d
    assert peak < pca.estimate_worker_memory(d)


def test_blocks_of_batches_hold_every_row_in_order() -> None:
    x = np.arange(2 * 9001, dtype=np.float32).reshape(9001, 2)
    blocks = list(pca._make_blocks(batches(x, 1, 5000, 0, 4000)))
    assert (np.concatenate([b for b in blocks if len(b)]) == x).all()
    assert max(len(b) for b in blocks) <= pca.BLOCK_ROWS
    small = x[: 3 * 2048]
    assert [len(b) for b in pca._make_blocks(batches(small, 2048, 2000, 48, 2048))] == [2048] * 3


def batches(x: Float, *sizes: int) -> Iterator[pa.RecordBatch]:
    """The rows as Spark hands them to a task."""
    for rows in np.split(x, np.cumsum(sizes)[:-1]):
        yield pa.RecordBatch.from_arrays([pa.array(rows.tolist(), pa.list_(pa.float32()))], names=["features"])


def test_a_task_writes_the_sums_of_its_rows_and_nothing_where_it_has_none(tmp_path: Path) -> None:
    store, x = Store(str(tmp_path)), features(5000, 6)
    (row,) = [row for told in pca._sum_partition(batches(x, 3000, 2000), store) for row in told.to_pylist()]
    total = Moments.load_total(store, [row["name"]])
    assert total is not None
    assert (row["kind"], row["rows"], total.n) == ("moments", 5000, 5000)
    assert close(total, Moments.from_rows(x.astype(np.float32)))
    assert list(pca._sum_partition(iter([]), store)) == []


def test_a_sliced_arrow_column_keeps_its_own_rows() -> None:
    column = pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32()))
    assert pca.to_matrix(column[1:]).tolist() == [[3, 4], [5, 6]]


# --- what cannot be had -------------------------------------------------------------------------------------


def test_rows_that_are_not_finite_are_counted_and_refused() -> None:
    x = features(10, 3)
    x[2, 1], x[5, 0] = np.nan, np.inf
    sums = Moments.from_rows(x)
    assert (sums.n, sums.bad) == (8, 2)
    with pytest.raises(ReductionError) as caught:
        solve(sums)
    assert str(caught.value) == (
        "2 rows with values that are not finite would spoil every component. Fix: remove the features and "
        "featurize again."
    )


def test_no_row() -> None:
    with pytest.raises(ReductionError, match=r"there is no row to reduce\. Fix: check the input, and the rejects\."):
        solve(Moments.from_rows(np.empty((0, 3))))


def test_missing_and_ragged_rows() -> None:
    with pytest.raises(ReductionError, match=r"a row has no features \(null\)\. Fix: filter such rows out first\."):
        pca.to_matrix(pa.array([[1.0], None]))
    with pytest.raises(ReductionError, match="the rows have different numbers of features"):
        pca.to_matrix(pa.array([[1.0, 2.0], [1.0]]))
    with pytest.raises(ReductionError, match="the rows have different numbers of features"):
        pca.to_matrix(pa.array([[1.0, 2.0, 3.0], [1.0]]))  # the same number of values as two rows of two
    with pytest.raises(ReductionError, match="different numbers of features"):
        pca.to_matrix(pa.array([[], []], pa.list_(pa.float32())))


def test_k_is_bounded_by_rows_and_columns() -> None:
    assert reduce(solve(Moments.from_rows(features(5, 9))), k=5).k == 5
    with pytest.raises(ReductionError) as caught:
        reduce(solve(Moments.from_rows(features(5, 9))), k=6)
    assert str(caught.value) == (
        "k = 6 components were asked for, but 5 images with 9 features have at most 5. Fix: K=5 or less "
        "(--k 5), or VARIANCE= (--variance)."
    )
    with pytest.raises(ReductionError, match="50 images with 9 features have at most 9"):
        reduce(solve(Moments.from_rows(features(50, 9))), k=10)


def test_one_image_has_no_variance_and_says_so() -> None:
    spectrum = solve(Moments.from_rows(features(1, 4)))
    assert (spectrum.ratio == 0).all()
    reduction = reduce(spectrum, target=0.9)
    assert reduction.k == 1
    assert reduction.statement == (
        "90% of the variance cannot be reached: the only component explains 0.00% of the variance"
    )
    assert reduce(spectrum, k=1).statement == "1 component, as asked, explains 0.00% of the variance"


def test_where_no_image_is_left_the_rejects_are_named(tmp_path: Path) -> None:
    run = pipeline.Run(Request(input=str(tmp_path), output=str(tmp_path / "results")))
    with pytest.raises(ReductionError, match=f"the reason, in {tmp_path}/results/rejects"):
        run._reduce(manifests.State((), (), ()))


def test_identical_images_have_no_variance_and_say_so() -> None:
    spectrum = solve(Moments.from_rows(np.repeat(features(1, 4).round(3), 6, axis=0)))
    assert "cannot be reached" in reduce(spectrum, target=0.5).statement
    assert np.isfinite(reduce(spectrum, k=2).scores(features(3, 4))).all()


# --- choosing k ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [0.01, 0.5, 0.95, 0.999, 1.0])
def test_the_fewest_components_that_reach_the_target(target: float) -> None:
    x = features(400, 30)
    reduction = reduce(solve(Moments.from_rows(x)), target=target)
    cumulated = np.cumsum(PCA().fit(x).explained_variance_ratio_)
    assert reduction.k == int(np.argmax(cumulated + 1e-12 >= target)) + 1
    assert reduction.reached + 1e-9 >= target
    if target < 1:
        assert reduction.k == PCA(target).fit(x).n_components_
    components = "1 component explains" if reduction.k == 1 else f"{reduction.k} components explain"
    assert reduction.statement == (
        f"{components} {100 * reduction.reached:.2f}% of the variance ({100 * target:g}% asked)"
    )


def test_a_given_k_says_what_it_explains() -> None:
    assert reduce(solve(Moments.from_rows(CASES["equal eigenvalues"])), k=3).statement == (
        "3 components, as asked, explain 25.00% of the variance"
    )


def test_scores_are_centred() -> None:
    x = features(100, 8)
    reduction = reduce(solve(Moments.from_rows(x)), k=4)
    assert np.abs(reduction.scores(x).mean(axis=0)).max() < 1e-12
    assert np.abs(reduction.scores(x) - (x - x.mean(0)) @ reduction.components.T).max() < 1e-12


def test_signs() -> None:
    turned = fix_signs(np.array([[0.1, -0.9, 0.2], [0.5, 0.4, -0.3], [0.0, 0.0, 0.0]]))
    assert turned.tolist() == [[-0.1, 0.9, -0.2], [0.5, 0.4, -0.3], [0.0, 0.0, 0.0]]


def test_the_model_file_holds_what_the_readme_says() -> None:
    x = features(100, 8)
    saved = np.load(io.BytesIO(reduce(solve(Moments.from_rows(x)), k=3).to_bytes()))
    assert set(saved.files) == {"mean", "components", "explained_variance", "explained_variance_ratio", "n"}
    assert (saved["components"].shape, saved["explained_variance"].shape, int(saved["n"])) == ((3, 8), (8,), 100)
    assert abs(saved["explained_variance_ratio"].sum() - 1) < 1e-12
    theirs = PCA(3).fit(x)
    mine = (x - saved["mean"]) @ saved["components"].T
    assert np.abs(np.abs(mine) - np.abs(theirs.transform(x))).max() < 1e-6


def test_a_kept_spectrum_is_only_used_for_the_same_files() -> None:
    spectrum = solve(Moments.from_rows(features(20, 5)))
    data = spectrum.to_bytes("these")
    back = Spectrum.from_bytes(data, "these")
    assert back is not None
    assert (back.components == spectrum.components).all()
    assert (back.n, back.mean.tolist()) == (20, spectrum.mean.tolist())
    assert Spectrum.from_bytes(data, "others") is None
    assert json.loads(str(np.load(io.BytesIO(data))["fingerprint"])) == "these"


def test_a_flipped_bit_of_a_kept_spectrum_never_gives_another_number() -> None:
    spectrum = solve(Moments.from_rows(features(20, 5)))
    data = spectrum.to_bytes("these")
    silent = 0
    for bit in range(0, 8 * len(data), 7):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            back = Spectrum.from_bytes(bytes(damaged), "these")
        except Exception:  # noqa: BLE001 - whatever it is, the pipeline computes the spectrum anew
            continue
        if back is not None:
            silent += 1
            assert (back.components == spectrum.components).all()
            assert (back.explained_variance == spectrum.explained_variance).all()
            assert (back.n, back.mean.tolist()) == (20, spectrum.mean.tolist())
    assert silent < len(data)  # bits of the archive that say nothing
