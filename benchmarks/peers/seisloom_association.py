"""Picks through seisloom's associator, from files to files.

    python -m benchmarks.peers.seisloom_association train JOB.json    a network for the stations of the job; not measured
    python -m benchmarks.peers.seisloom_association run   JOB.json    picks, stations, velocity -> OUT/...; measured

``run`` does what PyOcto's driver does, so that both are measured alike: reads the files, makes travel times, associates and
locates, writes OUT/events.csv, OUT/assignments.csv and OUT/cost.json.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from seisloom.memory import collect_rarely

# Events an hour that the network is trained for: from the quietest case to the busiest.
EVENTS_PER_HOUR = (10.0, 2000.0)


def train(job: dict[str, Any]) -> None:
    from seisloom.associate.by_links import window_settings
    from seisloom.associate.job import make_study
    from seisloom.associate.stream import usual_variety
    from seisloom.associate.trained import train_for
    from seisloom.stations import read_sites
    from seisloom.traveltime import read_velocity_model

    study = make_study(read_sites(job["stations"]), read_velocity_model(job["velocity"]), _region(job))
    windows = window_settings(study)
    variety = usual_variety(windows.max_distance_km, EVENTS_PER_HOUR)
    train_for(study, windows, variety, Path(job["model"]).parent, minutes=job["train_minutes"], seed=1)


def run(job: dict[str, Any]) -> None:
    from seisloom.associate.job import JobSettings, associate_picks
    from seisloom.picks import read_picks
    from seisloom.stations import read_sites
    from seisloom.traveltime import read_velocity_model

    out = Path(job["out"])
    out.mkdir(parents=True)
    tables = read_picks(job["picks"]), read_sites(job["stations"]), read_velocity_model(job["velocity"])
    settings = JobSettings(
        region=_region(job),
        min_picks=job["n_min_picks"],
        n_threads=job["threads"],
        **_method(job["method"], JobSettings),
    )
    began = time.process_time()
    catalog = associate_picks(*tables, settings, Path(job["model"]) if "model" in job else None).catalog
    spent = time.process_time() - began
    stamps = catalog.events["time"].to_numpy("datetime64[ns]").astype(np.int64) / 1e9
    catalog.events.assign(time=stamps).to_csv(out / "events.csv", index=False)
    catalog.assignments.to_csv(out / "assignments.csv", index=False)
    (out / "cost.json").write_text(json.dumps({"associate_cpu_s": spent}))


def _method(name: str, settings: Any) -> dict[str, Any]:
    """The setting that chooses the method, where there is a choice."""
    if "method" in {field.name for field in fields(settings)}:
        return {"method": name}
    if name != "phaselink":
        raise SystemExit("this version associates by a trained network alone: ask for --programs phaselink")
    return {}


def _region(job: dict[str, Any]) -> Any:
    from seisloom.associate.network import Region

    return Region(*job["lat"], *job["lon"], *job["depth_km"])


if __name__ == "__main__":
    collect_rarely()  # as the command does
    action, job_file = sys.argv[1:]
    {"train": train, "run": run}[action](json.loads(Path(job_file).read_text()))
