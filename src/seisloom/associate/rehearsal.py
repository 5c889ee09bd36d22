"""A rehearsal: picks like those at hand, of which it is known whose they are.

Where events crowd, picks of two of them may agree on a third that is none. Shaken picks (see ``trust``) cannot show how
often, because events are not among them. So the events that were found are taken for the truth, picks are drawn for them
as the model says, and put among the others; what the search makes of it shows the mixtures. The others are turned, all of a
minute or so by as much, so that what was too small to be found, and bursts, stay what they are at another time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seisloom.associate.assign import assign
from seisloom.associate.gather import pairs
from seisloom.associate.hypothesis import EVIDENCE, TIME
from seisloom.associate.parts import Part
from seisloom.associate.pick_model import WIDE, PickModel
from seisloom.associate.score import match_events
from seisloom.associate.trust import unexplained
from seisloom.picks import PickArrays
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STRETCH_S = 60.0  # least, within which picks of no event are turned; so long rates may well change
_TRAVELS = 2.0  # longest travel times in a stretch, so that few of what belongs together is cut
_TURN = (0.3, 0.7)  # of a stretch
_MIXED = 0.25  # share of the picks of a false event that are of true ones, from which it is a mixture and not chance


def picks_like(
    times: TravelTimes, part: Part, model: PickModel, outlier_share: float, longest_s: float, rng: np.random.Generator
) -> tuple[PickArrays, Integers]:
    """Picks like those of a part, and the event that each is of (row of ``part.events``; -1: of none).

    ``longest_s`` is the longest travel time.
    """
    data = part.data
    kept = unexplained(data, rng)
    others = _turned(data.picks.time_s[kept], max(_STRETCH_S, _TRAVELS * longest_s), rng)
    _, cells = pairs(times, data, model, part.events)
    picked = rng.random(len(cells.event)) < model.detection[cells.channel] * cells.near
    event, right = cells.event[picked], cells.channel[picked]
    wide = np.where(rng.random(len(event)) < outlier_share, WIDE, 1.0)
    error = cells.sigma_s[picked] * wide * rng.standard_normal(len(event))
    arrival = part.events[event, TIME] + cells.travel_s[picked] + model.delay_s[right]
    channel = np.where(rng.random(len(event)) < model.wrong_label, right ^ 1, right)
    everything = np.concatenate([channel, data.picks.channel[kept]])
    likely = np.concatenate([_probabilities(part, channel % 2, rng), part.probability[kept]])
    picks = PickArrays(
        np.concatenate([arrival + error, others]), (everything // 2).astype(np.int32), (everything % 2).astype(np.int8),
        likely.astype(np.float32), np.arange(len(everything)), 0,
    )  # fmt: skip
    return picks, np.concatenate([event, np.full(len(others), -1)])


def _turned(time_s: Array, stretch_s: float, rng: np.random.Generator) -> Array:
    """Times moved on within their stretch, all by as much; what leaves it comes in again at its beginning."""
    within = np.mod(time_s, stretch_s)
    return time_s - within + np.mod(within + stretch_s * rng.uniform(*_TURN), stretch_s)


def _probabilities(part: Part, phase: Integers, rng: np.random.Generator) -> Array:
    """The picker's, drawn from the picks of events."""
    data, found = part.data, np.ones(len(phase))
    for code in (0, 1):
        mine = np.flatnonzero(data.picks.channel % 2 == code)
        share = data.explained[mine] / (data.explained[mine] + data.noise[mine])
        if share.sum() > 0.0:
            wanted = phase == code
            found[wanted] = part.probability[rng.choice(mine, np.count_nonzero(wanted), p=share / share.sum())]
    return found


def mixtures(
    times: TravelTimes, part: Part, model: PickModel, least: tuple[int, int, int], true_event: Integers
) -> Array:
    """Evidence of the events of a part, of which ``true_event`` (slot,) is known, that are mixtures of true ones."""
    given = assign(times, part.data, model, part.events, least)
    matched, _, _ = match_events(given.event, true_event)
    own = given.event >= 0
    n = np.bincount(given.event[own], minlength=len(part.events))
    n_true = np.bincount(given.event[own & (true_event >= 0)], minlength=len(part.events))
    false = given.stands & (n_true > _MIXED * n)
    false[matched] = False
    return np.asarray(part.events[false, EVIDENCE])
