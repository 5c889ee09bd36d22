"""The synthetic network as a waveform source."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError, NoDataError
from seisloom.geo import destination, distance_azimuth
from seisloom.stations import channel_ids, validate
from seisloom.waveforms.availability import span_table
from seisloom.waveforms.base import DAY_NS, NS_PER_S, ChannelQuery, Record, Reopened, Segment
from seisloom.waveforms.query import select
from seisloom.waveforms.synthetic.field import DiffuseField, Geometry
from seisloom.waveforms.synthetic.instrument import Instrument, band_code, broadband
from seisloom.waveforms.synthetic.quakes import add_quakes
from seisloom.waveforms.synthetic.settings import BLOCK_S, Array, NetworkSettings, parse_settings

if TYPE_CHECKING:
    from obspy import Inventory
    from obspy.core.inventory import Response, Station

NETWORK = "SY"  # the FDSN code for synthetic seismograms
OPENED = "2000-01-01T00:00:00"
# Entropy of the random streams of the layout and of the stations' properties.
LAYOUT, PROPERTIES = 3, 5
# A day, the one before and the one after.
SAMPLES_KEPT_S = 3 * 86_400


class SyntheticSource(Reopened):
    """Diffuse noise on a seeded network, as counts of broadband instruments; see :class:`NetworkSettings`.

    ``rest`` is ``key=value,...``, e.g. ``stations=12,seed=1,rate=20,components=ZNE``. A day of all channels
    is made at its first use, two hours for short requests, and three days are kept (4 bytes a sample). Attributes: ``settings``,
    ``table`` (the channel table), ``field`` (ground motion), ``instruments`` and ``clock_s`` (the amount by
    which the station's clock is fast, so that its records are stamped late) by channel.
    """

    parallel = 1

    def __init__(self, rest: str = "") -> None:
        self.spec = f"synthetic:{rest}"
        self.settings: NetworkSettings = parse_settings(rest)
        self.table, self.instruments, self.clock_s = build_network(self.settings)
        self.ids = channel_ids(self.table)
        self.field = DiffuseField(plane_geometry(self.table, self.settings), self.settings)
        self._rows = {name: row for row, name in enumerate(self.ids)}
        self._kept: OrderedDict[tuple[int, int], npt.NDArray[np.int32]] = OrderedDict()
        self._lock = threading.Lock()

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        """One segment of int32 counts on the grid of whole samples from midnight."""
        row = self._rows.get(channel_id)
        if row is None:
            known = f"{self.ids[0]} to {self.ids[-1]}"
            raise NoDataError(f"{self.spec}: no channel {channel_id}; there are {len(self.ids)}: {known}")
        opened_ns = pd.Timestamp(OPENED).value
        rate = self.settings.rate
        # Whole samples from the first day on; the small number forgives the rounding of times to nanoseconds.
        day = max(start_ns, opened_ns) // DAY_NS
        first, last = (
            int(np.ceil((t - day * DAY_NS) * rate / NS_PER_S - 1e-6)) for t in (max(start_ns, opened_ns), end_ns)
        )
        if last <= first:
            raise NoDataError(f"{channel_id}: records of {self.spec} begin at {OPENED}")
        a_day = round(86_400 * rate)
        size = self._size(day * a_day + first, last - first)
        begin, end = day * a_day + first, day * a_day + last
        parts = [
            self._made(k * size, size)[row, max(begin - k * size, 0) : end - k * size]
            for k in range(begin // size, (end - 1) // size + 1)
        ]
        return Record([Segment(day * DAY_NS + round(first * NS_PER_S / rate), rate, np.concatenate(parts))])

    def _size(self, first: int, count: int) -> int:
        """Samples to make at once: a day, or a block for short requests on a day that is not there yet."""
        a_day = round(86_400 * self.settings.rate)
        short = count < a_day // 4 and (first // a_day * a_day, a_day) not in self._kept
        return round(BLOCK_S * self.settings.rate) if short else a_day

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        """Rows of the table whose codes, place and time match."""
        table = select(self.table, query)
        if table.empty:
            raise NoDataError(f"{self.spec}: no channel matches the query")
        return table

    def availability(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> pd.DataFrame:
        """Everything since the network was opened."""
        start_ns = max(start_ns, pd.Timestamp(OPENED).value)
        return span_table((name, start_ns, end_ns) for name in channel_ids if name in self._rows and start_ns < end_ns)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory:
        """Full responses of the channels that are asked for; InputError for one that is not there."""
        from obspy import Inventory
        from obspy.core.inventory import Network

        unknown = sorted(set(channel_ids) - set(self.ids))
        if unknown:
            raise InputError(f"{self.spec}: no channel {unknown[0]}; there are {self.ids[0]} to {self.ids[-1]}")
        rows = self.table.iloc[sorted({self._rows[name] for name in channel_ids})]
        stations = [self._station(group) for _, group in rows.groupby("station", sort=True)]
        return Inventory([Network(NETWORK, stations, description="Synthetic diffuse noise")], source="seisloom")

    def _station(self, rows: pd.DataFrame) -> Station:
        from obspy import UTCDateTime
        from obspy.core.inventory import Channel, Equipment, Site, Station

        opened = UTCDateTime(OPENED)
        place = rows.iloc[0]
        where = {"latitude": place.latitude, "longitude": place.longitude, "elevation": place.elevation_m}
        channels = [
            Channel(
                row.channel, row.location, **where, depth=row.depth_m, azimuth=row.azimuth_deg,
                dip=row.dip_deg, sample_rate=row.sample_rate_hz, start_date=opened,
                sensor=Equipment(description=row.sensor), response=self._responses[row.sensor],
            )
            for row in rows.itertuples()
        ]  # fmt: skip
        site = Site(name=place.site)
        return Station(place.station, **where, channels=channels, site=site, creation_date=opened, start_date=opened)

    @cached_property
    def _responses(self) -> dict[object, Response]:
        return {instrument.name: instrument.response() for instrument in set(self.instruments)}

    def _made(self, first: int, count: int) -> npt.NDArray[np.int32]:
        """Counts of all channels: [channel, sample], so many from sample ``first`` since 1970 on."""
        key = first, count
        with self._lock:
            if key not in self._kept:
                most = SAMPLES_KEPT_S * self.settings.rate - count
                while self._kept and sum(size for _, size in self._kept) > most:
                    self._kept.popitem(last=False)
                motion = self.field.samples(first, count, self.settings.rate, self._transfer)
                self._add_quakes(motion, first)
                self._kept[key] = np.rint(motion, out=motion).astype(np.int32)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _add_quakes(self, motion: npt.NDArray[np.float32], first: int) -> None:
        elevation_km = self.table["elevation_m"].to_numpy() / 1000
        add_quakes(motion, first, self.field.geometry, elevation_km, self.settings, self._transfer)

    def _transfer(self, frequency: Array) -> npt.NDArray[np.complex128]:
        """Instrument response and clock error of every channel: [channel, frequency]."""
        curves = {instrument: instrument.evaluate(frequency) for instrument in set(self.instruments)}
        transfer = np.array([curves[instrument] for instrument in self.instruments])
        if self.clock_s.any():
            transfer *= np.exp(-2j * np.pi * self.clock_s[:, None] * frequency)
        return transfer


def build_network(settings: NetworkSettings) -> tuple[pd.DataFrame, list[Instrument], Array]:
    """Channel table, instrument and clock error (s) of each row; a station stays as it is if others follow."""
    rows, instruments, clocks = [], [], []
    width = max(2, len(str(settings.stations)))
    band = band_code(settings.rate)
    for index, (latitude, longitude) in enumerate(_places(settings)):
        rng = np.random.default_rng([settings.seed, PROPERTIES, index])
        elevation, turn, clock, coin = rng.uniform(100, 1500), rng.uniform(0, 360), rng.normal(), rng.random()
        period = settings.sensor if settings.sensor != "mixed" else ("120" if coin < 0.5 else "20")
        instrument = broadband(period, settings.rate)
        first_azimuth = round(turn, 1) if settings.components == "Z12" else 0.0
        azimuths = {"Z": 0.0, "N": 0.0, "1": first_azimuth, "E": 90.0, "2": (first_azimuth + 90) % 360}
        # In the order of the sorted ids.
        for component in sorted(settings.components):
            rows.append({
                "network": NETWORK, "station": f"S{index + 1:0{width}d}", "location": "00",
                "channel": f"{band}H{component}",
                "latitude": round(latitude, 5), "longitude": round(longitude, 5),
                "elevation_m": round(elevation), "depth_m": 0.0, "azimuth_deg": azimuths[component],
                "dip_deg": -90.0 if component == "Z" else 0.0, "sample_rate_hz": settings.rate,
                "sensor": instrument.name, "site": f"Synthetic station {index + 1}", "start": OPENED,
            })  # fmt: skip
            instruments.append(instrument)
            clocks.append(settings.clock * clock)
    return validate(pd.DataFrame(rows), "synthetic network"), instruments, np.array(clocks)


def _places(settings: NetworkSettings) -> list[tuple[float, float]]:
    """Points all over a circle: each the farthest from those before it of ten random ones (Mitchell 1991)."""
    rng = np.random.default_rng([settings.seed, LAYOUT])
    chosen = np.zeros((0, 2))
    for _ in range(settings.stations):
        radius, angle = np.sqrt(rng.random(10)) * settings.aperture / 2, rng.random(10) * 2 * np.pi
        candidates = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        gaps = np.linalg.norm(candidates[:, None] - chosen, axis=2).min(axis=1, initial=np.inf)
        chosen = np.vstack([chosen, candidates[np.argmax(gaps)]])
    azimuth = np.degrees(np.arctan2(chosen[:, 0], chosen[:, 1]))
    places = destination(settings.latitude, settings.longitude, azimuth, np.hypot(*chosen.T))
    return list(zip(*(np.asarray(p).tolist() for p in places), strict=True))


def plane_geometry(table: pd.DataFrame, settings: NetworkSettings) -> Geometry:
    """Channels in the plane tangent at the centre (azimuthal equidistant).

    Distances between stations differ from the geodesics by less than a metre for an aperture of 60 km.
    Meridians converge: a sensor's azimuth from its own north is turned to count from the plane's north.
    """
    distance, azimuth, back_azimuth = distance_azimuth(
        settings.latitude, settings.longitude, table["latitude"], table["longitude"]
    )
    convergence = azimuth - (back_azimuth + 180)
    return Geometry(
        east_km=distance * np.sin(np.radians(azimuth)),
        north_km=distance * np.cos(np.radians(azimuth)),
        azimuth=np.radians(table["azimuth_deg"].to_numpy() + convergence),
        vertical=(table["dip_deg"] < -45).to_numpy(),
    )
