"""Who may call: only programs that sign with keys of this start, because a call can run commands on this machine.

Three questions, in this order, before anything else of the server sees a request:

1. Is it meant for this server? ``Host`` is a loopback name with our port; a page that made its own name point here
   (DNS rebinding) is refused.
2. Does a web page send it? Browsers say so by ``Origin``, ``Referer`` or ``Sec-Fetch-Site``; no AWS client sends one.
3. Is it signed (Signature Version 4, in the header or in a presigned address) with a secret that only this account
   knows: the owner's of this start, those of its IAM users, those that its STS gave out?

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html; botocore's signer computes what the
signature must be.
"""

from __future__ import annotations

import hmac
import io
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localaws.keys import Keys

LOG = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "localhost")
FIX = 'Fix: eval "$(make -s env)" gives a shell the keys of this start.'
# The clocks of signer and server may differ by this much, as on AWS; it also limits how long a request can be replayed.
CLOCK_SKEW = timedelta(minutes=15)
_ALGORITHM = "AWS4-HMAC-SHA256"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
FindKeys = Callable[[str], Keys | None]
"""The keys behind an access key, or None where the account has none of that name."""


class RefusedError(Exception):
    """A request that is refused.

    Attributes
    ----------
    code : AWS's code of the error
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# ------------------------------------------------------------------------------------------- browsers and names


def require_local_program(headers: Mapping[str, str], port: int) -> None:
    """Raise RefusedError unless a program of this machine sends the request, and means this server.

    Parameters
    ----------
    headers : names in lower case
    port : that this server listens on

    >>> require_local_program({"host": "127.0.0.1:80"}, 80)
    >>> require_local_program({"host": "bucket.localhost:80", "sec-fetch-site": "none"}, 80)
    >>> require_local_program({"host": "evil.example:80"}, 80)
    Traceback (most recent call last):
    localaws.guard.RefusedError: this server is 127.0.0.1:80, not evil.example:80
    >>> require_local_program({"host": "localhost:80", "origin": "null"}, 80)
    Traceback (most recent call last):
    localaws.guard.RefusedError: a web page sent this (Origin: null), and web pages may not call this server
    """
    name, _, host_port = headers.get("host", "").lower().rpartition(":")
    if host_port != str(port) or (name not in LOOPBACK and not name.endswith(".localhost")):
        raise RefusedError("AccessDenied", f"this server is 127.0.0.1:{port}, not {headers.get('host', 'unnamed')}")
    for header in ("Origin", "Referer", "Sec-Fetch-Site"):
        value = headers.get(header.lower())
        if value is not None and (header, value) != ("Sec-Fetch-Site", "none"):  # none: an address that was typed
            raise RefusedError(
                "AccessDenied", f"a web page sent this ({header}: {value}), and web pages may not call this server"
            )


# ------------------------------------------------------------------------------------------- signatures


@dataclass(frozen=True)
class Signature:
    """The signature of a request, with what it covers.

    Attributes
    ----------
    access_key : the signer's
    date, region, service : the scope of the key that signed it
    headers : names of the signed headers
    signature : 64 hexadecimal digits
    time : when it was signed
    seconds : how long a presigned address is valid; None for a signature in the header
    token : the session token of temporary keys
    """

    access_key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    time: str
    seconds: int | None
    token: str | None


def read_signature(headers: Mapping[str, str], query: str) -> Signature:
    """The signature of a request; raises RefusedError when there is none that can be read."""
    presigned = dict(parse_qsl(query, keep_blank_values=True))
    if "X-Amz-Signature" in presigned:
        fields = {
            "Credential": presigned.get("X-Amz-Credential", ""),
            "SignedHeaders": presigned.get("X-Amz-SignedHeaders", ""),
            "Signature": presigned["X-Amz-Signature"],
        }
        signed_at, token = presigned.get("X-Amz-Date", ""), presigned.get("X-Amz-Security-Token")
        expires = presigned.get("X-Amz-Expires", "")
        if presigned.get("X-Amz-Algorithm") != _ALGORITHM or not expires.isdecimal():
            raise RefusedError("IncompleteSignature", f"the address is not presigned by {_ALGORITHM}. {FIX}")
        seconds: int | None = int(expires)
    else:
        algorithm, _, parameters = headers.get("authorization", "").partition(" ")
        if algorithm != _ALGORITHM:
            raise RefusedError("MissingAuthenticationToken", f"the request is not signed by {_ALGORITHM}. {FIX}")
        fields = dict(re.findall(r"(\w+)=([^\s,]+)", parameters))
        signed_at, token, seconds = headers.get("x-amz-date", ""), headers.get("x-amz-security-token"), None
    scope = fields.get("Credential", "").split("/")
    if (
        len(scope) != 5
        or not {"SignedHeaders", "Signature"} <= fields.keys()
        or not re.fullmatch(r"\d{8}T\d{6}Z", signed_at)
    ):
        raise RefusedError("IncompleteSignature", f"the signature cannot be read. {FIX}")
    access_key, date, region, service, _ = scope
    names = tuple(fields["SignedHeaders"].lower().split(";"))
    return Signature(access_key, date, region, service, names, fields["Signature"], signed_at, seconds, token)


class _RequestSigner(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """botocore's signer, over the headers that the client signed."""

    names: tuple[str, ...] = ()

    def headers_to_sign(self, request: Any) -> HTTPMessage:
        message = HTTPMessage()
        for name in self.names:
            message[name] = request.headers.get(name, "")
        return message


class _S3RequestSigner(_RequestSigner, S3SigV4Auth):  # type: ignore[misc]
    """The same for S3, which takes the path as it was sent."""


def compute_signature(
    method: str, uri: str, headers: Mapping[str, str], body: bytes, signed: Signature, keys: Keys
) -> str:
    """The signature that the holder of the keys would have given this request.

    Parameters
    ----------
    method, uri : of the request line, the path and the query as they were sent
    headers : names in lower case
    body : not used where the client names its hash (``X-Amz-Content-SHA256``)
    """
    path, _, query = uri.partition("?")
    presigned = signed.seconds is not None
    if presigned:
        query = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    request = AWSRequest(
        method, f"http://{headers['host']}{path}" + (f"?{query}" if query else ""), dict(headers), body
    )
    if presigned and signed.service == "s3":
        request.headers["X-Amz-Content-SHA256"] = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    request.context["timestamp"] = signed.time
    kind = _S3RequestSigner if signed.service == "s3" else _RequestSigner
    signer = kind(Credentials(keys.access_key, keys.secret_key), signed.service, signed.region)
    signer.names = signed.headers
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def require_signature(
    method: str, uri: str, headers: Mapping[str, str], body: Callable[[], bytes], find_keys: FindKeys, now: datetime
) -> Signature:
    """The verified signature of a request; raises RefusedError when it is wrong."""
    signed = read_signature(headers, urlsplit(uri).query)
    keys = find_keys(signed.access_key)
    if keys is None or "host" not in signed.headers:
        raise RefusedError("InvalidClientTokenId", f"the access key {signed.access_key} is not of this account. {FIX}")
    if not hmac.compare_digest((keys.session_token or "").encode(), (signed.token or "").encode()):
        raise RefusedError("InvalidClientTokenId", f"the session token is not that of {signed.access_key}. {FIX}")
    hashed = "x-amz-content-sha256" in headers or (signed.seconds is not None and signed.service == "s3")
    expected = compute_signature(method, uri, headers, b"" if hashed else body(), signed, keys)
    if signed.date != signed.time[:8] or not hmac.compare_digest(expected, signed.signature):
        raise RefusedError("SignatureDoesNotMatch", f"the signature is not that of {signed.access_key}. {FIX}")
    signed_at = datetime.strptime(signed.time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    lifetime = CLOCK_SKEW if signed.seconds is None else timedelta(seconds=signed.seconds)
    if not signed_at - CLOCK_SKEW <= now <= signed_at + lifetime:
        raise RefusedError("RequestExpired", f"the request was signed at {signed.time}, and it is {now:%Y%m%dT%H%M%SZ}")
    return signed


# ------------------------------------------------------------------------------------------- the layer


def wrap_guard(application: Wsgi, port: int, find_keys: FindKeys, owner: str) -> Wsgi:
    """The application, behind the three questions above.

    Parameters
    ----------
    port : that the server listens on
    find_keys : the account's keys
    owner : the access key that alone may use ``/moto-api/``, which changes and shows the emulator itself
    """

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = read_headers(environ)
        uri = environ.get("REQUEST_URI") or environ["PATH_INFO"]
        try:
            require_local_program(headers, port)
            signed = require_signature(
                environ["REQUEST_METHOD"], uri, headers, lambda: _read_body(environ), find_keys, datetime.now(UTC)
            )
            if environ["PATH_INFO"].startswith("/moto-api") and signed.access_key != owner:
                raise RefusedError("AccessDenied", "only the account's owner may steer the emulator")
        except RefusedError as refused:
            method = environ["REQUEST_METHOD"]
            LOG.warning("refused %s %s: %s", method, environ["PATH_INFO"], refused)
            protocol = "rest-xml" if "/s3/" in headers.get("authorization", "") else headers.get("content-type", "")
            return refuse("403 Forbidden", refused.code, str(refused), protocol, start_response, method=method)
        return application(environ, start_response)

    return call


def read_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a WSGI request, names in lower case."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    plain = (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length"))
    return headers | {header: str(environ[name]) for name, header in plain if environ.get(name)}


def _read_body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def refuse(
    status: str, code: str, message: str, protocol: str, start_response: Callable[..., Any], *, method: str = "POST"
) -> Iterable[bytes]:
    """Answer an error in the protocol of the client's service.

    Parameters
    ----------
    protocol : botocore's name of it, or the content type of a request that says no more
    """
    kind, error = "text/xml", f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    if "json" in protocol:
        kind, text = "application/json", json.dumps({"__type": code, "message": message})
    elif protocol == "rest-xml":
        text = error
    elif protocol == "ec2":
        text = f"<Response><Errors>{error}</Errors><RequestID>0</RequestID></Response>"
    else:
        text = f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"
    body = b"" if method == "HEAD" else text.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-errortype", code)]
    start_response(status, headers)
    return [body]
