"""A colour and a shape for each class, distinct on white, on black, and for readers who do not see colours."""

from __future__ import annotations

import colorsys
import math

MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star")
_SATURATION = 0.75
_LUMINANCES = (0.17, 0.28)
"""Between these a colour has a contrast of 3:1 and more to white paper and to the dark page (WCAG 1.4.11)."""


def compute_luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _to_hex(hue: float, lightness: float) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in colorsys.hls_to_rgb(hue, lightness, _SATURATION))


def _find_colour(hue: float, target: float) -> str:
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if compute_luminance(_to_hex(hue, middle)) < target else (low, middle)
    return _to_hex(hue, high)


def choose_looks(classes: int) -> list[tuple[str, str]]:
    """Choose colour and marker of each class, for any number of classes.

    Hues are evenly spaced on the colour circle, and neighbouring hues have different shapes, so two classes of one
    shape are several steps apart. Consecutive classes are far apart in hue.
    """
    # the last hues are neighbours of the first: those of one shape must be far apart there too
    shapes = max((7, 6, 5), key=lambda m: classes % m or m)
    fit = (s for s in range(max(1, round(0.382 * classes)), classes) if math.gcd(s, classes) == 1)
    stride = next((s for s in fit if s % shapes and (s - classes) % shapes), 1)
    places = [i * stride % classes for i in range(classes)]
    return [
        (_find_colour((0.02 + j / classes) % 1.0, _LUMINANCES[j // shapes % 2]), MARKERS[j % shapes]) for j in places
    ]
