"""MiniSEED bytes to records: whole files at libmseed's speed, damaged files record by record."""

from __future__ import annotations

from collections.abc import Iterator

from pymseed import MiniSEEDError, MS3Record, MS3TraceList, nslc2sourceid, nstime2timestr, sourceid2nslc

from seisloom.errors import InputError
from seisloom.waveforms.base import Record, Segment

# The smallest record that MiniSEED 2 allows in practice: the step by which a damaged stretch is searched.
_SEARCH_STEP = 64


def is_mseed(head: bytes) -> bool:
    """Whether the first bytes of a file (at least 8) are the start of a MiniSEED 2 or 3 record."""
    return head[:3] == b"MS\x03" or (len(head) >= 8 and head[:6].strip().isdigit() and head[6:7] in b"DRQM")


def decode(
    data: bytes,
    origin: str,
    channel_id: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Record:
    """The records in ``data``, of one channel and of a time span if given.

    Damage does not lose the rest: what cannot be decoded is skipped and named in ``Record.problems``.
    Raises InputError when the bytes are not empty and hold no MiniSEED at all.
    """
    record = Record()
    if not data:
        record.problems.append(f"{origin}: the file is empty")
        return record
    selection = {
        "sourceid": nslc2sourceid(*channel_id.split(".")) if channel_id else None,
        "starttime": nstime2timestr(start_ns) if start_ns is not None else None,
        "endtime": nstime2timestr(end_ns) if end_ns is not None else None,
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
    """(channel id, start, end in ns) of each contiguous stretch in a file, from its record headers alone."""
    try:
        traces = MS3TraceList.from_file(path)
    except MiniSEEDError:
        with open(path, "rb") as file:
            traces = MS3TraceList.from_buffer(_salvage(file.read())[0])
    for trace in traces:
        channel_id = ".".join(sourceid2nslc(trace.sourceid))
        for segment in trace:
            yield channel_id, segment.starttime, segment.endtime


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
    whole, offset, step = bytearray(), 0, _SEARCH_STEP
    view = memoryview(data)
    while offset < len(data):
        try:
            for record in MS3Record.from_buffer(view[offset:], unpack_data=True):
                whole += view[offset : offset + record.reclen]
                offset += record.reclen
                step = record.reclen
            break
        except MiniSEEDError:
            offset += step
    lost = len(data) - len(whole)
    return bytes(whole), f"{lost} of {len(data)} bytes are damaged"
