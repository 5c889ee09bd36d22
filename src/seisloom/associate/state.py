"""What the verdicts of an association by likelihood rest on, in one file, so that they can be explained later."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

from seisloom import __version__
from seisloom.associate.assign import Assignment
from seisloom.associate.hypothesis import Box, Evidence
from seisloom.associate.judged import Judged
from seisloom.associate.learn import Known
from seisloom.associate.network import Network, Region
from seisloom.associate.pick_model import Channels, PickModel
from seisloom.associate.scan import Grid, make_grid
from seisloom.associate.search import Needed, explain_all
from seisloom.associate.trust import Falsehood
from seisloom.catalog.clock import nanoseconds
from seisloom.errors import InputError
from seisloom.picks import pick_arrays
from seisloom.target import writing_whole
from seisloom.traveltime import TravelTimes

if TYPE_CHECKING:
    from seisloom.associate.job import Result

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Part = TypeVar("Part")

_FORMAT, _VERSION = "seisloom association by likelihood", 4
_OF_JUDGED: dict[str, type[Any]] = {
    "assignment": Assignment, "model": PickModel, "known": Known, "box": Box, "needed": Needed, "falsehood": Falsehood,
    "mixtures": Falsehood,
}  # fmt: skip
# As they are kept, where eight bytes are more than is known.
_KEPT_AS = {
    "noise": np.float32, "front_rate": np.float32, "assignment.event": np.int32, "assignment.phase": np.int8, "assignment.posterior": np.float32,
}  # fmt: skip


class Located(NamedTuple):
    """The events of ``Judged`` as the catalogue has them."""

    event_id: Integers
    """(event,): -1 for one that could not be located."""
    time_ns: Integers
    """(event,): since 1970."""
    latitude: Array
    longitude: Array
    depth_km: Array


@dataclass(frozen=True)
class State:
    """Picks, events and all that was learned, as it was at the end of an association."""

    judged: Judged
    network: Network
    times: TravelTimes
    pick_index: Integers
    """(slot,): number of the pick in its file."""
    probability: npt.NDArray[np.float32]
    """(slot,): the picker's."""
    located: Located
    reference_ns: int
    """Nanoseconds since 1970 at which times in seconds begin."""

    @property
    def span_s(self) -> float:
        """Length of the picks."""
        return max(float(np.ptp(self.judged.data.picks.time_s)), 1.0)

    @cached_property
    def grid(self) -> Grid:
        """The nodes where sources were tried."""
        return self.nodes(self.judged.box)

    @property
    def wide_box(self) -> Box:
        """Three times as wide and long as where events were looked for."""
        box = self.judged.box
        wide = (box.high - box.low) * (1.0, 1.0, 0.0)
        return box._replace(low=box.low - wide, high=box.high + wide)

    @cached_property
    def wide_grid(self) -> Grid:
        """Nodes three times as far apart over the wide box."""
        return self.nodes(self.wide_box, 3.0)

    def nodes(self, box: Box, coarser: float = 1.0) -> Grid:
        """Nodes of a box, as far apart as those of the association, or so many times as far."""
        return make_grid(self.times, self.judged.model, box.low, box.high, coarser * self.judged.spacing_km)


def state_of(result: Result) -> State:
    """The state of an association by likelihood."""
    judged = result.judged
    assert judged is not None, "another method"
    picks = pick_arrays(result.picks, list(result.study.network.ids))
    row = picks.row[judged.data.picks.pick]
    index = result.picks["pick_index"].to_numpy(np.int64)[row]
    probability = result.picks["probability"].to_numpy(np.float32)[row]
    return State(
        judged, result.study.network, result.study.times, index, probability, _located(result, index),
        picks.reference_ns,
    )  # fmt: skip


def _located(result: Result, pick_index: Integers) -> Located:
    """Rows of the catalogue by the picks that they share with the events."""
    assert result.judged is not None
    given, assigned = result.judged.assignment, result.catalog.assignments
    name = np.full(len(result.judged.events), -1, np.int64)
    number = assigned.set_index("pick_index")["event_id"].reindex(pick_index, fill_value=-1).to_numpy(np.int64)
    taken = (given.event >= 0) & (number >= 0)
    name[given.event[taken]] = number[taken]
    rows = result.catalog.events.set_index("event_id").reindex(name)
    time = nanoseconds(rows["time"].dt.tz_convert(None)) if len(rows) else np.zeros(0, np.int64)
    return Located(name, time, *(rows[column].to_numpy(float) for column in ("latitude", "longitude", "depth_km")))


def write_state(state: State, path: str | Path) -> None:
    """Write an .npz file, whole: some 25 bytes a pick, and the travel times of the network."""
    judged = state.judged
    given = judged.assignment
    of_picks: dict[str, npt.NDArray[Any]] = {
        "time_s": judged.data.picks.time_s, "noise": judged.data.noise, "front_rate": judged.front_rate,
        "pick_index": state.pick_index, "probability": state.probability, "assignment.event": given.event,
        "assignment.phase": given.phase, "assignment.posterior": given.posterior,
    }  # fmt: skip
    blocks = {name: Column(_kept_as(name, values), [values]) for name, values in of_picks.items()}
    offsets = judged.data.picks.offsets
    write_state_of(judged, state.network, state.times, state.located, state.reference_ns, offsets, blocks, path)


@dataclass(frozen=True)
class Column:
    """An array of one dimension that is written block by block."""

    type: np.dtype[Any]
    blocks: Iterable[npt.NDArray[Any]]


def write_state_of(
    judged: Judged,
    network: Network,
    times: TravelTimes,
    located: Located,
    reference_ns: int,
    offsets: Integers,
    of_picks: Mapping[str, Column],
    path: str | Path,
) -> None:
    """The same, where of ``judged`` neither picks nor assignment count: these are ``offsets`` (channel + 1,) and ``of_picks``."""
    about = {
        "format": _FORMAT, "version": _VERSION, "seisloom": __version__, "stations": network.ids,
        "middle": (network.lat0, network.lon0), "region": asdict(network.region), "reference_ns": reference_ns,
        "least": judged.least, "spacing_km": judged.spacing_km, "spread_s": judged.spread_s,
        "fronts": judged.fronts,
    }  # fmt: skip
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(about)), "events": judged.events, "false_probability": judged.false_probability,
        "offsets": offsets, "elevation_km": network.elevation_km, "assignment.stands": np.ones(len(judged.events), bool),
    }  # fmt: skip
    parts = {"located": located, "times": times} | {name: getattr(judged, name) for name in _OF_JUDGED}
    for name, part in parts.items():
        arrays |= {f"{name}.{field}": getattr(part, field) for field in _fields(type(part)) if name != "assignment"}
    arrays["times.slowness"] = _differences(times.slowness)
    # Higher levels take several times as long and make numbers like these no smaller.
    with writing_whole(path) as made, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                npy.write_array(file, np.asanyarray(value), allow_pickle=False)
        for name, column in of_picks.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                shape = (int(offsets[-1]),)
                npy.write_array_header_1_0(
                    file, {"descr": npy.dtype_to_descr(column.type), "fortran_order": False, "shape": shape}
                )
                for block in column.blocks:
                    file.write(np.ascontiguousarray(block, column.type).data)


def _kept_as(name: str, values: npt.NDArray[Any]) -> np.dtype[Any]:
    return np.dtype(_KEPT_AS.get(name, values.dtype))


def read_state(path: str | Path) -> State:
    """The state in a file that ``write_state`` wrote; InputError where there is none, or it cannot be used."""
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"{path}: not there, and verdicts rest on it; only `seisloom associate --method likelihood` writes it: "
            "associate again"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            if (about["format"], about["version"]) == (_FORMAT, _VERSION):
                return _state(about, {name: file[name] for name in file.files})
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({error}); associate again") from error
    raise InputError(
        f"{path}: version {about['version']} of {about['format']!r}; this seisloom reads version {_VERSION}: associate again"
    )


def _state(about: dict[str, Any], file: dict[str, npt.NDArray[Any]]) -> State:
    """Everything of a file; what events explain follows from them."""
    parts = {name: _part(kind, name, file) for name, kind in _OF_JUDGED.items()}
    given: Assignment = parts["assignment"]
    parts["assignment"] = given._replace(event=given.event.astype(np.int64), posterior=given.posterior.astype(float))
    times = _part(TravelTimes, "times", file)
    times = times._replace(slowness=_sums(times.slowness))
    noise = file["noise"].astype(float)
    data = Evidence(_channels(file["offsets"], file["time_s"]), noise, np.zeros(len(noise)))
    explain_all(times, data, parts["model"], file["events"])
    judged = Judged(
        events=file["events"], false_probability=file["false_probability"], data=data, spacing_km=about["spacing_km"],
        spread_s=about["spread_s"], least=tuple(about["least"]), fronts=about["fronts"], front_rate=file["front_rate"].astype(float),
        **parts,
    )  # fmt: skip
    place = (parts["model"].x_km, parts["model"].y_km, file["elevation_km"])
    lat0, lon0 = about["middle"]
    network = Network(tuple(about["stations"]), *place, lat0, lon0, Region(**about["region"]))
    located = _part(Located, "located", file)
    return State(judged, network, times, file["pick_index"], file["probability"], located, about["reference_ns"])


def _channels(offsets: Integers, time_s: Array) -> Channels:
    """Picks of all channels; their positions among the picks by time follow."""
    channel = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return Channels(offsets, time_s, channel, np.argsort(np.argsort(time_s, kind="stable"), kind="stable"))


def _fields(kind: type[Any]) -> list[str]:
    """Of a named tuple or a dataclass."""
    return list(kind._fields) if hasattr(kind, "_fields") else [field.name for field in fields(kind)]


def _part(kind: type[Part], prefix: str, file: dict[str, npt.NDArray[Any]]) -> Part:
    """A named tuple or dataclass of arrays and numbers."""
    arrays = (file[f"{prefix}.{name}"] for name in _fields(kind))
    return kind(*(value if value.ndim else value.item() for value in arrays))


def _differences(smooth: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Differences of the bits along the last axis: small numbers, which take half the room and lose nothing."""
    return np.asarray(np.diff(smooth.view(np.int32), axis=-1, prepend=np.int32(0)), np.int32)


def _sums(differences: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(np.cumsum(differences, axis=-1, dtype=np.int32)).view(np.float32)
