"""Which channels are correlated with which, and where they lie to one another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError
from seisloom.geo import distance_azimuth
from seisloom.stations import channel_ids

# Horizontal channels named 1 and 2 stand in for N and E.
_ALIKE = str.maketrans("123", "NEZ")
ENDS = {
    "latitude": "latitude_{}",
    "longitude": "longitude_{}",
    "elevation_m": "elevation_{}_m",
    "azimuth_deg": "sensor_azimuth_{}_deg",
    "dip_deg": "sensor_dip_{}_deg",
}


def channel_pairs(channels: pd.DataFrame, settings: CorrelationSettings) -> npt.NDArray[np.int64]:
    """Row numbers (pair, 2) of A and B, A <= B, sorted by A then B.

    ``channels`` has one row a channel, sorted by id. Channels of one station (network and station code) are
    paired only with ``autocorrelations``. Raises InputError where nothing is left.
    """
    a, b = np.triu_indices(len(channels))
    station = pd.factorize(channels["network"] + "." + channels["station"])[0]
    component = channels["channel"].str[-1].str.translate(_ALIKE).to_numpy(str)
    same_station = station[a] == station[b]
    same_component = component[a] == component[b]
    if settings.components == "all":
        keep = np.ones(len(a), bool)
    elif settings.components == "ZZ":
        keep = (component[a] == "Z") & (component[b] == "Z")
    else:
        keep = same_component
    keep &= ~same_station | settings.autocorrelations
    if settings.components != "all":
        keep &= ~same_station | (a == b)
    if settings.min_distance_km > 0 or settings.max_distance_km is not None:
        keep &= _within(channels, a, b, settings) | same_station
    if not keep.any():
        raise InputError(
            f"no pairs left of {len(channels)} channels with components {settings.components!r}, distances from "
            f"{settings.min_distance_km:g} to {settings.max_distance_km or np.inf:g} km and "
            f"autocorrelations {settings.autocorrelations}: two stations with matching components are needed"
        )
    return np.stack([a[keep], b[keep]], axis=1)


def pair_table(channels: pd.DataFrame, pairs: npt.NDArray[np.int64]) -> pd.DataFrame:
    """One row a pair: names, places and sensor orientations of both ends, distance and azimuths."""
    ids = np.array(channel_ids(channels), dtype=object)
    ends = {"a": pairs[:, 0], "b": pairs[:, 1]}
    columns: dict[str, npt.NDArray] = {"pair": ids[ends["a"]] + "_" + ids[ends["b"]]}
    for end, rows in ends.items():
        columns[f"channel_{end}"] = ids[rows]
        for name, written in ENDS.items():
            columns[written.format(end)] = channels[name].to_numpy(float)[rows]
    distance, azimuth, back = distance_azimuth(
        columns["latitude_a"], columns["longitude_a"], columns["latitude_b"], columns["longitude_b"]
    )
    return pd.DataFrame(columns | {"distance_km": distance, "azimuth_deg": azimuth, "back_azimuth_deg": back})


def _within(
    channels: pd.DataFrame, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], settings: CorrelationSettings
) -> npt.NDArray[np.bool_]:
    lat, lon = channels["latitude"].to_numpy(float), channels["longitude"].to_numpy(float)
    if np.isnan(lat).any() or np.isnan(lon).any():
        lost = channel_ids(channels)[int(np.argmax(np.isnan(lat) | np.isnan(lon)))]
        raise InputError(f"distance limits need coordinates, and {lost} has none in the channel list or metadata")
    distance = distance_azimuth(lat[a], lon[a], lat[b], lon[b])[0]
    limit = np.inf if settings.max_distance_km is None else settings.max_distance_km
    return (distance >= settings.min_distance_km) & (distance <= limit)
