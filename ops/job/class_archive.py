"""An archive of the classes that Spark loads, for the JVM of this machine's runs (class-data sharing, JEP 350).

A JVM spends about half of a short Spark run on reading and verifying the same ten thousand classes. With an archive it
maps them instead. It is made once, by `make setup`, from a run over a few drawn images, and lies in the virtual
environment. A JVM that finds it unfit (another Java, other jars) goes on without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from fruits.request import Request

from localaws.java import find_java_home

IMAGES = 8
QUIET = "-Xlog:disable -Xlog:all=error:stderr"
"""Each class that cannot be archived would be a warning, and so would an archive that does not fit."""


def path_for(home: Path) -> Path:
    """Where the archive for a Java runtime and this environment's Spark lies.

    Parameters
    ----------
    home : Path
        Of the Java runtime. Its ``release`` file and place tell it from others.
    """
    release = home / "release"
    named = [str(home), release.read_text() if release.exists() else "", version("pyspark"), sys.prefix]
    return Path(sys.prefix) / f"spark-classes-{hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]}.jsa"


def option(home: Path) -> str:
    """The JVM options that use the archive; empty where there is none."""
    archive = path_for(home)
    return f'"-XX:SharedArchiveFile={archive}" {QUIET}' if archive.exists() else ""


def _base_archive(home: Path) -> None:
    """A runtime of reduced size comes without the archive of Java's own classes, on which ours is built."""
    if not (home / "lib" / "server" / "classes.jsa").exists():
        subprocess.run([home / "bin" / "java", "-Xshare:dump"], capture_output=True, check=False)


def make(home: Path) -> str | None:
    """Run the job over a few drawn images and let the JVM archive its classes when it ends.

    Returns
    -------
    str or None
        Why there is no archive; None when there is one.
    """
    from ops.job.local_spark import MODELS, command, spark_environment
    from ops.job.package import write_job_zip
    from sample.draw import draw_sample

    archive = path_for(home)
    if archive.exists():
        return None
    _base_archive(home)
    with tempfile.TemporaryDirectory(prefix="fruits-") as scratch:
        place = Path(scratch)
        draw_sample(place / "images")
        images, output = str(place / "images"), str(place / "output")
        request = Request(input=images, output=output, limit=IMAGES, k=2, networks=str(MODELS))
        (place / "request.json").write_text(json.dumps(request.as_json()))
        made = archive.with_name(f"{archive.name}.{os.getpid()}")
        submit = command(
            write_job_zip(place / "jobs"),
            place / "request.json",
            "local[1]",
            scratch,
            archive=f'"-XX:ArchiveClassesAtExit={made}" {QUIET}',
        )
        answer = subprocess.run(
            submit, env=spark_environment(os.environ), capture_output=True, text=True, errors="replace", check=False
        )
    if answer.returncode or not made.exists():
        with contextlib.suppress(FileNotFoundError):
            made.unlink()
        last = (answer.stderr.strip().splitlines() or ["it made no file"])[-1]
        return f"exit code {answer.returncode}: {last}"
    made.replace(archive)
    return None


def main() -> int:
    """Entry point. A missing archive costs seconds a run and no result, so it is said and is no failure."""
    home = find_java_home()
    why = make(home) if home else "no Java 17 was found"
    if why:
        print(f"Spark's classes could not be archived ({why}); runs start some seconds later", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
