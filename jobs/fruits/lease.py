"""One run at a time at one output: a lease, which a run renews while it lives.

Every run writes its own claim below `_run/`, and never that of another run: a store only has to show a file to all once
it is written (Lamport's bakery, 1974, without the queue). A run that has written its claim and sees no other may work.
Of two runs that see each other the one that began first may work; the other withdraws and leaves nothing. A claim is
dead when it was not renewed for the time that it states, by the reader's clock alone, or when its process is known to
be gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fruits.errors import OutputError, StorageError
from fruits.progress import FOLDER, read_progress
from fruits.store import Store

PREFIX = f"{FOLDER}/lease-"
INTERVAL = 3.0
"""Seconds between two renewals: how long a second run waits before it is refused."""
LASTS = 60.0
"""Seconds without renewal after which a run counts as dead: two of the store's time-outs."""

Record = dict[str, Any]


def read_clock() -> float:
    """A clock that goes on while a laptop sleeps, as those of other machines do."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _read_stat(pid: int) -> tuple[str, str]:
    """Read state and start of a process: fields 3 and 22 of Linux's ``/proc/<pid>/stat``; its name may hold spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], fields[19]


def _describe_machine() -> str:
    """Which boot of which machine this is, and the namespace of its process numbers."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"


def describe_process() -> Record | None:
    """What tells this process from all others; None where the system does not tell (macOS)."""
    try:
        return {"machine": _describe_machine(), "pid": os.getpid(), "started": _read_stat(os.getpid())[1]}
    except (OSError, IndexError):
        return None


def is_gone(process: Any) -> bool:
    """Whether a process is known to have ended; False for one on another machine, about which nothing is known."""
    try:
        if process["machine"] != _describe_machine():
            return False
        state, started = _read_stat(int(process["pid"]))
    except (FileNotFoundError, ProcessLookupError):
        return isinstance(process, dict) and Path("/proc/self/stat").exists()
    except (OSError, IndexError, KeyError, TypeError, ValueError):
        return False
    return state in "ZX" or started != process.get("started")


class Lease:
    """The right to write below an output.

    Parameters
    ----------
    output : Store
    run_id : str
        Of two runs that ask at the same time, the one whose id sorts first gets the lease.
    interval, lasts : float
        Seconds between renewals; seconds of silence after which others may take it.
    clock, sleep : callable
        For tests that control the time.
    """

    def __init__(
        self,
        output: Store,
        run_id: str,
        *,
        interval: float = INTERVAL,
        lasts: float = LASTS,
        clock: Callable[[], float] = read_clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._output = output
        self.run_id = run_id
        self._key = f"{PREFIX}{run_id}.json"
        self._interval = interval
        self._lasts = lasts
        self._clock = clock
        self._sleep = sleep
        self._beat = 0
        self._renewed = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_held = False

    def acquire(self) -> None:
        """Claim the output.

        Raises
        ------
        OutputError
            When another run is at work there; this one leaves nothing.
        StorageError
            When the output cannot be written.
        """
        try:
            self._claim("asking")
            self._outlast_others()
            self._claim("holding")
            self._refuse_if_held()  # by a run that counted as dead, and has come back
        except BaseException:
            self._withdraw()
            raise
        self.is_held = True

    def keep(self) -> None:
        """Renew the lease from now on, in a separate thread that nothing else can delay."""
        self._thread = threading.Thread(target=self._renew_repeatedly, name="lease", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Refuse to go on without the lease. Called before everything that writes or deletes a result.

        Raises
        ------
        OutputError
            When it was not renewed for too long, and another run has taken it.
        """
        if not self.is_held:
            raise OutputError(
                f"this run could not write to {self._output.uri} for more than {self._lasts:.0f} s, and another run "
                "has taken its place. What was finished is kept. Fix: wait for that run, then run this again."
            )

    def release(self) -> None:
        """Give the lease back; a second call does nothing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.is_held = False
        self._withdraw()

    def renew(self) -> None:
        """Write again that this run lives; after a long silence only if no other run has taken its place.

        Raises
        ------
        StorageError
            When the store does not answer; the lease is still held until another run takes it.
        """
        before = self._renewed
        if self._is_late(before) and (self._output.kind(self._key) != "file" or self._list_holders()):
            self._lose()
            return
        self._claim("holding")
        if self._is_late(before) and self._list_holders():  # it was taken between reading and writing
            self._lose()

    def _is_late(self, renewed: float) -> bool:
        return self._clock() - renewed > self._lasts / 2

    def _lose(self) -> None:
        self.is_held = False
        self._withdraw()

    def _renew_repeatedly(self) -> None:
        while self.is_held and not self._stop.wait(self._interval):
            with contextlib.suppress(Exception):  # whatever it was: without this thread another run would take over
                self.renew()

    def _claim(self, state: str) -> None:
        self._beat += 1
        began = self._clock()
        record = {
            "run_id": self.run_id,
            "state": state,
            "beat": self._beat,
            "lasts": self._lasts,
            "process": describe_process(),
        }
        self._output.write(self._key, json.dumps(record).encode())
        self._renewed = began  # writing may take long

    def _withdraw(self) -> None:
        with contextlib.suppress(OSError, StorageError):  # then it counts as dead after a while
            self._output.delete(self._key)

    def _read_other_claims(self) -> dict[str, Record]:
        """Read the claims of other runs, by key. One that is being written is an empty record."""
        claims: dict[str, Record] = {}
        for entry in self._output.list(FOLDER):
            if entry.key.startswith(PREFIX) and entry.key.endswith(".json") and entry.key != self._key:
                try:
                    record = json.loads(self._output.read(entry.key))
                except FileNotFoundError:
                    continue  # withdrawn
                except (OSError, ValueError):
                    record = None
                claims[entry.key] = record if isinstance(record, dict) else {}
        return claims

    def _list_holders(self) -> list[Record]:
        return [record for record in self._read_other_claims().values() if record.get("state") == "holding"]

    def _refuse_if_held(self) -> None:
        for record in self._list_holders():
            raise self._make_refusal(record)

    def _outlast_others(self) -> None:
        """Return when no other claim is left, or refuse as soon as one that has precedence shows that it lives."""
        first_seen: dict[str, tuple[Record, float]] = {}
        while claims := self._read_other_claims():
            for key, record in claims.items():
                before, since = first_seen.setdefault(key, (record, self._clock()))
                if before != record:
                    if record.get("state") == "holding" or key < self._key:
                        raise self._make_refusal(record)
                    first_seen[key] = record, self._clock()
                elif is_gone(record.get("process")) or self._clock() - since > _read_seconds(record.get("lasts")):
                    self._output.delete(key)
            if self._clock() - self._renewed >= self._interval:
                self._claim("asking")
            self._sleep(self._interval / 6)

    def _make_refusal(self, record: Record) -> OutputError:
        report = read_progress(self._output) or {}
        run_id = record.get("run_id")
        phase = report.get("phase") if report.get("run_id") == run_id else "start"
        return OutputError(
            f"another run ({run_id}, phase {phase}) is writing to {self._output.uri}. Fix: wait for it, or choose "
            "another output."
        )


def _read_seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 < value <= 10 * LASTS else LASTS
