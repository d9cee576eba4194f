"""One embedded AWS for all tests here: EMR's clocks run fast, commands really run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localaws import server
from localaws.settings import Settings
from tests.localaws.support import Aws, World, make_world


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    home = tmp_path_factory.mktemp("localaws")
    settings = Settings(home=home, starting_seconds=0.05, log_delay_seconds=0.4, api_delay_seconds=0, clock_rate=60)
    with server.running(settings) as record:
        yield Aws(record, home)


@pytest.fixture(scope="session")
def world(aws: Aws) -> World:
    return make_world(aws)
