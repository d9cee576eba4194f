"""`make accidents`: what a run survives, tried anew and counted. `ONLY=kill` tries one row of the table.

Every accident happens to a real `make run-local` over drawn photographs. Survived means: that run or the next one ends
well, its features are those of an undisturbed run bit by bit, no row stands twice, and nothing is left over. About
fifteen minutes on two cores; `make check` runs it.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq

from sample.draw import draw_sample
from tests.processes import find_below, is_python_worker, kill_family
from tests.typed import as_typed

ROOT = Path(__file__).resolve().parents[1]
INSIDE = "FRUITS_ACCIDENTS_MAY_MOUNT"
EARLY = "run.json is there before the results are"
FILES = (
    "features/part-*.parquet",
    "features/_manifests/*.json",
    "pca/scores/part-*.parquet",
    "pca/scores.csv",
    "pca/model.npz",
    "pca/spectrum.npz",
    "pca/spark/data/*.parquet",
    "report.html",
    "run.json",
    "_run/progress.json",
    "_model/*.pb",
    "_model/recipe-*.json",
)


@dataclass
class Row:
    """One row of the table."""

    what: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)
    skipped: str = ""

    def count(self, point: str, problems: list[str]) -> None:
        self.tried += 1
        self.lost += [f"{point}: {problem}" for problem in problems]
        print(f"  {self.what}, {point}: {'; '.join(problems) or 'survived'}", file=sys.stderr, flush=True)

    def __str__(self) -> str:
        survived = self.tried - len({problem.partition(":")[0] for problem in self.lost})
        return f"| {self.what} | {self.tried} | {survived} | {'; '.join(self.lost) or self.skipped or 'nothing lost'} |"


class Job:
    """One `make run-local`, in a process group of its own."""

    def __init__(self, images: Path, output: Path) -> None:
        self.output = output
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
        variables = {"INPUT": str(images), "OUTPUT": str(output), "K": "3"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli", "run-local"],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": "jobs", **as_typed(variables)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self) -> tuple[int, str]:
        printed, _ = self.process.communicate(timeout=600)
        return self.process.returncode, printed

    def reaches(self, point: Callable[[], bool]) -> bool:
        """Wait for a point; False when the run ended before it was seen."""
        while not point():
            if self.process.poll() is not None:
                return False
            time.sleep(0.005)
        return True

    def kill(self) -> None:
        """All of it, as a power cut would."""
        kill_family(self.process.pid)
        self.process.communicate()


class Trial:
    """Drawn photographs, an undisturbed result, and what must be true after an accident."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"
        draw_sample(self.images, views=15)
        self.undisturbed = folder / "undisturbed"
        code, printed = Job(self.images, self.undisturbed).end()
        assert code == 0, printed
        self.rows = rows_of(self.undisturbed)
        self._outputs = 0

    def output(self) -> Path:
        self._outputs += 1
        return self.folder / f"out-{self._outputs}"

    def start(self, output: Path) -> Job:
        return Job(self.images, output)

    def finish(self, output: Path) -> list[str]:
        """Run it once more; what is wrong then."""
        code, printed = self.start(output).end()
        return [f"the next run ended with {code}: {printed[-600:]}"] if code else self.problems(output)

    def problems(self, output: Path) -> list[str]:
        """What is not as in the undisturbed result, and what should have been cleared away."""
        return self.wrong(output) + leftovers(output)

    def wrong(self, output: Path) -> list[str]:
        """What is not as in the undisturbed result."""
        found = []
        try:
            rows = rows_of(output)
            if rows.keys() != self.rows.keys():
                found.append(f"{len(self.rows.keys() - rows.keys())} rows are missing")
            elif not all(np.array_equal(rows[path], values) for path, values in self.rows.items()):
                found.append("features differ")
            with (output / "pca/scores.csv").open(newline="") as source:
                scores = [row[0] for row in csv.reader(source)][1:]
            if sorted(scores) != sorted(self.rows):
                found.append("scores.csv has other rows")
            if json.loads((output / "run.json").read_text())["images_ok"] != len(self.rows):
                found.append("run.json counts other images")
        except (OSError, ValueError, KeyError) as error:
            found.append(f"{type(error).__name__}: {error}")
        return found


def rows_of(output: Path) -> dict[str, Any]:
    """Every feature row that a reader of the folder sees."""
    rows: dict[str, Any] = {}
    for part in (output / "features").glob("*.parquet"):
        table = pq.read_table(part)
        for path, values in zip(table.column("path").to_pylist(), table.column("features"), strict=True):
            if path in rows:
                raise ValueError(f"{path} stands in features/ twice")
            rows[path] = values.values.to_numpy()
    return rows


def leftovers(output: Path) -> list[str]:
    """What no finished run leaves."""
    there = [path for path in output.rglob("*") if path.is_file()]
    odd = [path for path in there if path.name.startswith((".", "lease-")) or path.name == "error.json"]
    odd += [path for path in there if path.parent.name in ("workers", "todo", "listing", "moments", "stale")]
    return [f"left over: {path.relative_to(output)}" for path in odd]


def phase_is(output: Path, phase: str) -> Callable[[], bool]:
    def reached() -> bool:
        try:
            return bool(json.loads((output / "_run/progress.json").read_text())["phase"] == phase)
        except (OSError, ValueError, KeyError):
            return False

    return reached


def there_is(output: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(output.glob(pattern))


# --- the rows -------------------------------------------------------------------------------------------------


def kill(trial: Trial) -> Iterator[Row]:
    """SIGKILL of the whole tree, and the same command again."""
    row = Row("SIGKILL of everything, run again once")
    rng = random.Random(0)
    early = {
        "while it starts": lambda output: there_is(output, "_run/lease-*"),
        "when the listing is there": lambda output: there_is(output, "_run/listing/*.parquet"),
        "while it featurizes": lambda output: phase_is(output, "featurize"),
        "at the first feature file": lambda output: there_is(output, "features/part-*.parquet"),
        "at the first manifest": lambda output: there_is(output, "features/_manifests/*.json"),
    }
    for point, reached in early.items():
        output = trial.output()
        job = trial.start(output)
        if job.reaches(reached(output)):
            time.sleep(rng.uniform(0, 0.3))
            job.kill()
            row.count(point, trial.finish(output))
    output = trial.output()
    shutil.copytree(trial.undisturbed, output)
    for pattern in ("pca/spectrum.npz", "pca/scores/*.parquet", "pca/spark/data/*", "pca/scores.csv", "report.html"):
        shutil.rmtree(output / "pca", ignore_errors=True)
        for name in ("report.html", "run.json"):
            (output / name).unlink(missing_ok=True)
        job = trial.start(output)
        if job.reaches(there_is(output, pattern)):
            job.kill()
            # after the report it may have come to its end before it was killed: then that end must be right
            ended = (output / "run.json").exists()
            row.count(f"at {pattern}", trial.wrong(output) if ended and pattern == "report.html" else ended * [EARLY])
    row.count("after all of these", trial.finish(output))
    yield row


def worker(trial: Trial) -> Iterator[Row]:
    """SIGKILL of one Python worker, as the kernel's when memory is short: the same run survives."""
    row = Row("SIGKILL of one Python worker")
    for seconds in (0.0, 1.0):
        output = trial.output()
        job = trial.start(output)
        found: list[psutil.Process] = []
        if job.reaches(phase_is(output, "featurize")) and job.reaches(lambda job=job: bool(workers(job))):  # type: ignore[misc]
            time.sleep(seconds)
            found = workers(job)
        for process in found[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        code, printed = job.end()
        if found:
            row.count(
                f"{seconds} s after it began", [f"exit {code}: {printed[-600:]}"] if code else trial.problems(output)
            )
    yield row


def workers(job: Job) -> list[psutil.Process]:
    return find_below(job.process.pid, is_python_worker)


def together(trial: Trial) -> Iterator[Row]:
    """Several runs at one output: one works, the others are refused, whoever is typed again."""
    row = Row("two, three and four runs at one output")
    rng = random.Random(1)
    for number in (2, 3, 4):
        output = trial.output()
        jobs = []
        for _ in range(number):
            jobs.append(trial.start(output))
            time.sleep(rng.uniform(0, 1.5))
        codes = sorted(job.end()[0] for job in jobs)
        expected = [0] + [13] * (number - 1)
        row.count(f"{number} runs", trial.problems(output) if codes == expected else [f"exit codes {codes}"])
    yield row
    row = Row("a second run refused, and typed again, beside one at work")
    output = trial.output()
    first = trial.start(output)
    if first.reaches(there_is(output, "_run/lease-*")):
        tries = [(trial.start(output).end()[0], first.process.poll()) for _ in range(2)]
        code, printed = first.end()
        # on a busy machine the first may have ended when the second try begins, which then finds everything done
        refused = tries[0][0] == 13 and tries[1] in ((13, None), (13, 0), (0, 0))
        problems = [] if refused else [f"exit codes, and the first run's by then: {tries}"]
        row.count("two tries", problems + ([f"exit {code}: {printed[-600:]}"] if code else trial.problems(output)))
    yield row


def damage(trial: Trial) -> Iterator[Row]:
    """Every file of a result damaged, one way after the other."""
    row = Row("every result file damaged, run again")

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(bytes(data))

    ways: dict[str, Callable[[Path], object]] = {
        "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "emptied": lambda path: path.write_bytes(b""),
        "removed": lambda path: path.unlink(),
        "a flipped bit": flip,
    }
    for way, spoil in ways.items():
        output = trial.output()
        shutil.copytree(trial.undisturbed, output)
        for path in [path for pattern in FILES for path in output.glob(pattern)]:
            spoil(path)
        row.count(way, trial.finish(output))
    yield row


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    """A disk in memory at a place."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


NO_DISK = "not tried: this system lets nobody mount a small disk (unshare -rm)"


def heartbeats(trial: Trial) -> Iterator[Row]:
    """What workers say while they work cannot be written: the run is as any other."""
    row = Row("heartbeats that cannot be written")
    if INSIDE not in os.environ:
        row.skipped = NO_DISK
        yield row
        return
    for point, options in {"read-only": "ro", "disk full": "nr_inodes=1"}.items():
        output = trial.output()
        with mounted(output / "_run" / "workers", options):
            code, printed = trial.start(output).end()
            row.count(point, [f"exit {code}: {printed[-600:]}"] if code else trial.problems(output))
    yield row


def full(trial: Trial) -> Iterator[Row]:
    """A disk that is full at some moment, and has room again for the next run."""
    row = Row("disk full, and room again")
    if INSIDE not in os.environ:
        row.skipped = NO_DISK
        yield row
        return

    def size(pattern: str) -> int:
        return sum(path.stat().st_size for path in trial.undisturbed.rglob(pattern) if path.is_file())

    model, features, spectrum = size("*.pb"), size("features/*.parquet"), size("spectrum.npz")
    rooms = {
        "lease": 4096,
        "listing": 8192,
        "network": model // 2,
        "features": model + features // 2,
        "sums": model + features + spectrum // 2,
        "spectrum": model + features + 2 * spectrum + spectrum // 4,
        "report": model + features + spectrum + size("scores*") + size("model.npz") + size("report.html") // 2,
    }
    for point, room in rooms.items():
        disk = trial.output()
        with mounted(disk, f"size={room}"):
            output = disk / "out"
            code, printed = trial.start(output).end()
            text = " ".join(printed.split())
            problems = [] if code == 17 else [f"exit {code}: {printed[-600:]}"]
            problems += (
                [] if "No space left on device" in text and "Fix: free some" in text else [f"says {text[-300:]}"]
            )
            problems += ["run.json is there"] if (output / "run.json").exists() else []
            problems += [p for p in leftovers(output) if "/." in p or ": ." in p]
            subprocess.run(["mount", "-o", "remount,size=500m", str(disk)], check=True)
            row.count(f"{point} ({room / 1e6:.1f} MB)", problems + trial.finish(output))
    yield row


ACCIDENTS = (kill, worker, together, damage, heartbeats, full)


def main(only: str = "") -> int:
    """Print the table; 1 when anything was lost."""
    unshare = shutil.which("unshare")
    if unshare and INSIDE not in os.environ and not subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        command = [unshare, "-rm", sys.executable, "-m", "tests.accidents", *([only] if only else [])]
        os.execve(unshare, command, {**os.environ, INSIDE: "1"})
    rows = []
    with tempfile.TemporaryDirectory(prefix="fruits-accidents-") as folder:
        trial = Trial(Path(folder))
        for accident in ACCIDENTS:
            if only in ("", accident.__name__):
                rows += list(accident(trial))
    print("| what | tried | survived | lost |\n|---|---|---|---|", *rows, sep="\n")
    return int(any(row.lost for row in rows))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(*sys.argv[1:2]))
