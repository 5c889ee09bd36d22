"""The formats of pick files, recognised from the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seisloom.errors import InputError


class Format(NamedTuple):
    """A table of picks with a header: which of its columns holds what."""

    name: str
    title: str
    columns: dict[str, tuple[str, ...]]
    """Column of the pick table -> accepted names in lower case; of several in one header the first counts."""
    amplitude_unit: str | None = None
    """That of its column ``amplitude`` by custom; None: it must be asked for."""


# Of each of these, the pick table must be told something; the others may be absent.
NEEDED = ("station", "phase", "time")

# The first format that has all it needs wins: names that nobody else uses stand before common ones.
TABLES = (
    Format(
        "phasenet",
        "PhaseNet, QuakeFlow",
        {
            "station": ("station_id",),
            "phase": ("phase_type",),
            "time": ("phase_time",),
            "probability": ("phase_score", "phase_prob"),
            "amplitude": ("phase_amplitude", "phase_amp"),
        },
        "m/s",
    ),
    Format(
        "seisbench",
        "SeisBench",
        {
            "station": ("trace_id",),
            "phase": ("phase",),
            "time": ("peak_time", "time", "start_time"),
            "probability": ("peak_value", "probability", "confidence"),
            "amplitude": ("amplitude",),
        },
    ),
    Format(
        "gamma",
        "GaMMA",
        {
            "station": ("id", "station_id"),
            "phase": ("type",),
            "time": ("timestamp",),
            "probability": ("prob", "probability"),
            "amplitude": ("amp", "amplitude"),
        },
        "m/s",
    ),
    Format(
        "csv",
        "plain CSV, PyOcto",
        {
            "station": ("station", "sta"),
            "phase": ("phase",),
            "time": ("time",),
            "probability": ("probability", "prob"),
            "network": ("network", "net"),
            "duration_s": ("duration_s",),
            "pick_index": ("pick_index",),
            "amplitude_m": ("amplitude_m",),
            "velocity_m_s": ("velocity_m_s",),
            "amplitude": ("amplitude", "amp"),
        },
    ),
)
GPD = "gpd"
GPD_COLUMNS = ("network", "station", "phase", "time", "probability", "duration_s")
QUAKEML = "quakeml"
FORMATS = (GPD, *(table.name for table in TABLES), QUAKEML)


def amplitude_unit(name: str) -> str | None:
    """The unit in which the amplitudes of a format are given by custom."""
    return next((table.amplitude_unit for table in TABLES if table.name == name), None)


def known() -> str:
    """One line a format, for messages."""
    lines = [f"{GPD}: NET STA PHASE TIME [PROB [DUR]], white space, no header"]
    for table in TABLES:
        named = ["|".join(names) if role in NEEDED else f"[{'|'.join(names)}]" for role, names in table.columns.items()]
        lines.append(f"{table.name} ({table.title}): {', '.join(named)}")
    lines.append(f"{QUAKEML}: picks of the events of a QuakeML file")
    return "\n".join(f"  {line}" for line in lines)


def find(header: Sequence[str], name: str | None = None) -> tuple[Format, dict[str, int]] | None:
    """Format of a table with this header, and the position of each column it holds; ``name`` asks for one format."""
    lower = [cell.strip().lower() for cell in header]
    for table in TABLES:
        at = {
            role: lower.index(min(there, key=names.index))
            for role, names in table.columns.items()
            if (there := set(names) & set(lower))
        }
        if all(role in at for role in NEEDED) and name in (None, table.name):
            return table, at
    return None


def recognise(header: Sequence[str], origin: str, name: str | None = None) -> tuple[Format, dict[str, int]]:
    """As :func:`find`; where nothing is found, InputError says which columns are there and what is known."""
    found = find(header, name)
    if found is None:
        asked = f"a {name} file" if name is not None else "a known pick file"
        shown = ", ".join(cell.strip() for cell in header)
        raise InputError(f"{origin}: these are not the columns of {asked}\nfound: {shown[:200]}\nknown:\n{known()}")
    return found


def check_name(name: str | None, names: Sequence[str] = FORMATS) -> None:
    """InputError for a format that there is not."""
    if name is not None and name not in names:
        raise InputError(f"pick format {name!r} is not known; choose one of {', '.join(names)}")
