"""botocore's descriptions of AWS's services, each parsed once per process.

Otherwise every session parses them again, and moto does for the regions of each partition: a fifth of the server's
start.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from botocore.loaders import JSONFileLoader


def keep_descriptions() -> None:
    """Let botocore keep what it has parsed."""
    read = cache(partial(JSONFileLoader._load_file, None))
    JSONFileLoader._load_file = lambda self, *file: _copy_paths(read(*file))


def _copy_paths(description: Any) -> Any:
    """The description with a copy of each operation's path, because a client of S3 takes the bucket out of it."""
    if not isinstance(description, dict) or "operations" not in description:
        return description
    operations = {
        name: {**operation, "http": dict(operation["http"])} if "http" in operation else operation
        for name, operation in description["operations"].items()
    }
    return {**description, "operations": operations}
