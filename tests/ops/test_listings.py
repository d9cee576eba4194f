"""Listings of AWS: each key under which something is looked for is one under which that call answers."""

from __future__ import annotations

import ast
from itertools import pairwise

import botocore.loaders
import pytest
from botocore import xform_name

from localaws.rights import _S3_ACTIONS
from ops.aws.account import Account
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.paths import ROOT
from ops.core.target import Target
from ops.verify.gather import Gatherer
from tests.infra.test_operators import REAL_ONLY, RIGHTS
from tools.record_calls import NOT_NEEDED

SERVICES = ("ec2", "emr", "iam", "pricing", "resourcegroupstaggingapi", "s3", "sagemaker", "scheduler", "ssm")


def read_paginators() -> dict[str, set[str]]:
    """The keys of each call's answer that hold a list, by botocore's own description of the services."""
    loader = botocore.loaders.Loader()
    keys: dict[str, set[str]] = {}
    for service in SERVICES:
        for name, entry in loader.load_service_model(service, "paginators-1")["pagination"].items():
            listed = entry["result_key"]
            keys.setdefault(xform_name(name), set()).update([listed] if isinstance(listed, str) else listed)
    return keys


PAGINATORS = read_paginators()


def list_pairs(source: str) -> list[tuple[str, str]]:
    """Each call of AWS that is written before a key, as arguments or as two values together."""
    groups = [
        node.args if isinstance(node, ast.Call) else node.elts
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call | ast.Tuple)
    ]
    return [
        (str(call.value), str(key.value))
        for group in groups
        for call, key in pairwise(group)
        if isinstance(call, ast.Constant) and isinstance(key, ast.Constant) and call.value in PAGINATORS
    ]


def test_every_listing_looks_where_the_call_answers() -> None:
    """A wrong key would be an empty list, whatever is there: "nothing bills"."""
    pairs = {pair for path in (ROOT / "ops").rglob("*.py") for pair in list_pairs(path.read_text(encoding="utf-8"))}
    assert len(pairs) >= 15, sorted(pairs)
    assert [pair for pair in sorted(pairs) if pair[1] not in PAGINATORS[pair[0]]] == []
    assert [pair for pair in list_pairs('f(ec2, "describe_vpcs", "VPCs")') if pair[1] in PAGINATORS[pair[0]]] == []


PREFIXES = {"emr": "elasticmapreduce", "resourcegroupstaggingapi": "tag", "stepfunctions": "states"}
OTHER_NAMES = {"s3:DeleteObjects": "s3:DeleteObject", "budgets:DescribeBudget": "budgets:ViewBudget"}
NO_RIGHT = {"sts:GetCallerIdentity", *NOT_NEEDED}
NO_CALLS = {"search", "list_images"}
"""Methods of ours, or of Python's, that are called like some call of AWS."""


def list_actions(service: str) -> dict[str, str]:
    """A service's calls, as a client has them, with the action that each needs."""
    operations = botocore.loaders.Loader().load_service_model(service, "service-2")["operations"]
    names = {name: _S3_ACTIONS.get(name, name) if service == "s3" else name for name in operations}
    actions = {name: f"{PREFIXES.get(service, service)}:{action}" for name, action in names.items()}
    return {xform_name(name): OTHER_NAMES.get(action, action) for name, action in actions.items()}


def test_every_call_is_one_that_operators_may_make() -> None:
    """A command that no rehearsal types to its end may call what nobody granted."""
    sources = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "ops").rglob("*.py")]
    nodes = [node for source in sources for node in ast.walk(source)]
    methods = {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    methods |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    clients = [list_actions(service) for service in (*SERVICES, "budgets", "ce", "stepfunctions", "sts")]
    known = {right.action for right in RIGHTS} | set(REAL_ONLY) | NO_RIGHT
    calls = {name: {actions[name] for actions in clients if name in actions} for name in methods - NO_CALLS}
    missing = {name: sorted(actions) for name, actions in calls.items() if actions and not actions & known}
    assert sum(map(bool, calls.values())) > 60
    assert missing == {}, "make record-calls records them where a rehearsal types the command; infra/operators grants"


@pytest.mark.parametrize("error", [KeyError("Vpcs"), IndexError("none"), OperatorError("no Studio")])
def test_no_question_to_aws_ends_a_look_at_it(error: Exception) -> None:
    gatherer = Gatherer(Account(Target(env="verify", region="eu-west-3", account_id="123456789012")), Console())

    def fail() -> None:
        raise error

    assert gatherer.ask(fail) == {"error": f"{type(error).__name__}: {error}"}
