"""GaMMA's settings for the networks of the benchmark, after its notebooks; ``--tune`` tries a grid around them.

From the notebooks: the Bayesian mixture, begun with five events for each pick of the busiest station and phase; DBSCAN with
GaMMA's own estimate of the radius (``eps_times`` = 1) and three picks about a core; a 1-D model through its eikonal solver;
no least counts of P and S. Amplitudes are not used: the picks have none. Radius, largest residual and least count of picks
of volcano, valley, hills and coast are the best of the grid at 100 events an hour with 100 % noise, on streams of another
seed; other networks have those of the most similar one, as GaMMA needs hours for the grid on them.
"""

from __future__ import annotations

from typing import Any

from benchmarks.pyocto_settings import N_MIN_PICKS

COUNTED = "min_picks_per_eq"
"""The setting that is the fewest picks of an event."""
_BASE: dict[str, Any] = {
    "h_km": 0.5, "eps_times": 1.0, "dbscan_min_samples": 3, "oversample_factor": 5, "min_picks_per_eq": 12, "max_sigma11": 1.0,
}  # fmt: skip
# The prior that GaMMA makes from the spread of a cluster grows beyond reason with it; this is that of its README.
_WIDE = _BASE | {"h_km": 1.0, "covariance_prior": [5.0], "min_picks_per_eq": 16, "max_sigma11": 1.5}
TUNED: dict[str, dict[str, Any]] = {
    "local": _BASE,
    "small": _BASE,
    "sparse": _BASE,
    "dense": _BASE,
    "regional": _WIDE,
    "subduction": _WIDE,
    # Stations are so close that the estimate parts the picks of an event.
    "volcano": _BASE | {"h_km": 0.2, "eps_times": 1.5, "min_picks_per_eq": N_MIN_PICKS, "max_sigma11": 0.75},
    "valley": _BASE,
    "hills": _BASE | {"min_picks_per_eq": 16},
    "coast": _BASE | {"min_picks_per_eq": 16, "max_sigma11": 0.75},
    "basin": _WIDE,
    "nation": _WIDE,
    "trench": _WIDE,
    "italy": _BASE,
}
AS_IT_COMES: dict[str, Any] = {
    "h_km": 1.0, "eps_times": 1.0, "dbscan_min_samples": 3, "oversample_factor": 5, "min_picks_per_eq": 5, "max_sigma11": 2.0,
}  # fmt: skip
"""As in its notebooks."""
GRIDS: tuple[dict[str, tuple[float, ...]], ...] = (
    {"eps_times": (1.0, 1.5)},
    {"max_sigma11": (0.75, 1.0, 1.5, 2.0), "min_picks_per_eq": (1.0, 1.5, 2.0)},
)
"""Tried one after the other, each with the best of the one before; ``min_picks_per_eq`` in units of the fewest of an event."""
