"""What moto lacks or answers wrongly, one module per service."""

from __future__ import annotations

from localaws import patching
from localaws.services import (
    authorization,
    budgets,
    ec2,
    quotas,
    s3,
    sagemaker,
    scheduler,
    studio_apps,
    studio_home,
    workflows,
)


def install() -> None:
    """Put every correction of this package into moto; raises MotoMovedError when moto is another version."""
    patching.check_version()
    for module in (authorization, budgets, ec2, quotas, s3, sagemaker, scheduler, studio_apps, studio_home, workflows):
        module.install()
