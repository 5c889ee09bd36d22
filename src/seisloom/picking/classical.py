"""A picker without weights: recursive STA/LTA on the vertical, energy ratios on the horizontals, onsets by AIC.

It finds what stands out clearly. Neural pickers find many more, and S above all.
"""

from __future__ import annotations

import numpy as np

from seisloom.picking.picker import CLASSICAL, Array, Onset, triggers

BAND_HZ = (2.0, 15.0)
STA_S, LTA_S = 0.5, 10.0
ON, OFF = 5.0, 2.0
"""Ratios of STA and LTA at which a P trigger begins and ends."""
S_RATIO = 4.0
"""Least ratio of the horizontal energy in the second after S to that in the seconds before it."""
LONGEST_S_MINUS_P_S = 40.0
_AFTER_S, _BEFORE_S = 1.0, 2.0
# Horizontal over vertical energy from which on a trigger is S: in the coda of P, and elsewhere.
_SIDES_LATE, _SIDES = 1.2, 2.0
# S cannot be told from P closer to it than this.
_SHORTEST_S_MINUS_P_S = 0.7
# P may come a little after its pick.
_EMERGING_S = 0.25
# The memory of the long-term average fades as exp(-t / LTA_S).
_FADED = 12.0


class ClassicalPicker:
    """P where the recursive STA/LTA (Withers et al. 1998) of the vertical triggers, S where the horizontals swell after P.

    Onsets are refined by the Akaike criterion of Maeda (1985). With a ratio r at a trigger of r0 the "probability" is
    1 - r0 / 2 r: 0.5 for what just triggers, towards 1 for what is strong.
    """

    name, rate_hz, components = CLASSICAL, 50.0, "ZNE"
    margin_s, shortest = _FADED * LTA_S, round(LTA_S * rate_hz)

    def __init__(self, threshold: float = 0.0) -> None:
        self._threshold = threshold
        self.identity = f"{self.name} threshold {threshold:g}"

    def pick(self, data: Array, first: int) -> list[Onset]:
        vertical, *horizontals = self._filtered(data)
        side = np.stack(horizontals)
        energy = (side**2).sum(axis=0)
        begun = self._triggers(vertical, energy)
        ends = [*(begin for begin, *_ in begun[1:]), data.shape[1]][: len(begun)]
        found = []
        for (begin, is_s, ratio, duration_s), end in zip(begun, ends, strict=True):
            rows = side if is_s else vertical[None]
            at = self._onset(rows, begin - self._n(_BEFORE_S), begin + self._n(_AFTER_S / 2))
            found.append(Onset(at, "S" if is_s else "P", 1 - ON / (2 * ratio), duration_s))
            if not is_s and energy.any() and (s := self._s_after(round(at), end, side, energy)):
                found.append(s)
        # Triggers that follow at once may have one onset.
        apart = {(onset.phase, onset.sample): onset for onset in sorted(found, key=lambda onset: onset.probability)}
        return [onset for onset in apart.values() if onset.probability >= self._threshold]

    def _n(self, seconds: float) -> int:
        return round(seconds * self.rate_hz)

    def _filtered(self, data: Array) -> Array:
        """Band-passed without looking ahead, from the first sample on as if it had been there before."""
        from scipy.signal import butter, sosfilt, sosfilt_zi

        sections = butter(2, BAND_HZ, "bandpass", fs=self.rate_hz, output="sos")
        state = sosfilt_zi(sections)[:, None, :] * data[:, :1]
        return np.asarray(sosfilt(sections, data, zi=state)[0])

    def _triggers(self, vertical: Array, energy: Array) -> list[tuple[int, bool, float, float]]:
        """(sample, whether it is S, ratio, duration in s) of the triggers: what is stronger on the horizontals is S.

        S after a P is left out: it is looked for on the horizontals.
        """
        ratio = self._sta_lta(vertical**2)
        kept: list[tuple[int, bool, float, float]] = []
        for begin, peak, stop in triggers(ratio, ON, OFF):
            after = slice(begin, begin + self._n(_AFTER_S))
            late = bool(kept) and begin - kept[-1][0] < self._n(LONGEST_S_MINUS_P_S)
            sides = energy[after].sum() / max((vertical[after] ** 2).sum(), np.finfo(float).tiny)
            is_s = bool(sides > (_SIDES_LATE if late else _SIDES))
            if not (is_s and late):
                kept.append((begin, is_s, float(ratio[peak]), (stop - begin) / self.rate_hz))
        return kept

    def _sta_lta(self, energy: Array) -> Array:
        """Ratio of exponential averages; 0 until the long one has been filled once."""
        from scipy.signal import lfilter

        averages = []
        for length in (self._n(STA_S), self._n(LTA_S)):
            start = energy[: self._n(LTA_S)].mean() * (1 - 1 / length)
            averages.append(lfilter([1 / length], [1, 1 / length - 1], energy, zi=[start])[0])
        sta, lta = averages
        ratio = np.divide(sta, lta, out=np.zeros_like(sta), where=lta > 0)
        ratio[: self._n(LTA_S)] = 0.0
        return ratio

    def _s_after(self, p: int, end: int, side: Array, energy: Array) -> Onset | None:
        """S in the time after a P and before the next, where the ratio of energies after and before is greatest."""
        begin, stop = p + self._n(_SHORTEST_S_MINUS_P_S), min(end, p + self._n(LONGEST_S_MINUS_P_S)) - self._n(_AFTER_S)
        if stop <= begin:
            return None
        total = np.concatenate([[0.0], np.cumsum(energy[p:])])
        at = np.arange(begin, stop) - p
        before = np.minimum(at - self._n(_EMERGING_S), self._n(_BEFORE_S))
        after = self._n(_AFTER_S)
        quiet = (total[at] - total[at - before]) / before
        ratio = np.divide((total[at + after] - total[at]) / after, quiet, out=np.zeros(len(at)), where=quiet > 0)
        best = int(ratio.argmax())
        middle = begin + best
        if ratio[best] < S_RATIO or total[at[best] + after] - total[at[best]] < energy[p : p + after].sum():
            return None
        earliest = max(middle - self._n(_BEFORE_S / 2), p + self._n(_SHORTEST_S_MINUS_P_S / 2))
        onset = self._onset(side, earliest, middle + after)
        return Onset(onset, "S", float(1 - S_RATIO / (2 * ratio[best])), _AFTER_S)

    def _onset(self, rows: Array, begin: int, end: int) -> float:
        """Sample at which the Akaike criterion of all rows together is least."""
        begin, end = max(begin, 0), min(end, rows.shape[1])
        part = rows[:, begin:end]
        n = part.shape[1]
        k = np.arange(2, n - 2)
        if not len(k):
            return float(begin)
        criterion = np.zeros(len(k))
        for row in part[part.any(axis=1)]:
            sums, squares = (np.concatenate([[0.0], np.cumsum(row**power)]) for power in (1, 2))
            before = squares[k] / k - (sums[k] / k) ** 2
            after = (squares[n] - squares[k]) / (n - k) - ((sums[n] - sums[k]) / (n - k)) ** 2
            tiny = np.finfo(float).tiny
            criterion += k * np.log(np.maximum(before, tiny)) + (n - k) * np.log(np.maximum(after, tiny))
        return float(begin + k[int(criterion.argmin())])
