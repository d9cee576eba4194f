"""One embedded AWS for all tests here: EMR's clocks run fast, commands really run. Another one for those of YARN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localaws import server
from localaws.processes import find_processes
from localaws.settings import Settings
from tests.localaws.on_yarn import OnYarn, settings_for, spark_defaults
from tests.localaws.support import Aws, World, fleet, make_world


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    home = tmp_path_factory.mktemp("localaws")
    settings = Settings(home=home, starting_seconds=0.05, log_delay_seconds=0.4, clock_rate=60)
    with server.running(settings) as record:
        yield Aws(record, home)


@pytest.fixture(scope="session")
def world(aws: Aws) -> World:
    return make_world(aws)


@pytest.fixture(scope="session")
def yarn_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("yarn")
    with server.running(settings_for(home)) as record:
        yield make_world(Aws(record, home))
    assert list(find_processes(home / "clusters")) == []


def start_on_yarn(world: World, fleets: list[dict[str, Any]], configurations: list[dict[str, Any]]) -> OnYarn:
    cluster = world.cluster(Instances={"InstanceFleets": fleets}, Configurations=configurations)
    status = world.wait(cluster, "WAITING", "TERMINATED_WITH_ERRORS")["Status"]
    assert status["State"] == "WAITING", status["StateChangeReason"]
    return OnYarn(world, cluster)


@pytest.fixture(scope="session")
def on_yarn(yarn_world: World) -> OnYarn:
    """A cluster of one core and one Spot instance, as Terraform makes it."""
    fleets = [fleet("MASTER", 1), fleet("CORE", 1), fleet("TASK", 0, TargetSpotCapacity=1)]
    return start_on_yarn(yarn_world, fleets, spark_defaults())


@pytest.fixture(scope="session")
def primary_alone(yarn_world: World) -> OnYarn:
    """A cluster whose primary is the only node."""
    return start_on_yarn(yarn_world, [fleet("MASTER", 1)], spark_defaults()[:1])
