"""PyOcto's settings for the networks of the benchmark, after its guide to parameters; ``--tune`` tries grids around them.

Node size after the spacing of the stations, overlap of time blocks after the longest S time, a cut-off where the network is
much wider than events are seen; tolerances and least counts of picks are the best of the grids at 100 events an hour with
100 % noise, on streams of another seed.
"""

from __future__ import annotations

from typing import Any

N_MIN_PICKS = 8
_BASE = {"n_picks": N_MIN_PICKS, "n_p_picks": 3, "n_s_picks": 2, "n_p_and_s_picks": 2, "min_interevent_time": 1.0}
_BASE |= {"tolerance": 0.5, "pick_match_tolerance": 0.75}
# Where most events have dozens of picks, chance ones have fewer.
_MANY = _BASE | {"n_picks": 16, "n_p_and_s_picks": 4}
_SUBDUCTION = {
    "delta_km": 1.0, "time_before": 150, "min_node_size": 10.0, "tolerance": 1.0, "pick_match_tolerance": 1.5,
    "cutoff_km": 250.0,
}  # fmt: skip
TUNED: dict[str, dict[str, Any]] = {
    "local": _BASE | {"delta_km": 0.5, "time_before": 30, "min_node_size": 5.0},
    "small": _BASE | {"delta_km": 0.5, "time_before": 20, "min_node_size": 3.0, "pick_match_tolerance": 1.5},
    "sparse": _BASE | {"delta_km": 1.0, "time_before": 60, "min_node_size": 10.0},
    "dense": _BASE | {"delta_km": 0.5, "time_before": 40, "min_node_size": 5.0, "tolerance": 1.0},
    "regional": _BASE | {"delta_km": 1.0, "time_before": 100, "min_node_size": 8.0, "tolerance": 1.0, "cutoff_km": 180.0},
    "subduction": _BASE | _SUBDUCTION,
    "volcano": _BASE | {"delta_km": 0.2, "time_before": 10, "min_node_size": 2.0},
    "valley": _BASE | {"delta_km": 0.5, "time_before": 25, "min_node_size": 4.0},
    "hills": _MANY | {"delta_km": 0.5, "time_before": 35, "min_node_size": 5.0},
    "coast": _MANY | {"delta_km": 0.5, "time_before": 60, "min_node_size": 6.0},
    "basin": _MANY | {"delta_km": 1.0, "time_before": 80, "min_node_size": 6.0, "cutoff_km": 180.0},
    "nation": _MANY | {"delta_km": 2.0, "time_before": 120, "min_node_size": 15.0, "tolerance": 0.5, "pick_match_tolerance": 1.5, "cutoff_km": 300.0},
    "trench": _MANY | _SUBDUCTION | {"tolerance": 0.5, "pick_match_tolerance": 0.75},
    "italy": {
        "n_picks": N_MIN_PICKS, "n_p_picks": 3, "n_s_picks": 3, "n_p_and_s_picks": 2, "delta_km": 1.0, "time_before": 60,
        "min_node_size": 5.0, "tolerance": 1.0,
    },
}  # fmt: skip
COUNTED = "n_picks"
"""The setting that is the fewest picks of an event."""
AS_IT_COMES: dict[str, Any] = {"delta_km": 1.0, "tolerance": 2.0, "time_before": 300}
"""What has no default, as in the examples of its documentation; everything else is left to its defaults."""
GRIDS: tuple[dict[str, tuple[float, ...]], ...] = (
    {"tolerance": (0.5, 1.0), "pick_match_tolerance": (0.75, 1.5)},
    {"n_picks": (1.0, 1.5, 2.0), "n_p_and_s_picks": (2, 4)},
)
"""Tried one after the other, each with the best of the one before; ``n_picks`` in units of the fewest of an event."""
