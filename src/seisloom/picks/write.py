"""The pick table as files that this and other programs read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from seisloom.picks.amplitudes import AMPLITUDES
from seisloom.picks.formats import GPD, check_name
from seisloom.picks.read import COLUMNS
from seisloom.target import write_whole

WRITTEN = ("csv", GPD)


def write_picks(table: pd.DataFrame, path: str | Path, format: str = "csv") -> None:  # noqa: A002
    """Write a pick table as plain CSV (with its amplitudes) or as GPD, the format that PhaseLink reads.

    Times are ISO 8601 UTC to the microsecond, or nanosecond where a table has them. GPD has neither pick numbers nor
    amplitudes; stations without network get --, as in SEED. Raises InputError when the file cannot be written.
    """
    check_name(format, WRITTEN)
    stamps = table["time"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ns]")
    fine = (stamps.astype(np.int64) % 1000).any()
    texts = np.datetime_as_string(stamps, unit="ns" if fine else "us")
    out = table.assign(time=np.char.add(texts, "Z"))
    if format == GPD:
        text = _gpd(out).to_csv(
            sep=" ", header=False, index=False, na_rep="nan", lineterminator="\n", quoting=csv.QUOTE_NONE
        )
    else:
        text = out[[*COLUMNS, *(name for name in AMPLITUDES if name in out)]].to_csv(index=False, lineterminator="\n")
    write_whole(path, text)


def reread_picks(data: bytes) -> pd.DataFrame:
    """The pick table of CSV that :func:`write_picks` wrote: quick, as nothing has to be found that may be wrong with it."""
    table = pd.read_csv(
        io.BytesIO(data), dtype={"station": str, "phase": str, "time": str}, keep_default_na=False, na_values=[""]
    )
    return table.assign(time=pd.to_datetime(table["time"], utc=True, format="ISO8601"))


def _gpd(table: pd.DataFrame) -> pd.DataFrame:
    codes = [name.split(".", 1) if "." in name else ["--", name] for name in table["station"]]
    station = pd.DataFrame(codes, columns=["network", "code"], index=table.index)
    return pd.concat([station, table[["phase", "time", "probability", "duration_s"]]], axis=1)
