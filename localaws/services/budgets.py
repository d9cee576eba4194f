"""AWS Budgets: subscribers, tags and updates, which moto lacks."""

from __future__ import annotations

from typing import Any

from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import Budget, BudgetsBackend
from moto.budgets.responses import BudgetsResponse
from moto.core.responses import ActionResult
from moto.utilities.tagging_service import TaggingService

from localaws import patching
from localaws.answers import answer, request


def _budget(backend: BudgetsBackend, account: str, name: str) -> Budget:
    budgets = backend.budgets[account]
    if name not in budgets:
        raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
    return budgets[name]


def _notification(budget: Budget, notification_wanted: dict[str, Any]) -> Any:
    for notification in budget.notifications:
        details = notification.details
        is_same = all(details.get(k) == notification_wanted.get(k) for k in ("NotificationType", "ComparisonOperator"))
        if is_same and float(details["Threshold"]) == float(notification_wanted["Threshold"]):
            return notification
    raise NotFoundException("Unable to find the notification: it doesn't exist.")


def _tags(backend: BudgetsBackend) -> TaggingService:
    tagger: TaggingService = vars(backend).setdefault("tagger", TaggingService(tag_name="ResourceTags"))
    return tagger


def _create_budget(self: Any) -> Any:
    result = _moto_create_budget(self)
    parameters = request(self)
    if tags := parameters.get("ResourceTags"):
        arn = f"arn:aws:budgets::{parameters['AccountId']}:budget/{parameters['Budget']['BudgetName']}"
        _tags(self.backend).tag_resource(arn, tags)
    return result


def _update_budget(self: Any) -> ActionResult:
    parameters = request(self)
    _budget(self.backend, parameters["AccountId"], parameters["NewBudget"]["BudgetName"]).budget.update(
        parameters["NewBudget"]
    )
    return answer(self, "UpdateBudget")


def _describe_subscribers(self: Any) -> ActionResult:
    parameters = request(self)
    budget = _budget(self.backend, parameters["AccountId"], parameters["BudgetName"])
    notification = _notification(budget, parameters["Notification"])
    return answer(self, "DescribeSubscribersForNotification", {"Subscribers": notification.subscribers})


def _create_subscriber(self: Any) -> ActionResult:
    parameters = request(self)
    budget = _budget(self.backend, parameters["AccountId"], parameters["BudgetName"])
    _notification(budget, parameters["Notification"]).subscribers.append(parameters["Subscriber"])
    return answer(self, "CreateSubscriber")


def _delete_subscriber(self: Any) -> ActionResult:
    parameters = request(self)
    budget = _budget(self.backend, parameters["AccountId"], parameters["BudgetName"])
    subscribers = _notification(budget, parameters["Notification"]).subscribers
    if parameters["Subscriber"] in subscribers:
        subscribers.remove(parameters["Subscriber"])
    return answer(self, "DeleteSubscriber")


def _list_tags(self: Any) -> ActionResult:
    tags = _tags(self.backend).list_tags_for_resource(request(self)["ResourceARN"])
    return answer(self, "ListTagsForResource", tags)


def _tag(self: Any) -> ActionResult:
    parameters = request(self)
    _tags(self.backend).tag_resource(parameters["ResourceARN"], parameters["ResourceTags"])
    return answer(self, "TagResource")


def _untag(self: Any) -> ActionResult:
    parameters = request(self)
    _tags(self.backend).untag_resource_using_names(parameters["ResourceARN"], parameters["ResourceTagKeys"])
    return answer(self, "UntagResource")


_moto_create_budget: Any = None


def install() -> None:
    """Add the calls that a budget with alerts and tags needs."""
    global _moto_create_budget
    _moto_create_budget = patching.replace(BudgetsResponse, "create_budget", _create_budget)
    patching.add(BudgetsResponse, "update_budget", _update_budget)
    patching.add(BudgetsResponse, "describe_subscribers_for_notification", _describe_subscribers)
    patching.add(BudgetsResponse, "create_subscriber", _create_subscriber)
    patching.add(BudgetsResponse, "delete_subscriber", _delete_subscriber)
    patching.add(BudgetsResponse, "list_tags_for_resource", _list_tags)
    patching.add(BudgetsResponse, "tag_resource", _tag)
    patching.add(BudgetsResponse, "untag_resource", _untag)
