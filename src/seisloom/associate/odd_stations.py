"""What is strange about stations, as sentences for the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from seisloom.associate.pick_model import PickModel

Array = npt.NDArray[np.float64]

_ODD_DELAY_S = 0.5
_ALIKE = 0.5  # difference of the delays of P and S over the smaller one, at most, if it is the clock
_INSENSITIVE = 0.4  # radius of detection over the usual one
_DEAF = 0.3  # detection over the usual one


def odd_stations(model: PickModel, station_ids: Sequence[str]) -> list[str]:
    """What is strange about stations, a sentence each: clocks, one phase only, stations that hardly pick."""
    delay, detection = model.delay_s.reshape(-1, 2), model.detection.reshape(-1, 2)
    usual = np.array([np.median(column[column > 0.0]) if np.any(column > 0.0) else 0.0 for column in detection.T])
    return [
        f"station {name}: {sentence}"
        for name, late, share, reach in zip(station_ids, delay, detection, model.sensitivity, strict=True)
        for sentence in (*_clock(late, share), *_silence(share, usual, float(reach)))
    ]


def _clock(delay_s: Array, detection: Array) -> Iterator[str]:
    """A clock error delays P and S alike; the ground delays S more."""
    late = delay_s[detection > 0.0]
    if len(late) == 0 or np.abs(late).min() < _ODD_DELAY_S or np.ptp(late) > _ALIKE * np.abs(late).min():
        return
    phases = "P and S alike" if len(late) == 2 else "P" if detection[0] > 0.0 else "S"
    word = "late" if late[0] > 0.0 else "early"
    yield f"picks come {np.abs(late).mean():.2f} s {word} in {phases}: check its clock"


def _silence(detection: Array, usual: Array, sensitivity: float) -> Iterator[str]:
    for phase, other in (("P", "S"), ("S", "P")):
        k = "PS".index(phase)
        if detection[k] == 0.0 and detection[1 - k] > 0.0 and usual[k] > 0.0:
            yield f"no {phase} picks, only {other}"
    if not np.any(detection > 0.0):
        yield "no picks at all"
    elif sensitivity < _INSENSITIVE:
        yield f"picks events only to {100 * sensitivity:.0f} % of the usual distance"
    elif np.all((detection < _DEAF * usual) | (usual == 0.0)):
        percent = " and ".join(f"{100 * detection[k]:.0f} % of {'PS'[k]}" for k in (0, 1) if usual[k] > 0.0)
        yield f"picks only {percent} of the events near it; {100 * usual.max():.0f} % are usual"
