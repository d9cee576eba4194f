"""Files that two commands may want at once: written whole, and locked while one works on them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: who reads it meanwhile gets what was there, or what is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


@contextmanager
def hold_lock(path: Path, refusal: Exception | None = None) -> Iterator[None]:
    """Hold a lock for the block; a command that is killed gives it back.

    Parameters
    ----------
    path : the lock's own file, which stays
    refusal : raised where another command holds it; without one it is waited for
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if refusal else fcntl.LOCK_EX)
        except BlockingIOError:
            assert refusal is not None
            raise refusal from None
        yield
