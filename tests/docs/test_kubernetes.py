"""docs/elsewhere/kubernetes: manifests against schemas, and against what this repository is. A few seconds.

The schema of a SparkApplication below holds the fields that ours uses, written down from the API reference of
kubeflow/spark-operator (docs/api-docs.md, api/v1beta2/sparkapplication_types.go, version 2); what is not in it is
refused.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from fruits.command_line import parse

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "docs/elsewhere/kubernetes"
DOCKERFILE = (HERE / "Dockerfile").read_text()
VERSION = "1.32"
Manifest = dict[str, Any]


def fields(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


TEXT = {"type": "string", "minLength": 1}
COUNT, POSITIVE = {"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}
# Spark's own notation, in which the operator hands memory on (JavaUtils.byteStringAs)
MEMORY = {"type": "string", "pattern": "^[1-9][0-9]*[kmgt]b?$"}
POD = {
    "serviceAccount": TEXT,
    "cores": POSITIVE,
    "memory": MEMORY,
    "memoryOverhead": MEMORY,
    "env": {"type": "array"},  # Kubernetes' own, checked as part of a pod
    "nodeSelector": {"type": "object", "additionalProperties": TEXT},
    "tolerations": {"type": "array"},
}
SPARK_APPLICATION = fields(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "sparkoperator.k8s.io/v1beta2"},
    kind={"const": "SparkApplication"},
    metadata={"type": "object"},
    spec=fields(
        ["type", "sparkVersion", "mainApplicationFile", "driver", "executor"],
        type={"enum": ["Java", "Python", "Scala", "R"]},
        pythonVersion={"enum": ["2", "3"]},
        mode={"const": "cluster"},  # the schema knows client too, which the operator does not implement
        sparkVersion=TEXT,
        image=TEXT,
        imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
        mainApplicationFile=TEXT,
        arguments={"type": "array", "items": TEXT},
        restartPolicy=fields(
            [],
            type={"enum": ["Never", "Always", "OnFailure"]},
            onFailureRetries=COUNT,
            onFailureRetryInterval=POSITIVE,
            onSubmissionFailureRetries=COUNT,
            onSubmissionFailureRetryInterval=POSITIVE,
        ),
        timeToLiveSeconds=COUNT,
        driver=fields([], **POD),
        executor=fields([], **POD, instances=POSITIVE),
    ),
)


@pytest.fixture
def application() -> Manifest:
    (found,) = yaml.safe_load_all((HERE / "fruits.yaml").read_text())
    return copy.deepcopy(found)  # the anchor makes both environments one list


def core_objects() -> list[Manifest]:
    return list(yaml.safe_load_all((HERE / "rights.yaml").read_text()))


def pods(application: Manifest) -> list[Manifest]:
    """What the operator makes of driver and executor, as far as Kubernetes has a schema for it."""
    made = []
    for role in ("driver", "executor"):
        spec = application["spec"][role]
        container = {"name": role, "image": application["spec"]["image"], "env": spec["env"],
                     "imagePullPolicy": application["spec"]["imagePullPolicy"]}  # fmt: skip
        made.append(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": application["metadata"] | {"name": f"{application['metadata']['name']}-{role}"},
                "spec": {
                    "serviceAccountName": spec["serviceAccount"],
                    "containers": [container],
                    "nodeSelector": spec.get("nodeSelector", {}),
                    "tolerations": spec.get("tolerations", []),
                },
            }
        )
    return made


def check(application: Manifest) -> None:
    jsonschema.validate(application, SPARK_APPLICATION)
    for pod in pods(application):
        kubernetes_validate.validate(pod, VERSION, strict=True)


def mb(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


def test_the_run_is_a_spark_application(application: Manifest) -> None:
    check(application)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec["executor"].update(coresLimit="4"),
        lambda spec: spec["executor"].update(instances=0),
        lambda spec: spec["driver"].update(memory="2Gi"),
        lambda spec: spec["restartPolicy"].update(type="Sometimes"),
        lambda spec: spec.update(mode="client"),
        lambda spec: spec.update(pythonVersion=3),
        lambda spec: spec.pop("sparkVersion"),
        lambda spec: spec["driver"]["env"].append({"name": "OMP_NUM_THREADS", "value": 1}),
        lambda spec: spec["executor"]["env"].append({"name": "KEY", "valueFrom": {"secretRef": {"name": "x"}}}),
    ],
)
def test_what_the_operator_would_refuse_is_refused(application: Manifest, spoil: Callable[[Manifest], Any]) -> None:
    spoil(application["spec"])
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        check(application)


def test_namespace_account_and_rights_fit_the_run(application: Manifest) -> None:
    objects = {one["kind"]: one for one in core_objects()}
    for one in objects.values():
        kubernetes_validate.validate(one, VERSION, strict=True)
    account, binding, role = objects["ServiceAccount"]["metadata"], objects["RoleBinding"], objects["Role"]
    place = {"name": application["spec"]["driver"]["serviceAccount"], "namespace": application["metadata"]["namespace"]}
    assert {key: account[key] for key in place} == place
    assert binding["subjects"] == [{"kind": "ServiceAccount", **place}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert objects["Namespace"]["metadata"]["name"] == place["namespace"] == role["metadata"]["namespace"]
    # what Spark's Kubernetes backend makes in cluster mode, and it removes by label
    (rule,) = role["rules"]
    assert {"pods", "services", "configmaps", "persistentvolumeclaims"} == set(rule["resources"])
    assert {"create", "get", "list", "watch", "delete", "deletecollection"} <= set(rule["verbs"])


def test_the_job_takes_the_arguments(application: Manifest) -> None:
    request = parse(application["spec"]["arguments"])
    assert (request.input, request.output, request.variance) == ("s3://bucket/images", "s3://bucket/results", 0.95)


def test_image_and_run_are_of_this_repository(application: Manifest) -> None:
    spark = re.findall(r"^pyspark==([\d.]+)$", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert [application["spec"]["sparkVersion"]] == spark
    assert re.findall(r"^FROM spark:([\d.]+)-scala2.12-java17-ubuntu AS spark$", DOCKERFILE, re.MULTILINE) == spark
    assert application["spec"]["image"].endswith(f":{spark[0]}")
    copied = dict(re.findall(r"^COPY ([^-\s]\S*) (\S+)$", DOCKERFILE, re.MULTILINE))
    assert copied == {"bootstrap/requirements-x86_64.txt": "/tmp/requirements.txt", "jobs": "/opt/fruits"}
    assert all((ROOT / source).exists() for source in copied)
    main = application["spec"]["mainApplicationFile"].removeprefix("local:///opt/fruits/")
    assert (ROOT / "jobs" / main).is_file()
    assert (
        f'"=={".".join(re.findall(r"^FROM python:(3.[0-9]+)-", DOCKERFILE, re.MULTILINE))}.*"'
        in (ROOT / "pyproject.toml").read_text()
    )


def test_memory_is_what_the_clusters_sizing_asks_for(application: Manifest) -> None:
    text = (ROOT / "infra/modules/sizing/variables.tf").read_text()
    default = {
        name: int(value) for name, value in re.findall(r'variable "(\w+_mb)" \{.*?default +=\ (\d+)', text, re.DOTALL)
    }
    driver, executor = application["spec"]["driver"], application["spec"]["executor"]
    assert mb(executor["memory"]) >= 1024 * executor["cores"]
    assert mb(executor["memoryOverhead"]) >= default["python_worker_mb"] * executor["cores"] + 512
    assert mb(driver["memory"]) >= 2048
    assert mb(driver["memoryOverhead"]) >= default["tensorflow_mb"] + 1024
