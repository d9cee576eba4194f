"""Decode strangers' pictures in a process of its own, so that no picture can end a run.

A decoder is native code. On some file it crashes, runs for ever, or takes all memory; that must cost this one image
only. So a worker has one child that decodes: a plain Python that imports little but Pillow, with limits for memory and
processor time. Files go to it through a memory file, pixels come back in shared memory, reasons by a pipe; four images
are one exchange, of four system calls on either side. When the child dies, new ones decode the images of the exchange
one by one, and an image at which a child dies again is rejected by name. The child ends with its parent: it reads the
end of the pipe.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import mmap
import os
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fruits.formats import READ, detect_format
from fruits.images import ImageError, decode, decode_leniently

SECONDS = 30
"""Processor time that one image may take; the slowest of about a thousand odd files took one second."""
MEMORY = 1 << 30
"""Bytes that one image may take: what 100 megapixels with transparency need."""
PATIENCE = 20
"""How many times `SECONDS` may pass on the clock: on a loaded machine, or while other large pictures are decoded."""
MAX_IDLE = 16 << 20
"""Bytes that the memory file may hold between two exchanges."""
_DEADLY = re.compile(
    r"image (takes more than|crashes its decoder|was not decoded in|cannot be decoded: its decoder was)"
)
"""What the reasons say when a decoder had to be ended."""
_SMALL = 1 << 20
"""Bytes of files that are read in one call."""

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # glibc would return the memory of each small picture and ask for it again: fifty page faults, a third of its time
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
}
_PROGRAM = "import json, sys; settings = json.loads(sys.argv[1]); sys.path[:] = settings.pop('path')\n"
_PROGRAM += "from fruits.guard import serve; serve(**settings)"


def is_deadly(reason: str) -> bool:
    """Whether the reason of a reject is that its decoder crashed, did not end, or was killed.

    >>> is_deadly("the PNG image crashes its decoder (SIGSEGV)"), is_deadly("the PNG image is truncated: …")
    (True, False)
    """
    return _DEADLY.search(reason) is not None


class GuardError(RuntimeError):
    """The decoding process does not start, whatever the picture."""


class _DiedError(Exception):
    """The decoding process is gone; ``str()`` completes the sentence "the image …"."""

    def __init__(self, how: str, *, final: bool = False) -> None:
        super().__init__(how)
        self.final = final


def _open_memory_file(name: str) -> int:
    """Open a file without a name, in memory where the system allows it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Guard:
    """Decodes up to `places` images at once into `pixels`.

    Parameters
    ----------
    size : int
        Height and width of a decoded image, pixels.
    places : int
        Images that `pixels` holds.
    seconds, memory : int
        Limits for one image: seconds of processor time, bytes.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (places, size, size, 3)
        Shared with the child; a place keeps its picture until another is decoded into it.
    """

    def __init__(self, size: int, places: int = 4, *, seconds: int = SECONDS, memory: int = MEMORY) -> None:
        self._size, self._places, self._seconds, self._memory = size, places, seconds, memory
        self._files = _open_memory_file("fruits-files")
        self._shared = _open_memory_file("fruits-pixels")
        os.ftruncate(self._shared, places * size * size * 3)
        self._map = mmap.mmap(self._shared, 0)
        self.pixels: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8).reshape(places, size, size, 3)
        self._child: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._start()

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The child's process."""
        return self._start().pid

    def close(self) -> None:
        """End the child; `pixels` stay readable."""
        self._stop()
        for file in (self._files, self._shared):
            with contextlib.suppress(OSError):
                os.close(file)

    def decode(self, files: Sequence[bytes], first: int = 0, *, leniently: bool = False) -> list[str | None]:
        """Decode files into the places from `first` on.

        Returns
        -------
        list of (str or None)
            For each file None, or the reason why it has no picture; the content of its place is then undefined.

        Raises
        ------
        GuardError
            When no decoding process starts.
        """
        if not files:
            return []
        try:
            return self._exchange(files, first, leniently)
        except _DiedError as error:
            if len(files) == 1 and error.final:
                return [self._reject(files[0], error)]
            return [self._decode_alone(data, first + i, leniently) for i, data in enumerate(files)]

    def _decode_alone(self, data: bytes, place: int, leniently: bool) -> str | None:
        """Decode one file in a new process; in a second one where the first may have died for another reason."""
        for _ in range(2):
            self._stop()
            try:
                return self._exchange([data], place, leniently)[0]
            except _DiedError as error:
                died = error
                if error.final:
                    break
        return self._reject(data, died)

    def _reject(self, data: bytes, error: _DiedError) -> str:
        self._stop()
        return f"the {READ.get(detect_format(data) or '', 'unknown')} image {error}"

    def _exchange(self, files: Sequence[bytes], first: int, leniently: bool) -> list[str | None]:
        child = self._start()
        self._await_ready()
        assert child.stdin
        size = _write_all(self._files, files)
        message = struct.pack(f"<BB{len(files)}Q", first, leniently, *(len(data) for data in files))
        try:
            child.stdin.write(message)
            child.stdin.flush()
        except OSError:
            raise self._explain_death() from None
        reasons = self._read_line(len(files) * self._seconds * PATIENCE).split(b"\0")
        if size > MAX_IDLE:
            os.ftruncate(self._files, 0)
        return [reason.decode() or None for reason in reasons]

    def _read_line(self, seconds: float) -> bytes:
        """Read the child's answer up to the end of the line; for four images mostly in one call."""
        assert self._child
        assert self._child.stdout
        stream, data = self._child.stdout, b""
        while not data.endswith(b"\n"):
            if not select.select([stream], [], [], seconds)[0]:
                raise _DiedError(f"was not decoded in {seconds:,} s", final=True)
            chunk = os.read(stream.fileno(), 1 << 16)
            if not chunk:
                raise self._explain_death()
            data += chunk
        return data[:-1]

    def _explain_death(self) -> _DiedError:
        """How the child ended, as the end of a sentence."""
        assert self._child
        code = self._child.wait()
        if code == -signal.SIGPROF:
            return _DiedError(f"takes more than {self._seconds} s to decode", final=True)
        if code == -signal.SIGKILL:
            return _DiedError("cannot be decoded: its decoder was killed, probably because memory ran out")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return _DiedError(f"crashes its decoder ({name})")

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            settings = {
                "path": [str(Path(place).absolute()) for place in sys.path],
                "files": self._files,
                "shared": self._shared,
                "size": self._size,
                "places": self._places,
                "seconds": self._seconds,
                "memory": self._memory,
            }
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(self._files, self._shared),
                env={**os.environ, **_ENVIRONMENT},
                bufsize=0,
            )
            self._ready = False
        return self._child

    def _await_ready(self) -> None:
        if self._ready:
            return
        try:
            self._read_line(300)
        except _DiedError as error:
            self._stop()
            raise GuardError(
                f"the process that decodes images does not start: it {error}. Fix: see in this worker's log what it "
                "printed, and run it again."
            ) from None
        self._ready = True

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


def _write_all(file: int, parts: Sequence[bytes]) -> int:
    """Write the parts one after the other from the beginning of a file; returns their bytes together."""
    size = sum(map(len, parts))
    written = os.pwritev(file, parts, 0)
    if written < size:
        data = memoryview(b"".join(parts))
        while written < size:
            written += os.pwrite(file, data[written:], written)
    return size


@lru_cache(maxsize=2)
def _start_guard(size: int, places: int, _pid: int) -> Guard:
    guard = Guard(size, places)
    atexit.register(guard.close)
    return guard


def get_guard(size: int, places: int) -> Guard:
    """The guard of this process, which it keeps from task to task; a forked process gets another."""
    return _start_guard(size, places, os.getpid())


# --- the child --------------------------------------------------------------------------------------------------------


def serve(*, files: int, shared: int, size: int, places: int, seconds: int, memory: int) -> None:
    """Decode files until the parent is gone: what the child does."""
    replies = os.dup(1)
    os.dup2(2, 1)  # what a decoder prints is no answer
    area = mmap.mmap(shared, 0)
    pixels = np.frombuffer(area, np.uint8).reshape(places, size, size, 3)
    _limit_memory(memory)
    os.write(replies, b"\n")
    while message := os.read(0, 4096):  # so short a message comes through a pipe whole
        first, leniently, *lengths = struct.unpack(f"<BB{len(message) // 8}Q", message)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # for all of them: if it is over, each is decoded alone
        reasons, offset = [], 0
        # small files are read in one call and copied; a copy of large ones would take too much memory
        small_files = _read_at(files, sum(lengths), 0) if sum(lengths) <= _SMALL else None
        for place, length in enumerate(lengths, first):
            data = _read_at(files, length, offset) if small_files is None else small_files[offset : offset + length]
            offset += length
            reasons.append(_decode_into(pixels[place], data, leniently))
            del data
        os.write(replies, b"\0".join(reasons) + b"\n")


def _decode_into(place: NDArray[np.uint8], data: bytes, leniently: bool) -> bytes:
    """Decode one file; returns the reason why it has no picture, on one line, or nothing."""
    try:
        place[...] = (decode_leniently if leniently else decode)(data, len(place))
    except ImageError as error:
        return re.sub(rb"[\0\n]", b" ", str(error).encode())[:2000]
    except MemoryError:
        return b"the image takes more memory than one image may"
    return b""


def _limit_memory(memory: int) -> None:
    """Let the child take that many bytes more than it has now, and leave no core file.

    macOS ignores the limit of memory; there only time is limited.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = now + memory if most == resource.RLIM_INFINITY else min(now + memory, most)
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def _read_at(file: int, length: int, offset: int) -> bytes:
    data = os.pread(file, length, offset)
    while len(data) < length and (chunk := os.pread(file, length - len(data), offset + len(data))):
        data += chunk
    return data
