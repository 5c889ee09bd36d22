"""Names beside points on a map, placed so that none covers a point or another name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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


def place_labels(
    ax: Axes, x: npt.ArrayLike, y: npt.ArrayLike, texts: Sequence[str], obstacles: Sequence[Bbox] = ()
) -> list[str]:
    """Write each text beside its point (data coordinates); returns those for which there was no room.

    The layout of the figure must be final. ``obstacles`` are boxes in pixels to keep clear of. Crowded points choose
    first; a name that stands away from its point is joined to it by a line.
    """
    scale = ax.figure.dpi / 72.0
    points = ax.transData.transform(np.column_stack([x, y]))
    frame = ax.get_window_extent().padded(-2 * scale)
    taken = np.array([b.padded(3 * scale).extents for b in obstacles], float).reshape(-1, 4)
    markers = np.column_stack([points - 3.5 * scale, points + 3.5 * scale])
    taken = np.concatenate([taken, markers])
    left_out = []
    for k in _crowded_first(points):
        note = ax.annotate(texts[k], (np.ravel(x)[k], np.ravel(y)[k]), fontsize=SMALL, color=INK, zorder=6)
        size = note.get_window_extent().size
        note.remove()
        for radius, centre in _candidates(points[k], size, scale):
            box = np.concatenate([centre - size / 2, centre + size / 2])
            if _inside(box, frame.extents) and not _overlaps(box, taken):
                break
        else:
            left_out.append(texts[k])
            continue
        taken = np.concatenate([taken, box[None]])
        leader = {"arrowstyle": "-", "lw": 0.4, "color": INK, "shrinkA": 0.0, "shrinkB": 3.0}
        ax.annotate(
            texts[k],
            (np.ravel(x)[k], np.ravel(y)[k]),
            (centre - points[k]) / scale,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SMALL,
            color=INK,
            zorder=6,
            path_effects=[withStroke(linewidth=1.8, foreground="white", alpha=0.8)],
            arrowprops=leader if radius > DISTANCES_PT[0] else None,
        )
    return left_out


def _candidates(point: Array, size: Array, scale: float) -> list[tuple[float, Array]]:
    """(distance in points, centre of the text in pixels), best first."""
    return [
        (radius, point + np.array(d) * (radius * scale + size / 2))
        for radius in DISTANCES_PT
        for d in DIRECTIONS
    ]


def _crowded_first(points: Array) -> npt.NDArray[np.int64]:
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(gaps, np.inf)
    return np.argsort(gaps.min(axis=1), kind="stable") if len(points) > 1 else np.arange(len(points))


def _inside(box: Array, frame: Array) -> bool:
    return bool((box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all())


def _overlaps(box: Array, others: Array) -> bool:
    return bool(((box[:2] < others[:, 2:]) & (box[2:] > others[:, :2])).all(axis=1).any())
