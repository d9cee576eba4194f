"""The daemons' jars: pinned, verified, and fetched by the Ivy that is in PySpark, from a mirror of the tests' own."""

from __future__ import annotations

import functools
import hashlib
import http.server
import platform
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyspark
import pytest

from localaws.java import find_java_home
from localaws.yarn import jars, machine
from localaws.yarn.errors import JarsError, JarsMissingError, WrongJarError, YarnError
from localaws.yarn.jars import Pin
from ops.cli import embedded
from tests.conftest import SHARED

SPARKS = Path(pyspark.__file__).parent / "jars"
needs_java = pytest.mark.skipif(find_java_home() is None, reason="needs Java 17")


def make_jar(folder: Path, artifact: str, version: str = "1.0", group: str = "com.example") -> Pin:
    """A small jar, and its pin."""
    path = folder / f"{artifact}-{version}.jar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("note.txt", artifact * 100)
    data = path.read_bytes()
    return Pin(group, artifact, version, len(data), hashlib.sha256(data).hexdigest())


def test_the_pins_are_the_jars_that_ran() -> None:
    """Each is of the size and hash that was tried; no registry is named."""
    pins = jars.read_own_pins()
    assert {pin.artifact for pin in pins} >= {"hadoop-client-api", "hadoop-client-minicluster", "bcpkix-jdk18on"}
    assert {pin.version for pin in pins if pin.group == "org.apache.hadoop"} == {"3.4.2"}
    assert all(len(pin.sha256) == 64 for pin in pins)
    assert "://" not in jars.PINS.read_text()
    kept = SHARED / "yarn" / "jars"
    if kept.is_dir():
        assert [path.name for path in jars.verify_jars(kept, pins)] == [pin.name for pin in pins]


def test_jars_that_are_missing_or_wrong_are_told_by_name(tmp_path: Path) -> None:
    pins = [make_jar(tmp_path, "pear"), make_jar(tmp_path, "plum")]
    assert jars.verify_jars(tmp_path, pins) == [tmp_path / "pear-1.0.jar", tmp_path / "plum-1.0.jar"]
    with (tmp_path / "plum-1.0.jar").open("ab") as jar:
        jar.write(b"!")
    with pytest.raises(
        WrongJarError, match=r"plum-1\.0\.jar is not the file .* Fix: delete it, then make yarn-jars\.$"
    ):
        jars.verify_jars(tmp_path, pins)
    (tmp_path / "pear-1.0.jar").unlink()
    with pytest.raises(JarsMissingError) as missing:
        jars.verify_jars(tmp_path, pins)
    assert missing.value.exit_code == 2
    assert "(missing: pear-1.0.jar). Fix: make yarn-jars fetches them" in str(missing.value)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A web server in Maven's layout: the folder behind it, and Ivy's settings that name it."""
    root = tmp_path / "mirror"
    root.mkdir()
    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = tmp_path / "settings.xml"
        settings.write_text(
            '<ivysettings><settings defaultResolver="mirror"/><resolvers><ibiblio name="mirror" m2compatible="true" '
            f'root="http://127.0.0.1:{server.server_address[1]}/"/></resolvers></ivysettings>'
        )
        yield root, settings
        server.shutdown()


def place(root: Path, pin: Pin, *, depends_on: Pin | None = None) -> None:
    """Put a jar into the mirror, with a description that asks for more."""
    folder = root / pin.group.replace(".", "/") / pin.artifact / pin.version
    make_jar(folder, pin.artifact, pin.version)
    more = (
        f"<dependencies><dependency><groupId>{depends_on.group}</groupId><artifactId>{depends_on.artifact}</artifactId>"
        f"<version>{depends_on.version}</version></dependency></dependencies>"
        if depends_on
        else ""
    )
    (folder / f"{pin.artifact}-{pin.version}.pom").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        f"<groupId>{pin.group}</groupId><artifactId>{pin.artifact}</artifactId><version>{pin.version}</version>"
        f"<packaging>{'bundle' if depends_on else 'jar'}</packaging>{more}</project>"
    )


def fetch(folder: Path, pins: list[Pin], settings: Path, told: list[int]) -> None:
    home = find_java_home()
    assert home is not None
    java = home / "bin" / "java"
    jars.fetch_jars(folder, pins, java=java, spark_jars=SPARKS, settings=settings, advance=told.append)


@pytest.mark.costly
@needs_java
def test_one_command_fetches_the_pinned_jars_and_no_others(mirror: tuple[Path, Path], tmp_path: Path) -> None:
    root, settings = mirror
    pins = [make_jar(tmp_path / "made", name) for name in ("pear", "plum")]
    stone = make_jar(tmp_path / "made", "stone")
    place(root, pins[0], depends_on=stone)
    place(root, pins[1])
    place(root, stone)
    target, told = tmp_path / "build" / "jars", list[int]()
    fetch(target, pins, settings, told)
    assert sorted(path.name for path in target.iterdir()) == ["pear-1.0.jar", "plum-1.0.jar"]
    assert sum(told) == sum(pin.size for pin in pins)
    assert [path.name for path in target.parent.iterdir()] == ["jars"], "nothing else is left"

    other = Pin("com.example", "plum", "1.0", pins[1].size, "0" * 64)
    with pytest.raises(WrongJarError):
        fetch(tmp_path / "build" / "other", [other], settings, told)
    assert not (tmp_path / "build" / "other").exists(), "an unverified jar is not put there"
    with pytest.raises(JarsError, match=r"(?s)Ivy said:.*quince.*Fix: .*IVY_SETTINGS=file$"):
        fetch(tmp_path / "build" / "other", [Pin("com.example", "quince", "2.0", 1, "0" * 64)], settings, told)


@pytest.mark.costly
@needs_java
def test_the_command_fetches_and_the_demo_says_it(
    mirror: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, settings = mirror
    pin = make_jar(tmp_path / "made", "pear")
    place(root, pin)
    pins = tmp_path / "pins.txt"
    pins.write_text(f"# a pear\n{pin.group}:{pin.artifact}:{pin.version} {pin.size} {pin.sha256}\n")
    target = tmp_path / "jars"
    monkeypatch.setattr(jars, "PINS", pins)
    monkeypatch.setenv("LOCALAWS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALAWS_YARN_JARS", str(target))

    assert embedded.start({"YARN": "1"}) == 2, "never a silent fall-back"
    assert f"YARN's jars are not in {target} (missing: pear-1.0.jar). Fix: make yarn-jars" in capsys.readouterr().err
    assert embedded.yarn_jars({"IVY_SETTINGS": str(settings)}) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"YARN's 1 jars are in {target}, verified; make demo YARN=1 uses them"
    )
    assert embedded.yarn_jars({}) == 0
    assert capsys.readouterr().out == f"YARN's jars are already in {target}, verified\n"


@pytest.mark.parametrize(
    ("what", "value", "sentence"),
    [
        ("platform.system", lambda: "Darwin", r"^YARN=1 needs Linux, and this is Darwin: .* Fix: use a Linux machine"),
        ("machine.find_java_home", lambda: None, r"^YARN needs Java 17 .* Fix: make setup installs one"),
        ("psutil.users", lambda: [Someone("anna")], r"^other people are logged in on this machine \(anna\)\. .*Fix: "),
        (
            "psutil.virtual_memory",
            lambda: Memory(1 << 30),
            r"needs 4,500 MB of memory, and 1,024 MB are",
        ),
    ],
)
def test_a_machine_that_cannot_run_yarn_says_why(
    what: str, value: Any, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "read_own_pins", lambda: [make_jar(tmp_path, "pear")])
    owner, _, name = what.partition(".")
    monkeypatch.setattr({"machine": machine, "platform": platform, "psutil": psutil}[owner], name, value)
    with pytest.raises(YarnError, match=sentence) as refused:
        machine.check_machine(tmp_path)
    assert refused.value.exit_code == 2


@dataclass
class Someone:
    name: str


@dataclass
class Memory:
    available: int
