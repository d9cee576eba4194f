"""What a result is called: one rule from a model to the folder of its results."""

from pathlib import PurePosixPath

from fruits.request import DEFAULT_MODEL

KERAS = ".keras"


def result_name(model: str | None) -> str:
    """The last part of the address of a model's results: a backbone's name, or a file's without its ending.

    Every command that writes, looks for or fetches results asks here.

    >>> [result_name(model) for model in (None, "resnet50", "s3://b/models/mine.v2.keras", "my/net.keras")]
    ['efficientnet_lite0', 'resnet50', 'mine.v2', 'net']
    """
    return PurePosixPath((model or DEFAULT_MODEL).rstrip("/")).name.removesuffix(KERAS)
