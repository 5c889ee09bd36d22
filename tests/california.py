"""Synthetic records and metadata under the names of five Californian stations, for a data centre on the loopback interface."""

from __future__ import annotations

from obspy import Inventory, Stream, Trace, UTCDateTime

from seisloom.waveforms.base import DAY_NS
from seisloom.waveforms.synthetic import SyntheticSource

FIRST_DAY = UTCDateTime(2019, 2, 3)
STATIONS = ("CCC", "CLC", "LRL", "MPM", "SLA")


def california(n_days: int) -> tuple[Inventory, Stream]:
    """StationXML with full responses, and so many days of counts at 5 Hz from FIRST_DAY on."""
    source = SyntheticSource("stations=5,rate=5,latitude=35.8,longitude=-117.6,aperture=60")
    inventory = source.inventory(source.ids, FIRST_DAY.ns, FIRST_DAY.ns + DAY_NS)
    inventory[0].code = "CI"
    stream = Stream()
    for start_ns in range(FIRST_DAY.ns, FIRST_DAY.ns + n_days * DAY_NS, DAY_NS):
        for name, channel_id in zip(STATIONS, source.ids, strict=True):
            (segment,) = source.fetch(channel_id, start_ns, start_ns + DAY_NS).segments
            header = {"network": "CI", "station": name, "channel": "BHZ", "starttime": UTCDateTime(ns=start_ns)}
            stream.append(Trace(segment.data, header | {"sampling_rate": segment.rate_hz}))
    for name, station in zip(STATIONS, inventory[0], strict=True):
        station.code, station[0].code, station[0].location_code = name, "BHZ", ""
    return inventory, stream
