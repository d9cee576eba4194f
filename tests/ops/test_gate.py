"""The gate of `make ui`: who is let in, what passes, and that the server behind takes nobody but the gate."""

from __future__ import annotations

import http.client
import http.server
import json
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.cli import ui
from ops.core.gate import Gate, Identity, gate, make_identity


class Behind(http.server.BaseHTTPRequestHandler):
    """A server that sends what it was asked, and leads on as Spark's does: by its own name."""

    def do_GET(self) -> None:
        if self.path == "/history/app-1":
            self.send_response(302)
            self.send_header("Location", f"https://{self.headers['Host']}/history/app-1/jobs/?id=1")
            self.end_headers()
            return
        body = json.dumps({"path": self.path, "cookie": self.headers.get("Cookie")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def entrance(identity: Identity) -> Iterator[Gate]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.pem)
    context.load_verify_locations(identity.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Behind) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with gate(server.server_address[1], identity) as made:
            yield made
        server.shutdown()


def ask(entrance: Gate, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", entrance.server_address[1], timeout=300)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    told = answer.status, answer.headers, answer.read().decode()
    connection.close()
    return told


def test_the_printed_address_lets_its_owner_in(entrance: Gate) -> None:
    code, headers, _ = ask(entrance, entrance.address.partition(str(entrance.server_address[1]))[2])
    assert (code, headers["Location"]) == (303, "/")
    cookie, _, rest = headers["Set-Cookie"].partition(";")
    assert "HttpOnly" in rest
    assert "SameSite=Lax" in rest
    code, headers, text = ask(entrance, "/api/v1/applications?limit=3", Cookie=f"other=1; {cookie}")
    assert code == 200
    assert headers["Content-Type"] == "application/json"
    assert json.loads(text) == {"path": "/api/v1/applications?limit=3", "cookie": None}, "the key goes no further"
    code, headers, _ = ask(entrance, "/history/app-1", Cookie=cookie)
    assert (code, headers["Location"]) == (302, "/history/app-1/jobs/?id=1")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/?key=", {}),
        ("/?key=guessed", {}),
        ("/", {"Cookie": "fruits_page="}),
        ("/", {"Cookie": "fruits_page=guessed"}),
        ("/", {"Cookie": "]=;;\x01"}),
        ("/?key=%F0%9F%8D%90", {}),
    ],
)
def test_nobody_else_is_let_in(entrance: Gate, path: str, headers: dict[str, str]) -> None:
    code, _, text = ask(entrance, path, **headers)
    assert (code, text) == (403, "open the address that the command printed, with its key\n")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "localhost.evil.example:{port}", ""])
def test_a_page_that_made_its_name_point_here_is_refused_even_with_the_key(entrance: Gate, host: str) -> None:
    port = entrance.server_address[1]
    code, _, text = ask(entrance, f"/?key={entrance.key}", Host=host.format(port=port))
    assert (code, text) == (403, f"this page is 127.0.0.1:{port} only\n")


def test_nothing_but_reading_is_possible(entrance: Gate) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", entrance.server_address[1], timeout=300)
    connection.request("POST", "/", headers={"Cookie": f"fruits_page={entrance.key}"})
    assert connection.getresponse().status == 501
    connection.close()


def read_behind(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", "/")
    return connection.getresponse().status


def test_the_server_behind_takes_only_the_gates_certificate(entrance: Gate, identity: Identity, tmp_path: Path) -> None:
    """As another user of this machine could try: with no certificate, and with one of his own."""
    other = make_identity(tmp_path)
    bare, foreign = ssl._create_unverified_context(), ssl._create_unverified_context()
    foreign.load_cert_chain(other.pem)
    for context in (bare, foreign):
        connection = http.client.HTTPSConnection(*entrance.behind, context=context, timeout=300)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            read_behind(connection)
        connection.close()
    connection = http.client.HTTPSConnection(*entrance.behind, context=entrance.context, timeout=300)
    assert read_behind(connection) == 200
    connection.close()


def test_the_files_are_their_owners_and_no_secret_is_in_a_command_line(identity: Identity, tmp_path: Path) -> None:
    assert stat.S_IMODE(identity.pem.parent.stat().st_mode) == 0o700
    settings = ui.make_history_settings(tmp_path, identity)
    assert settings["spark.ssl.historyServer.needClientAuth"] == "true"
    assert settings["spark.ssl.historyServer.keyStorePassword"] == identity.password
