"""What association works on: stations, region, travel times and the picks at these stations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from seisloom.associate.dataset import WindowSettings
from seisloom.associate.network import Network
from seisloom.associate.plane import distances_km
from seisloom.associate.windows import Limits, pair_limits
from seisloom.errors import InputError
from seisloom.picks import PickArrays, PickReport, match_stations, pick_arrays
from seisloom.traveltime import PHASES, TravelTimes

# How far travel times are computed at most; farther ones go on with the slowness there.
FARTHEST_KM = 3000.0
# Distances in the plane are good to 0.02 % so far.
_WIDEST_KM = 3000.0


@dataclass(frozen=True)
class Study:
    """Stations, region and travel times."""

    sites: pd.DataFrame
    network: Network
    times: TravelTimes
    _limits: dict[float, Limits] = field(default_factory=dict, repr=False, compare=False)

    def limits(self, windows: WindowSettings) -> Limits:
        """Possible differences of arrival times for windows of these settings; InputError where nothing is possible."""
        distance = windows.max_distance_km
        if distance not in self._limits:
            found = pair_limits(self.network, self.times, distance)
            if np.isnan(found).all():
                raise InputError(
                    f"region: no station is within {distance:g} km of any place in {self.network.region}; move the "
                    "region to the stations, or ask for a larger distance"
                )
            self._limits[distance] = found
        return self._limits[distance]


@dataclass(frozen=True)
class PickSet:
    """The picks at the stations of a network, and what was left out before."""

    table: pd.DataFrame
    """Columns of ``seisloom.picks``, stations named as in the site table."""
    unknown: pd.DataFrame
    """Stations that are not in the site table: station, picks, reason."""
    report: PickReport | None
    network: Network
    held: PickArrays | None = None
    """The same as arrays, where there are any."""

    @cached_property
    def arrays(self) -> PickArrays:
        return pick_arrays(self.table, list(self.network.ids)) if self.held is None else self.held


def pick_set(picks: pd.DataFrame, study: Study) -> PickSet:
    """Picks matched with the stations; InputError when none is left, or one has no time."""
    if timeless := np.count_nonzero(picks["time"].isna()):
        raise InputError(f"{timeless} of {len(picks)} picks have no time (NaT): leave them out")
    table, unknown = match_stations(picks, study.sites)
    return PickSet(table, unknown, picks.attrs.get("report"), study.network)


def check_enough(picks: PickSet, min_picks: int, min_p: int = 0, min_s: int = 0) -> None:
    """InputError where no event can have the picks that it needs: it has one of a station and phase at most."""
    stations = [picks.table.loc[picks.table["phase"] == phase, "station"].nunique() for phase in PHASES]
    check_stations(stations, min_picks, min_p, min_s)


def check_stations(stations: Sequence[int], min_picks: int, min_p: int, min_s: int) -> None:
    """The same for the numbers of stations that have P picks, and S picks."""
    have = {"": sum(stations), **dict(zip(PHASES, stations, strict=True))}
    for phase, least in (("", min_picks), ("P", min_p), ("S", min_s)):
        if have[phase] < least:
            raise InputError(
                f"events of {least} {phase} picks or more are asked for, and no event can have more than "
                f"{have[phase]}, one of each station{'' if phase else ' and phase'} that has any: ask for fewer, or give the picks "
                "of more stations".replace("  ", " ")
            )


def ordered_sites(sites: pd.DataFrame) -> pd.DataFrame:
    """Stations in the order of their names; longitudes go on beyond 180 where stations lie on both sides of it.

    InputError for a station that stands there twice.
    """
    twice = sites["station"][sites["station"].duplicated()].unique()
    if len(twice):
        raise InputError(f"stations: {', '.join(twice[:5])} more than once in the table: give every station one row")
    sites = sites.sort_values("station", kind="stable").reset_index(drop=True)
    longitude = sites["longitude"].to_numpy(float)
    if np.ptp(longitude) <= 180.0:
        return sites
    around = np.sort(longitude % 360.0)
    gaps = np.diff(around, append=around[0] + 360.0)
    west = around[(np.argmax(gaps) + 1) % len(around)]
    return sites.assign(longitude=west + (longitude - west) % 360.0)


def check_region(network: Network) -> None:
    """InputError for a region that is too large for one plane."""
    region = network.region
    x0, x1, y0, y1 = network.box_km
    if not (region.lon_max - region.lon_min < 180.0 and max(x1 - x0, y1 - y0) <= _WIDEST_KM):
        raise InputError(
            f"region: {region} is more than {_WIDEST_KM:g} km wide; associate parts of it one by one (and leave "
            "stations that are far from all others out of the list)"
        )


def farthest_km(network: Network) -> float:
    """Greatest distance from a station to a corner of the region, as far as travel times are computed."""
    x0, x1, y0, y1 = network.box_km
    corners = np.array([(x0, y0), (x0, y1), (x1, y0), (x1, y1)])
    return min(float(distances_km(*corners.T, network.x_km, network.y_km).max()), FARTHEST_KM)


def aperture_km(network: Network) -> float:
    """Greatest distance between two stations."""
    return float(distances_km(network.x_km, network.y_km, network.x_km, network.y_km).max())
