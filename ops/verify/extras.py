"""What `make verify-aws WITH=…` looks at beside the smallest cluster: each costs more minutes or more money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ops.core.errors import WrongUseError
from ops.core.target import Target

IDLE_SECONDS = 600
ARM_TYPES = ["m7g.xlarge", "m6g.xlarge"]


@dataclass(frozen=True)
class Extra:
    """One thing that ``WITH`` may name.

    Attributes
    ----------
    help : what is looked at
    storage, cluster : variables of the stacks
    arch : the processors that `make apply` sends wheels for; empty for the usual ones
    minutes : how much longer it takes, roughly
    """

    help: str
    storage: Mapping[str, Any] = field(default_factory=dict)
    cluster: Mapping[str, Any] = field(default_factory=dict)
    arch: str = ""
    minutes: int = 0


_WAY_OUT = {"enable_nat": True}
EXTRAS: Mapping[str, Extra] = {
    "kms": Extra("buckets and volumes under a key of our own", storage={"enable_kms": True}, minutes=1),
    "ssm": Extra("a shell on the primary node without an open port", cluster={"enable_ssm": True}, minutes=2),
    "nat": Extra("a way out through a NAT gateway", cluster=_WAY_OUT, minutes=3),
    "scaling": Extra("managed scaling", cluster={**_WAY_OUT, "managed_scaling": {"max_task_units": 8}}, minutes=3),
    "arm64": Extra(
        "Graviton nodes",
        cluster={
            "primary": {"types": ARM_TYPES},
            "core": {"types": ARM_TYPES, "units": 4},
            "task": {"types": ARM_TYPES, "units": 4},
        },
        arch="arm64",
    ),
    "one-node": Extra("a primary alone, on which the step runs", cluster={"core": {"units": 0}, "task": {"units": 0}}),
    "studio": Extra("a SageMaker Studio domain", cluster={**_WAY_OUT, "enable_studio": True}, minutes=20),
    "idle": Extra(
        "which of the two idle limits ends a cluster; the schedule is then not tried",
        cluster={"idle_timeout_seconds": IDLE_SECONDS},
        minutes=20,
    ),
    "again": Extra("a second apply after the cluster's end", minutes=12),
}


def parse_extras(text: str | None) -> tuple[str, ...]:
    """The names in ``WITH``, in the order of the table.

    Raises
    ------
    WrongUseError : one is unknown

    >>> parse_extras("ssm, kms"), parse_extras(None)
    (('kms', 'ssm'), ())
    """
    names = {name.strip().lower() for name in (text or "").split(",") if name.strip()}
    if unknown := sorted(names - set(EXTRAS)):
        listing = ", ".join(EXTRAS)
        raise WrongUseError(f"WITH={unknown[0]} is not known. Fix: choose from {listing}.")
    return tuple(name for name in EXTRAS if name in names)


def add_extras(target: Target, names: Sequence[str]) -> Target:
    """The target whose stacks have what the extras need."""
    overrides: dict[str, dict[str, Any]] = {"storage": {}, "cluster": {}}
    for name in names:
        overrides["storage"] |= EXTRAS[name].storage
        overrides["cluster"] |= EXTRAS[name].cluster
    return replace(target, overrides=overrides)
