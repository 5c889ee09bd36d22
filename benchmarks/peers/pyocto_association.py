"""Picks through PyOcto: executed by PyOcto's own interpreter, needs nothing else of this project.

    python pyocto_association.py run JOB.json     picks, stations, velocity -> OUT/events.csv, OUT/assignments.csv
    python pyocto_association.py version

The travel-time table of the 1-D model is made here too, as `seisloom` makes its own in every run. Threads are as the
job says.
"""

import json
import sys
import time
from math import cos, hypot, radians
from pathlib import Path


def associator(job):
    import pandas as pd
    import pyocto

    settings = dict(job["pyocto"])
    lat, lon, depth = job["lat"], job["lon"], job["depth_km"]
    # The table must reach across the region and beyond its depth.
    across = hypot((lat[1] - lat[0]) * 111.2, (lon[1] - lon[0]) * 111.2 * cos(radians(min(map(abs, lat)))))
    model = pd.read_csv(job["velocity"]).rename(columns={"depth_km": "depth"})
    table = Path(job["out"], "model.bin")
    delta = settings.pop("delta_km")
    pyocto.VelocityModel1D.create_model(model[["depth", "vp", "vs"]], delta, 1.2 * across, 1.2 * depth[1] + 10, table)
    velocity = pyocto.VelocityModel1D(
        table,
        tolerance=settings.pop("tolerance"),
        association_cutoff_distance=settings.pop("cutoff_km", None),
        surface_p_velocity=model["vp"][0],
        surface_s_velocity=model["vs"][0],
    )
    return pyocto.OctoAssociator.from_area(
        lat=lat, lon=lon, zlim=depth, velocity_model=velocity, n_threads=job["threads"], **settings
    )


def run(job):
    import numpy as np
    import pandas as pd

    out = Path(job["out"])
    out.mkdir(parents=True)
    octo = associator(job)
    picks = pd.read_csv(job["picks"])
    stations = pd.read_csv(job["stations"]).rename(
        columns={"station": "id", "lat": "latitude", "lon": "longitude", "elevation_m": "elevation"}
    )
    if "depth_m" in stations:
        stations["elevation"] -= stations["depth_m"]
    octo.transform_stations(stations)
    began = time.process_time()
    events, assignments = octo.associate(picks[["station", "phase", "time"]].copy(), stations)
    spent = time.process_time() - began
    if len(events):
        octo.transform_events(events)
    events = events.rename(columns={"idx": "event_id", "depth": "depth_km"})
    events = events.reindex(columns=["event_id", "time", "latitude", "longitude", "depth_km"])
    events.to_csv(out / "events.csv", index=False)
    index = picks["pick_index"].to_numpy()[assignments["pick_idx"].to_numpy(np.int64)]
    table = pd.DataFrame({"pick_index": index, "event_id": assignments["event_idx"].to_numpy()})
    table.to_csv(out / "assignments.csv", index=False)
    (out / "cost.json").write_text(json.dumps({"associate_cpu_s": spent}))


def main(action, job_file=None):
    if action == "version":
        from importlib.metadata import version

        print(version("pyocto"))
        return
    run(json.loads(Path(job_file).read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])
