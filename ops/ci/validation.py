"""Answers, for plans without AWS, the one call that the provider makes of a plan: whether a workflow is well-formed.

The provider asks Step Functions (ValidateStateMachineDefinition) as soon as a workflow's definition is known and new,
as in a made-up state; nothing turns that off. Whether a definition is good is told where it is applied.
"""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localaws.keys import Keys
from ops.core.target import Target

CALL = "AWSStepFunctions.ValidateStateMachineDefinition"
ANSWER = {"result": "OK", "diagnostics": [], "truncated": False}


@contextmanager
def accept_workflows(target: Target) -> Iterator[Target]:
    """The target, with keys of its own and an address on loopback that answers the call, to those keys alone."""
    keys = Keys.new(f"OFFLINE{secrets.token_hex(8).upper()}")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_ours = f"Credential={keys.access_key}/" in self.headers.get("Authorization", "")
            is_known = is_ours and self.headers.get("X-Amz-Target") == CALL
            body = json.dumps(ANSWER if is_known else {"__type": "AccessDeniedException"}).encode()
            self.send_response(200 if is_known else 400)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="workflows", daemon=True)
        thread.start()
        try:
            yield replace(target, keys=keys, workflows=f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
