"""`make sample`, `dataset`, `weights`, `wheelhouse`: images and packages that come to this machine."""

import json
import shlex
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fruits.wording import format_count

from ops.cli.options import is_whole_number
from ops.cli.values import read_whole_number
from ops.core.console import Console
from ops.core.errors import ExitCode
from ops.data.fetch import STORE, GitSource
from ops.data.fruits360 import DEFAULT_VERSION, RELEASES, DatasetError, DatasetSource, Stated, complete_dataset
from ops.data.kaggle import HOST, Api, KaggleSource, Key
from ops.data.subsample import SampleError, cut_subsample


def sample(environ: Mapping[str, str]) -> int:
    """`make sample`: a balanced subsample of a folder."""
    for name in ("SOURCE", "DEST"):
        if not environ.get(name):
            raise SampleError(
                f"{name} is missing. Fix: make sample SOURCE=folder-of-images DEST=new-folder [CLASSES=5 IMAGES=5 "
                "SEED=0]."
            )
    dest = Path(environ["DEST"]).expanduser()
    counts, left_out = cut_subsample(
        Path(environ["SOURCE"]).expanduser(),
        dest,
        classes=read_whole_number(environ, "CLASSES", 5),
        images=read_whole_number(environ, "IMAGES", 5),
        seed=read_whole_number(environ, "SEED", 0, least=0),
    )
    images, classes = format_count(sum(counts.values()), "image"), format_count(len(counts), "class")
    print(f"{images} of {classes} in {dest}: {', '.join(counts)}")
    if left_out:
        print(left_out.sentence())
    return 0


def read_key(environ: Mapping[str, str]) -> Key:
    """The key in Kaggle's own places: KAGGLE_USERNAME and KAGGLE_KEY, or ``~/.kaggle/kaggle.json``.

    Raises
    ------
    DatasetError : there is none, others may read it, or it is no key
    """
    if environ.get("KAGGLE_USERNAME") and environ.get("KAGGLE_KEY"):
        return Key(environ["KAGGLE_USERNAME"], environ["KAGGLE_KEY"])
    folder = environ.get("KAGGLE_CONFIG_DIR") or str(Path(environ.get("HOME") or Path.home()) / ".kaggle")
    path = Path(folder) / "kaggle.json"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text()
    except FileNotFoundError:
        raise DatasetError(
            f"there is no Kaggle key at {path}. Fix: kaggle.com → Settings → API → Create New Token, put the file"
            " there and chmod 600 it; or SOURCE=github, which needs none."
        ) from None
    if mode & 0o077:
        raise DatasetError(f"others on this machine can read your Kaggle key ({mode:o}). Fix: chmod 600 {path}")
    try:
        content = json.loads(text)
        return Key(str(content["username"]), str(content["key"]))
    except (ValueError, KeyError, TypeError):
        raise DatasetError(
            f"{path} is not a Kaggle key: it needs a username and a key. Fix: create a new token on kaggle.com."
        ) from None


def fetch_release(environ: Mapping[str, str], console: Console) -> Stated:
    """Fetch what SOURCE, DEST, VERSION, and FRUITS360_URL or KAGGLE_URL (mirrors) ask for."""
    version, source = environ.get("VERSION") or DEFAULT_VERSION, environ.get("SOURCE") or "github"
    if version not in RELEASES:
        raise DatasetError(f"Version {version} is not known here. Fix: choose VERSION= from {', '.join(RELEASES)}.")
    if source not in ("github", "kaggle"):
        raise DatasetError(f"The source {source} is not known here. Fix: choose SOURCE= from github, kaggle.")
    release = RELEASES[version]
    if mirror := environ.get("FRUITS360_URL"):
        release = replace(release, url=mirror)
    dest = Path(environ.get("DEST") or "data/fruits-360").expanduser()
    console.print(f"Fruits-360 {release.version}, licence: {release.licence}")
    if source == "kaggle":
        number = environ.get("KAGGLE_VERSION") or ""
        if number and not is_whole_number(number):
            raise DatasetError(
                f"KAGGLE_VERSION={number} is not a number. Fix: as on the data set's page, for example 11."
            )
        api = Api(environ.get("KAGGLE_URL") or HOST, read_key(environ))
        origin: DatasetSource = KaggleSource(release, api, console, int(number) if number else None)
        proof = "every one with the checksum that Kaggle's archive names"
    else:
        origin = GitSource(release, dest / STORE)
        proof = "every one as the pinned commit names it"
    stated = complete_dataset(origin, release, dest, console)
    console.print(
        f"{dest}: {stated.training} Training and {format_count(stated.test, 'Test image')} of "
        f"{format_count(stated.classes, 'class')},"
        f" {proof}, the counts as the data set's readme states them"
    )
    console.print(f"to use it: make run-local INPUT={shlex.quote(str(dest / 'Training'))}")
    return stated


def dataset(environ: Mapping[str, str]) -> int:
    """`make dataset`: the real Fruits-360."""
    try:
        fetch_release(environ, Console())
    except OSError as error:
        text = f"{error.filename}: {error.strerror}. Fix: remove what is in the way, or give another DEST=."
        raise DatasetError(text, exit_code=ExitCode.USAGE) from error
    except KeyboardInterrupt:
        print("dataset: stopped; the same command continues where it stopped.", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return 0


def weights(environ: Mapping[str, str]) -> int:
    """`make weights`."""
    from fruits.backbones.weights import DEFAULT_FOLDER, SUMS

    from ops.job.weights import fetch_weights

    console = Console()
    path, digest = fetch_weights(environ.get("MODEL", ""), Path(environ.get("DEST") or DEFAULT_FOLDER), console)
    console.print(f"{path}\nsha256 {digest}, recorded in {path.parent / SUMS}")
    return 0


def wheelhouse(environ: Mapping[str, str]) -> int:
    """`make wheelhouse`: prints where it is."""
    from ops.job import wheelhouse as room

    console, arch, target = Console(stderr=True), environ.get("ARCH") or "x86_64", environ.get("TO")
    console.print(
        f"wheels for {room.ARCHITECTURES.get(arch, arch)}, Python {room.PYTHON}, glibc {room.GLIBC[0]}.{room.GLIBC[1]}"
    )
    wheels = room.build_visibly(arch, console)
    console.print(
        f"{wheels.folder}: {format_count(len(wheels.sums) - 1, 'wheel')}, {wheels.size / 1e6:.0f} MB, each as locked"
    )
    if not target:
        print(f"{wheels.folder}/", flush=True)
        return 0
    synced = room.sync(wheels, target, console=console)
    console.print(
        f"{format_count(synced.uploaded, 'file')} uploaded, {synced.copied} copied there, {synced.kept} there already"
    )
    print(synced.uri, flush=True)
    if synced.uri.startswith("s3://"):
        console.print("STILL BILLING: the bucket's contents, by the month, until make purge")
    return 0
