"""FDSN web services as a waveform source: dataselect for records, station for channels and responses.

The services are those of the FDSN web service specification 1.2 (https://www.fdsn.org/webservices/).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd
from obspy import Inventory, UTCDateTime
from obspy.clients.fdsn.header import URL_MAPPINGS

from seisloom.errors import InputError, NoDataError, SourceError
from seisloom.stations import parse_stations
from seisloom.waveforms.availability import parse_availability, span_table
from seisloom.waveforms.base import NS_PER_S, ChannelQuery, Record, Reopened
from seisloom.waveforms.fdsn_client import TRANSIENT, TRIES, AnswerError, PoliteClient
from seisloom.waveforms.mseed import decode
from seisloom.waveforms.stationxml import read_stationxml

SHORTEST_NS = 60 * NS_PER_S
"""Spans that a server refuses as too large are halved down to this."""
CHUNK = 40
"""Channels in one request for responses: some megabytes of StationXML."""
MANY = 500
"""Channels in one request for availability."""
_log = logging.getLogger(__name__)


class FdsnSource(Reopened):
    """An FDSN data centre: NAME or URL, with ``?timeout=SECONDS&parallel=N&tries=N`` behind it if wanted.

    Restricted data need the environment variables FDSN_USER and FDSN_PASSWORD; ``credentials`` False does not use
    them. ``rng`` and ``sleep`` are for the waits between repeated requests.
    """

    def __init__(
        self,
        rest: str,
        rng: np.random.Generator | None = None,
        sleep: Callable[[float], None] = time.sleep,
        credentials: bool = True,
    ) -> None:
        self.spec = f"fdsn:{rest}"
        name, _, text = rest.partition("?")
        options = parse_options(text, self.spec)
        user = os.environ.get("FDSN_USER") if credentials else None
        login = (user, os.environ.get("FDSN_PASSWORD", "")) if user is not None else None
        # The client's digest authentication keeps one count of its requests: one at a time then.
        self.parallel = 1 if login else int(options["parallel"])
        url, tries = base_url(name, self.spec), int(options["tries"])
        waits = rng or np.random.default_rng(), sleep
        self._client = PoliteClient(url, options["timeout"], self.parallel, *waits, tries, login)
        self.host = self._client.host

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        """Records of a channel that overlap [start, end); what is refused as too large comes in pieces."""
        record = Record()
        for data in self._dataselect(channel_id, start_ns, end_ns):
            try:
                part = decode(data, f"{channel_id} from {self.host}", channel_id, start_ns, end_ns)
            except InputError as error:
                message = f"{self.host}: {channel_id}: the answer is not MiniSEED, it starts with {data[:40]!r}"
                raise SourceError(message) from error
            record.segments += part.segments
            record.problems += part.problems
        return record

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        """Channel table of what matches; two requests where the box crosses the ±180° meridian."""
        tables = []
        for box in _boxes(query.bbox):
            with suppress(NoDataError):
                tables.append(self._channel_table(query, box))
        if not tables:
            raise NoDataError(f"{self.host}: no channel matches {_describe(query)}")
        return pd.concat(tables).drop_duplicates(ignore_index=True)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        """Responses of the channels, None for none at all; one that cannot be had is left out and logged."""
        ids = sorted(set(channel_ids))
        chunks = [ids[i : i + CHUNK] for i in range(0, len(ids), CHUNK)]
        with ThreadPoolExecutor(self.parallel) as pool:
            parts = pool.map(lambda chunk: self._responses(chunk, start_ns, end_ns), chunks)
            inventory = Inventory(networks=[n for part in parts for n in part], source=self.host)
        return inventory if len(inventory) else None

    def availability(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> pd.DataFrame | None:
        """Spans with data by the availability service, None where the data centre has none that answers."""
        ids = sorted(set(channel_ids))
        chunks = [ids[i : i + MANY] for i in range(0, len(ids), MANY)]
        with ThreadPoolExecutor(self.parallel) as pool:
            parts = list(pool.map(lambda chunk: self._spans(chunk, start_ns, end_ns), chunks))
        known = [part for part in parts if part is not None]
        return pd.concat(known) if len(known) == len(parts) and known else None

    def _spans(self, ids: list[str], start_ns: int, end_ns: int) -> pd.DataFrame | None:
        url = f"{self._client.url}/fdsnws/availability/1/query"
        span = " ".join(str(time).rstrip("Z") for time in _inclusive(start_ns, end_ns))
        lines = [channel_id.replace("..", ".--.").replace(".", " ") for channel_id in ids]
        body = "\n".join(["format=text", "merge=samplerate,quality,overlap", *(f"{line} {span}" for line in lines)])
        try:
            text = self._client.post(f"availability of {_abridged(ids)}", url, body.encode())
        except AnswerError as error:
            if error.status is None or error.status in TRANSIENT:
                raise
            return None
        try:
            return (
                parse_availability(text.decode(errors="replace"), f"availability of {self.host}")
                if text
                else span_table([])
            )
        except InputError as error:
            _log.warning("%s", error)
            return None

    def _dataselect(self, channel_id: str, start_ns: int, end_ns: int) -> list[bytes]:
        """MiniSEED of the span, in one piece if the server gives it so."""
        codes, span = channel_id.split("."), _inclusive(start_ns, end_ns)
        what = f"{channel_id} from {span[0]} to {span[1]}"
        try:
            return [self._client.ask(what, lambda c, out: c.get_waveforms(*codes, *span, filename=out))]
        except AnswerError as error:
            if error.status != 413 or end_ns - start_ns < 2 * SHORTEST_NS:
                raise
        middle = (start_ns + end_ns) // 2
        pieces = []
        for half in ((start_ns, middle), (middle, end_ns)):
            with suppress(NoDataError):
                pieces += self._dataselect(channel_id, *half)
        if not pieces:
            raise NoDataError(f"{self.host}: {what}: no data")
        return pieces

    def _channel_table(self, query: ChannelQuery, box: dict[str, float]) -> pd.DataFrame:
        what = _describe(query)
        limits: dict[str, Any] = {n: getattr(query, n) for n in ("network", "station", "location", "channel")} | box
        for name, time_ns in (("starttime", query.start_ns), ("endtime", query.end_ns)):
            if time_ns is not None:
                limits[name] = UTCDateTime(ns=time_ns)
        limits |= {"level": "channel", "format": "text"}
        text = self._client.ask(what, lambda c, out: c.get_stations(filename=out, **limits)).decode(errors="replace")
        if all(line.startswith("#") or not line.strip() for line in text.splitlines()):
            raise NoDataError(f"{self.host}: no channel matches {what}")
        rows = text.count("\n")
        if query.limit is not None and rows > query.limit:
            raise InputError(
                f"{self.host}: {rows:,} channels match {what}, at most {query.limit:,} can be shown: ask for less"
            )
        return parse_stations(text, f"station list of {self.host}")

    def _responses(self, ids: list[str], start_ns: int, end_ns: int, tries: int | None = None) -> Inventory:
        """Inventory of a chunk; one that fails for what is in it is halved, so that the rest is not lost."""
        what = f"responses of {_abridged(ids)}"
        bulk = [(*channel_id.split("."), *_inclusive(start_ns, end_ns)) for channel_id in ids]
        nothing = Inventory(networks=[], source=self.host)
        try:
            body = self._client.ask(
                what, lambda c, out: c.get_stations_bulk(bulk, level="response", filename=out), tries
            )
            return read_stationxml(body, f"{self.host}: {what}")
        except NoDataError:
            return nothing
        except (AnswerError, InputError) as error:
            if isinstance(error, AnswerError) and error.status not in (400, 413, 500):
                raise
            if len(ids) == 1:
                _log.warning("%s is left out: %s", ids[0], error)
                return nothing
        halves = ids[: len(ids) // 2], ids[len(ids) // 2 :]
        parts = [self._responses(half, start_ns, end_ns, tries=2) for half in halves]
        return parts[0] + parts[1]


def base_url(name: str, spec: str) -> str:
    """Base URL of a data centre that ObsPy knows by name, or the URL itself; InputError for others."""
    if "://" not in name:
        if name.upper() in URL_MAPPINGS:
            return str(URL_MAPPINGS[name.upper()])
        near = get_close_matches(name.upper(), URL_MAPPINGS, n=3, cutoff=0.5) or sorted(URL_MAPPINGS)
        raise InputError(f"source {spec}: no data centre is called {name!r}; known: {', '.join(near)}; or give a URL")
    try:
        parts = urlsplit(name)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is none, brackets that do not close
        usable = False
    if not usable or not name.isascii() or not name.isprintable() or " " in name:
        raise InputError(f"source {spec}: {name!r} is not an http or https address")
    return name.rstrip("/").removesuffix("/fdsnws")


def parse_options(text: str, spec: str) -> dict[str, float]:
    """Time-out in seconds, number of requests at once, and how often a request is made before it has failed."""
    options = {"timeout": 120.0, "parallel": 6.0, "tries": float(TRIES)}
    for name, value in parse_qsl(text, keep_blank_values=True):
        try:
            options[name] = {"timeout": float, "parallel": int, "tries": int}[name](value)
        except (KeyError, ValueError):
            message = (
                f"source {spec}: option {name}={value}; timeout=SECONDS and parallel=N are understood, and tries=N"
            )
            raise InputError(message) from None
    if not all(0 < value < 1e6 for value in options.values()):
        raise InputError(f"source {spec}: timeout, parallel and tries must be above 0 (and not endless)")
    return options


def _inclusive(start_ns: int, end_ns: int) -> tuple[UTCDateTime, UTCDateTime]:
    """The half-open span for a service whose end times are inclusive and have microseconds."""
    return UTCDateTime(ns=start_ns), UTCDateTime(ns=end_ns - 1000)


def _boxes(bbox: tuple[float, float, float, float] | None) -> list[dict[str, float]]:
    if bbox is None:
        return [{}]
    west, south, east, north = bbox
    ranges = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return [{"minlongitude": w, "minlatitude": south, "maxlongitude": e, "maxlatitude": north} for w, e in ranges]


def _describe(query: ChannelQuery) -> str:
    codes = ".".join((query.network, query.station, query.location, query.channel))
    return f"{codes} in the box {query.bbox}" if query.bbox else codes


def _abridged(ids: list[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{ids[0]} … {ids[-1]} ({len(ids)})"
