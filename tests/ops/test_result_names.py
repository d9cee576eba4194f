"""One rule from a model to the folder of its results: whoever writes, looks for or fetches them agrees."""

from __future__ import annotations

from typing import Any

import pytest

from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.target import Target
from ops.job.local_spark import make_request
from ops.job.results import list_places
from ops.lifecycle import environment, step


class Buckets:
    """As much of an account as names need: an S3 that holds nothing."""

    target = Target(env="dev", region="eu-west-3", account_id="111122223333")
    cluster: dict[str, Any] = {"cluster_id": "j-1", "sizing": {"worker_vcpus": 8}}  # noqa: RUF012

    def bucket(self, purpose: str) -> str:
        return f"b-{purpose}"

    def client(self, _: str) -> Buckets:
        return self

    def get_paginator(self, _: str) -> Buckets:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{}]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("", "efficientnet_lite0"),
        ("mobilenet_v2", "mobilenet_v2"),
        ("net.keras", "net"),
        ("s3://fruits-data/models/mine.v2.keras", "mine.v2"),
        ("/home/ana/été 1/a.b.c.keras", "a.b.c"),
        ("../x/v1.0.keras", "v1.0"),
    ],
)
def test_every_command_means_the_same_folder(model: str, name: str) -> None:
    given = {"model": model} if model else {}
    account: Any = Buckets()
    assert step.request_for(account, given).output == f"s3://b-data/results/{name}"
    assert make_request(given).output == f"runs/sample-{name}"
    assert list_places("dev", model=model) == [f"runs/sample-{name}", f"runs/dev/{name}"]
    with pytest.raises(OperatorError, match=f"no finished result below s3://b-data/results/{name}. Fix"):
        environment.fetch_results(account, Console(quiet=True), model=model)
