"""An emulator of Google Cloud Storage in a process of its own: prints its port, serves until it is ended.

The package's own server answers one connection at a time, and Google's client keeps several open.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer

from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.server import RequestHandler, Router
from gcp_storage_emulator.storage import Storage

_one_request = threading.Lock()  # the storage is not made for threads
_handle = Router.handle


def _alone(self: Router, method: str) -> None:
    with _one_request:
        _handle(self, method)


if __name__ == "__main__":
    Router.handle = _alone
    storage = Storage(use_memory_fs=True)
    buckets.create_bucket(sys.argv[1], storage)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(RequestHandler, storage))
    print(server.server_address[1], flush=True)
    server.serve_forever()
