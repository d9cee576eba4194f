"""`make state`: the bucket that holds Terraform's states of a real account, versioned, encrypted, private, TLS only.

It is not made by Terraform, because Terraform's state must lie somewhere before it can make anything. Run again, it
puts right what differs and changes nothing else. It never deletes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ops.aws.account import Account
from ops.core.console import Console, working
from ops.core.errors import ExitCode, OperatorError
from ops.core.target import PROJECT, Target

OLD_VERSION_DAYS = 90
_MISSING = (
    "404",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchTagSet",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
)


class NoStateError(OperatorError):
    """The bucket of the states is not there, or is not ours to use."""

    exit_code = ExitCode.NOT_APPLIED


class MissingStateError(NoStateError):
    """The bucket of the states is not there, and can be made."""


@dataclass(frozen=True)
class Setting:
    """One property of the bucket.

    Attributes
    ----------
    name : for the user
    wanted : what it should be
    call : of S3: get_bucket_… and put_bucket_…, without get and put
    put : arguments that put it
    answer : where it stands in S3's answer
    understand : from S3's answer to what ``wanted`` can be compared with
    """

    name: str
    wanted: Any
    call: str
    put: Mapping[str, Any]
    answer: str
    understand: Callable[[Any], Any] = lambda value: value

    def read(self, s3: Any, bucket: str) -> Any:
        """The property as the bucket has it; None where it has none."""
        try:
            value = getattr(s3, f"get_{self.call}")(Bucket=bucket).get(self.answer)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        return None if value is None else self.understand(value)

    def write(self, s3: Any, bucket: str) -> None:
        """Give the bucket the property as it should be."""
        getattr(s3, f"put_{self.call}")(Bucket=bucket, **self.put)


def make_tls_policy(bucket: str) -> dict[str, Any]:
    """The bucket's policy: nobody without TLS."""
    arn = f"arn:aws:s3:::{bucket}"
    statement = {
        "Sid": "RefusePlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def read_encryption(configuration: Mapping[str, Any]) -> list[Any]:
    """By what objects are encrypted, without what S3 adds to its answer."""
    return [rule.get("ApplyServerSideEncryptionByDefault") for rule in configuration["Rules"]]


def read_tag_set(pairs: list[dict[str, str]]) -> dict[str, str]:
    """Tags as S3 answers them."""
    return {pair["Key"]: pair["Value"] for pair in pairs}


def list_settings(bucket: str) -> list[Setting]:
    """Everything that the bucket must be, access first: a bucket is never open while it is being made."""
    access = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    owner = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    policy = make_tls_policy(bucket)
    by_s3 = {"SSEAlgorithm": "AES256"}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": by_s3}]}
    tags = {"Project": PROJECT, "ManagedBy": "make state"}
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    rules = [
        {
            "ID": "old-versions",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSION_DAYS},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
    ]
    blocking, controls = "PublicAccessBlockConfiguration", "OwnershipControls"
    configuration = "ServerSideEncryptionConfiguration"
    old = f"old versions go after {OLD_VERSION_DAYS} days"
    return [
        Setting("no public access", access, "public_access_block", {blocking: access}, blocking),
        Setting(
            "the bucket's owner owns every object", owner, "bucket_ownership_controls", {controls: owner}, controls
        ),
        Setting("TLS only", policy, "bucket_policy", {"Policy": json.dumps(policy)}, "Policy", json.loads),
        Setting("encrypted", [by_s3], "bucket_encryption", {configuration: encryption}, configuration, read_encryption),
        Setting(
            "versioned", "Enabled", "bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}}, "Status"
        ),
        Setting(old, rules, "bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": rules}}, "Rules"),
        Setting("tagged", tags, "bucket_tagging", {"Tagging": {"TagSet": pairs}}, "TagSet", read_tag_set),
    ]


def find_region(s3: Any, bucket: str, account_id: str) -> str | None:
    """Where the account's bucket lies; None where there is none.

    Raises
    ------
    NoStateError : the name belongs to somebody else, or the credentials may not look
    """
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account_id)
        return str(s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] or "us-east-1")
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _MISSING:
            return None
        if code in ("403", "AccessDenied", "301", "PermanentRedirect"):
            raise NoStateError(
                f"the bucket {bucket} cannot be used ({code}): it is another account's, is in another region, or "
                "these credentials may not see it. Fix: aws sts get-caller-identity shows who you are; "
                "REGION= names the bucket's region."
            ) from error
        raise


def require_state(account: Account) -> None:
    """Nothing for a state on this machine; otherwise the bucket must be there.

    Raises
    ------
    MissingStateError : it is not there; the message names the command that makes it
    NoStateError : the name belongs to somebody else, or the credentials may not look
    """
    target = account.target
    if target.local_state:
        return
    if find_region(account.client("s3"), target.state_bucket, target.account_id) is None:
        raise MissingStateError(
            f"there is no bucket for Terraform's state yet ({target.state_bucket}). "
            f"Fix: make state ENV={target.env} creates it, once per account; then run this again."
        )


def make_state_bucket(s3: Any, target: Target) -> list[str]:
    """Make the bucket, or put it right; the value names what was done, empty where nothing was to do.

    Raises
    ------
    NoStateError : the account has it in another region, or somebody else has the name
    """
    bucket, changes = target.state_bucket, []
    where = find_region(s3, bucket, target.account_id)
    if where is None:
        place = {} if target.region == "us-east-1" else {"LocationConstraint": target.region}
        try:
            s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("BucketAlreadyExists", "OperationAborted"):
                raise NoStateError(
                    f"the bucket {bucket} cannot be made ({code}): the name is taken, or it was deleted a moment ago. "
                    "Fix: wait a few minutes and run make state again."
                ) from error
            if code != "BucketAlreadyOwnedByYou":
                raise
        changes.append(f"made in {target.region}")
    elif where != target.region:
        raise NoStateError(
            f"the bucket {bucket} is in {where}, not in {target.region}. Fix: REGION={where}; all states of an "
            "account are in one region."
        )
    for setting in list_settings(bucket):
        if setting.read(s3, bucket) != setting.wanted:
            setting.write(s3, bucket)
            changes.append(setting.name)
    return changes


def make_visibly(account: Account, console: Console) -> None:
    """Make the bucket, or bring it up to date, and say what that was."""
    with working(console, f"the bucket {account.target.state_bucket}"):
        done = make_state_bucket(account.client("s3"), account.target)
    summary = ", ".join(done) if done else "is up to date: nothing to do"
    console.print(f"{account.target.state_bucket}: {summary}")
    console.print("STILL BILLING: its contents, a few kilobytes; no command removes it")
