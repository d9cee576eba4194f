"""One run at a time at one output, whoever starts when, dies where, or is held up how long.

The orders are made by a scheduler that lets one run do one call on the store at a time, and makes the time.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fruits import lease as lease_module
from fruits.errors import OutputError, StorageError
from fruits.lease import Lease, describe_process, is_gone
from fruits.store import Entry, Store

# --- a world with a clock and a store of its own -------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class World:
    """Runs of which one does one thing at a time, in the order that `choose` says."""

    def __init__(self, choose: Callable[[list[Run]], Run]) -> None:
        self.choose = choose
        self.now = 0.0
        self.files: dict[str, bytes] = {}
        self.at_work: set[str] = set()
        self.most_at_work = 0
        self.runs: list[Run] = []

    def play(self) -> dict[str, str]:
        for run in self.runs:
            run.thread.start()
            run.parked.acquire()
        while waiting := [run for run in self.runs if run.outcome == ""]:
            ready = [run for run in waiting if run.wakes <= self.now]
            if not ready:
                self.now = min(run.wakes for run in waiting)
                continue
            run = self.choose(ready)
            run.turn.release()
            run.parked.acquire()
        for run in self.runs:
            run.thread.join()
        return {run.name: run.outcome for run in self.runs}


class Run:
    """Asks for the lease, works for some time, gives it back."""

    def __init__(
        self, world: World, name: str, starts: float, works: float = 20.0, dies_at: int = 0, stalls_at: int = 0
    ) -> None:
        self.world, self.name, self.wakes, self.works = world, name, starts, works
        self.dies_at, self.stalls_at, self.calls = dies_at, stalls_at, 0
        self.turn, self.parked = threading.Semaphore(0), threading.Semaphore(0)
        self.outcome = ""
        self.thread = threading.Thread(target=self._run, daemon=True)
        world.runs.append(self)

    def wait(self, seconds: float = 0.0) -> None:
        self.wakes = self.world.now + seconds
        self.parked.release()
        self.turn.acquire()

    def call(self) -> None:
        """Before every call on the store."""
        self.calls += 1
        self.wait(200.0 if self.calls == self.stalls_at else 0.0)
        if self.dies_at and self.calls >= self.dies_at:
            raise Killed

    def _run(self) -> None:
        lease = Lease(SimStore(self), self.name, clock=lambda: self.world.now, sleep=self.wait)  # type: ignore[arg-type]
        outcome = "finished"
        self.parked.release()
        self.turn.acquire()
        try:
            lease.acquire()
            self._work(lease)
            lease.release()
        except OutputError as error:
            outcome = "deposed" if "taken its place" in str(error) else "refused"
        except Killed:
            outcome = "killed"
        self.world.at_work.discard(self.name)
        self.outcome = outcome
        self.parked.release()

    def _work(self, lease: Lease) -> None:
        ends = self.world.now + self.works
        while self.world.now < ends:
            self.world.at_work.discard(self.name)
            lease.renew()
            lease.require()
            self.world.at_work.add(self.name)
            self.world.most_at_work = max(self.world.most_at_work, len(self.world.at_work))
            self.wait(lease_module.INTERVAL)


class SimStore:
    """What a lease asks of a store, over the world's files."""

    uri = "sim://out"

    def __init__(self, run: Run) -> None:
        self._run = run
        self._files = run.world.files

    def write(self, key: str, data: bytes) -> None:
        self._run.call()
        self._files[key] = data

    def read(self, key: str) -> bytes:
        self._run.call()
        if key not in self._files:
            raise FileNotFoundError(key)
        return self._files[key]

    def delete(self, key: str) -> None:
        self._run.call()
        self._files.pop(key, None)

    def kind(self, key: str) -> str:
        self._run.call()
        return "file" if key in self._files else "missing"

    def list(self, key: str) -> list[Entry]:
        self._run.call()
        return [Entry(name, True, len(data), 0) for name, data in self._files.items() if name.startswith(key + "/")]


@pytest.fixture(autouse=True)
def _no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the simulation every run is on a machine of its own, about whose processes nothing is known."""
    monkeypatch.setattr(lease_module, "describe_process", lambda: None)


def seeded(seed: int) -> Callable[[list[Run]], Run]:
    rng = random.Random(seed)
    return lambda ready: rng.choice(ready)


def prescribed(order: tuple[int, ...]) -> Callable[[list[Run]], Run]:
    """Of two runs, whose turn it is, call by call; afterwards they take turns."""
    turns = itertools.chain(order, itertools.cycle((0, 1)))

    def choose(ready: list[Run]) -> Run:
        number = next(turns)
        return next((run for run in ready if run.name == f"run-{number}"), ready[0])

    return choose


# --- every order, and many --------------------------------------------------------------------------------------


@pytest.mark.costly
def test_two_runs_in_every_order_of_their_first_nine_calls() -> None:
    for order in itertools.product((0, 1), repeat=9):
        world = World(prescribed(order))
        for i in range(2):
            Run(world, f"run-{i}", 0.0)
        assert sorted(world.play().values()) == ["finished", "refused"], order
        assert world.most_at_work == 1, order
        assert world.files == {}, order


@pytest.mark.parametrize("runs", [2, 3, 4])
@pytest.mark.costly
def test_runs_started_at_any_moments_leave_exactly_one_at_work(runs: int) -> None:
    for seed in range(120):
        rng = random.Random(seed)
        world = World(seeded(seed))
        for i in rng.sample(range(runs), runs):
            Run(world, f"run-{i}", rng.choice([0.0, 0.0, rng.uniform(0, 8)]), works=30.0)
        outcomes = sorted(world.play().values())
        assert outcomes == ["finished"] + ["refused"] * (runs - 1), seed
        assert world.most_at_work == 1, seed
        assert world.files == {}, seed


@pytest.mark.costly
def test_a_run_refused_and_typed_again_and_again_never_gets_in() -> None:
    for seed in range(60):
        world = World(seeded(seed))
        Run(world, "run-5", 0.0, works=60.0)
        for i, start in enumerate((4.0, 9.0, 14.0, 22.0, 31.0)):
            Run(world, f"run-{9 - i}", start)
        outcomes = world.play()
        assert outcomes.pop("run-5") == "finished"
        assert set(outcomes.values()) == {"refused"}, seed
        assert world.most_at_work == 1, seed


def test_wherever_a_run_dies_the_next_one_gets_in() -> None:
    for dies_at in range(1, 25):
        world = World(seeded(dies_at))
        Run(world, "run-0", 0.0, dies_at=dies_at)
        Run(world, "run-1", 0.0)
        Run(world, "run-2", 5.0)
        Run(world, "run-3", 150.0)
        outcomes = world.play()
        assert outcomes["run-0"] in ("killed", "refused", "finished"), dies_at
        assert "finished" in outcomes.values(), dies_at
        assert outcomes["run-3"] == "finished", dies_at
        assert world.most_at_work == 1, dies_at


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 6), marks=pytest.mark.costly)])
@pytest.mark.costly
def test_a_run_that_was_held_up_for_minutes_finds_out_before_it_writes(seeds: range) -> None:
    """A store that stalls, a laptop that slept: at any call, and others start meanwhile."""
    deposed = 0
    for stalls_at in range(1, 25):
        for seed in seeds:
            world = World(seeded(100 * stalls_at + seed))
            Run(world, "run-0", 0.0, stalls_at=stalls_at, works=90.0)
            Run(world, "run-1", 20.0, works=300.0)
            Run(world, "run-2", 130.0, works=60.0)
            outcomes = world.play()
            assert world.most_at_work == 1, (stalls_at, seed)
            assert "finished" in outcomes.values(), (stalls_at, seed)
            deposed += outcomes["run-0"] == "deposed"
    assert deposed > 3 * len(seeds)


def test_a_stall_without_a_rival_ends_nothing() -> None:
    for stalls_at in range(1, 25):
        world = World(seeded(stalls_at))
        Run(world, "run-0", 0.0, stalls_at=stalls_at, works=90.0)
        assert world.play() == {"run-0": "finished"}, stalls_at


# --- on files -------------------------------------------------------------------------------------------------


@pytest.fixture
def output(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


def quick(output: Store, run_id: str, **times: float) -> Lease:
    return Lease(output, run_id, **{"interval": 0.05, "lasts": 5.0, **times})


def everything(output: Store) -> dict[str, bytes]:
    return {entry.key: output.read(entry.key) for entry in output.list(recursive=True) if entry.is_file}


def test_a_refused_run_leaves_nothing_and_says_who_works(output: Store) -> None:
    output.write("_run/progress.json", b'{"run_id": "a", "phase": "featurize"}')
    with_error = quick(output, "a")
    with_error.acquire()
    with_error.keep()
    try:
        for _ in range(2):  # the second try is refused like the first
            with pytest.raises(OutputError) as caught:
                quick(output, "b").acquire()
            assert str(caught.value) == (
                f"another run (a, phase featurize) is writing to {output.uri}. Fix: wait for it, or choose another "
                "output."
            )
    finally:
        with_error.release()
    assert everything(output).keys() == {"_run/progress.json"}  # once nobody renews a claim
    quick(output, "b").acquire()


def test_a_lease_given_back_leaves_no_file(output: Store) -> None:
    lease = quick(output, "a")
    lease.acquire()
    lease.keep()
    lease.release()
    lease.release()
    assert everything(output) == {}
    assert not lease.is_held


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"lasts": "x", "process": 7}', '{"lasts": -1}'])
def test_a_claim_that_says_nothing_is_outlasted(output: Store, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "LASTS", 0.2)
    output.write("_run/lease-0.json", text.encode())
    lease = quick(output, "a")
    lease.acquire()
    assert [key for key in everything(output) if "lease-0" in key] == []


@pytest.mark.parametrize(
    "error", [StorageError("503. Fix: wait."), RuntimeError("can't start new thread"), ValueError("odd"), MemoryError()]
)
def test_a_renewal_that_fails_is_followed_by_the_next_whatever_it_was(
    output: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    lease = quick(output, "a")
    lease.acquire()
    claim = "_run/lease-a.json"
    before = output.read(claim)
    calls = threading.Semaphore(0)

    def failing(*_: Any) -> None:
        calls.release()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", failing)
        lease.keep()
        assert calls.acquire(timeout=20)
        assert calls.acquire(timeout=20), "it was not tried again"
    lease.require()
    end = time.monotonic() + 20
    while output.read(claim) == before:
        assert time.monotonic() < end, "it is not renewed any more"
        time.sleep(0.01)
    lease.release()


# --- the record of a process -----------------------------------------------------------------------------------


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def record_of(pid: int) -> dict[str, Any]:
    return {"machine": lease_module._describe_machine(), "pid": pid, "started": lease_module._read_stat(pid)[1]}


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' /proc")


@linux
def test_a_dead_process_is_known_by_its_record_and_a_living_one_never_taken_for_it(
    child: subprocess.Popen[bytes],
) -> None:
    record = record_of(child.pid)
    assert not is_gone(record)
    assert is_gone({**record, "started": "1"})  # its number was given to another
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(record)  # not yet reaped
    child.wait()
    assert is_gone(record)
    assert not is_gone({**record, "machine": "another"})


@linux
def test_the_lease_of_a_killed_process_is_taken_at_once(output: Store, child: subprocess.Popen[bytes]) -> None:
    claim = {"run_id": "0", "state": "holding", "beat": 1, "lasts": 1000.0, "process": record_of(child.pid)}
    output.write("_run/lease-0.json", json.dumps(claim).encode())
    child.kill()
    child.wait()
    lease = quick(output, "a")
    lease.acquire()
    lease.require()
    assert output.kind("_run/lease-0.json") == "missing"


@linux
def test_this_process_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert not is_gone(describe_process())


@pytest.mark.parametrize("record", [None, 7, {}, [], {"machine": 1}, {"machine": "x", "pid": "y"}])
def test_an_odd_record_of_a_process_is_not_gone(record: Any) -> None:
    assert not is_gone(record)
