"""Step Functions: workflows of JSONata that call EMR and CloudWatch are really run, with the rights of their role.

Of the Amazon States Language the states Task (``aws-sdk`` integrations), Choice, Pass, Succeed, Fail, with Arguments,
Assign, Output, Condition in JSONata. Any other state, and a definition in JSONPath, is refused by name when
the workflow is made: what is accepted here is understood. ``jsonata-python`` evaluates the expressions.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonata
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from moto.core.exceptions import AWSError
from moto.stepfunctions.models import StateMachine, StepFunctionBackend
from moto.stepfunctions.responses import StepFunctionResponse

from localaws import patching
from localaws.answers import operation
from localaws.policy import AccessRequest
from localaws.services import authorization
from localaws.settings import Settings

LOG = logging.getLogger(__name__)
SDK = re.compile(r"arn:aws[\w-]*:states:::aws-sdk:(\w+):(\w+)")
KINDS = {
    "Task": {"Resource", "Arguments", "Assign", "Output", "Next", "End", "Comment"},
    "Choice": {"Choices", "Default", "Assign", "Output", "Comment"},
    "Pass": {"Assign", "Output", "Next", "End", "Comment"},
    "Succeed": {"Output", "Comment"},
    "Fail": {"Error", "Cause", "Comment"},
}
ACTIONS = {"emr": "elasticmapreduce", "sfn": "states"}
"""Where a service's prefix in policies differs from its name in the SDK."""

MakeClient = Callable[[str, str], Any]


class InvalidDefinition(AWSError):  # noqa: N818  # AWS calls it so
    """A definition that Step Functions, or this emulation of it, does not take."""

    TYPE = "InvalidDefinition"
    STATUS = 400


class TaskFailedError(Exception):
    """A state that failed; the error's name is the first argument, the cause the second."""


# ------------------------------------------------------------------------------------------- definitions


def parse_definition(definition: str) -> dict[str, Any]:
    """The parsed definition; raises InvalidDefinition where it cannot be run here."""
    try:
        machine: dict[str, Any] = json.loads(definition)
    except ValueError as error:
        raise InvalidDefinition(f"Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: {error}'") from None
    states = machine.get("States") or {}
    if machine.get("QueryLanguage") != "JSONata":
        raise InvalidDefinition("Invalid State Machine Definition: only QueryLanguage JSONata is run here")
    targets = [machine.get("StartAt")]
    for name, state in states.items():
        if problem := _describe_problem(state):
            raise InvalidDefinition(f"Invalid State Machine Definition: '{problem} at /States/{name}'")
        targets += [state[key] for key in ("Next", "Default") if key in state]
        targets += [choice["Next"] for choice in state.get("Choices", [])]
    if missing := [target for target in targets if target not in states]:
        raise InvalidDefinition(f"Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: {missing[0]}'")
    if unreached := set(states) - set(targets):
        raise InvalidDefinition(f"Invalid State Machine Definition: 'UNREACHABLE_STATE: {sorted(unreached)[0]}'")
    return machine


def _describe_problem(state: Mapping[str, Any]) -> str:
    kind = str(state.get("Type"))
    if kind not in KINDS:
        return f"SCHEMA_VALIDATION_FAILED: the type {kind} is not run here"
    if unknown := set(state) - KINDS[kind] - {"Type"}:
        return f"SCHEMA_VALIDATION_FAILED: {', '.join(sorted(unknown))} of {kind} is not run here"
    if kind == "Task" and not SDK.fullmatch(state.get("Resource", "")):
        return f"SCHEMA_VALIDATION_FAILED: the resource {state.get('Resource')} is not run here"
    if kind in ("Task", "Pass") and ("Next" in state) == bool(state.get("End")):
        return "MISSING_TRANSITION: either Next or End"
    return ""


def evaluate(value: Any, variables: Mapping[str, Any]) -> Any:
    """A value with its ``{% expressions %}`` evaluated.

    Parameters
    ----------
    variables : by name, without the dollar; ``states`` among them

    Raises
    ------
    TaskFailedError : an expression fails, or has no value
    """
    if isinstance(value, dict):
        return {key: evaluate(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [evaluate(inner, variables) for inner in value]
    if not isinstance(value, str) or not (match := re.fullmatch(r"\{%(.*)%\}", value, re.DOTALL)):
        return value
    try:
        expression = jsonata.Jsonata(match[1].strip())
        frame = expression.create_frame()
        for name, bound in variables.items():
            frame.bind(name, bound)
        result = expression.evaluate(None, frame)
    except Exception as error:  # the package raises exceptions of any kind
        raise TaskFailedError("States.QueryEvaluationError", f"{value}: {error}") from error
    if result is None:
        raise TaskFailedError("States.QueryEvaluationError", f"{value} returned undefined")
    return result


def format_time(time: datetime) -> str:
    """A time as the SDK integrations write it.

    >>> format_time(datetime(2026, 11, 27, 10, 0, 0, 5000, tzinfo=UTC))
    '2026-11-27T10:00:00.005Z'
    """
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def stretch_times(value: Any, now: datetime, rate: float) -> Any:
    """An answer as a workflow sees it: without metadata, with times as text, and the past ``rate`` times as long ago.

    >>> stretch_times({"at": datetime(2026, 1, 1, 9, 59, tzinfo=UTC)}, datetime(2026, 1, 1, 10, tzinfo=UTC), 60)
    {'at': '2026-01-01T09:00:00.000Z'}
    """
    if isinstance(value, dict):
        return {key: stretch_times(inner, now, rate) for key, inner in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [stretch_times(inner, now, rate) for inner in value]
    if isinstance(value, datetime):
        # a rate of a million would lead before the year 1
        back = min((now - value).total_seconds() * rate, timedelta(days=36_500).total_seconds())
        return format_time(now - timedelta(seconds=back))
    return value


# ------------------------------------------------------------------------------------------- executions


class Interpreter:
    """Goes through the states of a workflow, for one execution.

    Parameters
    ----------
    client : gives the client of a service (as the SDK names it) in a region
    clock_rate : how many times faster than real time the workflow's clock runs
    """

    def __init__(self, machine: Any, make_client: MakeClient, account: str, region: str, clock_rate: float) -> None:
        self.definition, self.role = parse_definition(machine.definition), machine.roleArn.rsplit("/", 1)[-1]
        self._make_client, self._account, self._region, self._rate = make_client, account, region, clock_rate

    def run(self, input_data: Any, is_running: Callable[[], bool]) -> Any:
        """Go from the first state to an end, and return the output; None if it stops running before.

        Raises
        ------
        TaskFailedError
        """
        variables: dict[str, Any] = {}
        name, data = self.definition["StartAt"], input_data
        while is_running():
            state, now = self.definition["States"][name], datetime.now(UTC)
            states: dict[str, Any] = {
                "input": data,
                "context": {"State": {"Name": name, "EnteredTime": format_time(now)}},
            }
            known = {**variables, "states": states}
            if state["Type"] == "Fail":
                raise TaskFailedError(state.get("Error", ""), state.get("Cause", ""))
            if state["Type"] == "Task":
                states["result"] = self._call(state["Resource"], evaluate(state.get("Arguments", {}), known), now)
            output = evaluate(state["Output"], known) if "Output" in state else states.get("result", data)
            variables |= evaluate(state.get("Assign", {}), known)
            if state["Type"] == "Succeed" or state.get("End"):
                return output
            data = output
            name = state["Next"] if "Next" in state else self._choose(name, state, known)
        return None

    @staticmethod
    def _choose(name: str, state: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
        for choice in state["Choices"]:
            verdict = evaluate(choice["Condition"], variables)
            if not isinstance(verdict, bool):
                raise TaskFailedError("States.QueryEvaluationError", f"a condition of {name} gave {verdict!r}")
            if verdict:
                return str(choice["Next"])
        if "Default" not in state:
            raise TaskFailedError("States.NoChoiceMatched", name)
        return str(state["Default"])

    def _call(self, resource: str, arguments: dict[str, Any], now: datetime) -> Any:
        match = SDK.fullmatch(resource)
        assert match is not None  # parse_definition has looked
        service, operation = match.groups()
        action = f"{ACTIONS.get(service, service)}:{operation[0].upper()}{operation[1:]}"
        role = authorization.find_role_caller(self._account, self.role)
        for arn in self._list_resources(service, arguments):
            tags = authorization.read_cluster_tags(self._account, arn)
            if not authorization.is_allowed(role, AccessRequest(action, arn, tags)):
                raise TaskFailedError(f"{service}.AccessDeniedException", f"{self.role} may not {action} on {arn}")
        try:
            method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
            answer = getattr(self._make_client(service, self._region), method)(**arguments)
        except (ClientError, BotoCoreError, ParamValidationError) as error:
            raise TaskFailedError(f"{service}.{type(error).__name__}", str(error)) from error
        return stretch_times(answer, now, self._rate)

    def _list_resources(self, service: str, arguments: Mapping[str, Any]) -> list[str]:
        ids = [arguments["ClusterId"]] if "ClusterId" in arguments else arguments.get("JobFlowIds", [])
        if service != "emr":
            return ["*"]
        return [f"arn:aws:elasticmapreduce:{self._region}:{self._account}:cluster/{cluster_id}" for cluster_id in ids]


class Workflows:
    """Runs executions.

    Parameters
    ----------
    settings : the clock's rate
    client : gives the client of a service in a region
    """

    def __init__(self, account: str, settings: Settings, make_client: MakeClient) -> None:
        self.account, self.settings, self.make_client = account, settings, make_client

    def run(self, execution: Any, machine: Any, region: str) -> None:
        """Run an execution that moto has made, to its end, or until StopExecution aborts it."""
        try:
            interpreter = Interpreter(machine, self.make_client, self.account, region, self.settings.clock_rate)
            content = json.loads(execution.execution_input or "{}")
            output = interpreter.run(content, lambda: bool(execution.status == "RUNNING"))
            result = {"status": "SUCCEEDED", "output": json.dumps(output, default=str)}
        except TaskFailedError as failed:
            LOG.warning("workflow %s failed: %s", machine.name, ": ".join(map(str, failed.args)))
            result = {"status": "FAILED", "error": failed.args[0], "cause": failed.args[1]}
        except Exception:
            LOG.exception("workflow %s", machine.name)
            result = {"status": "FAILED"}
        if execution.status == "RUNNING":
            vars(execution).update(result, stop_date=datetime.now(UTC))


# ------------------------------------------------------------------------------------------- in moto


def _start_execution(original: Any, self: Any, region_name: str, *args: Any, **kwargs: Any) -> Any:
    before = list(self.executions)
    execution = original(self, region_name, *args, **kwargs)
    if _workflows is not None and execution not in before:  # a repeated call means the same execution
        threading.Thread(target=_workflows.run, args=(execution, self, region_name), daemon=True).start()
    return execution


def _check_definition(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    if kwargs.get("definition"):
        parse_definition(kwargs["definition"])
    return original(self, *args, **kwargs)


@operation("ValidateStateMachineDefinition")
def _validate_state_machine_definition(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    try:
        parse_definition(parameters["definition"])
    except InvalidDefinition as error:
        diagnostic = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": str(error)}
        return {"result": "FAIL", "diagnostics": [diagnostic], "truncated": False}
    return {"result": "OK", "diagnostics": [], "truncated": False}


@operation("ListStateMachineVersions")
def _list_state_machine_versions(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    versions = self.stepfunction_backend.describe_state_machine(parameters["stateMachineArn"]).versions.values()
    summaries = [{"stateMachineVersionArn": v.arn, "creationDate": v.creation_date} for v in versions]
    return {"stateMachineVersions": summaries}


_workflows: Workflows | None = None


def install() -> None:
    """Really run executions, refuse definitions that cannot be run, and answer two calls that moto lacks."""
    patching.wrap_method(StateMachine, "start_execution", _start_execution)
    for name in ("create_state_machine", "update_state_machine"):
        patching.wrap_method(StepFunctionBackend, name, _check_definition)
    patching.add_operations(StepFunctionResponse, _validate_state_machine_definition, _list_state_machine_versions)


def set_workflows(workflows: Workflows) -> None:
    """Set what runs the executions that are started from now on."""
    global _workflows
    _workflows = workflows
