"""Validated settings: ``params.csv`` of the XCor app, TOML, or keywords, all faults reported at once."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seisloom.config.faults import sentences
from seisloom.errors import InputError, SettingsError

DAY_S = 86_400.0

# Limits hold within this fraction, so that a limit written with 12 digits is itself allowed.
_SLACK = 1e-9
# What would take a fault away: a setting, its relation to a value, and values, the most wanted one first.
_Remedy = tuple[str, str, tuple[float | str, ...]]
_Fault = tuple[str, list[_Remedy]]


BASIC = ("fs", "freqmin", "freqmax", "cc_step", "cc_len", "maxlag")
"""The settings of the XCor app."""


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
    keep: Literal["day", "substack", "window"] = _setting(
        "day", "Keep", "", "What is stored: the mean of a day, of each sub-stack, or every window"
    )
    substack_len: float = _setting(3600.0, "Sub-stack length", "s", "For keep substack", gt=0)
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


def contradictions(s: CorrelationSettings) -> list[str]:
    """Every way in which settings rule one another out, each with values that would work."""
    faults = _faults(s)
    return [what + _advice(s, remedies, len(faults)) for what, remedies in faults]


def _advice(s: CorrelationSettings, remedies: list[_Remedy], n_faults: int) -> str:
    """The remedies in words: those that bring no other fault, or all of them where several faults hang together."""

    def works(name: str, value: float | str) -> bool:
        return len(_faults(s.model_copy(update={name: value}))) < n_faults

    written = [
        (name, relation, [v for v in map(_as_written, values) if isinstance(v, str) or v > 0])
        for name, relation, values in remedies
    ]
    good = [(name, relation, [v for v in values if works(name, v)]) for name, relation, values in written]
    chosen = [r for r in good if r[2]] or [r for r in written if r[2]]
    advice = " or ".join(f"{name} {relation} {_text(values[0])}" for name, relation, values in chosen)
    return f": use {advice}" if advice else ""


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"


def _as_written(value: float | str) -> float | str:
    return value if isinstance(value, str) else float(_text(value))


def _faults(s: CorrelationSettings) -> list[_Fault]:
    return [*_band_faults(s), *_length_faults(s), *_choice_faults(s)]


def _band_faults(s: CorrelationSettings) -> Iterator[_Fault]:
    nyquist, resolution = s.fs / 2, 1 / s.cc_len
    if s.freqmax > nyquist * (1 + _SLACK):
        # A multiple of fs keeps every length a whole number of samples.
        rates = (2 * s.freqmax, math.ceil(2 * s.freqmax), s.fs * math.ceil(2 * s.freqmax / s.fs))
        yield (
            f"freqmax {s.freqmax:g} Hz is above the Nyquist frequency {nyquist:g} Hz of fs {s.fs:g} Hz",
            [("freqmax", "<=", (nyquist,)), ("fs", ">=", rates)],
        )
    if s.freqmax - s.freqmin < resolution - _SLACK * s.freqmax:
        if s.freqmin >= s.freqmax:
            what = f"freqmin {s.freqmin:g} Hz is not below freqmax {s.freqmax:g} Hz"
        else:
            what = (
                f"freqmin {s.freqmin:g} Hz and freqmax {s.freqmax:g} Hz are closer than the {resolution:g} Hz that "
                f"a window of cc_len {s.cc_len:g} s resolves"
            )
        yield what, [("freqmin", "<=", (s.freqmax - resolution,)), ("freqmax", ">=", (s.freqmin + resolution,))]


def _length_faults(s: CorrelationSettings) -> Iterator[_Fault]:
    if s.cc_len > DAY_S * (1 + _SLACK):
        longest = math.floor(DAY_S * s.fs * (1 + _SLACK)) / s.fs
        yield f"cc_len {s.cc_len:g} s is longer than a day", [("cc_len", "<=", (longest,))]
    if s.cc_step > s.cc_len * (1 + _SLACK):
        yield (
            f"cc_step {s.cc_step:g} s is longer than cc_len {s.cc_len:g} s, which would leave data out",
            [("cc_step", "<=", (s.cc_len,))],
        )
    if s.maxlag >= s.cc_len * (1 - _SLACK):
        longest = (math.ceil(s.cc_len * s.fs * (1 - _SLACK)) - 1) / s.fs
        yield (
            f"maxlag {s.maxlag:g} s is not shorter than cc_len {s.cc_len:g} s",
            [("maxlag", "<=", (longest,))],
        )
    if s.cc_len * s.freqmin < 2 * (1 - _SLACK):
        shortest = math.ceil(2 / s.freqmin * s.fs * (1 - _SLACK)) / s.fs
        yield (
            f"cc_len {s.cc_len:g} s holds fewer than 2 periods of freqmin {s.freqmin:g} Hz",
            [("cc_len", ">=", (shortest,)), ("freqmin", ">=", (2 / s.cc_len,))],
        )
    for name in ("cc_len", "cc_step", "maxlag"):
        length = getattr(s, name)
        n = length * s.fs
        if abs(n - round(n)) > 1e-6 * max(n, 1.0) or round(n) < 1:
            near = tuple(max(1, k) / s.fs for k in (round(n), math.floor(n), math.ceil(n)))
            yield f"{name} {length:.12g} s is not a whole number of samples at {s.fs:g} Hz", [(name, "=", near)]


def _choice_faults(s: CorrelationSettings) -> Iterator[_Fault]:
    if s.keep == "substack" and s.substack_len < s.cc_len * (1 - _SLACK):
        yield (
            f"substack_len {s.substack_len:g} s is shorter than cc_len {s.cc_len:g} s",
            [("substack_len", ">=", (s.cc_len,))],
        )
    if s.keep == "substack" and s.substack_len > DAY_S * (1 + _SLACK):
        yield f"substack_len {s.substack_len:g} s is longer than a day", [("substack_len", "<=", (DAY_S,))]
    if s.max_distance_km is not None and s.max_distance_km < s.min_distance_km * (1 - _SLACK):
        yield (
            f"max_distance_km {s.max_distance_km:g} is below min_distance_km {s.min_distance_km:g}",
            [("max_distance_km", ">=", (s.min_distance_km,)), ("min_distance_km", "<=", (s.max_distance_km,))],
        )
    if s.measure == "pcc" and s.whiten != "none":
        yield "measure pcc normalises by phase in time already", [("whiten", "=", ("none",))]


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
