"""Instrument responses: looked up by channel and time, evaluated once, interpolated onto any frequencies.

ObsPy's ``remove_response`` evaluates the response at every Fourier frequency of a trace, which takes nearly
all of its time. Responses are smooth: complex values at 1000 log-spaced frequencies a decade, joined by straight lines,
are within 1e-5 of the direct evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.noise.evalresp import evaluate_response

if TYPE_CHECKING:
    from obspy import Inventory

FAR_PAST, FAR_FUTURE = -(2**62), 2**62
POINTS_PER_DECADE = 1000
# Relative error of the lines between the points, and how often an interval may be halved for it.
TOLERANCE, MOST_HALVINGS = 1e-5, 12


@dataclass
class Epoch:
    """A stretch of time in which a channel has one response (``response`` None where metadata have none)."""

    start_ns: int
    end_ns: int
    response: Any
    latitude: float = np.nan
    longitude: float = np.nan
    elevation_m: float = np.nan
    azimuth_deg: float = np.nan
    dip_deg: float = np.nan
    _curves: dict[tuple[str, float, float], tuple[npt.NDArray, ...]] = field(default_factory=dict, repr=False)

    def evaluate(self, frequencies: npt.NDArray[np.floating], output: str) -> npt.NDArray[np.complex128]:
        """Response in counts per m, m/s or m/s² (output DISP, VEL, ACC) at positive, ascending frequencies in Hz.

        Raises InputError where the metadata hold no usable response.
        """
        low, high = float(frequencies[0]), float(frequencies[-1])
        key = (output, low, high)
        if key not in self._curves:
            self._curves[key] = sample_curve(self.response, low, high, output)
        nodes, values = self._curves[key]
        return np.interp(np.log(frequencies), nodes, values)


def sample_curve(response: Any, low: float, high: float, output: str) -> tuple[npt.NDArray, ...]:
    """Log frequency and value of an ObsPy Response at log-spaced frequencies between two, in Hz.

    Intervals are halved until a straight line across each holds to TOLERANCE: the flank of an anti-alias filter and the
    corners of a response list need closer points than the sensor does.
    """
    n = max(2, int(np.ceil(np.log10(high / low) * POINTS_PER_DECADE / 2)) + 1)
    x = np.linspace(np.log(low), np.log(high), n)
    values = evaluate_response(response, np.exp(x), output)
    ends = np.stack([x[:-1] + 0j, x[1:], values[:-1], values[1:]])
    for _ in range(MOST_HALVINGS):
        middle = ends[:2].real.mean(axis=0)
        found = evaluate_response(response, np.exp(middle), output)
        x, values = np.concatenate([x, middle]), np.concatenate([values, found])
        # Where the line misses the middle by this much, those across the two halves miss by a quarter of it.
        wrong = np.abs(found - ends[2:].mean(axis=0)) > 4 * TOLERANCE * np.abs(found)
        if not wrong.any():
            break
        (a, b, at_a, at_b), m, at_m = ends[:, wrong], middle[wrong], found[wrong]
        ends = np.hstack([[a, m, at_a, at_m], [m, b, at_m, at_b]])
    if not np.all(np.isfinite(values)) or not np.all(values != 0):
        raise InputError(f"its instrument response is zero or not finite between {low:g} and {high:g} Hz")
    order = np.argsort(x)
    return x[order], values[order]


class Responses:
    """Epochs of every channel of an inventory, found by channel id."""

    def __init__(self, inventory: Inventory | None = None) -> None:
        self._epochs: dict[str, list[Epoch]] = {}
        for network in inventory or ():
            for station in network:
                for channel in station:
                    code = f"{network.code}.{station.code}.{channel.location_code or ''}.{channel.code}"
                    self._epochs.setdefault(code, []).append(_epoch(channel))
        for epochs in self._epochs.values():
            epochs.sort(key=lambda e: e.start_ns)

    def all_epochs(self, channel_id: str) -> list[Epoch]:
        """Every epoch of a channel, in order of time."""
        return self._epochs.get(channel_id, [])

    def epochs(self, channel_id: str, start_ns: int, end_ns: int) -> list[Epoch]:
        """The epochs of a channel that overlap [start, end), in order of time; of two that overlap the later wins."""
        held = [e for e in self._epochs.get(channel_id, []) if e.start_ns < end_ns and e.end_ns > start_ns]
        ended = [replace(e, end_ns=min(e.end_ns, after.start_ns)) for e, after in pairwise(held)]
        return [e for e in ended if e.end_ns > max(e.start_ns, start_ns)] + held[-1:]


def _epoch(channel: Any) -> Epoch:
    place = [getattr(channel, name) for name in ("latitude", "longitude", "elevation", "azimuth", "dip")]
    latitude, longitude, elevation, azimuth, dip = (np.nan if v is None else float(v) for v in place)
    return Epoch(
        channel.start_date.ns if channel.start_date else FAR_PAST,
        channel.end_date.ns if channel.end_date else FAR_FUTURE,
        channel.response,
        latitude,
        longitude,
        elevation,
        azimuth,
        dip,
    )


def read_inventories(path: str | Path) -> Inventory:
    """One Inventory from a StationXML (or other metadata) file, or from all ``*.xml`` below a directory."""
    from obspy import Inventory, read_inventory

    path = Path(path).expanduser()
    files = sorted(path.rglob("*.xml")) if path.is_dir() else [path]
    if not files or not path.exists():
        raise InputError(f"{path}: no StationXML file there (a file, or a directory with *.xml, is expected)")
    merged = Inventory(networks=[], source="seisloom")
    for file in files:
        try:
            # Naming the usual format spares trying all others; networks are only collected, not merged.
            known = "STATIONXML" if b"<FDSNStationXML" in file.read_bytes()[:4096] else None
            merged.networks += read_inventory(str(file), format=known).networks
        except Exception as error:  # ObsPy raises many kinds for files that are not metadata
            raise InputError(f"{file}: not readable as station metadata: {error}") from error
    return merged
