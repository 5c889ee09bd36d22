"""``seisloom associate`` where networks are unusual: planted events of exact picks must come out where they are.

Arrival times are computed from geodesics and first arrivals, without the plane coordinates and grids that association uses.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seisloom import geo
from seisloom.associate.synthetic import CRUST
from seisloom.picks import write_picks
from seisloom.traveltime import first_arrivals, write_velocity_model
from seisloom.traveltime.model import Earth
from tests.association_job import catalogue, seisloom, trusting_model

ORIGIN = pd.Timestamp("2024-02-29T23:59:30Z")
APART = pd.Timedelta(minutes=10)


def spiral(lat0: float, lon0: float, radius_km: float, n: int = 16) -> pd.DataFrame:
    k = np.arange(n)
    lat, lon = geo.destination(lat0, lon0, 137.5 * k, radius_km * np.sqrt((k + 0.5) / n))
    names = [f"XX.S{i:02d}" for i in k]
    return pd.DataFrame(
        {"station": names, "latitude": lat, "longitude": lon, "elevation_m": 1000.0 * k / n, "depth_m": 0.0}
    )


def planted(sites: pd.DataFrame, places: list[tuple[float, float, float]], earth: Earth) -> pd.DataFrame:
    """Picks of both phases at stations within 290 km of events (latitude, longitude, depth in km) ten minutes apart."""
    level = -(sites["elevation_m"].fillna(0.0) - sites["depth_m"]).to_numpy() / 1000.0
    parts = []
    for k, (lat, lon, depth) in enumerate(places):
        distance, _, _ = geo.distance_azimuth(lat, lon, sites["latitude"].to_numpy(), sites["longitude"].to_numpy())
        for phase in "PS":
            travel = first_arrivals(CRUST, phase, depth, level, distance, earth)
            time = ORIGIN + k * APART + pd.to_timedelta(travel, unit="s")
            parts.append(pd.DataFrame({"station": sites["station"], "phase": phase, "time": time})[distance < 290.0])
    return pd.concat(parts, ignore_index=True).assign(
        pick_index=lambda t: np.arange(len(t)), probability=0.9, duration_s=np.nan
    )


def found(
    folder: Path,
    sites: pd.DataFrame,
    places: list[tuple[float, float, float]],
    *options: object,
    truth: Earth = "sphere",
) -> pd.DataFrame:
    """The events that come out, with their distances from where they were planted; every pick must be used."""
    folder.mkdir(exist_ok=True)
    sites.to_csv(folder / "stations.csv", index=False)
    picks = planted(sites, places, truth)
    write_picks(picks, folder / "picks.csv")
    write_velocity_model(CRUST, folder / "velocity.txt")
    files = (folder / name for name in ("picks.csv", "stations.csv", "velocity.txt"))
    model = trusting_model(folder / "model.pt")
    outcome = seisloom(
        "associate", *files, "-o", folder / "out", "--model", model, "--threads", 1, "--no-figures", *options
    )
    assert outcome.code == 0, outcome.err
    events, assignments = catalogue(folder / "out")
    assert len(events) == len(places), outcome.out
    assert len(assignments) == len(picks)
    lat, lon, depth = np.array(places).T
    apart, _, _ = geo.distance_azimuth(events["latitude"].to_numpy(), events["longitude"].to_numpy(), lat, lon)
    late = pd.to_datetime(events["time"]) - pd.Series([ORIGIN + k * APART for k in range(len(places))])
    return events.assign(off_km=apart, deep_km=events["depth_km"] - depth, late_s=late.dt.total_seconds())


def assert_at_their_places(events: pd.DataFrame) -> None:
    assert events["off_km"].max() < 0.05
    assert events["deep_km"].abs().max() < 0.2
    assert events["late_s"].abs().max() < 0.02
    assert events["rms_s"].max() < 0.01


@pytest.mark.parametrize(
    ("lat0", "lon0", "options"),
    [
        (-17.0, 180.0, ()),
        (-17.0, -179.98, ("--region", -17.6, -16.4, 179.3, -179.3, 0, 30)),
        (-17.0, 179.98, ("--region", -17.6, -16.4, 179.3, 180.7, 0, 30)),
        (-77.8, 166.7, ()),
        (64.1, -21.3, ()),
    ],
)
def test_across_the_date_line_and_far_from_the_equator(
    tmp_path: Path, lat0: float, lon0: float, options: tuple[object, ...]
) -> None:
    places = [
        (float(lat), float((lon + 180.0) % 360.0 - 180.0), depth)
        for (lat, lon), depth in zip(
            zip(*geo.destination(lat0, lon0, [95.0, 260.0], 12.0), strict=True), (8.0, 14.0), strict=True
        )
    ]
    events = found(tmp_path, spiral(lat0, lon0, 40.0), places, *options)
    assert_at_their_places(events)
    assert events["longitude"].between(-180.0, 180.0).all()
    if abs(lon0) > 179:
        assert set(np.sign(events["longitude"])) == {-1.0, 1.0}


def test_unknown_elevations_count_as_sea_level_and_sensors_lie_below_the_ground(tmp_path: Path) -> None:
    sites = spiral(43.0, 13.0, 40.0)
    sites.loc[::3, "elevation_m"] = np.nan
    sites.loc[1::3, "depth_m"] = 1500.0
    assert_at_their_places(found(tmp_path, sites, [(43.05, 13.1, 8.0), (42.9, 12.9, 3.0)]))


def test_a_thousand_kilometres_of_a_sphere(tmp_path: Path) -> None:
    sites, places = spiral(43.0, 13.0, 500.0, 40), [(44.0, 14.5, 10.0), (40.5, 12.0, 15.0)]
    options = ("--region", 38, 48, 6, 20, 0, 20)
    round_earth = found(tmp_path / "sphere", sites, places, "--earth", "sphere", *options)
    flat = found(tmp_path / "flat", sites, places, "--earth", "flat", *options)
    assert round_earth["off_km"].max() < 0.1
    assert round_earth["late_s"].abs().max() < 0.02
    assert round_earth["rms_s"].max() < 0.002
    assert flat["rms_s"].min() > 0.01
