"""Surfaces as clouds of points: noise, shapes, stems and leaves, on plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
GOLDEN_TURN = np.pi * (3.0 - np.sqrt(5.0))


# --- fields: noise and shapes on plain arrays ---------------------------------------------------------------


def smoothstep(low: float, high: float, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def mix(a: Array, b: Array, share: Array) -> Array:
    return a + (b - a) * share[..., None]


def read_rgb(code: str) -> Array:
    """An sRGB colour like ``#ffcc00`` as linear light."""
    return (np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0) ** 2.2


class Noise:
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


# A product of vectors without BLAS, whose last bits differ between processors.
def dot(a: Array, b: Array) -> Array:
    product: Array = a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]
    return product


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
        return Cloud(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Cloud)))


def make_grid(around: int, along: int) -> tuple[Array, Array]:
    """Angle u in [0, 2π) and v in (0, 1), shape (along, around). No seam, no pole: no two points coincide."""
    u = np.arange(around) * (2.0 * np.pi / around)
    v = (np.arange(along) + 0.5) / along
    return np.broadcast_to(u, (along, around)), np.broadcast_to(v[:, None], (along, around))


def close_surface(position: Array, colour: Array, gloss: float | Array) -> Cloud:
    """A cloud from a tube-like grid (along, around, 3); normals point out of the tube."""
    du = np.roll(position, -1, axis=1) - np.roll(position, 1, axis=1)
    dv = np.gradient(position, axis=0)
    normal = np.cross(du, dv)
    outward = position - position.mean(axis=1, keepdims=True)
    if np.sum(normal * outward) < 0:
        normal = -normal
    return make_cloud(position, normal, colour, gloss, two_sided=False)


def make_sheet(position: Array, colour: Array, gloss: float) -> Cloud:
    """A cloud from an open grid (along, across, 3), seen from both sides: a leaf."""
    normal = np.cross(np.gradient(position, axis=1), np.gradient(position, axis=0))
    return make_cloud(position, normal, colour, gloss, two_sided=True)


def make_cloud(position: Array, normal: Array, colour: Array, gloss: float | Array, *, two_sided: bool) -> Cloud:
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    n = position.shape[0] * position.shape[1]
    return Cloud(
        position.reshape(n, 3),
        normal.reshape(n, 3),
        np.broadcast_to(colour, position.shape).reshape(n, 3),
        np.broadcast_to(np.asarray(gloss, dtype=np.float64), position.shape[:2]).reshape(n),
        np.full(n, two_sided),
    )


def make_globe(u: Array, v: Array) -> tuple[Array, Array]:
    """Polar angle (0 at the top) and unit vectors, y up."""
    polar = np.pi * v
    direction = np.stack([np.sin(polar) * np.cos(u), np.cos(polar), np.sin(polar) * np.sin(u)], axis=-1)
    return polar, direction


def make_tube(path: Array, radius: Array, around: int, section: Callable[[Array], Array] | None = None) -> Array:
    """Positions (along, around, 3) of a tube with the given radius along a path (along, 3)."""
    step: Array = np.asarray(np.gradient(path, axis=0)).astype(np.float64)
    tangent = step / np.sqrt(dot(step, step))[:, None]
    side = np.cross(tangent, np.array([0.0, 0.0, 1.0]))
    side = side / np.sqrt((side**2).sum(axis=1))[:, None]
    up: Array = np.cross(side, tangent)
    u: Array = np.arange(around, dtype=np.float64) * (2.0 * np.pi / around)
    shape = np.ones(around) if section is None else section(u)
    ring = side[:, None] * np.cos(u)[None, :, None] + up[:, None] * np.sin(u)[None, :, None]
    tube: Array = path[:, None] + ring * (radius[:, None] * shape)[..., None]
    return tube


def scatter(
    rng: np.random.Generator, u: Array, v: Array, girth: Array, *, length: float, spacing: float, jitter: float
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


def make_turn(yaw: float, pitch: float, roll: float) -> Array:
    """Rotation: first about the vertical, then towards the camera, then in the picture's plane."""
    cy, sy, cp, sp, cr, sr = (float(f(a)) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turn: Array = about_z @ about_x @ about_y
    return turn


def make_stem(
    rng: np.random.Generator, foot: Array, length: float, thickness: float, bend: float, young: str, old: str
) -> Cloud:
    """A woody stalk that leaves ``foot`` upwards and bends to the side."""
    t = np.linspace(0.0, 1.0, max(40, int(length * 170)))
    path = foot + np.stack([bend * t**2, length * t, 0.3 * bend * t**3], axis=1)
    radius = thickness * (1.0 + 0.5 * (1 - t) ** 4 + 0.7 * smoothstep(0.9, 1.0, t))
    radius[-4:] *= np.linspace(1.0, 0.15, 4)
    position = make_tube(path, radius, 48)
    grain = Noise(rng)(position * np.array([1.0, 0.25, 1.0]), 40.0)
    share = np.clip(np.broadcast_to(t[:, None], grain.shape) * 0.9 + 0.25 * grain, 0, 1)
    return close_surface(position, mix(read_rgb(young), read_rgb(old), share), 0.08)


def make_leaf(
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
    return make_sheet(position, mix(read_rgb(colours[0]), read_rgb(colours[1]), np.clip(vein, 0, 1)), gloss)
