"""Trains of events at one separation in origin time after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks import cases, peer_settings
from benchmarks.comparison import SCORES, Comparison
from benchmarks.measure import print_table
from benchmarks.pyocto_settings import N_MIN_PICKS
from benchmarks.streams import as_stream
from seisloom.associate.scenario import Scenario

# Separations of origin times (s) and how many events of each; 12 s is what Ross et al. (2019) report.
SEPARATIONS_S, N_SEPARATED, CLAIMED_S = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 18.0, 30.0), 150, 12.0


def separations(bench: Comparison) -> None:
    """On the local network of development with 100 % noise picks: a table and a figure."""
    from seisloom.plot import separation_figure

    found: list[dict[str, Any]] = []
    for separation_s in SEPARATIONS_S:
        name, scenario = (
            f"every {separation_s:g} s",
            Scenario(separation_s=separation_s, duration_s=N_SEPARATED * separation_s),
        )
        made = cases.develop("local", None, scenario, np.random.default_rng(bench.options.seed[0]))
        stream = as_stream(
            name,
            "local",
            made,
            bench.directory / name,
            N_MIN_PICKS,
            peer_settings.tuned("local"),
            bench.options.threads,
        )
        for series, result in bench.compare(name, stream):
            scores = {"f1": result.event_f1, "precision": result.event_precision, "recall": result.event_recall}
            found.append({"separation_s": separation_s, "series": series, **scores})
    print_table(["case", "program", *SCORES], bench.rows)
    path = bench.directory / "separation.png"
    separation_figure(pd.DataFrame(found), mark_s=CLAIMED_S).savefig(path, dpi=200)
    print(f"figure {path}")
