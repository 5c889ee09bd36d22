"""Explanations as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seisloom.associate.trust import FLOOR
from seisloom.words import counted

if TYPE_CHECKING:
    from seisloom.associate.claims import Claim
    from seisloom.associate.explain import EventAt, NoiseAbout, PickExplanation, TimeExplanation
    from seisloom.associate.lacking import Hypothesis

_BURST = 3.0  # times as many picks as usual
_NAMED = 8
_FAR = 30.0  # standard errors beyond which nobody counts them
_TELLING = 1.5  # what a probability is worth, or its inverse, from which it is said


def utc(ns: int) -> str:
    """An instant to the millisecond, ISO 8601."""
    return f"{np.datetime64((ns + 500_000) // 1_000_000, 'ms')}Z"


def why_no_event(one: Hypothesis) -> str:
    """What a hypothesis lacks, in a sentence."""
    reasons = []
    if one.beyond_km > 0:
        reasons.append(f"it lies {one.beyond_km:.0f} km outside where events are looked for: give a larger --region")
    if one.lives_on_events:
        reasons.append(
            f"it lives on picks of {_owners(one)}: without them its evidence is {one.evidence:.1f} of the {one.needed:.1f} that "
            "are needed"
        )
    elif not one.has_evidence:
        reasons.append(f"evidence {one.evidence:.1f} of the {one.needed:.1f} that are needed: {_balance(one)}")
    if one.front > 0:
        reasons.append(
            "a wave from far away, or a burst at one instant, explains its picks better (evidence "
            f"{one.front:.1f} against {one.evidence:.1f})"
        )
    reasons += _too_few(one)
    return "; ".join(reasons) or (
        "it has what an event needs, and the search did not come upon it: ask for a smaller --grid-spacing"
    )


def _balance(one: Hypothesis) -> str:
    """What speaks for a hypothesis, and against it."""
    text = f"{counted(len(one.picks), 'pick')} {'say' if len(one.picks) != 1 else 'says'} {one.for_it:.1f} for it"
    if one.missing:
        text += f", and {counted(len(one.missing), 'expected arrival')} without a pick ({_some(one.missing)})"
        text += f" {'take' if len(one.missing) != 1 else 'takes'} most of {-one.against_it:.1f} away"
    elif one.against_it < -0.5:
        text += f", and arrivals without a pick, none of them sure, take {-one.against_it:.1f} away"
    if abs(one.for_place) > 0.5:
        usual, does = ("rare", "takes") if one.for_place < 0 else ("usual", "adds")
        text += f"; events are {usual} there, which {does} {abs(one.for_place):.1f}"
    if one.shared and one.evidence < one.evidence_alone - 0.5:
        text += f"; {_owners(one)} {'have' if len(one.shared) > 1 else 'has'} some of these picks"
    return text


def _too_few(one: Hypothesis) -> list[str]:
    """Picks that it would be given, against those asked for."""
    kinds = (("picks", "picks"), ("P picks", "p"), ("S picks", "s"))
    lacking = [
        f"{have} {kind} of the {least} that are asked for (--min-{option})"
        for (kind, option), have, least in zip(kinds, one.given, one.least, strict=True)
        if have < least
    ]
    if lacking and one.shared and not one.lives_on_events:
        lacking[-1] += f"; others are of {_owners(one)}"
    if not lacking and one.own < one.needed_own:
        lacking = [f"some of its picks are hardly its own: they count as {one.own:.1f} of {one.needed_own:g}"]
    return lacking


def _owners(one: Hypothesis) -> str:
    return " and ".join(f"event {number} ({n} of its {len(one.picks)})" for number, n in list(one.shared.items())[:3])


def pick_in_words(found: PickExplanation) -> str:
    """Lines about a pick."""
    event = f": event {found.event_id}" if found.event_id is not None else ""
    lines = [
        f"pick {found.pick_index}: {found.phase} at {found.station}, {utc(found.time_ns)}, probability {found.probability:.2f}",
        f"{found.fate}{event}",
        *_noise(found.noise, found),
    ]
    if found.claims:
        lines.append("events that predict an arrival near it:")
        lines += [line for claim in found.claims for line in _claim(claim)]
    elif found.nearest:
        lines += ["the nearest arrival that any event predicts at this station:", *_claim(found.nearest)]
    else:
        lines.append("there is no event at all")
    if found.event_id is None:
        lines.append("the best event that it could be of, with what the others leave:")
        lines += _hypothesis(found.hypothesis) if found.hypothesis else ["  none: hardly any other pick agrees with it"]
    return "\n".join(lines)


def _noise(noise: NoiseAbout, found: PickExplanation) -> list[str]:
    """How frequent picks by chance are, and what the probability is worth."""
    text = f"chance: {noise.per_hour:.3g} such picks an hour at its station at this time, {noise.usual_per_hour:.3g} as a rule"
    if noise.network >= _BURST:
        text += f"; all stations have {noise.network:.1f} times as many picks as usual (a burst)"
    lines = [text]
    if not 1 / _TELLING < found.worth < _TELLING:
        more, times = ("more", found.worth) if found.worth > 1 else ("less", 1 / found.worth)
        lines.append(f"picks of such a probability are {times:.1f} times {more} often of events than others")
    return lines


def _claim(claim: Claim) -> list[str]:
    late, errors = "late" if claim.residual_s > 0 else "early", abs(claim.standard_errors)
    line = f"  {claim.phase} of event {claim.event_id}, {claim.distance_km:.0f} km away: the pick is"
    if errors > _FAR:
        return [f"{line} {_number(abs(claim.residual_s))} s too {late}"]
    line += f" {abs(claim.residual_s):.2f} s {late} ({errors:.1f} standard errors)"
    if claim.odds > 0:
        line += f", odds {_number(claim.odds)}, posterior {claim.posterior:.2f}"
    return [line, f"    {claim.why}"]


def time_in_words(found: TimeExplanation) -> str:
    """Lines about a time."""
    where = f" near {found.place[0]:.3f}, {found.place[1]:.3f}" if found.place else ""
    about = f"within {found.within_s:g} s of {utc(found.time_ns)}"
    lines = [f"{counted(len(found.events), 'event') if found.events else 'no events'} of the catalogue {about}"]
    lines += [_event(event) for event in found.events]
    if found.beyond_km > 0:
        lines.append(
            f"the place is {found.beyond_km:.0f} km outside where events are looked for: give a larger --region"
        )
    used = sum(found.used.values())
    owners = ", ".join(f"event {number} {n}" for number, n in list(found.used.items())[:_NAMED])
    lines.append(
        f"picks that an event there could have: {found.picks}, {used} of them used" + (f" ({owners})" if used else "")
    )
    if found.hypotheses:
        lines.append(f"best hypotheses{where} that are no events:")
        lines += [line for one in found.hypotheses for line in _hypothesis(one)]
    else:
        lines.append(
            f"no {'other ' if found.events else ''}hypothesis{where} is worth looking at: hardly any picks agree"
        )
    return "\n".join(lines)


def _event(event: EventAt) -> str:
    return (
        f"  event {event.event_id}: {utc(event.time_ns)}, {event.latitude:.3f}, {event.longitude:.3f}, {event.depth_km:.1f} km "
        f"deep, {event.n_picks} picks, evidence {event.evidence:.1f}, probability to be false {event.false_probability:.2g}"
    )


def _hypothesis(one: Hypothesis) -> list[str]:
    alone = f" ({one.evidence_alone:.1f} if there were no events)" if one.evidence_alone > one.evidence + 0.5 else ""
    return [
        f"  {utc(one.time_ns)}, {one.latitude:.3f}, {one.longitude:.3f}, {one.depth_km:.1f} km deep: evidence "
        f"{one.evidence:.1f}{alone}, {len(one.picks)} picks fit",
        f"    no event: {one.reason}",
        f"    by chance as much evidence comes {_times(one)} a day",
    ]


def _times(one: Hypothesis) -> str:
    """How often chance does as well; what is weaker than false events are counted from comes more often."""
    more = "more than " if one.evidence < FLOOR else ""
    return f"{more}{_number(one.false_per_day)} times"


def _number(value: float) -> str:
    """Three digits, without exponents."""
    if value < 0.001:
        return "less than 0.001"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
