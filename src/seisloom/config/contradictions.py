"""How correlation settings rule one another out, each contradiction with values that would work."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seisloom.config.correlation import CorrelationSettings

DAY_S = 86_400.0
BASIC = ("fs", "freqmin", "freqmax", "cc_step", "cc_len", "maxlag")
"""The settings of the XCor app."""
MOST_SAMPLES, MOST_WINDOWS = 20_000_000, 10_000_000
"""Of a window with its zeros, and of a day."""
_EXTREME = 1e9
# Limits hold within this fraction, so that a limit written with 12 digits is itself allowed.
_SLACK = 1e-9
# What would take a fault away: a setting, its relation to a value, and values, the most wanted one first.
_Remedy = tuple[str, str, tuple[float | str, ...]]
_Fault = tuple[str, list[_Remedy]]


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
    if extreme := list(_extreme_faults(s)):
        return extreme
    return [*_band_faults(s), *_length_faults(s), *_size_faults(s), *_choice_faults(s)]


def _extreme_faults(s: CorrelationSettings) -> Iterator[_Fault]:
    """Numbers with which the others could not be compared."""
    for name in BASIC:
        value = getattr(s, name)
        if not 1 / _EXTREME <= value <= _EXTREME:
            relation, limit = ("<=", _EXTREME) if value > 1 else (">=", 1 / _EXTREME)
            yield f"{name} {value:g} is too {'large' if value > 1 else 'small'}", [(name, relation, (limit,))]


def _size_faults(s: CorrelationSettings) -> Iterator[_Fault]:
    """What no machine has the memory for."""
    samples = (s.cc_len + s.maxlag) * s.fs
    if samples > MOST_SAMPLES:
        yield (
            f"a window of cc_len {s.cc_len:g} s and maxlag {s.maxlag:g} s has {samples:,.0f} samples at fs {s.fs:g} Hz, "
            f"more than {MOST_SAMPLES:,}",
            [
                ("fs", "<=", (math.floor(MOST_SAMPLES / (s.cc_len + s.maxlag)),)),
                ("cc_len", "<=", (math.floor(MOST_SAMPLES / s.fs - s.maxlag),)),
            ],
        )
    if s.cc_step * MOST_WINDOWS < DAY_S:
        yield (
            f"cc_step {s.cc_step:g} s makes more than {MOST_WINDOWS:,} windows a day",
            [("cc_step", ">=", (math.ceil(DAY_S / MOST_WINDOWS * s.fs) / s.fs,))],
        )


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
