"""Who may do what in S3: by the caller's identity policies and boundary, and the bucket's policy, with conditions.

By default moto checks nothing; switched on, it reads neither conditions nor resources outside S3. Here only S3 is
checked, and only for callers that the account knows: an assumed role or a user's access key. Any other key is the
account's owner, as ``test``/``test`` is everywhere with moto; an explicit Deny of a bucket policy applies to it, too.
"""

from __future__ import annotations

import contextvars
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from moto.emr.models import emr_backends
from moto.iam.access_control import PermissionResult
from moto.iam.models import iam_backends
from moto.s3.exceptions import BucketAccessDeniedError, S3AccessDeniedError
from moto.s3.models import FakeBucket, s3_backends
from moto.s3.responses import S3Response
from moto.sts.models import sts_backends

from localaws import patching
from localaws.calls import parse_credential
from localaws.policy import AccessRequest, Decision, Document, decide

_IAM_ACTIONS = {"HeadBucket": "ListBucket", "HeadObject": "GetObject"}
_HEADER_KEYS = {
    "x-amz-server-side-encryption": "s3:x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-acl": "s3:x-amz-acl",
    "x-amz-storage-class": "s3:x-amz-storage-class",
}


@dataclass(frozen=True)
class Caller:
    """Who signed a request.

    Attributes
    ----------
    arn : its ARN, as policies name it (a role's own ARN, not the session's)
    policies : its identity policies; None for the account's owner
    boundary : its permissions boundary
    """

    arn: str
    policies: tuple[Document, ...] | None
    boundary: Document | None = None


_current: contextvars.ContextVar[tuple[Caller, dict[str, Any]] | None] = contextvars.ContextVar("caller", default=None)


def find_caller(account: str, access_key: str) -> Caller:
    """The account's role session or user behind an access key; its owner where there is none."""
    iam = iam_backends[account]["aws"]
    for session in sts_backends[account]["aws"].assumed_roles:
        if session.access_key_id == access_key:
            return find_role_caller(account, session.role_arn.split("/")[-1])
    for user in iam.users.values():
        if any(key.access_key_id == access_key for key in user.access_keys):
            holders = [user, *iam.get_groups_for_user(user.name)]
            documents = [d for holder in holders for d in _list_documents(holder)]
            return Caller(user.arn, tuple(documents))
    return Caller(f"arn:aws:iam::{account}:root", None)


def find_role_caller(account: str, name: str) -> Caller:
    """A role as a caller; raises moto's NotFoundException when there is none of that name."""
    iam = iam_backends[account]["aws"]
    role = iam.get_role(name)
    boundary = _read_document(iam.get_policy(role.permissions_boundary_arn)) if role.permissions_boundary_arn else None
    return Caller(role.arn, tuple(_list_documents(role)), boundary)


def _list_documents(holder: Any) -> list[Document]:
    inline: list[Document] = [json.loads(text) for text in holder.policies.values()]
    return inline + [_read_document(policy) for policy in holder.managed_policies.values()]


def _read_document(managed: Any) -> Document:
    current = next(v for v in managed.versions if v.version_id == managed.default_version_id)
    document: Document = json.loads(current.document)
    return document


def is_allowed(caller: Caller, request: AccessRequest, resource_policy: Document | None = None) -> bool:
    """Whether a caller is allowed: no Deny anywhere, and an Allow of its own or of the bucket, within its boundary.

    A boundary does not limit what a bucket's policy grants to a user.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    bucket_decision = decide([resource_policy], request, caller.arn) if resource_policy else Decision.SILENT
    if bucket_decision is Decision.DENY:
        return False
    if caller.policies is None:
        return True
    own_decision = decide(caller.policies, request)
    boundary_decision = decide([caller.boundary], request) if caller.boundary is not None else Decision.ALLOW
    if Decision.DENY in (own_decision, boundary_decision):
        return False
    if bucket_decision is Decision.ALLOW and ":user/" in caller.arn:
        return True
    return boundary_decision is Decision.ALLOW and Decision.ALLOW in (own_decision, bucket_decision)


def read_cluster_tags(account: str, arn: str) -> dict[str, str]:
    """The condition keys of a cluster's tags; empty for anything else."""
    if ":cluster/" not in arn:
        return {}
    region, name = arn.split(":")[3], arn.rpartition("/")[2]
    tags: dict[str, str] = getattr(emr_backends[account][region].clusters.get(name), "tag_map", {})
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def _find_bucket_policy(account: str, bucket: str | None) -> Document | None:
    backend_bucket = s3_backends[account]["aws"].buckets.get(bucket) if bucket else None
    return json.loads(backend_bucket.policy) if backend_bucket is not None and backend_bucket.policy else None


def _authorize(self: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
    headers = self.headers
    if (signed := parse_credential(headers.get("Authorization", ""))) is None:
        return  # presigned and anonymous requests are left to moto
    caller = find_caller(self.current_account, signed.key)
    context: dict[str, Any] = {
        # The connection is plain, on loopback: without this, policies that demand TLS would close every bucket.
        "aws:SecureTransport": "true",
        "aws:PrincipalArn": caller.arn,
        "aws:PrincipalAccount": self.current_account,
        "aws:RequestedRegion": signed.region,
        "s3:signatureversion": "AWS4-HMAC-SHA256",
        "s3:TlsVersion": "1.3",
    }
    context |= {name: headers[h] for h, name in _HEADER_KEYS.items() if headers.get(h)}
    action = str(self._get_action())
    action = _IAM_ACTIONS.get(action, action)
    if action == "ListBucket":
        context["s3:prefix"] = (self.querystring.get("prefix") or [""])[0]
        context["s3:delimiter"] = (self.querystring.get("delimiter") or [""])[0]
    _current.set((caller, context))
    if action == "DeleteObject" and key_name is None:
        return  # a multi-object delete is decided key by key, in _decide_permission
    resource = f"arn:aws:s3:::{bucket_name or '*'}" + (f"/{key_name}" if key_name else "")
    allowed = is_allowed(
        caller, AccessRequest(f"s3:{action}", resource, context), _find_bucket_policy(self.current_account, bucket_name)
    )
    source = unquote(headers.get("x-amz-copy-source", "")).lstrip("/").partition("?")[0]
    if allowed and source:
        read_request = AccessRequest("s3:GetObject", f"arn:aws:s3:::{source}", context)
        allowed = is_allowed(caller, read_request, _find_bucket_policy(self.current_account, source.partition("/")[0]))
    if not allowed:
        raise BucketAccessDeniedError(bucket=bucket_name) if bucket_name else S3AccessDeniedError()


def _key_response(original: Any, self: Any, request: Any, full_url: str) -> Any:
    # moto reads the bucket's policy before it knows who calls: forget the caller of this thread's last request
    _current.set(None)
    return original(self, request, full_url)


def _decide_permission(self: Any, action: str, resource: str) -> Any:
    current = _current.get()
    if action != "s3:DeleteObject" or current is None:
        return PermissionResult.NEUTRAL  # _authorize decides every other call
    caller, context = current
    policy = json.loads(self.policy) if self.policy else None
    allowed = is_allowed(caller, AccessRequest(action, resource, context), policy)
    return PermissionResult.NEUTRAL if allowed else PermissionResult.DENIED


def install() -> None:
    """Let S3 decide by the policies of the caller and of the bucket."""
    patching.wrap_method(S3Response, "_key_response", _key_response)
    patching.replace_attribute(S3Response, "_authenticate_and_authorize_s3_action", _authorize)
    patching.replace_attribute(FakeBucket, "get_permission", _decide_permission)
