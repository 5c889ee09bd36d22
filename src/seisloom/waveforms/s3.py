"""Day files in object stores: the open-data buckets of SCEDC and NCEDC, and any bucket laid out like them.

SCEDC: https://scedc.caltech.edu/cloud/, NCEDC: https://ncedc.org/db/cloud.html; both are public.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import obstore
import pandas as pd
from obstore.exceptions import PermissionDeniedError

from seisloom.errors import InputError, NoDataError, SourceError
from seisloom.stations import from_inventory
from seisloom.stores import FAILURES, Limits, Patience, explain, open_s3
from seisloom.waveforms.base import DAY_NS, ChannelQuery, Record, Reopened, matches
from seisloom.waveforms.mseed import decode
from seisloom.waveforms.query import select
from seisloom.waveforms.stationxml import keep_channels, read_stationxml

if TYPE_CHECKING:
    from obspy import Inventory

METADATA = "FDSNstationXML"
TAIL_BYTES = 65_536
"""What is read of the day before where records may cross midnight; a multiple of every record length."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """Keys of a channel's day and of a station's metadata, as formats of codes, year and day of the year.

    ``crosses_midnight``: a record that begins before midnight stands whole in the file of that day.
    """

    day: str
    stationxml: tuple[str, ...]
    crosses_midnight: bool = False


LAYOUTS = {
    "scedc": Layout(
        "continuous_waveforms/{year}/{year}_{day:03d}/{network}{station:_<5}{channel}{location:_<3}{year}{day:03d}.ms",
        (
            METADATA + "/{network}/{network}_{station}.xml",
            METADATA + "/unauthoritative-XML/{network}_{station}.xml",
        ),
    ),
    "ncedc": Layout(
        "continuous_waveforms/{network}/{year}/{year}.{day:03d}/"
        "{station}.{network}.{channel}.{location}.D.{year}.{day:03d}",
        (METADATA + "/{network}/{network}.{station}.xml",),
    ),
    "sds": Layout(
        "{year}/{network}/{station}/{channel}.D/{network}.{station}.{location}.{channel}.D.{year}.{day:03d}",
        (METADATA + "/{network}/{network}.{station}.xml",),
        crosses_midnight=True,
    ),
}
PUBLIC = {
    "scedc": ("scedc-pds", "https://s3.us-west-2.amazonaws.com"),
    "ncedc": ("ncedc-pds", "https://s3.us-east-2.amazonaws.com"),
}


class S3Source(Reopened):
    """``scedc`` or ``ncedc``, or ``s3://bucket/prefix?layout=scedc|ncedc|sds[&requester=pays]``.

    For a URL, credentials, endpoint and region come from the usual AWS_ variables and profiles; without credentials
    requests are not signed (AWS_SKIP_SIGNATURE=false asks the machine's instance role for them). ``requester=pays`` is for
    buckets that give records to those who pay for the transfer, which needs credentials.
    """

    parallel = 16

    def __init__(self, rest: str) -> None:
        rest = f"s3:{rest}" if rest.startswith("//") else rest
        self.spec = f"s3:{rest}"
        endpoint, anonymous, pays = None, None, False
        if rest in PUBLIC:
            bucket, endpoint = PUBLIC[rest]
            anonymous, self.url, self.layout = True, f"s3://{bucket}/", LAYOUTS[rest]
        else:
            self.url, self.layout, pays = _parse(rest, self.spec)
            anonymous = False if pays else None
        limits = Limits.from_environment()
        self._patience = Patience(self.url, limits)
        try:
            self._store = open_s3(self.url, limits, endpoint, anonymous, pays)
        except InputError as error:
            raise InputError(f"source {self.spec}: {error}") from error

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        """Records of a channel that overlap [start, end), from the files of every day that it touches."""
        record = Record()
        first, last = start_ns // DAY_NS, (end_ns - 1) // DAY_NS
        if self.layout.crosses_midnight:
            with suppress(NoDataError, InputError):  # what is wrong with that day is not this request's
                data = self._get(self._day_key(channel_id, first - 1), {"range": {"suffix": TAIL_BYTES}})
                record.segments += decode(data, "", channel_id, start_ns, end_ns).segments
        for key in (self._day_key(channel_id, day) for day in range(first, last + 1)):
            try:
                part = decode(self._get(key), self.url + key, channel_id, start_ns, end_ns)
            except NoDataError:
                continue
            except InputError as error:
                part = Record(problems=[str(error)])
            record.segments += part.segments
            record.problems += part.problems
        if not record.segments and not record.problems:
            raise NoDataError(f"{self.url}{self._day_key(channel_id, first)}: no such file, or nothing in this time")
        return record

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        """Channel table from the StationXML of every station whose codes match; each is read whole."""
        stations = replace(query, location="*", channel="*")
        keys: dict[tuple[str, str], str] = {}
        for key in sorted(self._keys(METADATA + "/")):  # capital network codes before unauthoritative-XML
            codes = re.fullmatch(r"([^._/]+)[._]([^._/]+)\.xml", key.rpartition("/")[2])
            if codes and matches(f"{codes[1]}.{codes[2]}..", stations):
                keys.setdefault((codes[1], codes[2]), key)
        inventory = self._read_all([(key,) for key in keys.values()], level="channel")
        table = select(from_inventory(inventory), query) if inventory else pd.DataFrame()
        if table.empty:
            raise NoDataError(f"{self.url}: no channel matches the query")
        return table

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        """Responses of the channels in all epochs; None where there is no StationXML of their stations."""
        wanted = set(channel_ids)
        stations = sorted({tuple(channel_id.split(".")[:2]) for channel_id in wanted})
        keys = [
            tuple(key.format(network=network, station=station) for key in self.layout.stationxml)
            for network, station in stations
        ]
        inventory = self._read_all(keys, level="response")
        if inventory:
            keep_channels(inventory, wanted)
        return inventory

    def _read_all(self, stations: Sequence[tuple[str, ...]], level: str) -> Inventory | None:
        """StationXML of stations, each under the first of its keys that exists; None for none."""
        with ThreadPoolExecutor(self.parallel) as pool:
            parts = [part for part in pool.map(lambda keys: self._read_station(keys, level), stations) if part]
        return sum(parts[1:], parts[0]) if parts else None

    def _read_station(self, keys: tuple[str, ...], level: str) -> Inventory | None:
        for key in keys:
            try:
                return read_stationxml(self._get(key), self.url + key, level)
            except NoDataError:
                continue
            except InputError as error:
                _log.warning("a station is left out: %s", error)
        return None

    def _day_key(self, channel_id: str, day: int) -> str:
        network, station, location, channel = channel_id.split(".")
        date = pd.Timestamp(day * DAY_NS)
        return self.layout.day.format(
            network=network,
            station=station,
            location=location,
            channel=channel,
            year=date.year,
            day=date.day_of_year,
        )

    def _get(self, key: str, options: Any = None) -> bytes:
        try:
            return self._patience.call(lambda: bytes(obstore.get(self._store, key, options=options).bytes()))
        except FAILURES as error:
            raise _failure(error, self.url + key) from error

    def _keys(self, prefix: str) -> list[str]:
        try:
            return self._patience.call(
                lambda: [item["path"] for page in obstore.list(self._store, prefix) for item in page]
            )
        except FAILURES as error:
            raise _failure(error, self.url + prefix) from error


def _parse(rest: str, spec: str) -> tuple[str, Layout, bool]:
    """``s3://bucket/prefix/``, the layout, and whether the requester pays."""
    parts = urlsplit(rest)
    options = dict(parse_qsl(parts.query))
    layout, payer = options.pop("layout", ""), options.pop("requester", None)
    if parts.scheme != "s3" or not parts.netloc or layout not in LAYOUTS or payer not in (None, "pays") or options:
        known = ", ".join(f"s3:{name}" for name in PUBLIC)
        raise InputError(
            f"source {spec}: use {known} or s3://bucket/prefix?layout={'|'.join(LAYOUTS)}, with &requester=pays where "
            "the bucket asks for it"
        )
    path = parts.path.strip("/")
    return f"s3://{parts.netloc}/{path}/" if path else f"s3://{parts.netloc}/", LAYOUTS[layout], payer is not None


def _failure(error: Exception, where: str) -> SourceError:
    """What an object store's failure means for a record; waiting is over by now."""
    if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
        return NoDataError(f"{where}: no such file")
    advice = "; some buckets answer so for files they lack" if isinstance(error, PermissionDeniedError) else ""
    return SourceError(f"{where}: {explain(error)}{advice}")
