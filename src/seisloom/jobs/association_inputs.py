"""The files of an association job, read: what cannot be used is refused under the name that its user gave it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from seisloom.associate.magnitude_relations import choose_relation
from seisloom.associate.network import Region, make_network, region_around, region_of_box
from seisloom.errors import InputError, MissingExtraError
from seisloom.jobs.limits import Limits
from seisloom.jobs.requests import AssociationOptions, AssociationRequest
from seisloom.picks import match_stations, read_picks
from seisloom.stations import read_sites
from seisloom.traveltime import VelocityModel, read_velocity_model

FileKind = Literal["picks", "stations", "velocity", "model"]
KINDS: tuple[FileKind, ...] = get_args(FileKind)
# What a checkpoint may hold more, unpacked, than the file itself has bytes.
_UNPACKED = 4


@dataclass(frozen=True)
class Inputs:
    """What an association works on."""

    picks: pd.DataFrame
    sites: pd.DataFrame
    velocity: VelocityModel
    model: Path | None


def read_inputs(request: AssociationRequest, folder: Path, limits: Limits) -> Inputs:
    """Lay the files of a request into a folder and read them. InputError for what cannot be used, LimitError for too much."""
    given = {"picks": request.picks, "stations": request.stations, "velocity": request.velocity, "model": request.model}
    read: dict[str, Any] = {}
    for kind in KINDS:
        file = given[kind]
        read[kind] = read_file(kind, *file, folder, request.options.min_probability) if file else None
    options = request.options
    trains = options.method == "phaselink" and not request.model
    choose_relation(read["picks"], options.magnitude)
    limits.check(picks=len(read["picks"]), train_minutes=options.train_minutes if trains else 0.0)
    return Inputs(read["picks"], read["stations"], read["velocity"], read["model"])


def check_request(request: AssociationRequest, folder: Path, limits: Limits) -> Inputs:
    """Read a request as the job will, and refuse what can be known to fail without the travel times."""
    from seisloom.associate.study import PickSet, check_enough, check_region, ordered_sites

    inputs, options = read_inputs(request, folder, limits), request.options
    sites = ordered_sites(inputs.sites)
    network = make_network(sites, region_of(options) or region_around(sites))
    check_region(network)
    matched, unknown = match_stations(inputs.picks, sites)
    check_enough(PickSet(matched, unknown, None, network), options.min_picks, options.min_p, options.min_s)
    return inputs


def read_file(kind: FileKind, name: str, data: bytes, folder: Path, min_probability: float = 0.0) -> Any:
    """Lay a file into a folder and read it as what it is: pick table, site table, VelocityModel, path of a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(name).name
    path.write_bytes(data)
    readers: dict[FileKind, Callable[[], Any]] = {
        "picks": lambda: _picks(path, min_probability),
        "stations": lambda: read_sites(path),
        "velocity": lambda: read_velocity_model(path),
        "model": lambda: _checked_model(path),
    }
    with names_without(folder):
        return readers[kind]()


@contextmanager
def names_without(folder: Path) -> Iterator[None]:
    """Errors of what is done meanwhile name files without the folder that they lie in."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(f"{folder}/", "")) from error


def region_of(options: AssociationOptions) -> Region | None:
    """The region asked for; InputError for one that is none."""
    return region_of_box(*options.region) if options.region else None


def _picks(path: Path, min_probability: float) -> pd.DataFrame:
    table = read_picks(path, min_probability=min_probability)
    table.attrs["report"] = replace(table.attrs["report"], origin=path.name)
    return table


def _checked_model(path: Path) -> Path:
    """The path, if it is a checkpoint that a network can be made from; nothing in it is run.

    Where there is no PyTorch to read it with, the job will say so.
    """
    _refuse_bomb(path)
    try:
        from seisloom.associate.requirement import require_torch

        require_torch()
    except MissingExtraError:
        return path
    from seisloom.associate.models import load_model

    load_model(path)
    return path


def _refuse_bomb(path: Path) -> None:
    """InputError for an archive that grows when it is unpacked: PyTorch packs nothing."""
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        return  # a checkpoint of old, or none: the reader tells
    if unpacked > _UNPACKED * len(data):
        raise InputError(
            f"{path}: {len(data):,} bytes that unpack to {unpacked:,}: not a checkpoint that training wrote"
        )
