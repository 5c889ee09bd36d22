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


class CorrelationSettings(BaseModel):
    """How records become correlations. The first six are the XCor app's; every length is in seconds.

    Every setting has a default, so ``CorrelationSettings()`` works; contradictions raise SettingsError with all
    faults listed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fs: float = Field(10.0, gt=0, description="sampling rate of the correlations, Hz (records are resampled to it)")
    freqmin: float = Field(0.1, gt=0, description="lowest frequency of the pass band, Hz")
    freqmax: float = Field(1.0, gt=0, description="highest frequency of the pass band, Hz; at most fs / 2")
    cc_step: float = Field(450.0, gt=0, description="start-to-start step of the windows, s (not per cent)")
    cc_len: float = Field(1800.0, gt=0, description="length of a window, s")
    maxlag: float = Field(200.0, gt=0, description="largest lag that is kept, s")

    response: Literal["DISP", "VEL", "ACC", "none"] = Field(
        "VEL",
        description="remove the instrument response to displacement, velocity or acceleration; or leave it in",
    )
    time_norm: Literal["none", "one-bit", "clip", "ram"] = Field(
        "none", description="time normalisation: none, sign only, clip at clip_std, running absolute mean"
    )
    clip_std: float = Field(
        3.0, gt=0, description="clip level in standard deviations of a contiguous record (time_norm clip)"
    )
    ram_window: float | None = Field(
        None,
        gt=0,
        description="window of the running absolute mean, s (default half the longest period, 1 / (2 freqmin); Bensen et al. 2007)",
    )
    whiten: Literal["none", "phase", "running-mean"] = Field(
        "phase", description="spectral whitening: none, amplitude one, or amplitude over its running mean"
    )
    whiten_width: float = Field(0.02, gt=0, description="width of the running spectral mean, Hz")
    measure: Literal["cc", "coherency", "deconvolution", "pcc"] = Field(
        "cc",
        description="cross-correlation, coherency, deconvolution by the first station, phase cross-correlation",
    )
    components: Literal["same", "ZZ", "all"] = Field(
        "same", description="channel pairs between stations: same component, vertical only, or all nine"
    )
    autocorrelations: bool = Field(False, description="also a channel with itself (and, with all, with its siblings)")
    min_distance_km: float = Field(0.0, ge=0, description="pairs closer than this are left out, km")
    max_distance_km: float | None = Field(None, gt=0, description="pairs farther than this are left out, km")
    keep: Literal["day", "substack", "window"] = Field(
        "day", description="what is stored: the mean of a day, of each substack_len, or every window"
    )
    substack_len: float = Field(3600.0, gt=0, description="length of a sub-stack, s (keep substack)")
    taper: float = Field(0.05, ge=0, le=0.5, description="cosine taper of a window, fraction of its length a side")
    fill_gap: float = Field(
        0.0,
        ge=0,
        description="gaps up to this long are bridged by a straight line, s; single samples always are",
    )
    reject_peak: float = Field(
        20.0,
        ge=0,
        description="leave out a window whose peak exceeds this many times the channel's median window rms; 0 = never",
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
    names = ["fs", "freqmin", "freqmax", "cc_step", "cc_len", "maxlag"]
    defaults = CorrelationSettings.model_fields
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
