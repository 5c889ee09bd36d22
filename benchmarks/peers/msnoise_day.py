"""One day through MSNoise: executed by MSNoise's own interpreter, needs nothing else of this project.

    python msnoise_day.py run     JOB.json             MiniSEED, StationXML -> day stacks in STACKS/; measured
    python msnoise_day.py inside  JOB.json             the same steps in one process; measured
    python msnoise_day.py export  JOB.json STACKS.npz  read them back: pair (n, 2), ccf (n, lag); not measured
    python msnoise_day.py version

``run`` executes the commands of MSNoise's documented workflow, each a process of its own, with the settings
written in one go between the first two; ``inside`` calls the functions behind them: start-up counts once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


def configuration(job):
    return {
        "data_folder": job["sds"],
        "data_structure": "SDS",
        "archive_format": "MSEED",
        "channels": "*Z",
        "startdate": job["day"],
        "enddate": job["day"],
        "cc_sampling_rate": job["fs"],
        "resampling_method": "Decimate",
        "preprocess_highpass": job["freqmin"] / 2,
        "preprocess_lowpass": 0.4 * job["fs"],
        "remove_response": "Y",
        "response_format": "inventory",
        "response_path": job["stationxml"],
        # The pre-filter falls off outside the band that is whitened.
        "response_prefilt": str((job["freqmin"] / 4, job["freqmin"] / 2, 0.4 * job["fs"], 0.45 * job["fs"])),
        "maxlag": job["maxlag"],
        "corr_duration": job["cc_len"],
        "overlap": 1 - job["cc_step"] / job["cc_len"],
        "windsorizing": 0,
        "whitening": "A",
        "whitening_type": "B",
        "stack_method": "linear",
        "components_to_compute": "ZZ",
        "components_to_compute_single_station": "",
        "keep_all": "N",
        "keep_days": "Y",
        "export_format": "MSEED",
    }


WORKFLOW = ("populate", "scan_archive --init", "new_jobs --init", "compute_cc")


def run(job):
    os.makedirs(job["out"])
    msnoise = str(Path(sys.executable).with_name("msnoise"))
    driver = [sys.executable, os.path.abspath(__file__)]

    def step(*command):
        subprocess.run(command, cwd=job["out"], check=True)

    step(msnoise, "db", "init", "--tech", "1")
    step(*driver, "configure", os.path.abspath(job["file"]))
    for command in WORKFLOW:
        step(msnoise, *command.split())


def configure(job):
    from msnoise import api

    db = api.connect()
    for name, value in configuration(job).items():
        api.update_config(db, name, str(value))
    low, high = job["freqmin"], job["freqmax"]
    api.update_filter(db, 1, low, low, high, high, 0.0, 12.0, 4.0, True)
    db.close()


def inside(job):
    from msnoise import s000installer, s002populate_station_table, s01scan_archive, s02new_jobs
    from msnoise import s03compute_no_rotation as compute_cc

    os.makedirs(job["out"])
    os.chdir(job["out"])
    s000installer.main(tech=1)
    configure(job)
    s002populate_station_table.main()
    s01scan_archive.main(init=True)
    s02new_jobs.main(init=True)
    compute_cc.main()


def export(job, path):
    import numpy as np
    import obspy

    pairs, stacks = [], []
    for file in sorted(Path(job["out"], "STACKS").glob("*/001_DAYS/ZZ/*/*.MSEED")):
        a_net, a_sta, b_net, b_sta = file.parent.name.split("_")
        pairs.append((f"{a_net}.{a_sta}", f"{b_net}.{b_sta}"))
        stacks.append(obspy.read(str(file))[0].data)
    np.savez(path, pair=np.array(pairs), ccf=np.array(stacks))


def main(action, job_file=None, *rest):
    if action == "version":
        from importlib.metadata import version

        print(version("msnoise"))
        return
    job = json.loads(Path(job_file).read_text()) | {"file": job_file}
    {"run": run, "inside": inside, "configure": configure, "export": export}[action](job, *rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
