"""`make upload-dataset INPUT=dir`: images to the data bucket; parallel, only what changed, counted before and after."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fruits.formats import ENDINGS_TEXT
from fruits.inputs import LeftOut, is_image
from fruits.wording import format_count
from rich.table import Column, Table
from rich.text import Text

from ops.aws import transfer
from ops.aws.account import Account
from ops.aws.describe import list_pages
from ops.core.console import Console, counting, working
from ops.core.errors import OperatorError
from ops.data.images import count_by_class, list_keys

PREFIX = "images"
MOST_CLASSES = 30


def list_images(folder: Path) -> tuple[list[Path], LeftOut]:
    """Every image by the job's own rule, in order, and what else is there.

    Raises
    ------
    OperatorError : the folder is missing or holds none
    """
    if not folder.is_dir():
        raise OperatorError(f"{folder} is not a folder. Fix: INPUT=the folder that holds the images.", exit_code=10)
    keys, left_out = list_keys(folder)
    if not keys:
        others = f" {left_out.sentence()}." if left_out else ""
        raise OperatorError(
            f"there is no image below {folder}: no file ends in {ENDINGS_TEXT}.{others} Fix: check the folder.",
            exit_code=10,
        )
    return sorted(folder / key for key in keys), left_out


def list_stored(s3: Any, bucket: str) -> dict[str, tuple[int, float]]:
    """Size and time (seconds since 1970) by key of the images of a bucket."""
    return {
        item["Key"]: (int(item["Size"]), item["LastModified"].timestamp())
        for item in list_pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=f"{PREFIX}/")
        if is_image(item["Key"])
    }


def make_upload_table(here: dict[str, int], before: dict[str, int], after: dict[str, int]) -> Table:
    """Images by class: in the folder, and in the bucket before and after. Many classes are counted, not listed."""
    table = Table("class", *(Column(title, justify="right") for title in ("folder", "bucket before", "bucket after")))
    labels = sorted({*here, *after})
    for label in labels if len(labels) <= MOST_CLASSES else ():
        table.add_row(Text(label), *(f"{counts.get(label, 0):,}" for counts in (here, before, after)))
    table.add_section()
    table.add_row(
        "all" if len(labels) <= MOST_CLASSES else f"all {format_count(len(labels), 'class')}",
        *(f"{sum(counts.values()):,}" for counts in (here, before, after)),
    )
    return table


@dataclass(frozen=True)
class UploadCounts:
    """What an upload did.

    Attributes
    ----------
    sent : images, now
    here, before, after : images by class, in the folder and in the bucket
    """

    sent: int
    here: dict[str, int]
    before: dict[str, int]
    after: dict[str, int]

    @property
    def images(self) -> int:
        """Images in the folder."""
        return sum(self.here.values())


def upload(s3: Any, bucket: str, folder: Path, paths: list[Path], console: Console) -> UploadCounts:
    """Send the images that the bucket lacks, or holds in another size or older than the file.

    A file whose time lies in the future has no age. An interrupted upload is taken up by the next: an object is there
    whole or not at all.

    Raises
    ------
    OperatorError : an image did not arrive
    """
    with working(console, f"counting the images of s3://{bucket}/{PREFIX}/"):
        before = list_stored(s3, bucket)
    now = time.time()

    def is_needed(path: Path, key: str) -> bool:
        size, seconds = before.get(key, (-1, 0.0))
        facts = path.stat()
        return size != facts.st_size or seconds < facts.st_mtime - 1 < now

    keys = {path: f"{PREFIX}/{path.relative_to(folder).as_posix()}" for path in paths}
    todo = [path for path, key in keys.items() if is_needed(path, key)]
    if todo:
        with counting(console, "uploading images", len(todo)) as advance:
            transfer.send(s3, bucket, {path: keys[path] for path in todo}, advance)
    after = list_stored(s3, bucket) if todo else before
    missing = [key for key in keys.values() if key not in after]
    if missing:
        raise OperatorError(
            f"{format_count(len(missing), 'image')} did not arrive, first {missing[0]}. Fix: run it again."
        )
    return UploadCounts(len(todo), count_by_class(map(str, paths)), count_by_class(before), count_by_class(after))


def upload_visibly(account: Account, folder: Path, paths: list[Path], console: Console) -> None:
    """Send what is not there, and say by class what was here, there before, and there now."""
    bucket = account.bucket("data")
    counts = upload(account.client("s3"), bucket, folder, paths, console)
    console.print(make_upload_table(counts.here, counts.before, counts.after))
    others = "; the others were there already" if counts.sent < counts.images else ""
    console.print(f"{counts.sent:,} of {format_count(counts.images, 'image')} sent to s3://{bucket}/{PREFIX}/{others}")
