"""Records to a series: known sines come out on the grid, and every kind of damage leaves the rest as it was."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy.core.inventory.response import InstrumentSensitivity, PolesZerosResponseStage, Response

from seisloom.config import CorrelationSettings
from seisloom.noise.plan import WindowPlan, make_plan
from seisloom.noise.preprocess import DaySeries, contiguous, day_series
from seisloom.noise.response import FAR_FUTURE, FAR_PAST, Epoch
from seisloom.waveforms.base import DAY_NS, NS_PER_S, Record, Segment

DAY = pd.Timestamp("2022-01-02").value
MARGIN_S = 300.0  # from an end of data on, the taper and the filter's ringing are over
# (frequency in parts of the pass band, amplitude, phase): one sine near each end of it and one between.
PARTS = [(0.03, 2.0, 0.3), (0.5, 1.0, -1.1), (0.97, 1.5, 2.0)]


def base(**changes) -> CorrelationSettings:
    return CorrelationSettings(
        **{"fs": 10.0, "response": "none", "cc_len": 600.0, "cc_step": 300.0, "maxlag": 60.0} | changes
    )


def sines(t: np.ndarray, s: CorrelationSettings) -> np.ndarray:
    frequencies = [s.freqmin + part * (s.freqmax - s.freqmin) for part, _, _ in PARTS]
    return sum(a * np.sin(2 * np.pi * f * t + p) for f, (_, a, p) in zip(frequencies, PARTS, strict=True))


def sampled(s: CorrelationSettings, start_s: float, length_s: float, rate_hz: float, gain: float = 1000.0) -> Segment:
    """The sines (time in s of the day) with an offset and a trend, as a digitiser that begins at start_s counts them."""
    t = start_s + np.arange(round(length_s * rate_hz)) / rate_hz
    counts = gain * (sines(t, s) + 7.0 + 1e-3 * (t - start_s))
    return Segment(DAY + round(start_s * NS_PER_S), rate_hz, counts)


def run(
    segments: list[Segment], s: CorrelationSettings, epochs=None, problems=()
) -> tuple[DaySeries, list[str], WindowPlan]:
    plan = make_plan(s)
    series, said = day_series(Record(list(segments), list(problems)), DAY, s, plan, epochs)
    assert all(re.match(r"[a-z][a-z ]+: \S", text) for text in said), said
    return series, said, plan


def hours(series: DaySeries, plan: WindowPlan) -> list[tuple[float, float]]:
    return [(round(first / plan.rate / 3600, 3), round(stop / plan.rate / 3600, 3)) for first, stop in series.ranges]


def deviation(series: DaySeries, plan: WindowPlan, s: CorrelationSettings, gain: float = 1000.0) -> float:
    """Largest difference from the sines, in parts of the largest amplitude, away from the ends of data."""
    t = np.arange(plan.n_day) / plan.rate
    far = np.zeros(plan.n_day, bool)
    for first, stop in series.ranges:
        edge = round(MARGIN_S * plan.rate)
        far[first + edge : stop - edge] = True
    assert far.any()
    return float(np.max(np.abs(series.samples[far] / gain - sines(t[far], s)))) / max(a for _, a, _ in PARTS)


@pytest.mark.parametrize("rate", [20.0, 40.0, 50.0, 100.0, 100 / 3, 99.98])
@pytest.mark.parametrize(("fs", "band"), [(10.0, (0.1, 1.0)), (20.0, (0.2, 7.5)), (1.0, (0.05, 0.4))])
@pytest.mark.parametrize("start", [3600.0, 3600.01234, 3599.98766])
def test_sines_come_out_on_the_grid(rate, fs, band, start):
    """Amplitudes to 1e-4 and times to a thousandth of a sample, at any sampling rate and any start between samples."""
    s = base(fs=fs, freqmin=band[0], freqmax=band[1])
    series, said, plan = run([sampled(s, start, 5400.0, rate)], s)
    assert said == []
    assert deviation(series, plan, s) < 1e-4
    first, stop = series.ranges[0]
    assert len(series.ranges) == 1
    # The grid points that the record covers, give or take what lies within one of its samples.
    assert first == np.ceil((start - 1 / rate) * plan.rate + 1e-6)
    assert stop == np.ceil((start + 5400.0) * plan.rate - 1e-6)
    assert not series.samples[:first].any()
    assert not series.samples[stop:].any()
    assert abs(delay_of_the_fastest_sine(series, plan, s)) * rate < 1e-3


def delay_of_the_fastest_sine(
    series: DaySeries, plan: WindowPlan, s: CorrelationSettings, first_s=3900.0, last_s=8600.0
) -> float:
    """Seconds by which the series is late, from the phase of the sine near freqmax (least squares on all sines)."""
    k = np.arange(round(first_s * plan.rate), round(last_s * plan.rate))
    frequencies = [s.freqmin + part * (s.freqmax - s.freqmin) for part, _, _ in PARTS]
    columns = [np.exp(2j * np.pi * f * k / plan.rate) for f in frequencies]
    design = np.stack([part for c in columns for part in (c.imag, c.real)], axis=1)
    weights = np.linalg.lstsq(design, series.samples[k], rcond=None)[0]
    phase = np.arctan2(weights[-1], weights[-2]) - PARTS[-1][2]
    return float(-((phase + np.pi) % (2 * np.pi) - np.pi) / (2 * np.pi * frequencies[-1]))


@pytest.mark.parametrize("rate", [20.0, 40.0, 100.0, 100 / 3])
@pytest.mark.parametrize("hum", [1.6, 2.0, 2.5, 4.9, 7.3, 9.9])
def test_what_is_above_the_band_does_not_fold_into_it(rate, hum):
    """A hum of a hundred thousand times the signal, at frequencies that would alias into the band, leaves 1e-4 of it."""
    s = base()
    plain = sampled(s, 3600.0, 5400.0, rate)
    t = np.arange(len(plain.data)) / rate
    loud = Segment(plain.start_ns, rate, plain.data + 1000.0 * 1e5 * np.sin(2 * np.pi * hum * t + 1.0))
    series, said, plan = run([loud], s)
    assert said == []
    assert deviation(series, plan, s) < 2e-4


def test_one_sample_a_second_to_a_finer_grid():
    """Time normalisation works at fs: 1 Hz records are brought to 10 Hz between their samples."""
    s = base(freqmin=0.05, freqmax=0.4, time_norm="clip", clip_std=100.0)
    series, said, plan = run([sampled(s, 3600.4, 5400.0, 1.0)], s)
    assert plan.rate == 10.0
    assert said == []
    assert deviation(series, plan, s) < 1e-4
    assert abs(delay_of_the_fastest_sine(series, plan, s)) < 1e-3


@pytest.mark.parametrize("rate", [19.99974, 20.0005, 19.98])
def test_an_odd_sampling_rate_does_not_drift_through_the_day(rate):
    """At 19.99974 Hz a day that is taken for 20 Hz ends 1.1 s late."""
    s = base()
    series, _, plan = run([sampled(s, 0.013, 86_399.9, rate)], s)
    assert deviation(series, plan, s) < 1e-4 + 2 * np.pi * s.freqmax * 0.0125 / plan.rate
    early, late = (delay_of_the_fastest_sine(series, plan, s, t, t + 3000) for t in (400, 83_000))
    assert abs(early) < 1e-3
    assert abs(late - early) < 0.0125 / plan.rate


def test_a_whole_day_covers_every_window():
    s = base()
    for start, length in [(0.0, 86_400.0), (0.0195, 86_400.0), (0.0, 86_400.0 - 1 / 40), (-30.0, 86_460.0)]:
        series, said, plan = run([sampled(s, start, length, 40.0)], s)
        assert series.ranges == [(0, plan.n_day)]
        assert said == []


def test_amplitude_and_sign_follow_the_response():
    """A flat velocity sensor of 1000 counts per m/s gives the sines in m/s; one that was wired the wrong way is mended."""
    s = base(response="VEL")
    upright, reversed_ = (sampled(s, 3600.0, 5400.0, 20.0, gain) for gain in (1000.0, -1000.0))
    for segment, gain in ((upright, 1000.0), (reversed_, -1000.0)):
        series, _, plan = run([segment], s, [Epoch(FAR_PAST, FAR_FUTURE, flat(gain))])
        assert deviation(series, plan, s, 1.0) < 1e-4


def flat(gain: float) -> Response:
    stage = PolesZerosResponseStage(1, gain, 1.0, "M/S", "COUNTS", "LAPLACE (RADIANS/SECOND)", 1.0, [], [], 1.0)
    return Response(instrument_sensitivity=InstrumentSensitivity(gain, 1.0, "M/S", "COUNTS"), response_stages=[stage])


def test_displacement_and_acceleration_are_integral_and_derivative():
    s = base(freqmin=0.1, freqmax=1.0)
    segment = sampled(s, 3600.0, 5400.0, 20.0)
    frequencies = [s.freqmin + part * (s.freqmax - s.freqmin) for part, _, _ in PARTS]
    for output, order in (("DISP", -1), ("ACC", 1)):
        series, _, plan = run([segment], base(response=output), [Epoch(FAR_PAST, FAR_FUTURE, flat(1000.0))])
        t = np.arange(round(4000 * plan.rate), round(8000 * plan.rate)) / plan.rate
        expected = sum(
            a * (2 * np.pi * f) ** order * np.sin(2 * np.pi * f * t + p + order * np.pi / 2)
            for f, (_, a, p) in zip(frequencies, PARTS, strict=True)
        )
        got = series.samples[round(4000 * plan.rate) : round(8000 * plan.rate)]
        assert np.max(np.abs(got - expected)) < 1e-4 * np.max(np.abs(expected))


def test_response_that_changes_at_noon_leaves_no_step():
    """The gain doubles at noon, in the records and in the metadata."""
    s = base(response="VEL")
    whole = sampled(s, 36_000.0, 14_400.0, 20.0)
    counts = np.where(np.arange(len(whole.data)) < 7200 * 20, 1.0, 2.0) * whole.data
    noon = DAY + DAY_NS // 2
    epochs = [Epoch(FAR_PAST, noon, flat(1000.0)), Epoch(noon, FAR_FUTURE, flat(2000.0))]
    series, said, plan = run([Segment(whole.start_ns, 20.0, counts)], s, epochs)
    assert hours(series, plan) == [(10.0, 12.0), (12.0, 14.0)]
    assert deviation(series, plan, s, 1.0) < 1e-4
    assert said == ["response changes during the day: each part is corrected with its own"]


def test_metadata_that_cover_part_of_the_day():
    s = base(response="VEL")
    noon = DAY + DAY_NS // 2
    series, said, plan = run([sampled(s, 0.0, 86_400.0, 20.0)], s, [Epoch(noon, FAR_FUTURE, flat(1000.0))])
    assert hours(series, plan) == [(12.0, 24.0)]
    assert said == ["no response: metadata cover 43200 s of the day, the rest is left out"]
    assert not series.samples[: plan.n_day // 2].any()


@pytest.mark.parametrize("epochs", [None, []])
def test_no_metadata_no_series(epochs):
    s = base(response="VEL")
    series, said, _ = run([sampled(s, 0.0, 7200.0, 20.0)], s, epochs)
    assert series.ranges == []
    assert len(said) == 1
    assert said[0].startswith("no response: the metadata have none")


def test_a_response_that_cannot_be_used_is_said_once():
    s = base(response="VEL")
    parts = [sampled(s, 0.0, 7200.0, 20.0), sampled(s, 9000.0, 7200.0, 20.0)]
    plan = make_plan(s)
    series, said = day_series(Record(parts), DAY, s, plan, [Epoch(FAR_PAST, FAR_FUTURE, Response())])
    assert series.ranges == []
    assert sum("no instrument response" in text for text in said) == 1


def test_gap_leaves_both_sides_as_they_are():
    s = base()
    whole = sampled(s, 3600.0, 10_800.0, 20.0)
    parts = [cut(whole, 0, 5400), cut(whole, 5500, 10_800)]
    series, said, plan = run(parts, s)
    assert hours(series, plan) == [(1.0, 2.5), (2.528, 4.0)]
    assert said == ["gap or clock jump: 100 s of time without samples"]
    assert deviation(series, plan, s) < 1e-4


def cut(segment: Segment, first_s: float, last_s: float, late_s: float = 0.0) -> Segment:
    """Seconds first to last of a segment, with its clock late by late_s."""
    a, b = round(first_s * segment.rate_hz), round(last_s * segment.rate_hz)
    return Segment(segment.start_ns + round((first_s + late_s) * NS_PER_S), segment.rate_hz, segment.data[a:b])


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
@pytest.mark.parametrize("gain", [1e5, 1e-6])
def test_one_missing_sample_is_bridged(dtype, gain):
    if dtype == np.int32 and gain < 1:
        return
    s = base(freqmin=0.05, freqmax=0.4, fs=1.0)
    whole = sampled(s, 3600.0, 10_800.0, 20.0, gain)
    whole = Segment(whole.start_ns, 20.0, whole.data.astype(dtype))
    series, said, plan = run([cut(whole, 0, 5000), cut(whole, 5000.05, 10_800)], s)
    assert hours(series, plan) == [(1.0, 4.0)]
    assert said == ["short gap: 1 sample bridged by a straight line"]
    assert deviation(series, plan, s, gain) < 1e-4


def test_longer_gaps_are_bridged_where_that_is_asked_for():
    s = base(fill_gap=0.5)
    whole = sampled(s, 3600.0, 10_800.0, 20.0)
    for gap, ranges in ((0.5, [(1.0, 4.0)]), (0.55, [(1.0, 2.389), (2.389, 4.0)])):
        series, said, plan = run([cut(whole, 0, 5000), cut(whole, 5000 + gap, 10_800)], s)
        assert hours(series, plan) == ranges
        assert len(said) == 1


def test_identical_overlap_is_used_once():
    s = base()
    whole = sampled(s, 3600.0, 10_800.0, 20.0)
    plain, _, _ = run([whole], s)
    for parts in ([(0, 5400), (5000, 10_800)], [(0, 10_800), (100, 200)], [(0, 10_800)] * 2, [(0, 6000), (0, 10_800)]):
        series, said, _ = run([cut(whole, *part) for part in parts], s)
        assert said == []
        assert series.ranges == plain.ranges
        np.testing.assert_array_equal(series.samples, plain.samples)


def test_conflicting_overlap_is_used_by_nobody():
    s = base()
    whole = sampled(s, 3600.0, 10_800.0, 20.0)
    other = Segment(whole.start_ns, 20.0, whole.data + 500.0)
    series, said, plan = run([cut(whole, 0, 5400), cut(other, 5220, 10_800)], s)
    assert hours(series, plan) == [(1.0, 2.45), (2.5, 4.0)]
    assert said == ["overlap: 180 s of records differ, left out there"]
    assert deviation(series, plan, s) < 1e-4


@pytest.mark.parametrize(
    ("jump", "kind"), [(0.8, "gap or clock jump: 0.8 s"), (-0.8, "overlap: 0.8 s"), (0.02, "gap or clock jump: 0.02 s")]
)
def test_after_a_clock_jump_the_new_time_holds(jump, kind):
    """What the digitiser wrote before the jump is right by the old clock, what follows by the new one."""
    s = base()
    whole = sampled(s, 3600.0, 10_800.0, 20.0)
    after = sampled(s, 9000.0 + jump, 5400.0, 20.0)
    series, said, plan = run([cut(whole, 0, 5400), after], s)
    assert len(series.ranges) == 2
    assert [text.startswith(kind) for text in said] == [True]
    assert deviation(series, plan, s) < 1e-4


def test_samples_that_are_not_numbers_are_missing():
    s = base()
    whole = sampled(s, 3600.0, 10_800.0, 20.0)
    data = whole.data.copy()
    data[72_000:74_000] = np.nan
    series, said, plan = run([Segment(whole.start_ns, 20.0, data)], s)
    assert hours(series, plan) == [(1.0, 2.0), (2.028, 4.0)]
    assert said == [
        "not finite: 2,000 samples, treated as missing",
        "gap or clock jump: 100 s of time without samples",
    ]
    assert deviation(series, plan, s) < 1e-4
    data[150_000] = -np.inf
    bridged, said, _ = run([Segment(whole.start_ns, 20.0, data)], s)
    assert bridged.ranges == series.ranges
    assert said[0] == "not finite: 2,001 samples, treated as missing"
    assert np.max(np.abs(bridged.samples - series.samples)) < 0.01 * np.max(np.abs(series.samples))
    nothing, _, _ = run([Segment(whole.start_ns, 20.0, np.full(100_000, np.nan))], s)
    assert nothing.ranges == []


def test_not_finite_and_overlapping():
    """A duplicate of a record with a hole in it fills the hole."""
    s = base()
    whole = sampled(s, 3600.0, 10_800.0, 20.0)
    holed = Segment(whole.start_ns, 20.0, np.where(np.arange(216_000) // 2000 == 30, np.nan, whole.data))
    series, said, plan = run([holed, cut(whole, 1000, 4000)], s)
    assert hours(series, plan) == [(1.0, 4.0)]
    assert said == ["not finite: 2,000 samples, treated as missing"]
    assert deviation(series, plan, s) < 1e-4


def test_dead_stretch_is_left_out():
    s = base()
    whole = sampled(s, 3600.0, 10_800.0, 20.0)
    data = whole.data.copy()
    data[72_000:108_000] = 12.0
    series, said, plan = run([Segment(whole.start_ns, 20.0, data)], s)
    assert hours(series, plan) == [(1.0, 2.0), (2.5, 4.0)]
    assert said == ["dead: the same value for 1800 s, left out there"]
    assert deviation(series, plan, s) < 1e-4
    for dead in (np.zeros(1_728_000, np.int32), np.full(1_728_000, 7.5)):
        series, said, plan = run([Segment(DAY, 20.0, dead)], s)
        assert series.ranges == []
        assert said == ["dead: the same value for 86400 s, left out there"]


def test_of_mixed_sampling_rates_the_longest_counts():
    s = base()
    long, short = sampled(s, 3600.0, 7200.0, 20.0), sampled(s, 12_000.0, 3600.0, 100.0)
    series, said, plan = run([short, long], s)
    assert hours(series, plan) == [(1.0, 3.0)]
    assert said == ["mixed sampling rates: 3600 s at 100 Hz left out, most of the day is at 20 Hz"]


def test_sampling_rate_below_the_band():
    s = base()
    series, said, _ = run([sampled(s, 0.0, 7200.0, 1.0)], s)
    assert series.ranges == []
    assert said == ["sampling rate too low: 1 Hz allows freqmax <= 0.5 Hz, 1 is asked for"]


def test_records_of_the_neighbouring_days_are_not_of_this_one():
    s = base()
    series, said, plan = run([sampled(s, -7200.0, 86_400.0 + 14_400.0, 20.0)], s)
    alone, _, _ = run([sampled(s, 0.0, 86_400.0, 20.0)], s)
    assert series.ranges == alone.ranges == [(0, plan.n_day)]
    assert said == []
    assert deviation(series, plan, s) < 1e-4
    before, _, _ = run([sampled(s, -7200.0, 7200.0, 20.0), sampled(s, 86_400.0, 7200.0, 20.0)], s)
    assert before.ranges == []


def test_a_record_that_starts_in_the_middle_of_the_day():
    s = base()
    series, said, plan = run([sampled(s, 50_000.007, 36_399.9, 50.0)], s)
    assert hours(series, plan) == [(13.889, 24.0)]
    assert said == []
    assert deviation(series, plan, s) < 1e-4


def test_pieces_shorter_than_a_window_are_passed_over():
    s = base()
    series, _, _ = run([sampled(s, 1000.0 * k, 590.0, 20.0) for k in range(5)], s)
    assert series.ranges == []
    assert not series.samples.any()


def test_nothing_at_all():
    for segments in ([], [Segment(DAY, 20.0, np.zeros(0))]):
        series, said, _ = run(segments, base(), problems=["file: cut short"])
        assert series.ranges == []
        assert said == ["file: cut short"]  # what the source said comes first


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40), st.booleans()), min_size=1, max_size=7)


@settings(max_examples=200, deadline=None)
@given(spans=SPANS, random=st.randoms(use_true_random=False))
def test_every_sample_that_nobody_disputes_is_kept_in_any_order(spans, random):
    """Segments that hold the truth or differ from it (and from one another) everywhere, one sample a second.

    What is joined is exactly the samples on which all segments that have them agree, whatever the order.
    """
    s = base(fs=1.0, freqmin=0.05, freqmax=0.4)
    truth = np.arange(200) ** 2
    segments, votes = [], [set() for _ in range(200)]
    for number, (first, length, right) in enumerate(spans):
        data = truth[first : first + length] + (0 if right else 10**6 * (number + 1))
        segments.append(Segment(DAY + first * NS_PER_S, 1.0, data))
        for k, value in enumerate(data, start=first):
            votes[k].add(int(value))
    expected = {k: next(iter(v)) for k, v in enumerate(votes) if len(v) == 1}
    recorded = {k for k, v in enumerate(votes) if v}
    for _ in range(2):
        random.shuffle(segments)
        problems: list[str] = []
        pieces = contiguous(segments, s, problems)
        got = {}
        for piece in pieces:
            first = round((piece.start_ns - DAY) / NS_PER_S)
            got |= dict(enumerate(piece.data.tolist(), start=first))
        bridged = set(got) - recorded
        assert {k: v for k, v in got.items() if k not in bridged} == expected
        assert all({k - 1, k + 1} <= recorded for k in bridged)  # single samples only
        assert pieces == sorted(pieces, key=lambda p: p.start_ns)


@settings(max_examples=10, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_the_order_of_segments_does_not_matter(random):
    s = base(fs=1.0, freqmin=0.05, freqmax=0.4)
    whole = sampled(s, 3600.0, 10_800.0, 5.0)
    other = Segment(whole.start_ns, 5.0, whole.data + 9.0)
    parts = [
        cut(whole, 0, 3000),
        cut(other, 2900, 6000),
        cut(whole, 6000.2, 9000),
        cut(whole, 7000, 8000),
        cut(whole, 9100, 10_800),
    ]
    expected, said, _ = run(parts, s)
    assert len(expected.ranges) == 3
    random.shuffle(parts)
    series, again, _ = run(parts, s)
    assert series.ranges == expected.ranges
    np.testing.assert_array_equal(series.samples, expected.samples)
    assert again == said
