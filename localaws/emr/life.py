"""The life of clusters: one thread each, from STARTING to TERMINATED, and a supervisor that ends them all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3

from localaws import faults
from localaws.emr import capacity
from localaws.emr.hadoop import Hadoop
from localaws.emr.logs import LogShipper
from localaws.emr.model import Cluster, Instance, Step, now
from localaws.emr.node import Node
from localaws.emr.provisioner import Provisioner
from localaws.emr.runner import Runner
from localaws.keys import Keys
from localaws.settings import Settings

LOG = logging.getLogger(__name__)
INTERRUPTED = "Instance was terminated by EC2: Spot instance interruption"
# On AWS a new instance takes minutes; here just long enough to see that one is missing.
REPLACE_SECONDS = 3.0


class Supervisor:
    """Starts the lives of clusters, and ends them with the server.

    Parameters
    ----------
    settings : how to behave
    endpoint : the server's URL
    keys : what the services sign their own calls with
    """

    def __init__(self, settings: Settings, endpoint: str, keys: Keys) -> None:
        self.settings, self.endpoint, self.keys = settings, endpoint, keys
        settings.fault = faults.parse_fault(settings.fault)
        faults.require_yarn(settings.fault, settings)
        self._lives: dict[str, ClusterLife] = {}
        self._lock = threading.Lock()

    def make_client(self, service: str, region: str) -> Any:
        """A client of a service, as the embedded services call each other."""
        session = boto3.session.Session()  # boto3's default session is not made for threads
        return session.client(service, endpoint_url=self.endpoint, region_name=region, **self.keys.arguments())

    def launch(self, cluster: Cluster) -> None:
        """Start a cluster's life."""
        life = ClusterLife(cluster, self)
        with self._lock:
            self._lives[cluster.id] = life
        life.thread.start()

    def find_life(self, cluster: Cluster) -> ClusterLife | None:
        """The life of a cluster that this server has started."""
        with self._lock:
            return self._lives.get(cluster.id)

    def resize(self, cluster: Cluster) -> None:
        """Bring the instances to the fleets' targets."""
        life = self.find_life(cluster)
        if life and cluster.is_live:
            life.fill()

    def cancel(self, cluster: Cluster, step_id: str, *, force: bool) -> bool:
        """Cancel a step; returns whether it could still be cancelled."""
        with cluster.changed:
            step = cluster.find_step(step_id)
            if step is None or step.state not in ("PENDING", "RUNNING"):
                return False
            if step.state == "PENDING":
                step.finish("CANCELLED", "Cancelled by user")
            else:
                step.state = "CANCEL_PENDING"
            cluster.changed.notify_all()
        life = self.find_life(cluster)
        if step.state == "CANCEL_PENDING" and life:
            life.runner.interrupt(step_id, force=force)
        return True

    def set_fault(self, kind: str) -> None:
        """Inject a fault from now on, or none; raises UnknownFaultError and NeedsYarnError."""
        faults.require_yarn(faults.parse_fault(kind), self.settings)
        self.settings.fault = faults.parse_fault(kind)
        self._notify()

    def set_clock(self, rate: float) -> None:
        """Let idle clocks and schedules run at another rate from now on, as if they always had."""
        self.settings.clock_rate = rate
        self._notify()

    def _notify(self) -> None:
        for cluster in self.list_clusters():
            with cluster.changed:
                cluster.changed.notify_all()

    def list_clusters(self) -> list[Cluster]:
        """Every cluster that this server has started."""
        with self._lock:
            return [life.cluster for life in self._lives.values()]

    def describe_yarn(self, cluster: Cluster) -> str:
        """How many NodeManagers stand for a cluster's instances; empty without YARN."""
        life = self.find_life(cluster)
        return life.hadoop.describe() if life and life.hadoop and cluster.is_live else ""

    def shutdown(self) -> None:
        """End every cluster and wait until no process is left."""
        with self._lock:
            lives = list(self._lives.values())
        for life in lives:
            life.abandon()
        for life in lives:
            life.thread.join(timeout=20)


class ClusterLife:
    """The life of one cluster, in a thread of its own."""

    def __init__(self, cluster: Cluster, supervisor: Supervisor) -> None:
        self.thread = threading.Thread(target=self._live, name=f"cluster-{cluster.id}", daemon=True)
        settings = supervisor.settings
        self.cluster, self.settings = cluster, settings
        self.provisioner = Provisioner(cluster, supervisor.endpoint, supervisor.keys, settings)
        s3 = self.provisioner.make_client("s3")
        self.shipper = LogShipper(s3, cluster.log_uri, cluster.id, settings.log_delay_seconds)
        root = settings.clusters / cluster.id
        self.node = Node(root, supervisor.endpoint, cluster.region, self.provisioner.fetch_profile_keys)
        self.hadoop = Hadoop(cluster, self.node, settings) if settings.yarn and settings.execute else None
        accidents = self.lose_spot, self.lose_master
        self.runner = Runner(cluster, self.node, self.shipper, settings, *accidents, self.hadoop)
        self._steps: list[threading.Thread] = []
        self._awaiting = threading.Lock()
        self._server_ends = False
        # Auto-termination's collector on the node must reach a public endpoint, or the limit has no effect.
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html
        self._reaches_internet = False

    def abandon(self) -> None:
        """End because the server ends: without calls to it, and with no process left behind."""
        self._server_ends = True
        self.cluster.end("TERMINATED", "USER_REQUEST", "The embedded AWS was stopped")
        self.runner.stop()
        if self.hadoop is not None:
            self.hadoop.stop()

    # -- accidents ----------------------------------------
    def lose_spot(self) -> None:
        """Take a Spot instance away, as EC2 does when it needs the capacity."""
        spot = [i for i in self.cluster.instances if i.market == "SPOT" and i.ended is None]
        self._lose(spot[:1], INTERRUPTED, shut_down=True)

    def lose_master(self) -> None:
        """Let the instance fail on which a driver runs; if it is a Spot instance, EC2 takes it back."""
        host = self.runner.find_master_host()
        failed = [i for i in self.cluster.instances if i.private_dns == host and i.ended is None]
        self._lose(failed, INTERRUPTED if any(i.market == "SPOT" for i in failed) else "The instance failed")

    def _lose(self, instances: list[Instance], reason: str, *, shut_down: bool = False) -> None:
        """End instances and what runs there; their fleet brings others after a while."""
        if not instances:
            return
        self.provisioner.lose(instances, reason)
        with self.cluster.changed:
            for wait in {i.fleet_id: self.cluster.spot_waits[i.fleet_id] for i in instances if i.fleet_id}.values():
                wait.since, wait.is_first = now(), False
        self.follow(shut_down=shut_down)
        with self.cluster.changed:
            self.cluster.changed.wait_for(lambda: self.cluster.ending is not None, REPLACE_SECONDS)
            if self.cluster.ending is not None:
                return
        self.fill()

    # -- capacity ----------------------------------------
    def fill(self) -> None:
        """Bring the instances to the fleets' targets, as far as there is capacity, and wait for the rest."""
        self._fill()
        if capacity.list_waits(self.cluster):
            threading.Thread(target=self._await_capacity, name=f"spot-{self.cluster.id}", daemon=True).start()

    def _fill(self) -> None:
        self.provisioner.provision()
        if self.cluster.ready is not None:
            self.provisioner.mark_ready()
            self.follow()

    def _await_capacity(self) -> None:
        """Wait until no fleet lacks Spot capacity; one that has waited enough does what its specification says."""
        cluster = self.cluster
        with self._awaiting:
            while cluster.ending is None and (waiting := capacity.list_waits(cluster)):
                if self._give_up_waiting(waiting) or self.provisioner.has_spot:
                    self._fill()
                    continue
                with cluster.changed:
                    if cluster.ending is None and not self.provisioner.has_spot:
                        cluster.changed.wait(capacity.compute_seconds_left(cluster, waiting, self.settings.clock_rate))

    def _give_up_waiting(self, waiting: dict[str, int]) -> bool:
        """Do what is due for fleets that have waited long enough; returns whether anything was."""
        cluster = self.cluster
        with cluster.changed:
            due = capacity.list_due(cluster, waiting, self.settings.clock_rate)
            for fleet, action in due:
                wait = cluster.spot_waits[fleet["Id"]]
                if action == capacity.SWITCH:
                    wait.switched += waiting[fleet["Id"]]
                elif action == capacity.TERMINATE:
                    cluster.end("TERMINATED_WITH_ERRORS", "INSTANCE_FLEET_TIMEOUT", capacity.describe_timeout(fleet))
                else:
                    wait.is_given_up = True
        return bool(due)

    def follow(self, *, shut_down: bool = False) -> None:
        """Bring YARN's machines in line with the instances; ``shut_down``: those that ended did not fail."""
        if self.hadoop is not None:
            self.hadoop.follow(shut_down=shut_down)

    # -- the way through the states ----------------------------------------
    def _live(self) -> None:
        try:
            self._start()
            if self.cluster.ending is None:
                self._bootstrap()
            if self.cluster.ending is None:
                self._work()
        except Exception as error:
            LOG.exception("cluster %s", self.cluster.id)
            self.cluster.end("TERMINATED_WITH_ERRORS", "INTERNAL_ERROR", f"{type(error).__name__}: {error}")
        finally:
            self._finish()

    def _start(self) -> None:
        cluster = self.cluster
        with cluster.changed:
            cluster.changed.wait_for(lambda: cluster.ending is not None, self.settings.starting_seconds)
        if cluster.ending is not None:
            return
        if problem := self.provisioner.find_refusal():
            cluster.end("TERMINATED_WITH_ERRORS", "VALIDATION_ERROR", problem)
            return
        self.provisioner.manage_groups()
        self.provisioner.make_endpoint()
        self.provisioner.provision()
        self._await_capacity()
        self._reaches_internet = self.provisioner.reaches_internet()

    def _bootstrap(self) -> None:
        cluster = self.cluster
        with cluster.changed:
            if cluster.ending is None:
                cluster.state = "BOOTSTRAPPING"
        if self.hadoop is not None:
            self.hadoop.start()
        if self.settings.execute:
            primary = next(i.ec2_id for i in cluster.instances if i.role == "MASTER")
            self.node.identify(cluster.id, primary)
            for number, action in enumerate(cluster.request.get("BootstrapActions", []), start=1):
                problem = self.runner.run_bootstrap_action(number, action, primary)
                if cluster.ending is not None:
                    return
                if problem:
                    cluster.end("TERMINATED_WITH_ERRORS", "BOOTSTRAP_FAILURE", problem)
                    return
        if self.hadoop is not None:
            self.hadoop.await_start()
        self.provisioner.mark_ready()
        with cluster.changed:
            cluster.ready = now()

    def _work(self) -> None:
        cluster = self.cluster
        with cluster.changed:
            while cluster.ending is None:
                busy = self._start_steps()
                if busy:
                    cluster.state, cluster.idle_since = "RUNNING", None
                elif not cluster.keep_alive:
                    cluster.end("TERMINATED", "ALL_STEPS_COMPLETED", "Steps completed")
                    return
                else:
                    cluster.state = "WAITING"
                    cluster.idle_since = cluster.idle_since or now()
                    if self._compute_idle_seconds_left() <= 0:
                        cluster.end("TERMINATED", "ALL_STEPS_COMPLETED", "Terminated by the auto-termination policy")
                        return
                cluster.changed.wait(None if busy else min(self._compute_idle_seconds_left(), 3600))

    def _compute_idle_seconds_left(self) -> float:
        policy, since = self.cluster.auto_termination, self.cluster.idle_since
        if policy is None or since is None or not self._reaches_internet:
            return float("inf")
        limit = timedelta(seconds=policy.get("IdleTimeout", 3600)) / self.settings.clock_rate
        return (since + limit - now()).total_seconds()

    # -- steps ----------------------------------------
    def _start_steps(self) -> bool:
        """Start the steps that may start; returns whether any is pending or running."""
        cluster = self.cluster
        running = sum(s.state in ("RUNNING", "CANCEL_PENDING") for s in cluster.steps)
        for step in [s for s in cluster.steps if s.state == "PENDING"][: max(0, cluster.concurrency - running)]:
            step.state, step.started = "RUNNING", now()
            thread = threading.Thread(target=self._run_step, args=(step,), name=step.id, daemon=True)
            self._steps.append(thread)
            thread.start()
        return bool(cluster.list_open_steps())

    def _run_step(self, step: Step) -> None:
        cluster = self.cluster
        try:
            code = self.runner.run_step(step) if self.settings.execute else 0
        except Exception as error:
            LOG.exception("step %s", step.id)
            step.failure = {
                "Reason": "Internal error of the embedded AWS",
                "Message": f"{type(error).__name__}: {error}",
            }
            code = 1
        with cluster.changed:
            if step.state == "CANCEL_PENDING":
                step.finish("CANCELLED", "Cancelled by user")
            elif cluster.ending is not None and code != 0:
                step.finish("INTERRUPTED")
            elif code == 0:
                step.finish("COMPLETED")
            else:
                step.finish("FAILED")
                self._apply_action_on_failure(step)
            cluster.changed.notify_all()

    def _apply_action_on_failure(self, step: Step) -> None:
        """Do what ActionOnFailure says; it holds only with one step at a time."""
        cluster = self.cluster
        if step.on_failure == "CONTINUE" or cluster.concurrency > 1:
            return
        for other in cluster.steps:
            if other.state == "PENDING":
                other.finish("CANCELLED", f"Cancelled because step {step.id} failed")
        if step.on_failure == "CANCEL_AND_WAIT" or (cluster.protected and cluster.keep_alive):
            return
        cluster.end("TERMINATED_WITH_ERRORS", "STEP_FAILURE", f"Shut down as step failed: {step.id}")

    # -- the end ----------------------------------------
    def _finish(self) -> None:
        cluster = self.cluster
        state, code, message = cluster.ending or ("TERMINATED", "USER_REQUEST", "Terminated by user request")
        with cluster.changed:
            cluster.state = "TERMINATING"
            cluster.reason = (code, message)
            for step in cluster.steps:
                if step.state == "PENDING":
                    step.finish("CANCELLED", "Cancelled because the cluster is terminating")
        for act in self._list_last_acts(message):
            try:
                act()
            except Exception:  # a failure must leave neither the state TERMINATING nor instances that run
                LOG.exception("the end of cluster %s", cluster.id)
        with cluster.changed:
            cluster.state, cluster.ended = state, now()
            cluster.changed.notify_all()
        self.node.remove()  # after the end is shown, because it takes a while: about 30,000 files

    def _list_last_acts(self, message: str) -> list[Callable[[], object]]:
        """What is done at the end, in this order; without calls to the server when it ends, too."""
        acts: list[Callable[[], object]] = [self.runner.stop, *([self.hadoop.stop] if self.hadoop else [])]
        acts += [thread.join for thread in self._steps]
        if not self._server_ends:
            acts += [self.runner.ship_node_logs, self.shipper.close, lambda: self.provisioner.release(message)]
        return acts
