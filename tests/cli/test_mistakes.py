"""What newcomers type wrongly: five mistakes for each command of README and tutorial, and the sentence that helps.

Each is typed as make hands it over, in a folder with photographs, without credentials, and must be refused before
anything is started, downloaded or created: AWS is not asked, no server starts, no Spark.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from localaws import server
from ops.aws import account
from ops.cli import main as cli
from ops.cli.commands import COMMANDS
from ops.core.paths import ROOT
from ops.job import local_spark
from ops.terraform.workspace import Workspace
from tests.typed import as_typed

NO_ENV = "there is no environment 'prodd'. Fix: write infra/env/prodd.tfvars, or take one of dev, local, prod, verify."
NO_KEYS = "no AWS credentials were found, or AWS rejected them"
NO_SERVER = "the embedded AWS of ENV=local is not running: there is no cluster and no bucket. Fix: make apply starts it"
NO_MONEY = "CURRENCY=EURO is not a currency. Fix: three letters, or with a rate, CURRENCY=EUR:0.91"
NO_REGION = "paris is not an AWS region. Fix: for example REGION=eu-west-3, which is Paris."
NO_COUNT = "IMAGES=30k is not a whole number from 1. Fix: for example IMAGES=90000."
NO_RESULT = "there is no finished result"

MISTAKES = {
    "demo": [
        ("ENV=dev", 2, "ENV= is not a variable of make demo. It takes: ARCH, CURRENCY, FAULT, YARN."),
        ("YARN=maybe", 2, "YARN=maybe is neither yes nor no. Fix: YARN=1, or leave it out."),
        ("CURRENCY=EURO", 2, NO_MONEY),
        ("FAULT=fire", 2, "FAULT=fire is not known. Fix: choose one of bootstrap, executor-lost"),
        ("ARCH=intel", 2, "ARCH=intel is not known. Fix: choose from x86_64, aarch64, arm64."),
    ],
    "run-local": [
        ("INPUTS=photos", 2, "INPUTS= is not a variable of make run-local. Did you mean INPUT?"),
        ("INPUT=nowhere", 10, "there is nothing at the input"),
        ("INPUT=photo.jpg", 10, "is a file. Fix: give the folder that holds the images."),
        ("INPUT=texts", 10, "1 file is left out: 1 .txt (first: apple/a.txt)."),
        ("INPUT=photos MODEL=vgg16", 11, "the model 'vgg16' is unknown. Fix: one of efficientnet_lite0,"),
        ("CLASSES=Pomme", 10, "no image is of class Pomme. Fix: one of Banana, Cherry, Green Apple, Lemon,"),
        ("INPUT=photos CLASSES=Pomme", 10, "no image is of class Pomme. Fix: one of apple."),
        ("INPUT=photos K=0", 2, "a PCA keeps at least one component. Fix: K=1 or more"),
        ("INPUT=photos K=50 VARIANCE=0.9", 2, "each decides the number of components. Fix: give one of them."),
        ("INPUT=photos VARIANCE=95", 2, "it is a share. Fix: "),
        ("INPUT=photos IMAGE_SIZE=big", 2, "IMAGE_SIZE=big is not a whole number. Fix: for example IMAGE_SIZE=224."),
        ("INPUT=photos MAX_REJECT_RATE=some", 2, "Fix: for example MAX_REJECT_RATE=0.05."),
    ],
    "state": [
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev REGION=paris", 2, NO_REGION),
        ("ENV=dev", 4, NO_KEYS),
        ("ENV=dev YES=1", 2, "YES= is not a variable of make state. It takes: ENV, REGION."),
        ("ENV=dev OFFLINE=1", 2, "OFFLINE= is not a variable of make state."),
    ],
    "doctor": [
        ("ENV=dev REGION=paris", 2, NO_REGION),
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev IMAGES=30k", 2, NO_COUNT),
        ("ENV=dev JSON=please", 2, "JSON=please is neither yes nor no. Fix: JSON=1, or leave it out."),
        ("ENV=dev OUTPUT=x", 2, "OUTPUT= is not a variable of make doctor."),
        ("CURRENCY=EURO", 2, NO_MONEY),
        ("ARCH=intel", 2, "ARCH=intel is not known. Fix: choose from x86_64, aarch64, arm64."),
    ],
    "apply": [
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev", 4, NO_KEYS),
        ("ENV=dev REGION=paris", 2, NO_REGION),
        ("ENV=dev IMAGES=30k", 2, NO_COUNT),
        ("ENV=dev YES=maybe", 2, "YES=maybe is neither yes nor no. Fix: YES=1, or leave it out."),
        ("FAULT=spot", 2, "FAULT=spot happens while a step runs. Fix: make run-step FAULT=spot; here it may be boot"),
        ("FAULT=s3-slow YARN=1", 2, "FAULT=s3-slow happens while a step runs. Fix: make run-step FAULT=s3-slow;"),
    ],
    "upload-dataset": [
        ("", 2, "no folder was given. Fix: make upload-dataset INPUT=dir."),
        ("INPUT=nowhere", 10, "nowhere"),
        ("INPUT=nothing", 10, "nothing"),
        ("IMPUT=photos", 2, "IMPUT= is not a variable of make upload-dataset. Did you mean INPUT?"),
        ("INPUT=photos", 20, NO_SERVER),
    ],
    "run-step": [
        ("", 20, NO_SERVER),
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev", 4, NO_KEYS),
        ("LIMITS=100", 2, "LIMITS= is not a variable of make run-step. Did you mean LIMIT?"),
        ("ONESHOT=perhaps", 2, "ONESHOT=perhaps is neither yes nor no. Fix: ONESHOT=1, or leave it out."),
        ("FAULT=disk-full", 2, "FAULT=disk-full happens while a cluster starts. Fix: make apply FAULT=disk-full;"),
    ],
    "results": [
        ("", 20, NO_SERVER),
        ("ENV=prodd", 2, NO_ENV),
        ("OPEN=never", 2, "OPEN=never is neither yes nor no."),
        ("COMPARED=x", 2, "COMPARED= is not a variable of make results. Did you mean COMPARE?"),
        ("ENV=dev COMPARE=nowhere", 4, NO_KEYS),
        ("OUTPUT=nowhere COMPARE=photos", 20, NO_SERVER),
    ],
    "destroy": [
        ("", 20, NO_SERVER),
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev", 4, NO_KEYS),
        ("ENV=dev CLUSTER=j-1", 2, "CLUSTER= is not a variable of make destroy."),
        ("ENV=dev YES=ja", 2, "YES=ja is neither yes nor no."),
    ],
    "purge": [
        ("", 20, NO_SERVER),
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev", 4, NO_KEYS),
        ("ENV=dev OUTPUT=x", 2, "OUTPUT= is not a variable of make purge."),
        ("ENV=dev REGION=paris", 2, NO_REGION),
    ],
    "status": [
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev", 4, NO_KEYS),
        ("JSON=please", 2, "JSON=please is neither yes nor no."),
        ("STEP=s-1", 2, "STEP= is not a variable of make status. It takes: ENV, JSON, REGION."),
        ("ENV=dev REGION=paris", 2, NO_REGION),
    ],
    "diagnose": [
        ("", 20, NO_SERVER),
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev STEP=s-1", 4, NO_KEYS),
        ("LOGS=nowhere", 2, "there is no folder nowhere. Fix: give the folder that the logs were copied to."),
        ("LOG=nowhere", 2, "LOG= is not a variable of make diagnose. Did you mean LOGS?"),
    ],
    "cost": [
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=dev IMAGES=30k", 2, NO_COUNT),
        ("ENV=dev MINUTES=soon", 2, "MINUTES=soon is not a whole number from 1. Fix: for example MINUTES=10."),
        ("ENV=dev CURRENCY=EURO", 2, NO_MONEY),
        ("ENV=dev ARCH=intel", 2, "ARCH=intel is not known. Fix: choose from x86_64, aarch64, arm64."),
    ],
    "verify-aws": [
        ("ENV=prodd", 2, NO_ENV),
        ("ENV=verify", 4, NO_KEYS),
        ("ENV=verify YES=si", 2, "YES=si is neither yes nor no."),
        ("ENV=verify REGION=paris", 2, NO_REGION),
        ("ENV=verify CURRENCY=EURO", 2, NO_MONEY),
        ("WITH=foo", 2, "WITH=foo is not known. Fix: choose from kms"),
    ],
    "neighbours": [
        ("", 2, "no image was given. Fix: make neighbours IMAGE=path/of/a/photograph.jpg."),
        ("IMAGE=photo.jpg", 10, NO_RESULT),
        ("IMAGE=photo.jpg COUNT=0", 2, "COUNT=0 is not a whole number from 1. Fix: for example COUNT=10."),
        ("IMAGES=photo.jpg", 2, "IMAGES= is not a variable of make neighbours. Did you mean IMAGE?"),
        ("IMAGE=photo.jpg OUTPUT=photos", 10, NO_RESULT),
    ],
    "classify": [
        ("", 10, NO_RESULT),
        ("OUTPUT=nothing", 10, NO_RESULT),
        ("INPUT=photos", 10, NO_RESULT),
        ("JSON=2", 2, "JSON=2 is neither yes nor no."),
        ("K=3", 2, "K= is not a variable of make classify."),
    ],
    "tune": [
        ("INPUT=nowhere", 10, "there is nothing at the input"),
        ("INPUT=photo.jpg", 10, "is a file. Fix: give the folder that holds the images."),
        ("PRECISION=f16", 2, "PRECISION=f16 is not known. Fix: choose from f32, bf16."),
        ("INPUT=photos MODEL=vgg16", 11, "the model 'vgg16' is unknown. Fix: one of efficientnet_lite0,"),
        ("INPUT=photos IMAGE_SIZE=big", 2, "IMAGE_SIZE=big is not a whole number from 1."),
    ],
    "weights": [
        ("", 2, "no network was given. Fix: MODEL=one of mobilenet_v2"),
        ("MODEL=resnet", 2, "there are no weights to fetch for 'resnet'. Fix: MODEL=one of mobilenet_v2"),
        ("MODEL=efficientnet_lite0", 2, "come with its package: nothing has to be fetched."),
        ("MODLE=resnet50", 2, "MODLE= is not a variable of make weights. Did you mean MODEL?"),
        ("ENV=dev", 2, "ENV= is not a variable of make weights."),
    ],
}


def commands_of_readers() -> set[str]:
    """Commands that README's and the tutorial's blocks name, but for those of make itself."""
    text = "".join((ROOT / name).read_text() for name in ("README.md", "docs/tutorial.md"))
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return {name for name in re.findall(r"\bmake ([a-z-]+)", "\n".join(blocks)) if name in COMMANDS}


def test_every_command_of_the_readers_has_five_mistakes() -> None:
    assert commands_of_readers() - set(MISTAKES) == set()
    assert min(len(mistakes) for mistakes in MISTAKES.values()) >= 5


@pytest.mark.parametrize(
    ("command", "line", "code", "words"),
    [(command, *mistake) for command, mistakes in MISTAKES.items() for mistake in mistakes],
)
def test_a_mistake_is_refused_at_once(
    command: str,
    line: str,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("LOCALAWS_HOME", str(tmp_path / "aws"))
    for place, name in ((server, "start"), (Workspace, "init"), (local_spark, "run")):
        if hasattr(place, name):
            monkeypatch.setattr(place, name, lambda *_, **__: pytest.fail("something was started"))
    monkeypatch.setattr(account, "find_emulator", lambda _: {})
    (tmp_path / "photos/apple").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(tmp_path / "photos/apple/1.jpg")
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.jpg")
    (tmp_path / "texts/apple").mkdir(parents=True)
    (tmp_path / "texts/apple/a.txt").write_text("x")
    (tmp_path / "nothing").mkdir()
    given = dict(word.split("=", 1) for word in line.split())
    environ = {**os.environ, **as_typed(given), "FRUITS_GIVEN": " ".join(given), "FRUITS_GOALS": command}
    ended = cli.run(COMMANDS[command], {}, environ)
    printed = capsys.readouterr()
    assert (ended, words in printed.err) == (code, True), printed.err
    assert printed.err.startswith(f"{command}: ")


WRONG = {
    "ENV": ("prodd", NO_ENV),
    "REGION": ("paris", NO_REGION),
    "PRECISION": ("f16", "PRECISION=f16 is not known. Fix: choose from f32, bf16."),
    "ENGINE": ("torch", "ENGINE=torch is not known. Fix: choose from fast, tensorflow."),
    "ARCH": ("intel", "ARCH=intel is not known. Fix: choose from x86_64, aarch64, arm64."),
    "CURRENCY": ("EURO", NO_MONEY),
}
"""What is wrong for whichever command takes it."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_by_every_command_before_it_does_anything(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "find_function", lambda _: pytest.fail("the command was begun"))
    value, words = WRONG[name]
    takers = [
        command
        for command in COMMANDS.values()
        if name in command.takes and (name != "ENV" or "REGION" in command.takes)
    ]
    assert takers
    for command in takers:
        ended = cli.run(command, {}, as_typed({name: value}))
        printed = capsys.readouterr().err
        assert (ended, words in printed) == (2, True), (command.name, printed)


@pytest.mark.parametrize("there", [True, False])
def test_without_python_3_11_uv_fetches_it_or_the_sentence_says_how(tmp_path: Path, there: bool) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "bash", "sed", "awk", "tr", "touch", "mkdir", "echo", "cat"):
        (programs / name).symlink_to(str(shutil.which(name)))
    if there:
        (programs / "uv").write_text(f'#!/bin/bash\necho "$@" >>{tmp_path}/asked; mkdir -p "${{!#}}"\n')
        (programs / "uv").chmod(0o755)
    venv = tmp_path / "venv"
    line = ["make", "PYTHON=python3.11-that-is-not-here", f"VENV={venv}", f"{venv}/.base"]
    done = subprocess.run(line, cwd=ROOT, env={"PATH": str(programs)}, capture_output=True, text=True, check=False)
    if there:
        assert done.returncode == 0, done.stderr
        assert "uv fetches Python 3.11" in done.stdout
        assert (tmp_path / "asked").read_text() == f"venv --quiet --seed --python 3.11 {venv}\n"
        assert (venv / ".base").exists()
    else:
        assert done.returncode == 2
        assert "was not found. Fix: install uv, which fetches Python 3.11 when make runs again" in done.stderr
        assert not venv.exists()
