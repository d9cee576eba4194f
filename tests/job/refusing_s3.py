"""An S3 of one thread's making that refuses, resets and keeps silent as told; on loopback, in this process."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_DOWN = (
    503,
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>",
)
EXPIRED = (
    400,
    b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>",
)


class RefusingS3:
    """Objects, and what to do with the next calls for them.

    Attributes
    ----------
    objects : dict of str to bytes
        By ``bucket/key``.
    trouble : callable
        Takes the number of a call for an object's bytes (from 1): None, a refusal (status, body), "reset" in the midst
        of the answer, or the seconds to wait before it.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.trouble: Any = lambda _number: None
        self.calls: Counter[str] = Counter()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: RefusingS3

    def log_message(self, *_: Any) -> None:
        """Nothing to the terminal."""

    def _answer(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 18:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.store.calls["HEAD"] += 1
        data = self.store.objects.get(self.path.strip("/"))
        if data is None:
            self._answer(404, b"")
        else:
            self._answer(200, b"", length=len(data))

    def do_GET(self) -> None:
        self.store.calls["GET"] += 1
        trouble = self.store.trouble(self.store.calls["GET"])
        data = self.store.objects[self.path.strip("/")]
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1]
        if isinstance(trouble, tuple):
            self._answer(trouble[0], trouble[1], Content_Type="application/xml")
            return
        if isinstance(trouble, float):
            time.sleep(trouble)
        if trouble == "reset":
            self._answer(206, part[: len(part) // 2], length=len(part))
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        self._answer(206, part, Content_Range=f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")


@contextmanager
def refusing_s3() -> Iterator[tuple[RefusingS3, str]]:
    """The store, and its address."""
    store = RefusingS3()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": store}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
