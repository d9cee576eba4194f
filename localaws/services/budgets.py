"""AWS Budgets: subscribers, tags and updates, which moto lacks."""

from __future__ import annotations

from typing import Any, cast

from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import Budget, BudgetsBackend
from moto.budgets.responses import BudgetsResponse
from moto.utilities.tagging_service import TaggingService

from localaws import patching
from localaws.answers import operation, read_request


def _find_budget(backend: BudgetsBackend, account: str, name: str) -> Budget:
    budgets = backend.budgets[account]
    if name not in budgets:
        raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
    return budgets[name]


def _list_subscribers(self: Any, parameters: dict[str, Any]) -> list[Any]:
    """The subscribers of the notification that a request names."""
    named = parameters["Notification"]
    for notification in _find_budget(self.backend, parameters["AccountId"], parameters["BudgetName"]).notifications:
        details = notification.details
        is_same = all(details.get(k) == named.get(k) for k in ("NotificationType", "ComparisonOperator"))
        if is_same and float(details["Threshold"]) == float(named["Threshold"]):
            return cast(list[Any], notification.subscribers)
    raise NotFoundException("Unable to find the notification: it doesn't exist.")


def _find_tagger(backend: BudgetsBackend) -> TaggingService:
    tagger: TaggingService = vars(backend).setdefault("tagger", TaggingService(tag_name="ResourceTags"))
    return tagger


def _create_budget(original: Any, self: Any) -> Any:
    result = original(self)
    parameters = read_request(self)
    if tags := parameters.get("ResourceTags"):
        arn = f"arn:aws:budgets::{parameters['AccountId']}:budget/{parameters['Budget']['BudgetName']}"
        _find_tagger(self.backend).tag_resource(arn, tags)
    return result


@operation("UpdateBudget")
def _update_budget(self: Any, parameters: dict[str, Any]) -> None:
    budget = parameters["NewBudget"]
    _find_budget(self.backend, parameters["AccountId"], budget["BudgetName"]).budget.update(budget)


@operation("DescribeSubscribersForNotification")
def _describe_subscribers(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"Subscribers": _list_subscribers(self, parameters)}


@operation("CreateSubscriber")
def _create_subscriber(self: Any, parameters: dict[str, Any]) -> None:
    _list_subscribers(self, parameters).append(parameters["Subscriber"])


@operation("DeleteSubscriber")
def _delete_subscriber(self: Any, parameters: dict[str, Any]) -> None:
    if parameters["Subscriber"] in (subscribers := _list_subscribers(self, parameters)):
        subscribers.remove(parameters["Subscriber"])


@operation("ListTagsForResource")
def _list_tags(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    return _find_tagger(self.backend).list_tags_for_resource(parameters["ResourceARN"])


@operation("TagResource")
def _tag(self: Any, parameters: dict[str, Any]) -> None:
    _find_tagger(self.backend).tag_resource(parameters["ResourceARN"], parameters["ResourceTags"])


@operation("UntagResource")
def _untag(self: Any, parameters: dict[str, Any]) -> None:
    _find_tagger(self.backend).untag_resource_using_names(parameters["ResourceARN"], parameters["ResourceTagKeys"])


def install() -> None:
    """Add the calls that a budget with alerts and tags needs."""
    patching.wrap_method(BudgetsResponse, "create_budget", _create_budget)
    subscribers = (_describe_subscribers, _create_subscriber, _delete_subscriber)
    patching.add_operations(BudgetsResponse, _update_budget, *subscribers, _list_tags, _tag, _untag)
