"""A stack of a workspace as it is asked for: which pairs, which days go together, by what method, under what name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from seisloom.errors import InputError
from seisloom.noise.archive import open_correlations, pairs_a_chunk
from seisloom.noise.select import select_pairs, time_dim
from seisloom.noise.spans import days_a_row
from seisloom.noise.stack import resolve_options
from seisloom.noise.stack_task import Groups

if TYPE_CHECKING:
    import xarray as xr

MOST_DAYS = 100_000
_DAYS = r"(\d+) ?d(ays?)?"


@dataclass(frozen=True)
class WantedStack:
    """A stack as it is asked for, and what it is of."""

    data: xr.Dataset
    """Correlations of the pairs, not read yet."""
    groups: Groups
    method: str
    options: dict[str, Any]
    """All of the method."""
    name: str
    rotated: bool

    @property
    def n_pairs(self) -> int:
        return len(self.data["pair"])

    @property
    def shard_pairs(self) -> int:
        """Pairs of a shard of the archive."""
        return pairs_a_chunk(self.n_pairs, len(self.groups) * len(self.data["lag"]))[1]


def wanted_stack(
    workspace: str | Path,
    method: str,
    period: str,
    pairs: Sequence[str] | None,
    rotate: bool,
    name: str | None,
    **options: Any,
) -> WantedStack:
    """What :func:`seisloom.noise.stacking.stack_correlations` with the same arguments would stack. Raises what it raises."""
    values = resolve_options(method, options)
    data = select_pairs(open_correlations(workspace), pairs)
    if not data["count"].values.any():
        raise InputError(f"{workspace}: no correlation of these pairs holds any window, so there is nothing to stack")
    groups = periods_of(data, period)
    name = name or f"{method}_{period.replace(' ', '')}" + ("_RTZ" if rotate else "")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise InputError(f"stack name {name!r}: use letters, digits, dots, dashes and underscores")
    return WantedStack(data, groups, method, values, name, rotate)


def periods_of(data: xr.Dataset, period: str) -> Groups:
    """The periods of a dataset of correlations, as below; InputError for those that rows of several days do not fill."""
    groups = period_groups(pd.DatetimeIndex(data[str(time_dim(data))].values), period)
    n_days, whole = days_a_row(data.attrs), re.fullmatch(_DAYS, period)
    if n_days and period != "all" and not (whole and int(whole[1]) % n_days == 0):
        raise InputError(
            f"period {period!r}: these correlations are means of {n_days} days (keep stack): use all, or a multiple of them such "
            f"as '{3 * n_days} days'"
        )
    return groups


def period_groups(times: pd.DatetimeIndex, period: str) -> Groups:
    """(start, indices of times) of every period that holds any. Weeks begin on Monday, N days on the first day."""
    days = times.normalize()
    if period == "all":
        starts = pd.DatetimeIndex([days[0]] * len(days))
    elif period == "day":
        starts = days
    elif period == "week":
        starts = days - pd.to_timedelta(days.day_of_week, unit="D")
    elif period == "month":
        starts = days - pd.to_timedelta(days.day - 1, unit="D")
    elif match := re.fullmatch(_DAYS, period):
        n = int(match[1])
        if not 1 <= n <= MOST_DAYS:
            raise InputError(f"period {period!r}: at least one day and at most {MOST_DAYS:,}")
        starts = days - pd.to_timedelta((days - days[0]).days % n, unit="D")
    else:
        raise InputError(f"period {period!r}: use all, day, week, month, or a number of days such as '10 days'")
    codes, unique = pd.factorize(starts, sort=True)
    return [(start, np.flatnonzero(codes == i)) for i, start in enumerate(unique)]


def pair_columns(data: xr.Dataset) -> pd.DataFrame:
    """Names, places and directions of the pairs of a dataset, one row each."""
    columns = {str(c): data[c].values for c in data.coords if data[c].dims == ("pair",)}
    return pd.DataFrame({k: v if v.dtype.kind in "fiub" else v.astype(object) for k, v in columns.items()})
