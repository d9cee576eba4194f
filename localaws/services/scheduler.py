"""EventBridge Scheduler: schedules that end a cluster (``emr:terminateJobFlows``) or start a workflow really do it.

``at(…)`` and ``rate(…)`` are run, on a clock that ``Settings.clock_rate`` can speed up; ``cron`` never runs.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from moto.core.exceptions import AWSError
from moto.iam.exceptions import NotFoundException
from moto.scheduler.models import EventBridgeSchedulerBackend, scheduler_backends
from moto.stepfunctions.models import stepfunctions_backends

from localaws import patching
from localaws.policy import AccessRequest
from localaws.services import authorization
from localaws.settings import Settings

LOG = logging.getLogger(__name__)
TERMINATE = re.compile(r"arn:aws[\w-]*:scheduler:::aws-sdk:(emr|elasticmapreduce):terminateJobFlows")


def parse_due_time(expression: str, timezone: str) -> datetime | None:
    """When a one-shot schedule runs; None for an expression of another kind.

    >>> parse_due_time("at(2026-11-22T10:00:00)", "UTC").isoformat()
    '2026-11-22T10:00:00+00:00'
    >>> parse_due_time("rate(2 hours)", "UTC")
    """
    match = re.fullmatch(r"at\((\S+)\)", expression)
    return datetime.fromisoformat(match[1]).replace(tzinfo=ZoneInfo(timezone or "UTC")) if match else None


def parse_period(expression: str) -> timedelta | None:
    """How often a recurrent schedule runs; None for an expression of another kind.

    >>> parse_period("rate(5 minutes)"), parse_period("rate(1 hour)"), parse_period("at(2026-11-22T10:00:00)")
    (datetime.timedelta(seconds=300), datetime.timedelta(seconds=3600), None)
    """
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    return timedelta(**{f"{match[2]}s": int(match[1])}) if match else None


def is_due(schedule: Any, now: datetime, clock_rate: float, last: datetime | None = None) -> bool:
    """Whether a schedule's time has come, on a clock that runs ``clock_rate`` times as fast since its creation.

    Parameters
    ----------
    last : when it last ran; a recurrent one without a start date runs at once
    """
    if (schedule.state or "ENABLED") != "ENABLED":  # an update that does not name the state enables
        return False
    if interval := parse_period(schedule.schedule_expression):
        return last is None or now - last >= interval / clock_rate
    due = parse_due_time(schedule.schedule_expression, schedule.schedule_expression_timezone)
    created = datetime.fromtimestamp(schedule.creation_date, UTC)
    return due is not None and last is None and now - created >= (due - created) / clock_rate


class Clock(threading.Thread):
    """Runs the schedules that are due, as long as the server runs."""

    def __init__(self, account: str, settings: Settings, terminate: Callable[[str, list[str]], None]) -> None:
        super().__init__(name="scheduler-clock", daemon=True)
        self.account, self.settings, self.terminate = account, settings, terminate
        self.stopped = threading.Event()
        self._last: dict[tuple[str, float], datetime] = {}
        self._broken: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Look for due schedules every half second."""
        while not self.stopped.wait(0.5):
            now = datetime.now(UTC)
            for region, backend in list(scheduler_backends[self.account].items()):
                for group in list(backend.schedule_groups.values()):
                    for schedule in list(group.schedules.values()):
                        self._run_due(region, schedule, now)

    def _run_due(self, region: str, schedule: Any, now: datetime) -> None:
        """Run a schedule if it is due. One that cannot be run is logged once, and does not stop the others."""
        key = (schedule.arn, schedule.creation_date)
        try:
            if is_due(schedule, now, self.settings.clock_rate, self._last.get(key)):
                self._last[key] = now
                self._fire(region, schedule)
        except Exception:  # moto takes every expression, time zone and input
            if (schedule.arn, schedule.schedule_expression) not in self._broken:
                self._broken.add((schedule.arn, schedule.schedule_expression))
                LOG.exception("schedule %s cannot be run", schedule.name)

    def _fire(self, region: str, schedule: Any) -> None:
        target = schedule.target
        try:
            role = authorization.find_role_caller(self.account, target["RoleArn"].rsplit("/", 1)[-1])
        except NotFoundException:
            LOG.warning("schedule %s is due; its role %s does not exist", schedule.name, target["RoleArn"])
            return
        if TERMINATE.fullmatch(target["Arn"]):
            self._terminate(region, schedule, role)
        elif ":states:" in target["Arn"]:
            self._start(region, schedule, role)
        else:
            LOG.warning("schedule %s is due; its target %s is not run here", schedule.name, target["Arn"])

    def _terminate(self, region: str, schedule: Any, role: authorization.Caller) -> None:
        clusters = json.loads(schedule.target.get("Input") or "{}").get("JobFlowIds", [])
        for cluster in clusters:
            arn = f"arn:aws:elasticmapreduce:{region}:{self.account}:cluster/{cluster}"
            context = authorization.read_cluster_tags(self.account, arn)
            if not authorization.is_allowed(role, AccessRequest("elasticmapreduce:TerminateJobFlows", arn, context)):
                LOG.warning("schedule %s is due; its role may not terminate %s", schedule.name, cluster)
                return
        LOG.info("schedule %s terminates %s", schedule.name, ", ".join(clusters))
        self.terminate(region, clusters)

    def _start(self, region: str, schedule: Any, role: authorization.Caller) -> None:
        workflow = schedule.target["Arn"]
        if not authorization.is_allowed(role, AccessRequest("states:StartExecution", workflow)):
            LOG.warning("schedule %s is due; its role may not start %s", schedule.name, workflow)
            return
        try:
            input_text = schedule.target.get("Input") or "{}"
            stepfunctions_backends[self.account][region].start_execution(workflow, "", input_text)
        except AWSError as error:
            LOG.warning("schedule %s could not start %s: %s", schedule.name, workflow, error)


def install() -> None:
    """Check that moto keeps schedules where the clock reads them; nothing of it is changed."""
    patching.require_attributes(EventBridgeSchedulerBackend, "get_schedule_group", "create_schedule")
