"""Which API operation a request on the wire is: service, operation and parameters, read by botocore's own models.

Pure functions on method, path, query, headers and body. What is not known is said, never guessed.
"""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET  # bodies that our own clients write, on loopback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.exceptions import UnknownServiceError

from localaws.answers import service_model

# Larger bodies are uploads, whose content decides nothing.
READ_BYTES = 4 * 2**20
# Signing names that are not the name of botocore's model.
_MODELS = {
    "elasticfilesystem": "efs",
    "elasticmapreduce": "emr",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
}


class UnknownCallError(Exception):
    """A request that no model explains."""


@dataclass(frozen=True)
class Signed:
    """Who signed a request, and for what: the scope of a version 4 signature.

    Attributes
    ----------
    key : the access key
    region, service : as signed for
    """

    key: str
    region: str
    service: str


@dataclass(frozen=True)
class Call:
    """An operation with its parameters: flat text for query services, members for the others."""

    service: str
    operation: str
    region: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def parse_credential(authorization: str) -> Signed | None:
    """What an Authorization header says; None for anonymous and presigned requests.

    >>> parse_credential("AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-3/s3/aws4_request, SignedHeaders=host")
    Signed(key='AKIA', region='eu-west-3', service='s3')
    >>> parse_credential("") is None
    True
    """
    match = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request", authorization)
    return Signed(match[1], match[2], match[3]) if match else None


def read(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Call:
    """The operation that a signed request asks for.

    Parameters
    ----------
    method, path, query : of the request line; the path still quoted
    headers : names in lower case
    body : may be left out (empty) for uploads to S3

    Raises
    ------
    UnknownCallError
        When it is not signed, or no operation of its service's model fits.
    """
    scope = parse_credential(headers.get("authorization", ""))
    if scope is None:
        raise UnknownCallError(f"{method} {path}: not signed")
    service = _MODELS.get(scope.service, scope.service)
    try:
        service_model(service)
    except UnknownServiceError as error:
        raise UnknownCallError(f"{method} {path}: no model of the service {scope.service}") from error
    if target := headers.get("x-amz-target"):
        operation, parameters = target.rpartition(".")[2], json.loads(body or b"{}")
    elif form := dict(parse_qsl(body.decode(errors="replace"))) if _is_form(headers) else {}:
        operation, parameters = form.pop("Action", ""), form
    else:
        operation, parameters = _match_route(
            service, method, path, dict(parse_qsl(query, keep_blank_values=True)), headers
        )
        parameters |= _read_content(operation, headers, body)
    try:
        service_model(service).operation_model(operation)
    except Exception as error:
        raise UnknownCallError(f"{method} {path} of {service}: no operation {operation!r}") from error
    return Call(service, operation, scope.region, parameters)


def _is_form(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _read_content(operation: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if operation == "DeleteObjects":
        return {"Objects": _read_objects(body)}
    if headers.get("content-type", "").startswith("application/json") and body:
        content: dict[str, Any] = json.loads(body)
        return content
    return {}


def _read_objects(body: bytes) -> list[dict[str, str]]:
    r"""The objects of a multi-object delete.

    >>> _read_objects(b"<Delete><Object><Key>a b</Key><VersionId>1</VersionId></Object></Delete>")
    [{'Key': 'a b', 'VersionId': '1'}]
    """
    tree = ET.fromstring(body)  # noqa: S314
    elements = [element for element in tree.iter() if element.tag.rpartition("}")[2] == "Object"]
    return [{child.tag.rpartition("}")[2]: child.text or "" for child in element} for element in elements]


@dataclass(frozen=True)
class _Route:
    """Where a REST operation lives: method, path, and what its query and headers must hold."""

    operation: str
    method: str
    pattern: re.Pattern[str]
    query: Mapping[str, str]
    headers: frozenset[str]
    deprecated: bool

    @property
    def weight(self) -> tuple[bool, int]:
        return not self.deprecated, len(self.query) + len(self.headers)


@cache
def _list_routes(service: str) -> list[_Route]:
    model = service_model(service)
    routes = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        path, _, literal = operation.http["requestUri"].partition("?")
        query = dict(parse_qsl(literal, keep_blank_values=True))
        headers = set()
        shape = operation.input_shape
        for member in shape.required_members if shape else []:
            location = shape.members[member].serialization
            if location.get("location") == "querystring":
                query[location["name"]] = ""
            elif location.get("location") == "header":
                headers.add(location["name"].lower())
        parts = re.split(r"(\{\w+\+?\})", path)
        pattern = "".join(
            f"(?P<{part.strip('{}+')}>{'.+' if '+' in part else '[^/]+'})" if part.startswith("{") else re.escape(part)
            for part in parts
        )
        routes.append(
            _Route(
                name,
                operation.http["method"],
                re.compile(pattern + "/?"),
                query,
                frozenset(headers),
                bool(getattr(operation, "deprecated", False)),
            )
        )
    return routes


def _match_route(
    service: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """The operation with the most demands that a request all meets, and its parameters in path and query."""
    fitting = [
        (route, match)
        for route in _list_routes(service)
        if route.method == method
        and (match := route.pattern.fullmatch(path))
        and all(name in query and (not value or query[name] == value) for name, value in route.query.items())
        and all(name in headers for name in route.headers)
    ]
    if not fitting:
        raise UnknownCallError(f"{method} {path} of {service}: no operation has this path")
    route, match = max(fitting, key=lambda fit: fit[0].weight)
    parameters = {name: unquote(value) for name, value in match.groupdict().items()}
    source = {"CopySource": unquote(headers["x-amz-copy-source"])} if "x-amz-copy-source" in headers else {}
    return route.operation, {**query, **parameters, **source}


def buffer_body(environ: dict[str, Any]) -> bytes:
    """A request's body, which can be read again afterwards; nothing of one that is an upload."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length or length > READ_BYTES:
        return b""
    body: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body
