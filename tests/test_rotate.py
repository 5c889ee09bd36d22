"""Rotation of nine-component correlations: what is recorded by turned, tilted and reversed sensors comes out as R, T, Z."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy.signal.rotate import rotate_ne_rt

from seisloom.errors import InputError
from seisloom.geo import destination, distance_azimuth
from seisloom.noise.rotate import rotate

COMPONENTS = ["RR", "RT", "RZ", "TR", "TT", "TZ", "ZR", "ZT", "ZZ"]
HALF, SAMPLES = 20, 400
LAG = np.arange(-HALF, HALF + 1) / 2.0
# Codes, azimuths and dips of some sensors; a Galperin triple dips up by 35.26° = asin(1/√3).
NORTH_EAST = [("Z", 0.0, -90.0), ("N", 0.0, 0.0), ("E", 90.0, 0.0)]
GALPERIN = [("U", 270.0, -35.2643897), ("V", 30.0, -35.2643897), ("W", 150.0, -35.2643897)]
sensors = st.builds(
    lambda azimuth, skew, flipped, tilt: [
        ("Z", 0.0, 90.0 if flipped else -90.0),
        ("1", azimuth, tilt),
        ("2", (azimuth + 90 + skew) % 360, 0.0),
    ],
    st.floats(0, 359),
    st.floats(-12, 12),
    st.booleans(),
    st.floats(-3, 3),
)


def record(motion: np.ndarray, sensor: list[tuple[str, float, float]]) -> dict[str, np.ndarray]:
    """What the channels of a sensor record of a motion (north, east, up)."""
    north, east, up = motion
    out = {}
    for code, azimuth, dip in sensor:
        a, d = np.radians(azimuth), np.radians(dip)
        out[code] = np.cos(d) * (np.cos(a) * north + np.sin(a) * east) - np.sin(d) * up
    return out


def correlate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean over t of a(t) b(t + τ) for τ on the lag axis, from records that are padded with zeros."""
    padded = np.pad(b, HALF)
    return np.array([a @ padded[HALF + k : HALF + k + len(a)] for k in range(-HALF, HALF + 1)]) / len(a)


def dataset(ends: dict[str, dict], days: int = 1) -> xr.Dataset:
    """The archive of two stations; an end has ``place`` (lat, lon), ``sensor``, ``channels`` (code to record), ``name``."""
    a, b = ends["a"], ends["b"]
    azimuths = {end: {c: (az, dip) for c, az, dip in ends[end]["sensor"]} for end in "ab"}
    pairs = [(i, j) for i in sorted(a["channels"]) for j in sorted(b["channels"])]
    ccf = np.array([[correlate(a["channels"][i], b["channels"][j])] * days for i, j in pairs])
    distance, azimuth, back = (float(v) for v in distance_azimuth(*a["place"], *b["place"]))
    coords: dict[str, tuple] = {
        "pair": ("pair", [f"{a['name']}{i}_{b['name']}{j}" for i, j in pairs]),
        "distance_km": ("pair", np.full(len(pairs), distance)),
        "azimuth_deg": ("pair", np.full(len(pairs), azimuth)),
        "back_azimuth_deg": ("pair", np.full(len(pairs), back)),
        "lag": ("lag", LAG, {"units": "s"}),
        "day": ("day", np.datetime64("2020-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")),
    }
    for k, end in enumerate("ab"):
        codes = [pair[k] for pair in pairs]
        coords[f"channel_{end}"] = ("pair", [ends[end]["name"] + c for c in codes])
        coords[f"sensor_azimuth_{end}_deg"] = ("pair", [azimuths[end][c][0] for c in codes])
        coords[f"sensor_dip_{end}_deg"] = ("pair", [azimuths[end][c][1] for c in codes])
        coords[f"latitude_{end}"] = ("pair", np.full(len(pairs), ends[end]["place"][0]))
    count = np.arange(len(pairs) * days).reshape(len(pairs), days) + 5
    variables = {"ccf": (("pair", "day", "lag"), ccf, {"units": "1"}), "count": (("pair", "day"), count)}
    return xr.Dataset(variables, coords, {"settings": "{}"})


def two_stations(
    seed: int, sensor_a: list, sensor_b: list, azimuth: float = 40.0
) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """An archive of any motion at two stations, and the correlations of its R, T and Z, turned by ObsPy."""
    rng = np.random.default_rng(seed)
    place_a = (45.0, 10.0)
    place_b = tuple(float(v) for v in destination(*place_a, azimuth, 150.0))
    _, forward, back = (float(v) for v in distance_azimuth(*place_a, *place_b))
    motions = rng.standard_normal((2, 3, SAMPLES))
    motions[1] += np.roll(motions[0][::-1], 5, axis=1)  # so that there is something to correlate
    axes = []
    for (north, east, up), towards_a in zip(motions, (forward + 180, back), strict=True):
        radial, transverse = rotate_ne_rt(north, east, towards_a % 360)
        axes.append({"R": radial, "T": transverse, "Z": up})
    expected = {p + q: correlate(axes[0][p], axes[1][q]) for p in "RTZ" for q in "RTZ"}
    ends = {
        "a": {"name": "XX.AAA..BH", "place": place_a, "sensor": sensor_a, "channels": record(motions[0], sensor_a)},
        "b": {"name": "XX.BBB.00.HH", "place": place_b, "sensor": sensor_b, "channels": record(motions[1], sensor_b)},
    }
    return dataset(ends), expected


def check(rotated: xr.Dataset, expected: dict[str, np.ndarray]) -> None:
    for component, ccf in expected.items():
        name = f"XX.AAA..BH{component[0]}_XX.BBB.00.HH{component[1]}"
        np.testing.assert_allclose(rotated["ccf"].sel(pair=name)[0], ccf, rtol=0, atol=1e-7)


@given(st.integers(0, 2**32 - 1), sensors, sensors, st.floats(0, 359.9))
@settings(max_examples=30, deadline=None)
def test_any_orientation_gives_the_same_components(seed: int, a: list, b: list, azimuth: float) -> None:
    archive, expected = two_stations(seed, a, b, azimuth)
    check(rotate(archive), expected)


@pytest.mark.parametrize("other", [NORTH_EAST, GALPERIN, [("1", 200.0, 0.0), ("2", 290.0, 0.0), ("3", 0.0, 90.0)]])
def test_kinds_of_sensors(other: list) -> None:
    for a, b in ((NORTH_EAST, other), (other, NORTH_EAST)):
        archive, expected = two_stations(1, a, b)
        check(rotate(archive), expected)


def test_plane_waves_arrive_on_their_components_at_their_lag() -> None:
    """A Rayleigh wave (Z is R a quarter period later) and a Love wave that travel from A to B in 8 samples."""
    rng = np.random.default_rng(2)
    place_a, azimuth = (60.0, 20.0), 75.0
    place_b = tuple(float(v) for v in destination(*place_a, azimuth, 300.0))
    _, forward, back = (float(v) for v in distance_azimuth(*place_a, *place_b))
    spectrum = np.fft.rfft(rng.standard_normal((2, 4096))) * (np.abs(np.fft.rfftfreq(4096) - 0.15) < 0.05)
    radial, love = np.fft.irfft(spectrum)
    vertical = np.fft.irfft(-1j * spectrum[0])
    motions = []
    for travel, delay in ((forward, 0), (back + 180, 8)):
        phi = np.radians(travel)
        north = np.cos(phi) * radial - np.sin(phi) * love
        east = np.sin(phi) * radial + np.cos(phi) * love
        motions.append(np.roll([north, east, vertical], delay, axis=1))
    sensor = [("Z", 0.0, 90.0), ("1", 312.0, 0.0), ("2", 42.0, 0.0)]
    ends = {
        end: {"name": f"XX.{end.upper()}..BH", "place": place, "sensor": s, "channels": record(motion, s)}
        for end, place, s, motion in zip("ab", (place_a, place_b), (sensor, NORTH_EAST), motions, strict=True)
    }
    rotated = rotate(dataset(ends))
    ccf = dict(zip(COMPONENTS, rotated["ccf"].values[:, 0], strict=True))
    power = float(np.mean(radial**2))
    for component in ("RR", "ZZ", "TT"):
        assert LAG[ccf[component].argmax()] == 4.0  # 8 samples of half a second, positive: from A to B
    assert ccf["RR"].max() == pytest.approx(power, rel=0.02)
    # Z is a quarter period behind R: RZ is the Hilbert transform of RR, and ZR the negative of it.
    np.testing.assert_allclose(ccf["RZ"], -ccf["ZR"], atol=0.02 * power)
    assert np.abs(ccf["RZ"]).max() > 0.5 * power
    for component in ("RT", "TR", "TZ", "ZT"):  # two independent waves: what is left is chance
        assert np.abs(ccf[component]).max() < 0.25 * power


def test_the_reversed_pair_mirrors_lag_and_sign() -> None:
    forward, _ = two_stations(3, NORTH_EAST, NORTH_EAST)
    swapped = rotate(reversed_pairs(forward))
    straight = rotate(forward)
    for p, q in COMPONENTS:
        a = straight["ccf"].sel(pair=f"XX.AAA..BH{p}_XX.BBB.00.HH{q}").values
        b = swapped["ccf"].sel(pair=f"XX.BBB.00.HH{q}_XX.AAA..BH{p}").values
        sign = -1 if (p == "Z") != (q == "Z") else 1
        np.testing.assert_allclose(b, sign * a[..., ::-1], atol=1e-12)


def reversed_pairs(archive: xr.Dataset) -> xr.Dataset:
    """A and B exchanged: every coordinate of one end for that of the other, the lag axis mirrored."""
    ends = {
        n: n.replace("_a", "_#").replace("_b", "_a").replace("_#", "_b") for n in archive.coords if "azimuth" not in n
    }
    ends |= {"sensor_azimuth_a_deg": "sensor_azimuth_b_deg", "sensor_azimuth_b_deg": "sensor_azimuth_a_deg"}
    ends |= {"azimuth_deg": "back_azimuth_deg", "back_azimuth_deg": "azimuth_deg"}
    names = ["_".join(reversed(name.split("_"))) for name in archive["pair"].values]
    coords = {n: archive[other].variable for n, other in ends.items() if n not in ("pair", "lag", "day")}
    out = archive.assign_coords(coords | {"pair": names})
    return out.assign(ccf=(archive["ccf"].dims, archive["ccf"].values[..., ::-1]))


def test_linear_in_the_correlations() -> None:
    one, _ = two_stations(4, NORTH_EAST, GALPERIN)
    two, _ = two_stations(5, NORTH_EAST, GALPERIN)
    mixed = one.assign(ccf=2 * one["ccf"] - 3 * two["ccf"])
    expected = 2 * rotate(one)["ccf"] - 3 * rotate(two)["ccf"]
    np.testing.assert_allclose(rotate(mixed)["ccf"], expected, atol=1e-12)


def test_names_coordinates_and_attributes() -> None:
    archive, _ = two_stations(6, NORTH_EAST, GALPERIN)
    archive["snr"] = (("pair", "day"), np.ones((9, 1)))
    rotated = rotate(archive.assign(ccf=archive["ccf"].astype(np.float32)))
    assert [str(p)[-1] for p in rotated["channel_b"].values] == [c[1] for c in COMPONENTS]
    assert list(rotated["pair"].values) == [f"XX.AAA..BH{p}_XX.BBB.00.HH{q}" for p, q in COMPONENTS]
    assert rotated["ccf"].dtype == np.float32
    assert rotated["ccf"].dims == ("pair", "day", "lag")
    assert "snr" not in rotated
    assert rotated.attrs["settings"] == "{}"
    assert json.loads(rotated.attrs["not_rotated"]) == []
    tz = rotated.sel(pair="XX.AAA..BHT_XX.BBB.00.HHZ")
    assert float(tz["sensor_azimuth_a_deg"]) == pytest.approx((float(tz["azimuth_deg"]) + 90) % 360)
    assert float(tz["sensor_dip_b_deg"]) == -90
    rr = rotated.sel(pair="XX.AAA..BHR_XX.BBB.00.HHR")
    assert float(rr["sensor_azimuth_b_deg"]) == pytest.approx((float(rr["back_azimuth_deg"]) + 180) % 360)
    assert float(rr["latitude_a"]) == 45.0


def test_orientations_that_are_not_given_are_those_of_the_codes() -> None:
    archive, expected = two_stations(7, NORTH_EAST, NORTH_EAST)
    blank = {n: ("pair", np.full(9, np.nan)) for n in archive.coords if str(n).startswith("sensor_")}
    check(rotate(archive.assign_coords(blank)), expected)


def test_missing_days_reach_only_the_components_they_have_part_in() -> None:
    archive, _ = two_stations(8, NORTH_EAST, NORTH_EAST)
    archive = xr.concat([archive, archive.assign_coords(day=archive["day"] + np.timedelta64(1, "D"))], "day")
    ccf = archive["ccf"].transpose("pair", "day", "lag").copy()
    ccf.loc["XX.AAA..BHN_XX.BBB.00.HHE", archive["day"][1]] = np.nan
    count = archive["count"].transpose("pair", "day").copy()
    count.loc["XX.AAA..BHN_XX.BBB.00.HHE", archive["day"][1]] = 0
    rotated = rotate(archive.assign(ccf=ccf, count=count))
    assert not rotated["ccf"][:, 0].isnull().any()
    lost = rotated["ccf"][:, 1].isnull().all("lag").values
    horizontal = np.array(["Z" not in c for c in COMPONENTS])
    np.testing.assert_array_equal(lost, horizontal)
    np.testing.assert_array_equal(rotated["count"][:, 1].values[horizontal], 0)
    zz = archive["count"].sel(pair="XX.AAA..BHZ_XX.BBB.00.HHZ").values
    np.testing.assert_array_equal(rotated["count"][-1].values, zz)


def test_what_cannot_be_turned_is_left_out_and_named() -> None:
    whole, _ = two_stations(9, NORTH_EAST, NORTH_EAST)
    eight = renamed(whole, "CCC").isel(pair=slice(8))
    unknown, _ = two_stations(9, NORTH_EAST, [("Z", 0.0, -90.0), ("1", np.nan, 0.0), ("2", np.nan, 0.0)])
    skew, _ = two_stations(9, NORTH_EAST, [("Z", 0.0, -90.0), ("N", 0.0, 0.0), ("E", 0.0, 0.0)])
    together = whole.assign_coords(distance_km=("pair", np.zeros(9)))
    nowhere = whole.assign_coords(azimuth_deg=("pair", np.full(9, np.nan)))
    same = whole.assign_coords(channel_b=("pair", whole["channel_a"].values))
    parts = [whole, eight, renamed(unknown, "DDD"), renamed(skew, "EEE"), renamed(together, "FFF")]
    parts += [renamed(nowhere, "GGG"), same]
    rotated = rotate(xr.concat(parts, "pair"))
    assert rotated.sizes["pair"] == 9
    reasons = {entry["pair"]: entry["reason"] for entry in json.loads(rotated.attrs["not_rotated"])}
    assert sorted(reasons) == ["XX.AAA..BH_XX.AAA..BH", *(f"XX.AAA..BH_XX.{s * 3}.00.HH" for s in "CDEFG")]
    wanted = {
        "CCC": "there are EE EN EZ NE NN NZ ZE ZN",
        "DDD": "azimuth or dip of XX.DDD.00.HH1 is unknown",
        "EEE": "XX.EEE.00.HHN and XX.EEE.00.HHE are 90° off perpendicular",
        "FFF": "at one place",
        "GGG": "no coordinates",
    }
    for station, words in wanted.items():
        assert words in reasons[f"XX.AAA..BH_XX.{station}.00.HH"]
    assert "one sensor" in reasons["XX.AAA..BH_XX.AAA..BH"]
    with pytest.raises(InputError, match=r"no pair of sensors can be rotated(.|\n)*there are EE"):
        rotate(eight)
    with pytest.raises(InputError, match="max_skew_deg is 40"):
        rotate(whole, max_skew_deg=40)


def renamed(archive: xr.Dataset, station: str) -> xr.Dataset:
    names = [str(c).replace("BBB", station) for c in archive["channel_b"].values]
    pairs = [str(p).replace("BBB", station) for p in archive["pair"].values]
    return archive.assign_coords(channel_b=("pair", names), pair=pairs)


def test_stacks_without_a_time_axis() -> None:
    archive, expected = two_stations(10, NORTH_EAST, NORTH_EAST)
    rotated = rotate(archive.isel(day=0, drop=True).drop_vars("count"))
    assert rotated["ccf"].dims == ("pair", "lag")
    np.testing.assert_allclose(rotated["ccf"][0], expected["RR"], atol=1e-7)
