"""One embedded AWS for all tests here: EMR's clocks run fast, commands really run. Another one for those of YARN."""

from __future__ import annotations

from collections.abc import Iterator

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
def yarn_clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OnYarn, OnYarn]]:
    """A cluster of one core and one Spot instance, and one whose primary is alone: side by side, started at once."""
    home = tmp_path_factory.mktemp("yarn")
    with server.running(settings_for(home)) as record:
        world = make_world(Aws(record, home))
        fleets = [fleet("MASTER", 1), fleet("CORE", 1), fleet("TASK", 0, TargetSpotCapacity=1)]
        clusters = [
            world.cluster(Instances={"InstanceFleets": fleets}, Configurations=spark_defaults()),
            world.cluster(Instances={"InstanceFleets": fleets[:1]}, Configurations=spark_defaults()[:1]),
        ]
        for cluster in clusters:
            status = world.wait(cluster, "WAITING", "TERMINATED_WITH_ERRORS")["Status"]
            assert status["State"] == "WAITING", status["StateChangeReason"]
        several, alone = (OnYarn(world, cluster) for cluster in clusters)
        yield several, alone
    assert list(find_processes(home / "clusters")) == []


@pytest.fixture(scope="session")
def on_yarn(yarn_clusters: tuple[OnYarn, OnYarn]) -> OnYarn:
    """A cluster of one core and one Spot instance, as Terraform makes it."""
    return yarn_clusters[0]


@pytest.fixture(scope="session")
def primary_alone(yarn_clusters: tuple[OnYarn, OnYarn]) -> OnYarn:
    """A cluster whose primary is the only node."""
    return yarn_clusters[1]
