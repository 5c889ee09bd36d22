"""One day through NoisePy: executed by NoisePy's own interpreter.

    python noisepy_day.py run    JOB.json              MiniSEED, StationXML -> day stacks in its store; measured
    python noisepy_day.py export JOB.json STACKS.npz   read them back: pair (n, 2), ccf (n, lag); not measured
    python noisepy_day.py version

It needs nothing else of this project.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path


def day_range(job):
    from datetimerange import DateTimeRange

    start = datetime.strptime(job["day"], "%Y-%m-%d").replace(tzinfo=timezone.utc)  # noqa: UP017 (Python 3.10)
    return DateTimeRange(start, start + timedelta(days=1))


def configuration(job):
    from noisepy.seis.io.datatypes import CCMethod, ConfigParameters, FreqNorm, RmResp, StackMethod, TimeNorm

    span = day_range(job)
    return ConfigParameters(
        start_date=span.start_datetime,
        end_date=span.end_datetime,
        sampling_rate=job["fs"],
        cc_len=job["cc_len"],
        step=job["cc_step"],
        freqmin=job["freqmin"],
        freqmax=job["freqmax"],
        maxlag=job["maxlag"],
        inc_hours=24,
        ncomp=1,
        networks=["*"],
        stations=["*"],
        channels=["*"],
        stationxml=True,
        rm_resp=RmResp.INV,
        rm_resp_out="VEL",
        time_norm=TimeNorm.NO,
        # smoothspect_N = 1 divides each frequency by its own amplitude: whitening to one.
        freq_norm=FreqNorm.PHASE_ONLY,
        smoothspect_N=1,
        cc_method=CCMethod.XCORR,
        # The mean over the windows of inc_hours is what is stored: with 24 hours, the day stack.
        substack=False,
        stack_method=StackMethod.LINEAR,
        rotation=False,
    )


def store(job):
    # Not its ASDF store, which loses pairs: threads open the day's file while another has it open.
    from noisepy.seis.io.zarrstore import ZarrCCStore

    return ZarrCCStore(job["out"])


def run(job):
    from noisepy.seis.correlate import cross_correlate
    from noisepy.seis.io.channelcatalog import XMLStationChannelCatalog
    from noisepy.seis.io.mseedstore import MiniSeedDataStore

    catalog = XMLStationChannelCatalog(job["stationxml"], path_format="{network}_{station}.xml")
    raw = MiniSeedDataStore(job["scedc"], catalog, date_range=day_range(job))
    cross_correlate(raw, configuration(job), store(job), pair_filter=lambda a, b: a.station != b.station)


def export(job, path):
    import numpy as np

    ccs, span = store(job), day_range(job)
    pairs, stacks = [], []
    for a, b in sorted(ccs.get_station_pairs(), key=str):
        for correlation in ccs.read(span, a, b):
            pairs.append((str(a), str(b)))
            stacks.append(np.squeeze(correlation.data))
    np.savez(path, pair=np.array(pairs), ccf=np.array(stacks))


def main(action, job_file=None, *rest):
    if action == "version":
        from importlib.metadata import version

        print(version("noisepy-seis"))
        return
    job = json.loads(Path(job_file).read_text())
    {"run": run, "export": export}[action](job, *rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
