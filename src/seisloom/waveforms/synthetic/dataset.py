"""A synthetic network as files: a SeisComP archive of MiniSEED, StationXML and the channel list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seisloom.stations import write_stations
from seisloom.waveforms.base import DAY_NS, Record
from seisloom.waveforms.local import sds_path

if TYPE_CHECKING:
    import pandas as pd

    from seisloom.waveforms.synthetic.source import SyntheticSource


class Dataset(NamedTuple):
    """Where :func:`write_dataset` put things."""

    archive: Path
    """Root of the SDS archive."""
    stationxml: Path
    stations: Path


def write_dataset(source: SyntheticSource, directory: str | Path, start: str | pd.Timestamp, days: int) -> Dataset:
    """Write ``days`` days from the date ``start``: archive/ (SDS, Steim-2), stations.xml and stations.csv.

    Existing files are written over. Returns their paths.
    """
    import pandas as pd

    root = Path(directory)
    dataset = Dataset(root / "archive", root / "stations.xml", root / "stations.csv")
    first_ns = pd.Timestamp(start).value // DAY_NS * DAY_NS
    for start_ns in range(first_ns, first_ns + days * DAY_NS, DAY_NS):
        for channel_id in source.ids:
            record = source.fetch(channel_id, start_ns, start_ns + DAY_NS)
            write_mseed(record, channel_id, sds_path(dataset.archive, channel_id, start_ns))
    inventory = source.inventory(source.ids, first_ns, first_ns + days * DAY_NS)
    inventory.write(str(dataset.stationxml), format="STATIONXML")
    write_stations(source.table, dataset.stations)
    return dataset


def write_mseed(record: Record, channel_id: str, path: str | Path) -> None:
    """Write a record as MiniSEED 2 with Steim-2 compression; samples are rounded to whole counts."""
    from obspy import Stream, Trace, UTCDateTime

    codes = dict(zip(("network", "station", "location", "channel"), channel_id.split("."), strict=True))
    traces = [
        Trace(
            np.rint(segment.data).astype(np.int32),
            codes | {"starttime": UTCDateTime(ns=segment.start_ns), "sampling_rate": segment.rate_hz},
        )
        for segment in record.segments
    ]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Stream(traces).write(str(path), format="MSEED", encoding="STEIM2", reclen=512)
