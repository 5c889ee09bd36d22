"""Picks of QuakeML files."""

from __future__ import annotations

import io
import re
from typing import Any

import pandas as pd

from seisloom.errors import InputError
from seisloom.picks.formats import QUAKEML
from seisloom.picks.text import RawPicks

# Pickers write it into a comment: "probability: 0.93", '{"phasenet": {"probability": 0.93}}', "confidence = 0.93".
_PROBABILITY = re.compile(r"\b(?:prob|probability|confidence|score)\b\W{0,4}?(-?[\d.]+(?:e[+-]?\d+)?)", re.IGNORECASE)
_COLUMNS = ["pick_index", "phase", "time", "probability", "network", "station", "amplitude", "amplitude_unit"]


def parse_quakeml(text: str, origin: str) -> RawPicks:
    """Every pick of every event, whether an origin uses it or not, but for those an analyst has rejected.

    The phase is the pick's hint, else that of an arrival that uses it; the probability is taken from comments. Amplitudes in
    m or m/s belong to the pick that they name where that is one of P or S, else to the S at their station, or the P where
    there is no S; of several the largest counts. InputError for what ObsPy cannot read.
    """
    from obspy import read_events

    try:
        catalog = read_events(io.BytesIO(text.encode()))  # also what else ObsPy knows in XML, such as SC3ML
    except Exception as error:  # ObsPy and lxml raise many kinds here; the file is named either way
        raise InputError(f"{origin}: not readable as QuakeML: {error}") from error
    rows, names, n_picks = [], [], 0
    for event in catalog:
        used_as = {arrival.pick_id: arrival.phase for source in event.origins for arrival in source.arrivals}
        largest = _amplitudes(event)
        for pick in event.picks:
            if pick.evaluation_status != "rejected":
                phase = pick.phase_hint or used_as.get(pick.resource_id) or ""
                amplitude = largest.get(str(pick.resource_id), ("", ""))
                rows.append(
                    (str(n_picks), phase, str(pick.time or ""), _probability(pick), *_station(pick), *amplitude)
                )
                names.append(str(pick.resource_id))
            n_picks += 1
    cells = pd.DataFrame(rows, columns=_COLUMNS, dtype=str)
    if not cells["amplitude"].any():
        cells = cells.drop(columns=["amplitude", "amplitude_unit"])
    return RawPicks(QUAKEML, cells, lambda row: f"pick {names[row]}", n_picks - len(rows))


def _amplitudes(event: Any) -> dict[str, tuple[str, str]]:
    """Pick -> its largest amplitude and the unit, as text."""
    # P before S, so that the S of a station has the last word.
    picks = [pick for phase in "PS" for pick in event.picks if (pick.phase_hint or "")[:1].upper() == phase]
    named = {str(pick.resource_id) for pick in picks}
    at_station = {_station(pick): str(pick.resource_id) for pick in picks}
    largest: dict[str, tuple[str, str]] = {}
    for found in sorted(event.amplitudes, key=lambda amplitude: amplitude.generic_amplitude or 0.0):
        told = str(found.pick_id)
        pick_id = told if told in named else at_station.get(_station(found), "")
        if pick_id and found.generic_amplitude is not None and found.unit in ("m", "m/s"):
            largest[pick_id] = (repr(float(found.generic_amplitude)), found.unit)
    return largest


def _station(pick: Any) -> tuple[str, str]:
    stream = pick.waveform_id
    return ((stream.network_code or ""), (stream.station_code or "")) if stream else ("", "")


def _probability(pick: Any) -> str:
    said = [match[1] for comment in pick.comments if (match := _PROBABILITY.search(comment.text or ""))]
    return said[0] if said else "1"
