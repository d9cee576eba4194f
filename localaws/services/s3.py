"""S3: members of lifecycle rules that moto drops, and two calls that it answers with an internal error."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.models import FakeBucket, FakeDeleteMarker
from moto.s3.responses import S3Response

from localaws import patching

_SIZES = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")


def restore_fields(answer: list[dict[str, Any]], rules_given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lifecycle rules as moto answers them, with the sizes and version counts that it drops.

    >>> restore_fields([{"ID": "a", "Filter": {}}], [{"ID": "a", "Filter": {"ObjectSizeLessThan": "9"}}])
    [{'ID': 'a', 'Filter': {'ObjectSizeLessThan': 9}}]
    """
    completed = copy.deepcopy(answer)
    for rule, origin in zip(completed, rules_given, strict=True):
        versions_kept = (origin.get("NoncurrentVersionExpiration") or {}).get("NewerNoncurrentVersions")
        if versions_kept is not None:
            rule["NoncurrentVersionExpiration"]["NewerNoncurrentVersions"] = int(versions_kept)
        rule_filter = origin.get("Filter") or {}
        for source, place in ((rule_filter, ()), (rule_filter.get("And") or {}, ("And",))):
            sizes = {k: int(source[k]) for k in _SIZES if source.get(k) is not None}
            if sizes:
                target = rule.setdefault("Filter", {})
                for step in place:
                    target = target.setdefault(step, {})
                target.update(sizes)
    return completed


def _set_lifecycle(original: Any, self: Any, rules: list[dict[str, Any]]) -> None:
    self.lifecycle_as_given = copy.deepcopy(rules)
    original(self, rules)


def _serialize(original: Any, self: Any, result: ActionResult) -> Any:
    content = result.result
    if isinstance(content, dict) and "TransitionDefaultMinimumObjectSize" in content and content.get("Rules"):
        bucket = self.backend.get_bucket(self.bucket_name)
        content["Rules"] = restore_fields(content["Rules"], bucket.lifecycle_as_given)
    return original(self, result)


def _log_permissions_enabled_policy(original: Any, target_bucket: Any, target_prefix: str | None) -> bool:
    # moto takes every principal for a mapping, and fails on "Principal": "*"
    policy = None
    if target_bucket.policy:
        document = json.loads(target_bucket.policy)
        document["Statement"] = [s for s in document["Statement"] if isinstance(s.get("Principal"), dict)]
        policy = json.dumps(document).encode()
    bucket = SimpleNamespace(name=target_bucket.name, partition=target_bucket.partition, policy=policy)
    return bool(original(target_bucket=bucket, target_prefix=target_prefix))


def _dispose_delete_marker(self: Any, garbage: bool = False) -> None:
    """Nothing to do for a delete marker; moto forgets that buckets with suspended versioning have some, too."""


def install() -> None:
    """Correct lifecycle rules, access logging and the removal of delete markers."""
    patching.wrap_method(FakeBucket, "set_lifecycle", _set_lifecycle)
    patching.wrap_method(S3Response, "serialized", _serialize)
    patching.wrap_method(FakeBucket, "_log_permissions_enabled_policy", _log_permissions_enabled_policy)
    patching.add_attribute(FakeDeleteMarker, "dispose", _dispose_delete_marker)
