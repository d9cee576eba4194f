"""A fruit in front of the camera: turned, put into perspective, lit and seen through a depth buffer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sample.clouds import Array, Cloud, dot, smoothstep

SIZE = 100
"""Width and height of a picture, in pixels."""
OVERSAMPLING = 2
_KEY = np.array([-0.50, 0.66, 0.56]) / np.linalg.norm([-0.50, 0.66, 0.56])
CAMERA_DISTANCE = 7.0


class Model:
    """A grown fruit: its cloud, and by coordinate what every view needs of all its points."""

    def __init__(self, fruit: Cloud) -> None:
        self.fruit = fruit
        self.planes = np.ascontiguousarray(fruit.position.T)
        self.normals = np.ascontiguousarray(fruit.normal.T)
        self.bulge = dot(fruit.position, fruit.normal)
        self.reach = float(np.sqrt(dot(fruit.position, fruit.position).max()))


# Products of vectors without BLAS, whose last bits differ between processors.
def _project_on(planes: Array, axis: Array) -> Array:
    along: Array = planes[0] * axis[0] + planes[1] * axis[1] + planes[2] * axis[2]
    return along


def _turn_planes(planes: Array, turn: Array) -> tuple[Array, Array, Array]:
    return _project_on(planes, turn[0]), _project_on(planes, turn[1]), _project_on(planes, turn[2])


def _fill_depth_buffer(x: Array, y: Array, depth: Array, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels (flat index) that any point falls on, and for each the nearest point. Larger depth is nearer."""
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    inside = np.flatnonzero((column >= 0) & (column < side) & (row >= 0) & (row < side))
    low, high = float(depth.min()), float(depth.max())
    near = ((depth[inside] - low) * ((2**20 - 1) / max(high - low, 1e-9))).astype(np.int64)
    # Pixel, depth and point in one whole number: sorting it has no ties, hence one result on every machine.
    key = np.sort((((row[inside] * side + column[inside]) << 20 | near) << 21) | inside)
    last = np.append(np.flatnonzero(np.diff(key >> 41)), key.size - 1)
    return key[last] >> 41, key[last] & (2**21 - 1)


def _cast_shadow(planes: Array, scale: float) -> Array:
    """Share of the key light that reaches each point (0 to 1), from a depth buffer seen from the light."""
    right = np.array([_KEY[2], 0.0, -_KEY[0]]) / np.hypot(_KEY[0], _KEY[2])
    across, down, depth = _turn_planes(planes, np.stack([right, np.cross(_KEY, right), _KEY]))
    side = 96
    across, down = (v / scale * (side / 2 - 2) + side / 2 for v in (across, down))
    pixel, point = _fill_depth_buffer(across, down, depth, side)
    nearest = np.full((side, side), -1e9)
    nearest.flat[pixel] = depth[point]
    column, row = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
    light = np.zeros(planes.shape[1])
    for dx, dy in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)):
        blocker = nearest[np.clip(row + dy, 0, side - 1), np.clip(column + dx, 0, side - 1)]
        light += smoothstep(0.22, 0.10, (blocker - depth) / scale)
    return light / 5.0


@dataclass(frozen=True)
class _View:
    """A turned fruit in front of the camera: coordinates of all its points (n,), and where they fall in the picture."""

    x: Array
    y: Array
    z: Array
    distance: float
    column: Array
    row: Array


def take_photograph(model: Model, turn: Array, rng: np.random.Generator) -> Image.Image:
    """Take one picture of a fruit turned by ``turn``."""
    side = SIZE * OVERSAMPLING
    view = _project(model, turn, side)
    pixel, point = _find_visible(model, turn, view, side)
    radiance = _light(model, turn, view, point)
    canvas = np.ones((side * side, 3))
    filled = np.zeros(side * side, dtype=bool)
    canvas[pixel] = np.clip(radiance * rng.uniform(0.93, 1.07), 0.0, 1.0)
    filled[pixel] = True
    # Whatever has a point of the far side behind it is fruit, even if no point of the near side fell there.
    silhouette = np.zeros((side, side), dtype=bool)
    silhouette[view.row.astype(np.int64), view.column.astype(np.int64)] = True
    canvas, filled = _close_gaps(canvas.reshape(side, side, 3), filled.reshape(side, side), silhouette)
    return _develop(canvas, filled, rng)


def _project(model: Model, turn: Array, side: int) -> _View:
    """Turn a fruit, and put it into perspective in the middle of a picture of ``side`` pixels."""
    distance = CAMERA_DISTANCE * model.reach
    x, y, z = _turn_planes(model.planes, turn)
    nearness = distance / (distance - z)
    across, up = x * nearness, y * nearness
    left, right, bottom, top = across.min(), across.max(), up.min(), up.max()
    zoom = side * 0.95 / max(right - left, top - bottom, 1.30 * model.reach)
    column = (across - (left + right) / 2) * zoom + side / 2
    row = side / 2 - (up - (bottom + top) / 2) * zoom
    return _View(x, y, z, distance, column, row)


def _find_visible(model: Model, turn: Array, view: _View, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels (flat index) that show the fruit, and for each the point that it shows."""
    # How far a point's skin faces the camera, times its distance; n·p does not change as the fruit turns.
    normal_z = _project_on(model.normals, turn[2])
    is_facing = normal_z * view.distance - model.bulge > -0.25 * view.distance
    visible = np.flatnonzero(is_facing | model.fruit.two_sided)
    pixel, point = _fill_depth_buffer(view.column[visible], view.row[visible], view.z[visible], side)
    return pixel, visible[point]


def _light(model: Model, turn: Array, view: _View, point: NDArray[np.int64]) -> Array:
    """Linear light (n, 3) that some points send to the camera: the key light with its shadow, the sky, and gloss."""
    fruit, x, y, z = model.fruit, view.x, view.y, view.z
    towards = np.stack([-x[point], -y[point], view.distance - z[point]], axis=1)
    towards /= np.sqrt(dot(towards, towards))[:, None]
    n = np.stack(_turn_planes(model.normals[:, point], turn), axis=1)
    facing = dot(n, towards)
    n *= np.where(fruit.two_sided[point] & (facing < 0), -1.0, 1.0)[:, None]

    every = 4
    light = _cast_shadow(np.stack([x[::every], y[::every], z[::every]]), model.reach * 1.05)
    lit = light[np.minimum(point // every, len(light) - 1)]
    diffuse = np.clip((_project_on(n.T, _KEY) + 0.18) / 1.18, 0.0, None) * (0.25 + 0.75 * lit)
    sky = 0.5 + 0.5 * n[:, 1]
    rim = (1.0 - np.clip(np.abs(facing), 0, 1)) ** 3
    ambient = (0.30 + 0.16 * sky + 0.10 * (1 - sky)) * (1 - 0.45 * rim)
    radiance: Array = fruit.colour[point] * (
        diffuse[:, None] * np.array([1.02, 0.98, 0.92]) + ambient[:, None] * np.array([0.94, 0.98, 1.06])
    )
    half = _KEY + towards
    glint = np.clip(dot(n, half) / np.sqrt(dot(half, half)), 0, 1)
    gloss = fruit.gloss[point]
    mirror = (0.55 * glint**70 + 0.16 * glint**14) * gloss * (0.2 + 0.8 * lit)
    radiance += (mirror + 0.05 * gloss * rim)[:, None]
    return radiance


def _develop(canvas: Array, filled: NDArray[np.bool_], rng: np.random.Generator) -> Image.Image:
    """Average the subpixels, turn linear light into sRGB, and add the sensor's noise where the fruit is."""
    tiles = (SIZE, OVERSAMPLING, SIZE, OVERSAMPLING)
    blocks = canvas.reshape(*tiles, 3).mean(axis=(1, 3))
    covered = filled.reshape(tiles).mean(axis=(1, 3))
    picture = blocks ** (1 / 2.2) * 255.0
    picture += rng.normal(0.0, 1.6, picture.shape) * covered[..., None]
    return Image.fromarray(np.clip(np.round(picture), 0, 255).astype(np.uint8))


def _close_gaps(
    canvas: Array, filled: NDArray[np.bool_], silhouette: NDArray[np.bool_]
) -> tuple[Array, NDArray[np.bool_]]:
    """Fill empty subpixels between points, where the cloud is thin, from those around them."""
    for _ in range(4):
        around = np.zeros(filled.shape, dtype=np.int64)
        total = np.zeros(canvas.shape)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                neighbour = np.roll(filled, (down, right), axis=(0, 1))
                around += neighbour
                total += np.roll(canvas, (down, right), axis=(0, 1)) * neighbour[..., None]
        hole = ~filled & ((around >= 5) | (silhouette & (around >= 2)))
        if not hole.any():
            break
        canvas = np.where(hole[..., None], total / np.maximum(around, 1)[..., None], canvas)
        filled = filled | hole
    return canvas, filled
