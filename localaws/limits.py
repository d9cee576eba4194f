"""Which texts a service's API refuses: by the patterns and lengths of botocore's models, and EC2's character classes.

moto takes every text, and so does Terraform's provider: the first to say no would be AWS.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from botocore.model import Shape

from localaws.answers import read_service_model
from localaws.calls import Call, UnknownCallError, parse_call
from localaws.guard import Wsgi, refuse
from localaws.keys import SERVICE

LOG = logging.getLogger(__name__)
# EC2's model has no patterns. Of groups in a VPC and of their rules, AWS's text: "up to 255 characters in length.
# Allowed characters are a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*."
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html, API_IpRange.html
GROUP_TEXT = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}")
_GROUP_CALLS = re.compile(r"CreateSecurityGroup|(Authorize|Modify|Update|Revoke)SecurityGroup\w+")
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
TAG_LENGTH = {"Key": 128, "Value": 256}
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
_SIZES = {"CreateVpc": (16, 28), "CreateSubnet": (16, 28)}


def find_problems(call: Call) -> list[str]:
    """The texts of a call that its service would refuse: each with its place and what is wrong with it."""
    shape = read_service_model(call.service).operation_model(call.operation).input_shape
    if call.service == "s3" or shape is None:
        return []
    return list(_check_value(shape, call.parameters, (), call))


def _check_value(shape: Shape, value: Any, path: tuple[str, ...], call: Call) -> Iterator[str]:
    if isinstance(value, dict) and shape.type_name == "structure":
        for key, inner in value.items():
            if key in shape.members:
                yield from _check_value(shape.members[key], inner, (*path, key), call)
    elif isinstance(value, dict) and shape.type_name == "map":
        for key, inner in value.items():
            yield from _check_value(shape.key, key, (*path, "key"), call)
            yield from _check_value(shape.value, inner, (*path, key), call)
    elif isinstance(value, list) and shape.type_name == "list":
        for number, inner in enumerate(value, start=1):
            yield from _check_value(shape.member, inner, (*path, str(number)), call)
    elif isinstance(value, str) and shape.type_name == "string":
        yield from _check_text(shape.metadata, value, ".".join(path))
        if call.service == "ec2":
            yield from _check_ec2(call.operation, path, value)


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


def _check_ec2(operation: str, path: tuple[str, ...], text: str) -> Iterator[str]:
    name, place = path[-1], ".".join(path)
    is_text = name in ("Description", "GroupName") and _GROUP_CALLS.fullmatch(operation)
    if is_text and not GROUP_TEXT.fullmatch(text):
        yield (
            f"Invalid security group description or name {text!r} ({place}). Valid descriptions are strings less "
            "than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
        )
    if "Tags" in path and name in TAG_LENGTH:
        if len(text) > TAG_LENGTH[name]:
            yield f"{place} of a tag must have at most {TAG_LENGTH[name]} characters, not {len(text)}"
        if name == "Key" and text.lower().startswith("aws:"):
            yield f"{place} = {text!r}: names that begin with aws: are AWS's"
    if name in ("CidrIp", "CidrBlock"):
        yield from _check_cidr(operation, place, text)


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
    """The application, behind a check that refuses the texts that a service would refuse."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        signed = environ.get("HTTP_AUTHORIZATION", "")
        # the services' own calls carry tags that only AWS may give
        if "/s3/" in signed or SERVICE in signed or environ["PATH_INFO"].startswith("/moto-api"):
            return application(environ, start_response)
        try:
            request = parse_call(environ)
        except UnknownCallError:
            return application(environ, start_response)  # the service will say what is wrong
        if not (problems := find_problems(request)):
            return application(environ, start_response)
        LOG.warning("%s of %s: %s", request.operation, request.service, "; ".join(problems))
        protocol = read_service_model(request.service).protocol
        codes = {"ec2": "InvalidParameterValue", "query": "ValidationError"}
        code = codes.get(protocol, "ValidationException")
        return refuse("400 Bad Request", code, "; ".join(problems), protocol, start_response)

    return call
