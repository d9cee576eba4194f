"""One side of `uploads`, in a process of its own that loads no more than the commands do."""

from __future__ import annotations

import sys
from pathlib import Path

import boto3

from ops.core.console import Console


def main(action: str, place: str, target: str) -> None:
    """Send a folder to a bucket, or fetch the result below ``run/`` of a bucket to a folder."""
    s3 = boto3.client("s3")
    if action == "send":
        from ops.lifecycle.upload import list_images, upload

        folder = Path(place)
        upload(s3, target, folder, list_images(folder)[0], Console(quiet=True))
    else:
        from ops.lifecycle.environment import fetch_files

        fetch_files(s3, place, "run", Path(target), Console(quiet=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
