"""`make tune`: which choice is recommended and why, how the sample is drawn, what is refused; one small real run."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fruits.errors import InputError, ModelError
from fruits.store import Store
from numpy.typing import NDArray

from ops.cli import main as cli
from ops.cli import tune
from ops.cli.commands import COMMANDS
from ops.core.errors import OperatorError
from ops.core.target import Target
from ops.cost import speed
from ops.cost.estimate import read_fixed_seconds
from ops.job import tuning
from ops.job.tuning import Choice, Row, recommend, standard_error
from ops.terraform.variables import Size
from tests.conftest import PHOTOS
from tests.ops.test_candidates import shaped

N = 400


def right(wrong: range) -> NDArray[np.bool_]:
    """All right but some."""
    values = np.ones(N, bool)
    values[list(wrong)] = False
    return values


def row(size: int, precision: str, rate: float, wrong: range, model: str = "efficientnet_lite0") -> Row:
    return Row(Choice(model, size, precision), rate, right(wrong), k=90)


def test_the_standard_error_is_mcnemars() -> None:
    a, b = right(range(40)), right(range(30, 95))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    assert standard_error(a, b) == pytest.approx(math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / N) / N)
    assert standard_error(a, a) == 0


def test_the_fastest_within_a_standard_error_of_the_best_is_taken() -> None:
    best = row(224, "f32", 100, range(40))
    as_good = row(224, "bf16", 200, range(1, 42))  # one more wrong, two differ: within the error
    worse = row(96, "bf16", 900, range(40, 120))
    advice = recommend([best, as_good, worse])
    assert advice.row is as_good
    error = 100 * math.sqrt(1 + 2 - 1 / N) / N
    assert advice.why == (
        "2.0 times as fast as the default (efficientnet_lite0 at 224 pixels in f32); 89.8% of 400 images are "
        "recognised against 90.0% with efficientnet_lite0 at 224 pixels in f32, a difference within its standard "
        f"error ({error:.1f} points)"
    )


def test_of_choices_that_are_nearly_as_fast_the_better_and_then_the_plainer_wins() -> None:
    plain, other = row(160, "f32", 185, range(40)), row(160, "bf16", 190, range(40))
    assert recommend([plain, other]).row is plain
    better = row(160, "f32", 180, range(39))
    assert recommend([better, other]).row is better


def test_where_the_default_is_best_nothing_is_compared_with_it() -> None:
    default, small = row(224, "f32", 100, range(40)), row(96, "f32", 500, range(200))
    assert recommend([small, default]).why == "none of the choices is more accurate (90.0% of 400 images)"
    assert recommend([small, default]).row.choice.variables == ""


def test_a_choice_is_written_as_make_takes_it() -> None:
    assert Choice("resnet50", 160, "bf16").variables == "MODEL=resnet50 IMAGE_SIZE=160 PRECISION=bf16"
    assert Choice("efficientnet_lite0", 128, "f32").variables == "IMAGE_SIZE=128"


def files(folder: Path, sizes: dict[str, int]) -> Store:
    for label, count in sizes.items():
        (folder / label).mkdir(parents=True)
        for i in range(count):
            (folder / label / f"{i}.jpg").write_bytes(b"")
    return Store(str(folder))


def test_a_sample_is_balanced_and_always_the_same(tmp_path: Path) -> None:
    store = files(tmp_path, {"a": 5, "b": 300, "c": 50, "alone": 1})
    sample = tuning.take_sample(store, 60)
    assert Counter(sample.labels) == {"a": 5, "b": 28, "c": 27} or Counter(sample.labels) == {"a": 5, "b": 27, "c": 28}
    assert (sample.images, sample.classes) == (356, 4)
    assert tuning.take_sample(store, 60) == sample
    assert len(tuning.take_sample(store, 20).keys) == 20


def test_of_many_classes_some_are_sampled_with_enough_images_each(tmp_path: Path) -> None:
    sample = tuning.take_sample(files(tmp_path, {f"class {i}": 12 for i in range(50)}), 80)
    assert set(Counter(sample.labels).values()) == {8}


def test_images_of_one_class_are_refused(tmp_path: Path) -> None:
    files(tmp_path, {"a": 9, "b": 1})
    with pytest.raises(InputError) as refused:
        tuning.take_sample(Store(str(tmp_path)), 100)
    assert str(refused.value) == (
        f"{tmp_path} holds 10 images of 2 classes, and choices are compared by how well they tell classes apart. "
        "Fix: INPUT= with two folders or more, of two images or more each: <class>/<name>."
    )
    assert refused.value.exit_code == 10


def test_bf16_is_measured_where_it_is_there_and_refused_where_it_was_asked_for() -> None:
    assert tuning.choose_precisions(None, ["FP32", "BF16"]) == ("f32", "bf16")
    assert tuning.choose_precisions(None, ["FP32", "INT8"]) == ("f32",)
    assert tuning.choose_precisions("bf16", ["BF16"]) == ("bf16",)
    with pytest.raises(ModelError, match="precision bf16 was asked for"):
        tuning.choose_precisions("bf16", ["FP32"])


def test_a_vcpu_does_half_of_a_core_and_the_job_its_share() -> None:
    bench = json.loads(speed.BENCH.read_text())
    job = bench["series"]["the job"]["median"]
    loops = next(s["median"] for name, s in bench["series"].items() if name.endswith("bare loops of OpenVINO"))
    assert float(speed.convert_core_rate(100).per_vcpu) == pytest.approx(100 * job / loops / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("given", "code", "sentence"),
    [
        ({"PRECISION": "f16"}, 2, "tune: PRECISION=f16 is not known. Fix: choose from f32, bf16."),
        ({"LIMIT": "few"}, 2, "tune: LIMIT=few is not a whole number from 1. Fix: for example LIMIT=600."),
        ({"LIMIT": "0"}, 2, "tune: LIMIT=0 is not a whole number from 1. Fix: for example LIMIT=600."),
        ({"MODEL": "resnet51"}, 11, "tune: the model 'resnet51' is unknown."),
        ({"IMAGE_SIZE": "8"}, 2, "tune: image_size is 8 pixels. Fix: IMAGE_SIZE= (--image-size) between 32 and 1024."),
    ],
)
def test_what_cannot_be_is_refused(
    given: dict[str, str], code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = files(tmp_path, {"a": 2, "b": 2})
    assert cli.run(COMMANDS["tune"], {"INPUT": store.uri, **given}, {}) == code
    assert sentence in capsys.readouterr().err


def findings(rows: list[Row], fleet: tune.PlannedCluster | None = None) -> tune.Measurements:
    sample = tuning.Sample(Store("photos"), [], [], 30_000, 30)
    return tune.Measurements(sample, rows, recommend(rows), fleet, {}, 2, ["FP32"])


def test_the_minutes_are_of_the_job_on_all_cores() -> None:
    found = findings([row(224, "f32", 100, range(40))])
    share = float(speed.read_job_share())
    assert found.minutes_here(found.rows[0]) == pytest.approx((30_000 / (200 * share) + 15) / 60)


def test_the_notes_say_what_to_type_and_what_was_not_measured() -> None:
    said = tune.write_notes(findings([row(224, "f32", 100, range(40)), row(128, "f32", 400, range(40))]))
    assert said[0].startswith("recommended: efficientnet_lite0 at 128 pixels in f32: 4.0 times as fast as the default")
    assert said[1].split() == ["make", "run-local", f"INPUT={Store('photos').uri}", "IMAGE_SIZE=128"]
    assert said[-1] == "bf16 was not measured: this processor has neither AMX nor AVX-512 BF16"


def plan_on(types: list[str]) -> dict[str, Any]:
    plan = shaped(0, 0, 4)
    for fleet in plan["planned_values"]["outputs"]["fleets"]["value"].values():
        fleet["types"] = types
    return plan


@pytest.mark.parametrize("has_bf16", [True, False])
def test_bf16_is_priced_on_the_types_that_compute_it_or_it_is_said_why_not(
    has_bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(_target: Target, size: Size) -> dict[str, Any]:
        if size.precision == "bf16":
            if not has_bf16:
                raise OperatorError("PRECISION=bf16 needs processors that compute in it")
            return plan_on(["m7i.xlarge"])
        return plan_on(["m5.xlarge", "m7i.xlarge"])

    monkeypatch.setattr(tune, "plan_cluster", planned)
    fleet = tune.read_fleet({"ENV": "dev", "IMAGES": "30000"}, ("f32", "bf16"))
    assert fleet is not None
    rows = [row(224, "f32", 80, range(40)), row(224, "bf16", 160, range(40))]
    runs = {one.choice: fleet.run(one) for one in rows}
    single, half = (runs[one.choice] for one in rows)
    assert single is not None
    found = replace(findings(rows, fleet), runs=runs, capabilities=["BF16"])
    cells = [list(column.cells)[1] for column in tune.make_choices_table(found).columns][-2:]
    if has_bf16:
        assert half is not None
        fixed = float(read_fixed_seconds(plan_on(["m7i.xlarge"]))) / 60
        assert float(half.minutes) - fixed == pytest.approx((float(single.minutes) - fixed) / 2)
        assert cells[0] == f"{half.minutes:.1f}"
        assert tune.write_notes(found)[-1] == (
            "bf16 is priced on the types of ENV=dev that compute it: m7i.xlarge (PRECISION=bf16)"
        )
    else:
        assert half is None
        assert cells == ["–", "–"]
        assert tune.write_notes(found)[-1] == (
            "bf16 has no price: no type of ENV=dev computes it (m5.xlarge, m7i.xlarge)"
        )


@pytest.mark.tensorflow
@pytest.mark.photos
def test_a_small_run_on_photographs(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"INPUT": str(PHOTOS), "LIMIT": "40", "IMAGE_SIZE": "96", "PRECISION": "f32", "JSON": "1"}
    assert cli.run(COMMANDS["tune"], given, {}) == 0
    answer = json.loads(capsys.readouterr().out)
    (choice,) = answer["choices"]
    assert answer["recommended"] == choice
    assert (choice["model"], choice["image_size"], choice["precision"]) == ("efficientnet_lite0", 96, "f32")
    assert choice["accuracy"] > 0.4  # of five classes
    assert 1 < choice["k"] < 40
    assert choice["images_per_second_per_core"] > 1
    assert Decimal(str(choice["minutes_here"])) > 0
    assert choice["fleet"] is None
