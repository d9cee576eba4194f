"""Answers in the service's own shape: every result is checked against botocore's model before it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.loaders
import botocore.model
import botocore.validate
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores

Method = Callable[[Any, dict[str, Any]], dict[str, Any] | None]


class WrongShapeError(AssertionError):
    """An answer that AWS would not give: a fault of the emulator, never of its user."""


@cache
def read_service_model(service: str) -> botocore.model.ServiceModel:
    """botocore's model of a service."""
    loader = botocore.loaders.create_loader()
    return botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service_name=service)


def prune(value: Any) -> Any:
    """The value without the members that are None: a service leaves them out."""
    if isinstance(value, dict):
        return {k: prune(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [prune(v) for v in value]
    return value


def check_answer(service: str, operation: str, result: dict[str, Any]) -> None:
    """Raise WrongShapeError when ``result`` has members, types or enum values that are not the operation's."""
    shape = read_service_model(service).operation_model(operation).output_shape
    if shape is None:
        if result:
            raise WrongShapeError(f"{service}:{operation} answers nothing, not {sorted(result)}")
        return
    report = botocore.validate.ParamValidator().validate(result, shape)
    problems = [report.generate_report()] if report.has_errors() else []
    problems += _find_foreign_enums(result, shape, operation)
    if problems:
        raise WrongShapeError(f"{service}:{operation}: " + "; ".join(problems))


def _find_foreign_enums(value: Any, shape: Any, path: str) -> list[str]:
    if shape.type_name == "structure" and isinstance(value, dict):
        return [
            p
            for k, v in value.items()
            if k in shape.members
            for p in _find_foreign_enums(v, shape.members[k], f"{path}.{k}")
        ]
    if shape.type_name == "list" and isinstance(value, list):
        return [p for v in value for p in _find_foreign_enums(v, shape.member, f"{path}[]")]
    if shape.type_name == "string" and shape.enum and value not in shape.enum:
        return [f"{path} = {value!r} is not one of {', '.join(shape.enum)}"]
    return []


def make_answer(response: BaseResponse, operation: str, result: dict[str, Any] | None = None) -> ActionResult:
    """The checked answer of a moto response method."""
    pruned = prune(result or {})
    check_answer(str(response.service_name), operation, pruned)
    return ActionResult(pruned)


def read_request(response: BaseResponse) -> dict[str, Any]:
    """The request of a JSON service as the client wrote it."""
    body: dict[str, Any] = json.loads(response.body or "{}")
    return body


def operation(name: str) -> Callable[[Method], Callable[[Any], ActionResult]]:
    """Turn a method from request to result into an API operation, whose answer is checked."""

    def decorate(method: Method) -> Callable[[Any], ActionResult]:
        def respond(response: Any) -> ActionResult:
            return make_answer(response, name, method(response, read_request(response)))

        respond.__name__ = camelcase_to_underscores(name)
        respond.operation = name  # type: ignore[attr-defined]
        return respond

    return decorate
