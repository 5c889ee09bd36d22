"""What an association has learned of picks and stations, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seisloom.associate.judged import Judged
from seisloom.associate.trust import DAY_S
from seisloom.traveltime import PHASES

_HARDLY = 1e-3  # false events a day


def learned(judged: Judged, station_ids: Sequence[str]) -> dict[str, Any]:
    """Numbers in s, km and shares; by station the delays and shares of detection, of those that have picks."""
    model = judged.model
    stations = {
        name: {
            "delay_s": {p: round(float(model.delay_s[2 * s + k]), 3) for k, p in enumerate(PHASES)},
            "sensitivity": round(float(model.sensitivity[s]), 3),
            "detection": {p: round(float(model.detection[2 * s + k]), 3) for k, p in enumerate(PHASES)},
        }
        for s, name in enumerate(station_ids)
        if model.detection[2 * s] > 0 or model.detection[2 * s + 1] > 0
    }
    return {
        "sigma_s": {p: round(float(model.sigma_s[k]), 4) for k, p in enumerate(PHASES)},
        "model_error": round(model.model_error, 5),
        "outlier_share": round(judged.known.outlier_share, 4),
        "wrong_label_share": round(model.wrong_label, 4),
        "falloff": judged.known.falloff,
        "falloff_by_logarithm": judged.known.by_logarithm,
        "seismicity": {
            "events": judged.known.clear_events,
            "most": float(f"{np.exp(model.seismicity.max()):.3g}"),
            "least": float(f"{np.exp(model.seismicity.min()):.3g}"),
        },
        "silent_stations": [name for s, name in enumerate(station_ids) if not model.detection[2 * s : 2 * s + 2].any()],
        "grid_spacing_km": round(judged.spacing_km, 2),
        "needed_evidence": round(judged.needed.evidence, 2),
        "false_events_per_day_above_needed": round(DAY_S * judged.falsehood.rate_above(judged.needed.evidence), 4),
        "mixtures_per_day_above_needed": round(DAY_S * judged.mixtures.rate_above(judged.needed.evidence), 4),
        "stations": stations,
    }


def in_words(found: dict[str, Any]) -> list[str]:
    """Lines of a report."""
    sigma = found["sigma_s"]
    silent = found["silent_stations"]
    places = found["seismicity"]
    lines = [
        f"learned from the picks: errors P {sigma['P']:.2f} s, S {sigma['S']:.2f} s and {100 * found['model_error']:.1f} % of "
        f"the travel time; {100 * found['outlier_share']:.0f} % outliers, {100 * found['wrong_label_share']:.1f} % wrong labels"
    ]
    if places["events"]:
        lines.append(
            f"{places['events']} clear events show where events are usual: {_two_digits(places['most'] / places['least'])} times "
            "as often in the densest place as in the emptiest"
        )
    lines.append(
        f"an event needs an evidence of {found['needed_evidence']:.1f} (log likelihood ratio): "
        f"{false_events(found['false_events_per_day_above_needed'])}"
    )
    if silent:
        named = ", ".join(silent[:10]) + (f" and {len(silent) - 10} more" if len(silent) > 10 else "")
        many = (
            f"{len(silent)} stations have no picks, and count"
            if len(silent) > 1
            else "1 station has no picks, and counts"
        )
        lines.append(f"{many} for nothing: {named}")
    return lines


def false_events(a_day: float) -> str:
    """How many false events are expected, as a clause."""
    if a_day < _HARDLY:
        return "hardly any false event is expected"
    if round(a_day, 1) == 1.0:
        return "1 false event a day is expected"
    if a_day < 1.0:
        return f"1 false event in {_two_digits(1.0 / a_day)} days is expected"
    return f"{_two_digits(a_day)} false events a day are expected"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.1e}'):g}"
