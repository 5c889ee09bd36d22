"""Events of association by likelihood are located where they were found, also outside the region."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seisloom import geo
from seisloom.associate.job import associate_picks, make_study
from seisloom.associate.plane import distances_km
from seisloom.associate.synthetic import CRUST
from seisloom.traveltime import travel_times


def test_events_far_outside_a_large_region_are_not_drawn_to_its_edge(rng: np.random.Generator) -> None:
    n_stations, beyond_km = 25, 55.0  # of a region some 340 km wide, about which events are looked for 68 km outside
    sites = pd.DataFrame(
        {
            "station": [f"XX.S{i:03d}" for i in range(n_stations)],
            "latitude": rng.uniform(40.7, 43.3, n_stations), "longitude": rng.uniform(11.2, 14.8, n_stations),
            "elevation_m": 0.0, "depth_m": 0.0,
        }
    )  # fmt: skip
    study = make_study(sites, CRUST)
    net = study.network
    east = net.box_km[1] + beyond_km
    x, y, origin_s = np.full(6, east), rng.uniform(-60.0, 60.0, 6), 120.0 * np.arange(6)
    far = distances_km(x, y, net.x_km, net.y_km)
    rows = []
    for event in range(6):
        for station in np.flatnonzero(far[event] < 240.0):
            for phase in (0, 1):
                arrival = origin_s[event] + travel_times(study.times, phase, station, far[event, station], 10.0)
                rows.append((net.ids[station], "PS"[phase], float(arrival) + rng.normal(0.0, 0.1)))
    table = pd.DataFrame(rows, columns=["station", "phase", "time"])
    table["time"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(table["time"], unit="s")
    table = table.assign(probability=1.0, pick_index=np.arange(len(table)))

    events = associate_picks(table, sites, CRUST).catalog.events

    assert len(events) == 6
    assert all("outside region" in flags for flags in events["flags"])
    found_x, found_y = geo.to_plane(events["latitude"].to_numpy(), events["longitude"].to_numpy(), net.lat0, net.lon0)
    assert np.hypot(found_x - x, found_y - y).max() < 8.0
    assert events["rms_s"].max() < 0.3
