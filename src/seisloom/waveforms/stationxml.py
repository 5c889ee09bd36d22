"""StationXML: read, cut down to channels, and as the metadata of archives that hold records only."""

from __future__ import annotations

import io
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from seisloom.errors import InputError, SourceError
from seisloom.stations import CODES, COLUMNS, channel_ids, from_inventory

if TYPE_CHECKING:
    from obspy import Inventory


def read_stationxml(data: bytes, origin: str, level: str = "response") -> Inventory:
    """Inventory from StationXML down to a level; InputError where it cannot be read."""
    from obspy import read_inventory

    try:
        return read_inventory(io.BytesIO(data), format="STATIONXML", level=level)
    except Exception as error:  # ObsPy raises many kinds where StationXML is not as it should be
        raise InputError(f"{origin}: StationXML that cannot be read: {error}") from error


def keep_channels(inventory: Inventory, ids: Collection[str]) -> None:
    """Leave in an inventory only channels of some ids."""
    wanted = set(ids)
    for network in inventory:
        for station in network:
            codes = f"{network.code}.{station.code}"
            station.channels = [c for c in station if f"{codes}.{c.location_code}.{c.code}" in wanted]


class StationFiles:
    """A StationXML file, or all ``*.xml`` below a directory, as the metadata of a source."""

    def __init__(self, where: str, spec: str) -> None:
        path = Path(where).expanduser()
        self._files = sorted(path.rglob("*.xml")) if path.is_dir() else [path]
        if not self._files or not path.exists():
            raise InputError(f"source {spec}: no StationXML at {where}")

    def complete(self, table: pd.DataFrame) -> pd.DataFrame:
        """A row for every epoch that the metadata tell of the channels of a table; others stay as they are."""
        known = self._channels[self._channels["id"].isin(channel_ids(table))]
        unknown = table.assign(id=channel_ids(table))
        unknown = unknown[~unknown["id"].isin(known["id"])]
        both = pd.concat([part for part in (known, unknown) if len(part)])
        return both.sort_values([*CODES, "start"]).reset_index(drop=True)[COLUMNS]

    def inventory(self, ids: Collection[str]) -> Inventory:
        """Responses of channels in all epochs."""
        inventory = self._read("response")
        keep_channels(inventory, ids)
        return inventory

    @cached_property
    def _channels(self) -> pd.DataFrame:
        table = from_inventory(self._read("channel"), str(self._files[0].parent))
        return table.assign(id=channel_ids(table))

    def _read(self, level: str) -> Inventory:
        from obspy import Inventory

        merged = Inventory(networks=[], source="seisloom")
        for file in self._files:
            try:
                merged.networks += read_stationxml(file.read_bytes(), str(file), level).networks
            except OSError as error:
                raise SourceError(f"{file}: cannot be read: {error.strerror or error}") from error
        return merged
