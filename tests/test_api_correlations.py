"""What the API tells and draws of correlation jobs: the same as the command line, and never what is out of date."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import obspy
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from seisloom.noise.archive import open_correlations, open_stacks, stack_names
from seisloom.noise.archive_rows import read_rows
from seisloom.noise.rotate import rotate
from seisloom.noise.select import select_component, select_pair
from seisloom.noise.stack import METHODS
from seisloom.noise.stacking import stack_correlations, stacked
from seisloom.plot.traces import Treatment
from seisloom.storage import Storage
from seisloom.web.services import Services
from seisloom.web.stacking import archives
from seisloom.web.stacking.cache import Cache
from tests.correlation_jobs import finish_days, put_job, three_components
from tests.job_workers import PATIENCE_S, until
from tests.jobs import channel_table, command
from tests.object_stores import NewWorkspace
from tests.web_support import api_client

PAIR = "XX.S00_XX.S02"
DAYS = 12


class Served:
    """A workspace with finished jobs ``done`` (4 stations) and ``nine`` (3 stations, 3 components)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services = Services(str(folder))
        self.client: TestClient = api_client(self.services)
        put_job(self.services.board, "done", channel_table(4), DAYS).finish({})
        put_job(self.services.board, "nine", three_components(3), 3, settings=_nine()).finish({})

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer

    def npz(self, job: str, name: str, **parameters: Any) -> dict[str, np.ndarray]:
        content = self.get(f"/jobs/{job}/data/{name}.npz", **parameters).content
        with np.load(io.BytesIO(content)) as held:
            return dict(held)

    def workspace(self, job: str) -> Path:
        return self.folder / "processed" / job


def _nine() -> Any:
    from tests.correlation_jobs import SETTINGS

    return SETTINGS.model_copy(update={"components": "all"})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("served"))


def test_what_there_is_of_a_job(served: Served) -> None:
    made = served.get("/jobs/done/correlations").json()
    told = {name: made[name] for name in ("pairs", "stations", "components", "rows", "times", "days_done", "maxlag_s")}
    assert told == {
        "pairs": 6, "stations": 4, "components": ["ZZ"], "rows": "day", "times": 12, "days_done": 12, "maxlag_s": 30.0,
    }  # fmt: skip
    assert (made["first"], made["last"]) == ("2023-12-27T00:00:00Z", "2024-01-07T00:00:00Z")
    assert made["sampling_rate_hz"] == 4.0
    assert made["settings"]["freqmin"] == 0.1
    assert made["fits"]
    nine = served.get("/jobs/nine/correlations").json()
    assert {"ZZ", "EN", "NE", "RR", "TT", "RZ"} <= set(nine["components"])
    assert len(nine["components"]) == 17


def test_pairs_are_columns_of_the_archive(served: Served) -> None:
    data = open_correlations(served.workspace("done"))
    columns = served.get("/jobs/done/pairs").json()
    names = [
        f"{columns['channels'][a]}_{columns['channels'][b]}" for a, b in zip(columns["a"], columns["b"], strict=True)
    ]
    assert names == data["pair"].values.tolist()
    assert columns["distance_km"] == pytest.approx(data["distance_km"].values, abs=1e-3)
    assert columns["days"] == [11, 12, 12, 12, 12, 12]
    assert columns["windows"] == data["count"].values.sum(axis=1).tolist()
    ratios = served.get("/jobs/done/pairs/snr").json()["snr"]
    assert ratios == pytest.approx(stacked(data)["snr"].values[:, 0], abs=0.006)
    assert served.get("/jobs/done/pairs").json()["snr"] == ratios  # at hand from now on
    stations = served.get("/jobs/done/stations").json()
    assert [(row["station"], row["pairs"]) for row in stations] == [(f"XX.S0{i}", 3) for i in range(4)]
    assert stations[0]["latitude"] == 42.0


def test_methods_with_their_options(served: Served) -> None:
    methods = {method["name"]: method for method in served.get("/jobs/done/stacking-methods").json()}
    assert list(methods) == list(METHODS)
    power = methods["pws"]["options"][0]
    assert power == {
        "name": "power",
        "default": 2.0,
        "unit": "",
        "help": "power of the phase weight",
        "low": 0.0,
        "high": None,
    }


@pytest.mark.parametrize("method", METHODS)
def test_data_of_a_section_is_what_the_command_stacks(served: Served, method: str, tmp_path: Path) -> None:
    name = stack_correlations(served.workspace("done"), method, name=f"cli-{method}")
    out = tmp_path / "out.npz"
    assert (
        command("export", served.workspace("done"), "-f", "npz", "-o", out, "--stack", name, cwd=tmp_path).returncode
        == 0
    )
    mine = served.npz("done", "record-section", method=method)
    with np.load(out) as theirs:
        for array in ("ccf", "count", "snr", "lag", "pair", "period"):
            np.testing.assert_array_equal(mine[array], theirs[array], err_msg=array)
    served.services.storage.delete(served.services.storage.keys("processed/done/stacks"))


def test_data_of_a_correlogram_follows_method_period_days_and_look(served: Served) -> None:
    days = select_pair(open_correlations(served.workspace("done")), PAIR).load()
    rows = served.npz("done", "correlogram", pair=PAIR)
    np.testing.assert_array_equal(rows["ccf"], days["ccf"].values)
    chosen = days.isel(day=slice(3, 9))
    weekly = stacked(chosen, "pws", "week", power=3.0)
    want, lag = Treatment(10.0, (0.2, 0.8))(weekly["ccf"].values, weekly["lag"].values)
    asked = {"method": "pws", "set": "power=3", "period": "week", "start": "2023-12-30", "end": "2024-01-04"}
    got = served.npz("done", "correlogram", pair=PAIR, band="0.2,0.8", lag="10", **asked)
    np.testing.assert_array_equal(got["ccf"], want.astype(np.float32))
    np.testing.assert_array_equal(got["lag"], lag)
    stack = served.npz("done", "stack", pair=PAIR, **asked)
    np.testing.assert_array_equal(stack["ccf"], stacked(chosen, "pws", power=3.0)["ccf"].values)


def test_a_pair_in_either_order_and_its_stations_by_channels(served: Served) -> None:
    forward = served.npz("done", "stack", pair=PAIR)["ccf"]
    backward = served.npz("done", "stack", pair="XX.S02..MHZ_XX.S00..MHZ")["ccf"]
    np.testing.assert_array_equal(forward, backward[..., ::-1])
    assert not np.array_equal(forward, backward)


@pytest.mark.parametrize("pair", ["XX.S00_XX.S02", "XX.S00..MHZ_XX.S02..MHZ", "XX.S02..MHN_XX.S00..MHE"])
@pytest.mark.parametrize("component", ["RT", "TT", "NE"])
def test_rotated_components(served: Served, pair: str, component: str) -> None:
    stacks = stacked(open_correlations(served.workspace("nine")), "linear")
    stacks = rotate(stacks) if component != "NE" else stacks
    turned = pair.startswith("XX.S02")
    want = select_pair(stacks, "XX.S02_XX.S00" if turned else "XX.S00_XX.S02", component)
    got = served.npz("nine", "stack", pair=pair, component=component)
    assert got["pair"].tolist() == want["pair"].values.tolist()
    np.testing.assert_allclose(got["ccf"], want["ccf"].values, rtol=1e-6)


def test_rotated_section_and_shot(served: Served) -> None:
    want = select_component(rotate(stacked(open_correlations(served.workspace("nine")))), "RR")
    got = served.npz("nine", "record-section", component="RR")
    np.testing.assert_array_equal(got["ccf"], want["ccf"].values)
    shot = served.npz("nine", "virtual-shot", component="RR", station="XX.S01")
    assert shot["pair"].tolist() == ["XX.S01..MHR_XX.S00..MHR", "XX.S01..MHR_XX.S02..MHR"]


@pytest.mark.parametrize("ending", ["nc", "mseed", "sac", "jld2"])
def test_data_in_other_formats(served: Served, ending: str, tmp_path: Path) -> None:
    want = served.npz("done", "virtual-shot", station="XX.S01", lag="20", sides="folded")
    answer = served.get(f"/jobs/done/data/virtual-shot.{ending}", station="XX.S01", lag="20", sides="folded")
    path = tmp_path / "data"
    path.write_bytes(answer.content)
    zipped = ".zip" if ending in ("mseed", "sac") else ""
    assert f'filename="virtual-shot-XX.S01.{ending}{zipped}"' in answer.headers["content-disposition"]
    if zipped:
        with zipfile.ZipFile(path) as archive:
            records = [
                obspy.read(io.BytesIO(archive.read(n)))[0].data for n in archive.namelist() if n.endswith(ending)
            ]
        assert sorted(map(float, (r.max() for r in records))) == sorted(map(float, want["ccf"].max(axis=(1, 2))))
    elif ending == "nc":
        with h5netcdf.File(path, "r") as file:
            np.testing.assert_array_equal(file["ccf"][:], want["ccf"])
    else:
        assert path.read_bytes().startswith(b"HDF5-based Julia")


FIGURES = {
    "correlogram": {"pair": PAIR, "method": "pws", "set": "power=1.5", "lag": "-10,20", "start": "2023-12-29"},
    "record-section": {"method": "robust", "sides": "causal", "bin_km": "2", "kind": "image"},
    "virtual-shot": {"station": "XX.S02", "colour": "amplitude", "velocities": "3"},
    "station-map": {"title": "Where"},
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_snippet_draws_the_same_picture(served: Served, name: str, tmp_path: Path) -> None:
    code = served.get("/jobs/done/snippet", picture=name, **FIGURES[name]).text
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, f"{code}\n{run.stderr}"
    picture = served.get(f"/jobs/done/figures/{name}.png", **FIGURES[name]).content
    assert (tmp_path / f"{name}.png").read_bytes() == picture


def test_snippets_of_rotated_components_and_periods(served: Served, tmp_path: Path) -> None:
    for name, asked in (
        ("correlogram", {"pair": "XX.S02..MHZ_XX.S00..MHZ", "component": "RT", "period": "2 days"}),
        ("record-section", {"component": "TT"}),
        ("virtual-shot", {"component": "EN", "station": "XX.S01"}),
    ):
        code = served.get("/jobs/nine/snippet", picture=name, **asked).text
        run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{code}\n{run.stderr}"
        picture = served.get(f"/jobs/nine/figures/{name}.png", **asked).content
        mine, theirs = (
            np.asarray(Image.open(io.BytesIO(b)), float) for b in ((tmp_path / f"{name}.png").read_bytes(), picture)
        )
        assert np.abs(mine - theirs).mean() < 0.05  # the order of sums may differ


def test_a_snippet_for_people_elsewhere_names_no_path(tmp_path: Path) -> None:
    services = Services(str(tmp_path), token="secret")
    put_job(services.board, "done", channel_table(2), 1).finish({})
    code = api_client(services).get("/jobs/done/snippet", params={"pair": "XX.S00_XX.S01"}).text
    assert "workspace = 'done'" in code
    assert str(tmp_path) not in code


@pytest.mark.parametrize("name", FIGURES)
def test_pictures_in_every_format(served: Served, name: str) -> None:
    path = f"/jobs/done/figures/{name}"
    assert served.get(f"{path}.svg", **FIGURES[name]).text.lstrip().startswith("<?xml")
    assert served.get(f"{path}.pdf", **FIGURES[name]).content.startswith(b"%PDF")
    small = served.get(f"{path}.png", width=500, height=200, **FIGURES[name])
    size = Image.open(io.BytesIO(small.content)).size
    assert size[0] <= 501
    assert size[1] <= 201
    assert size[0] >= 498 or size[1] >= 198
    again = served.client.get(
        f"{path}.png",
        params={"width": 500, "height": 200, **FIGURES[name]},
        headers={"If-None-Match": small.headers["etag"]},
    )
    assert again.status_code == 304
    assert not again.content


def test_axes_tell_where_in_a_picture_what_is(served: Served) -> None:
    stack, rows = served.get("/jobs/done/figures/correlogram.json", pair=PAIR, lag="-10,20").json()
    assert (stack["name"], rows["name"]) == ("stack", "rows")
    assert stack["box"]["left"] == pytest.approx(rows["box"]["left"])
    assert stack["box"]["top"] < rows["box"]["top"]
    assert rows["x"] == {"quantity": "lag_s", "left": -10.125, "right": 20.125}
    assert rows["y"] == {"quantity": "time", "top": "2023-12-27T00:00:00Z", "bottom": "2024-01-08T00:00:00Z"}
    (section,) = served.get("/jobs/done/figures/record-section.json").json()
    assert section["y"]["quantity"] == "distance_km"
    assert section["y"]["top"] > section["y"]["bottom"]
    # The frame of the axes is drawn just there.
    image = np.asarray(Image.open(io.BytesIO(served.get("/jobs/done/figures/record-section.png").content)).convert("L"))
    across = round(section["box"]["left"] * image.shape[1])
    assert image[image.shape[0] // 2, across - 1 : across + 2].min() < 128
    assert {part["name"] for part in served.get("/jobs/done/figures/virtual-shot.json", station="XX.S01").json()} == {
        "section",
        "map",
    }


def test_a_running_job_never_shows_what_is_out_of_date(tmp_path: Path) -> None:
    services = Services(str(tmp_path))
    client = api_client(services)
    claim = put_job(services.board, "live", channel_table(3), 5, done=0)
    answer = client.get("/jobs/live/figures/correlogram.png", params={"pair": "XX.S00_XX.S01"})
    assert answer.status_code == 422
    assert "no windows on these days" in answer.json()["detail"]
    versions, pictures = set(), set()
    for day in range(3):
        finish_days(services.board, "live", range(day, day + 1))
        made = client.get("/jobs/live/correlations").json()
        assert made["days_done"] == day + 1
        assert made["state"] == "running"
        versions.add(made["version"])
        pictures.add(
            client.get("/jobs/live/figures/correlogram.png", params={"pair": "XX.S01_XX.S02", "width": 400}).content
        )
        with np.load(
            io.BytesIO(client.get("/jobs/live/data/stack.npz", params={"pair": "XX.S01_XX.S02"}).content)
        ) as held:
            want = stacked(select_pair(open_correlations(tmp_path / "processed" / "live"), "XX.S01_XX.S02"))
            np.testing.assert_array_equal(held["ccf"], want["ccf"].values)
    assert len(versions) == len(pictures) == 3
    claim.finish({})
    assert client.get("/jobs/live/correlations").json()["state"] == "done"


def test_jobs_without_correlations(served: Served, tmp_path: Path) -> None:
    services = Services(str(tmp_path))
    client = api_client(services)
    services.board.submit("correlation", "", {}, job_id="waiting")
    services.board.submit("association", "", {}, job_id="other")
    for job, words in (
        ("waiting", "no correlations yet"),
        ("other", "is an association"),
        ("gone", "there is no job gone"),
    ):
        for path in ("correlations", "pairs", "stations", "stacks", "figures/station-map.png", "snippet"):
            answer = client.get(f"/jobs/{job}/{path}")
            assert answer.status_code == 404, path
            assert words in answer.json()["detail"], path


@pytest.mark.parametrize(
    ("path", "parameters", "words"),
    [
        ("figures/correlogram.png", {}, "pair is missing"),
        ("figures/correlogram.png", {"pair": "XX.S00_XX.S09"}, "unknown 'XX.S09'"),
        ("figures/correlogram.png", {"pair": PAIR, "method": "pwz"}, "did you mean 'pws'"),
        ("figures/correlogram.png", {"pair": PAIR, "method": "pws", "set": "power=x"}, "a number is expected"),
        ("figures/correlogram.png", {"pair": PAIR, "method": "pws", "set": "power=inf"}, "finite"),
        ("figures/correlogram.png", {"pair": PAIR, "set": "power"}, "write name=value"),
        ("figures/correlogram.png", {"pair": PAIR, "period": "99999999999 days"}, "at most 100,000"),
        ("figures/correlogram.png", {"pair": PAIR, "start": "2025-01-01"}, "no day from 2025-01-01"),
        ("figures/correlogram.png", {"pair": PAIR, "band": "1,nan"}, "numbers separated by commas"),
        ("figures/correlogram.png", {"pair": PAIR, "band": "3,1"}, "0 < low < high < 2 Hz"),
        ("figures/correlogram.png", {"pair": PAIR, "lag": "20,-20"}, "the largest lag (60) or a range"),
        ("figures/correlogram.png", {"pair": PAIR, "velocities": "2,-3"}, "positive numbers"),
        ("figures/correlogram.png", {"pair": PAIR, "method": "selective", "set": "threshold=1"}, "holds no row"),
        ("figures/virtual-shot.png", {}, "station is missing"),
        ("figures/virtual-shot.png", {"station": "S01"}, "did you mean XX.S01"),
        ("figures/record-section.png", {"component": "RR"}, "no pair of component 'RR'"),
        ("figures/record-section.png", {"bin_km": "0.000001"}, "use a width from"),
        ("data/record-section.npz", {"component": "EE"}, "no pair of component"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(served: Served, path: str, parameters: dict[str, str], words: str) -> None:
    answer = served.client.get(f"/jobs/done/{path}", params=parameters)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]


def test_a_stored_stack_that_is_not_there(served: Served) -> None:
    answer = served.client.get("/jobs/done/figures/record-section.png", params={"stack": "../../done"})
    assert answer.status_code == 404
    assert "no stack" in answer.json()["detail"]


def test_stacks_of_a_whole_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = Services(str(tmp_path))
    client = api_client(services)
    put_job(services.board, "done", channel_table(4), 4).finish({})
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    section = client.get("/jobs/done/figures/record-section.png", params={"method": "pws"})
    assert section.status_code == 422
    assert "made and stored first" in section.json()["detail"]
    assert not client.get("/jobs/done/correlations").json()["fits"]
    begun = client.post("/jobs/done/stacks", json={"method": "pws", "options": {"power": 3}})
    assert begun.status_code == 202
    assert begun.json()["state"] == "running"
    run = _finished(client, "done")
    assert (run["state"], run["done"], run["pairs"], run["name"]) == ("done", 6, 6, "pws_all")
    (listed,) = client.get("/jobs/done/stacks").json()["stacks"]
    assert listed["method_options"] == {"power": 3.0, "smooth_s": 0.0}
    # Taken for pictures that ask for just this, and for those that name it.
    stored = open_stacks(tmp_path / "processed" / "done")
    for asked in ({"method": "pws", "set": "power=3"}, {"stack": "pws_all"}):
        with np.load(io.BytesIO(client.get("/jobs/done/data/record-section.npz", params=asked).content)) as held:
            np.testing.assert_array_equal(held["ccf"], stored["ccf"].values)
        code = client.get("/jobs/done/snippet", params={"picture": "record-section", **asked}).text
        assert "open_stacks(workspace, 'pws_all')" in code
    assert client.get("/jobs/done/figures/record-section.png", params={"method": "pws"}).status_code == 422


def test_stacks_that_cannot_be_made(served: Served) -> None:
    for asked, words in (
        ({"method": "pwz"}, "unknown"),
        ({"period": "fortnight"}, "use all, day"),
        ({"rotate": True}, "all nine components"),
        ({"method": "pws", "options": {"power": -1}}, "at least 0"),
        ({"name": "../x"}, "name"),
    ):
        answer = served.client.post("/jobs/done/stacks", json=asked)
        assert answer.status_code == 422
        assert words in answer.json()["detail"]


def test_one_stack_at_a_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr("seisloom.web.stacking.runs.stack_correlations", lambda *_, **__: go.wait(PATIENCE_S) and "x")
    assert served.client.post("/jobs/nine/stacks", json={}).status_code == 202
    second = served.client.post("/jobs/nine/stacks", json={})
    assert second.status_code == 409
    assert "is being made" in second.json()["detail"]
    go.set()
    assert _finished(served.client, "nine")["state"] == "done"


def test_a_job_deleted_while_it_is_stacked_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = Services(str(tmp_path))
    client = api_client(services)
    put_job(services.board, "done", channel_table(3), 2).finish({})
    go, made = threading.Event(), threading.Event()

    def late(url: str, *_: Any, **__: Any) -> str:
        go.wait()
        Storage(url, create=True).put("stacks/linear_all.json", b"{}")
        made.set()
        return "linear_all"

    monkeypatch.setattr("seisloom.web.stacking.runs.stack_correlations", late)
    assert client.post("/jobs/done/stacks", json={}).status_code == 202
    assert client.delete("/jobs/done").status_code == 204
    go.set()
    until(made.is_set, "the stack that comes too late")
    until(lambda: not services.storage.keys("processed/done"), "its end")


def test_many_at_once_get_what_each_alone_gets(served: Served) -> None:
    asked = [(name, {**FIGURES[name], "width": 300 + 10 * (i % 3)}) for i in range(4) for name in FIGURES]
    alone = {}
    for name, parameters in asked:
        alone[name, parameters["width"]] = served.get(f"/jobs/done/figures/{name}.png", **parameters).content
    fresh = api_client(Services(str(served.folder)))
    got: list[tuple[tuple[str, int], bytes]] = []

    def ask(name: str, parameters: dict[str, Any]) -> None:
        answer = fresh.get(f"/jobs/done/figures/{name}.png", params=parameters)
        got.append(((name, parameters["width"]), answer.content if answer.status_code == 200 else b""))

    threads = [threading.Thread(target=ask, args=each) for each in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == len(asked)
    assert all(content == alone[key] for key, content in got)


def test_rows_of_few_pairs_are_those_of_the_archive(served: Served) -> None:
    data = open_correlations(served.workspace("nine"))
    there = data["count"].values > 0
    for pairs in ([0], [26, 3, 4], np.arange(27)):
        want = np.where(there[pairs][..., None], data["ccf"].values[pairs], np.nan)
        np.testing.assert_array_equal(read_rows(Storage(served.workspace("nine")), pairs, there[pairs]), want)


def test_on_every_store(object_store: NewWorkspace) -> None:
    services = Services(object_store())
    client = api_client(services)
    claim = put_job(services.board, "live", channel_table(3), 4, done=3)
    url = f"{services.storage.url}/processed/live"
    for days in (3, 4):
        want = stacked(select_pair(open_correlations(url), PAIR), "pws")["ccf"].values
        answer = client.get("/jobs/live/data/stack.npz", params={"pair": PAIR, "method": "pws"})
        with np.load(io.BytesIO(answer.content)) as held:
            np.testing.assert_array_equal(held["ccf"], want)
        assert client.get("/jobs/live/correlations").json()["days_done"] == days
        finish_days(services.board, "live", range(3, 4))
    claim.finish({})
    assert client.post("/jobs/live/stacks", json={}).status_code == 202
    assert _finished(client, "live")["state"] == "done"
    assert client.get("/jobs/live/figures/record-section.png", params={"stack": "linear_all"}).status_code == 200


def test_the_cache_makes_once_keeps_errors_out_and_stays_small() -> None:
    cache = Cache(100)
    made: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def slow() -> str:
        made.append("a")
        begun.set()
        go.wait(PATIENCE_S)
        return "a"

    threads = [threading.Thread(target=cache.get, args=(("job", "1", "a"), slow, lambda _: 60)) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(PATIENCE_S)
    go.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert made == ["a"]
    with pytest.raises(ValueError, match="no"):
        cache.get(("job", "1", "b"), lambda: (_ for _ in ()).throw(ValueError("no")), lambda _: 1)
    assert cache.get(("job", "1", "b"), lambda: 2, lambda _: 60) == 2  # drops a, which is older
    assert not cache.has(("job", "1", "a"))
    assert cache.has(("job", "1", "b"))
    cache.forget("job", but="1")
    assert cache.has(("job", "1", "b"))
    cache.forget("job", but="2")
    assert not cache.has(("job", "1", "b"))


def test_stacks_of_the_command_line_are_listed(served: Served) -> None:
    stack_correlations(served.workspace("nine"), "linear", "day", name="mine")
    listed = served.get("/jobs/nine/stacks").json()["stacks"]
    assert [stack["name"] for stack in listed] == ["mine"] == stack_names(Storage(served.workspace("nine")))
    assert json.loads(served.get("/jobs/nine/stacks").text)["stacks"][0]["period"] == "day"


def _finished(client: TestClient, job: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        run: dict[str, Any] = client.get(f"/jobs/{job}/stacks").json()["run"]
        return None if run["state"] == "running" else run

    return dict(until(ended, "the end of stacking"))
