"""What a picture shows, as parameters of a request: the same words and defaults as ``seisloom stack`` and ``plot``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from seisloom.errors import InputError
from seisloom.noise.stack import resolve_options
from seisloom.plot.looks import read_band, read_lag, read_velocities
from seisloom.plot.traces import Band, Lags

MOST_OPTIONS = 20


class Choice(BaseModel):
    """Pairs, stacking and look of a picture or file."""

    model_config = ConfigDict(frozen=True)

    pair: str | None = Field(
        default=None, max_length=100, description="NET.STA_NET.STA or NET.STA.LOC.CHA_NET.STA.LOC.CHA, in either order"
    )
    station: str | None = Field(
        default=None, max_length=50, description="the virtual source: NET.STA or NET.STA.LOC.CHA"
    )
    component: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9]{2}$",
        description="component pair, e.g. ZZ or RT; default: the only one there is",
    )
    method: str = Field(default="linear", max_length=40, description="stacking method")
    set: list[str] = Field(
        default=[], max_length=MOST_OPTIONS, description="options of the method, name=value; may be repeated"
    )
    period: str | None = Field(
        default=None,
        max_length=20,
        description="rows of a correlogram: day, week, month or 'N days'; default: what was kept",
    )
    start: date | None = Field(default=None, description="first day that counts; default: all")
    end: date | None = Field(default=None, description="last day that counts, included; default: all")
    stack: str | None = Field(
        default=None, max_length=100, description="a stored stack to draw in place of one made for the picture"
    )
    band: str | None = Field(default=None, max_length=60, description="pass band LOW,HIGH, Hz; default: no filter")
    lag: str | None = Field(default=None, max_length=60, description="largest lag, s, or FROM,TO; default: all")
    sides: Literal["both", "causal", "folded"] = Field(
        default="both", description="both, causal (positive lags) or folded (mean of both); not of correlograms"
    )
    velocities: str = Field(default="2,3,4", max_length=100, description="velocities of the arrival lines, km/s")
    kind: Literal["auto", "wiggles", "image"] = Field(default="auto", description="how a section is drawn")
    bin_km: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="record section: average pairs in bins this wide, km"
    )
    colour: Literal["distance", "amplitude"] = Field(default="distance", description="virtual shot: what colours tell")
    scale_rows: bool = Field(default=False, description="correlogram: scale each row to its largest value")
    title: str | None = Field(default=None, max_length=200, description="default: what is drawn")

    @cached_property
    def options(self) -> dict[str, Any]:
        """All options of the method; InputError for one that it does not have, or out of range."""
        given = {}
        for text in self.set:
            name, equals, value = text.partition("=")
            if not equals:
                raise InputError(f"set={text!r}: write name=value")
            given[name.strip()] = value.strip()
        return finite_options(self.method, given)

    @property
    def stacking(self) -> tuple[Any, ...]:
        """Method and options, as part of a key."""
        return (self.method, *sorted(self.options.items()))

    @property
    def days(self) -> tuple[str | None, str | None]:
        """First and last day, YYYY-MM-DD."""
        return (self.start.isoformat() if self.start else None, self.end.isoformat() if self.end else None)

    @property
    def lags(self) -> Lags | None:
        """Largest lag or range, s."""
        return read_lag(self.lag)

    @property
    def pass_band(self) -> Band | None:
        """Pass band, Hz."""
        return read_band(self.band)

    @property
    def speeds(self) -> tuple[float, ...]:
        """Velocities of arrival lines, km/s."""
        return read_velocities(self.velocities)


def finite_options(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a method; InputError for one that it does not have, is out of range, or not finite."""
    values = resolve_options(method, given)
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            raise InputError(f"stack option {name} is {value}: a finite number is expected")
    return values
