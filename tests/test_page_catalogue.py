"""The page Catalogue in a browser: files, launch, events as they come, one event, filters, downloads."""

# ruff: noqa: F401, F811 - fixtures that are imported

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from seisloom.catalog import Catalog, read_catalog
from seisloom.catalog.csv_files import events_csv
from seisloom.jobs import AssociationRequest, Board, read_request
from seisloom.stations import read_sites
from seisloom.storage import Storage
from tests.association_job import REGION_OPTION, Prepared, prepared
from tests.browser import expect, fits, soon
from tests.web_support import Serving, job_of_address, map_at_rest, serving

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

KINDS = ("picks", "stations", "velocity", "model")
JOB_MS = 240_000  # the first one on a machine compiles


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    """A server whose jobs nobody takes up but the tests."""
    workspace = tmp_path_factory.mktemp("catalogue") / "workspace"
    with serving(workspace, "--no-worker") as server:
        yield server, workspace


@pytest.fixture(scope="module")
def finished(served: tuple[Serving, Path], prepared: Prepared) -> tuple[str, str, Path]:
    """Address of the page, id of a finished job, and the folder of its catalogue."""
    server, workspace = served
    files = {kind: (getattr(prepared, kind).name, getattr(prepared, kind).read_bytes()) for kind in KINDS}
    data = {"options": json.dumps({"region": REGION_OPTION[1:]}), "name": "Made before"}
    with server.client("/api") as api:
        made = api.post("/jobs/association", files=files, data=data)
    assert made.status_code == 201, made.text
    work(workspace)
    return f"{server.url}/catalogue", made.json()["id"], catalogue_of(workspace, made.json()["id"])


def work(workspace: Path) -> None:
    """A worker that ends when all is done."""
    command = [sys.executable, "-m", "seisloom", "work", str(workspace), "--once", "--threads", "1"]
    subprocess.run(command, check=True, capture_output=True, timeout=JOB_MS / 1000)


def catalogue_of(workspace: Path, job_id: str) -> Path:
    job = Board(Storage(workspace)).job(job_id)
    assert job.state == "done", job.message
    return workspace / str(job.result["folder"])


def send(page: Page, kind: str, path: Path) -> None:
    """Send a file from this computer."""
    page.locator(f"input[data-kind={kind}]").set_input_files(path)


def note(page: Page, kind: str) -> Locator:
    return page.locator(f"#note-{kind}")


def count(page: Page) -> Locator:
    return page.locator(".ct-count")


def row(page: Page, number: int) -> Locator:
    return page.locator(f".ag-center-cols-container [row-id='{number}']")


def fill_in(page: Page, prepared: Prepared, kinds: Sequence[str], name: str) -> None:
    """Files, region and name of a job."""
    for kind in kinds:
        send(page, kind, getattr(prepared, kind))
    sides = ("South", "North", "West", "East", "Top", "Bottom")
    for side, value in zip(sides, REGION_OPTION[1:], strict=True):
        page.get_by_label(side, exact=True).fill(f"{value:g}")
    page.get_by_label("Name", exact=True).fill(name)


def asked_of(page: Page, workspace: Path) -> tuple[str, AssociationRequest]:
    """The job that the page has gone on to."""
    job_id = job_of_address(page)
    asked = read_request(Storage(workspace), job_id)
    assert isinstance(asked, AssociationRequest)
    return job_id, asked


def test_from_picks_to_events_without_training(page: Page, served: tuple[Serving, Path], prepared: Prepared) -> None:
    server, workspace = served
    page.goto(f"{server.url}/catalogue")
    launch = page.get_by_role("button", name="Find earthquakes")
    expect(launch).to_be_disabled()
    expect(page.get_by_text("Choose picks, stations and velocity model first.")).to_be_visible()
    expect(page.get_by_role("radio", name="Likelihood")).to_be_checked()
    expect(page.get_by_label("Training, minutes")).to_be_hidden()
    expect(note(page, "model")).to_be_hidden()
    fill_in(page, prepared, KINDS[:3], "No training")
    page.get_by_label("False events a day").fill("0.5")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Search grid, km").fill("7.5")
    expect(launch).to_be_enabled()
    launch.click()
    job_id, asked = asked_of(page, workspace)
    options = asked.options
    assert (options.method, options.false_events_per_day, options.spacing_km) == ("likelihood", 0.5, 7.5)
    assert asked.model is None

    # Half-way through a round.
    claim = Board(Storage(workspace)).claim("test")
    assert claim
    claim.beat({"stage": "round 2", "done": 1, "total": 4, "events": 0})
    panel = page.locator(".sl-jobpanel")
    expect(panel.locator(".sl-jobpanel-headline")).to_have_text("Searching, round 2")
    expect(panel).to_contain_text("1 of 4")
    expect(panel.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "25")
    expect(panel).not_to_contain_text("Events so far")
    claim.release()

    work(workspace)
    folder = catalogue_of(workspace, job_id)
    catalog, report = read_catalog(folder), json.loads((folder / "report.json").read_text())
    expect(count(page)).to_have_text(f"{len(catalog.events)} events")
    told = page.locator(".ct-report")
    expect(told.locator(".ct-fates li").first).to_contain_text(f"{report['fates']['used']}")
    expect(told).to_contain_text(f"Error of P picks{report['learned']['sigma_s']['P']:.2f} s")
    told.get_by_text("Delay and detection of 14 stations").click()
    expect(told.get_by_role("region", name="Stations").locator("tbody tr")).to_have_count(14)
    look_at_verdicts(page, catalog)


def look_at_verdicts(page: Page, catalog: Catalog) -> None:
    """An event that was expected at more stations; events by their probability of being false."""
    events = catalog.events
    missing = events["missing"].str.split("; ")
    shown = events.loc[missing.str.len().idxmax()]
    address = page.url
    page.goto(f"{address}&event={shown['event_id']}")
    panel = page.get_by_role("region", name="Event", exact=True)
    expect(panel.get_by_role("heading")).to_have_text(f"Event {shown['event_id']}")
    expect(panel.locator(".ct-doubt")).to_contain_text("false with a probability of")
    expect(panel.locator(".ct-facts")).to_contain_text(f"Evidence{shown['evidence']:.1f}")
    channels = str(shown["missing"]).split("; ")
    panel.get_by_text(f"{len(channels)} picks are missing that were expected").click()
    expect(panel.locator(".ct-missing .ct-phase")).to_have_count(len(channels))
    expect(panel.locator(".ct-missing li").first).to_contain_text(channels[0].split(" ")[0])
    own = catalog.assignments[catalog.assignments["event_id"] == shown["event_id"]].sort_values("distance_km")
    posteriors = panel.locator(".ct-picks tbody tr td:nth-child(9)")
    expect(posteriors).to_have_count(len(own))
    expect(posteriors.first).to_have_text(f"{own.iloc[0]['probability']:.2f}")

    limit = float(events["false_probability"].median())
    page.goto(f"{address}&max_false={limit:.5f}")
    kept = (events["false_probability"] <= limit).sum()
    assert 0 < kept <= len(events)
    expect(count(page)).to_contain_text(f"{kept} of" if kept < len(events) else f"{kept} events")
    chosen = page.get_by_label("Largest probability that an event is false")
    expect(chosen).to_have_value(f"{limit:.5f}")
    chosen.select_option("0.1")
    expect(count(page)).to_contain_text(f"{(events['false_probability'] <= 0.1).sum()}")
    expect(page).to_have_url(re.compile(r"max_false=0\.1(&|$)"))


def test_from_picks_to_events_by_a_network(page: Page, served: tuple[Serving, Path], prepared: Prepared) -> None:
    server, workspace = served
    page.goto(f"{server.url}/catalogue")
    page.get_by_role("radio", name="PhaseLink").click()
    launch = page.get_by_role("button", name="Find earthquakes")
    fill_in(page, prepared, KINDS, "By hand")
    expect(note(page, "picks")).to_contain_text("773 picks (449 P, 324 S) at 14 stations")
    expect(note(page, "stations")).to_contain_text("14 stations")
    expect(note(page, "velocity")).to_contain_text("8 depths from 0 to 200 km")
    expect(note(page, "model")).to_contain_text("a trained network")
    expect(page.get_by_label("False events a day")).to_be_hidden()
    launch.click()

    expect(page.locator(".sl-jobpanel")).to_contain_text("By hand")
    job_id, asked = asked_of(page, workspace)
    assert asked.options.region == REGION_OPTION[1:]
    assert asked.options.method == "phaselink"
    assert asked.model is not None
    expect(page.get_by_text("No events yet.")).to_be_visible()

    # A worker finds the first events, and dies.
    claim = Board(Storage(workspace)).claim("test")
    assert claim
    early = read_sites(prepared.stations).head(3)[["latitude", "longitude"]]
    early = early.assign(
        event_id=[1, 2, 3], time=pd.Timestamp("2020-01-01", tz="UTC"), depth_km=[1.0, 6.0, 11.0], n_picks=9
    )
    table = Catalog(early, pd.DataFrame(columns=["pick_index", "event_id"])).events
    Storage(workspace).put(f"processed/{job_id}/run-{claim.number:06d}/preliminary.csv", events_csv(table).encode())
    claim.beat({"stage": "links", "done": 300, "total": 773, "events": 3})
    expect(count(page)).to_have_text("3 events, preliminary")
    expect(page.locator(".sl-map-legend")).to_contain_text("Preliminary, by depth")
    row(page, 2).click()
    expect(page.locator(".ct-event")).to_contain_text("Picks and record section come with the final catalogue.")
    page.get_by_role("button", name="Close").click()
    claim.release()

    work(workspace)
    events = read_catalog(catalogue_of(workspace, job_id)).events
    expect(count(page)).to_have_text(f"{len(events)} events")
    expect(page.locator(".sl-map-legend")).not_to_contain_text("Preliminary")
    expect(page.locator(".ct-report")).to_contain_text(f"{len(events)} events: quality")
    expect(page.locator(".ct-report")).to_contain_text("773 of 773 picks of the file were read.")


def test_an_event(page: Page, finished: tuple[str, str, Path]) -> None:
    address, job_id, folder = finished
    catalog = read_catalog(folder)
    page.goto(f"{address}?job={job_id}")
    row(page, 2).click()
    panel = page.locator(".ct-event")
    expect(panel.get_by_role("heading")).to_have_text("Event 2")
    own = catalog.assignments[catalog.assignments["event_id"] == 2]
    expect(panel.locator("tbody tr")).to_have_count(len(own))
    nearest = own.sort_values("distance_km").iloc[0]
    expect(panel.locator("tbody tr").first).to_contain_text(f"{nearest['distance_km']:.1f}")
    image = panel.locator("img")
    expect(image).to_be_visible()
    page.wait_for_function("() => document.querySelector('.ct-event img').naturalWidth > 100")
    expect(page).to_have_url(re.compile(f"job={job_id}&event=2"))

    panel.get_by_role("button", name="Next event").click()
    expect(panel.get_by_role("heading")).to_have_text("Event 3")
    expect(page).to_have_url(re.compile("event=3"))
    page.reload()
    expect(panel.get_by_role("heading")).to_have_text("Event 3")
    page.keyboard.press("Escape")
    expect(page.locator(".ct-report")).to_be_visible()
    expect(page).not_to_have_url(re.compile("event="))

    # With the keyboard.
    row(page, 1).locator("[col-id=time]").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("heading")).to_have_text("Event 3")


def marks_on_map(page: Page, layer: str) -> list[str]:
    """The ids of what a layer of the map shows."""
    found: list[str] = page.evaluate(
        """(layer) => {
          const map = getElement(Number(document.querySelector(".sl-map.leaflet-container").id.slice(1)));
          return (map.marks.layers.get(layer)?.marks ?? []).map((mark) => mark.id);
        }""",
        layer,
    )
    return found


def on_map(page: Page, number: int) -> tuple[float, float]:
    """Where an event is on the screen."""
    found = page.evaluate(
        """(number) => {
          const map = getElement(Number(document.querySelector(".sl-map.leaflet-container").id.slice(1)));
          const mark = map.marks.layers.get("events").marks.find((each) => each.id === `event ${number}`);
          const at = map.map.latLngToContainerPoint([mark.latitude, mark.longitude]);
          const { left, top } = map.$el.getBoundingClientRect();
          return [left + at.x, top + at.y];
        }""",
        number,
    )
    return found[0], found[1]


def test_an_event_on_the_map(page: Page, finished: tuple[str, str, Path]) -> None:
    address, job_id, folder = finished
    events = read_catalog(folder).events
    page.goto(f"{address}?job={job_id}")
    expect(count(page)).to_have_text(f"{len(events)} events")
    # In the west, where nothing stands before the map.
    number = int(events.sort_values("longitude").iloc[3]["event_id"])
    soon(page, lambda page: len(marks_on_map(page, "events")), len(events))
    map_at_rest(page)
    page.mouse.click(*on_map(page, number))
    expect(page.locator(".ct-event").get_by_role("heading")).to_have_text(f"Event {number}")
    soon(page, lambda page: len(marks_on_map(page, "ellipse")), 72)
    soon(page, lambda page: len(marks_on_map(page, "rays")), events.set_index("event_id").loc[number, "n_stations"])


def test_filters_act_on_table_map_and_downloads(page: Page, finished: tuple[str, str, Path]) -> None:
    address, job_id, folder = finished
    events = read_catalog(folder).events
    page.goto(f"{address}?job={job_id}")
    expect(count(page)).to_have_text(f"{len(events)} events")
    page.get_by_label("Fewest picks", exact=True).last.fill("14")
    page.get_by_role("button", name="A", exact=True).click()
    kept = events[(events["n_picks"] >= 14) & (events["quality"] != "A")]
    assert 0 < len(kept) < len(events)
    words = f"{len(kept)} of {len(events)} events"
    expect(count(page)).to_have_text(words)
    soon(page, lambda page: set(marks_on_map(page, "events")), {f"event {number}" for number in kept["event_id"]})
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_text("Events", exact=True).last.click()
    csv = pd.read_csv(download.value.path())
    assert csv["event_id"].tolist() == kept["event_id"].tolist()

    expect(page).to_have_url(re.compile("min_picks=14.*quality=|quality=.*min_picks=14"))
    page.reload()
    expect(count(page)).to_have_text(words)
    expect(page.get_by_label("Fewest picks", exact=True).last).to_have_value("14")
    page.get_by_role("button", name="All events").click()
    expect(count(page)).to_have_text(f"{len(events)} events")
    page.get_by_label("To", exact=True).fill("2020-01-01 00:30")
    early = (events["time"] < "2020-01-01T00:30").sum()
    expect(count(page)).to_have_text(f"{early} of {len(events)} events")


@pytest.mark.page_faults("status of 422")
def test_what_cannot_be_used_is_told_at_once(page: Page, served: tuple[Serving, Path], tmp_path: Path) -> None:
    page.goto(f"{served[0].url}/catalogue")
    (tmp_path / "mine.csv").write_text("station,phase,time\nXX.A,P,2020-01-01T00:00:00Z\nXX.A,S,soon\n")
    send(page, "picks", tmp_path / "mine.csv")
    expect(note(page, "picks")).to_contain_text("line 3: time 'soon'")
    page.get_by_role("button", name="Type a table").click()
    table = page.get_by_label("Depth, Vp, Vs")
    table.fill("0 5 3\n10 six 4")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("alert")).to_contain_text("line 2: 'six' is not a number")
    table.fill("0 5 3\n10 6 3.5")
    page.get_by_role("button", name="Use it").click()
    expect(note(page, "velocity")).to_contain_text("2 depths from 0 to 10 km")


@pytest.mark.page_faults("status of 422")
def test_a_filter_that_cannot_be_used(page: Page, finished: tuple[str, str, Path]) -> None:
    address, job_id, _ = finished
    page.goto(f"{address}?job={job_id}&start=whenever")
    expect(page.get_by_text("start: input should be a valid datetime").first).to_be_visible()
    page.get_by_role("button", name="All events").click()
    expect(row(page, 1)).to_be_visible()


def test_the_example_and_its_region(page: Page, served: tuple[Serving, Path]) -> None:
    page.goto(f"{served[0].url}/catalogue")
    page.get_by_role("button", name="Example").click()
    expect(note(page, "picks")).to_contain_text("picks (")
    expect(note(page, "stations")).to_contain_text("30 stations")
    expect(page.get_by_role("button", name="Find earthquakes")).to_be_enabled()
    expect(page.get_by_role("radio", name="Likelihood")).to_be_checked()
    page.get_by_role("radio", name="PhaseLink").click()
    expect(page.get_by_label("Training, minutes")).to_be_visible()
    expect(page.get_by_label("Training, minutes")).to_have_value("0.7")

    page.get_by_role("button", name="Draw on the map").click()
    page.locator(".sl-map-cover").wait_for()
    box = page.locator(".sl-map").bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 600, box["y"] + 500, steps=5)
    page.mouse.up()
    south, north = (page.get_by_label(side, exact=True) for side in ("South", "North"))
    expect(south).not_to_have_value("")
    expect(north).not_to_have_value("")
    assert float(south.input_value()) < float(north.input_value())


def test_on_a_phone(phone: Page, finished: tuple[str, str, Path]) -> None:
    address, job_id, _ = finished
    phone.goto(f"{address}?job={job_id}&event=2")
    panel = phone.locator(".ct-event")
    expect(panel.get_by_role("heading")).to_have_text("Event 2")
    fits(phone)
    upper, lower = phone.locator(".sl-map").bounding_box(), panel.bounding_box()
    assert upper
    assert lower
    assert upper["y"] + upper["height"] <= lower["y"]
    assert phone.evaluate("scrollY") == 0
    phone.get_by_role("button", name="About this job").click()
    expect(phone.get_by_role("button", name="Retry")).to_be_visible()
