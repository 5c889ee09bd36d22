"""What figures ask of the tables they are given."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from seisloom.errors import InputError


def require(table: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """InputError that names the columns which ``what``, such as "the table of events", lacks."""
    if absent := [name for name in columns if name not in table]:
        there = ", ".join(map(str, table)) or "none"
        raise InputError(f"{what} has no column {', '.join(absent)}; its columns are: {there}")
