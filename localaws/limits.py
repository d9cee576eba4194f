"""What a service's API refuses of texts: patterns and lengths of botocore's models, and EC2's character classes.

moto takes every text, and so does Terraform's provider: the first to say no would be AWS.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import Shape

from localaws.answers import service_model
from localaws.calls import Call, UnknownCallError, buffer_body, read
from localaws.guard import read_headers
from localaws.keys import SERVICE

LOG = logging.getLogger(__name__)
# EC2's model has no patterns. Of groups in a VPC and of their rules, AWS's text: "up to 255 characters in length.
# Allowed characters are a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*."
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html, API_IpRange.html
GROUP_TEXT = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}")
_GROUP_CALLS = re.compile(r"CreateSecurityGroup|(Authorize|Modify|Update|Revoke)SecurityGroup\w+")
_GROUP_TEXTS = re.compile(r"(?:.*\.)?(?:GroupDescription|GroupName|Description)")
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
_EC2_TAG = re.compile(r"(?:TagSpecification\.\d+\.)?Tag\.\d+\.(Key|Value)")
TAG_LENGTH = {"Key": 128, "Value": 256}
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
_SIZES = {"CreateVpc": (16, 28), "CreateSubnet": (16, 28)}

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def find_problems(call: Call) -> list[str]:
    """What the service would refuse of a call's texts, each with its place."""
    if call.service == "s3":
        return []
    shape = service_model(call.service).operation_model(call.operation).input_shape
    sentences = list(_check_ec2(call)) if call.service == "ec2" else []
    if shape is None:
        return sentences
    for name, value in call.parameters.items():
        sentences += _check_member(shape, name, value)
    return sentences


def _check_member(shape: Shape, name: str, value: Any) -> Iterator[str]:
    leaf = shape
    for part in name.split("."):
        if part.isdigit() or part in ("member", "entry"):
            leaf = leaf.member if leaf.type_name == "list" else leaf
            continue
        if leaf.type_name == "list":
            leaf = leaf.member
        members = getattr(leaf, "members", {})
        shapes = {inner.serialization.get("name", key): inner for key, inner in members.items()} | dict(members)
        if part not in shapes:
            return  # another spelling of a service's own: said nowhere, so nothing can be said
        leaf = shapes[part]
    yield from _check_value(leaf, value, name)


def _check_value(shape: Shape, value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict) and shape.type_name == "structure":
        for key, inner in value.items():
            if key in shape.members:
                yield from _check_value(shape.members[key], inner, f"{place}.{key}")
    elif isinstance(value, dict) and shape.type_name == "map":
        for key, inner in value.items():
            yield from _check_value(shape.key, key, f"{place} key")
            yield from _check_value(shape.value, inner, f"{place}.{key}")
    elif isinstance(value, list) and shape.type_name == "list":
        for number, inner in enumerate(value, start=1):
            yield from _check_value(shape.member, inner, f"{place}.{number}")
    elif isinstance(value, str) and shape.type_name == "string":
        yield from _check_text(shape.metadata, value, place)


def _check_text(limits: Mapping[str, Any], value: str, place: str) -> Iterator[str]:
    if len(value) < limits.get("min", 0):
        yield f"{place} must have length greater than or equal to {limits['min']}, not {len(value)}"
    if len(value) > limits.get("max", len(value)):
        yield f"{place} must have length less than or equal to {limits['max']}, not {len(value)}"
    pattern = limits.get("pattern")
    if pattern and (compiled := _compile_pattern(pattern)) and not compiled.fullmatch(value):
        yield f"{place} = {value!r} must satisfy regular expression pattern: {pattern}"


@cache
def _compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """A model's pattern for Python; None for one in a dialect that Python does not read."""
    for java, python in ((r"\p{L}", r"[^\W\d_]"), (r"\p{Z}", r"\s"), (r"\p{N}", r"\d"), (r"\p{M}", "")):
        if java in pattern:
            pattern = pattern.replace(java, python if "[" + java not in pattern else r"\w\s")
    # surrogate pairs of Java's strings: one character here
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010ffff")
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _check_ec2(call: Call) -> Iterator[str]:
    for name, value in call.parameters.items():
        text = str(value)
        if _GROUP_CALLS.fullmatch(call.operation) and _GROUP_TEXTS.fullmatch(name) and not GROUP_TEXT.fullmatch(text):
            yield (
                f"Invalid security group description or name {text!r} ({name}). Valid descriptions are strings less "
                "than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
            )
        if (tag := _EC2_TAG.fullmatch(name)) and len(text) > TAG_LENGTH[tag[1]]:
            yield f"{name} of a tag must have at most {TAG_LENGTH[tag[1]]} characters, not {len(text)}"
        if tag and tag[1] == "Key" and text.lower().startswith("aws:"):
            yield f"{name} = {text!r}: names that begin with aws: are AWS's"
        if re.search(r"(?:^|\.)Cidr(?:Ip|Block)$", name):
            yield from _check_cidr(call.operation, name, text)


def _check_cidr(operation: str, name: str, text: str) -> Iterator[str]:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        yield f"{name} = {text}: {error}"
        return
    smallest, largest = _SIZES.get(operation, (0, 32))
    if not smallest <= network.prefixlen <= largest:
        yield f"{name} = {text} is invalid: the block must be of /{smallest} to /{largest}"


def wrap_limits(application: Wsgi) -> Wsgi:
    """The application, to which no call comes whose texts its service would refuse."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = read_headers(environ)
        signed = headers.get("authorization", "")
        # the services' own calls carry tags that are AWS's alone
        if "/s3/" in signed or SERVICE in signed or environ["PATH_INFO"].startswith("/moto-api"):
            return application(environ, start_response)
        path = environ.get("REQUEST_URI", "").partition("?")[0] or environ["PATH_INFO"]
        try:
            call_read = read(
                environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), headers, buffer_body(environ)
            )
            sentences = find_problems(call_read)
        except (UnknownCallError, ValueError):
            return application(environ, start_response)  # for the service to say
        if not sentences:
            return application(environ, start_response)
        LOG.warning("%s of %s: %s", call_read.operation, call_read.service, "; ".join(sentences))
        return _refuse(call_read, headers, sentences, start_response)

    return call


def _refuse(
    call: Call, headers: Mapping[str, str], sentences: list[str], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    message = "; ".join(sentences)
    code = "InvalidParameterValue" if call.service == "ec2" else "ValidationException"
    protocol = service_model(call.service).protocol
    if "json" in protocol:
        kind, text = headers.get("content-type", "application/json"), json.dumps({"__type": code, "message": message})
    elif protocol == "ec2":
        error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        kind, text = "text/xml", f"<Response><Errors>{error}</Errors><RequestID>0</RequestID></Response>"
    else:
        error = f"<Error><Code>ValidationError</Code><Message>{escape(message)}</Message></Error>"
        kind, text = "text/xml", f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"
    answer = [("Content-Type", kind), ("Content-Length", str(len(text.encode()))), ("x-amzn-errortype", code)]
    start_response("400 Bad Request", answer)
    return [text.encode()]
