"""Instrument response of a day-long record: ours against ObsPy's remove_response, in the same process.

Both turn the same counts into ground velocity in the same filter band. Ours also shifts the samples onto the grid and
resamples to the working rate, which ObsPy's figure leaves out. CPU seconds, best of several, after one warm-up each.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.measure import describe_machine, print_table

DAY = "2019-02-03"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks response", description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[20.0, 40.0, 100.0], help="sampling rates, Hz")
    options = parser.parse_args(argv)
    print(describe_machine())
    rows = [compare(rate) for rate in options.rates]
    header = [
        "rate, Hz",
        "seisloom, s",
        "evaluation alone, s",
        "ObsPy, s",
        "ratio",
        "ratio of evaluation",
        "rel. L2 difference",
    ]
    print_table(header, rows)


def compare(rate: float) -> list[str]:
    """One row: CPU seconds of both, their ratio, and how far the results are apart in the pass band."""
    import pandas as pd
    from obspy import Trace, UTCDateTime

    from seisloom.config import CorrelationSettings
    from seisloom.noise.plan import make_plan
    from seisloom.noise.preprocess import day_series
    from seisloom.noise.response import Responses
    from seisloom.waveforms.base import DAY_NS
    from seisloom.waveforms.synthetic import SyntheticSource

    source = SyntheticSource(f"stations=2,seed=3,rate={rate:g}")
    channel, start = source.ids[0], pd.Timestamp(DAY).value
    record = source.fetch(channel, start, start + DAY_NS)
    inventory = source.inventory([channel], start, start + DAY_NS)
    settings = CorrelationSettings(fs=rate if rate <= 20 else 20)
    plan = make_plan(settings)
    network, station, location, code = channel.split(".")
    header = {"network": network, "station": station, "location": location, "channel": code}
    header |= {"sampling_rate": rate, "starttime": UTCDateTime(DAY)}
    counts = record.segments[0].data.astype(float)

    def ours() -> np.ndarray:
        fresh = Responses(inventory)  # nothing is cached from one call to the next
        return day_series(record, start, settings, plan, fresh.epochs(channel, start, start + DAY_NS))[0].samples

    def evaluation() -> None:
        fresh = Responses(inventory).epochs(channel, start, start + DAY_NS)[0]
        fresh.evaluate(np.arange(0.05, 1.25, 1 / 86_400), "VEL")

    def obspy() -> np.ndarray:
        trace = Trace(counts.copy(), header)
        low, high = settings.freqmin, settings.freqmax
        trace.remove_response(
            inventory, output="VEL", pre_filt=(0.5 * low, 0.75 * low, 1.12 * high, 1.25 * high), water_level=None
        )
        return trace.data

    mine, theirs = ours(), obspy()
    step = round(rate / plan.rate)
    inner = slice(len(mine) // 10, -len(mine) // 10)
    other = theirs[::step][: len(mine)]
    difference = np.linalg.norm(mine[inner] - other[inner]) / np.linalg.norm(other[inner])
    a, b, c = cpu(ours, 5), cpu(evaluation, 5), cpu(obspy, 2)
    return [f"{rate:g}", f"{a:.3f}", f"{b:.4f}", f"{c:.2f}", f"{c / a:.0f}", f"{c / b:.0f}", f"{difference:.1e}"]


def cpu(function: Callable[[], object], repeats: int) -> float:
    """Least CPU seconds of several calls."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main(sys.argv[1:])
