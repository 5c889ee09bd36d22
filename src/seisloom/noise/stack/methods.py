"""The stacking methods by name, with their options, and the one function that runs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.noise.stack.covariance import acf
from seisloom.noise.stack.mean import linear, nroot, selective
from seisloom.noise.stack.phase import pws, robust_pws, tf_pws
from seisloom.noise.stack.robust import robust
from seisloom.noise.stack.rows import Array, Float64, equal_weights, pair_blocks

Value = float | int | bool | None


@dataclass(frozen=True)
class Option:
    """One option of a method: its default (None = off), unit, range and meaning."""

    default: Value
    text: str
    unit: str = ""
    low: float = -np.inf
    high: float = np.inf

    def parse(self, name: str, value: Any) -> Value:
        """The value (text too, as a command line gives it) in the type of the default; InputError if it cannot be."""
        if self.default is None and value in (None, "none"):
            return None
        kind = type(self.default) if self.default is not None else float
        try:
            parsed = {"true": True, "false": False}[str(value).lower()] if kind is bool else kind(value)
            if kind is int and parsed != float(value):
                raise ValueError(value)
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
            raise InputError(f"stack option {name} is {value!r}: {wanted} is expected ({self.text})") from None
        if not self.low <= parsed <= self.high:
            raise InputError(f"stack option {name} is {value!r}: it must be {self._range()} ({self.text})")
        return parsed

    def _range(self) -> str:
        if np.isinf(self.high):
            return f"at least {self.low:g}"
        return f"between {self.low:g} and {self.high:g}"


@dataclass(frozen=True)
class Method:
    """One stacking method: ``run(rows, weights, lag, **options)`` (see stack.rows), what it does, its options.

    ``weighted``: averages amplitudes with the weights that are given; the others only leave out rows of weight zero.
    """

    run: Callable[..., Float64]
    text: str
    options: Mapping[str, Option] = field(default_factory=dict)
    weighted: bool = False


_POWER = Option(2.0, "power of the phase weight", low=0)
_SMOOTH = Option(0.0, "running mean over the phase coherence before its power is taken", "s", low=0)
_WINDOW = {
    "lag_min": Option(None, "rows are compared from this |lag| on (all)", "s", low=0),
    "lag_max": Option(None, "rows are compared up to this |lag| (all)", "s", low=0),
}
_ROBUST = {
    "tolerance": Option(1e-5, "change of the stack at which the iteration ends", low=0),
    "max_iterations": Option(10, "iterations at most", low=1),
    "unit_beam": Option(True, "compare with the stack scaled to unit length; false: as it is, as NoisePy does"),
    **_WINDOW,
}
METHODS: dict[str, Method] = {
    "linear": Method(linear, "mean, weighted by window counts where they are given", weighted=True),
    "pws": Method(
        pws,
        "phase-weighted stack (Schimmel & Paulssen 1997)",
        {"power": _POWER, "smooth_s": _SMOOTH},
        weighted=True,
    ),
    "robust": Method(robust, "rows weighted by likeness to the stack (Pavlis & Vernon 2010)", _ROBUST),
    "nroot": Method(nroot, "n-th root stack (Muirhead 1968)", {"root": Option(2.0, "root", low=1)}),
    "selective": Method(
        selective,
        "mean of the rows that correlate with it",
        {
            "threshold": Option(0.0, "least correlation coefficient", low=-1, high=1),
            "max_iterations": Option(10, "iterations at most", low=1),
            **_WINDOW,
        },
    ),
    "tf-pws": Method(
        tf_pws,
        "phase-weighted in time and frequency (Schimmel & Gallart 2007)",
        {
            "power": _POWER,
            "width": Option(1.0, "standard deviation of the Gaussian window in periods", low=0.1),
            "freqmin": Option(None, "lowest frequency kept (all)", "Hz", low=0),
            "freqmax": Option(None, "highest frequency kept (all)", "Hz", low=0),
        },
        weighted=True,
    ),
    "acf": Method(
        acf,
        "adaptive covariance filter (Nakata et al. 2015)",
        {"exponent": Option(1.0, "harshness of the filter", low=0)},
    ),
    "robust-pws": Method(
        robust_pws,
        "robust stack with phase weights (robustpws of SeisNoise.jl)",
        {"power": _POWER, "smooth_s": _SMOOTH, **_ROBUST},
    ),
}


def resolve_options(method: str, options: Mapping[str, Any] | None = None) -> dict[str, Value]:
    """All options of a method with their values: those given, checked and typed, and the defaults of the others.

    Raises InputError for an unknown method or option, listing those there are, and for values out of range.
    """
    if method not in METHODS:
        listing = "\n".join(f"  {name}: {m.text}" for name, m in METHODS.items())
        raise InputError(f"stack method {method!r} is unknown{_near(method, METHODS)}; use one of\n{listing}")
    known = METHODS[method].options
    for name in options or {}:
        if name not in known:
            listing = ", ".join(f"{n} (default {o.default}{' ' + o.unit if o.unit else ''})" for n, o in known.items())
            raise InputError(
                f"stack method {method} has no option {name!r}{_near(name, known)}; it has: {listing or 'none'}"
            )
    given = {name: known[name].parse(name, value) for name, value in (options or {}).items()}
    return {name: given.get(name, option.default) for name, option in known.items()}


def stack(
    data: npt.ArrayLike,
    method: str = "linear",
    *,
    weights: npt.ArrayLike | None = None,
    lag: npt.ArrayLike | None = None,
    threads: int = 1,
    **options: Any,
) -> npt.NDArray[np.floating]:
    """Stack rows (days, windows) of correlations into one each: (..., n, lag) to (..., lag), in the same dtype.

    ``data`` is float32 or float64 (anything else is computed in float64). Rows with a sample that is not finite are
    left out; where no row is left the result is NaN. ``weights`` (..., n) or (n,) are not negative, for instance window
    counts: ``linear`` and the amplitudes of ``pws`` and ``tf-pws`` are averaged with them, and in every method rows of
    weight zero are left out. ``lag`` (lag,) in seconds, evenly spaced, is needed by options in seconds or Hz.
    ``threads`` works on as many blocks of pairs at once; memory beyond data and result is a few MB a block.
    See METHODS for the methods and their options. Raises InputError.
    """
    values = resolve_options(method, options)
    rows = _as_rows(data)
    axis = _lag_axis(lag, rows.shape[-1], METHODS[method], values)
    batch, (n, n_lag) = rows.shape[:-2], rows.shape[-2:]
    flat = rows.reshape(math.prod(batch), n, n_lag)
    given = _as_weights(weights, rows.shape[:-1]).reshape(len(flat), n)
    out = np.full((len(flat), n_lag), np.nan, rows.dtype)

    def work(block: slice) -> None:
        out[block] = _stack_block(METHODS[method], flat[block], given[block], axis, values)

    with ThreadPoolExecutor(threads) as pool:
        list((pool.map if threads > 1 else map)(work, pair_blocks(flat.shape)))
    return out.reshape(*batch, n_lag)


def _stack_block(
    method: Method, rows: Array, given: Float64, lag: Float64 | None, options: dict[str, Value]
) -> npt.NDArray[np.floating]:
    """Stacks (pair, lag) of rows (pair, n, lag): drops what does not count, then runs the method."""
    valid = np.isfinite(rows).all(axis=-1) & (given > 0)
    stacks = np.full((rows.shape[0], rows.shape[2]), np.nan)
    some = valid.any(axis=-1)
    if not some.any():
        return stacks
    if not some.all():
        rows, valid, given = rows[some], valid[some], given[some]
    if not valid.all():
        rows = np.where(valid[..., None], rows, rows.dtype.type(0))
    if method.weighted:
        counted = np.where(valid, given, 0.0)
        weights = counted / counted.sum(axis=-1, keepdims=True)
    else:
        weights = equal_weights(valid)
    stacks[some] = method.run(rows, weights, lag, **options)
    return stacks


def _as_rows(data: npt.ArrayLike) -> Array:
    rows = np.asarray(data)
    if rows.ndim < 2:
        raise InputError(f"data to stack have shape {rows.shape}: (..., rows, lag) is expected")
    return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)


def _as_weights(weights: npt.ArrayLike | None, shape: tuple[int, ...]) -> Float64:
    if weights is None:
        return np.ones(shape)
    given = np.asarray(weights, np.float64)
    if not (given >= 0).all() or not np.isfinite(given).all():
        raise InputError("stack weights must be finite and not negative (window counts, for instance)")
    try:
        return np.broadcast_to(given, shape)
    except ValueError:
        raise InputError(f"stack weights have shape {given.shape}, the rows {shape}") from None


def _lag_axis(lag: npt.ArrayLike | None, n_lag: int, method: Method, options: dict[str, Value]) -> Float64 | None:
    wanting = [name for name, value in options.items() if value and method.options[name].unit]
    if lag is None:
        if wanting:
            raise InputError(f"stack option {wanting[0]} needs the lag axis in seconds: pass lag=")
        return None
    axis = np.asarray(lag, np.float64)
    if axis.shape != (n_lag,):
        raise InputError(f"lag has shape {axis.shape}, the data {n_lag} samples in their last axis")
    return axis


def _near(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
