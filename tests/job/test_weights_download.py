"""`make weights`: what comes of a download, whatever the server does. On a server of this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from fruits.errors import ModelError

from ops.core.console import Console
from ops.core.files import hold_lock
from ops.job.weights import PUBLISHED, download_file, fetch_weights

DATA = os.urandom(300_000)
HALF = 100_000
QUIET = Console(quiet=True)


class Weights(BaseHTTPRequestHandler):
    """Gives the file below each path in its own way; the ways that break off do so once."""

    protocol_version = "HTTP/1.1"
    broken: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if self.path == "/gone":
            self.send_error(404)
            return
        if start >= len(DATA):
            self.send_error(416)
            return
        start = 0 if self.path == "/whole-only" else start
        self.send_response(206 if start else 200)
        breaks_off = self.path.startswith("/breaks") and self.path not in self.broken
        self.broken.add(self.path)
        data = DATA[start:HALF] if breaks_off else DATA[start:]
        if self.path == "/breaks-chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) + (b"" if breaks_off else b"0\r\n\r\n"))
        else:
            self.send_header("Content-Length", str(len(DATA) - start))
            self.end_headers()
            self.wfile.write(data)
        self.close_connection = breaks_off

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Weights) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()


@pytest.mark.parametrize("path", ["whole", "whole-only"])
@pytest.mark.parametrize("have", [0, HALF, len(DATA)])
def test_a_file_comes_whole_whatever_is_there(server: str, tmp_path: Path, path: str, have: int) -> None:
    target = tmp_path / "weights.h5"
    (tmp_path / "weights.h5.part").write_bytes(DATA[:have])
    download_file(f"{server}/{path}", target, QUIET)
    assert target.read_bytes() == DATA
    assert [p.name for p in tmp_path.iterdir()] == ["weights.h5"]


@pytest.mark.parametrize("path", ["breaks", "breaks-chunked"])
def test_a_download_that_breaks_off_is_no_file_and_goes_on(server: str, tmp_path: Path, path: str) -> None:
    target = tmp_path / "weights.h5"
    with pytest.raises(ModelError, match=r"cannot be fetched: .*Fix: check the network and run again, it continues"):
        download_file(f"{server}/{path}", target, QUIET)
    assert not target.exists()
    assert DATA[:HALF].startswith((tmp_path / "weights.h5.part").read_bytes())
    download_file(f"{server}/{path}", target, QUIET)
    assert target.read_bytes() == DATA


def test_a_file_that_is_not_there_and_a_server_that_is_not(server: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"answers 404 Not Found\. Fix: check that it still exists"):
        download_file(f"{server}/gone", tmp_path / "weights.h5", QUIET)
    with pytest.raises(ModelError, match="Connection refused"):
        download_file("http://127.0.0.1:9/weights.h5", tmp_path / "weights.h5", QUIET)


def test_a_second_command_keeps_off_the_part_of_the_first(tmp_path: Path) -> None:
    model, source = next(iter(PUBLISHED.items()))
    with hold_lock(tmp_path / f".{source.file}.lock"), pytest.raises(ModelError) as caught:
        fetch_weights(model, tmp_path, QUIET)
    assert str(caught.value) == (
        f"another command is fetching {tmp_path / source.file}. Fix: wait for it, then run this one again."
    )
    assert [path.name for path in tmp_path.iterdir()] == [f".{source.file}.lock"]
