"""Draw docs/images/likelihood.png: what one channel says for an event, and what the events of the tutorial stand on.

.venv/bin/python tools/make_likelihood_figure.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

import seisloom
from seisloom.associate.hypothesis import EVIDENCE
from seisloom.associate.pick_model import PickModel, density_at
from seisloom.demo.association import INPUTS, write_inputs
from seisloom.plot.style import COLOURS, INK, SMALL, WIDTH_IN, dress, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from seisloom.associate.likelihood import Judged

TARGET = Path(__file__).parents[1] / "docs" / "images" / "likelihood.png"
RATES = {"one an hour": 1 / 3600, "one a minute": 1 / 60, "one a second": 1.0}
TRAVEL_S = 4.0


def main() -> None:
    """Work through the tutorial's picks and draw."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        picks, stations, velocity = (folder / file for file in INPUTS)
        result = seisloom.associate_picks(
            seisloom.read_picks(picks), seisloom.read_sites(stations), seisloom.read_velocity_model(velocity)
        )
    assert result.judged is not None
    print(save(draw(result.judged), TARGET, dpi=110))


@styled
def draw(judged: Judged) -> Figure:
    """Evidence of one channel by residual, and numbers of events by evidence."""
    figure = Figure(figsize=(WIDTH_IN, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    one_channel(left, judged.model)
    all_events(right, judged)
    for ax in (left, right):
        dress(ax)
    return figure


def one_channel(ax: Axes, model: PickModel) -> None:
    """log(1 - p + p Q) of a P channel with one pick, and without."""
    p = float(np.median(model.detection[::2]))
    sigma = float(np.hypot(model.sigma_s[0], model.model_error * TRAVEL_S))
    residual = np.linspace(-1.0, 1.0, 801)
    for colour, (words, rate) in zip(COLOURS, RATES.items(), strict=False):
        density = [(1 - model.wrong_label) * density_at(model, abs(r) / sigma) / sigma for r in residual]
        ax.plot(residual, np.log(1 - p + p * np.array(density) / rate), color=colour, lw=1.3, label=words)
    ax.axhline(np.log(1 - p), color=INK, lw=0.9, ls=(0, (5, 4)), label="no pick")
    ax.set_xlabel("Residual of the P pick (s)")
    ax.set_ylabel("Evidence of the channel")
    ax.set(xlim=residual[[0, -1]], ylim=(-3.2, 13.5))
    ax.legend(title="Picks by chance", loc="upper center", ncols=2, fontsize=SMALL, title_fontsize=SMALL)


def all_events(ax: Axes, judged: Judged) -> None:
    """Events found above an evidence, false ones that are expected in the same time, the evidence needed."""
    found: npt.NDArray[np.float64] = np.sort(judged.events[:, EVIDENCE])
    span_s = float(np.ptp(judged.data.picks.time_s))
    ax.step(found, np.arange(len(found), 0, -1), color=COLOURS[0], lw=1.3, label="events found")
    level = np.linspace(judged.falsehood.floor, 40.0, 200)
    false = [judged.falsehood.rate_above(e) * span_s for e in level]
    ax.plot(level, false, color=COLOURS[1], lw=1.3, label="false ones expected")
    ax.axvline(judged.needed.evidence, color=INK, lw=0.9, ls=(0, (5, 4)), label="evidence needed")
    ax.set(xscale="log", yscale="log", ylim=(1e-4, 300), xlabel="Evidence", ylabel="Number above")
    ax.set_xlim(4, 500)
    ticks = [5, 10, 20, 50, 100, 200, 500]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.legend(loc="lower right", fontsize=SMALL)


if __name__ == "__main__":
    main()
