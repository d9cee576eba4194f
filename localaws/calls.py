"""Parse requests: the service, operation and parameters of a call, by moto's router and parsers.

A request that no model explains is an error; nothing is guessed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import UnknownServiceError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from werkzeug.exceptions import NotFound

# Larger bodies are uploads, whose content decides nothing.
READ_BYTES = 4 * 2**20
# Signing names that differ from the name of botocore's model.
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
class CredentialScope:
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
    """An operation with its parameters, by the names of botocore's model."""

    service: str
    operation: str
    region: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def parse_credential(authorization: str) -> CredentialScope | None:
    """The scope in an Authorization header; None for anonymous and presigned requests.

    >>> parse_credential("AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-3/s3/aws4_request, SignedHeaders=host")
    CredentialScope(key='AKIA', region='eu-west-3', service='s3')
    >>> parse_credential("") is None
    True
    """
    match = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request", authorization)
    return CredentialScope(match[1], match[2], match[3]) if match else None


def parse_call(environ: dict[str, Any]) -> Call:
    """The operation that a signed request asks for; the request can be read again afterwards.

    Raises
    ------
    UnknownCallError
        When it is not signed, no operation of its service's model fits, or its parameters cannot be read.
    """
    request = _make_request(environ)
    line, scope = f"{request.method} {request.raw_path}", parse_credential(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None:
        raise UnknownCallError(f"{line}: not signed")
    service = _MODELS.get(scope.service, scope.service)
    try:
        operation, labels = get_service_router(service).match(request)
    except UnknownServiceError as error:
        raise UnknownCallError(f"{line}: no model of the service {scope.service}") from error
    except (NotFound, NotImplementedError) as error:
        raise UnknownCallError(f"{line} of {service}: no operation fits") from error
    protocol = determine_request_protocol(operation.service_model, request.content_type)
    try:
        parameters = PROTOCOL_PARSERS[protocol](operation).parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": request.data,
                "url_path": request.path,
                "url_params": labels,
            }
        )
    except Exception as error:  # a request that no service would take makes the parsers raise what they like
        raise UnknownCallError(f"{line} of {service}: {type(error).__name__} {error}") from error
    return Call(service, operation.name, scope.region, parameters)


def _make_request(environ: dict[str, Any]) -> Request:
    """A copy of a request, so that the application can still read the body; without the body of an upload."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if 0 < length <= READ_BYTES else b""
    if body:
        environ["wsgi.input"] = io.BytesIO(body)
    copy = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return Request({**environ, **copy, "RAW_URI": environ.get("REQUEST_URI", "")})
