"""Validated settings: ``params.csv`` of the XCor app, TOML, or keywords, all faults reported at once."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seisloom.config.contradictions import BASIC, DAY_S, contradictions
from seisloom.config.faults import sentences
from seisloom.errors import InputError, SettingsError


def _setting(default: Any, label: str, unit: str, description: str, **limits: Any) -> Any:
    """A setting as forms show it: what stands beside it, its unit, a line of help."""
    return Field(default, description=description, json_schema_extra={"label": label, "unit": unit}, **limits)


class CorrelationSettings(BaseModel):
    """How records become correlations. The first six (BASIC) are the XCor app's; every length is in seconds.

    Every setting has a default, so ``CorrelationSettings()`` works; contradictions raise SettingsError with all
    faults listed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fs: float = _setting(
        10.0, "Resample frequency", "Hz", "Sampling rate of the correlations; records are resampled to it", gt=0
    )
    freqmin: float = _setting(0.1, "Minimum frequency", "Hz", "Lowest frequency of the pass band", gt=0)
    freqmax: float = _setting(
        1.0, "Maximum frequency", "Hz", "Highest frequency of the pass band, at most half the resample frequency", gt=0
    )
    cc_step: float = _setting(
        450.0, "Correlation step", "s", "From the start of one window to the start of the next", gt=0
    )
    cc_len: float = _setting(1800.0, "Correlation length", "s", "Length of a window", gt=0)
    maxlag: float = _setting(200.0, "Maximum lag", "s", "Largest lag that is kept, on either side", gt=0)

    response: Literal["DISP", "VEL", "ACC", "none"] = _setting(
        "VEL", "Instrument response", "", "Removed to displacement, velocity or acceleration, or left in"
    )
    time_norm: Literal["none", "one-bit", "clip", "ram"] = _setting(
        "none", "Time normalisation", "", "None, sign only, clip at the clip level, or running absolute mean"
    )
    clip_std: float = _setting(
        3.0, "Clip level", "", "In standard deviations of a contiguous record, for time normalisation clip", gt=0
    )
    ram_window: float | None = _setting(
        None,
        "Window of the running mean",
        "s",
        "For time normalisation ram; empty is half the longest period, 1 / (2 freqmin) (Bensen et al. 2007)",
        gt=0,
    )
    whiten: Literal["none", "phase", "running-mean"] = _setting(
        "phase", "Spectral whitening", "", "None, amplitude one, or amplitude over its running mean"
    )
    whiten_width: float = _setting(
        0.02, "Whitening width", "Hz", "Width of the running spectral mean, for whitening running-mean", gt=0
    )
    measure: Literal["cc", "coherency", "deconvolution", "pcc"] = _setting(
        "cc",
        "Measure",
        "",
        "Cross-correlation, coherency, deconvolution by the first station, or phase cross-correlation",
    )
    components: Literal["same", "ZZ", "all"] = _setting(
        "same", "Components", "", "Channel pairs between stations: same component, vertical only, or all nine"
    )
    autocorrelations: bool = _setting(
        False, "Autocorrelations", "", "Also a channel with itself (and, with components all, with its siblings)"
    )
    min_distance_km: float = _setting(0.0, "Minimum distance", "km", "Pairs closer than this are left out", ge=0)
    max_distance_km: float | None = _setting(
        None, "Maximum distance", "km", "Pairs farther than this are left out; empty is no limit", gt=0
    )
    keep: Literal["day", "substack", "window", "stack"] = _setting(
        "day",
        "Keep",
        "",
        "What is stored: the mean of a day, of each sub-stack, every window, or the mean of several days",
    )
    substack_len: float = _setting(3600.0, "Sub-stack length", "s", "For keep substack", gt=0)
    stack_days: int = _setting(10, "Days of a stack", "days", "For keep stack", ge=1, le=10_000)
    taper: float = _setting(
        0.05, "Taper", "", "Cosine taper of a window, as a fraction of its length on either side", ge=0, le=0.5
    )
    fill_gap: float = _setting(
        0.0, "Fill gaps", "s", "Gaps up to this long are bridged by a straight line; single samples always are", ge=0
    )
    reject_peak: float = _setting(
        20.0,
        "Reject peaks",
        "",
        "Leave out a window whose peak exceeds this many times the channel's median window rms; 0 is never",
        ge=0,
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(_all_faults(values, error), "correlation settings") from None
        faults = contradictions(self)
        if faults:
            raise SettingsError(faults, "correlation settings")

    @property
    def n_windows(self) -> int:
        """Windows that start in a day and end in it."""
        return int((DAY_S - self.cc_len) / self.cc_step + 1e-9) + 1

    @property
    def n_lag(self) -> int:
        """Samples of the lag axis, which is symmetric about zero."""
        return 2 * round(self.maxlag * self.fs) + 1

    def digest(self) -> str:
        """Short hash of all settings: two jobs with one digest compute the same."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _all_faults(values: dict[str, Any], error: ValidationError) -> list[str]:
    """The faults of single values, and the contradictions among the others, as far as they do not depend on them."""
    wrong = {str(fault["loc"][0]) for fault in error.errors()}
    faults = sentences(error, CorrelationSettings)
    try:
        CorrelationSettings(**{name: value for name, value in values.items() if name not in wrong})
    except SettingsError as rest:
        faults += [fault for fault in rest.faults if not any(name in fault for name in wrong)]
    return faults


def read_settings(path: str | Path, **overrides: Any) -> CorrelationSettings:
    """Settings from params.csv (a header and one row, as the XCor app writes it) or a TOML file.

    ``overrides`` that are not None win over the file. Header names are matched without regard to case, spaces
    and underscores. Raises SettingsError (all faults) or InputError (unreadable file).
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read the parameters: {error}") from error
    return parse_settings(text, str(path), **overrides)


def parse_settings(text: str, origin: str, **overrides: Any) -> CorrelationSettings:
    """Settings from the text of params.csv, or of TOML where the name of its ``origin`` ends so; as :func:`read_settings`."""
    values = _from_toml(text, origin) if origin.lower().endswith(".toml") else _from_csv(text, origin)
    values |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return CorrelationSettings(**values)
    except SettingsError as error:
        raise SettingsError(error.faults, origin) from None


def write_params_csv(settings: CorrelationSettings) -> str:
    """The text of params.csv: the XCor app's six columns, then every other setting that is not its default."""
    defaults = CorrelationSettings.model_fields
    names = list(BASIC)
    names += [n for n in defaults if n not in names and getattr(settings, n) != defaults[n].default]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerow([getattr(settings, n) for n in names])
    return buffer.getvalue()


def _squeeze(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _from_csv(text: str, origin: str) -> dict[str, Any]:
    rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    if len(rows) != 2:
        raise InputError(
            f"{origin}: a header and one row of values are expected, found {len(rows)} rows that are not empty"
        )
    if len(rows[0]) != len(rows[1]):
        raise InputError(f"{origin}: the header has {len(rows[0])} columns and the row {len(rows[1])}")
    known = {_squeeze(name): name for name in CorrelationSettings.model_fields}
    names = [known.get(_squeeze(name), name.strip()) for name in rows[0]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{origin}: the header names {', '.join(twice)} more than once")
    return {name: value.strip() for name, value in zip(names, rows[1], strict=True) if value.strip()}


def _from_toml(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin}: not valid TOML: {error}") from error
