"""The commands: name, options, one line of help, and the function that runs. Help, README and make are held to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ops.cli.options import RUN

WHERE = "ENV REGION"
SIZE = "IMAGES MINUTES PRECISION ARCH"


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes
    ----------
    name : as typed after ``fruits`` and ``make``
    group : the heading that it stands below
    help : one line
    runs : ``module:function``; the function takes the environment and returns the exit code
    takes : names of its options
    everyday : whether it is in the short list
    """

    name: str
    group: str
    help: str
    runs: str
    takes: tuple[str, ...] = ()
    everyday: bool = False


def _command(name: str, group: str, runs: str, takes: str, help_text: str, *, everyday: bool = False) -> Command:
    return Command(name, group, help_text, runs, tuple(takes.split()), everyday)


_LOCAL, _LIFE, _LOOK, _COST = "On this machine", "An environment", "Looking", "Costs and checks"
_DATA, _EMBEDDED, _STUDIO, _CI = "Data", "The embedded AWS", "SageMaker Studio", "Changes and administrators"
_LIST = (
    _command("demo", _LOCAL, "ops.cli.demo:main", "FAULT YARN CURRENCY ARCH",
             "Run the whole cycle on the embedded AWS: apply, upload, step, results, destroy", everyday=True),
    _command("run-local", _LOCAL, "ops.cli.run_local:main", f"{RUN} REQUEST MASTER",
             "Run the job on this machine", everyday=True),
    _command("tune", _LOCAL, "ops.cli.tune:main", f"INPUT MODEL IMAGE_SIZE WEIGHTS LIMIT {WHERE} {SIZE} JSON",
             "Measure on your own images which network, size and precision to take, and price it"),
    _command("neighbours", _LOCAL, "ops.cli.explore:neighbours", "ENV IMAGE INPUT OUTPUT MODEL COUNT JSON",
             "List the images of a result that are most like a photograph"),
    _command("classify", _LOCAL, "ops.cli.explore:classify", "ENV INPUT OUTPUT MODEL JSON",
             "Say how well a linear classifier tells the classes apart, and add it to the report"),
    _command("export", _LOCAL, "ops.cli.explore:export", "ENV INPUT OUTPUT MODEL TO DEST LIMIT",
             "Hand vectors, labels and thumbnails to projector, fiftyone or spotlight"),
    _command("doctor", _COST, "ops.cli.doctor:doctor", f"{WHERE} INPUT MODEL {SIZE} WEIGHTS CURRENCY OFFLINE JSON",
             "Check what would fail later: account, quotas, types, names, tools", everyday=True),
    _command("state", _LIFE, "ops.cli.environment:create_state", WHERE,
             "Create the bucket of Terraform's states, once per account"),
    _command("plan", _LIFE, "ops.cli.terraform:plan", f"{WHERE} OFFLINE {SIZE} MAX_USD_PER_HOUR",
             "Show what would be created or changed, and its price"),
    _command("apply", _LIFE, "ops.cli.environment:apply", f"{WHERE} YES {SIZE} FAULT YARN CURRENCY",
             "Create buckets and cluster; shows the price and asks", everyday=True),
    _command("upload-dataset", _LIFE, "ops.cli.environment:upload_dataset", f"{WHERE} INPUT",
             "Copy a folder of images to the data bucket", everyday=True),
    _command("run-step", _LIFE, "ops.cli.run_step:main", f"{WHERE} {RUN} DETACH QUEUE ONESHOT FAULT CURRENCY REQUEST",
             "Run the job on the cluster and watch it", everyday=True),
    _command("watch", _LIFE, "ops.cli.run_step:watch", f"{WHERE} STEP CURRENCY",
             "Watch a step that runs, or see how it ended"),
    _command("results", _LIFE, "ops.cli.environment:results",
             f"{WHERE} MODEL OUTPUT COMPARE OPEN CURRENCY",
             "Fetch report, scores and run.json, and open the page; or compare two results", everyday=True),
    _command("destroy", _LIFE, "ops.cli.environment:destroy", f"{WHERE} YES CURRENCY",
             "Remove the cluster; images and results stay", everyday=True),
    _command("purge", _LIFE, "ops.cli.environment:purge", f"{WHERE} PURGE YES CURRENCY",
             "Remove everything of an environment, images and results too"),
    _command("status", _LOOK, "ops.cli.status:main", f"{WHERE} JSON",
             "Show the environment: cluster, what ends it and when, costs, the open step", everyday=True),
    _command("steps", _LOOK, "ops.cli.steps:main", f"{WHERE} CLUSTER JSON",
             "List the steps of the cluster, the newest first"),
    _command("logs", _LOOK, "ops.cli.logs:main", f"{WHERE} STEP CLUSTER LINES FOLLOW JSON",
             "Show what a step and its driver wrote"),
    _command("diagnose", _LOOK, "ops.cli.diagnose:main", f"{WHERE} STEP CLUSTER LOGS WAIT REPORT JSON",
             "Say why a step, a bootstrap or a cluster failed, and how to fix it", everyday=True),
    _command("shell", _LOOK, "ops.cli.shell:main", WHERE,
             "Open a shell on the primary node (SSM, no open port)"),
    _command("ui", _LOOK, "ops.cli.ui:main", f"{WHERE} CLUSTER OPEN",
             "Open Spark's own pages, also of ended steps"),
    _command("cost", _COST, "ops.cli.cost:main", f"{WHERE} {SIZE} CURRENCY OFFLINE JSON",
             "Show what an hour and a run will cost, and what the steps did cost"),
    _command("billing", _COST, "ops.cli.doctor:billing", f"{WHERE} CURRENCY JSON",
             "List what still bills, its price, and the command that removes it"),
    _command("verify-aws", _COST, "ops.cli.verify:main", f"{WHERE} WITH BILL YES CURRENCY",
             "Check in a real account what this project assumes about AWS (ENV=verify, under 1 euro)"),
    _command("prices", _COST, "tools.prices:main", f"{WHERE} TYPES",
             "Renew the price tables from AWS's Price List API; TYPES= adds types"),
    _command("sample", _DATA, "ops.cli.data:sample", "SOURCE DEST CLASSES IMAGES SEED",
             "Cut a balanced subsample of a folder"),
    _command("dataset", _DATA, "ops.cli.data:dataset", "SOURCE DEST VERSION",
             "Fetch the real Fruits-360 (needs the internet)"),
    _command("weights", _DATA, "ops.cli.data:weights", "MODEL DEST",
             "Fetch the ImageNet weights that no package carries"),
    _command("wheelhouse", _DATA, "ops.cli.data:wheelhouse", "ARCH TO",
             "Download the wheels that a node installs; TO= uploads them"),
    _command("notebook", _DATA, "ops.job.notebook:main", "",
             "Write the notebook from its source, and its zip"),
    _command("local-up", _EMBEDDED, "ops.cli.embedded:start", "YARN",
             "Start the embedded AWS (its state lives in memory)"),
    _command("local-down", _EMBEDDED, "ops.cli.embedded:stop", "",
             "Stop it; everything in it is gone"),
    _command("local-status", _EMBEDDED, "ops.cli.embedded:status", "",
             "Show where it listens and what its clusters do"),
    _command("local-fault", _EMBEDDED, "ops.cli.embedded:fault", "FAULT",
             "Let something go wrong there: bootstrap, executor-lost, s3-slow, s3-503, step-oom, spot, none, and more"),
    _command("yarn-jars", _EMBEDDED, "ops.cli.embedded:yarn_jars", "IVY_SETTINGS",
             "Fetch what YARN=1 needs: a real YARN's jars (101 MB, once)"),
    _command("env", _EMBEDDED, "ops.cli.embedded:env", "",
             "Print what points a shell at it; use it with eval"),
    _command("studio-notebook", _STUDIO, "ops.cli.studio:put_command", WHERE,
             "Put the notebook where Studio's user finds it"),
    _command("studio-open", _STUDIO, "ops.cli.studio:open_command", f"{WHERE} OPEN",
             "Print an address that opens Studio, valid for five minutes"),
    _command("studio-stop", _STUDIO, "ops.cli.studio:stop_command", WHERE,
             "Stop what runs in Studio and bills by the hour"),
    _command("plan-report", _CI, "ops.cli.plan_report:main",
             f"{WHERE} BASE OFFLINE MAX_USD_PER_HOUR LABELS OUT PLAN {SIZE}",
             "Say what a change would do, as a comment for its pull request"),
    _command("drift", _CI, "ops.cli.drift:main", f"{WHERE} OUT CURRENCY",
             "Report whether storage differs from the code, and what bills by the hour"),
    _command("operators", _CI, "ops.cli.terraform:operators", f"{WHERE} YES",
             "Create the operators' rights (an administrator's command); shows the plan and asks"),
    _command("github", _CI, "ops.cli.terraform:github", f"{WHERE} YES REPOSITORY SUBJECT BRANCH",
             "Create the roles for a repository's workflows (an administrator's); shows the plan and asks"),
    _command("validate", _CI, "ops.cli.terraform:validate", "", "Check the Terraform code of all four stacks"),
    _command("fmt-check", _CI, "ops.cli.terraform:check_format", "", "Say whether the Terraform code is formatted"),
    _command("help-exit", _CI, "ops.core.exit_codes:main", "", "Explain the exit codes"),
)  # fmt: skip
COMMANDS: Mapping[str, Command] = {command.name: command for command in _LIST}
TAKES: Mapping[str, tuple[str, ...]] = {command.name: command.takes for command in _LIST}
