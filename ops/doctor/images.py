"""The images at INPUT: how many, of which classes."""

from collections.abc import Mapping
from typing import Any

from fruits.errors import FruitsError
from fruits.formats import ENDINGS_TEXT
from fruits.inputs import LeftOut, filter_images, require_folder, walk
from fruits.store import Entry, Store, split_uri
from fruits.wording import format_count

from ops.aws.describe import list_pages
from ops.data.images import count_by_class
from ops.doctor.finding import Finding, explain_failure, failure, ok, warning

SHOWN = 3


def judge_images(classes: Mapping[str, int], left_out: LeftOut, where: str, cure: str) -> Finding:
    """What the number of images and classes, and of files that are none, means for a run."""
    total = sum(classes.values())
    others = f"; {left_out.sentence()}" if left_out else ""
    if not total:
        return failure("images", f"no image below {where}: no name ends in {ENDINGS_TEXT}{others}", cure)
    most = sorted(classes, key=lambda label: (-classes[label], label))
    names = ", ".join(f"{label} {classes[label]:,}" for label in most[:SHOWN])
    more = f" and {len(most) - SHOWN} more" if len(most) > SHOWN else ""
    about = f"{format_count(total, 'image')} of {format_count(len(most), 'class')}"
    if len(classes) == 1:
        cure = "put each class into a folder of its own, or go on: the class is only a label."
        return warning("images", f"{about} below {where}: {names}{others}", cure)
    return ok("images", f"{about} below {where}: {names}{more}{others}")


def check_bucket(s3: Any, uri: str, cure: str) -> Finding:
    """The images below an s3:// address; raises botocore's ClientError."""
    base = uri.rstrip("/")
    bucket, _, prefix = split_uri(base)[1].partition("/")
    below = f"{prefix}/" if prefix else ""
    entries = (
        Entry(item["Key"].removeprefix(below), True, int(item["Size"]), 0)
        for item in list_pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=below)
        if not item["Key"].endswith("/")
    )
    left_out = LeftOut()
    classes = count_by_class(f"{base}/{entry.key}" for entry in filter_images(entries, left_out))
    return judge_images(classes, left_out, uri, cure)


def check_store(uri: str) -> Finding:
    """The images below a folder, or an address of another store."""
    left_out = LeftOut()
    try:
        require_folder(store := Store(uri))
        classes = count_by_class(f"{uri.rstrip('/')}/{entry.key}" for entry in walk(store, left_out))
    except (OSError, FruitsError) as error:
        return explain_failure("images", error)
    return judge_images(classes, left_out, uri, "INPUT=the folder that holds the images.")
