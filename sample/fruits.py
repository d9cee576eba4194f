"""The eight fruits: how each grows, and how it stands before it is turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sample.clouds import (
    GOLDEN_TURN,
    Array,
    Cloud,
    Noise,
    close_surface,
    make_globe,
    make_grid,
    make_leaf,
    make_stem,
    make_tube,
    mix,
    read_rgb,
    scatter,
    smoothstep,
)


def _grow_orange(rng: np.random.Generator) -> Cloud:
    noise = Noise(rng)
    u, v = make_grid(620, 310)
    polar, n = make_globe(u, v)
    across, down, lot = scatter(rng, u, v, np.sin(polar[:, 0]), length=np.pi, spacing=0.075, jitter=0.28)
    pores = np.exp(-(across**2 + down**2) / (0.011 + 0.011 * lot) ** 2)
    swell = noise(n, 1.6) + 0.15 * noise(n, 11.0)
    radius = 1.0 + 0.018 * swell - 0.010 * pores - 0.07 * np.exp(-((polar / 0.16) ** 2))
    radius -= 0.045 * np.exp(-(((np.pi - polar) / 0.12) ** 2))
    position = n * radius[..., None] * np.array([1.0, rng.uniform(0.91, 0.97), 1.0])
    ripe = np.clip(0.5 + 0.6 * noise(n, 2.3, 3), 0, 1)
    colour = mix(read_rgb("#ee7600"), read_rgb("#fb9a14"), ripe)
    colour = colour * (1.0 - 0.22 * pores)[..., None]
    colour = mix(colour, read_rgb("#c9a227"), 0.8 * np.exp(-((polar / 0.2) ** 2)))
    scar = smoothstep(0.10, 0.05, np.pi - polar + 0.02 * noise(n, 9.0))
    colour = mix(colour, read_rgb("#6b4a1a"), 0.8 * scar)
    body = close_surface(position, colour, 0.30)
    star = 0.075 * (1.0 + 0.18 * np.cos(5.0 * np.linspace(0, 2 * np.pi, 48, endpoint=False)))
    t = np.linspace(0.0, 1.0, 26)
    path = np.stack([0 * t, 0.86 + 0.05 * t, 0 * t], axis=1)
    cap = make_tube(path, np.sqrt(np.clip(1 - t**3, 0, 1)) + 1e-3, 48, lambda _: star)
    return Cloud.join([body, close_surface(cap, read_rgb("#6f7a2c"), 0.05)])


def _grow_lemon(rng: np.random.Generator) -> Cloud:
    noise = Noise(rng)
    u, v = make_grid(580, 360)
    polar, n = make_globe(u, v)
    across, down, lot = scatter(rng, u, v, np.sin(polar[:, 0]), length=np.pi, spacing=0.11, jitter=0.28)
    pores = np.exp(-(across**2 + 1.4 * down**2) / (0.013 + 0.022 * lot) ** 2)
    nipple = 0.25 * np.exp(-((polar / 0.20) ** 2)) + 0.06 * np.exp(-((polar / 0.42) ** 2))
    neck = 0.11 * np.exp(-(((np.pi - polar) / 0.25) ** 2))
    radius = 1.0 + 0.022 * noise(n, 1.8, 2) - 0.013 * pores + 0.004 * noise(n, 9.0) + nipple + neck
    radius -= 0.05 * np.exp(-((polar / 0.05) ** 2)) + 0.07 * np.exp(-(((np.pi - polar) / 0.09) ** 2))
    position = n * radius[..., None] * np.array([0.78, rng.uniform(0.98, 1.06), 0.78])
    ripe = np.clip(0.55 + 0.7 * noise(n, 2.0, 3), 0, 1)
    colour = mix(read_rgb("#f2c40f"), read_rgb("#ffe135"), ripe) * (1.0 - 0.2 * pores)[..., None]
    green = np.exp(-(((np.pi - polar) / 0.4) ** 2)) + 0.5 * np.exp(-((polar / 0.2) ** 2))
    colour = mix(colour, read_rgb("#b4bd2a"), 0.55 * np.clip(green, 0, 1))
    colour = mix(colour, read_rgb("#5d4a1d"), 0.85 * smoothstep(0.09, 0.05, np.pi - polar))
    return close_surface(position, colour, 0.38)


def _grow_green_apple(rng: np.random.Generator) -> Cloud:
    noise = Noise(rng)
    u, v = make_grid(600, 320)
    polar, n = make_globe(u, v)
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
    colour = mix(read_rgb("#79a92c"), read_rgb("#a8c84a"), shade)
    blush = smoothstep(0.25, 0.9, n[..., 0] + 0.3 * noise(n, 3.0, 2))
    colour = mix(colour, read_rgb("#cbd65a"), 0.5 * blush)
    across, down, lot = scatter(rng, u, v, np.sin(polar[:, 0]), length=np.pi, spacing=0.16, jitter=0.3)
    specks = np.exp(-(across**2 + down**2) / (0.012 + 0.012 * lot) ** 2) * (lot > 0.25)
    colour = mix(colour, read_rgb("#e2ebae"), 0.6 * specks)
    hollow = np.exp(-((polar / 0.27) ** 2))
    colour = mix(colour, read_rgb("#7d7a33"), 0.75 * hollow)
    calyx = np.exp(-(((np.pi - polar) / 0.15) ** 2))
    colour = mix(colour, read_rgb("#3a2c12"), 0.9 * calyx)
    colour = colour * (1.0 - 0.35 * hollow)[..., None]
    foot = np.array([0.0, 0.42, 0.0])
    stem = make_stem(rng, foot, rng.uniform(0.62, 0.78), 0.032, rng.uniform(0.1, 0.28), "#6d7a2b", "#5a3c1c")
    return Cloud.join([close_surface(position, colour, 0.55), stem])


def _grow_strawberry(rng: np.random.Generator) -> Cloud:
    noise = Noise(rng)
    u, v = make_grid(600, 400)
    polar, n = make_globe(u, v)
    long = rng.uniform(1.12, 1.3)
    y = np.cos(polar)
    # A heart: wide shoulders, a blunt tip.
    girth = np.sin(polar) ** 0.86 * (0.68 + 0.24 * smoothstep(-1.0, 0.6, y) + 0.05 * noise(n, 1.3))
    height = np.where(y > 0, y * 0.62 * (1.0 - 0.28 * np.exp(-((polar / 0.5) ** 2))), y * long)
    profile = np.stack([girth * np.cos(u), height, girth * np.sin(u)], axis=-1)
    profile[..., 0] += 0.06 * np.sin(2.0 * profile[..., 1] + 0.5)

    across, down, _ = scatter(rng, u, v, girth[:, 0], length=1.0 + long, spacing=0.205, jitter=0.10)
    near = across**2 / 0.023**2 + down**2 / 0.040**2
    pit = np.exp(-near / 7.0)
    seed = np.exp(-(near**2) / 1.4)
    bare = np.exp(-((polar / 0.33) ** 2))
    # Neither in the shade of the calyx, nor at the very tip, where the rows have no room for them.
    grown = (1 - bare) * smoothstep(0.10, 0.22, girth)
    pit, seed = pit * grown, seed * grown
    position = profile * (1.0 + 0.035 * seed - 0.075 * pit)[..., None]
    red = np.clip(0.5 + 0.6 * noise(n, 2.2, 3), 0, 1)
    colour = mix(read_rgb("#b00c17"), read_rgb("#dc1d27"), red)
    shoulder = smoothstep(0.62, 0.25, polar + 0.12 * noise(n, 5.0))
    colour = mix(colour, read_rgb("#f3b7a0"), 0.75 * shoulder)
    colour = colour * (1.0 - 0.42 * pit)[..., None]
    colour = mix(colour, read_rgb("#eccb62"), np.clip(1.1 * seed, 0, 1))
    parts = [close_surface(position, colour, 0.55 * (1 - seed))]
    crown = np.array([0.03, 0.44, 0.0])
    leaves = int(rng.integers(9, 12))
    for i in range(leaves):
        heading = 2 * np.pi * i / leaves + rng.uniform(-0.2, 0.2)
        parts.append(
            make_leaf(
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
    parts.append(make_stem(rng, crown, rng.uniform(0.35, 0.55), 0.035, rng.uniform(0.1, 0.25), "#6fa03c", "#94b55a"))
    return Cloud.join(parts)


def _grow_pineapple(rng: np.random.Generator) -> Cloud:
    noise = Noise(rng)
    u, v = make_grid(520, 420)
    polar, n = make_globe(u, v)
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
    colour = mix(read_rgb("#a8801f"), read_rgb("#f0a92a"), ripe)
    colour = mix(colour, read_rgb("#7d8a2e"), 0.65 * smoothstep(0.35, 0.95, edge) * (1 - 0.4 * ripe))
    colour = mix(colour, read_rgb("#3a2410"), smoothstep(0.80, 0.98, edge))
    colour = mix(colour, read_rgb("#5b3716"), 0.85 * np.exp(-((centre / 0.17) ** 2)))
    colour = mix(colour, read_rgb("#e9d8a0"), 0.8 * np.exp(-(((fa - fb) / 0.05) ** 2 + ((fa + fb - 0.18) / 0.2) ** 2)))
    parts = [close_surface(position, colour, 0.16)]
    leaves = 52
    for i in range(leaves):
        age = i / (leaves - 1)  # 0: outermost and oldest
        heading = i * GOLDEN_TURN
        ring = 0.30 * (1 - age) ** 0.7
        foot = np.array([ring * np.cos(heading), 0.88 + 0.16 * age, ring * np.sin(heading)])
        start = 0.55 + 0.95 * age + rng.uniform(-0.08, 0.08)
        parts.append(
            make_leaf(
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


def _grow_banana(rng: np.random.Generator) -> Cloud:
    noise = Noise(rng)
    along = 420
    t = (np.arange(along) + 0.5) / along
    sweep = rng.uniform(1.75, 2.05)
    # Curvature grows towards the stalk, as it does where the fruit hung from its bunch.
    angle = sweep * (t - 0.5) + 0.28 * smoothstep(0.72, 1.0, t)
    path = np.cumsum(np.stack([np.cos(angle), np.sin(angle), np.zeros(along)], axis=1), axis=0) * (2.3 / along)
    path -= path.mean(axis=0)
    radius = 0.275 * smoothstep(-0.10, 0.24, t) * (1.0 - 0.80 * smoothstep(0.70, 0.90, t))
    radius *= 1.0 + 0.28 * smoothstep(0.955, 0.995, t)
    radius *= np.sqrt(np.clip(t / 0.022, 0.0, 1.0)) * np.sqrt(np.clip((1.0 - t) / 0.004, 0.0, 1.0))
    u = np.arange(300) * (2 * np.pi / 300)

    def five_sided(angle: Array) -> Array:
        flat = np.abs(np.mod(angle / (2 * np.pi) * 5.0 + 0.25, 1.0) - 0.5)
        return 1.0 - 0.034 * np.cos(2 * np.pi * flat) - 0.008 * np.cos(4 * np.pi * flat)

    position = make_tube(path, radius, 300, five_sided)
    position += 0.008 * noise(position, 5.0)[..., None]
    along_t = np.broadcast_to(t[:, None], position.shape[:2])
    ridge = np.exp(-(((np.mod(u / (2 * np.pi) * 5.0 + 0.25, 1.0) - 0.0) ** 2) / 0.004))
    ridge += np.exp(-(((np.mod(u / (2 * np.pi) * 5.0 + 0.25, 1.0) - 1.0) ** 2) / 0.004))
    ripe = np.clip(0.55 + 0.5 * noise(position * np.array([0.7, 1, 1]), 2.5, 3), 0, 1)
    colour = mix(read_rgb("#eebc16"), read_rgb("#ffdc3c"), ripe)
    colour = colour * (1.0 - 0.13 * ridge)[None, :, None]
    colour = mix(colour, read_rgb("#a9b03a"), 0.9 * smoothstep(0.74, 0.93, along_t + 0.03 * noise(position, 6.0)))
    colour = mix(colour, read_rgb("#b9b52f"), 0.6 * smoothstep(0.16, 0.03, along_t))
    spots = smoothstep(0.52, 0.74, noise(position, 12.0)) * smoothstep(-0.2, 0.5, noise(position, 1.9))
    flecks = smoothstep(0.60, 0.75, noise(position * np.array([0.45, 1, 1]), 26.0))
    colour = mix(colour, read_rgb("#6a4312"), np.clip(0.75 * spots + 0.5 * flecks, 0, 0.85))
    colour = mix(colour, read_rgb("#2a1c0d"), smoothstep(0.034, 0.022, along_t + 0.006 * noise(position, 9.0)))
    colour = mix(colour, read_rgb("#4d3a1a"), smoothstep(0.965, 0.985, along_t))
    cut = np.linspace(0.0, 0.02, 20)[:, None] * (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
    rounded = np.sqrt(np.linspace(1.0, 0.0, 20)) * 0.062 + 1e-3
    end = close_surface(make_tube(path[-4] + cut, rounded, 48), read_rgb("#3a2a14"), 0.05)
    return Cloud.join([close_surface(position, colour, 0.22), end])


def _grow_single_cherry(rng: np.random.Generator, side: float, size: float, top: Array) -> list[Cloud]:
    """A cherry and its stalk, which bends to one side and ends in ``top``."""
    noise = Noise(rng)
    u, v = make_grid(380, 200)
    polar, n = make_globe(u, v)
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
    colour = mix(read_rgb("#6d0715"), read_rgb("#b3142a"), deep)
    across, down, lot = scatter(rng, u, v, np.sin(polar[:, 0]), length=np.pi, spacing=0.15, jitter=0.3)
    dots = np.exp(-(across**2 + down**2) / (0.02 + 0.02 * lot) ** 2)
    colour = mix(colour, read_rgb("#d0485a"), 0.25 * dots)
    colour = colour * (1.0 - 0.5 * np.exp(-((polar / 0.25) ** 2)))[..., None]
    foot = centre + np.array([0.0, 0.60 * size, 0.0])
    t = np.linspace(0.0, 1.0, 230)[:, None]
    knee = foot + np.array([0.05 * side, 1.25, 0.0])
    path = (1 - t) ** 2 * foot + 2 * t * (1 - t) * knee + t**2 * top
    thickness = 0.030 + 0.022 * smoothstep(0.12, 0.0, t[:, 0]) + 0.028 * smoothstep(0.93, 1.0, t[:, 0])
    tube = make_tube(path, thickness, 40)
    tint = np.clip(t[:, 0] + 0.4 * noise(path, 6.0), 0, 1)
    stalk = close_surface(tube, mix(read_rgb("#86a33c"), read_rgb("#7a6a2e"), tint)[:, None], 0.15)
    return [close_surface(position, colour, 0.9), stalk]


def _grow_cherry(rng: np.random.Generator) -> Cloud:
    top = np.array([0.12, 2.05, 0.0])
    parts: list[Cloud] = []
    for side, size in ((-1.0, rng.uniform(0.70, 0.76)), (1.0, rng.uniform(0.66, 0.74))):
        parts += _grow_single_cherry(rng, side, size, top)
    knot = make_globe(*make_grid(80, 40))[1] * np.array([0.09, 0.06, 0.07]) + top
    parts.append(close_surface(knot, read_rgb("#6a4a22"), 0.05))
    parts.append(
        make_leaf(
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


def _grow_watermelon(rng: np.random.Generator) -> Cloud:
    noise = Noise(rng)
    u, v = make_grid(600, 310)
    polar, n = make_globe(u, v)
    radius = 1.0 + 0.012 * noise(n, 2.0, 2) - 0.05 * np.exp(-((polar / 0.14) ** 2))
    radius -= 0.03 * np.exp(-(((np.pi - polar) / 0.1) ** 2))
    position = n * radius[..., None] * np.array([0.9, rng.uniform(0.98, 1.12), 0.9])
    stripes = int(rng.integers(10, 13))
    wobble = 0.85 * noise(n, 4.0, 2) * np.sin(polar) + 0.45 * noise(n, 13.0)
    wave = np.cos(stripes * u + 1.5 * wobble)
    dark = smoothstep(-0.35, 0.25, wave + 0.35 * noise(n, 16.0, 2))
    colour = mix(read_rgb("#8fb554"), read_rgb("#1c5a26"), dark)
    veins = smoothstep(0.15, 0.0, np.abs(noise(n, 9.0, 2)))
    colour = mix(colour, read_rgb("#3f8038"), 0.55 * veins * (1 - dark))
    colour = colour * (1.0 + 0.18 * noise(n, 3.0, 2))[..., None]
    colour = mix(colour, read_rgb("#b9b768"), 0.8 * np.exp(-((polar / 0.13) ** 2)))
    colour = mix(colour, read_rgb("#8a7a4a"), 0.9 * smoothstep(0.09, 0.06, np.pi - polar))
    foot = np.array([0.0, position[0, 0, 1] - 0.03, 0.0])
    stem = make_stem(rng, foot, rng.uniform(0.22, 0.32), 0.045, rng.uniform(0.12, 0.25), "#7d8f3c", "#7a6534")
    return Cloud.join([close_surface(position, colour, 0.42), stem])


@dataclass(frozen=True)
class Pose:
    """How a fruit stands before it is turned (radians), and how far it leans between views."""

    pitch: float = 0.25
    roll: float = 0.0
    lean: float = 0.35
    sway: float = 0.15


@dataclass(frozen=True)
class Fruit:
    grow: Callable[[np.random.Generator], Cloud]
    pose: Pose


FRUITS: dict[str, Fruit] = {
    "Banana": Fruit(_grow_banana, Pose(pitch=0.2, lean=0.4, sway=0.35)),
    "Cherry": Fruit(_grow_cherry, Pose(pitch=0.15, lean=0.25, sway=0.15)),
    "Green Apple": Fruit(_grow_green_apple, Pose(pitch=0.35, lean=0.4, sway=0.2)),
    "Lemon": Fruit(_grow_lemon, Pose(pitch=0.1, roll=-1.2, lean=0.5, sway=0.45)),
    "Orange": Fruit(_grow_orange, Pose(pitch=0.35, lean=0.9, sway=0.5)),
    "Pineapple": Fruit(_grow_pineapple, Pose(pitch=0.15, lean=0.35, sway=0.3)),
    "Strawberry": Fruit(_grow_strawberry, Pose(pitch=0.2, lean=0.4, sway=0.35)),
    "Watermelon": Fruit(_grow_watermelon, Pose(pitch=0.1, roll=-1.15, lean=0.5, sway=0.4)),
}
