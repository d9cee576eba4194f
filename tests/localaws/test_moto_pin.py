"""moto is pinned and what is changed in it is named: these tests say which internals have moved."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from localaws import patching
from localaws.answers import WrongShapeError, check_answer, read_service_model
from localaws.errors import MotoMovedError
from localaws.settings import ROOT

REVIEW = (
    "localaws was written against moto {wanted}, installed is {found}: review localaws/services and "
    "localaws/emr/api.py against the new version, then change MOTO_VERSION and requirements-localaws.in together"
)


def test_the_pin_the_lock_and_the_installed_moto_agree() -> None:
    locked = (ROOT / "requirements-localaws.txt").read_text()
    assert version("moto") == patching.MOTO_VERSION, REVIEW.format(wanted=patching.MOTO_VERSION, found=version("moto"))
    assert f"\nmoto=={patching.MOTO_VERSION} " in locked, "requirements-localaws.txt locks another moto: run make lock"


@pytest.fixture(scope="module")
def corrected() -> subprocess.CompletedProcess[str]:
    """A process that installs the corrections, which stay in moto for as long as it lives, and names EMR's calls."""
    code = (
        "import localaws.app as app\n"
        "from localaws.settings import Settings\n"
        "app.services.install()\n"
        "app.emr_api.install(app.Supervisor(Settings(), 'http://127.0.0.1:9', app.Keys.new('AKIA')))\n"
        "print(*(m.operation for m in vars(app.emr_api.Emr).values() if hasattr(m, 'operation')))\n"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_correction_still_fits(corrected: subprocess.CompletedProcess[str]) -> None:
    assert corrected.returncode == 0, f"moto's internals have moved:\n{corrected.stderr}"


def test_another_version_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "version", lambda name: "5.3.0")
    with pytest.raises(
        MotoMovedError, match=r"moto 5\.3\.0 is installed.*written for moto 5\.2\.5: install it with make setup"
    ):
        patching.check_version()


class Moved:
    there = 1


def test_a_lost_or_gained_attribute_is_named() -> None:
    with pytest.raises(MotoMovedError, match=r"moto no longer has .*Moved\.gone"):
        patching.replace_attribute(Moved, "gone", 2)
    with pytest.raises(MotoMovedError, match=r"moto now has .*Moved\.there"):
        patching.add_attribute(Moved, "there", 2)
    with pytest.raises(MotoMovedError, match=r"moto no longer has .*Moved\.gone"):
        patching.require_attributes(Moved, "there", "gone")
    assert Moved.there == 1


def test_every_emr_call_of_ours_is_one_of_the_service(corrected: subprocess.CompletedProcess[str]) -> None:
    known = set(read_service_model("emr").operation_names)
    ours = set(corrected.stdout.split())
    assert ours <= known
    assert len(ours) > 30


@pytest.mark.parametrize(
    ("operation", "result", "complaint"),
    [
        ("GetAutoTerminationPolicy", {"AutoTermination": {}}, "Unknown parameter"),
        ("GetAutoTerminationPolicy", {"AutoTerminationPolicy": {"IdleTimeout": "60"}}, "Invalid type"),
        ("DescribeStep", {"Step": {"Status": {"State": "DONE"}}}, "'DONE' is not one of PENDING"),
        ("PutAutoTerminationPolicy", {"Foo": 1}, "Unknown parameter"),
    ],
)
def test_an_answer_that_the_service_would_not_give_is_refused(operation: str, result: dict, complaint: str) -> None:
    with pytest.raises(WrongShapeError, match=complaint):
        check_answer("emr", operation, result)
