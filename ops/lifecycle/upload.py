"""`make upload-dataset INPUT=dir`: images to the data bucket; parallel, only what changed, counted before and after."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from fruits.formats import ENDINGS_TEXT
from fruits.inputs import NOT_EXPRESSIBLE, LeftOut, is_image, walk
from fruits.store import Store
from rich.table import Column, Table
from rich.text import Text

from ops.aws.account import Account
from ops.core.console import Console, counting, working
from ops.core.errors import OperatorError
from ops.data.images import count_by_class

PREFIX = "images"
THREADS = 16
MOST_CLASSES = 30


def images_below(folder: Path) -> tuple[list[Path], LeftOut]:
    """Every image by the job's own rule, in order, and what else is there.

    Raises
    ------
    OperatorError
        When the folder is missing or holds none.
    """
    if not folder.is_dir():
        raise OperatorError(f"{folder} is no folder. Fix: INPUT=the folder that holds the images.", exit_code=10)
    left = LeftOut()
    found = []
    for entry in walk(Store(str(folder)), left):
        if entry.size == NOT_EXPRESSIBLE:
            left.add("name that is not UTF-8", entry.key)
        else:
            found.append(folder / entry.key)
    if not found:
        others = f" {left.sentence()}." if left else ""
        raise OperatorError(
            f"there is no image below {folder}: no file ends in {ENDINGS_TEXT}.{others} Fix: check the folder.",
            exit_code=10,
        )
    return sorted(found), left


def stored(s3: Any, bucket: str, prefix: str) -> dict[str, int]:
    """Size by key of the images below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return {
        item["Key"]: int(item["Size"]) for page in pages for item in page.get("Contents", []) if is_image(item["Key"])
    }


def table_of(here: dict[str, int], before: dict[str, int], after: dict[str, int]) -> Table:
    """Images by class: in the folder, and in the bucket before and after. Many classes are counted, not listed."""
    table = Table("class", *(Column(title, justify="right") for title in ("folder", "bucket before", "bucket after")))
    labels = sorted({*here, *after})
    for label in labels if len(labels) <= MOST_CLASSES else ():
        table.add_row(Text(label), *(f"{found.get(label, 0):,}" for found in (here, before, after)))
    table.add_section()
    table.add_row(
        "all" if len(labels) <= MOST_CLASSES else f"all {len(labels):,} classes",
        *(f"{sum(found.values()):,}" for found in (here, before, after)),
    )
    return table


def upload(s3: Any, bucket: str, folder: Path, console: Console, *, prefix: str = PREFIX) -> tuple[int, int]:
    """Send what is not there with the same size and is not older than the file. A file of the future has no age.

    An interrupted upload is taken up by the next: an object is there whole or not at all.

    Returns
    -------
    int, int
        Images sent, and images in the folder.
    """
    paths, left = images_below(folder)
    now = time.time()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    there = {
        item["Key"]: (int(item["Size"]), item["LastModified"].timestamp())
        for page in pages
        for item in page.get("Contents", [])
    }

    def needed(path: Path, key: str) -> bool:
        found = there.get(key)
        facts = path.stat()
        return found is None or found[0] != facts.st_size or found[1] < facts.st_mtime - 1 < now

    keys = {path: f"{prefix}/{path.relative_to(folder).as_posix()}" for path in paths}
    todo = [path for path, key in keys.items() if needed(path, key)]
    with ThreadPoolExecutor(THREADS) as pool, counting(console, "uploading images", len(todo)) as advance:
        futures = [pool.submit(s3.upload_file, str(path), bucket, keys[path]) for path in todo]
        for future in as_completed(futures):
            future.result()
            advance(1)
    after = stored(s3, bucket, prefix)
    missing = [key for key in keys.values() if key not in after]
    if missing:
        raise OperatorError(f"{len(missing)} images did not arrive, first {missing[0]}. Fix: run it again.")
    if left:
        console.print(left.sentence())
    return len(todo), len(paths)


def count_here(folder: Path, console: Console) -> dict[str, int]:
    """Images by class below a folder of this machine."""
    with working(console, f"counting the images of {folder}"):
        return count_by_class(str(path) for path in images_below(folder)[0])


def upload_visibly(account: Account, folder: Path, here: dict[str, int], console: Console) -> None:
    """Send what is not there, and say by class what was here, there before, and there now."""
    bucket, s3 = account.bucket("data"), account.client("s3")
    with working(console, f"counting the images of s3://{bucket}/{PREFIX}/"):
        before = count_by_class(stored(s3, bucket, PREFIX))
    sent, total = upload(s3, bucket, folder, console)
    console.print(table_of(here, before, count_by_class(stored(s3, bucket, PREFIX))))
    others = "; the others were there already" if sent < total else ""
    console.print(f"{sent:,} of {total:,} images sent to s3://{bucket}/{PREFIX}/{others}")
