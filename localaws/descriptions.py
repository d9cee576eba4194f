"""botocore's descriptions of AWS's services, each parsed once a process.

Every session would parse them again, and moto for the regions of each partition: a fifth of the server's start.
"""

from __future__ import annotations

from functools import cache, partial

from botocore.loaders import JSONFileLoader


def keep_descriptions() -> None:
    """Let botocore keep what it has parsed."""
    read = cache(partial(JSONFileLoader._load_file, None))
    JSONFileLoader._load_file = lambda self, *file: read(*file)
