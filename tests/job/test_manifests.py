"""Manifests: what they name counts, what they do not name does not exist."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fruits import manifests, versions
from fruits.errors import OutputError
from fruits.images import PREPROCESSING_VERSION
from fruits.models import PublishedModel
from fruits.parts import Part
from fruits.store import Store

MODEL = PublishedModel("net", "fast", "ab" * 32, 224, 1280, "cd" * 32)


@pytest.fixture
def output(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


def refusal(output: Store, model: PublishedModel) -> str:
    with pytest.raises(OutputError) as caught:
        manifests.load(output, model)
    return str(caught.value)


def test_an_empty_output_holds_nothing(output: Store) -> None:
    state = manifests.load(output, MODEL)
    assert (state.rows, state.features, state.rejects) == (0, (), ())


def test_waves_add_up(output: Store) -> None:
    manifests.write(output, MODEL, [Part("a.parquet", 3)], [Part("r.parquet", 1)])
    manifests.write(output, MODEL, [Part("b.parquet", 4)], [])
    state = manifests.load(output, MODEL)
    assert state.rows == 7
    assert {part.name for part in state.features} == {"a.parquet", "b.parquet"}
    assert state.rejects == (Part("r.parquet", 1),)


def test_the_fingerprint_follows_the_files_not_their_order(output: Store) -> None:
    def state(*names: str) -> manifests.State:
        return manifests.State((), tuple(Part(name, 1) for name in names), ())

    assert state("a", "b").fingerprint == state("b", "a").fingerprint
    assert state("a", "b").fingerprint != state("a").fingerprint
    assert state("a", "b").fingerprint != state("a", "c").fingerprint


def test_a_replacement_counts_from_the_moment_it_is_written(output: Store) -> None:
    manifests.write(output, MODEL, [Part("a.parquet", 3), Part("b.parquet", 2)], [])
    old = manifests.load(output, MODEL)
    manifests.write(output, MODEL, [Part("b.parquet", 2), Part("a2.parquet", 1)], [], supersedes=old.manifests)
    killed_here = manifests.load(output, MODEL)  # the old manifest still lies there
    assert {part.name for part in killed_here.features} == {"b.parquet", "a2.parquet"}
    assert len(killed_here.manifests) == 2
    done = manifests.replace(output, MODEL, killed_here, [Part("c.parquet", 9)], [])
    assert done.features == (Part("c.parquet", 9),)
    assert len(done.manifests) == 1


def test_orphans_are_swept_and_nothing_else(output: Store) -> None:
    for key in ("features/keep.parquet", "features/orphan.parquet", "rejects/orphan.parquet", "features/note.txt"):
        output.write(key, b"x")
    output.write("features/_manifests/readme.md", b"x")
    manifests.write(output, MODEL, [Part("keep.parquet", 1)], [])
    assert manifests.sweep(output, manifests.load(output, MODEL)) == 2
    left = {e.key for e in output.list(recursive=True) if e.is_file and not e.key.endswith(".json")}
    assert left == {"features/keep.parquet", "features/note.txt", "features/_manifests/readme.md"}
    assert manifests.sweep(output, manifests.load(output, MODEL)) == 0


def test_another_networks_features_are_refused(output: Store) -> None:
    manifests.write(output, MODEL, [Part("a.parquet", 1)], [])
    assert refusal(output, replace(MODEL, name="resnet50")) == (
        f"the output {output.uri} holds features made by net, and this run uses resnet50. Fix: another "
        f"output, or delete {output.uri}/features."
    )


def test_the_same_network_otherwise_made_is_refused(output: Store) -> None:
    manifests.write(output, MODEL, [Part("a.parquet", 1)], [])
    assert refusal(output, replace(MODEL, sha256="ef" * 32)) == (
        f"the output {output.uri} holds features made by another net (file abababababab…; this run: "
        f"efefefefefef…: other "
        f"weights, image size, engine or TensorFlow). Fix: another output, or delete {output.uri}/features."
    )


def test_features_of_two_precisions_are_never_mixed(output: Store) -> None:
    manifests.write(output, MODEL, [Part("a.parquet", 1)], [])
    assert refusal(output, replace(MODEL, precision="bf16")) == (
        f"the output {output.uri} holds features computed in f32, and this run computes in bf16. Fix: another output, "
        f"or delete {output.uri}/features."
    )
    again = output.child("again")
    manifests.write(again, replace(MODEL, precision="bf16"), [Part("a.parquet", 1)], [])
    assert "holds features computed in bf16, and this run computes in f32." in refusal(again, MODEL)
    assert manifests.load(again, replace(MODEL, precision="bf16")).rows == 1


def test_another_preprocessing_is_refused(output: Store) -> None:
    key = manifests.write(output, MODEL, [Part("a.parquet", 1)], [])
    record = {**json.loads(output.read(key)), "preprocessing": 0}
    del record["sha256"]
    output.write(key, json.dumps(record).encode())
    assert f"made by preprocessing 0, and this run uses {PREPROCESSING_VERSION}." in refusal(output, MODEL)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b'"text"', b"{}", b'{"model": "net"}', b"\xff\xfe", b"7", b"[" * 100_000],
)
def test_a_damaged_manifest_is_named_names_nothing_and_goes(output: Store, damage: bytes) -> None:
    manifests.write(output, MODEL, [Part("a.parquet", 1)], [])
    key = "features/_manifests/damaged.json"
    output.write(key, damage)
    output.write("features/a.parquet", b"x")
    output.write("features/of-the-damaged.parquet", b"x")
    state = manifests.load(output, MODEL)
    assert state.damaged == (key,)
    assert state.features == (Part("a.parquet", 1),)
    assert manifests.sweep(output, state) == 1
    assert manifests.load(output, MODEL).damaged == ()
    assert {e.key for e in output.list("features") if e.is_file} == {"features/a.parquet"}


@pytest.mark.parametrize(
    ("field", "value"), [("features", [{"nom": "a"}]), ("features", None), ("rejects", [1]), ("supersedes", None)]
)
def test_a_manifest_with_a_wrong_field_is_damaged_too(output: Store, field: str, value: object) -> None:
    key = manifests.write(output, MODEL, [Part("a.parquet", 1)], [])
    record = {**json.loads(output.read(key)), field: value}
    del record["sha256"]
    output.write(key, json.dumps(record).encode())
    assert manifests.load(output, MODEL).damaged == (key,)


def test_no_flipped_bit_of_a_manifest_changes_what_counts(output: Store) -> None:
    parts = [Part("part-0123.parquet", 20, "ab" * 32), Part("part-4567.parquet", 7, "cd" * 32)]
    key = manifests.write(output, MODEL, parts, [Part("part-89.parquet", 1, "ef" * 32)], supersedes=("x.json",))
    data = output.read(key)
    whole = manifests.load(output, MODEL)
    damaged = 0
    for bit in range(0, 8 * len(data), 11):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        (path := Path(output.path(key))).write_bytes(bytes(flipped))
        state = manifests.load(output, MODEL)
        if state.damaged:
            damaged += 1
            assert (state.features, state.rejects) == ((), ())
        else:
            assert (state.features, state.rejects) == (whole.features, whole.rejects)
    path.write_bytes(data)
    assert manifests.load(output, MODEL) == whole
    assert damaged > 0.7 * 8 * len(data) / 11  # the others are blanks between its words


# --- versions that decide about a value ------------------------------------------------------------------------


def test_features_of_two_versions_are_never_added_to_each_other(output: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = versions.collect_makers("fast")
    assert mine.keys() >= {"pillow", "openvino", "processor"}
    monkeypatch.setattr(
        versions, "collect_makers", lambda _engine: {**mine, "pillow": "12.3.0", "processor": "aarch64"}
    )
    manifests.write(output, MODEL, [Part("a.parquet", 1)], [])
    monkeypatch.setattr(versions, "collect_makers", lambda _engine: {**mine, "pillow": "13.0.0", "processor": "x86_64"})
    state = manifests.load(output, MODEL)  # to read them is fine
    with pytest.raises(OutputError) as caught:
        manifests.require_alike(output, MODEL, state)
    assert str(caught.value) == (
        f"the output {output.uri} holds features made with pillow 12.3.0, processor aarch64, and this run has pillow "
        "13.0.0, processor x86_64: new features could differ from them without a trace. Fix: another output; or delete "
        f"{output.uri}/features, and all are made again."
    )
    replaced = manifests.replace(output, MODEL, state, [Part("b.parquet", 1)], [])
    assert [made["pillow"] for made in replaced.made_with] == ["12.3.0"]  # rewritten, they are still what they were


def test_features_of_an_unknown_version_are_not_added_to(output: Store) -> None:
    manifests.write(output, MODEL, [Part("a.parquet", 1)], [], made_with={})
    with pytest.raises(OutputError, match=r"made with .*pillow not recorded"):
        manifests.require_alike(output, MODEL, manifests.load(output, MODEL))


def test_features_of_the_same_versions_are(output: Store) -> None:
    manifests.require_alike(output, MODEL, manifests.load(output, MODEL))
    manifests.write(output, MODEL, [Part("a.parquet", 1)], [])
    manifests.require_alike(output, MODEL, manifests.load(output, MODEL))


def test_versions_are_compared_by_what_they_are_and_not_by_their_order(output: Store) -> None:
    for name, made_with in (("a", {"pillow": "1", "engine": "2"}), ("b", {"engine": "2", "pillow": "1"})):
        manifests.write(output, MODEL, [Part(f"{name}.parquet", 1)], [], made_with=made_with)
    state = manifests.load(output, MODEL)
    assert (state.made_with, len(state.features)) == (({"pillow": "1", "engine": "2"},), 2)


def test_files_may_stand_for_none(output: Store) -> None:
    state = manifests.replace(output, MODEL, manifests.load(output, MODEL), [Part("a.parquet", 1)], [])
    assert [part.name for part in state.features] == ["a.parquet"]
    assert len(state.manifests) == 1


def test_keras_decides_where_keras_computes() -> None:
    assert versions.collect_makers("tensorflow").keys() >= {"pillow", "tensorflow", "keras", "processor"}
    assert "openvino" not in versions.collect_makers("tensorflow")
