"""What the job says of itself, and how a step or a cluster ended where nothing is wrong with it."""

from ops.diagnose.cause import list_rows, make_cause

ROWS = (
    make_cause(
        "rejects-over-limit",
        meaning="more images were rejected than allowed",
        fix="repair or remove them (rejects/ names them all), or allow more with MAX_REJECT_RATE=",
        job=("rejects",),
    ),
    make_cause(
        "input-missing",
        meaning="the input is missing, empty, or holds no such image",
        fix="make upload-dataset INPUT=folder, or another INPUT=",
        command="make upload-dataset INPUT=folder, then make run-step",
        job=("input",),
    ),
    make_cause(
        "model-unusable",
        meaning="the network or its weights cannot be used",
        fix="make weights MODEL=…, or another MODEL=",
        command="make weights, then make run-step",
        job=("model",),
    ),
    make_cause(
        "reduction-impossible",
        meaning="the principal components that were asked for cannot be had",
        fix="another K= or VARIANCE=, or more images",
        job=("reduction",),
    ),
    make_cause(
        "output-unusable",
        meaning="the results cannot be written where they were asked for",
        fix="another OUTPUT=",
        job=("output",),
    ),
    make_cause(
        "result-contradicts-input",
        meaning="the finished result contradicts its input",
        fix="run the step again; the same again is a fault of the job",
        job=("check",),
    ),
    make_cause(
        "storage-unreachable",
        meaning="a store refused, or could not be reached",
        fix="check the address, then run again",
        job=("storage",),
    ),
    make_cause(
        "no-executors",
        meaning="the run waited for executors, and none came",
        fix="run the step again: it continues where it stopped. None again: on demand instead of Spot, or more types "
        "and zones (task, zones in infra/env/<env>.cluster.tfvars)",
        job=("executors",),
    ),
)
SUCCEEDED = make_cause(
    "nothing-failed", meaning="the step ended well{lost}", fix="nothing to do", command="make results"
)
RUNNING = make_cause(
    "still-running",
    meaning="the step still runs{waits}",
    fix="wait; make watch shows how far it is",
    command="make watch, or make logs FOLLOW=1",
)
WAITING = make_cause(
    "waits-for-nodes",
    meaning="the step still runs, and waits: {waits}",
    fix="wait for the nodes (make status says which there are), or end what else runs; if none comes, more types and "
    "zones ({variables}, zones in infra/env/<env>.cluster.tfvars)",
    command="make status, then make watch",
)
CANCELLED = make_cause(
    "cancelled",
    meaning="the step was cancelled, or its cluster was ended while it was open{by}",
    fix="make apply where the cluster has ended, then submit it again: it continues where it stopped",
    command="make status, then make run-step",
)
ENDED = make_cause(
    "cluster-ended",
    meaning="the cluster was ended: {how}",
    fix="make apply makes another one; what is featurized is kept",
    command="make apply, then make run-step",
    codes=("USER_REQUEST", "ALL_STEPS_COMPLETED"),
)
STEP_FAILED = make_cause(
    "step-failed",
    meaning="the cluster ended because a step failed",
    fix="the step's own cause: make steps names it, make diagnose STEP=… says why",
    command="make steps",
    codes=("STEP_FAILURE",),
)
EMR_INTERNAL = make_cause(
    "emr-internal",
    meaning="EMR says that the fault is its own, and no more",
    fix="make apply again, a few minutes later; the same again: other zones, then AWS's support with the cluster's id",
    command="make destroy, then make apply",
    codes=("INTERNAL_ERROR",),
)
NOT_VALID = make_cause(
    "cluster-refused",
    meaning="EMR refused to start the cluster for the reason that it gives",
    fix="change what it names (infra/env/<env>.cluster.tfvars)",
    command="make doctor, then make apply",
    codes=("VALIDATION_ERROR",),
)
PYTHON = make_cause(
    "python-exception",
    meaning="Python raised {exception}",
    fix="the traceback names the line; what is featurized is kept, so a repaired job continues where this one stopped",
)
JVM = make_cause(
    "jvm-exception",
    meaning="Spark's JVM raised {exception}",
    fix="its message says what it could not do; what is featurized is kept, so a repaired job continues where this one "
    "stopped",
)
UNKNOWN = make_cause(
    "unknown",
    meaning="nothing that was found is a known cause",
    fix="read the whole log at the address below; make diagnose REPORT=1 writes what is known for an issue, masked",
    command="make logs",
)

BARE = list_rows(vars())
"""How a step or a cluster ended, and what is left where no row fits."""
