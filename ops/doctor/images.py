"""The images at INPUT: how many, of which classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fruits.errors import FruitsError
from fruits.formats import ENDINGS_TEXT
from fruits.listing import is_image
from fruits.store import Store, split_uri

from ops.doctor.finding import Finding, failed, failure, ok, warning
from ops.lifecycle.upload import counts

SHOWN = 3


def counted(classes: Mapping[str, int], where: str, cure: str) -> Finding:
    """What the number of images and classes means for a run."""
    total = sum(classes.values())
    if not total:
        return failure("images", f"no image below {where}: no name ends in {ENDINGS_TEXT}", cure)
    most = sorted(classes, key=lambda label: (-classes[label], label))
    names = ", ".join(f"{label} {classes[label]:,}" for label in most[:SHOWN])
    rest = f" and {len(most) - SHOWN} more" if len(most) > SHOWN else ""
    about = f"{total:,} image{'' if total == 1 else 's'} of {len(most)} class{'' if len(most) == 1 else 'es'}"
    if len(classes) == 1:
        cure = "put each class into a folder of its own, or go on: the class is only a label."
        return warning("images", f"{about} below {where}: {names}", cure)
    return ok("images", f"{about} below {where}: {names}{rest}")


def in_bucket(s3: Any, uri: str, cure: str) -> Finding:
    """The images below an s3:// address; raises botocore's ClientError."""
    base = uri.rstrip("/")
    bucket, _, prefix = split_uri(base)[1].partition("/")
    below = f"{prefix}/" if prefix else ""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below)
    keys = (item["Key"].removeprefix(below) for page in pages for item in page.get("Contents", []))
    return counted(counts(f"{base}/{key}" for key in keys if is_image(key)), uri, cure)


def in_store(uri: str) -> Finding:
    """The images below a folder, or an address of another store."""
    try:
        entries = Store(uri).list(recursive=True)
    except (OSError, FruitsError) as error:
        return failed("images", error)
    found = (entry.key for entry in entries if entry.is_file and is_image(entry.key))
    return counted(counts(f"{uri.rstrip('/')}/{key}" for key in found), uri, "INPUT=the folder that holds the images.")
