"""An archive of the classes that Spark loads, for the JVM of this machine's runs (class-data sharing, JEP 350).

A JVM spends about half of a short Spark run on reading and verifying the same ten thousand classes. With an archive it
maps them instead. It is made once, by `make setup`, from a run over a few drawn images, and lies in the virtual
environment. A JVM that finds it unfit (another Java, other jars) goes on without it.
"""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

QUIET = "-Xlog:disable -Xlog:all=error:stderr"
"""Each class that cannot be archived would be a warning, and so would an archive that does not fit."""


def path_for(home: Path) -> Path:
    """Where the archive for a Java runtime and this environment's Spark lies.

    Parameters
    ----------
    home : of the Java runtime; its ``release`` file and place tell it from others
    """
    release = home / "release"
    named = [str(home), release.read_text() if release.exists() else "", version("pyspark"), sys.prefix]
    return Path(sys.prefix) / f"spark-classes-{hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]}.jsa"


def option(home: Path) -> str:
    """The JVM options that use the archive; empty where there is none."""
    archive = path_for(home)
    return f'"-XX:SharedArchiveFile={archive}" {QUIET}' if archive.exists() else ""
