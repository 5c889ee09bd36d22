"""MiniSEED bytes to records: whole files at libmseed's speed, damaged files record by record."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pymseed import MiniSEEDError, MS3Record, MS3TraceList, nstime2timestr

from seisloom.errors import InputError
from seisloom.waveforms.base import Record, Segment

# How a record begins: MiniSEED 3, or the sequence number, quality and reserved byte of MiniSEED 2.
_HEADER = re.compile(rb"MS\x03|[0-9 \x00]{6}[DRQM][ \x00]")


def is_mseed(head: bytes) -> bool:
    """Whether the first bytes of a file (at least 8) are the start of a MiniSEED 2 or 3 record."""
    return _HEADER.match(head) is not None


def decode(
    data: bytes,
    origin: str,
    channel_id: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Record:
    """The records in ``data``, of one channel and those that overlap [start, end) if given.

    Damage does not lose the rest: what cannot be decoded is skipped and named in ``Record.problems``.
    Raises InputError when the bytes are not empty and hold no MiniSEED at all.
    """
    record = Record()
    if not data:
        record.problems.append(f"{origin}: the file is empty")
        return record
    selection = {
        "sourceid": _source_id(channel_id) if channel_id else None,
        "starttime": nstime2timestr(start_ns) if start_ns is not None else None,
        "endtime": nstime2timestr(end_ns - 1) if end_ns is not None else None,  # libmseed includes it
    }
    try:
        traces = MS3TraceList.from_buffer(data, unpack_data=True, **selection)
        damage = "the last record is cut short" if _is_cut_short(data) else ""
    except MiniSEEDError:
        whole, damage = _salvage(data)
        if not whole:
            raise InputError(f"{origin}: not MiniSEED, or damaged from the first record on") from None
        traces = MS3TraceList.from_buffer(whole, unpack_data=True, **selection)
    if damage:
        record.problems.append(f"{origin}: {damage}; what is whole is used")
    for trace in traces:
        for segment in trace:
            # Text and zero-rate (log) records are not waveforms.
            if segment.samprate > 0 and segment.sampletype in ("i", "f", "d"):
                samples = segment.take_np_datasamples()
                record.segments.append(Segment(segment.starttime, segment.samprate, samples))
    return record


def spans(path: str) -> Iterator[tuple[str, int, int]]:
    """(channel id, times in ns of the first and last sample) of each contiguous stretch, from the headers alone."""
    try:
        traces = MS3TraceList.from_file(path)
    except MiniSEEDError:
        with open(path, "rb") as file:
            traces = MS3TraceList.from_buffer(_salvage(file.read())[0])
    for trace in traces:
        channel_id = _channel_id(trace.sourceid)
        for segment in trace if channel_id else ():
            yield channel_id, segment.starttime, segment.endtime


def _source_id(channel_id: str) -> str:
    """The FDSN source identifier of NET.STA.LOC.CHA; codes shorter than three letters are padded, as in a header."""
    *station, channel = channel_id.split(".")
    codes = "_".join(channel.ljust(3)).replace(" ", "") if len(channel) <= 3 else channel
    return "FDSN:" + "_".join([*station, codes])


def _channel_id(source_id: str) -> str:
    """NET.STA.LOC.CHA of an FDSN source identifier, empty for one of another kind."""
    codes = source_id.removeprefix("FDSN:").split("_", 3)
    if len(codes) < 4:
        return ""
    single = all(len(code) <= 1 for code in codes[3].split("_"))
    return ".".join([*codes[:3], codes[3].replace("_", "") if single else codes[3]])


def _is_cut_short(data: bytes) -> bool:
    first = next(MS3Record.from_buffer(data))
    if len(data) % first.reclen == 0:
        return False
    try:
        for _ in MS3Record.from_buffer(data):  # records of unequal length: walk them
            pass
    except MiniSEEDError:
        return True
    return False


def _salvage(data: bytes) -> tuple[bytes, str]:
    """The records that decode, joined, and how many bytes were left out."""
    whole, view = bytearray(), memoryview(data)
    header = _HEADER.search(data)
    while header:
        offset = header.start()
        try:
            for record in MS3Record.from_buffer(view[offset:], unpack_data=True):
                whole += view[offset : offset + record.reclen]
                offset += record.reclen
            break
        except MiniSEEDError:
            # The next record may begin anywhere: damage can have added or removed bytes.
            header = _HEADER.search(data, max(offset, header.start() + 1))
    lost = len(data) - len(whole)
    return bytes(whole), f"{lost} of {len(data)} bytes are damaged"
