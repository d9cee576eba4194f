"""Clusters of a real YARN, and what tests ask of them: one server, started once for all of them (conftest.py)."""

from __future__ import annotations

import gzip
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localaws.java import find_java_home
from localaws.settings import Settings
from tests.conftest import SHARED
from tests.localaws.support import World, step, until

JARS = SHARED / "yarn" / "jars"
needs_jars = (
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
    pytest.mark.skipif(not JARS.is_dir(), reason="needs YARN's jars: ../shared/yarn/jars is not beside this checkout"),
)


def settings_for(home: Any, **more: Any) -> Settings:
    quick = {"starting_seconds": 0.05, "log_delay_seconds": 0.2, "api_delay_seconds": 0}
    return Settings(home=home, yarn=True, yarn_jars=JARS, **{**quick, **more})


def spark_defaults(**more: str) -> list[dict[str, Any]]:
    """A cluster as Terraform makes one with Spot nodes, of small containers."""
    properties = {
        "spark.submit.deployMode": "cluster",
        "spark.yarn.maxAppAttempts": "1",
        "spark.driver.memory": "700m",
        "spark.executor.memory": "700m",
        "spark.executor.memoryOverhead": "512m",
        "spark.executor.cores": "2",
        "spark.dynamicAllocation.maxExecutors": "2",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.yarn.appMasterEnv.MODE": "cluster",
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": sys.executable,
        "spark.executorEnv.PYSPARK_PYTHON": sys.executable,
        **more,
    }
    labels = {
        "yarn.node-labels.enabled": "true",
        "yarn.node-labels.am.default-node-label-expression": "ON_DEMAND",
        "yarn.nodemanager.resource.memory.enforced": "false",
        "yarn.nodemanager.vmem-check-enabled": "false",
    }
    return [
        {"Classification": "spark-defaults", "Properties": properties},
        {"Classification": "yarn-site", "Properties": labels},
    ]


@dataclass
class OnYarn:
    """A cluster whose Spark steps run on YARN."""

    world: World
    cluster: str

    def run(self, name: str, *command: str, wanted: str = "COMPLETED") -> str:
        """Run a step to its end; its id."""
        added = self.world.emr.add_job_flow_steps(JobFlowId=self.cluster, Steps=[step(name, *command)])
        step_id = str(added["StepIds"][0])
        state = self.wait(step_id, "COMPLETED", "FAILED", "CANCELLED")
        assert state == wanted, self.explain(step_id)
        return step_id

    def explain(self, step_id: str) -> str:
        """All that a step's client and containers said."""
        said = self.said(step_id)
        keys = until(lambda: self.keys("containers/"), bool, seconds=20)
        return "\n".join([said, *(self.log(key.removesuffix(".gz")) for key in keys)])

    def wait(self, step_id: str, *states: str) -> str:
        def ask() -> str:
            found = self.world.emr.describe_step(ClusterId=self.cluster, StepId=step_id)["Step"]
            return str(found["Status"]["State"])

        return str(until(ask, lambda state: state in states, seconds=240))

    def keys(self, part: str) -> list[str]:
        prefix = f"emr/{self.cluster}/"
        pages = self.world.s3.get_paginator("list_objects_v2").paginate(Bucket=self.world.logs, Prefix=prefix + part)
        return [found["Key"].removeprefix(prefix) for page in pages for found in page.get("Contents", [])]

    def log(self, key: str) -> str:
        until(lambda: self.keys(key), bool)
        body = self.world.s3.get_object(Bucket=self.world.logs, Key=f"emr/{self.cluster}/{key}.gz")["Body"].read()
        return gzip.decompress(body).decode(errors="replace")

    def said(self, step_id: str) -> str:
        """What the step's client said, whole: it is sent while it grows, too."""
        return str(until(lambda: self.log(f"steps/{step_id}/stderr"), lambda text: "Shutdown hook called" in text))

    @property
    def folder(self) -> Path:
        """Of its node, where everything of it lies."""
        return self.world.aws.home / "clusters" / self.cluster

    def instances(self, kind: str) -> list[dict[str, Any]]:
        found = self.world.emr.list_instances(ClusterId=self.cluster, InstanceFleetType=kind)["Instances"]
        return [one for one in found if one["Status"]["State"] == "RUNNING"]
