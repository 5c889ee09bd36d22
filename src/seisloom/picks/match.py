"""Which station of the site table each pick belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import pandas as pd

from seisloom.errors import InputError


def match_stations(picks: pd.DataFrame, sites: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(picks at stations of the site table, with its names; unknown stations: station, picks, reason).

    A pick's station is looked up as it is, then as NET.STA without location and channel (NET.STA.LOC.CHA,
    NET.STA., NET.STA..HH), then, where the pick or the list has no network, as STA alone, which must be
    the only one of that code. Unknown stations are in the order of their number of picks. Raises InputError when no
    pick is left.
    """
    find = station_finder(sites["station"].tolist())
    counts = picks["station"].value_counts()
    found = {name: find(name) for name in counts.index}
    named = {name: site for name, (site, _) in found.items() if site}
    unknown = pd.DataFrame(
        [(name, int(count), found[name][1]) for name, count in counts.items() if name not in named],
        columns=["station", "picks", "reason"],
    )
    if not named:
        raise no_station(len(picks), counts.index, sites["station"])
    matched = picks.assign(station=picks["station"].map(named))
    return matched[matched["station"].notna()].reset_index(drop=True), unknown


def no_station(n_picks: int, names: Iterable[str], sites: Iterable[str]) -> InputError:
    """That none of the picks is at a station of the list."""
    return InputError(
        f"none of the {n_picks} picks is at a station of the list\n"
        f"stations of the picks: {_some(names)}\nstations of the list: {_some(sites)}"
    )


def station_finder(sites: Iterable[str]) -> Callable[[str], tuple[str, str]]:
    """Function from the name at a pick to the site's name, else to nothing and the reason (see :func:`match_stations`)."""
    known = set(sites)
    of_code = defaultdict(list)
    for site in sorted(known):
        of_code[site.rpartition(".")[2]].append(site)

    def find(name: str) -> tuple[str, str]:
        if name in known:
            return name, ""
        network, code = name.split(".")[:2] if "." in name else ("", name)
        if network.strip("-"):
            candidates = [site for site in (f"{network}.{code}", code) if site in known][:1]
        else:
            candidates = of_code[code]
        if len(candidates) == 1:
            return candidates[0], ""
        return "", f"may be {' or '.join(candidates)}" if candidates else "not in the station list"

    return find


def _some(names: Iterable[str]) -> str:
    """The first few names."""
    listed = list(names)
    return ", ".join(listed[:5]) + (f", ... ({len(listed)})" if len(listed) > 5 else "")
