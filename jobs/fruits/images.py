"""One image file's bytes to the square RGB array that a network takes, or the reason why not.

What a person sees in a viewer is what the network gets: EXIF orientation is applied, transparency lies on white, the
first frame of an animation counts, 16-bit grey is scaled to 8, CMYK and palettes become RGB. The aspect ratio is not
kept: the image is stretched to the square, as Keras' loaders do. Each image is handled alone, so its features do not
depend on its neighbours.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

EXTENSIONS = (".jpg", ".jpeg", ".png")
MAX_PIXELS = 100_000_000
PREPROCESSING_VERSION = 1
"""Goes into the key of every feature row. Raise it when `decode` gives other pixels for the same bytes."""

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")

Image.MAX_IMAGE_PIXELS = None  # decode() has its own limit, whose message names the size


class ImageError(ValueError):
    """The bytes are not an image that can be featurized; ``str()`` is the reason that goes into ``rejects``."""


def _flatten(image: Image.Image) -> Image.Image:
    """`image` as RGB, transparent parts on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _SIXTEEN_BIT:
        values, transparent = np.asarray(image), image.info.get("transparency")
        image = Image.fromarray(np.clip(values // 257, 0, 255).astype(np.uint8))
        if isinstance(transparent, int):  # one value of the 65,536; after scaling it would be many
            image.paste(255, mask=Image.fromarray(values == transparent))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        ground = Image.new("RGB", rgba.size, "white")
        ground.paste(rgba, mask=rgba)  # in place: a large picture is held twice, not five times
        return ground
    return image.convert("RGB")


def decode(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an image and stretch it to a square.

    Parameters
    ----------
    data : bytes
        The whole file: JPEG or PNG, whatever its name says.
    size : int
        Height and width of the result, pixels.
    max_pixels : int
        Images that claim more pixels are refused before their pixels are decompressed.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
        RGB. Pillow's bilinear filter, which averages over the whole source when it shrinks.

    Raises
    ------
    ImageError
        Empty, truncated, not an image, of a format other than JPEG and PNG, or too large.
    """
    if not data:
        raise ImageError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
            image: Image.Image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(f"{width}×{height} pixels are more than the {max_pixels:,} allowed")
            # A JPEG far larger than the network's input is decoded at 1/2, 1/4 or 1/8 of its size; never below twice
            # the size wanted, so that the filter still decides how it looks.
            image.draft("RGB", (2 * size, 2 * size))
            if image.getexif().get(0x0112, 1) != 1:
                image = ImageOps.exif_transpose(image)
            rgb = _flatten(image)
            return np.asarray(rgb.resize((size, size), Image.Resampling.BILINEAR))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not a JPEG or PNG image") from None
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError) as error:
        # Pillow raises SyntaxError for broken PNG chunks, OSError for truncation
        reason = str(error).split("\n")[0].removesuffix(".") or type(error).__name__
        raise ImageError(f"cannot be decoded: {reason}") from error
