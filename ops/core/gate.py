"""A page of this machine that answers only the person who started it.

In front of a server that asks for a certificate stands a gate on loopback, which has that certificate and wants a key
of whoever comes: the address holds it once, a cookie from then on. Other users of the machine, and web pages that made
a name of theirs point here (DNS rebinding), come through neither.
"""

import hmac
import http.client
import http.server
import ipaddress
import secrets
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

ADDRESS = "127.0.0.1"
COOKIE = "fruits_page"
ANSWER_SECONDS = 120.0
# What one connection says about itself (RFC 9110, 7.6.1), and what the gate says by itself.
_NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


@dataclass(frozen=True)
class Identity:
    """A certificate that server and gate share: each takes the other only with it.

    Attributes
    ----------
    pem : key and certificate, for Python
    store, trusted : the same for Java (PKCS 12), as key store and as trust store
    password : of both
    """

    pem: Path
    store: Path
    trusted: Path
    password: str


def make_identity(folder: Path) -> Identity:
    """A new identity for loopback, in files below a folder that is its owner's alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ADDRESS)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ADDRESS))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.chmod(0o700)
    made = Identity(folder / "gate.pem", folder / "gate.p12", folder / "trusted.p12", secrets.token_hex(16))
    sealed = serialization.BestAvailableEncryption(made.password.encode())
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made.pem.write_bytes(plain + certificate.public_bytes(serialization.Encoding.PEM))
    made.store.write_bytes(pkcs12.serialize_key_and_certificates(b"gate", key, certificate, None, sealed))
    trusted = [pkcs12.PKCS12Certificate(certificate, b"gate")]
    made.trusted.write_bytes(pkcs12.serialize_java_truststore(trusted, sealed))
    return made


class _Handler(http.server.BaseHTTPRequestHandler):
    server: "Gate"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Let in whoever has the key, with a cookie; pass on what comes with that."""
        host, port = self.headers.get("Host", ""), self.server.server_address[1]
        if host not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
            self._refuse(f"this page is {ADDRESS}:{port} only")
            return
        parts = urlsplit(self.path)
        key = parse_qs(parts.query).get("key", [""])[0]
        if key and hmac.compare_digest(key.encode(), self.server.key.encode()):
            self.send_response(http.HTTPStatus.SEE_OTHER)
            self.send_header("Location", parts.path)
            self.send_header("Set-Cookie", f"{COOKIE}={self.server.key}; Path=/; HttpOnly; SameSite=Lax")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif hmac.compare_digest(self._cookie().encode(), self.server.key.encode()):
            self._pass_on()
        else:
            self._refuse("open the address that the command printed, with its key")

    def _cookie(self) -> str:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def _refuse(self, why: str) -> None:
        body = f"{why}\n".encode()
        self.send_response(http.HTTPStatus.FORBIDDEN)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pass_on(self) -> None:
        behind = self.server.behind
        headers = {name: value for name in ("Accept", "Accept-Language") if (value := self.headers.get(name))}
        connection = http.client.HTTPSConnection(*behind, context=self.server.context, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", self.path, headers=headers)
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() == "location":
                    # the server behind names itself
                    self.send_header(name, urlsplit(value)._replace(scheme="", netloc="").geturl())
                elif name.lower() not in _NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            shutil.copyfileobj(answer, self.wfile)
        except (OSError, http.client.HTTPException) as error:
            if not self.wfile.closed:
                self._refuse(f"the page does not answer: {error}")
        finally:
            self.close_connection = True
            connection.close()

    def log_message(self, *_: object) -> None:
        """Nothing: the key would be in it."""


class Gate(http.server.ThreadingHTTPServer):
    """The gate in front of a server on loopback that takes only the identity's certificate.

    Parameters
    ----------
    port : of the server behind
    identity : that it shares with the gate
    """

    daemon_threads = True

    def __init__(self, port: int, identity: Identity) -> None:
        super().__init__((ADDRESS, 0), _Handler)
        self.behind = (ADDRESS, port)
        self.key = secrets.token_urlsafe(24)
        self.context = ssl.create_default_context(cafile=str(identity.pem))
        self.context.load_cert_chain(str(identity.pem))

    @property
    def address(self) -> str:
        """The address with the key: for its owner's eyes."""
        return f"http://{ADDRESS}:{self.server_address[1]}/?key={self.key}"


@contextmanager
def gate(port: int, identity: Identity) -> Iterator[Gate]:
    """A gate for the time of a block."""
    with Gate(port, identity) as made:
        threading.Thread(target=made.serve_forever, name="gate", daemon=True).start()
        try:
            yield made
        finally:
            made.shutdown()
