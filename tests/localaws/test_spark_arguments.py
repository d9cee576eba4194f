"""How a step's spark-submit for YARN becomes one for this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from localaws.emr.spark import (
    FLAGS,
    VALUED,
    BadSubmitError,
    format_properties,
    localize,
    parse_submit,
    read_classification,
)
from localaws.settings import Settings

SMALL = Settings(executors=3, executor_cores=2, executor_memory_mb=700, driver_memory_mb=600)


def test_options_end_where_the_application_begins() -> None:
    args = ["--deploy-mode", "cluster", "--conf", "spark.x=a=b", "-v", "--py-files", "s3://b/l.zip"]
    submit = parse_submit([*args, "s3://b/job.py", "--conf", "mine", "-v"])
    assert submit.conf == {"spark.x": "a=b"}
    assert submit.flags == ["-v"]
    assert submit.options == [("--deploy-mode", "cluster"), ("--py-files", "s3://b/l.zip")]
    assert (submit.application, submit.arguments) == ("s3://b/job.py", ["--conf", "mine", "-v"])


def test_an_option_may_be_joined_to_its_value() -> None:
    assert parse_submit(["--name=a b", "--conf=spark.y=1", "job.py"]).options == [("--name", "a b")]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--nonsense", "1", "job.py"], "Unrecognized option: --nonsense"),
        (["--conf"], "Missing argument for option '--conf'."),
        (["--conf", "spark.x", "job.py"], "Spark config without '=': spark.x"),
        (["--name", "x"], "Missing application resource."),
    ],
)
def test_what_spark_submit_would_refuse_is_refused(args: list[str], sentence: str) -> None:
    with pytest.raises(BadSubmitError) as error:
        parse_submit(args)
    assert str(error.value) == sentence


def test_the_known_options_are_those_of_the_installed_spark() -> None:
    """Spark's own list is compiled; its names are strings in the launcher's class file."""
    import zipfile

    import pyspark

    jar = next((Path(pyspark.__file__).parent / "jars").glob("spark-launcher_*.jar"))
    with zipfile.ZipFile(jar) as archive:
        compiled = archive.read("org/apache/spark/launcher/SparkSubmitOptionParser.class")
    for option in FLAGS | VALUED:
        assert option.encode() in compiled, f"Spark no longer knows {option}"


def test_sizes_and_master_are_ours_and_the_rest_is_the_steps() -> None:
    submit = parse_submit(
        [
            *("--master", "yarn", "--deploy-mode", "cluster", "--num-executors", "9", "--executor-memory", "20g"),
            *("--conf", "spark.executor.cores=8", "--conf", "spark.sql.shuffle.partitions=7"),
            *("--conf", "spark.yarn.maxAppAttempts=1", "--conf", "spark.yarn.appMasterEnv.A=step"),
            *("--name", "features", "s3://b/job.py", "--request", "s3://b/r.json"),
        ]
    )
    defaults = {
        "spark.executor.memory": "18g",
        "spark.executor.memoryOverheadFactor": "0.4",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.sql.shuffle.partitions": "200",
        "spark.yarn.appMasterEnv.A": "cluster",
        "spark.yarn.appMasterEnv.B": "2",
        "spark.dynamicAllocation.enabled": "true",
    }
    command = localize(submit, defaults, {"spark.hadoop.fs.s3a.endpoint": "http://127.0.0.1:9"}, SMALL)
    assert command.args == ["--name", "features", "s3://b/job.py", "--request", "s3://b/r.json"]
    assert command.cluster_mode
    assert command.environment == {"A": "step", "B": "2"}
    assert command.conf["spark.master"] == "local-cluster[3,2,1212]"
    assert command.conf["spark.executor.memory"] == "700m"
    assert command.conf["spark.driver.memory"] == "600m"
    assert command.conf["spark.sql.shuffle.partitions"] == "7"
    assert command.conf["spark.executorEnv.OMP_NUM_THREADS"] == "1"
    assert command.conf["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:9"
    left = [k for k in command.conf if k.startswith(("spark.yarn", "spark.dynamicAllocation"))]
    assert left == []
    assert "spark.executor.cores" not in command.conf
    assert "spark.executor.memoryOverheadFactor" not in command.conf


def test_options_without_a_value_go_along_and_a_restart_of_the_driver_does_not() -> None:
    submit = parse_submit(["--verbose", "--supervise", "--name", "x", "job.py", "--verbose"])
    assert localize(submit, {}, {}, SMALL).args == ["--name", "x", "--verbose", "job.py", "--verbose"]


def test_short_jobs_are_compiled_once_unless_the_step_says_otherwise() -> None:
    command = localize(parse_submit(["job.py"]), {"spark.driver.defaultJavaOptions": "-XX:+UseG1GC"}, {}, SMALL)
    assert command.conf["spark.driver.defaultJavaOptions"] == "-XX:+UseG1GC"
    assert command.conf["spark.executor.defaultJavaOptions"] == "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@pytest.mark.parametrize(
    ("args", "defaults", "cluster"),
    [
        ([], {}, False),
        ([], {"spark.submit.deployMode": "cluster"}, True),
        (["--deploy-mode", "client"], {"spark.submit.deployMode": "cluster"}, False),
        (["--conf", "spark.submit.deployMode=cluster"], {}, True),
    ],
)
def test_the_deploy_mode(args: list[str], defaults: dict[str, str], cluster: bool) -> None:
    assert localize(parse_submit([*args, "job.py"]), defaults, {}, SMALL).cluster_mode is cluster


def test_nested_configurations_are_found_and_others_ignored() -> None:
    nested = [
        {"Classification": "yarn-site", "Properties": {"x": "1"}},
        {
            "Classification": "spark-env",
            "Properties": {},
            "Configurations": [
                {"Classification": "export", "Properties": {"A": "1"}},
                {"Classification": "export", "Properties": {"B": "2"}},
            ],
        },
    ]
    assert read_classification(nested, "spark-env", "export") == {"A": "1", "B": "2"}
    assert read_classification(nested, "spark-defaults") == {}


def test_the_properties_file() -> None:
    assert format_properties({"spark.b": "2 3", "spark.a": "1"}) == "spark.a 1\nspark.b 2 3\n"
