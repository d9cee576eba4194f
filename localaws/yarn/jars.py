"""The daemons' jars: which are pinned, whether they are all there and the right ones, and how Ivy fetches them."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from localaws.downloads import run_download
from localaws.yarn.errors import JarsError, JarsMissingError, WrongJarError

PINS = Path(__file__).resolve().parents[2] / "requirements-yarn.txt"
IVY = "org.apache.ivy.Main"
# From PySpark's folder, one by one: with the whole folder on the class path its web proxy hides the daemons' own.
SPARK_JARS = (
    "slf4j-api-*.jar",
    "jcl-over-slf4j-*.jar",
    "log4j-api-2*.jar",
    "log4j-core-2*.jar",
    "log4j-slf4j2-impl-*.jar",
    "log4j-1.2-api-*.jar",
    "jsr305-*.jar",
)


@dataclass(frozen=True)
class Pin:
    """One jar: Maven's coordinates, size in bytes, SHA-256 in hexadecimal."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.artifact}-{self.version}.jar"


def read_pins(text: str) -> list[Pin]:
    """The jars that a requirements file names, in its order, which is that of the class path.

    >>> read_pins("# why\\ncom.example:pear:1.0 12 0abc\\n")[0].name
    'pear-1.0.jar'
    """
    rows = re.findall(r"^([\w.-]+):([\w.-]+):([\w.-]+) (\d+) ([0-9a-f]+)$", text, re.MULTILINE)
    return [Pin(group, artifact, version, int(size), sha256) for group, artifact, version, size, sha256 in rows]


def read_own_pins() -> list[Pin]:
    """What requirements-yarn.txt pins."""
    return read_pins(PINS.read_text())


def count_megabytes(pins: Iterable[Pin]) -> int:
    """The sum of the jars' sizes, in megabytes.

    >>> count_megabytes([Pin("g", "a", "1", 3_400_000, ""), Pin("g", "b", "1", 600_000, "")])
    4
    """
    return round(sum(pin.size for pin in pins) / 1e6)


def verify_jars(folder: Path, pins: list[Pin]) -> list[Path]:
    """The jars in a folder, all of them and byte for byte those that are pinned.

    Raises
    ------
    JarsMissingError, WrongJarError
    """
    missing = [pin.name for pin in pins if not (folder / pin.name).is_file()]
    if missing:
        raise JarsMissingError(folder, missing, count_megabytes(pins))
    for pin in pins:
        with (folder / pin.name).open("rb") as jar:
            digest = hashlib.file_digest(jar, "sha256").hexdigest()
        if digest != pin.sha256:
            raise WrongJarError(folder / pin.name, pin.sha256, digest)
    return [folder / pin.name for pin in pins]


def build_classpath(jars: Iterable[Path], spark_jars: Path) -> list[Path]:
    """The daemons' class path: the pinned jars, then the few of PySpark's that they need."""
    return [*jars, *(next(iter(sorted(spark_jars.glob(pattern)))) for pattern in SPARK_JARS)]


def write_ivy_module(pins: Iterable[Pin]) -> str:
    """An Ivy module that depends on the jars only, not on their own dependencies."""
    rows = "".join(
        f'    <dependency org="{pin.group}" name="{pin.artifact}" rev="{pin.version}" transitive="false">'
        f'<artifact name="{pin.artifact}" type="jar" ext="jar"/></dependency>\n'
        for pin in pins
    )
    return (
        '<ivy-module version="2.0">\n  <info organisation="local" module="yarn"/>\n'
        '  <configurations><conf name="default"/></configurations>\n'
        f'  <dependencies defaultconf="default->master">\n{rows}  </dependencies>\n</ivy-module>\n'
    )


def fetch_jars(
    folder: Path,
    pins: list[Pin],
    *,
    java: Path,
    spark_jars: Path,
    settings: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Fetch the jars by Spark's own Ivy; they are in the folder only once all of them are verified.

    Parameters
    ----------
    java : Java's program
    spark_jars : PySpark's folder of jars
    settings : Ivy's own settings file, which may name a mirror; Ivy's defaults otherwise
    advance : called with the number of bytes that have arrived since the last call

    Raises
    ------
    JarsError, WrongJarError
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".yarn-jars-", dir=folder.parent) as name:
        scratch = Path(name)
        (scratch / "ivy.xml").write_text(write_ivy_module(pins))
        # with -error only dots are left on stdout
        command = [str(java), f"-Divy.default.ivy.user.dir={scratch / 'ivy'}", "-cp", f"{spark_jars}/*", IVY, "-error"]
        command += ["-settings", str(settings)] if settings else []
        command += ["-ivy", str(scratch / "ivy.xml"), "-cache", str(scratch / "cache"), "-confs", "default"]
        command += ["-retrieve", f"{scratch}/jars/[artifact]-[revision].[ext]"]
        with (scratch / "output").open("w") as output:
            run_download(command, [scratch / "cache"], ".jar", advance, stdout=output, stderr=output)
        try:
            verify_jars(scratch / "jars", pins)
        except JarsMissingError as error:
            printed = (scratch / "output").read_text(errors="replace").strip(" .\n")
            raise JarsError("\n".join(printed.splitlines()[-12:]) or str(error)) from None
        folder.mkdir(exist_ok=True)
        for pin in pins:
            shutil.move(scratch / "jars" / pin.name, folder / pin.name)
