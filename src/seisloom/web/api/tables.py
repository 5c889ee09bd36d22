"""Channel tables as JSON, quickly: tens of thousands of rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from seisloom.stations import NUMBERS, TIMES, channel_ids

# In the order in which they are told.
FIELDS = (
    "network", "station", "location", "channel", "latitude", "longitude", "elevation_m", "depth_m", "sample_rate_hz",
    "sensor", "site", "start", "end", "azimuth_deg", "dip_deg",
)  # fmt: skip


class ChannelRow(BaseModel):
    """A channel epoch. Numbers that the source does not tell, and ends that are open, are null."""

    network: str
    station: str
    location: str = Field(description="empty for the empty code")
    channel: str
    latitude: float | None
    longitude: float | None
    elevation_m: float | None
    depth_m: float | None = Field(description="of the sensor below the ground")
    sample_rate_hz: float | None
    sensor: str
    site: str
    start: str | None = Field(description="ISO 8601, UTC", examples=["2019-02-03T00:00:00Z"])
    end: str | None
    azimuth_deg: float | None
    dip_deg: float | None
    id: str = Field(description="NET.STA.LOC.CHA", examples=["CI.HEC..BHN"])


class ChannelRows(BaseModel):
    """Channels, one row a channel epoch, and how many."""

    channels: list[ChannelRow]
    count: int


class ChannelColumns(BaseModel):
    """The same as one list a column."""

    columns: dict[str, list[Any]] = Field(description="by the names of ChannelRow")


def columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The table as lists of what JSON knows: NaN and NaT are None, times ISO 8601 with a Z."""
    told: dict[str, list[Any]] = {}
    for name in FIELDS:
        values = table[name]
        if name in NUMBERS:
            told[name] = [None if number != number else number for number in values.tolist()]
        else:
            told[name] = _iso(values) if name in TIMES else values.tolist()
    return told | {"id": channel_ids(table)}


def rows_json(table: pd.DataFrame) -> bytes:
    """``{"channels": [{"network": ..., ...}, ...], "count": N}``."""
    told = columns(table)
    rows = [dict(zip(told, row, strict=True)) for row in zip(*told.values(), strict=True)]
    return _dump({"channels": rows, "count": len(rows)})


def columns_json(table: pd.DataFrame) -> bytes:
    """``{"columns": {"network": [...], ...}, "count": N}``: half as long, and quicker to read."""
    return _dump({"columns": columns(table), "count": len(table)})


def iso(time: int | pd.Timestamp) -> str:
    """A UTC time (ns since 1970, or a timestamp) in words, no longer than it needs to be."""
    return f"{pd.Timestamp(time).tz_localize(None).isoformat()}Z"


def _iso(times: pd.Series[Any]) -> list[str | None]:
    """Times in words; each that comes again is written once."""
    codes, known = pd.factorize(times)
    texts = np.array([iso(stamp) for stamp in known] + [None], dtype=object)
    told: list[str | None] = texts[codes].tolist()
    return told


def _dump(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(errors="replace")
