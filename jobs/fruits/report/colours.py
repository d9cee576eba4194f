"""A colour and a shape for each class, to be told apart on white and on black, and without seeing colour."""

from __future__ import annotations

import colorsys
import math

MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star")
_LUMINANCES = (0.17, 0.28)
"""Between these a colour has a contrast of 3:1 and more to white paper and to the dark page (WCAG 1.4.11)."""


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2), 1 to 21.

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _hex(hue: float, lightness: float, saturation: float) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in colorsys.hls_to_rgb(hue, lightness, saturation))


def _of_luminance(hue: float, wanted: float) -> str:
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if luminance(_hex(hue, middle, 0.75)) < wanted else (low, middle)
    return _hex(hue, high, 0.75)


def looks(classes: int) -> list[tuple[str, str]]:
    """Colour and marker of each class: those of one shape have hues that are evenly far apart, in two lightnesses."""
    groups = max(1, math.ceil(classes / len(MARKERS)))
    shapes = min(classes, len(MARKERS))
    return [
        (
            # within its step of the colour circle every shape begins elsewhere, neighbours in the legend far apart
            _of_luminance(
                (0.02 + (group + (3 * shape % shapes if shapes % 3 else shape) / shapes) / groups) % 1.0,
                _LUMINANCES[(group + shape) % 2],
            ),
            MARKERS[shape],
        )
        for group, shape in (divmod(i, len(MARKERS)) for i in range(classes))
    ]
