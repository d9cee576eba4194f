"""Draw the embedded sample: eight fruits, each turned in front of the camera, on white, as 100×100 JPEG.

No photograph is needed and none is shipped: a fruit is a cloud of surface points with a normal, a colour and
a gloss (body, stem, leaves), which is turned, put into perspective, lit and seen through a depth buffer. The
same seed gives the same bytes with the locked versions of numpy and Pillow. The pictures are drawings: good
enough to try the whole chain and for features to tell the classes apart, no replacement for photographs.

``python -m sample.draw DEST`` draws them; pictures that are there and intact are not drawn again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from sample.camera import SIZE, Model, take_photograph
from sample.clouds import GOLDEN_TURN, make_turn
from sample.fruits import FRUITS

SPECIMENS = 2
"""Fruits of one class differ: so many are grown and photographed in turn."""
MANIFEST = ".drawn.json"


class DrawError(Exception):
    """The sample cannot be drawn; the message says why and what to do."""


def _seed_rng(seed: int, *what: str | int) -> np.random.Generator:
    digest = hashlib.sha256("/".join(map(str, (seed, *what))).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def _draw_views(label: str, views: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Draw each view of a class, in the order of their numbers: its file name and JPEG bytes."""
    fruit = FRUITS[label]
    specimens: dict[int, Model] = {}
    for view in range(views):
        which = view % SPECIMENS
        if which not in specimens:
            specimens[which] = Model(fruit.grow(_seed_rng(seed, label, "specimen", which)))
        rng = _seed_rng(seed, label, "view", view)
        pose = fruit.pose
        turn = make_turn(view * GOLDEN_TURN + rng.uniform(-0.2, 0.2), 0.0, 0.0)
        lean = make_turn(0.0, pose.pitch + pose.lean * rng.uniform(-1, 1), 0.0)
        stand = make_turn(0.0, 0.0, pose.roll + pose.sway * rng.uniform(-1, 1))
        picture = take_photograph(specimens[which], stand @ lean @ turn, rng)
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=90, subsampling=0)
        yield f"{view}_{SIZE}.jpg", data.getvalue()


def _describe_recipe(views: int, seed: int) -> str:
    """Name everything that the bytes depend on."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    source = hashlib.sha256(sources).hexdigest()[:16]
    return f"views={views} seed={seed} source={source} numpy={np.__version__} pillow={PIL.__version__}"


def _read_manifest(path: Path) -> dict[str, str]:
    """Name to sha256 of what an earlier run drew here, with the recipe under an empty name; {} if unknown."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in manifest.items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}


def _is_intact(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def draw_sample(dest: Path, *, views: int = 25, seed: int = 0) -> dict[str, int]:
    """Draw the sample below ``dest``, as ``<dest>/<Class name>/<n>_100.jpg``.

    Intact files of an earlier run are left untouched, damaged or missing ones are drawn again, and pictures
    that an earlier run drew but this one would not are removed. Other files are never touched.

    Parameters
    ----------
    dest
        Folder to draw into; made if missing.
    views
        Pictures per class. Picture ``n`` is the same whatever the number of views.
    seed
        Another seed grows other fruits and turns them differently.

    Returns
    -------
    dict of str to int
        Pictures per class.

    Raises
    ------
    DrawError
        If ``views`` is below 1 or ``dest`` cannot be written to.
    """
    if views < 1:
        raise DrawError(f"{views} views cannot be drawn. Fix: ask for at least 1 view per fruit.")
    try:
        return _draw(dest, views, seed)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DrawError(f"The sample cannot be written to {dest} ({reason}). Fix: name another folder.") from error


def _draw(dest: Path, views: int, seed: int) -> dict[str, int]:
    manifest_path = dest / MANIFEST
    before = _read_manifest(manifest_path)
    recipe = _describe_recipe(views, seed)
    names = [f"{label}/{view}_{SIZE}.jpg" for label in FRUITS for view in range(views)]
    if before.get("") == recipe and all(_is_intact(dest / n, before.get(n, "")) for n in names):
        return dict.fromkeys(FRUITS, views)

    drawn = {"": recipe}
    for label in FRUITS:
        folder = dest / label
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in _draw_views(label, views, seed):
            digest = hashlib.sha256(data).hexdigest()
            drawn[f"{label}/{name}"] = digest
            if not _is_intact(folder / name, digest):
                _write(folder / name, data)
    for name, digest in before.items():
        if name and name not in drawn and _is_intact(dest / name, digest):
            (dest / name).unlink()
    _write(manifest_path, json.dumps(drawn, indent=1).encode())
    return dict.fromkeys(FRUITS, views)


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a run that is killed leaves no half picture under a right name."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def draw_sheet(folder: Path, *, columns: int = 8) -> Image.Image:
    """The first pictures of each class below ``folder``, one row per class."""
    rows = sorted(place for place in folder.iterdir() if place.is_dir())
    cell = SIZE + 4
    sheet = Image.new("RGB", (columns * cell, len(rows) * cell), "white")
    for y, row in enumerate(rows):
        for x in range(columns):
            if (picture := row / f"{x}_{SIZE}.jpg").exists():
                with Image.open(picture) as image:
                    sheet.paste(image, (x * cell + 2, y * cell + 2))
    return sheet


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sample.draw", description="Draw the embedded sample.")
    parser.add_argument("dest", type=Path, help="folder to draw into")
    parser.add_argument("--views", type=int, default=25, help="pictures per fruit (25)")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other fruits (0)")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet to this PNG file")
    args = parser.parse_args(argv)
    try:
        counts = draw_sample(args.dest, views=args.views, seed=args.seed)
    except DrawError as error:
        print(f"draw: {error}", file=sys.stderr)
        return 2
    if args.sheet:
        draw_sheet(args.dest).save(args.sheet)
    print(f"{sum(counts.values())} pictures of {len(counts)} fruits in {args.dest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
