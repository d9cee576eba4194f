"""EventBridge Scheduler: the one-shot schedules that end a cluster really end it (``emr:terminateJobFlows``).

``at(…)`` expressions are run, on a clock that ``Settings.clock_rate`` can speed up; ``rate`` and ``cron`` are kept and
answered by moto but never due.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from moto.emr.models import emr_backends
from moto.iam.exceptions import NotFoundException
from moto.scheduler.models import EventBridgeSchedulerBackend, scheduler_backends

from localaws import patching
from localaws.policy import Request
from localaws.services import authorization
from localaws.settings import Settings

LOG = logging.getLogger(__name__)
TERMINATE = re.compile(r"arn:aws[\w-]*:scheduler:::aws-sdk:(emr|elasticmapreduce):terminateJobFlows")


def due_at(expression: str, timezone: str) -> datetime | None:
    """When a one-shot schedule runs; None for an expression of another kind.

    >>> due_at("at(2026-11-22T10:00:00)", "UTC").isoformat()
    '2026-11-22T10:00:00+00:00'
    >>> due_at("rate(2 hours)", "UTC")
    """
    at = re.fullmatch(r"at\((\S+)\)", expression)
    return datetime.fromisoformat(at[1]).replace(tzinfo=ZoneInfo(timezone or "UTC")) if at else None


def is_due(schedule: Any, now: datetime, clock_rate: float) -> bool:
    """Whether a schedule's time has come, on a clock that runs ``clock_rate`` times as fast since its creation."""
    when = due_at(schedule.schedule_expression, schedule.schedule_expression_timezone)
    created = datetime.fromtimestamp(schedule.creation_date, UTC)
    enabled = (schedule.state or "ENABLED") == "ENABLED"  # an update that does not name the state enables
    return when is not None and enabled and created + (now - created) * clock_rate >= when


class Clock(threading.Thread):
    """Runs the schedules that are due, once each, as long as the server lives."""

    def __init__(self, account: str, settings: Settings, terminate: Callable[[str, list[str]], None]) -> None:
        super().__init__(name="scheduler-clock", daemon=True)
        self.account, self.settings, self.terminate = account, settings, terminate
        self.stopped = threading.Event()
        self._done: set[tuple[str, float]] = set()

    def run(self) -> None:
        """Look every half second."""
        while not self.stopped.wait(0.5):
            now = datetime.now(UTC)
            for region, backend in list(scheduler_backends[self.account].items()):
                for group in list(backend.schedule_groups.values()):
                    for schedule in list(group.schedules.values()):
                        key = (schedule.arn, schedule.creation_date)
                        if key not in self._done and is_due(schedule, now, self.settings.clock_rate):
                            self._done.add(key)
                            self._fire(region, schedule)

    def _fire(self, region: str, schedule: Any) -> None:
        target = schedule.target
        if not TERMINATE.fullmatch(target["Arn"]):
            LOG.warning("schedule %s is due; its target %s is not run here", schedule.name, target["Arn"])
            return
        clusters = json.loads(target.get("Input") or "{}").get("JobFlowIds", [])
        try:
            role = authorization.role_caller(self.account, target["RoleArn"].rsplit("/", 1)[-1])
        except NotFoundException:
            LOG.warning("schedule %s is due; its role %s does not exist", schedule.name, target["RoleArn"])
            return
        for cluster in clusters:
            arn = f"arn:aws:elasticmapreduce:{region}:{self.account}:cluster/{cluster}"
            tags = getattr(emr_backends[self.account][region].clusters.get(cluster), "tag_map", {})
            context = {f"aws:ResourceTag/{name}": value for name, value in tags.items()}
            if not authorization.may(role, Request("elasticmapreduce:TerminateJobFlows", arn, context)):
                LOG.warning("schedule %s is due; its role may not terminate %s", schedule.name, cluster)
                return
        LOG.info("schedule %s terminates %s", schedule.name, ", ".join(clusters))
        self.terminate(region, clusters)


def install() -> None:
    """Check that moto keeps schedules where the clock reads them; nothing of it is changed."""
    patching.expect(EventBridgeSchedulerBackend, "get_schedule_group", "create_schedule")
