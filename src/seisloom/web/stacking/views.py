"""What each picture shows: the datasets that the figure functions are given, for a choice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.noise.select import find_pair, find_station, from_source, select_component, select_pair
from seisloom.plot.traces import Sides, Treatment
from seisloom.web.stacking.archives import Archive
from seisloom.web.stacking.choice import Choice

if TYPE_CHECKING:
    import xarray as xr

Data = Literal["correlogram", "stack", "record-section", "virtual-shot"]
DATA: tuple[Data, ...] = get_args(Data)


def correlogram(archive: Archive, choice: Choice) -> tuple[xr.Dataset, xr.Dataset]:
    """Rows of one pair over time (as kept, or stacked by period), and its stack over all of them."""
    name, pairs = named_pair(archive, choice)
    component = None if name != choice.pair else choice.component
    rows = archive.stack(pairs, choice, choice.period) if choice.period else archive.rows(pairs, choice)
    return select_pair(rows, name, component), select_pair(archive.stack(pairs, choice), name, component)


def record_section(archive: Archive, choice: Choice) -> xr.Dataset:
    """Stacks of all pairs of a component."""
    stacks = _stacks(archive, choice, archive.all_pairs)
    return select_component(stacks, choice.component) if choice.component else stacks


def virtual_shot(archive: Archive, choice: Choice) -> xr.Dataset:
    """Stacks of all pairs of a station."""
    return _stacks(archive, choice, station_pairs(archive, choice))


def station_pairs(archive: Archive, choice: Choice) -> npt.NDArray[np.int64]:
    """Positions of the pairs of the station of a choice."""
    if not choice.station:
        raise InputError("station is missing: name the virtual source, NET.STA or NET.STA.LOC.CHA")
    return find_station(archive.data, choice.station)


def data(archive: Archive, name: Data, choice: Choice) -> xr.Dataset:
    """What a picture draws, filtered, folded and cut as there; amplitudes as they are, not scaled."""
    sides: Sides = "both"
    if name in ("correlogram", "stack"):
        drawn = correlogram(archive, choice)[name == "stack"]
    elif name == "record-section":
        drawn, sides = record_section(archive, choice), choice.sides
    else:
        drawn, sides = from_source(virtual_shot(archive, choice), choice.station or ""), choice.sides
        drawn = select_component(drawn, choice.component) if choice.component else drawn
    return _treated(drawn, Treatment(choice.lags, choice.pass_band, sides))


def _treated(ds: xr.Dataset, treatment: Treatment) -> xr.Dataset:
    if treatment == Treatment():
        return ds
    ccf = ds["ccf"].transpose(..., "lag")
    values, lag = treatment(ccf.values, ds["lag"].values)
    small = ds.drop_vars(["ccf", "lag"]).assign_coords(lag=("lag", lag, ds["lag"].attrs))
    return small.assign(ccf=(ccf.dims, values.astype(np.float32), ccf.attrs))


def _stacks(archive: Archive, choice: Choice, pairs: npt.NDArray[np.int64]) -> xr.Dataset:
    """Stacks of these pairs, made for the picture; a stored one where it is named, or where they are too many for that."""
    name = stored_name(archive, choice, pairs)
    return archive.stored(name) if name else archive.stack(archive.of_component(pairs, choice), choice)


def stored_name(archive: Archive, choice: Choice, pairs: npt.NDArray[np.int64]) -> str | None:
    """The stored stack that a picture of these pairs takes, None where their stacks are made for it."""
    if choice.stack or archive.fits(archive.of_component(pairs, choice)):
        return choice.stack
    return archive.stored_like(choice)


def named_pair(archive: Archive, choice: Choice) -> tuple[str, npt.NDArray[np.int64]]:
    """The name of the pair that is drawn, and the positions of the pairs that it is made of.

    A component given with a pair of channels stands in place of their last letters.
    """
    if not choice.pair:
        raise InputError("pair is missing: name one, NET.STA_NET.STA or NET.STA.LOC.CHA_NET.STA.LOC.CHA")
    channels = _channels(choice.pair)
    if channels is None or choice.component is None:
        found = find_pair(archive.data, choice.pair)[0]
        return choice.pair, archive.of_component(found, choice)
    first, second = (name[:-1] + letter for name, letter in zip(channels, choice.component.upper(), strict=True))
    if not archive.turned(choice):
        return f"{first}_{second}", find_pair(archive.data, f"{first}_{second}")[0]
    sensors = {end: [name[:-1] for name in archive.data[f"channel_{end}"].values] for end in "ab"}
    masked = archive.data.assign_coords({f"channel_{end}": ("pair", names) for end, names in sensors.items()})
    return f"{first}_{second}", find_pair(masked, f"{first[:-1]}_{second[:-1]}")[0]


def _channels(pair: str) -> tuple[str, str] | None:
    """The two channels of a pair that names channels, None where it names stations."""
    ends = [(pair[: m.start()], pair[m.end() :]) for m in re.finditer("_", pair)]
    return next((both for both in ends if all(name.count(".") == 3 and name[-1] != "." for name in both)), None)
