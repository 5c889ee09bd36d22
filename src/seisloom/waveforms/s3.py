"""Day files in object stores: the open-data buckets of SCEDC and NCEDC, and any bucket laid out like them.

SCEDC: https://scedc.caltech.edu/cloud/, NCEDC: https://ncedc.org/db/cloud.html; both are public.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import obstore
import pandas as pd
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from seisloom.errors import InputError, NoDataError, SourceError
from seisloom.stations import from_inventory
from seisloom.waveforms.base import DAY_NS, ChannelQuery, Record, matches
from seisloom.waveforms.mseed import decode
from seisloom.waveforms.query import select
from seisloom.waveforms.stationxml import keep_channels, read_stationxml

if TYPE_CHECKING:
    from obspy import Inventory

METADATA = "FDSNstationXML"
TAIL_BYTES = 65_536
"""What is read of the day before where records may cross midnight; a multiple of every record length."""
RETRY: Any = {"max_retries": 6, "retry_timeout": timedelta(minutes=3)}
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
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


class S3Source:
    """``scedc`` or ``ncedc``, or ``s3://bucket/prefix?layout=scedc|ncedc|sds``.

    For a URL, credentials, endpoint and region come from the usual AWS_ variables; without credentials
    requests are not signed (AWS_SKIP_SIGNATURE=false asks the machine's instance role for them).
    """

    parallel = 16

    def __init__(self, rest: str) -> None:
        rest = f"s3:{rest}" if rest.startswith("//") else rest
        self.spec = f"s3:{rest}"
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        anonymous = not any(name in os.environ for name in _CREDENTIALS)
        if rest in PUBLIC:
            bucket, endpoint = PUBLIC[rest]
            anonymous, self.url, self.layout = True, f"s3://{bucket}/", LAYOUTS[rest]
        else:
            self.url, self.layout = _parse(rest, self.spec)
        try:
            self._store = _store(self.url, endpoint, anonymous)
        except BaseError as error:
            raise InputError(f"source {self.spec}: {_first_line(error)}: check the AWS_ variables") from error

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
            return bytes(obstore.get(self._store, key, options=options).bytes())
        except (BaseError, OSError) as error:
            raise _explain(error, self.url + key) from error

    def _keys(self, prefix: str) -> list[str]:
        try:
            return [item["path"] for page in obstore.list(self._store, prefix) for item in page]
        except (BaseError, OSError) as error:
            raise _explain(error, self.url + prefix) from error


def _parse(rest: str, spec: str) -> tuple[str, Layout]:
    """``s3://bucket/prefix/`` and the layout."""
    parts = urlsplit(rest)
    layout = dict(parse_qsl(parts.query)).get("layout", "")
    if parts.scheme != "s3" or not parts.netloc or layout not in LAYOUTS:
        known = ", ".join(f"s3:{name}" for name in PUBLIC)
        raise InputError(f"source {spec}: use {known} or s3://bucket/prefix?layout={'|'.join(LAYOUTS)}")
    path = parts.path.strip("/")
    return f"s3://{parts.netloc}/{path}/" if path else f"s3://{parts.netloc}/", LAYOUTS[layout]


def _store(url: str, endpoint: str | None, anonymous: bool) -> S3Store:
    """The store at an endpoint (None: that of the region), whatever the environment says of endpoints."""
    parts = urlsplit(url)
    client: Any = {"connect_timeout": timedelta(seconds=15), "timeout": timedelta(minutes=5)}
    config: Any = {"skip_signature": True} if anonymous else {}
    if endpoint:
        client["allow_http"] = endpoint.startswith("http://")
        config["aws_endpoint_url_s3"] = endpoint
    prefix = parts.path.strip("/") or None
    return S3Store(parts.netloc, prefix=prefix, client_options=client, retry_config=RETRY, **config)


def _explain(error: Exception, where: str) -> SourceError:
    """What an object store's failure means, in one line; the retries are over by now."""
    text = _first_line(error)
    found = re.search(r"status code: (\d+)", text)
    status = int(found[1]) if found else None
    if "NoSuchBucket" in text:
        return SourceError(f"{where}: there is no such bucket: check its name, and AWS_ENDPOINT_URL")
    if isinstance(error, FileNotFoundError):
        return NoDataError(f"{where}: no such file")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        advice = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; some buckets answer so for files they lack"
        return SourceError(f"{where}: access denied: {advice}")
    if status in (429, 503):
        return SourceError(f"{where}: the store limits requests, even after waiting: try again later")
    if status is None and "error sending request" in text:
        return SourceError(f"{where}: the store cannot be reached: check the network and AWS_ENDPOINT_URL")
    return SourceError(f"{where}: {text}")


def _first_line(error: Exception) -> str:
    """What obstore says before it shows its internals."""
    text = str(error).partition("\n\nDebug source")[0]
    return " ".join(text.split())[:400]
