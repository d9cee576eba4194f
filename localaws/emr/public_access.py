"""EMR's block public access: on, with port 22 excepted, where nobody has changed it (moto answers nothing then)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localaws.emr.model import now

_DEFAULT_RANGES = [{"min_range": 22, "max_range": 22}]


def described(kept: Mapping[str, Any], account: str) -> dict[str, Any]:
    """The answer of GetBlockPublicAccessConfiguration, from what moto keeps."""
    config = kept.get("block_public_access_configuration", {"block_public_security_group_rules": True})
    made = kept.get("block_public_access_configuration_metadata", {})
    ranges = config.get("permitted_public_security_group_rule_ranges", _DEFAULT_RANGES)
    return {
        "BlockPublicAccessConfiguration": {
            "BlockPublicSecurityGroupRules": config["block_public_security_group_rules"],
            "PermittedPublicSecurityGroupRuleRanges": [
                {"MinRange": one["min_range"], "MaxRange": one["max_range"]} for one in ranges
            ],
        },
        "BlockPublicAccessConfigurationMetadata": {
            "CreationDateTime": made.get("creation_date_time", now()),
            "CreatedByArn": made.get("created_by_arn", f"arn:aws:iam::{account}:root"),
        },
    }
