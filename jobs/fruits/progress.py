"""The progress of a run: `_run/progress.json`, rewritten every few seconds beside the results.

Each worker reports in a small file (a *heartbeat*); the driver adds them up. No result depends on it, no computation
waits for it, and a run goes on where it cannot be written.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from fruits.errors import StorageError
from fruits.store import Store

LEAST_FOR_A_RATE = 1000
"""Images; with fewer, a rate says more about the start of Python and the network than about the run."""
FOLDER = "_run"
PROGRESS = f"{FOLDER}/progress.json"
ERROR = f"{FOLDER}/error.json"
HEARTBEATS = f"{FOLDER}/workers"
INTERVAL = 2.0

PHASES = ("start", "model", "list", "plan", "featurize", "tidy", "reduce", "check", "report", "done")


def choose_heartbeat_interval(tasks: int) -> float:
    """Seconds between two heartbeats of one task: at most about ten per second on the whole cluster."""
    return max(INTERVAL, tasks / 10)


def read_progress(output: Store) -> dict[str, Any] | None:
    """Read the newest report at an output; None where there is none, or it is being replaced."""
    try:
        report = json.loads(output.read(PROGRESS))
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and "phase" in report else None


class Heartbeat:
    """A worker's report; `beat` does nothing before the interval is over, and then another thread writes."""

    def __init__(self, output: Store, name: str, interval: float) -> None:
        self._output = output
        self._key = f"{HEARTBEATS}/{name}.json"
        self._interval = interval
        self._next = time.monotonic() + interval
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="heartbeat")
        self._writing: Future[None] | None = None

    def beat(self, featurized: int, rejected: int) -> None:
        now = time.monotonic()
        if now < self._next or (self._writing is not None and not self._writing.done()):
            return
        self._next = now + self._interval
        with suppress(RuntimeError):  # no more threads: nothing depends on it
            counts = json.dumps({"done": featurized, "rejected": rejected})
            self._writing = self._pool.submit(self._write, counts.encode())

    def _write(self, data: bytes) -> None:
        with suppress(OSError, StorageError):  # a full disk or a store in trouble shows where it matters
            self._output.write(self._key, data)


class Progress:
    """The driver's report.

    Parameters
    ----------
    output : Store
        The results.
    run_id : str
    interval : float
        Seconds between two writings.
    """

    def __init__(self, output: Store, run_id: str, interval: float = INTERVAL) -> None:
        self._output = output
        self._run_id = run_id
        self._interval = interval
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._started = time.time()
        self._phase = "start"
        self.seconds: dict[str, float] = {}
        self._images: int | None = None
        self._todo = 0
        self._finished: dict[str, tuple[int, int]] = {}
        self._running: set[str] = set()
        self._beats: dict[str, tuple[int, int]] = {}
        self._featurizing_since: float | None = None

    def start(self) -> None:
        """Begin to write; the first writing also proves that the output can be written.

        Raises
        ------
        StorageError
            When it cannot.
        """
        with suppress(OSError, StorageError):  # whatever it is: nothing depends on heartbeats
            self._output.delete_folder(HEARTBEATS)
        self._output.delete(ERROR)
        self._write()
        for work in (self._write, self.add_up):  # thousands of heartbeats take longer to read than a report may wait
            thread = threading.Thread(target=self._repeat, args=(work,), name="progress", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self._stop.wait(self._interval):
            with suppress(Exception):  # the next one may get through
                work()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase; phases of one name add up."""
        with self._lock:
            self._phase = name
        began = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began

    def plan(self, images: int, todo: int) -> None:
        """Note how many images the result will cover, and how many must be featurized for it."""
        with self._lock:
            self._images, self._todo = images, todo
            self._featurizing_since = time.monotonic()

    def start_wave(self, wave: str) -> None:
        with self._lock:
            self._running.add(wave)

    def end_wave(self, wave: str, featurized: int, rejected: int) -> None:
        """Replace the counts of a wave's heartbeats by its final counts."""
        with self._lock:
            self._running.discard(wave)
            self._finished[wave] = (featurized, rejected)

    def add_up(self) -> None:
        """Add up the heartbeats of the running waves.

        Raises
        ------
        StorageError
            When they cannot be listed.
        """
        with self._lock:
            waves = set(self._running)
        if not waves:
            return
        entries = [e.key for e in self._output.list(HEARTBEATS) if e.is_file and e.key.endswith(".json")]

        def read(key: str) -> tuple[str, int, int]:
            wave = key.rpartition("/")[2].partition(".")[0]
            try:
                beat = json.loads(self._output.read(key))
                return wave, int(beat["done"]), int(beat["rejected"])
            except (OSError, ValueError, KeyError, TypeError):
                return wave, 0, 0  # it is being replaced

        sums = dict.fromkeys(waves, (0, 0))
        with ThreadPoolExecutor(16) as pool:
            for wave, featurized, rejected in pool.map(read, entries):
                if wave in sums:
                    sums[wave] = sums[wave][0] + featurized, sums[wave][1] + rejected
        with self._lock:
            self._beats = sums

    def snapshot(self) -> dict[str, Any]:
        """What `progress.json` says now."""
        with self._lock:
            phase = self._phase
            beats = [counts for wave, counts in self._beats.items() if wave in self._running]
            featurized = sum(d for d, _ in [*self._finished.values(), *beats])
            rejected = sum(r for _, r in [*self._finished.values(), *beats])
            since = self._featurizing_since
            seconds = time.monotonic() - since if since is not None and phase == "featurize" else None
            rate = featurized / seconds if seconds and featurized else None
            remaining = max(self._todo - featurized - rejected, 0)
            return {
                "run_id": self._run_id,
                "phase": phase,
                "phase_number": PHASES.index(phase) + 1,
                "phases": len(PHASES),
                "images": self._images,
                "images_to_featurize": self._todo if self._images is not None else None,
                "images_done": featurized,
                "images_rejected": rejected,
                "images_per_second": round(rate, 1) if rate else None,
                "seconds_left": round(remaining / rate) if rate else None,
                "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
                "elapsed": round(time.time() - self._started, 1),
                "updated": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }

    def _write(self) -> None:
        self._output.write(PROGRESS, json.dumps(self.snapshot(), indent=1).encode())

    def finish(self, phase: str = "done") -> None:
        """Write the last report and stop."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        with self._lock:
            self._phase = phase if phase in PHASES else self._phase
            self._running.clear()
        with suppress(OSError, StorageError):
            self._write()
            self._output.delete_folder(HEARTBEATS)
