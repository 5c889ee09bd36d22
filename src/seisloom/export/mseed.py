"""MiniSEED, one file a pair, and an index of what its codes stand for.

MiniSEED knows times, not lags, and one channel code of 2, 5, 2 and 3 letters, not a pair. So sample i of a
row is written at the time (start of the row) + lag[i], with zero lag on the start of the row, and the pair is
given the code XX.NNNNN..XAB: NNNNN is its number in base 36, A and B the component letters of its channels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seisloom.export.rows import Rows, archive_attributes, row_variables, sampling_rate, times_ns
from seisloom.waveforms.base import NS_PER_S

if TYPE_CHECKING:
    import xarray as xr

# The network code that FDSN keeps for tests: no real station has it.
NETWORK = "XX"
INDEX = "index.json"
CODES = ("network", "station", "location", "channel")
CONVENTION = "sample i of a trace is at lag (trace start + i / sampling_rate_hz - start of the row), in seconds"


def write(data: xr.Dataset, rows: Rows, target: Path) -> int:
    """Write PAIR.mseed (float32 records) for every pair and index.json into the folder ``target``.

    Returns the number of files. One trace a row; missing rows get none, and a pair without any gets no file.
    The index lists, for every pair, its file, code and channels, and for every row its start and what the
    archive holds of it (``count``, ``snr``; null for a missing row).
    """
    names = [str(name) for name in data["pair"].values]
    channels = [[str(text) for text in data[name].values] for name in ("channel_a", "channel_b")]
    starts = [int(ns) for ns in times_ns(data)]
    written: dict[int, list[int]] = {}
    for block in rows.blocks():
        for i, times, ccf in block.by_pair():
            codes = code(i, channels[0][i], channels[1][i])
            stream = _stream(ccf, codes, [starts[j] for j in times], data)
            with (target / f"{names[i]}.mseed").open("ab") as file:
                stream.write(file, format="MSEED", encoding="FLOAT32", reclen=4096)
            written.setdefault(i, []).extend(int(j) for j in times)
    numbers = {name: data[name].values for name in row_variables(data)}
    pairs = []
    for i, times_written in written.items():
        entry: dict[str, Any] = {"pair": names[i], "file": f"{names[i]}.mseed"}
        entry |= {"channel_a": channels[0][i], "channel_b": channels[1][i]}
        entry |= dict(zip(CODES, code(i, channels[0][i], channels[1][i]), strict=True))
        pairs.append(entry | {name: _only(values[i], times_written) for name, values in numbers.items()})
    _write_index(data, pairs, target / INDEX)
    return len(written) + 1


def code(number: int, channel_a: str, channel_b: str) -> tuple[str, str, str, str]:
    """Network, station, location and channel code of pair ``number`` (from 0)."""
    return NETWORK, np.base_repr(number, 36).zfill(5), "", f"X{channel_a[-1]}{channel_b[-1]}"


def _stream(ccf: np.ndarray, codes: tuple[str, str, str, str], starts: list[int], data: xr.Dataset) -> Any:
    from obspy import Stream, Trace, UTCDateTime

    first_lag_ns = round(float(data["lag"].values[0]) * NS_PER_S)
    header = dict(zip(CODES, codes, strict=True)) | {"sampling_rate": sampling_rate(data)}
    return Stream(
        Trace(values, header | {"starttime": UTCDateTime(ns=start + first_lag_ns)})
        for values, start in zip(ccf, starts, strict=True)
    )


def _only(values: np.ndarray, rows: list[int]) -> list[float | None]:
    """The numbers of the rows that were written, None for the others and for what is not finite."""
    there = set(rows)
    return [v.item() if j in there and np.isfinite(v) else None for j, v in enumerate(values)]


def _write_index(data: xr.Dataset, pairs: list[dict[str, Any]], path: Path) -> None:
    starts = np.datetime_as_string(times_ns(data).astype("datetime64[ns]"), unit="us", timezone="UTC")
    head = {
        "convention": CONVENTION,
        "sampling_rate_hz": sampling_rate(data),
        "first_lag_s": float(data["lag"].values[0]),
        "row_starts": [str(text) for text in starts],
        "attributes": archive_attributes(data),
    }
    # One line a pair: a file that people can read and that stays small with a year of days.
    lines = ",\n".join(json.dumps(pair) for pair in pairs)
    path.write_text(f'{json.dumps(head, indent=1)[:-2]},\n "pairs": [\n{lines}\n ]\n}}\n', encoding="utf-8")
