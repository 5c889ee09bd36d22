"""The page Map in a browser: query a data centre, draw a rectangle, choose, save, download, reload, clear."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from obspy import Inventory, UTCDateTime
from obspy.core.inventory import Channel, Equipment, Network, Site, Station

from seisloom.stations import CODES, CSV_NAMES, parse_stations
from seisloom.waveforms import ChannelQuery, open_source
from tests.browser import expect, fits, soon
from tests.fdsn_server import Fault, FdsnServer
from tests.web_support import map_at_rest, serving

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# Network, station: latitude, longitude. Fiji and Samoa lie on both sides of the ±180° meridian.
PLACES = {
    ("FJ", "SUVA"): (-18.1, 178.4),
    ("FJ", "LAUC"): (-18.2, 179.9),
    ("FJ", "TAVE"): (-16.8, -179.9),
    ("SA", "APIA"): (-13.8, -171.8),
    ("IT", "ROMA"): (41.9, 12.5),
    ("IT", "AQUI"): (42.4, 13.4),
}
HOSTILE = '<img src=x onerror="window.broken=1">'


def inventory() -> Inventory:
    networks: dict[str, list[Station]] = {}
    for (network, station), (latitude, longitude) in PLACES.items():
        channels = [
            Channel(
                f"BH{component}", "00", latitude, longitude, 100.0, 0.0, azimuth=azimuth, dip=dip, sample_rate=20.0,
                start_date=UTCDateTime(2018, 1, 1), sensor=Equipment(description=HOSTILE if station == "AQUI" else "=STS-2"),
            )
            for component, azimuth, dip in (("Z", 0, -90), ("N", 0, 0))
        ]  # fmt: skip
        made = Station(station, latitude, longitude, 100.0, channels=channels, site=Site(f"Site of {station}"))
        networks.setdefault(network, []).append(made)
    return Inventory(networks=[Network(code, stations) for code, stations in networks.items()], source="test")


@pytest.fixture(scope="module")
def centre() -> Iterator[FdsnServer]:
    with FdsnServer(inventory()) as server:
        yield server


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("workspace"), "--no-worker", "--allow-private") as server:
        yield server.url


def address(app: str, centre: FdsnServer, **parameters: str) -> str:
    given = {"source": f"fdsn:{centre.url}"} | parameters
    return f"{app}/?{'&'.join(f'{name}={value}' for name, value in given.items())}"


def field(page: Page, name: str) -> Locator:
    return page.get_by_label(name, exact=True)


def status(page: Page, words: str) -> None:
    """Wait until the line below the button says this."""
    page.locator(".sl-status").filter(has_text=re.compile(words)).wait_for()


def query(page: Page, words: str) -> None:
    page.get_by_role("button", name="Query").click()
    status(page, words)


def sides(page: Page) -> list[float]:
    return [float(field(page, name).input_value() or "nan") for name in ("West", "South", "East", "North")]


def on_map(page: Page, latitude: float, longitude: float) -> tuple[float, float]:
    """Where a place is in the window."""
    where: dict[str, float] = page.evaluate(
        """([latitude, longitude]) => {
            const map = getElement(document.querySelector('.sl-map').id.slice(1)).map;
            const near = longitude + 360 * Math.round((map.getCenter().lng - longitude) / 360);
            const box = map.getContainer().getBoundingClientRect();
            const point = map.latLngToContainerPoint([latitude, near]);
            return {x: box.x + point.x, y: box.y + point.y};
        }""",
        [latitude, longitude],
    )
    return where["x"], where["y"]


def in_view(page: Page, *places: tuple[float, float]) -> bool:
    """Whether the map shows these places (latitude, longitude), each to the east of the one before."""
    frame = page.locator(".sl-map").bounding_box()
    assert frame
    at = [on_map(page, *place) for place in places]
    return at == sorted(at) and all(
        0 < x - frame["x"] < frame["width"] and 0 < y - frame["y"] < frame["height"] for x, y in at
    )


def look(page: Page, latitude: float, longitude: float, zoom: float) -> None:
    map_at_rest(page)
    page.evaluate(
        "([...at]) => getElement(document.querySelector('.sl-map').id.slice(1)).map.setView(at.slice(0, 2), at[2], {animate: false})",
        [latitude, longitude, zoom],
    )
    map_at_rest(page)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a rectangle with the mouse from one place of the map to another (latitude, longitude)."""
    page.locator(".sl-map-cover").wait_for()
    page.mouse.move(*on_map(page, *start))
    page.mouse.down()
    page.mouse.move(*on_map(page, *((a + b) / 2 for a, b in zip(start, end, strict=True))))
    page.mouse.move(*on_map(page, *end))
    page.mouse.up()


def rows(page: Page) -> list[str]:
    """Stations of the rows that the table shows."""
    return page.locator(".ag-center-cols-container [col-id=station]").all_inner_texts()


def query_in_address(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def selected_on_map(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "() => [...getElement(document.querySelector('.sl-map').id.slice(1)).marks.selected].sort()"
    )
    return found


def highlighted_on_map(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "() => [...getElement(document.querySelector('.sl-map').id.slice(1)).marks.highlighted]"
    )
    return found


def test_the_whole_way(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(app)
    page.get_by_text("No stations yet").wait_for()
    field(page, "Data source").click()
    page.get_by_role("option", name="Another address").click()
    field(page, "Address of an FDSN service").fill(centre.url)
    field(page, "Channel").fill("BHZ")
    field(page, "From").fill("2019-02-03")
    query(page, "Found 6 channels at 6 stations")

    # The rectangle drawn on the map fills the fields, and the query keeps to it.
    look(page, 42, 13, 6)
    page.get_by_role("button", name="Draw a rectangle").click()
    drag(page, (44.0, 11.0), (40.0, 15.0))
    drawn = pytest.approx([11.0, 40.0, 15.0, 44.0], abs=0.05)
    soon(page, sides, drawn)
    query(page, "Found 2 channels at 2 stations")
    soon(page, rows, ["ROMA", "AQUI"])
    expect(page).to_have_url(re.compile("west="))
    asked = query_in_address(page)
    assert asked["source"] == f"fdsn:{centre.url}"
    assert (asked["channel"], asked["start"]) == ("BHZ", "2019-02-03")
    assert float(asked["west"]) == pytest.approx(11.0, abs=0.05)

    page.get_by_role("button", name="Select All").click()
    page.get_by_role("button", name="Save Selected (2)").click()
    page.locator(".sl-number", has_text="2").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "stations.csv"
    text = download.value.path().read_text("utf-8")
    assert "'=STS-2" in text  # no formula for a spreadsheet
    assert list(pd.read_csv(io.StringIO(text)).columns) == list(CSV_NAMES.values())
    source = open_source(f"fdsn:{centre.url}")
    expected = source.channels(ChannelQuery(network="IT", channel="BHZ"))
    expected["sensor"] = (
        expected["sensor"].str.replace("=", "'=", regex=False).where(expected["station"] == "ROMA", HOSTILE)
    )
    got = parse_stations(text, "download").sort_values(CODES, ignore_index=True)
    pd.testing.assert_frame_equal(got, expected.sort_values(CODES, ignore_index=True))

    # Reloading keeps the query, the check marks (once the browser has them) and what is saved.
    page.wait_for_function("() => JSON.parse(sessionStorage.getItem('seisloom.table'))?.chosen.length === 2")
    page.reload()
    status(page, "Found 2 channels at 2 stations")
    soon(page, sides, drawn)
    expect(field(page, "Address of an FDSN service")).to_have_value(centre.url)
    page.get_by_role("button", name="Save Selected (2)").wait_for()
    page.locator(".sl-number", has_text="2").wait_for()

    page.get_by_role("button", name="Clear").click()
    page.locator(".sl-number", has_text="0").wait_for()
    page.reload()
    page.locator(".sl-number", has_text="0").wait_for()


def test_typed_rectangle_across_the_date_line(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre))
    status(page, "Found 12 channels at 6 stations")
    for name, degrees in (("West", "179"), ("South", "-20"), ("East", "-170"), ("North", "-10")):
        field(page, name).fill(degrees)
    page.keyboard.press("Tab")
    page.wait_for_function(
        "() => getElement(document.querySelector('.sl-map').id.slice(1)).box.box?.join() === '179,-20,-170,-10'"
    )
    soon(page, lambda page: in_view(page, (-15, 184.5)), True)  # the middle of the rectangle
    query(page, "Found 6 channels at 3 stations")
    soon(page, lambda page: sorted(set(rows(page))), ["APIA", "LAUC", "TAVE"])
    # From west to east, none on the other side of the map.
    places = [PLACES[key] for key in (("FJ", "LAUC"), ("FJ", "TAVE"), ("SA", "APIA"))]
    soon(page, lambda page: in_view(page, *places), True)


def test_rectangle_drawn_across_the_date_line(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre))
    status(page, "Found 12 channels")
    look(page, -15, 180, 5)
    page.get_by_role("button", name="Draw on the map").click()
    drag(page, (-19.0, 179.0), (-12.0, 189.0))
    soon(page, sides, pytest.approx([179.0, -19.0, -171.0, -12.0], abs=0.1))
    query(page, "Found 6 channels at 3 stations")
    page.get_by_role("button", name="No rectangle").click()
    expect(field(page, "West")).to_have_value("")
    query(page, "Found 12 channels")


def test_map_and_table_follow_each_other(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre, network="IT"))
    status(page, "Found 4 channels at 2 stations")
    map_at_rest(page)
    rome = on_map(page, *PLACES["IT", "ROMA"])
    page.mouse.move(*rome)
    page.locator(".sl-map-tip", has_text="IT.ROMA").wait_for()
    page.wait_for_function("() => document.querySelectorAll('.ag-center-cols-container .sl-row-lit').length === 2")
    page.locator(".ag-center-cols-container [row-index='2']").hover()
    page.wait_for_function("() => document.querySelectorAll('.sl-map-tip').length === 0")
    soon(page, highlighted_on_map, ["IT.AQUI"])
    page.locator(".ag-pinned-left-cols-container [row-index='0'] input").check()
    page.get_by_text("4 rows, 1 selected").wait_for()
    soon(page, selected_on_map, ["IT.ROMA"])

    page.mouse.click(*rome)
    popup = page.locator(".sl-map-popup")
    popup.get_by_text("41.9000° N, 12.5000° E").wait_for()
    for words in ("IT.ROMA", "00.BHN", "20 Hz", "2018-01-01", "=STS-2"):
        expect(popup).to_contain_text(words)
    page.keyboard.press("Escape")
    popup.wait_for(state="detached")


def test_the_table_by_keyboard(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre, network="IT"))
    status(page, "Found 4 channels")
    page.locator(".ag-center-cols-container [row-index='0'] [col-id=station]").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.get_by_text("4 rows, 1 selected").wait_for()
    soon(page, selected_on_map, ["IT.AQUI"])
    soon(page, highlighted_on_map, ["IT.AQUI"])
    page.keyboard.press("Enter")
    page.locator(".sl-map-popup", has_text="IT.AQUI").wait_for()


def test_the_table_is_light_or_dark_with_the_page(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre))
    status(page, "Found 12 channels")

    # What draws check marks, scroll bars and fields of the table.
    table = page.locator(".ag-root-wrapper")
    expect(table).to_have_css("color-scheme", "light")
    page.get_by_role("button", name="Light or dark").click()
    expect(table).to_have_css("color-scheme", "dark")


def test_a_popup_selects_and_shows_names_as_text(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre, network="IT"))
    status(page, "Found 4 channels")
    map_at_rest(page)
    page.mouse.click(*on_map(page, *PLACES["IT", "AQUI"]))
    page.locator(".sl-map-popup", has_text=HOSTILE).wait_for()
    page.get_by_role("button", name="Select its channels").click()
    page.get_by_text("4 rows, 2 selected").wait_for()
    page.get_by_role("button", name="Unselect its channels").click()
    page.get_by_text("4 rows, 0 selected").wait_for()
    assert page.evaluate("() => window.broken") is None


def test_select_all_takes_what_is_filtered(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre))
    status(page, "Found 12 channels")
    page.get_by_label("Network Filter Input").fill("FJ")
    page.get_by_text("6 of 12 rows").wait_for()
    page.get_by_role("button", name="Select All").click()
    page.get_by_text("6 of 12 rows, 6 selected").wait_for()
    soon(page, selected_on_map, ["FJ.LAUC", "FJ.SUVA", "FJ.TAVE"])
    page.get_by_role("button", name="Select None").click()
    page.get_by_text("6 of 12 rows, 0 selected").wait_for()


def test_legend_hides_networks(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre))
    status(page, "Found 12 channels")
    legend = page.locator(".sl-map-legend button")
    expect(legend).to_have_text(
        [re.compile(rf"{name}\s*{number}") for name, number in (("FJ", 3), ("IT", 2), ("SA", 1))]
    )
    legend.nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.sl-map-legend [aria-pressed=false]').length === 1")
    look(page, 42, 13, 6)
    page.mouse.move(*on_map(page, *PLACES["IT", "ROMA"]))
    page.wait_for_timeout(200)
    assert highlighted_on_map(page) == []


MARKS = """async () => {
    const element = getElement(document.querySelector('.sl-map').id.slice(1));
    await element.ready;
    const marks = element.marks;
    const some = (group, n) => Array.from({ length: n }, (_, i) =>
        ({ id: `${group}${i}`, latitude: (i % 170) - 85, longitude: i % 360, group }));
    const colours = () => ['below', 'above'].map((name) => marks.layers.get(name).looks[0].colour);
    const time = (change) => {
        const began = performance.now();
        change();
        return performance.now() - began;
    };
    marks.setMarkers('below', some('X', 2));
    marks.setMarkers('above', some('Y', 1));
    const first = colours();
    marks.setMarkers('above', [...some('Y', 4), ...some('X', 1)]);
    const then = colours();
    const found = ['X0', 'X1', 'nobody'].map((id) => marks.find(id)[0]?.name ?? null);
    const many = some('Z', 100000);
    const large = time(() => marks.setMarkers('below', many));
    const small = Array.from({ length: 5 }, (_, k) => time(() => marks.setLines('line', [{ id: 'a', from: [0, 0], to: [k, 1] }])));
    return { palette: marks.palette.slice(0, 2), first, then, found, large, small: Math.min(...small) };
}"""


def test_layers_share_their_colours_and_little_else(page: Page, app: str) -> None:
    page.goto(app)
    page.locator(".sl-map-legend").wait_for(state="attached")
    told = page.evaluate(MARKS)
    one, two = told["palette"]
    assert told["first"] == [one, two]
    assert told["then"] == [two, one]  # Y has become the more frequent
    assert told["found"] == ["above", "below", None]
    # A line beside very many markers costs what the line does.
    assert told["small"] < told["large"] / 10


@pytest.mark.page_faults("status of 422")
def test_faults_stand_beside_their_fields(page: Page, app: str) -> None:
    page.goto(f"{app}/?source=demo")
    status(page, "Found 12 channels at 12 stations")
    for name, text, words in (
        ("Station", "S0;1", "codes are letters and digits"),
        ("From", "2019-13-40", "write it as 2019-02-03"),
        ("North", "91", "within ±90"),
    ):
        field(page, name).fill(text)
        page.locator(".q-field", has=field(page, name)).get_by_text(words).wait_for()
    query(page, "Some fields cannot be used")
    assert query_in_address(page) == {"source": "demo"}  # nothing was asked
    for name in ("Station", "North"):
        field(page, name).fill("")
    field(page, "From").fill("2020-01-01")
    field(page, "To").fill("2019-01-01")
    query(page, "Some fields cannot be used")
    page.locator(".q-field", has=field(page, "To")).get_by_text("is not after").wait_for()


@pytest.mark.page_faults("status of 404", "status of 502", "server error 502")
def test_the_source_speaks(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(address(app, centre, network="ZZ"))
    status(page, "Nothing found")
    page.locator(".sl-table-empty", has_text="network ZZ").wait_for()
    centre.faults.append(Fault(match="network=QQ", times=float("inf"), status=403))
    field(page, "Network").fill("QQ")
    query(page, "The query failed")
    page.locator(".sl-table-empty", has_text="403").wait_for()
    expect(page.get_by_role("button", name="Select All")).to_be_disabled()


def test_a_query_can_be_cancelled(page: Page, app: str, centre: FdsnServer) -> None:
    held = Event()
    centre.faults.append(Fault(match="network=SA", held=held))
    page.goto(address(app, centre, network="FJ"))
    status(page, "Found 6 channels")
    field(page, "Network").fill("SA")
    field(page, "Network").press("Enter")
    page.get_by_role("button", name="Cancel").click()
    status(page, "Cancelled")
    held.set()
    soon(page, lambda page: len(rows(page)), 6)  # what was found before stays
    expect(page.locator(".sl-table-empty")).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()
    expect(page.get_by_role("button", name="Query")).to_be_enabled()


@pytest.mark.page_faults("status of 409")
def test_another_source_asks_before_it_replaces(page: Page, app: str, centre: FdsnServer) -> None:
    page.goto(f"{app}/?source=demo")
    status(page, "Found 12")
    page.get_by_role("button", name="Select All").click()
    page.get_by_role("button", name="Save Selected (12)").click()
    page.locator(".sl-number", has_text="12").wait_for()
    page.goto(address(app, centre, station="ROMA"))
    status(page, "Found 2 channels")
    page.get_by_role("button", name="Select All").click()
    page.get_by_role("button", name="Save Selected (2)").click()
    page.get_by_role("dialog").get_by_text("from demo").wait_for()
    page.get_by_role("button", name="Replace them").click()
    page.locator(".sl-number", has_text=re.compile("^2$")).wait_for()


def test_two_tabs_see_the_same(page: Page, app: str) -> None:
    page.goto(f"{app}/?source=demo")
    status(page, "Found 12")
    other = page.context.new_page()
    other.goto(app)
    other.locator(".sl-number", has_text="0").wait_for()
    page.get_by_role("button", name="Select All").click()
    page.get_by_role("button", name="Save Selected (12)").click()
    page.locator(".sl-number", has_text="12").wait_for()
    other.evaluate("() => window.dispatchEvent(new Event('focus'))")
    other.locator(".sl-number", has_text="12").wait_for()


def test_base_map_needs_no_network(page: Page, app: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto(app)
    page.get_by_text("No stations yet").wait_for()
    look(page, 41, 14, 7)
    soon(page, lambda _: {"/api/basemap/coarse", "/api/basemap/fine/9/6"} <= set(asked), True)
    soon(page, colours_of_land_and_sea, [[251, 250, 247], [233, 239, 244]])
    expect(page.get_by_role("button", name="Online map")).to_have_attribute("aria-pressed", "false")


def colours_of_land_and_sea(page: Page) -> list[list[int]]:
    """Red, green and blue of the base map at a place in Italy and at one beside it."""
    found: list[list[int]] = page.evaluate(
        """() => {
            const canvas = document.querySelector('.leaflet-base-pane canvas');
            const map = getElement(document.querySelector('.sl-map').id.slice(1)).map;
            const [ratio, corner] = [devicePixelRatio, L => map.latLngToLayerPoint(L)];
            const at = (place) => {
                const point = corner(place), min = L_min(canvas);
                return [...canvas.getContext('2d').getImageData((point.x - min.x) * ratio, (point.y - min.y) * ratio, 1, 1).data.slice(0, 3)];
            };
            function L_min(element) {
                const matrix = new DOMMatrix(getComputedStyle(element).transform);
                return {x: matrix.m41, y: matrix.m42};
            }
            return [at([41.2, 15.0]), at([40.0, 12.5])];
        }"""
    )
    return found


@pytest.mark.page_faults("tile.openstreetmap.org", "ERR_", "Failed to load resource")
def test_online_tiles_are_a_switch_that_the_browser_remembers(page: Page, app: str) -> None:
    page.goto(app)
    page.get_by_text("No stations yet").wait_for()
    page.get_by_role("button", name="Online map").click()
    page.get_by_text("the online map does not answer").wait_for()
    page.reload()
    page.get_by_text("OpenStreetMap", exact=True).wait_for()
    expect(page.get_by_role("button", name="Online map")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".leaflet-base-pane canvas")).to_be_visible()


def test_on_a_phone(phone: Page, app: str) -> None:
    phone.goto(app)
    phone.get_by_text("No stations yet").wait_for()
    query(phone, "Found 12 channels at 12 stations")
    fits(phone)
    phone.wait_for_function("() => document.querySelector('.sl-map').getBoundingClientRect().top < 120")
    map_at_rest(phone)
    frame = phone.locator(".sl-map").bounding_box()
    assert frame
    assert frame["height"] == pytest.approx(0.45 * 844, abs=10)
    phone.touchscreen.tap(*on_map(phone, 42.7243, 13.1098))
    phone.locator(".sl-map-popup", has_text="SY.S01").wait_for()
