"""Making a wheelhouse from a lock, and bringing it to the bucket; the real locks for both processors."""

from __future__ import annotations

import io
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from fruits.backbones import weights
from moto import mock_aws
from packaging.tags import cpython_tags
from packaging.utils import parse_wheel_filename

from ops.core.console import Console
from ops.job import wheelhouse as module
from ops.job.wheelhouse import (
    LOCK,
    SUMS,
    FolderStore,
    S3Store,
    Wheelhouse,
    WheelhouseError,
    build_wheelhouse,
    check_wheels,
    hash_lock,
    list_platforms,
    open_store,
    parse_lock,
    read_pin,
    sync,
)
from tests.typed import as_typed

pytestmark = pytest.mark.costly
ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "bootstrap"
TinyWheelhouse = Callable[..., Wheelhouse]


def quiet() -> Console:
    return Console(file=io.StringIO())


class Index:
    """A package index in a folder, and a lock of what is in it."""

    def __init__(self, tmp_path: Path, make_wheel: Callable[..., Path], lock_wheels: Callable[[Path], str]) -> None:
        self.wheels, self.locks, self.root = tmp_path / "index", tmp_path / "locks", tmp_path / "build"
        self.wheels.mkdir()
        self.locks.mkdir()
        self._make, self._lock = make_wheel, lock_wheels

    def offer(self, name: str, version: str = "1.0") -> Path:
        return self._make(self.wheels, name, version, {f"{name}/__init__.py": f"# {name} {version}"})

    def lock(self) -> None:
        self._lock(self.wheels)
        (self.wheels / LOCK).rename(self.locks / "requirements-x86_64.txt")

    def build(self) -> Wheelhouse:
        return build_wheelhouse("x86_64", root=self.root, locks=self.locks)

    def is_the_only_one(self, patch: pytest.MonkeyPatch) -> None:
        """pip sees this index and no other."""
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(self.wheels))
        for name in ("Fruit.Salad", "tensor_flow", "uv"):
            self.offer(name.replace(".", "_"))
        self.lock()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheel_tools: tuple[Any, Any]) -> Index:
    made = Index(tmp_path, *wheel_tools)
    made.is_the_only_one(monkeypatch)
    return made


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory, wheel_tools: tuple[Any, Any]) -> Wheelhouse:
    with pytest.MonkeyPatch.context() as patch:
        made = Index(tmp_path_factory.mktemp("once"), *wheel_tools)
        made.is_the_only_one(patch)
        return made.build()


@pytest.fixture
def built(index: Index, built_once: Wheelhouse) -> Wheelhouse:
    """What `index.build()` makes, which takes pip a second; copied, for tests of what comes after."""
    folder = index.root / built_once.key
    shutil.copytree(built_once.folder, folder)
    return check_wheels(folder, (index.locks / "requirements-x86_64.txt").read_bytes())


@pytest.fixture
def quick_download(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it does not matter how the wheels come: the index's are copied, which takes pip a second or two."""

    def copy(lock: Path, machine: str, folder: Path, advance: Callable[[int], None]) -> None:
        wanted = parse_lock(lock.read_text())
        for wheel in index.wheels.glob("*.whl"):
            if read_pin(wheel.name) in wanted:
                shutil.copy(wheel, folder)

    monkeypatch.setattr(module, "_download", copy)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_wheelhouse_holds_the_wheels_the_lock_and_the_sums(index: Index, built_once: Wheelhouse) -> None:
    made = index.build()
    lock = (index.locks / "requirements-x86_64.txt").read_bytes()
    assert made.folder == index.root / hash_lock(lock)
    names = {path.name for path in index.wheels.iterdir()}
    assert {path.name for path in made.folder.iterdir()} == names | {LOCK, SUMS}
    assert (made.folder / LOCK).read_bytes() == lock
    subprocess.run(["sha256sum", "--strict", "--quiet", "--check", SUMS], cwd=made.folder, check=True)
    assert weights.parse_sums((made.folder / SUMS).read_text()) == made.sums
    assert files(made.folder) == files(built_once.folder)  # made elsewhere, it is the same to the byte


def test_one_that_is_there_is_checked_and_kept_without_the_index(index: Index, built: Wheelhouse) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.folder.iterdir()}
    shutil.rmtree(index.wheels)
    assert index.build() == built
    assert {path: path.stat().st_mtime_ns for path in built.folder.iterdir()} == before


@pytest.mark.usefixtures("quick_download")
@pytest.mark.parametrize("harm", ["damage", "remove", "sums"])
def test_one_that_was_harmed_is_made_again(index: Index, built: Wheelhouse, harm: str) -> None:
    right = files(built.folder)
    wheel = next(built.folder.glob("uv-*.whl"))
    if harm == "damage":
        wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")
    elif harm == "remove":
        wheel.unlink()
    else:
        (built.folder / SUMS).write_text("")
    assert files(index.build().folder) == right


@pytest.mark.usefixtures("quick_download")
def test_another_lock_gets_another_place_and_the_old_one_stays(index: Index, built: Wheelhouse) -> None:
    index.offer("newcomer")
    index.lock()
    new = index.build()
    assert new.key != built.key
    assert check_wheels(built.folder, (built.folder / LOCK).read_bytes()).key == built.key


def test_a_file_that_the_index_exchanged_is_refused(index: Index) -> None:
    wheel = next(index.wheels.glob("uv-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(WheelhouseError, match=r"The wheels of requirements-x86_64\.txt could not be downloaded \(pip"):
        index.build()
    assert [path.name for path in index.root.iterdir() if not path.name.startswith(".")] == []


def test_a_wheel_that_the_index_lacks_is_refused_and_the_next_run_goes_on(index: Index) -> None:
    wheel = next(index.wheels.glob("uv-*.whl"))
    hidden = wheel.rename(wheel.with_suffix(".gone"))
    with pytest.raises(WheelhouseError, match=r"No matching distribution found for uv==1\.0"):
        index.build()
    hidden.rename(wheel)
    assert wheel.name in index.build().sums


@pytest.mark.parametrize(
    ("arch", "sentence"),
    [
        ("sparc", "ARCH=sparc is not known. Fix: choose from x86_64, aarch64, arm64."),
        ("arm64", "requirements-aarch64.txt is missing. Fix: run `make lock`."),
    ],
)
def test_an_architecture_without_a_lock_is_refused(index: Index, arch: str, sentence: str) -> None:
    with pytest.raises(WheelhouseError, match=re.escape(sentence)):
        build_wheelhouse(arch, root=index.root, locks=index.locks)


def test_check_says_what_is_wrong(index: Index, built: Wheelhouse) -> None:
    lock = (built.folder / LOCK).read_bytes()
    with pytest.raises(WheelhouseError, match="The lock names no package"):
        check_wheels(built.folder, b"")
    stranger = index._make(built.folder, "stranger", "1", {})
    with pytest.raises(WheelhouseError, match=r"stranger-1-py3-none-any\.whl is not one of the files"):
        check_wheels(built.folder, lock)
    stranger.rename(built.folder / "notes.whl")
    with pytest.raises(WheelhouseError, match=r"notes\.whl is not one of the files"):
        check_wheels(built.folder, lock)
    (built.folder / "notes.whl").unlink()
    next(built.folder.glob("uv-*.whl")).unlink()
    with pytest.raises(WheelhouseError, match=r"lacks 1 of 3 wheels \(such as uv==1\.0\)"):
        check_wheels(built.folder, lock)


# --- the bucket -------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
        yield client


def keys(client: Any) -> set[str]:
    return {item["Key"] for item in client.list_objects_v2(Bucket="artifacts").get("Contents", ())}


URI = "s3://artifacts/wheelhouse"


def test_uploads_every_file_once(built: Wheelhouse, bucket: Any) -> None:
    first = sync(built, f"{URI}/", console=quiet())
    assert first == module.Synced(f"{URI}/{built.key}/", uploaded=5, copied=0, kept=0)
    assert keys(bucket) == {f"wheelhouse/{built.key}/{path.name}" for path in built.folder.iterdir()}
    for path in built.folder.iterdir():
        there = bucket.get_object(Bucket="artifacts", Key=f"wheelhouse/{built.key}/{path.name}")["Body"].read()
        assert there == path.read_bytes()
    assert sync(built, URI, console=quiet()) == module.Synced(f"{URI}/{built.key}/", uploaded=0, copied=0, kept=5)


@pytest.mark.usefixtures("quick_download")
def test_a_new_lock_uploads_only_the_wheels_that_are_new(index: Index, bucket: Any) -> None:
    large = {"large/__init__.py": "#" * 9_000_000}  # S3 copies it in parts
    index._make(index.wheels, "large", "1.0", large)
    index.lock()
    sync(index.build(), URI, console=quiet())
    next(index.wheels.glob("uv-*.whl")).unlink()
    index.offer("uv", "2.0")
    index.lock()
    made = index.build()
    synced = sync(made, URI, console=quiet())
    assert (synced.uploaded, synced.copied, synced.kept) == (3, 3, 0)  # uv, the lock and the sums
    for copied in (name for name in made.sums if name.startswith(("tensor_flow", "large"))):
        there = bucket.get_object(Bucket="artifacts", Key=f"wheelhouse/{made.key}/{copied}")
        assert there["Body"].read() == (made.folder / copied).read_bytes()
        assert there["Metadata"]["sha256"] == made.sums[copied]
    assert sync(made, URI, console=quiet()).kept == 6


def test_what_was_exchanged_in_the_bucket_is_uploaded_again(built: Wheelhouse, bucket: Any) -> None:
    sync(built, URI, console=quiet())
    name = next(name for name in built.sums if name.startswith("uv-"))
    data = (built.folder / name).read_bytes()
    bucket.put_object(Bucket="artifacts", Key=f"wheelhouse/{built.key}/{name}", Body=bytes(len(data)))
    synced = sync(built, URI, console=quiet())
    assert (synced.uploaded, synced.kept) == (1, 4)
    assert bucket.get_object(Bucket="artifacts", Key=f"wheelhouse/{built.key}/{name}")["Body"].read() == data


def test_the_sums_come_last_so_that_half_an_upload_is_none(built: Wheelhouse, bucket: Any) -> None:

    class Breaking(S3Store):
        left = 4

        def put(self, key: str, path: Path, digest: str) -> None:
            self.left -= 1
            if self.left < 0:
                raise ConnectionError
            super().put(key, path, digest)

    with pytest.raises(ConnectionError):
        sync(built, URI, store=Breaking(bucket, "artifacts", "wheelhouse"), console=quiet())
    assert f"wheelhouse/{built.key}/{SUMS}" not in keys(bucket)
    assert len(keys(bucket)) == 4
    assert sync(built, URI, console=quiet()).uploaded == 1


def test_a_folder_takes_the_place_of_a_bucket(built: Wheelhouse, tmp_path: Path) -> None:
    target = tmp_path / "shared disk"
    assert sync(built, str(target), console=quiet()).uploaded == 5
    assert files(target / built.key) == files(built.folder)
    assert sync(built, target.as_uri(), console=quiet()).kept == 5


def test_a_bucket_that_refuses_is_one_sentence(built: Wheelhouse, bucket: Any) -> None:
    with pytest.raises(WheelhouseError, match=r"could not be brought to s3://nobodys/w \(.*NoSuchBucket.*check the"):
        sync(built, "s3://nobodys/w", console=quiet())


def test_refuses_a_uri_that_names_no_place() -> None:
    with pytest.raises(WheelhouseError, match=re.escape("s3:///x names no bucket. Fix: give s3://bucket/prefix.")):
        open_store("s3:///x")
    with pytest.raises(WheelhouseError, match=re.escape("gs://b is neither s3://bucket/prefix nor a folder.")):
        open_store("gs://b")
    assert isinstance(open_store("some/folder"), FolderStore)


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_ends_with_the_uri_and_refuses_in_one_sentence(real_wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    def command(**variables: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in ("ARCH", "TO")}
        return subprocess.run(
            [sys.executable, "-m", "ops.cli", "wheelhouse"],
            env=environment | as_typed(variables),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    done = command(ARCH=platform.machine())
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"build/wheelhouse/{real_wheelhouse.key}/\n"
    assert f"{len(real_wheelhouse.sums) - 1} wheels" in done.stderr
    refused = command(ARCH="riscv64")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("wheelhouse: ARCH=riscv64 is not known. Fix: choose from")


# --- the locks --------------------------------------------------------------------------------------------


def node_tags(arch: str) -> set[str]:
    """The tags that CPython 3.11 takes on Amazon Linux 2023, as pip's own library lists them."""
    manylinux = [f"manylinux_2_{minor}_{arch}" for minor in range(5, 35)]
    manylinux += [f"{name}_{arch}" for name in ("manylinux1", "manylinux2010", "manylinux2014")]
    native = {str(tag) for tag in cpython_tags((3, 11), ["cp311"], manylinux)}
    pure = {f"{python}-none-{place}" for python in ("py3", "py2", "py311", "cp311") for place in ["any", *manylinux]}
    return native | pure


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_the_lock_pins_what_the_common_list_pins(arch: str) -> None:
    pins = parse_lock((LOCKS / f"requirements-{arch}.txt").read_text())
    assert all(pins.values()), "every pin has a hash"
    names = {pin.partition("==")[0] for pin in pins}
    wanted = set()
    for line in [*(LOCKS / "requirements.in").read_text().splitlines(), "uv==" + uv_version()]:
        requirement, _, marker = line.partition(";")
        if not requirement.strip() or requirement.startswith("#"):
            continue
        marker = marker.replace("platform_machine", repr(arch)).replace("sys_platform", "'linux'")
        if not marker or eval(marker):
            wanted.add(requirement.strip())
    assert wanted <= set(pins)
    assert not [name for name in names if name.startswith(("torch", "nvidia", "pyspark"))]
    assert ("tensorflow-cpu" in names) == (arch == "x86_64")


def uv_version() -> str:
    match = re.search(r"^uv==(\S+)$", (ROOT / "requirements-uv.in").read_text(), re.MULTILINE)
    assert match
    return match[1]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_every_locked_package_has_a_wheel_that_the_node_takes(arch: str, tmp_path: Path) -> None:
    """Resolved against the package index; nothing is downloaded but names and hashes."""
    lock = LOCKS / f"requirements-{arch}.txt"
    uv = Path(sys.executable).parent / "uv"
    done = subprocess.run(
        [
            *(uv if uv.exists() else shutil.which("uv") or "uv", "pip", "compile", "--quiet", "--no-header"),
            *("--format", "pylock.toml", "--python-version", "3.11", "--only-binary", ":all:"),
            *("--python-platform", f"{arch}-manylinux_2_34", lock, "-o", tmp_path / "pylock.toml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and re.search(r"error sending request|dns error|[Ff]ailed to (fetch|lookup)", done.stderr):
        pytest.skip("the package index cannot be reached, so the locks cannot be resolved")
    assert done.returncode == 0, done.stderr
    hashes = parse_lock(lock.read_text())
    tags = node_tags(arch)
    packages = tomllib.loads((tmp_path / "pylock.toml").read_text())["packages"]
    assert {f"{package['name']}=={package['version']}" for package in packages} == set(hashes)
    for package in packages:
        allowed = hashes[f"{package['name']}=={package['version']}"]
        fitting = [
            wheel
            for wheel in package["wheels"]
            if wheel["hashes"]["sha256"] in allowed
            and {str(tag) for tag in parse_wheel_filename(urlsplit(wheel["url"]).path.rsplit("/", 1)[-1])[3]} & tags
        ]
        assert fitting, f"{package['name']} has no locked wheel for {arch}"


def test_the_real_wheels_are_the_nodes(real_wheelhouse: Wheelhouse) -> None:
    tags = node_tags(platform.machine())
    names = real_wheelhouse.sums.keys() - {LOCK}
    assert names
    for name in names:
        assert {str(tag) for tag in parse_wheel_filename(name)[3]} & tags, name


def test_platforms_end_at_the_nodes_c_library() -> None:
    tags = list_platforms("aarch64")
    assert tags[0] == "manylinux_2_34_aarch64"
    assert "manylinux_2_35_aarch64" not in tags
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "manylinux_2_5_aarch64"} <= set(tags)


def test_names_are_compared_as_locks_write_them() -> None:
    assert read_pin("Fruit_Salad.x-1.2-cp311-cp311-manylinux_2_28_x86_64.whl") == "fruit-salad-x==1.2"
    assert read_pin("openvino-2026.4.1-22982-cp311-cp311-manylinux_2_28_x86_64.whl") == "openvino==2026.4.1"
    text = f"a==1 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{'1' * 64}\n    # via b\nb==2\n"
    assert parse_lock(text) == {"a==1": {"0" * 64, "1" * 64}, "b==2": set()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_index_that_cannot_be_reached_is_one_sentence(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{free_port()}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(WheelhouseError, match="check that the package index is reachable and run the same command"):
        index.build()
