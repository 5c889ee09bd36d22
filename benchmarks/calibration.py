"""Reported false probabilities of events against the share that are no earthquakes.

An event is one if more than half of its picks are of one true event, which no event with more evidence has. That it lacks many
picks of it, as scores count it, is another matter: earthquakes that are but half found are told apart in the first line.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks import cases
from benchmarks.comparison import Comparison
from benchmarks.measure import print_table
from benchmarks.streams import Stream
from seisloom.associate.calibration import calibration_table
from seisloom.associate.score import match_events


def calibrate(bench: Comparison, names: Sequence[str], hours: int) -> None:
    """Over so many hours of each case, seeds upward of the one given: a table and a figure."""
    from seisloom.plot import calibration_figure

    program = bench.programs("")[0]
    for generator in bench.options.generator:
        found = []
        for name in names:
            if name not in cases.available(generator):
                continue
            for hour in range(hours):
                stream = bench.stream(name, generator, bench.options.seed[0] + hour)
                outcome = bench.outcome(program, stream)
                if outcome is not None:
                    found.append(judged(stream, outcome.events, outcome.event_of_pick(len(stream.recording.picks))))
        events = pd.concat(found, ignore_index=True)
        table = calibration_table(events["false_probability"].to_numpy(), events["false"].to_numpy())
        counts = [f"{int(events[kind].sum())} {kind}" for kind in ("false", "partial")]
        print(
            f"{generator}: {len(events)} events, {', '.join(counts)}; {events['false_probability'].sum():.1f} false by report"
        )
        print_table(list(table), [[f"{value:.4g}" for value in row] for row in table.to_numpy()])
        path = bench.directory / f"calibration_{generator}.png"
        calibration_figure(table).savefig(path, dpi=200)
        print(f"figure {path}")


def judged(stream: Stream, events: pd.DataFrame, event_of_pick: np.ndarray) -> pd.DataFrame:
    """false_probability of the events, whether they are no earthquakes, and whether they are but unmatched, one inside the region or not."""
    truth = stream.recording.event_of_pick
    matched, _, _ = match_events(event_of_pick, truth)
    picks = pd.DataFrame({"event_id": event_of_pick, "truth": truth})
    picks = picks[picks["event_id"] >= 0]
    size = picks.groupby("event_id").size()
    best = picks[picks["truth"] >= 0].groupby(["event_id", "truth"]).size().reset_index(name="n")
    best = best.sort_values("n", kind="stable").drop_duplicates("event_id", keep="last").set_index("event_id")
    own = best[best["n"] > 0.5 * size.reindex(best.index)]["truth"]
    strongest = events.sort_values("evidence", ascending=False, kind="stable")["event_id"]
    real = own.reindex(strongest).dropna().drop_duplicates().index
    false = ~events["event_id"].isin(real).to_numpy()
    unmatched = ~events["event_id"].isin(matched).to_numpy()
    return pd.DataFrame(
        {"false_probability": events["false_probability"], "false": false, "partial": unmatched & ~false}
    )
