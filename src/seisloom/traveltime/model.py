"""A velocity model that depends on depth only, and its layers as ray tracing takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.traveltime.lookup import PHASES

Array = npt.NDArray[np.float64]
Earth = Literal["flat", "sphere"]
EARTHS = ("flat", "sphere")
EARTH_RADIUS_KM = 6371.0
SPHERE_STEP_KM = 10.0
"""Thickest layer after flattening: taking its velocity as linear is then wrong by less than (10/6371)²/8 = 3e-7."""


class Layers(NamedTuple):
    """Flat layers without gaps from the top down, velocity linear in each; above and below it is that of the ends."""

    top_km: Array
    bottom_km: Array
    v_top: Array
    """km/s"""
    v_bottom: Array
    """km/s"""


@dataclass(frozen=True)
class VelocityModel:
    """P and S velocity (km/s) at knots of depth (km, positive down), linear between them.

    A depth given twice is a discontinuity: first the velocities above it, then those below. Above the first knot
    and below the last the velocities stay as they are there.
    """

    depth_km: Array
    vp_km_s: Array
    vs_km_s: Array
    name: str = "velocity model"

    def __post_init__(self) -> None:
        for field in ("depth_km", "vp_km_s", "vs_km_s"):
            column = np.array(getattr(self, field), float, ndmin=1)
            column.flags.writeable = False
            object.__setattr__(self, field, column)
        shapes = {self.depth_km.shape, self.vp_km_s.shape, self.vs_km_s.shape}
        if len(shapes) > 1 or self.depth_km.ndim != 1 or self.depth_km.size == 0:
            raise InputError(
                f"{self.name}: {self.depth_km.size} depths, {self.vp_km_s.size} P and {self.vs_km_s.size} S velocities; "
                "give three lists of one length, at least one depth"
            )
        fault = first_fault(self.depth_km, self.vp_km_s, self.vs_km_s)
        if fault:
            raise InputError(f"{self.name}, depth {fault[0] + 1}: {fault[1]}")

    @property
    def discontinuities(self) -> Array:
        """Depths (km) at which velocities jump."""
        return self.depth_km[1:][np.diff(self.depth_km) == 0]

    def velocity(self, phase: int | str, depth_km: npt.ArrayLike) -> Array:
        """Velocity (km/s) at depths; at a discontinuity the larger of its two sides."""
        z, v = np.asarray(depth_km, float), self._column(phase)
        first = np.minimum(np.searchsorted(self.depth_km, z, "left"), len(v) - 1)
        last = np.maximum(np.searchsorted(self.depth_km, z, "right") - 1, 0)
        at_knot = np.maximum(v[first], v[last])
        return np.where(self.depth_km[first] == z, at_knot, np.interp(z, self.depth_km, v))

    def layers(self, phase: int | str, top_km: float, bottom_km: float, earth: Earth = "flat") -> Layers:
        """Layers from top to bottom (km), and further to the ends of the model.

        ``earth="sphere"``: depths and velocities after the flattening transform z_f = -R ln(1 - z/R),
        v_f = v R/(R - z) (Müller, 1971), which keeps times along rays; distances are then along the sphere of the datum.
        """
        if earth not in EARTHS:
            raise InputError(f"earth {earth!r}: known are {', '.join(EARTHS)}")
        z, v = self.depth_km, self._column(phase)
        z = np.concatenate([[min(top_km, z[0]) - 1.0], z, [max(bottom_km, z[-1]) + 1.0]])
        v = np.concatenate([v[:1], v, v[-1:]])
        if earth == "sphere":
            z, v = _flatten(z, v)
        thick = np.diff(z) > 0
        return Layers(z[:-1][thick], z[1:][thick], v[:-1][thick], v[1:][thick])

    def _column(self, phase: int | str) -> Array:
        return (self.vp_km_s, self.vs_km_s)[phase_code(phase)]


def first_fault(depth: Array, vp: Array, vs: Array) -> tuple[int, str] | None:
    """Position of the first knot that cannot be so, and why; None where all can."""
    for k, (z, p, s) in enumerate(zip(depth, vp, vs, strict=True)):
        if not (math.isfinite(z) and math.isfinite(p) and math.isfinite(s)):
            return k, f"depth {z:g} km, Vp {p:g}, Vs {s:g} km/s; all must be finite numbers"
        if not p > s > 0:
            return k, f"Vp {p:g} and Vs {s:g} km/s at {z:g} km; Vp > Vs > 0 is needed"
        if k and z < depth[k - 1]:
            return k, f"depth {z:g} km comes after {depth[k - 1]:g} km; depths must not decrease"
        if k > 1 and z == depth[k - 2]:
            return k, f"depth {z:g} km is there three times; a discontinuity has two sides"
    return None


def phase_code(phase: int | str) -> int:
    """0 for P and 1 for S, from either the code or the name."""
    code = PHASES.index(phase) if phase in PHASES else phase
    if code not in (0, 1):
        raise InputError(f"phase {phase!r}: known are P and S (codes 0 and 1)")
    return int(code)


def flat_depth(depth_km: npt.ArrayLike, earth: Earth = "flat") -> Array:
    """Depths (km) after the flattening transform; as they are on a flat Earth."""
    depth = np.asarray(depth_km, float)
    return depth if earth == "flat" else -EARTH_RADIUS_KM * np.log1p(-depth / EARTH_RADIUS_KM)


def _flatten(z: Array, v: Array) -> tuple[Array, Array]:
    """Knots of the flattened model, close enough together that linear velocity between them is exact enough."""
    deepest = 0.9 * EARTH_RADIUS_KM
    parts_z, parts_v = [], []
    for k in range(len(z) - 1):
        if z[k] >= deepest:
            break
        n = max(1, math.ceil((z[k + 1] - z[k]) / SPHERE_STEP_KM))
        parts_z.append(np.linspace(z[k], z[k + 1], n + 1))
        parts_v.append(np.linspace(v[k], v[k + 1], n + 1))
    fine_z, fine_v = np.concatenate(parts_z), np.concatenate(parts_v)
    inside = fine_z <= deepest
    fine_z, fine_v = fine_z[inside], fine_v[inside]
    return flat_depth(fine_z, "sphere"), fine_v * EARTH_RADIUS_KM / (EARTH_RADIUS_KM - fine_z)
