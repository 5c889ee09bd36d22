"""Picks through GaMMA: executed by GaMMA's own interpreter, needs nothing else of this project.

    python gamma_association.py run JOB.json     picks, stations, velocity -> OUT/events.csv, OUT/assignments.csv
    python gamma_association.py version

As in GaMMA's notebooks: stations in km by a stereographic projection about the middle of the region, a 1-D model through
its eikonal solver, DBSCAN before the mixture with ``dbscan_eps`` from its ``estimate_eps``. Amplitudes are not used: the
picks have none. Its initial centres are drawn at random; the seed is the one that it gives to its own worker processes.
"""

import json
import os
import sys
import time
from pathlib import Path

# Velocities of the notebooks; with an eikonal table they only turn kilometres into seconds before DBSCAN.
UNIFORM = {"p": 6.0, "s": 6.0 / 1.75}


def projection(job):
    """Degrees to km about the middle of the region."""
    from pyproj import Proj

    lat, lon = (sum(job[name]) / 2 for name in ("lat", "lon"))
    return Proj(f"+proj=sterea +lat_0={lat} +lon_0={lon} +units=km")


def station_table(job, to_km):
    import pandas as pd

    table = pd.read_csv(job["stations"]).rename(columns={"lat": "latitude", "lon": "longitude"})
    x, y = to_km(table["longitude"].to_numpy(), table["latitude"].to_numpy())
    z = (table.get("depth_m", 0.0) - table["elevation_m"]) / 1000.0
    return pd.DataFrame({"id": table["station"], "x(km)": x, "y(km)": y, "z(km)": z})


def pick_table(job):
    """Columns of GaMMA, and the number of each pick in the file."""
    import pandas as pd

    picks = pd.read_csv(job["picks"])
    stamps = pd.to_datetime(picks["time"], unit="s", utc=True)
    named = {"id": picks["station"], "timestamp": stamps, "type": picks["phase"].str.lower()}
    return pd.DataFrame(named | {"prob": picks.get("prob", 1.0)}), picks["pick_index"].to_numpy()


def configuration(job, stations, to_km):
    """GaMMA's settings: those of the job, except ``h_km`` (spacing of the eikonal grid) and ``eps_times`` (DBSCAN's
    radius in units of GaMMA's estimate)."""
    import pandas as pd
    from gamma.utils import estimate_eps

    own = dict(job["gamma"])
    h, eps_times = own.pop("h_km"), own.pop("eps_times")
    middle = [sum(job[name]) / 2 for name in ("lon", "lat")]
    x = to_km(job["lon"], [middle[1]] * 2)[0]
    y = to_km([middle[0]] * 2, job["lat"])[1]
    z = job["depth_km"]
    model = pd.read_csv(job["velocity"])
    # Depth in the table is below the station.
    deepest = z[1] + 1.0 - stations["z(km)"].min()
    velocity = {"z": model["depth_km"].to_numpy(), "p": model["vp"].to_numpy(), "s": model["vs"].to_numpy()}
    return {
        "dims": ["x(km)", "y(km)", "z(km)"],
        "x(km)": x,
        "y(km)": y,
        "z(km)": z,
        "bfgs_bounds": [(x[0] - 1, x[1] + 1), (y[0] - 1, y[1] + 1), (z[0], z[1] + 1), (None, None)],
        "vel": UNIFORM,
        "eikonal": {"vel": velocity, "h": h, "xlim": x, "ylim": y, "zlim": (0.0, deepest + h)},
        "use_amplitude": False,
        "use_dbscan": True,
        "dbscan_eps": eps_times * estimate_eps(stations, UNIFORM["p"]),
        "ncpu": job["threads"],
    } | own


def event_table(events, to_km):
    """Events as the benchmark reads them: time in epoch s, degrees, km."""
    import pandas as pd

    columns = ["event_index", "time", "x(km)", "y(km)", "z(km)"]
    table = pd.DataFrame(events, columns=columns)
    lon, lat = to_km(table["x(km)"].to_numpy(float), table["y(km)"].to_numpy(float), inverse=True)
    seconds = [pd.Timestamp(stamp, tz="UTC").timestamp() for stamp in table["time"]]
    named = {"event_id": table["event_index"], "time": seconds, "latitude": lat, "longitude": lon}
    return pd.DataFrame(named | {"depth_km": table["z(km)"]})


def run(job):
    import pandas as pd
    from gamma.utils import association, random_seed

    out = Path(job["out"])
    out.mkdir(parents=True)
    os.chdir(out)  # GaMMA makes a folder where it runs
    to_km = projection(job)
    stations, (picks, numbers) = station_table(job, to_km), pick_table(job)
    config = configuration(job, stations, to_km)
    random_seed()
    began = time.process_time()
    events, assignments = association(picks, stations, config, method="BGMM")
    spent = time.process_time() - began
    event_table(events, to_km).to_csv("events.csv", index=False)
    rows = [(numbers[pick], event) for pick, event, _ in assignments]
    pd.DataFrame(rows, columns=["pick_index", "event_id"]).to_csv("assignments.csv", index=False)
    Path("cost.json").write_text(json.dumps({"associate_cpu_s": spent}))


def main(action, job_file=None):
    if action == "version":
        from importlib.metadata import version

        print(version("GMMA"))
        return
    run(json.loads(Path(job_file).read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])
