"""What is refused before money is spent, and the sentences that say why and what to do.

Terraform reports all that it can judge in one plan, so that several wrong values share one.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from ops.cost import speed
from ops.plan.contents import filter_types, list_resources
from tests.infra.planning import Planner

pytestmark = pytest.mark.terraform

SIZES = "c5, c6g, c6i, c7g, c7i, m5, m6a, m6g, m6i, m7g, m7i, r5, r6g, r6i, each as xlarge, 2xlarge and 4xlarge"
EU = "one of eu-central-1, eu-north-1, eu-south-1, eu-south-2, eu-west-1, eu-west-3"

HUGE = 10**40
"""As good as 1e400, which HCL and JSON take for a number: larger than anything that AWS's APIs take."""

_RATE = min(speed.compute_families()["f32"][family] for family in ("m6g", "m6a", "m5"))
BILLION_IN_AN_HOUR = -(-(math.ceil(1_000_000_000 / (_RATE * 3540)) + 2) // 4) * 4
"""vCPUs at the slowest type's speed, two of them the driver's, in nodes of four; a minute is not for the images."""

# stack, region, wrong values, the sentences that must be said
GROUPS: dict[str, tuple[Any, str, dict[str, Any], list[str]]] = {
    "storage": (
        "storage",
        "us-east-1",
        {"project": "Fruits_", "budget_usd": 0, "log_days": HUGE},
        [
            "log_days must be a whole number from 1 to 36500.",
            "us-east-1 is outside the European Union, where this data has to stay (GDPR). "
            f"Choose {EU}; or, if you are free to leave, set allow_non_eu = true.",
            'The project name "Fruits_" would make bucket names that break S3\'s rules: use 2 to 20 lower-case '
            "letters, digits and hyphens, beginning with a letter and not ending with a hyphen.",
            "A budget of 0 USD would alert at once or never. Give the dollars a month that you are willing to spend, "
            "for instance budget_usd = 10.",
        ],
    ),
    "cluster's own variables": (
        "cluster",
        "eu-west-2",
        {
            "release_label": "7.13",
            "enable_studio": True,
            "task": {"spot_timeout_minutes": 300},
            "kms_key_arn": "alias/fruits",
            "bootstrap_uri": "install_tensorflow.sh",
            "wheelhouse_uri": "s3://bucket/wheelhouse",
        },
        [
            # the United Kingdom left
            "eu-west-2 is outside the European Union, where this data has to stay (GDPR). "
            f"Choose {EU}; or, if you are free to leave, set allow_non_eu = true.",
            '"7.13" is not the label of an EMR release; labels look like emr-7.13.0.',
            "Waiting 300 minutes for Spot capacity leaves a cluster that lives 4 hours no time to work. Set "
            "task.spot_timeout_minutes to at most 210, or ttl_hours higher.",
            "SageMaker Studio inside the VPC must reach SageMaker's own services, and this VPC has no way out. Set "
            "enable_nat = true beside enable_studio = true.",
            "kms_key_arn must be the ARN of a KMS key (not an alias).",
            "bootstrap_uri must be the s3:// URI of the uploaded bootstrap script (s3://…/install_tensorflow.sh).",
            "wheelhouse_uri must be an s3:// URI with a slash at the end: s3://…/wheelhouse/<sha>/.",
        ],
    ),
    "values that the cluster's module judges": (
        "cluster",
        "eu-west-3",
        {
            "release_label": "emr-6.15.0",
            "idle_timeout_seconds": 7200,
            "root_volume_gib": 15,
            "primary": {"market": "SPOT"},
            "core": {"market": "SPOT", "units": 8},
        },
        [
            '"emr-6.15.0" is not the label of an EMR release that this project runs on. Labels look like emr-7.13.0 '
            "(Spark 3.5, Python 3.11) or emr-spark-8.0.0 (Spark 4); EMR 6 and older bring Python 3.7.",
            "An idle time of 7200 s is not allowed: EMR takes no less than 60, and above 3600 a forgotten cluster "
            "bills for hours. Choose a shorter one; a new cluster takes minutes.",
            "A root volume of 15 GiB will not do: EMR's image, the wheelhouse and the installed TensorFlow need 30, "
            "and EMR allows 100. Set root_volume_gib to 30 to 100.",
            "The primary node was asked for on Spot: when Spot takes it back, the cluster and every running step are "
            "gone. Leave the primary on demand; the task fleet is the place for Spot.",
            "The core fleet was asked for on Spot: it holds HDFS and the driver, so that losing a node loses the run. "
            "Leave core on demand; the task fleet is the place for Spot.",
        ],
    ),
    "network, size and clock": (
        "cluster",
        "eu-west-3",
        {
            "ingress": [{"cidr": "0.0.0.0/0", "port": 22, "description": "Ana's way in"}],
            "core": {"units": 8},
            "managed_scaling": {"max_task_units": 100_000},
            "tags": {"Owner": "ana & co"},
            "ttl_hours": 48,
            "images": 10,
            "minutes": 1,
        },
        [
            "A way in from a public address was asked for, and this cluster has none: ingress takes private ranges "
            "only (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16). For a shell set enable_ssm = true and use `make shell`.",
            "EC2 takes 1 to 255 of these characters as a rule's description: letters without accents, digits, spaces "
            "and ._-:/()#,@[]+=&;{}!$*. Write it without apostrophes and accents.",
            "EMR's managed scaling must reach a public endpoint from the nodes, and this VPC has no way out. Set "
            "enable_nat = true beside it, or size the task fleet: IMAGES= and MINUTES=.",
            "managed_scaling.max_task_units must be a whole number that gives, with the core fleet, no more vCPUs than "
            "max_units (64). Lower it, or raise max_units after looking at the account's EC2 quotas.",
            "AWS takes letters, digits, spaces and _.:/=+-@ in tags, at most 128 in a name and 256 in a value. Write "
            "the tags with these.",
            "The hard time to live must be 1 to 24 whole hours; 48 is not. For a longer job, start a second cluster: "
            "features already written are not computed again.",
            "A step takes some 60 s whatever its size (Spark, the network's preparation, PCA, report), so 1 minutes "
            "cannot be reached. Give more minutes.",
        ],
    ),
    "types without a size, and half of one": (
        "cluster",
        "eu-west-3",
        {"primary": {"types": ["m5.xlarge", "t3.medium"]}, "core": {"types": ["p5.48xlarge"]}, "minutes": 30},
        [
            "MINUTES= says how fast, and nothing says how much. Give the number of images too: IMAGES=.",
            "The primary fleet names no type, or one whose size is not known here: t3.medium. "
            f"Known are {SIZES}; a new one belongs into infra/modules/sizing/sizes.tf first, or memory and price would "
            "be guessed.",
            "The core fleet names no type, or one whose size is not known here: p5.48xlarge. "
            f"Known are {SIZES}; a new one belongs into infra/modules/sizing/sizes.tf first, or memory and price would "
            "be guessed.",
        ],
    ),
    "types that do not go together": (
        "cluster",
        "eu-north-1",
        {
            "core": {"types": ["m6g.xlarge", "m6a.xlarge"]},
            "task": {"types": ["m6a.xlarge"]},
            "images": 1_000_000_000,
            "minutes": 60,
        },
        [
            "The fleets mix processor architectures (x86_64, arm64), and one wheelhouse serves the whole cluster. "
            "Choose types of one architecture: m6g, m7g, c6g, c7g and r6g are arm64, the others x86_64.",
            "eu-north-1 does not offer m6a.xlarge; EMR would refuse the cluster after minutes. Choose other types.",
            f"This needs {BILLION_IN_AN_HOUR} vCPUs, more than max_units (64). Give more minutes, or raise max_units "
            "after looking at the account's EC2 quotas (new accounts have 8 to 16).",
        ],
    ),
    "no core fleet, and what needs one": (
        "cluster",
        "eu-west-3",
        {"core": {"units": 0}, "task": {"units": 4}},
        [
            "A task fleet was asked for without a core fleet, which EMR refuses: HDFS would have no place. Set "
            "core = { units = 4 } or more beside it, or leave the task fleet out and size the cluster by IMAGES= and "
            "MINUTES=.",
        ],
    ),
    "one node without room for the driver": (
        "cluster",
        "eu-west-3",
        {"primary": {"types": ["c7i.xlarge"]}},
        [
            "On one node the driver takes 3584 MB and 4 cores featurize in the rest, which needs 7120 MB; the smallest "
            "of c7i.xlarge gives YARN less. Choose larger primary types, such as m7i.xlarge or c7i.2xlarge.",
            "An executor needs 1,024 MB of heap, and 400 MB of memoryOverhead for the Python worker of each core.",
        ],
    ),
    "numbers beyond measure": (
        "cluster",
        "eu-west-3",
        {
            "max_units": HUGE,
            "images": HUGE,
            "root_volume_gib": HUGE,
            "idle_timeout_seconds": 90.5,
            "ttl_hours": HUGE,
            "step_concurrency": -1,
        },
        [
            "max_units must be a whole number from 4, the vCPUs of the smallest core fleet, to 4096.",
            "images must be a whole number from 1 to 10^12; leave it out to size the fleets by core_units and "
            "task_units.",
            f"A root volume of {HUGE} GiB will not do: EMR's image, the wheelhouse and the installed TensorFlow need "
            "30, and EMR allows 100. Set root_volume_gib to 30 to 100.",
            "An idle time of 90.5 s is not allowed: EMR takes no less than 60, and above 3600 a forgotten cluster "
            "bills for hours. Choose a shorter one; a new cluster takes minutes.",
            "The idle limit must be 60 s to 7 days (604800 s), as EMR's own; 90.5 is not.",
            f"The hard time to live must be 1 to 24 whole hours; {HUGE} is not. For a longer job, start a second "
            "cluster: features already written are not computed again.",
            "step_concurrency must be a whole number from 1 to 256.",
        ],
    ),
    "a wait for Spot that is no whole number": (
        "cluster",
        "eu-west-3",
        {"core": {"units": 8}, "task": {"units": 8, "spot_timeout_minutes": 7.5}},
        ["task.spot_timeout_minutes must be a whole number from 5 to 1440."],
    ),
    "a release near its end": (
        "cluster",
        "eu-west-3",
        {"release_label": "emr-spark-8.0.0", "today": "2027-03-01"},
        [
            "emr-spark-8.0.0 is supported until 2027-05-20, less than 90 days from 2027-03-01. Choose a newer release "
            "(emr-7.13.0, emr-7.14.0, emr-spark-8.0.0), or lower release_margin_days if this cluster is not to live "
            "that long.",
        ],
    ),
    "a release of unknown end": (
        "cluster",
        "eu-west-3",
        {"release_label": "emr-7.9.0"},
        [
            "emr-7.9.0 is not among the releases whose end of support is known here (emr-7.13.0, emr-7.14.0, "
            "emr-spark-8.0.0). Choose one of them, or give the date from AWS's page: release_end_of_support = "
            '"YYYY-MM-DD".',
        ],
    ),
}


@pytest.mark.parametrize("group", GROUPS)
def test_refused_with_these_sentences(planner: Planner, group: str) -> None:
    stack, region, wrong, sentences = GROUPS[group]
    said = [
        sentence.split("\n\n")[0].replace("\n", " ") for sentence in planner.refusals(stack, region=region, **wrong)
    ]
    assert sorted(set(said)) == sorted(sentences)


def test_allowed_where_the_operator_says_so(planner: Planner) -> None:
    """The ways out that the sentences name are really open."""
    allowed = {"allow_non_eu": True, "release_label": "emr-7.9.0", "release_end_of_support": "2099-01-01"}
    assert planner.refusals("cluster", region="us-east-1", **allowed) == []


@pytest.mark.parametrize("release", ["emr-spark-8.0.0", "emr-spark-8.1.0", "emr-7.13.0"])
def test_spark_releases_let_the_vpc_in_on_443(planner: Planner, release: str) -> None:
    """By AWS's page: from Spark 8 on nodes reach the service by an endpoint behind the service-access group."""
    plan = planner.plan("cluster", "dev", release_label=release, release_end_of_support="2099-01-01")
    (cluster,) = filter_types(list_resources(plan), "aws_emr_cluster")
    assert cluster.values["release_label"] == release
    rules = filter_types(list_resources(plan), "aws_vpc_security_group_ingress_rule")
    ways = {(r.values["from_port"], r.values["to_port"], r.values.get("cidr_ipv4")) for r in rules}
    assert ways == {(9443, 9443, None), *({(443, 443, "10.42.0.0/16")} if "spark" in release else ())}
