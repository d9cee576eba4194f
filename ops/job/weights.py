"""`make weights MODEL=…`: fetch the ImageNet weights that no package carries, check them, and vouch for them.

Keras publishes an MD5 for ResNet50 and nothing for MobileNetV2. So a file is accepted when it matches what Keras (or
this project) knows *and* fills the network exactly; its sha256 then goes into ``SHA256SUMS`` beside it, and the job
trusts only what stands there.
"""

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from fruits import backbones
from fruits.backbones.weights import SUMS, compute_sha256, parse_sums
from fruits.errors import ModelError, UsageError
from fruits.wording import format_count

from ops.core.console import Console, counting
from ops.core.files import hold_lock

PUBLISHED = {
    name: backbone.source
    for name, backbone in backbones.BACKBONES.items()
    if isinstance(backbone.source, backbones.Published)
}
"""Backbones whose weights are to be fetched, with their source."""


def download_file(url: str, target: Path, console: Console) -> None:
    """Fetch a file; a part fetched before is continued where the server allows it.

    Raises
    ------
    ModelError : the server cannot be reached or breaks off
    """
    partial = target.with_name(target.name + ".part")
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - a constant https address
            resumed = answer.status == 206
            length = int(answer.headers.get("Content-Length") or 0)
            start = have if resumed else 0
            bar = counting(console, target.name, start + length, in_bytes=True)
            with partial.open("ab" if resumed else "wb") as sink, bar as advance:
                advance(start)
                while chunk := answer.read(1 << 18):
                    sink.write(chunk)
                    advance(len(chunk))
                if sink.tell() < start + length:  # `read` gives what there is, and no error
                    raise OSError(f"it broke off after {sink.tell():,} of {format_count(start + length, 'byte')}")
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: the part is the whole file
            raise ModelError(f"{url} answers {error.code} {error.reason}. Fix: check that it still exists.") from error
    except (OSError, HTTPException) as error:
        raise ModelError(
            f"{url} cannot be fetched: {error}. Fix: check the network and run again, it continues; or fetch the file "
            f"elsewhere, put it at {target}, and run again to have it checked."
        ) from error
    partial.replace(target)


def vouch(model: str, source: backbones.Published, path: Path) -> str:
    """Check a weights file and record its sha256, which is returned.

    Raises
    ------
    ModelError : it is not what Keras published, or does not fit the network
    """
    data = path.read_bytes()
    if source.md5 is not None and (md5 := hashlib.md5(data, usedforsecurity=False).hexdigest()) != source.md5:
        path.unlink()
        raise ModelError(
            f"{path.name} is not what Keras publishes: MD5 {md5}, expected {source.md5}. It was removed. "
            "Fix: run again."
        )
    try:
        backbones.find_backbone(model).build(224, data)
    except (ValueError, OSError, KeyError) as error:
        raise ModelError(
            f"{path} does not fit the network {model}: {str(error).splitlines()[0]}. Fix: delete it and run again."
        ) from error
    sums_file = path.parent / SUMS
    sums = parse_sums(sums_file.read_text()) if sums_file.exists() else {}
    sums[path.name] = compute_sha256(data)
    sums_file.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
    return sums[path.name]


def fetch_weights(model: str, folder: Path, console: Console) -> tuple[Path, str]:
    """Fetch (where missing), check and record one backbone's weights; returns the file and its sha256.

    Raises
    ------
    UsageError : for a model that has no weights to fetch
    ModelError : they cannot be had or are not right
    """
    if model not in PUBLISHED:
        known = ", ".join(PUBLISHED)
        if not model:
            raise UsageError(f"no network was given. Fix: MODEL=one of {known}.")
        if model in backbones.BACKBONES:
            raise UsageError(f"the weights of {model} come with its package: nothing has to be fetched.")
        raise UsageError(f"there are no weights to fetch for '{model}'. Fix: MODEL=one of {known}.")
    source = PUBLISHED[model]
    path = folder / source.file
    refusal = ModelError(f"another command is fetching {path}. Fix: wait for it, then run this one again.")
    with hold_lock(folder / f".{path.name}.lock", refusal):  # two would write into one part
        if not path.exists():
            download_file(source.url, path, console)
    return path, vouch(model, source, path)
