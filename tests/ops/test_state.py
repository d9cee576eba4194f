"""`make state`: the bucket is made once, right, in its region; what differs is put right; nobody else's is touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from ops.aws.account import Account
from ops.aws.state_bucket import NoStateError, find_region, list_settings, make_state_bucket, require_state
from ops.core.target import Target

REGION = "eu-west-3"
ACCOUNT = "123456789012"
DEV = Target(env="dev", region=REGION, account_id=ACCOUNT)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.session.Session().client("s3", region_name=REGION)


def test_the_bucket_is_private_encrypted_versioned_and_tls_only(s3: Any) -> None:
    assert make_state_bucket(s3, DEV)[0] == "made in eu-west-3"
    bucket = "fruits-tfstate-123456789012"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == REGION
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert '"aws:SecureTransport": "false"' in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_a_second_time_there_is_nothing_to_do(s3: Any) -> None:
    assert len(make_state_bucket(s3, DEV)) == 1 + len(list_settings(DEV.state_bucket))
    assert make_state_bucket(s3, DEV) == []


def test_what_was_changed_is_put_right_and_only_that(s3: Any) -> None:
    make_state_bucket(s3, DEV)
    s3.put_bucket_versioning(Bucket=DEV.state_bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_bucket_policy(Bucket=DEV.state_bucket)
    assert make_state_bucket(s3, DEV) == ["TLS only", "versioned"]


def test_another_region_is_refused_with_the_one_where_it_lies(s3: Any) -> None:
    make_state_bucket(s3, DEV)
    elsewhere = Target(env="dev", region="eu-west-1", account_id=ACCOUNT)
    with pytest.raises(NoStateError, match=r"is in eu-west-3, not in eu-west-1\. Fix: REGION=eu-west-3"):
        make_state_bucket(s3, elsewhere)


def test_apply_names_the_command_when_the_bucket_is_missing(s3: Any) -> None:
    account = Account(DEV)
    with pytest.raises(NoStateError, match=r"no bucket for Terraform's state yet.*Fix: make state ENV=dev") as caught:
        require_state(account)
    assert caught.value.exit_code == 20
    make_state_bucket(s3, DEV)
    require_state(account)


def test_a_bucket_that_may_not_be_seen_is_not_taken_for_a_missing_one() -> None:
    class Refusing:
        def head_bucket(self, **asked: str) -> None:
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadBucket")

    with pytest.raises(NoStateError, match=r"cannot be used \(403\)"):
        find_region(Refusing(), "b", ACCOUNT)
