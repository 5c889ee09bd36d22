"""The table of stations that have a velocity model of their own."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from seisloom.errors import InputError
from seisloom.traveltime.model import VelocityModel
from seisloom.traveltime.model_files import read_velocity_model

_EXPECTED = "a CSV with the columns station and velocity (a file, seen from the folder of the table) is expected"


def read_station_models(path: str | Path, stations: Sequence[str]) -> dict[str, VelocityModel]:
    """Velocity models by station (NET.STA), of a CSV with the columns ``station`` and ``velocity``.

    A station may be given by its code alone where only one of ``stations`` has that code. Files are those of
    ``read_velocity_model``, their paths relative to the table; each is read once, however many stations have it. Stations
    that the table leaves out have the model that is given for all. Raises InputError with file and line.
    """
    path = Path(path)
    found: dict[str, VelocityModel] = {}
    read: dict[str, VelocityModel] = {}
    for line, name, file in _rows(path):
        station = _station(name, stations, f"{path}, line {line}")
        if station in found:
            raise InputError(f"{path}, line {line}: station {station} is there twice; leave one of its models out")
        if not file:
            raise InputError(
                f"{path}, line {line}: no velocity file for station {station}; name one, or leave the line out"
            )
        if file not in read:
            if not (path.parent / file).is_file():
                raise InputError(
                    f"{path}, line {line}: velocity file {path.parent / file} of station {station} is not there"
                )
            read[file] = read_velocity_model(path.parent / file)
        found[station] = read[file]
    return found


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, station and file of every row."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a table of stations' velocity models: {error}") from error
    rows = csv.reader(line if not line.lstrip().startswith("#") else "" for line in lines)
    header = [name.strip().lower() for name in next((row for row in rows if row), [])]
    if not {"station", "velocity"} <= set(header):
        raise InputError(f"{path}: its columns are {', '.join(header) or 'none'}; {_EXPECTED}")
    at = header.index("station"), header.index("velocity")
    for row in rows:
        if row:
            if len(row) != len(header):
                raise InputError(f"{path}, line {rows.line_num}: {len(row)} columns, and the header has {len(header)}")
            yield rows.line_num, row[at[0]].strip(), row[at[1]].strip()


def _station(name: str, stations: Sequence[str], where: str) -> str:
    """The station that is meant."""
    if name in stations:
        return name
    same_code = [station for station in stations if station.rpartition(".")[2] == name]
    if len(same_code) == 1:
        return same_code[0]
    if same_code:
        raise InputError(f"{where}: station {name} may be {' or '.join(same_code)}; write its network, too")
    raise InputError(f"{where}: station {name!r} is not in the station list ({', '.join(stations[:3])}, ...)")
