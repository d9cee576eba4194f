"""The rules on tags, the cluster, what outlives it, and the bill."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ops.plan.contents import Resource, filter_types, find_beside, list_statements, take_block
from ops.plan.rules import rule

IDLE_CEILING_SECONDS = 3600
WATCH_MINUTES = 5  # between two looks of infra/modules/idle
WATCH_RATE = f"rate({WATCH_MINUTES} minutes)"
EMR_TAG = "for-use-with-amazon-emr-managed-policies"
REQUIRED_TAGS = ("Project", "Environment", "ManagedBy", "Stack")

# Types that AmazonEMRServicePolicy_v2 acts upon; by the name of the resource where not all of a type are meant.
EMR_TAGGED: Mapping[str, tuple[str, ...]] = {
    "aws_vpc": (),
    "aws_subnet": ("private",),
    "aws_security_group": ("primary", "core", "service"),
    "aws_emr_cluster": (),
    "aws_iam_instance_profile": (),
}


@rule
def required_tags(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Everything that can bear tags says whose it is; what EMR touches bears EMR's tag."""
    for resource in resources:
        if "tags_all" not in resource.values:
            continue
        tags = resource.values["tags_all"] or {}
        missing = [name for name in REQUIRED_TAGS if not tags.get(name)]
        if missing:
            yield resource.address, f"the tags {', '.join(missing)} are missing"
        names = EMR_TAGGED.get(resource.type)
        if names is not None and (not names or resource.name in names) and tags.get(EMR_TAG) != "true":
            yield resource.address, f"EMR may not use it: the tag {EMR_TAG} is missing"


@rule
def spot_for_task_only(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Primary and core run on demand; Spot bids no more than the on-demand price."""
    for cluster in filter_types(resources, "aws_emr_cluster"):
        for kind in ("master_instance_fleet", "core_instance_fleet"):
            fleet = take_block(cluster.values.get(kind))
            if not fleet and kind == "core_instance_fleet":
                continue  # a primary alone
            specification = take_block(fleet.get("launch_specifications"))
            bids = [t for t in fleet.get("instance_type_configs", []) if t.get("bid_price")]
            if fleet.get("target_spot_capacity") or bids or specification.get("spot_specification"):
                yield cluster.address, f"{kind} may run on Spot"
            if not fleet.get("target_on_demand_capacity"):
                yield cluster.address, f"{kind} asks for nothing on demand"
        if cluster.values.get("master_instance_group") or cluster.values.get("core_instance_group"):
            yield cluster.address, "instance groups take one type only; fleets are used here"
    for task in filter_types(resources, "aws_emr_instance_fleet"):
        for config in task.values.get("instance_type_configs", []):
            if config.get("bid_price") or (config.get("bid_price_as_percentage_of_on_demand_price") or 0) > 100:
                yield task.address, f"{config['instance_type']} may cost more than on demand"


@rule
def primary_alone(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """A cluster of one node has nothing beside its primary, and no label that would keep the driver from it."""
    for cluster in filter_types(resources, "aws_emr_cluster"):
        if cluster.values.get("core_instance_fleet") or cluster.values.get("core_instance_group"):
            continue
        if filter_types(resources, "aws_emr_instance_fleet", "aws_emr_managed_scaling_policy"):
            yield cluster.address, "EMR takes no task fleet without a core fleet"
        classified = {entry["Classification"]: entry["Properties"] for entry in _configurations(cluster)}
        if classified.get("yarn-site", {}).get("yarn.node-labels.enabled") == "true":
            yield cluster.address, "node labels on a primary alone can keep the driver from the only node"


def _configurations(cluster: Resource) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(cluster.values.get("configurations_json") or "[]")
    return entries


@rule
def ends_by_itself(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """A forgotten cluster ends: an idle limit inside, a clock outside, nothing that protects it."""
    for cluster in filter_types(resources, "aws_emr_cluster"):
        limit = take_block(cluster.values.get("auto_termination_policy")).get("idle_timeout")
        if limit is None:
            yield cluster.address, "there is no idle limit"
        elif limit > IDLE_CEILING_SECONDS:
            yield cluster.address, f"the idle limit of {limit} s is above {IDLE_CEILING_SECONDS}"
        if cluster.values.get("termination_protection"):
            yield cluster.address, "termination protection blocks the time limit and `make destroy`"
        clocks = [
            schedule
            for schedule in filter_types(resources, "aws_scheduler_schedule")
            if take_block(schedule.values.get("target")).get("arn", "").endswith(":aws-sdk:emr:terminateJobFlows")
            and schedule.values.get("state", "ENABLED") == "ENABLED"
        ]
        if not clocks:
            yield cluster.address, "nothing outside ends a cluster whose step hangs"
        watches = [
            schedule
            for schedule in filter_types(resources, "aws_scheduler_schedule")
            if schedule.values.get("schedule_expression") == WATCH_RATE
            and schedule.values.get("state", "ENABLED") == "ENABLED"
        ]
        if not watches or not any(True for _ in filter_types(resources, "aws_sfn_state_machine")):
            yield cluster.address, "nothing outside ends a cluster that is idle, and EMR's own limit needs a way out"


@rule
def steps_stay_outside(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """A step in the cluster's code makes every step submitted later a reason to replace the cluster."""
    for cluster in filter_types(resources, "aws_emr_cluster"):
        if "step" in cluster.written:  # the provider reads those that ran into the values
            yield cluster.address, "it holds a step"


@rule
def private_cluster(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Several subnets, no SSH key, logs kept."""
    for cluster in filter_types(resources, "aws_emr_cluster"):
        attributes = take_block(cluster.values.get("ec2_attributes"))
        if attributes.get("key_name"):
            yield cluster.address, "an SSH key is a second way in; use Systems Manager"
        # s3n: as EMR answers, and as a plan of a cluster that stands reads it back
        if not str(cluster.values.get("log_uri", "")).startswith(("s3://", "s3n://")):
            yield cluster.address, "its logs are not kept"
    if filter_types(resources, "aws_emr_cluster"):
        private = [subnet for subnet in filter_types(resources, "aws_subnet") if subnet.name == "private"]
        if len({subnet.values.get("availability_zone") for subnet in private}) < 2:
            yield "aws_subnet", "there are not two zones to choose from"


@rule
def one_python_everywhere(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Driver and executors run the same interpreter in the right memory setting, and fail once."""
    for cluster in filter_types(resources, "aws_emr_cluster"):
        classified = {entry["Classification"]: entry["Properties"] for entry in _configurations(cluster)}
        spark = classified.get("spark-defaults", {})
        driver = spark.get("spark.yarn.appMasterEnv.PYSPARK_PYTHON")
        if driver is None or driver != spark.get("spark.executorEnv.PYSPARK_PYTHON"):
            yield cluster.address, "driver and executors do not name the same Python"
        if "spark.executor.pyspark.memory" in spark:
            yield cluster.address, "spark.executor.pyspark.memory limits the address space, which crashes TensorFlow"
        if not all(f"spark.{part}.memoryOverhead" in spark for part in ("driver", "executor")):
            yield cluster.address, "memoryOverhead, where Python lives, is left to a tenth of the heap"
        if not all(f"spark.{part}.AWS_REGION" in spark for part in ("executorEnv", "yarn.appMasterEnv")):
            yield cluster.address, "AWS_REGION is not set: S3 clients ask us-east-1 and hang"
        spot = any(
            fleet.values.get("target_spot_capacity") for fleet in filter_types(resources, "aws_emr_instance_fleet")
        )
        labels = classified.get("yarn-site", {}).get("yarn.node-labels.am.default-node-label-expression")
        if spark.get("spark.yarn.maxAppAttempts") != "1":
            yield cluster.address, "a job that fails would be tried, and paid, twice"
        elif spot and labels != "ON_DEMAND":
            yield cluster.address, "the only attempt of the job may run its driver on Spot"


@rule
def emr_reaches_its_buckets(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """The S3 endpoint lets EMR's and Amazon Linux's own buckets through, or no cluster starts."""
    for endpoint in filter_types(resources, "aws_vpc_endpoint"):
        if not str(endpoint.values.get("service_name", "")).endswith(".s3") or "policy" not in endpoint.written:
            continue
        region = str(endpoint.values["service_name"]).split(".")[2]
        allowed = {
            arn.split(":::")[-1]
            for statement in list_statements([endpoint])
            if statement.effect == "Allow" and "s3:GetObject" in statement.actions
            for arn in statement.resources
        }
        needed = (f"al2023-repos-{region}-*/*", f"repo.{region}.emr.amazonaws.com/*", f"prod.{region}.appinfo.src/*")
        for name in needed:
            if name not in allowed:
                yield endpoint.address, f"EMR cannot read {name}, and no cluster starts"


@rule
def storage_stays(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """What a cluster's destroy takes with it holds no bucket."""
    if filter_types(resources, "aws_emr_cluster"):
        for bucket in filter_types(resources, "aws_s3_bucket"):
            yield bucket.address, "a bucket in the cluster's stack would go with the cluster"


@rule
def buckets_keep_their_objects(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Only `make purge` may delete what is in a bucket."""
    for bucket in filter_types(resources, "aws_s3_bucket"):
        if bucket.values.get("force_destroy"):
            yield bucket.address, "destroying it would delete its objects"


@rule
def images_and_results_stay(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """No lifecycle rule deletes photographs, or what was computed from them; older versions may go."""
    for settings in filter_types(resources, "aws_s3_bucket_lifecycle_configuration"):
        bucket = find_beside(resources, settings, "aws_s3_bucket")
        if bucket is None or "-data-" not in str(bucket.values.get("bucket")):
            continue
        for entry in settings.values.get("rule") or []:
            expiration = take_block(entry.get("expiration"))
            selection = take_block(entry.get("filter"))
            prefix = (
                selection.get("prefix") or take_block(selection.get("and")).get("prefix") or entry.get("prefix") or ""
            )
            folders = [name for name in ("images/", "results/") if name.startswith(prefix) or prefix.startswith(name)]
            if (expiration.get("days") or expiration.get("date")) and folders and entry.get("status") == "Enabled":
                yield settings.address, f"its rule {entry.get('id')} deletes what lies below {' and '.join(folders)}"


@rule
def somebody_watches_the_bill(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """A storage stack has a budget above nothing; its alerts are at 50, 80 and 100%."""
    budgets = filter_types(resources, "aws_budgets_budget")
    if filter_types(resources, "aws_s3_bucket") and not budgets:
        yield "aws_budgets_budget", "there is no budget"
    for budget in budgets:
        if float(budget.values.get("limit_amount") or 0) <= 0:
            yield budget.address, "the budget is 0"
        alerts = {entry.get("threshold") for entry in budget.values.get("notification") or []}
        if alerts and not {50, 80, 100} <= alerts:
            yield budget.address, f"alerts are at {sorted(alerts)}%, not at 50, 80 and 100"
