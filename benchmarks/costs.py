"""What association costs against the number of picks, of stations, and the size of the region."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks import cases, peer_settings
from benchmarks.comparison import COST, Comparison, cost_cells
from benchmarks.measure import print_table
from benchmarks.peers.associators import Job, run
from benchmarks.pyocto_settings import N_MIN_PICKS
from benchmarks.streams import as_stream
from seisloom.associate.scenario import Scenario

HOUR_S = 3600.0
# Stations of the local network of development, hours of 100 events, sides of the region over those of the usual one.
LADDER = (
    (30, 1.0, 1.0), (30, 2.0, 1.0), (30, 4.0, 1.0), (30, 8.0, 1.0),
    (10, 1.0, 1.0), (100, 1.0, 1.0), (300, 1.0, 1.0),
    (30, 1.0, 2.0), (30, 1.0, 4.0), (30, 1.0, 8.0),
)  # fmt: skip


def costs(bench: Comparison) -> None:
    """One thing at a time; ``ratio`` is CPU over that of the first program."""
    rows = []
    for n_stations, hours, wider in LADDER:
        name = f"{n_stations} stations, {hours:g} h, region times {wider:g}"
        made = cases.develop(
            "local", n_stations, Scenario(duration_s=hours * HOUR_S), np.random.default_rng(bench.options.seed[0])
        )
        folder = bench.directory / "costs" / name.replace(" ", "_").replace(",", "")
        settings, threads = peer_settings.tuned("local"), bench.options.threads
        stream = as_stream(name, "local", made, folder, N_MIN_PICKS, settings, threads)
        job, first = _wider(stream.job, wider), None
        for program in bench.programs("local"):
            outcome = run(program, job, folder, bench.options.cpu_limit, fresh=bench.options.fresh)
            first = first or outcome.usage.cpu_s
            sizes = [len(made.picks), n_stations, f"{_width_km(job):.0f}", program.name, len(outcome.events)]
            peak = f"{outcome.usage.peak_mb:.0f}"
            rows.append([*map(str, sizes), *cost_cells(outcome, first), peak])
    print_table(["picks", "stations", "region km", "program", "events", *COST, "peak MB"], rows)


def _wider(job: Job, times: float) -> Job:
    """A job with a region so many times as wide about the same middle."""
    lat, lon = ((m - times * h, m + times * h) for m, h in (_middle(job.lat), _middle(job.lon)))
    return replace(job, lat=lat, lon=lon)


def _middle(ends: tuple[float, float]) -> tuple[float, float]:
    """Middle and half of the length."""
    return (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2


def _width_km(job: Job) -> float:
    """From south to north."""
    return 111.2 * (job.lat[1] - job.lat[0])
