"""Names beside points on a map, placed so that none covers a point or another name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.patheffects import withStroke

from seisloom.plot.style import INK, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

Array = npt.NDArray[np.float64]
# Right and left first, as cartographers do, then above and below, then the diagonals.
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.75, 0.75), (0.75, -0.75), (-0.75, 0.75), (-0.75, -0.75))
DISTANCES_PT = (6.0, 13.0, 22.0)
MARKER_PT = 3.5
LOOK: dict[str, Any] = {
    "textcoords": "offset points",
    "ha": "center",
    "va": "center",
    "fontsize": SMALL,
    "color": INK,
    "zorder": 6,
    "path_effects": [withStroke(linewidth=1.8, foreground="white", alpha=0.8)],
}
LEADER = {"arrowstyle": "-", "lw": 0.4, "color": INK, "shrinkA": 0.0, "shrinkB": MARKER_PT}


def place_labels(
    ax: Axes, x: npt.ArrayLike, y: npt.ArrayLike, texts: Sequence[str], obstacles: Sequence[Bbox] = ()
) -> list[str]:
    """Write each text beside its point (data coordinates); returns those for which there was no room.

    The layout of the figure must be final. ``obstacles`` are boxes in pixels to keep clear of. Crowded points choose
    first; a name that stands away from its point is joined to it by a line.
    """
    pixel = ax.figure.dpi / 72.0
    where = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    points = ax.transData.transform(where)
    frame = np.array(ax.get_window_extent().padded(-2 * pixel).extents)
    taken = np.column_stack([points - MARKER_PT * pixel, points + MARKER_PT * pixel])
    taken = np.concatenate([taken, *(np.array([box.padded(3 * pixel).extents]) for box in obstacles)])
    left_out = []
    for k in _crowded_first(points):
        note = ax.annotate(texts[k], where[k], (0.0, 0.0), **LOOK)
        size = np.array(note.get_window_extent().size)
        note.remove()
        place = _free_place(points[k], size, pixel, frame, taken)
        if place is None:
            left_out.append(texts[k])
            continue
        centre, away = place
        taken = np.concatenate([taken, _box(centre, size)[None]])
        ax.annotate(texts[k], where[k], (centre - points[k]) / pixel, arrowprops=LEADER if away else None, **LOOK)
    return left_out


def _free_place(point: Array, size: Array, pixel: float, frame: Array, taken: Array) -> tuple[Array, bool] | None:
    """Centre of a text of this size near the point, and whether it is away from it; None where all is taken."""
    for radius in DISTANCES_PT:
        for direction in DIRECTIONS:
            centre = point + np.array(direction) * (radius * pixel + size / 2)
            box = _box(centre, size)
            inside = (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()
            covered = ((box[:2] < taken[:, 2:]) & (box[2:] > taken[:, :2])).all(axis=1).any()
            if inside and not covered:
                return centre, radius > DISTANCES_PT[0]
    return None


def _box(centre: Array, size: Array) -> Array:
    return np.concatenate([centre - size / 2, centre + size / 2])


def _crowded_first(points: Array) -> npt.NDArray[np.int64]:
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(gaps, np.inf)
    return np.argsort(gaps.min(axis=1), kind="stable")
