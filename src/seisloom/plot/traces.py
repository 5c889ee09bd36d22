"""Correlations made ready to be drawn: filtered, cut to a lag range, folded, scaled, binned by distance.

``lag`` is a largest lag in seconds or a range (from, to); ``band`` a pass band in Hz; ``sides`` says what becomes of
negative lags: "both" keeps them, "causal" leaves them out, "folded" averages them with the positive ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.noise.select import blocks, components, mean_over_time
from seisloom.plot.style import nice_step

if TYPE_CHECKING:
    import xarray as xr

Array = npt.NDArray[np.float64]
Band = tuple[float, float]
Lags = float | tuple[float, float]
Sides = Literal["both", "folded", "causal"]
MOST_BINS = 5000


@dataclass(frozen=True)
class Treatment:
    """How traces are processed before they are drawn."""

    lag: Lags | None = None
    band: Band | None = None
    sides: Sides = "both"

    def __call__(self, values: npt.ArrayLike, lag: npt.ArrayLike) -> tuple[Array, Array]:
        """Rows (..., lag) filtered, folded and cut, with their lag axis; NaN rows stay NaN."""
        values, lag = np.asarray(values, float), np.asarray(lag, float)
        values = bandpass(values, lag, self.band)
        if self.sides == "folded":
            values = (values + values[..., ::-1]) / 2.0
        keep = self._kept(lag)
        return values[..., keep], lag[keep]

    def words(self) -> str:
        """The pass band and the folding, as they stand in titles."""
        band = f"{self.band[0]:g}–{self.band[1]:g} Hz" if self.band else ""
        side = "positive and negative lags averaged" if self.sides == "folded" else ""
        return "   ".join(text for text in (band, side) if text)

    def _kept(self, lag: Array) -> npt.NDArray[np.bool_]:
        if self.sides not in ("both", "folded", "causal"):
            raise InputError(f"sides is {self.sides!r}: use both, folded or causal")
        largest = float(np.abs(lag).max())
        limits = self.lag if self.lag is not None else largest
        low, high = limits if isinstance(limits, tuple) else (-abs(limits), abs(limits))
        if self.sides != "both":
            low = max(low, 0.0)
        step = abs(lag[1] - lag[0]) if len(lag) > 1 else 1.0
        keep = (lag >= low - step / 4) & (lag <= high + step / 4)
        if keep.sum() < 3:
            raise InputError(
                f"lag range {low:g} to {high:g} s: the correlations reach from {lag[0]:g} to {lag[-1]:g} s"
            )
        return keep


@dataclass(frozen=True)
class Traces:
    """Rows to draw: ``data`` (trace, lag), ``lag`` (s), ``distance_km`` and ``pairs`` behind each row.

    ``index`` is the position of each row's pair in the dataset (of no meaning for bins).
    """

    data: Array
    lag: Array
    distance_km: Array
    pairs: Array
    index: npt.NDArray[np.int64]


def gather(ds: xr.Dataset, treatment: Treatment) -> Traces:
    """The mean over time of every pair with data and a known distance, sorted by distance; InputError if none."""
    parts = list(_treated(ds, treatment))
    if not sum(len(p.data) for p in parts):
        raise InputError(nothing_to_draw(ds))
    columns = ("data", "distance_km", "pairs", "index")
    data, distance, pairs, index = (np.concatenate([getattr(p, c) for p in parts]) for c in columns)
    order = np.argsort(distance, kind="stable")
    return Traces(data[order], parts[0].lag, distance[order], pairs[order], index[order])


def gather_bins(ds: xr.Dataset, treatment: Treatment, bin_km: float | None = None) -> Traces:
    """Means of traces scaled to 1, in bins of distance from 0 on; bins without pairs are NaN.

    Pairs go through in blocks, so that half a million need no more memory than a few thousand. Without
    ``bin_km`` 300 to 600 bins of a round width are made.
    """
    from scipy.sparse import csr_array

    far = float(np.nanmax(distances(ds), initial=0.0))
    width = nice_step(far or 1.0, 600, (1.0, 2.0, 2.5, 5.0)) if bin_km is None else bin_km
    if not (width > 0 and far / width <= MOST_BINS):
        raise InputError(f"bins of {width:g} km: use a width from {max(far / MOST_BINS, 1e-3):.2g} km up")
    n_bins = int(far / width) + 1
    total, count = np.zeros((n_bins, 0)), np.zeros(n_bins)
    for part in _treated(ds, treatment):
        total = np.zeros((n_bins, len(part.lag))) if not total.size else total
        rows = (part.distance_km / width).astype(int)
        member = csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(n_bins, len(rows)))
        total += member @ scaled(part.data)
        count += np.bincount(rows, minlength=n_bins)
        lag = part.lag
    if not count.any():
        raise InputError(nothing_to_draw(ds))
    mean = np.divide(total, count[:, None], out=np.full_like(total, np.nan), where=count[:, None] > 0)
    middles: Array = (np.arange(n_bins, dtype=float) + 0.5) * width
    return Traces(mean, lag, middles, count, np.arange(n_bins))


def bandpass(values: Array, lag: Array, band: Band | None) -> Array:
    """Zero-phase Butterworth filter along the last axis (4 corners a pass); the values as they are without a band."""
    if band is None:
        return values
    from scipy.signal import butter, sosfiltfilt

    low, high = band
    nyquist = 0.5 / float(np.median(np.diff(lag)))
    if not 0 < low < high < nyquist:
        raise InputError(f"band {low:g}–{high:g} Hz: use 0 < low < high < {nyquist:g} Hz (half the sampling rate)")
    sections = butter(4, [low, high], "bandpass", fs=2 * nyquist, output="sos")
    edge = min(int(3 * nyquist * 2 / low), values.shape[-1] - 1)
    filtered: Array = sosfiltfilt(sections, values, axis=-1, padlen=edge)
    return filtered


def scaled(rows: Array) -> Array:
    """Each row divided by its largest magnitude; rows of zeros and NaN stay as they are."""
    peak = np.max(np.abs(rows), axis=-1, keepdims=True)
    return rows / np.where(peak > 0, peak, 1.0)


def distances(ds: xr.Dataset) -> Array:
    """Distance of every pair in km, NaN where unknown."""
    if "distance_km" not in ds:
        return np.full(ds.sizes["pair"], np.nan)
    return np.asarray(ds["distance_km"].values, float)


def component_of(ds: xr.Dataset) -> str:
    """The component code that all pairs share; InputError lists them when there are several."""
    codes = sorted(set(components(ds).tolist()))
    if len(codes) != 1:
        raise InputError(f"the pairs are of components {', '.join(codes)}: choose one of them")
    return str(codes[0])


def method_of(ds: xr.Dataset) -> str:
    """The stacking method of a dataset: "linear" for stacks that say nothing else, and for means."""
    return str(ds.attrs.get("method", "linear"))


def stack_words(method: str) -> str:
    """The method as it stands in titles: nothing for the mean."""
    return "" if method == "linear" else f"{method} stack"


def nothing_to_draw(ds: xr.Dataset) -> str:
    """Why no pair of the dataset can be drawn."""
    n = ds.sizes["pair"]
    if n and not np.isfinite(distances(ds)).any():
        return f"none of the {n} pairs has a known distance: the stations have no coordinates"
    return f"none of the {n} pairs has data: every correlation is missing (NaN)"


def _treated(ds: xr.Dataset, treatment: Treatment) -> Iterator[Traces]:
    """Blocks of pairs with data and distance, averaged over time and processed."""
    first = 0
    for block in blocks(ds):
        mean = mean_over_time(block)["ccf"].transpose("pair", "lag").values
        distance = distances(block)
        good = np.flatnonzero(np.isfinite(mean).all(axis=1) & np.isfinite(distance))
        data, lag = treatment(mean[good], block["lag"].values)
        yield Traces(data, lag, distance[good], np.ones(len(good)), good + first)
        first += block.sizes["pair"]
