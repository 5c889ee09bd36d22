"""Calibration of false probabilities: bins by hand, intervals against their definition, made-up events, the figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate.calibration import calibration_table, wilson
from seisloom.errors import InputError
from seisloom.plot import calibration_figure


def test_bins_by_hand() -> None:
    table = calibration_table([0.0, 0.05, 0.1, 0.3, 1.0], [False, True, False, True, True], edges=(0.0, 0.1, 0.5, 1.0))
    assert table["events"].tolist() == [2, 2, 1]  # a bin holds its lower edge, the last one both
    assert table["false"].tolist() == [1, 1, 1]
    assert table["reported"].tolist() == pytest.approx([0.025, 0.2, 1.0])
    assert table["share"].tolist() == [0.5, 0.5, 1.0]


def test_bins_without_events_are_left_out() -> None:
    table = calibration_table([0.7, 0.9], [True, False], edges=(0.0, 0.5, 1.0))
    assert table[["low", "high", "events"]].to_numpy().tolist() == [[0.5, 1.0, 2]]


@given(st.integers(1, 10_000), st.floats(0.0, 1.0))
def test_ends_of_the_interval_are_as_far_from_the_share_as_is_still_likely(n: int, part: float) -> None:
    k = round(part * n)
    for end in map(float, wilson(k, n)):
        assert (end - k / n) ** 2 == pytest.approx(1.96**2 * end * (1.0 - end) / n, abs=1e-9)


def test_events_that_are_false_as_often_as_reported_lie_on_the_diagonal(rng: np.random.Generator) -> None:
    reported = rng.beta(0.4, 2.0, 20_000)
    honest = calibration_table(reported, rng.random(len(reported)) < reported)
    inside = (honest["share_low"] <= honest["reported"]) & (honest["reported"] <= honest["share_high"])
    assert inside.sum() >= len(honest) - 1  # 95 % of eight bins
    boastful = calibration_table(reported, rng.random(len(reported)) < np.minimum(3.0 * reported, 1.0))
    assert (boastful["share_low"] > boastful["reported"])[boastful["low"].between(0.01, 0.2)].all()


@pytest.mark.parametrize(
    ("probability", "false", "message"),
    [
        ([0.5, 1.2], [True, False], "1.2; expected is 0 to 1"),
        ([0.5, np.nan], [1, 0], "nan"),
        ([0.5], [True, False], "one each"),
    ],
)
def test_what_is_no_probability_is_refused(probability: list[float], false: list[bool], message: str) -> None:
    with pytest.raises(InputError, match=message):
        calibration_table(probability, false)


def test_figure_shows_shares_with_their_intervals_and_the_counts() -> None:
    table = calibration_table([0.001] * 200 + [0.2] * 50, [False] * 200 + [True] * 12 + [False] * 38)
    figure = calibration_figure(table)
    above, below = figure.axes
    assert above.get_title(loc="left") == "250 events, 12 false, 10.2 expected to be"
    marks = {line.get_label(): line.get_xydata().tolist() for line in above.get_lines()}
    points = [container.lines[0].get_xydata().tolist() for container in above.containers]
    (some,), (none,) = points
    assert some == pytest.approx([0.2, 0.24])
    assert none == pytest.approx([0.001, float(wilson(0, 200)[1])])
    assert "as reported" in marks
    assert [text.get_text() for text in below.texts] == ["200", "50"]


def test_figure_needs_events() -> None:
    with pytest.raises(InputError, match="no rows"):
        calibration_figure(calibration_table([], []))
    with pytest.raises(InputError, match="no column"):
        calibration_figure(pd.DataFrame({"share": [0.5]}))
