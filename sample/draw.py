"""Draw the embedded sample: eight fruits, each turned in front of the camera, on white, as 100×100 JPEG.

No photograph is needed and none is shipped: a fruit is a cloud of surface points with a normal, a colour and
a gloss (body, stem, leaves), which is turned, put into perspective, lit and seen through a depth buffer. The
same seed gives the same bytes with the locked versions of numpy and Pillow. The pictures are drawings: good
enough to try the whole chain and for features to tell the classes apart, no replacement for photographs.

``python -m sample.draw DEST`` draws them; nothing is drawn again that is already there and intact.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float64]

SIZE = 100
"""Width and height of a picture, in pixels."""
OVERSAMPLING = 2
SPECIMENS = 2
"""Fruits of one class differ: so many are grown and photographed in turn."""
MANIFEST = ".drawn.json"
GOLDEN_TURN = np.pi * (3.0 - np.sqrt(5.0))


class DrawError(Exception):
    """The sample cannot be drawn; the message says why and what to do."""


# --- fields: noise and shapes on plain arrays ---------------------------------------------------------------


def _smoothstep(low: float, high: float, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _mix(a: Array, b: Array, share: Array) -> Array:
    return a + (b - a) * share[..., None]


def _rgb(code: str) -> Array:
    """An sRGB colour like ``#ffcc00`` as linear light."""
    return (np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0) ** 2.2


class _Noise:
    """Value noise in space: smooth, in [-1, 1], the same on every machine."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._table = rng.uniform(-1.0, 1.0, 32**3)

    def __call__(self, points: Array, frequency: float, octaves: int = 1) -> Array:
        total = np.zeros(points.shape[:-1])
        weight, norm = 1.0, 0.0
        for _ in range(octaves):
            total += weight * self._octave(points * frequency)
            norm += weight
            weight, frequency = weight * 0.5, frequency * 2.03
        return total / norm

    def _octave(self, points: Array) -> Array:
        cell = np.floor(points)
        t = points - cell
        t = t * t * (3.0 - 2.0 * t)
        x, y, z = (cell.astype(np.int64) & 31).transpose(-1, *range(cell.ndim - 1))
        x1, y1, z1 = (x + 1) & 31, (y + 1) & 31, (z + 1) & 31
        tx, ty, tz = t[..., 0], t[..., 1], t[..., 2]

        def along_x(row: NDArray[np.int64]) -> Array:
            a: Array = self._table[row + x]
            b: Array = self._table[row + x1]
            mixed: Array = a + (b - a) * tx
            return mixed

        near = along_x((z << 10) + (y << 5))
        near += (along_x((z << 10) + (y1 << 5)) - near) * ty
        far = along_x((z1 << 10) + (y << 5))
        far += (along_x((z1 << 10) + (y1 << 5)) - far) * ty
        mixed: Array = near + (far - near) * tz
        return mixed


# --- geometry: surfaces as clouds of points -----------------------------------------------------------------


@dataclass
class Cloud:
    """Points of a surface: position, normal and colour (n, 3); gloss and roughness of the skin (n,)."""

    position: Array
    normal: Array
    colour: Array
    gloss: Array
    two_sided: NDArray[np.bool_]

    @staticmethod
    def join(parts: list[Cloud]) -> Cloud:
        return Cloud(
            np.concatenate([p.position for p in parts]),
            np.concatenate([p.normal for p in parts]),
            np.concatenate([p.colour for p in parts]),
            np.concatenate([p.gloss for p in parts]),
            np.concatenate([p.two_sided for p in parts]),
        )


def _grid(around: int, along: int) -> tuple[Array, Array]:
    """Angle u in [0, 2π) and v in (0, 1), shape (along, around). No seam, no pole: no two points coincide."""
    u = np.arange(around) * (2.0 * np.pi / around)
    v = (np.arange(along) + 0.5) / along
    return np.broadcast_to(u, (along, around)), np.broadcast_to(v[:, None], (along, around))


def _closed(position: Array, colour: Array, gloss: float | Array) -> Cloud:
    """A cloud from a tube-like grid (along, around, 3); normals point out of the tube."""
    du = np.roll(position, -1, axis=1) - np.roll(position, 1, axis=1)
    dv = np.gradient(position, axis=0)
    normal = np.cross(du, dv)
    outward = position - position.mean(axis=1, keepdims=True)
    if np.sum(normal * outward) < 0:
        normal = -normal
    return _cloud(position, normal, colour, gloss, two_sided=False)


def _sheet(position: Array, colour: Array, gloss: float) -> Cloud:
    """A cloud from an open grid (along, across, 3), seen from both sides: a leaf."""
    normal = np.cross(np.gradient(position, axis=1), np.gradient(position, axis=0))
    return _cloud(position, normal, colour, gloss, two_sided=True)


def _cloud(position: Array, normal: Array, colour: Array, gloss: float | Array, *, two_sided: bool) -> Cloud:
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    n = position.shape[0] * position.shape[1]
    return Cloud(
        position.reshape(n, 3),
        normal.reshape(n, 3),
        np.broadcast_to(colour, position.shape).reshape(n, 3),
        np.broadcast_to(np.asarray(gloss, dtype=np.float64), position.shape[:2]).reshape(n),
        np.full(n, two_sided),
    )


def _globe(u: Array, v: Array) -> tuple[Array, Array]:
    """Polar angle (0 at the top) and unit vectors, y up."""
    polar = np.pi * v
    direction = np.stack([np.sin(polar) * np.cos(u), np.cos(polar), np.sin(polar) * np.sin(u)], axis=-1)
    return polar, direction


def _tube(path: Array, radius: Array, around: int, section: Callable[[Array], Array] | None = None) -> Array:
    """Positions (along, around, 3) of a tube with the given radius along a path (along, 3)."""
    step: Array = np.asarray(np.gradient(path, axis=0)).astype(np.float64)
    tangent = step / np.sqrt(_dot(step, step))[:, None]
    side = np.cross(tangent, np.array([0.0, 0.0, 1.0]))
    side = side / np.sqrt((side**2).sum(axis=1))[:, None]
    up: Array = np.cross(side, tangent)
    u: Array = np.arange(around, dtype=np.float64) * (2.0 * np.pi / around)
    shape = np.ones(around) if section is None else section(u)
    ring = side[:, None] * np.cos(u)[None, :, None] + up[:, None] * np.sin(u)[None, :, None]
    tube: Array = path[:, None] + ring * (radius[:, None] * shape)[..., None]
    return tube


def _scatter(
    rng: np.random.Generator,
    u: Array,
    v: Array,
    girth: Array,
    *,
    length: float,
    spacing: float,
    jitter: float,
) -> tuple[Array, Array, Array]:
    """Dots in staggered rows: each point's offset from the dot of its cell (across, down), and the dot's lot.

    ``girth`` (along,) is the surface's radius at each v, ``length`` its extent along v, ``jitter`` the share
    of a cell by which a dot may leave the middle. The lot is uniform in [0, 1), one for each dot.
    """
    rows = max(1, round(length / spacing))
    line = v * rows
    row = np.clip(np.floor(line), 0, rows - 1).astype(np.int64)
    middle = np.clip((np.arange(rows) + 0.5) / rows * len(girth), 0, len(girth) - 1).astype(np.int64)
    per_row = np.maximum(3.0, np.round(2 * np.pi * girth[middle] / spacing))[row]
    column = u / (2 * np.pi) * per_row + 0.5 * (row % 2)
    cell = np.floor(column)
    draws = np.stack([rng.uniform(-jitter, jitter, 4096), rng.uniform(-jitter, jitter, 4096), rng.random(4096)])
    which = (row * 131 + np.mod(cell, per_row).astype(np.int64)) & 4095
    across = (column - cell - 0.5 + draws[0][which]) * (2 * np.pi) * girth[:, None] / per_row
    down = (line - row - 0.5 + draws[1][which]) * (length / rows)
    return across, down, draws[2][which]


def _turn(yaw: float, pitch: float, roll: float) -> Array:
    """Rotation: first about the vertical, then towards the camera, then in the picture's plane."""
    cy, sy, cp, sp, cr, sr = (float(f(a)) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turn: Array = about_z @ about_x @ about_y
    return turn


def _stem(
    rng: np.random.Generator, foot: Array, length: float, thickness: float, bend: float, young: str, old: str
) -> Cloud:
    """A woody stalk that leaves ``foot`` upwards and bends to the side."""
    t = np.linspace(0.0, 1.0, max(40, int(length * 170)))
    path = foot + np.stack([bend * t**2, length * t, 0.3 * bend * t**3], axis=1)
    radius = thickness * (1.0 + 0.5 * (1 - t) ** 4 + 0.7 * _smoothstep(0.9, 1.0, t))
    radius[-4:] *= np.linspace(1.0, 0.15, 4)
    position = _tube(path, radius, 48)
    grain = _Noise(rng)(position * np.array([1.0, 0.25, 1.0]), 40.0)
    share = np.clip(np.broadcast_to(t[:, None], grain.shape) * 0.9 + 0.25 * grain, 0, 1)
    return _closed(position, _mix(_rgb(young), _rgb(old), share), 0.08)


def _leaf(
    foot: Array,
    heading: float,
    *,
    length: float,
    width: float,
    rise: tuple[float, float],
    colours: tuple[str, str],
    fold: float = 0.25,
    serration: int = 0,
    points: tuple[int, int] = (90, 26),
    gloss: float = 0.12,
) -> Cloud:
    """A leaf from ``foot``: it climbs at the first angle of ``rise`` and ends at the second (radians)."""
    t = np.linspace(0.0, 1.0, points[0])
    climb = rise[0] + (rise[1] - rise[0]) * t
    step = length / points[0]
    out, up = np.cumsum(np.cos(climb)) * step, np.cumsum(np.sin(climb)) * step
    half = width * np.sqrt(np.clip(t + 0.15, 0, 1)) * (1.0 - t) ** 0.75
    if serration:
        half = half * (1.0 - 0.3 * (1.0 - np.mod(t * serration, 1.0)))
    s = np.linspace(-1.0, 1.0, points[1])
    ahead = np.array([np.cos(heading), 0.0, np.sin(heading)])
    aside = np.array([-np.sin(heading), 0.0, np.cos(heading)])
    lift = np.stack([-np.sin(climb), np.cos(climb)], axis=1) * (fold * half)[:, None]
    raised = np.abs(s)[None, :, None]
    position = (
        foot
        + (out[:, None, None] + lift[:, 0, None, None] * raised) * ahead
        + (half[:, None] * s)[..., None] * aside
        + (up[:, None, None] + lift[:, 1, None, None] * raised) * np.array([0.0, 1.0, 0.0])
    )
    vein = np.exp(-((s / 0.16) ** 2))[None, :] * 0.5 + 0.5 * t[:, None]
    return _sheet(position, _mix(_rgb(colours[0]), _rgb(colours[1]), np.clip(vein, 0, 1)), gloss)


# --- the fruits ---------------------------------------------------------------------------------------------


def _orange(rng: np.random.Generator) -> Cloud:
    noise = _Noise(rng)
    u, v = _grid(620, 310)
    polar, n = _globe(u, v)
    across, down, lot = _scatter(rng, u, v, np.sin(polar[:, 0]), length=np.pi, spacing=0.075, jitter=0.28)
    pores = np.exp(-(across**2 + down**2) / (0.011 + 0.011 * lot) ** 2)
    swell = noise(n, 1.6) + 0.15 * noise(n, 11.0)
    radius = 1.0 + 0.018 * swell - 0.010 * pores - 0.07 * np.exp(-((polar / 0.16) ** 2))
    radius -= 0.045 * np.exp(-(((np.pi - polar) / 0.12) ** 2))
    position = n * radius[..., None] * np.array([1.0, rng.uniform(0.91, 0.97), 1.0])
    ripe = np.clip(0.5 + 0.6 * noise(n, 2.3, 3), 0, 1)
    colour = _mix(_rgb("#ee7600"), _rgb("#fb9a14"), ripe)
    colour = colour * (1.0 - 0.22 * pores)[..., None]
    colour = _mix(colour, _rgb("#c9a227"), 0.8 * np.exp(-((polar / 0.2) ** 2)))
    scar = _smoothstep(0.10, 0.05, np.pi - polar + 0.02 * noise(n, 9.0))
    colour = _mix(colour, _rgb("#6b4a1a"), 0.8 * scar)
    body = _closed(position, colour, 0.30)
    star = 0.075 * (1.0 + 0.18 * np.cos(5.0 * np.linspace(0, 2 * np.pi, 48, endpoint=False)))
    t = np.linspace(0.0, 1.0, 26)
    path = np.stack([0 * t, 0.86 + 0.05 * t, 0 * t], axis=1)
    cap = _tube(path, np.sqrt(np.clip(1 - t**3, 0, 1)) + 1e-3, 48, lambda _: star)
    return Cloud.join([body, _closed(cap, _rgb("#6f7a2c"), 0.05)])


def _lemon(rng: np.random.Generator) -> Cloud:
    noise = _Noise(rng)
    u, v = _grid(580, 360)
    polar, n = _globe(u, v)
    across, down, lot = _scatter(rng, u, v, np.sin(polar[:, 0]), length=np.pi, spacing=0.11, jitter=0.28)
    pores = np.exp(-(across**2 + 1.4 * down**2) / (0.013 + 0.022 * lot) ** 2)
    nipple = 0.25 * np.exp(-((polar / 0.20) ** 2)) + 0.06 * np.exp(-((polar / 0.42) ** 2))
    neck = 0.11 * np.exp(-(((np.pi - polar) / 0.25) ** 2))
    radius = 1.0 + 0.022 * noise(n, 1.8, 2) - 0.013 * pores + 0.004 * noise(n, 9.0) + nipple + neck
    radius -= 0.05 * np.exp(-((polar / 0.05) ** 2)) + 0.07 * np.exp(-(((np.pi - polar) / 0.09) ** 2))
    position = n * radius[..., None] * np.array([0.78, rng.uniform(0.98, 1.06), 0.78])
    ripe = np.clip(0.55 + 0.7 * noise(n, 2.0, 3), 0, 1)
    colour = _mix(_rgb("#f2c40f"), _rgb("#ffe135"), ripe) * (1.0 - 0.2 * pores)[..., None]
    green = np.exp(-(((np.pi - polar) / 0.4) ** 2)) + 0.5 * np.exp(-((polar / 0.2) ** 2))
    colour = _mix(colour, _rgb("#b4bd2a"), 0.55 * np.clip(green, 0, 1))
    colour = _mix(colour, _rgb("#5d4a1d"), 0.85 * _smoothstep(0.09, 0.05, np.pi - polar))
    return _closed(position, colour, 0.38)


def _green_apple(rng: np.random.Generator) -> Cloud:
    noise = _Noise(rng)
    u, v = _grid(600, 320)
    polar, n = _globe(u, v)
    low = polar / np.pi
    radius = (
        1.0
        - 0.52 * np.exp(-((polar / 0.36) ** 2))
        - 0.30 * np.exp(-(((np.pi - polar) / 0.26) ** 2))
        + 0.02 * noise(n, 1.5, 2)
        + 0.022 * np.cos(5.0 * u + 1.0) * low**3
    )
    wide = 1.0 + 0.09 * np.cos(polar)
    position = n * radius[..., None]
    position = position * np.stack([wide, np.full_like(wide, rng.uniform(0.92, 1.0)), wide], axis=-1)
    shade = np.clip(0.5 + 0.55 * noise(n * np.array([3.0, 0.6, 3.0]), 1.7, 3), 0, 1)
    colour = _mix(_rgb("#79a92c"), _rgb("#a8c84a"), shade)
    blush = _smoothstep(0.25, 0.9, n[..., 0] + 0.3 * noise(n, 3.0, 2))
    colour = _mix(colour, _rgb("#cbd65a"), 0.5 * blush)
    across, down, lot = _scatter(rng, u, v, np.sin(polar[:, 0]), length=np.pi, spacing=0.16, jitter=0.3)
    specks = np.exp(-(across**2 + down**2) / (0.012 + 0.012 * lot) ** 2) * (lot > 0.25)
    colour = _mix(colour, _rgb("#e2ebae"), 0.6 * specks)
    hollow = np.exp(-((polar / 0.27) ** 2))
    colour = _mix(colour, _rgb("#7d7a33"), 0.75 * hollow)
    calyx = np.exp(-(((np.pi - polar) / 0.15) ** 2))
    colour = _mix(colour, _rgb("#3a2c12"), 0.9 * calyx)
    colour = colour * (1.0 - 0.35 * hollow)[..., None]
    foot = np.array([0.0, 0.42, 0.0])
    stem = _stem(rng, foot, rng.uniform(0.62, 0.78), 0.032, rng.uniform(0.1, 0.28), "#6d7a2b", "#5a3c1c")
    return Cloud.join([_closed(position, colour, 0.55), stem])


def _strawberry(rng: np.random.Generator) -> Cloud:
    noise = _Noise(rng)
    u, v = _grid(600, 400)
    polar, n = _globe(u, v)
    long = rng.uniform(1.12, 1.3)
    y = np.cos(polar)
    # A heart: wide shoulders, a blunt tip.
    girth = np.sin(polar) ** 0.86 * (0.68 + 0.24 * _smoothstep(-1.0, 0.6, y) + 0.05 * noise(n, 1.3))
    height = np.where(y > 0, y * 0.62 * (1.0 - 0.28 * np.exp(-((polar / 0.5) ** 2))), y * long)
    profile = np.stack([girth * np.cos(u), height, girth * np.sin(u)], axis=-1)
    profile[..., 0] += 0.06 * np.sin(2.0 * profile[..., 1] + 0.5)

    across, down, _ = _scatter(rng, u, v, girth[:, 0], length=1.0 + long, spacing=0.205, jitter=0.10)
    near = across**2 / 0.023**2 + down**2 / 0.040**2
    pit = np.exp(-near / 7.0)
    seed = np.exp(-(near**2) / 1.4)
    bare = np.exp(-((polar / 0.33) ** 2))
    # Neither in the shade of the calyx, nor at the very tip, where the rows have no room for them.
    grown = (1 - bare) * _smoothstep(0.10, 0.22, girth)
    pit, seed = pit * grown, seed * grown
    position = profile * (1.0 + 0.035 * seed - 0.075 * pit)[..., None]
    red = np.clip(0.5 + 0.6 * noise(n, 2.2, 3), 0, 1)
    colour = _mix(_rgb("#b00c17"), _rgb("#dc1d27"), red)
    shoulder = _smoothstep(0.62, 0.25, polar + 0.12 * noise(n, 5.0))
    colour = _mix(colour, _rgb("#f3b7a0"), 0.75 * shoulder)
    colour = colour * (1.0 - 0.42 * pit)[..., None]
    colour = _mix(colour, _rgb("#eccb62"), np.clip(1.1 * seed, 0, 1))
    parts = [_closed(position, colour, 0.55 * (1 - seed))]
    crown = np.array([0.03, 0.44, 0.0])
    leaves = int(rng.integers(9, 12))
    for i in range(leaves):
        heading = 2 * np.pi * i / leaves + rng.uniform(-0.2, 0.2)
        parts.append(
            _leaf(
                crown,
                heading,
                length=rng.uniform(0.75, 0.95),
                width=rng.uniform(0.17, 0.22),
                rise=(rng.uniform(0.45, 0.9), rng.uniform(-1.5, -0.3)),
                colours=("#3f8f2a", "#8cc152"),
                fold=0.5,
                serration=5,
            )
        )
    parts.append(_stem(rng, crown, rng.uniform(0.35, 0.55), 0.035, rng.uniform(0.1, 0.25), "#6fa03c", "#94b55a"))
    return Cloud.join(parts)


def _pineapple(rng: np.random.Generator) -> Cloud:
    noise = _Noise(rng)
    u, v = _grid(520, 420)
    polar, n = _globe(u, v)
    y = np.cos(polar)
    girth = np.sin(polar) ** 0.55 * (0.66 + 0.03 * noise(n, 1.2)) * (1.0 - 0.10 * y)
    around, along = 8.0, 7.2
    a = around * u / (2 * np.pi) + along * v
    b = around * u / (2 * np.pi) - along * v
    fa, fb = a - np.floor(a) - 0.5, b - np.floor(b) - 0.5
    edge = 2.0 * np.maximum(np.abs(fa), np.abs(fb))
    centre = np.sqrt(fa**2 + fb**2)
    bulge = (1.0 - edge**3) * np.clip(np.sin(polar) * 1.6, 0, 1)
    spike = np.exp(-((centre / 0.10) ** 2))
    girth = girth * (0.93 + 0.115 * bulge + 0.06 * spike)
    position = np.stack([girth * np.cos(u), 0.98 * y, girth * np.sin(u)], axis=-1)
    tone = noise(np.stack([np.floor(a), np.floor(b), 0 * a], axis=-1) * 7.31, 1.0)
    ripe = np.clip(0.45 + 0.5 * tone - 0.45 * y + 0.3 * noise(n, 9.0, 2), 0, 1)
    colour = _mix(_rgb("#a8801f"), _rgb("#f0a92a"), ripe)
    colour = _mix(colour, _rgb("#7d8a2e"), 0.65 * _smoothstep(0.35, 0.95, edge) * (1 - 0.4 * ripe))
    colour = _mix(colour, _rgb("#3a2410"), _smoothstep(0.80, 0.98, edge))
    colour = _mix(colour, _rgb("#5b3716"), 0.85 * np.exp(-((centre / 0.17) ** 2)))
    colour = _mix(colour, _rgb("#e9d8a0"), 0.8 * np.exp(-(((fa - fb) / 0.05) ** 2 + ((fa + fb - 0.18) / 0.2) ** 2)))
    parts = [_closed(position, colour, 0.16)]
    leaves = 52
    for i in range(leaves):
        age = i / (leaves - 1)  # 0: outermost and oldest
        heading = i * GOLDEN_TURN
        ring = 0.30 * (1 - age) ** 0.7
        foot = np.array([ring * np.cos(heading), 0.88 + 0.16 * age, ring * np.sin(heading)])
        start = 0.55 + 0.95 * age + rng.uniform(-0.08, 0.08)
        parts.append(
            _leaf(
                foot,
                heading,
                length=rng.uniform(0.62, 0.75) + 0.52 * np.sin(np.pi * min(1.0, 0.22 + 0.75 * age)),
                width=0.115 - 0.035 * age,
                rise=(start + 0.25, start - rng.uniform(0.35, 1.0) * (1.15 - age)),
                colours=("#2f5d33", "#86a869"),
                fold=0.7,
                points=(110, 14),
                gloss=0.22,
            )
        )
    whole = Cloud.join(parts)
    whole.position = whole.position - np.array([0.0, 0.45, 0.0])
    return whole


def _banana(rng: np.random.Generator) -> Cloud:
    noise = _Noise(rng)
    along = 420
    t = (np.arange(along) + 0.5) / along
    sweep = rng.uniform(1.75, 2.05)
    # Curvature grows towards the stalk, as it does where the fruit hung from its bunch.
    angle = sweep * (t - 0.5) + 0.28 * _smoothstep(0.72, 1.0, t)
    path = np.cumsum(np.stack([np.cos(angle), np.sin(angle), np.zeros(along)], axis=1), axis=0) * (2.3 / along)
    path -= path.mean(axis=0)
    radius = 0.275 * _smoothstep(-0.10, 0.24, t) * (1.0 - 0.80 * _smoothstep(0.70, 0.90, t))
    radius *= 1.0 + 0.28 * _smoothstep(0.955, 0.995, t)
    radius *= np.sqrt(np.clip(t / 0.022, 0.0, 1.0)) * np.sqrt(np.clip((1.0 - t) / 0.004, 0.0, 1.0))
    u = np.arange(300) * (2 * np.pi / 300)

    def five_sided(angle: Array) -> Array:
        flat = np.abs(np.mod(angle / (2 * np.pi) * 5.0 + 0.25, 1.0) - 0.5)
        return 1.0 - 0.034 * np.cos(2 * np.pi * flat) - 0.008 * np.cos(4 * np.pi * flat)

    position = _tube(path, radius, 300, five_sided)
    position += 0.008 * noise(position, 5.0)[..., None]
    along_t = np.broadcast_to(t[:, None], position.shape[:2])
    ridge = np.exp(-(((np.mod(u / (2 * np.pi) * 5.0 + 0.25, 1.0) - 0.0) ** 2) / 0.004))
    ridge += np.exp(-(((np.mod(u / (2 * np.pi) * 5.0 + 0.25, 1.0) - 1.0) ** 2) / 0.004))
    ripe = np.clip(0.55 + 0.5 * noise(position * np.array([0.7, 1, 1]), 2.5, 3), 0, 1)
    colour = _mix(_rgb("#eebc16"), _rgb("#ffdc3c"), ripe)
    colour = colour * (1.0 - 0.13 * ridge)[None, :, None]
    colour = _mix(colour, _rgb("#a9b03a"), 0.9 * _smoothstep(0.74, 0.93, along_t + 0.03 * noise(position, 6.0)))
    colour = _mix(colour, _rgb("#b9b52f"), 0.6 * _smoothstep(0.16, 0.03, along_t))
    spots = _smoothstep(0.52, 0.74, noise(position, 12.0)) * _smoothstep(-0.2, 0.5, noise(position, 1.9))
    flecks = _smoothstep(0.60, 0.75, noise(position * np.array([0.45, 1, 1]), 26.0))
    colour = _mix(colour, _rgb("#6a4312"), np.clip(0.75 * spots + 0.5 * flecks, 0, 0.85))
    colour = _mix(colour, _rgb("#2a1c0d"), _smoothstep(0.034, 0.022, along_t + 0.006 * noise(position, 9.0)))
    colour = _mix(colour, _rgb("#4d3a1a"), _smoothstep(0.965, 0.985, along_t))
    cut = np.linspace(0.0, 0.02, 20)[:, None] * (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
    rounded = np.sqrt(np.linspace(1.0, 0.0, 20)) * 0.062 + 1e-3
    end = _closed(_tube(path[-4] + cut, rounded, 48), _rgb("#3a2a14"), 0.05)
    return Cloud.join([_closed(position, colour, 0.22), end])


def _cherry(rng: np.random.Generator) -> Cloud:
    parts: list[Cloud] = []
    top = np.array([0.12, 2.05, 0.0])
    for side, size in ((-1.0, rng.uniform(0.70, 0.76)), (1.0, rng.uniform(0.66, 0.74))):
        noise = _Noise(rng)
        u, v = _grid(380, 200)
        polar, n = _globe(u, v)
        radius = (
            1.0
            - 0.30 * np.exp(-((polar / 0.33) ** 2))
            - 0.05 * np.exp(-(((np.pi - polar) / 0.2) ** 2))
            - 0.028 * np.exp(-(((u - np.pi / 2) / 0.09) ** 2)) * np.sin(polar)
            + 0.02 * noise(n, 1.5)
        )
        centre = np.array([side * 0.80, -0.55 + 0.14 * side, 0.22 * side])
        position = n * (size * radius)[..., None] * np.array([1.05, 0.97, 1.0]) + centre
        deep = np.clip(0.5 + 0.65 * noise(n, 1.9, 3), 0, 1)
        colour = _mix(_rgb("#6d0715"), _rgb("#b3142a"), deep)
        across, down, lot = _scatter(rng, u, v, np.sin(polar[:, 0]), length=np.pi, spacing=0.15, jitter=0.3)
        dots = np.exp(-(across**2 + down**2) / (0.02 + 0.02 * lot) ** 2)
        colour = _mix(colour, _rgb("#d0485a"), 0.25 * dots)
        colour = colour * (1.0 - 0.5 * np.exp(-((polar / 0.25) ** 2)))[..., None]
        parts.append(_closed(position, colour, 0.9))
        foot = centre + np.array([0.0, 0.60 * size, 0.0])
        t = np.linspace(0.0, 1.0, 230)[:, None]
        knee = foot + np.array([0.05 * side, 1.25, 0.0])
        path = (1 - t) ** 2 * foot + 2 * t * (1 - t) * knee + t**2 * top
        thickness = 0.030 + 0.022 * _smoothstep(0.12, 0.0, t[:, 0]) + 0.028 * _smoothstep(0.93, 1.0, t[:, 0])
        tube = _tube(path, thickness, 40)
        tint = np.clip(t[:, 0] + 0.4 * noise(path, 6.0), 0, 1)
        parts.append(_closed(tube, _mix(_rgb("#86a33c"), _rgb("#7a6a2e"), tint)[:, None], 0.15))
    knot = _globe(*_grid(80, 40))[1] * np.array([0.09, 0.06, 0.07]) + top
    parts.append(_closed(knot, _rgb("#6a4a22"), 0.05))
    parts.append(
        _leaf(
            top,
            rng.uniform(-0.5, 0.5),
            length=1.15,
            width=0.33,
            rise=(0.35, rng.uniform(-0.9, -0.5)),
            colours=("#2f7d2b", "#79b548"),
            fold=0.25,
            points=(180, 100),
            gloss=0.3,
        )
    )
    whole = Cloud.join(parts)
    whole.position = whole.position - np.array([0.0, 0.35, 0.0])
    return whole


def _watermelon(rng: np.random.Generator) -> Cloud:
    noise = _Noise(rng)
    u, v = _grid(600, 310)
    polar, n = _globe(u, v)
    radius = 1.0 + 0.012 * noise(n, 2.0, 2) - 0.05 * np.exp(-((polar / 0.14) ** 2))
    radius -= 0.03 * np.exp(-(((np.pi - polar) / 0.1) ** 2))
    position = n * radius[..., None] * np.array([0.9, rng.uniform(0.98, 1.12), 0.9])
    stripes = int(rng.integers(10, 13))
    wobble = 0.85 * noise(n, 4.0, 2) * np.sin(polar) + 0.45 * noise(n, 13.0)
    wave = np.cos(stripes * u + 1.5 * wobble)
    dark = _smoothstep(-0.35, 0.25, wave + 0.35 * noise(n, 16.0, 2))
    colour = _mix(_rgb("#8fb554"), _rgb("#1c5a26"), dark)
    veins = _smoothstep(0.15, 0.0, np.abs(noise(n, 9.0, 2)))
    colour = _mix(colour, _rgb("#3f8038"), 0.55 * veins * (1 - dark))
    colour = colour * (1.0 + 0.18 * noise(n, 3.0, 2))[..., None]
    colour = _mix(colour, _rgb("#b9b768"), 0.8 * np.exp(-((polar / 0.13) ** 2)))
    colour = _mix(colour, _rgb("#8a7a4a"), 0.9 * _smoothstep(0.09, 0.06, np.pi - polar))
    foot = np.array([0.0, position[0, 0, 1] - 0.03, 0.0])
    stem = _stem(rng, foot, rng.uniform(0.22, 0.32), 0.045, rng.uniform(0.12, 0.25), "#7d8f3c", "#7a6534")
    return Cloud.join([_closed(position, colour, 0.42), stem])


@dataclass(frozen=True)
class _Pose:
    """How a fruit stands before it is turned (radians), and how far it leans between views."""

    pitch: float = 0.25
    roll: float = 0.0
    lean: float = 0.35
    sway: float = 0.15


@dataclass(frozen=True)
class _Fruit:
    grow: Callable[[np.random.Generator], Cloud]
    pose: _Pose


FRUITS: dict[str, _Fruit] = {
    "Banana": _Fruit(_banana, _Pose(pitch=0.2, lean=0.4, sway=0.35)),
    "Cherry": _Fruit(_cherry, _Pose(pitch=0.15, lean=0.25, sway=0.15)),
    "Green Apple": _Fruit(_green_apple, _Pose(pitch=0.35, lean=0.4, sway=0.2)),
    "Lemon": _Fruit(_lemon, _Pose(pitch=0.1, roll=-1.2, lean=0.5, sway=0.45)),
    "Orange": _Fruit(_orange, _Pose(pitch=0.35, lean=0.9, sway=0.5)),
    "Pineapple": _Fruit(_pineapple, _Pose(pitch=0.15, lean=0.35, sway=0.3)),
    "Strawberry": _Fruit(_strawberry, _Pose(pitch=0.2, lean=0.4, sway=0.35)),
    "Watermelon": _Fruit(_watermelon, _Pose(pitch=0.1, roll=-1.15, lean=0.5, sway=0.4)),
}


# --- the camera ---------------------------------------------------------------------------------------------

_KEY = np.array([-0.50, 0.66, 0.56]) / np.linalg.norm([-0.50, 0.66, 0.56])
_CAMERA_DISTANCE = 7.0


class _Model:
    """A grown fruit: its cloud, and by coordinate what every view needs of all its points."""

    def __init__(self, fruit: Cloud) -> None:
        self.fruit = fruit
        self.planes = np.ascontiguousarray(fruit.position.T)
        self.normals = np.ascontiguousarray(fruit.normal.T)
        self.bulge = _dot(fruit.position, fruit.normal)
        self.reach = float(np.sqrt(_dot(fruit.position, fruit.position).max()))


# Products of vectors without BLAS, whose last bits differ between processors.
def _along(planes: Array, axis: Array) -> Array:
    along: Array = planes[0] * axis[0] + planes[1] * axis[1] + planes[2] * axis[2]
    return along


def _axes(planes: Array, turn: Array) -> tuple[Array, Array, Array]:
    return _along(planes, turn[0]), _along(planes, turn[1]), _along(planes, turn[2])


def _dot(a: Array, b: Array) -> Array:
    product: Array = a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]
    return product


def _depth_buffer(x: Array, y: Array, depth: Array, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels (flat index) that any point falls on, and for each the nearest point. Larger depth is nearer."""
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    kept = np.flatnonzero((column >= 0) & (column < side) & (row >= 0) & (row < side))
    low, high = float(depth.min()), float(depth.max())
    near = ((depth[kept] - low) * ((2**20 - 1) / max(high - low, 1e-9))).astype(np.int64)
    # Pixel, depth and point in one whole number: sorting it has no ties, hence one result on every machine.
    key = np.sort((((row[kept] * side + column[kept]) << 20 | near) << 21) | kept)
    last = np.append(np.flatnonzero(np.diff(key >> 41)), key.size - 1)
    return key[last] >> 41, key[last] & (2**21 - 1)


def _shadow(planes: Array, scale: float) -> Array:
    """Share of the key light that reaches each point (0 to 1), from a depth buffer seen from the light."""
    right = np.array([_KEY[2], 0.0, -_KEY[0]]) / np.hypot(_KEY[0], _KEY[2])
    across, down, depth = _axes(planes, np.stack([right, np.cross(_KEY, right), _KEY]))
    side = 96
    across, down = (v / scale * (side / 2 - 2) + side / 2 for v in (across, down))
    pixel, point = _depth_buffer(across, down, depth, side)
    nearest = np.full((side, side), -1e9)
    nearest.flat[pixel] = depth[point]
    column, row = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
    light = np.zeros(planes.shape[1])
    for dx, dy in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)):
        blocker = nearest[np.clip(row + dy, 0, side - 1), np.clip(column + dx, 0, side - 1)]
        light += _smoothstep(0.22, 0.10, (blocker - depth) / scale)
    return light / 5.0


def _photograph(model: _Model, turn: Array, rng: np.random.Generator) -> Image.Image:
    """One picture of a fruit turned by ``turn``."""
    side = SIZE * OVERSAMPLING
    fruit, fit = model.fruit, model.reach
    distance = _CAMERA_DISTANCE * fit
    x, y, z = _axes(model.planes, turn)
    nearness = distance / (distance - z)
    across, up = x * nearness, y * nearness
    left, right, bottom, top = across.min(), across.max(), up.min(), up.max()
    zoom = side * 0.95 / max(right - left, top - bottom, 1.30 * fit)
    column = (across - (left + right) / 2) * zoom + side / 2
    row = side / 2 - (up - (bottom + top) / 2) * zoom

    # How far a point's skin faces the camera, times its distance; n·p does not change as the fruit turns.
    normal_z = _along(model.normals, turn[2])
    visible = np.flatnonzero((normal_z * distance - model.bulge > -0.25 * distance) | fruit.two_sided)
    pixel, point = _depth_buffer(column[visible], row[visible], z[visible], side)
    point = visible[point]

    towards = np.stack([-x[point], -y[point], distance - z[point]], axis=1)
    towards /= np.sqrt(_dot(towards, towards))[:, None]
    n = np.stack(_axes(model.normals[:, point], turn), axis=1)
    facing = _dot(n, towards)
    n *= np.where(fruit.two_sided[point] & (facing < 0), -1.0, 1.0)[:, None]

    every = 4
    light = _shadow(np.stack([x[::every], y[::every], z[::every]]), fit * 1.05)
    lit = light[np.minimum(point // every, len(light) - 1)]
    diffuse = np.clip((_along(n.T, _KEY) + 0.18) / 1.18, 0.0, None) * (0.25 + 0.75 * lit)
    sky = 0.5 + 0.5 * n[:, 1]
    rim = (1.0 - np.clip(np.abs(facing), 0, 1)) ** 3
    ambient = (0.30 + 0.16 * sky + 0.10 * (1 - sky)) * (1 - 0.45 * rim)
    radiance = fruit.colour[point] * (
        diffuse[:, None] * np.array([1.02, 0.98, 0.92]) + ambient[:, None] * np.array([0.94, 0.98, 1.06])
    )
    half = _KEY + towards
    glint = np.clip(_dot(n, half) / np.sqrt(_dot(half, half)), 0, 1)
    gloss = fruit.gloss[point]
    mirror = (0.55 * glint**70 + 0.16 * glint**14) * gloss * (0.2 + 0.8 * lit)
    radiance += (mirror + 0.05 * gloss * rim)[:, None]

    canvas = np.ones((side * side, 3))
    filled = np.zeros(side * side, dtype=bool)
    canvas[pixel] = np.clip(radiance * rng.uniform(0.93, 1.07), 0.0, 1.0)
    filled[pixel] = True
    # Whatever has a point of the far side behind it is fruit, even if no point of the near side fell there.
    fruit_there = np.zeros((side, side), dtype=bool)
    fruit_there[row.astype(np.int64), column.astype(np.int64)] = True
    canvas, filled = _close_gaps(canvas.reshape(side, side, 3), filled.reshape(side, side), fruit_there)

    tiles = (SIZE, OVERSAMPLING, SIZE, OVERSAMPLING)
    blocks = canvas.reshape(*tiles, 3).mean(axis=(1, 3))
    covered = filled.reshape(tiles).mean(axis=(1, 3))
    picture = blocks ** (1 / 2.2) * 255.0
    picture += rng.normal(0.0, 1.6, picture.shape) * covered[..., None]
    return Image.fromarray(np.clip(np.round(picture), 0, 255).astype(np.uint8))


def _close_gaps(
    canvas: Array, filled: NDArray[np.bool_], fruit_there: NDArray[np.bool_]
) -> tuple[Array, NDArray[np.bool_]]:
    """Fill empty subpixels between points, where the cloud is thin, from those around them."""
    for _ in range(4):
        around = np.zeros(filled.shape, dtype=np.int64)
        total = np.zeros(canvas.shape)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                there = np.roll(filled, (down, right), axis=(0, 1))
                around += there
                total += np.roll(canvas, (down, right), axis=(0, 1)) * there[..., None]
        hole = ~filled & ((around >= 5) | (fruit_there & (around >= 2)))
        if not hole.any():
            break
        canvas = np.where(hole[..., None], total / np.maximum(around, 1)[..., None], canvas)
        filled = filled | hole
    return canvas, filled


# --- the sample ---------------------------------------------------------------------------------------------


def _rng(seed: int, *what: str | int) -> np.random.Generator:
    digest = hashlib.sha256("/".join(map(str, (seed, *what))).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def _views(label: str, views: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Name and JPEG bytes of each view of a class, in the order of their numbers."""
    fruit = FRUITS[label]
    specimens: dict[int, _Model] = {}
    for view in range(views):
        which = view % SPECIMENS
        if which not in specimens:
            specimens[which] = _Model(fruit.grow(_rng(seed, label, "specimen", which)))
        rng = _rng(seed, label, "view", view)
        pose = fruit.pose
        turn = _turn(view * GOLDEN_TURN + rng.uniform(-0.2, 0.2), 0.0, 0.0)
        lean = _turn(0.0, pose.pitch + pose.lean * rng.uniform(-1, 1), 0.0)
        stand = _turn(0.0, 0.0, pose.roll + pose.sway * rng.uniform(-1, 1))
        picture = _photograph(specimens[which], stand @ lean @ turn, rng)
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=90, subsampling=0)
        yield f"{view}_{SIZE}.jpg", data.getvalue()


def _recipe(views: int, seed: int) -> str:
    """Names everything that the bytes depend on."""
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    return f"views={views} seed={seed} source={source} numpy={np.__version__} pillow={PIL.__version__}"


def _read_manifest(path: Path) -> dict[str, str]:
    """Name to sha256 of what an earlier run drew here, with the recipe under an empty name; {} if unknown."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in manifest.items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}


def _intact(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def draw_sample(dest: Path, *, views: int = 25, seed: int = 0) -> dict[str, int]:
    """Draw the sample below ``dest``, as ``<dest>/<Class name>/<n>_100.jpg``.

    Right files of an earlier run are left untouched, damaged or missing ones are drawn again, and pictures
    that an earlier run drew but this one would not are removed. Files of other origin are never touched.

    Parameters
    ----------
    dest
        Folder to draw into; made if missing.
    views
        Pictures per class. Picture ``n`` is the same whatever the number of views.
    seed
        Other seeds grow other fruits and turn them otherwise.

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
        raise DrawError(f"{views} views cannot be drawn: ask for at least 1 view per fruit.")
    try:
        return _draw(dest, views, seed)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DrawError(f"The sample cannot be written to {dest} ({reason}): name another folder.") from error


def _draw(dest: Path, views: int, seed: int) -> dict[str, int]:
    manifest_path = dest / MANIFEST
    before = _read_manifest(manifest_path)
    recipe = _recipe(views, seed)
    wanted = [f"{label}/{view}_{SIZE}.jpg" for label in FRUITS for view in range(views)]
    if before.get("") == recipe and all(_intact(dest / n, before.get(n, "")) for n in wanted):
        return dict.fromkeys(FRUITS, views)

    drawn = {"": recipe}
    for label in FRUITS:
        folder = dest / label
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in _views(label, views, seed):
            digest = hashlib.sha256(data).hexdigest()
            drawn[f"{label}/{name}"] = digest
            if not _intact(folder / name, digest):
                _write(folder / name, data)
    for name, digest in before.items():
        if name and name not in drawn and _intact(dest / name, digest):
            (dest / name).unlink()
    _write(manifest_path, json.dumps(drawn, indent=1).encode())
    return dict.fromkeys(FRUITS, views)


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a run that is killed leaves no half picture under a right name."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def contact_sheet(folder: Path, *, columns: int = 8, zoom: int = 1) -> Image.Image:
    """The first pictures of each class below ``folder``, a row a class."""
    rows = sorted(p for p in folder.iterdir() if p.is_dir())
    cell = SIZE * zoom + 4
    sheet = Image.new("RGB", (columns * cell, len(rows) * cell), "white")
    for r, row in enumerate(rows):
        for c in range(columns):
            picture = row / f"{c}_{SIZE}.jpg"
            if picture.exists():
                with Image.open(picture) as image:
                    sheet.paste(
                        image.resize((SIZE * zoom, SIZE * zoom), Image.Resampling.BICUBIC),
                        (c * cell + 2, r * cell + 2),
                    )
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
        contact_sheet(args.dest).save(args.sheet)
    print(f"{sum(counts.values())} pictures of {len(counts)} fruits in {args.dest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
