"""Makes the archive of Spark's classes, once, by running the job over a few drawn images."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fruits.request import Request

from localaws.java import find_java_home
from ops.core.programs import inherited_environment
from ops.job.class_archive import QUIET, path_for
from ops.job.local_spark import MODELS, make_command, make_spark_environment
from ops.job.package import write_job_zip
from sample.draw import draw_sample

IMAGES = 8


def _base_archive(home: Path) -> None:
    """A runtime of reduced size comes without the archive of Java's own classes, on which ours is built."""
    if not (home / "lib" / "server" / "classes.jsa").exists():
        subprocess.run([home / "bin" / "java", "-Xshare:dump"], capture_output=True, check=False)


def make(home: Path) -> str | None:
    """Let the JVM archive its classes at the end of a run over a few drawn images; why it did not, or None."""
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
        submit = make_command(
            write_job_zip(place / "jobs"),
            place / "request.json",
            "local[1]",
            scratch,
            archive=f'"-XX:ArchiveClassesAtExit={made}" {QUIET}',
        )
        answer = subprocess.run(
            submit,
            env=make_spark_environment(inherited_environment()),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if answer.returncode or not made.exists():
        made.unlink(missing_ok=True)
        last = (answer.stderr.strip().splitlines() or ["it made no file"])[-1]
        return f"exit code {answer.returncode}: {last}"
    made.replace(archive)
    return None


def main() -> int:
    """Entry point. A missing archive costs seconds per run and no result, so it is said and is no failure."""
    home = find_java_home()
    why = make(home) if home else "no Java 17 was found"
    if why:
        print(
            f"Spark's classes could not be archived ({why}); each run takes some seconds longer to start",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
