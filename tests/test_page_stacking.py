"""The page Stacking in a browser: pairs are chosen everywhere, pictures follow the settings, and hold what the command makes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import numpy as np
import pytest

from seisloom.jobs import Board
from seisloom.noise.archive import open_correlations
from seisloom.noise.select import select_pair
from seisloom.noise.stacking import stack_correlations, stacked
from seisloom.storage import Storage
from tests.browser import expect, fits, soon
from tests.correlation_jobs import finish_days, put_job
from tests.jobs import channel_table, command
from tests.web_support import map_at_rest, serving

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

DAYS = 30
IMAGE = ".sl-picture-paper img"
_POINT = """([latitude, longitude]) => {
  const element = document.querySelector(".sl-map");
  const point = getElement(Number(element.id.slice(1))).map.latLngToContainerPoint([latitude, longitude]);
  const { left, top } = element.getBoundingClientRect();
  return [left + point.x, top + point.y];
}"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    board = Board(Storage(folder, create=True))
    put_job(board, "done", channel_table(5), DAYS).finish({})
    return folder


@pytest.fixture(scope="module")
def app(workspace: Path) -> Iterator[str]:
    with serving(workspace, "--no-worker") as server:
        yield server.url


def drawn(page: Page, **parameters: str) -> str:
    """The address of the picture, once one stands there whose address has these parameters; "" for none."""
    wanted = [
        f"{name}={re.escape(value)}(&|$)" if value else rf"^((?!{name}=).)*$" for name, value in parameters.items()
    ]
    js = """(wanted) => {
      const picture = document.querySelector(".sl-picture");
      const address = picture?.dataset.axes;
      return picture?.ariaBusy === "false" && address && wanted.every((each) => new RegExp(each).test(address)) && address;
    }"""
    return str(page.wait_for_function(js, arg=wanted).json_value())


def settled(page: Page) -> Locator:
    page.locator(IMAGE).wait_for()
    drawn(page)
    return page.locator(IMAGE)


def shown(page: Page) -> dict[str, str]:
    """The parameters in the address of the page, which it has written there before it draws what they say."""
    return {name: values[0] for name, values in parse_qs(page.evaluate("location.search.slice(1)")).items()}


def pair_is(page: Page, pair: str) -> None:
    """Wait until a pair, and no other, is the one that address, table and picture show."""
    drawn(page, pair=pair)
    page.locator(".ag-row-selected").first.wait_for()
    assert shown(page)["pair"] == pair


def set_field(page: Page, label: str, text: str) -> None:
    page.get_by_label(label, exact=True).fill(text)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def saved(page: Page, item: str, number: int = 0) -> bytes:
    """What a link of the menu Download gives."""
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.locator(".st-files a:visible").filter(has_text=item).nth(number).click()
    page.locator(".st-files").wait_for(state="hidden")
    return Path(download.value.path()).read_bytes()


def npz(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content)) as held:
        return dict(held)


def test_data_of_the_pictures_are_what_the_command_makes(page: Page, app: str, workspace: Path, tmp_path: Path) -> None:
    page.goto(f"{app}/stacking?job=done&view=record-section&method=pws")
    settled(page)
    mine = npz(saved(page, "NumPy"))
    folder = workspace / "processed" / "done"
    assert command("stack", folder, "--method", "pws", "--name", "mine", cwd=tmp_path).returncode == 0
    assert (
        command("export", folder, "-f", "npz", "-o", tmp_path / "a.npz", "--stack", "mine", cwd=tmp_path).returncode
        == 0
    )
    with np.load(tmp_path / "a.npz") as theirs:
        for name in ("ccf", "snr", "lag", "pair"):
            np.testing.assert_array_equal(mine[name], theirs[name])
    png = saved(page, "PNG")
    plot = ("plot", "record-section", folder, "--stack", "mine", "-o", tmp_path / "a.png")
    assert command(*plot, cwd=tmp_path).returncode == 0
    assert png == (tmp_path / "a.png").read_bytes()
    Storage(folder).delete(Storage(folder).keys("stacks"))


def test_the_picture_follows_the_settings(page: Page, app: str, workspace: Path) -> None:
    page.goto(f"{app}/stacking?job=done&pair=XX.S00..MHZ_XX.S03..MHZ")
    settled(page)
    times = {}

    def follow(what: str, **parameters: str) -> None:
        drawn(page, **parameters)
        times[what] = float(page.locator(".sl-picture").get_attribute("data-seconds") or "nan")

    for method in ("pws", "robust", "acf"):
        choose(page, "Stack", method)
        follow(method, method=method)
    set_field(page, "Pass band", "0.2,0.8")
    follow("band", band="0.2%2C0.8")
    set_field(page, "Lags up to", "15")
    follow("lag", lag="15")
    choose(page, "Rows", "weeks")
    follow("period", period="week")
    page.get_by_role("button", name="More").click()
    set_field(page, "Exponent", "0.5")
    follow("option", set="exponent%3D0.5")
    print({what: f"{seconds:.2f} s" for what, seconds in times.items()})
    want = stacked(
        select_pair(open_correlations(workspace / "processed" / "done"), "XX.S00_XX.S03"), "acf", exponent=0.5
    )
    page.get_by_role("button", name="More").click()
    got = npz(saved(page, "NumPy", 1))
    assert got["lag"][-1] == 15.0
    from seisloom.plot.traces import Treatment

    values, _ = Treatment(15.0, (0.2, 0.8))(want["ccf"].values, want["lag"].values)
    np.testing.assert_array_equal(got["ccf"], values.astype(np.float32))
    # All of it stands in the address, and the address opens it again.
    expected = {
        "job": "done", "view": "correlogram", "pair": "XX.S00..MHZ_XX.S03..MHZ", "component": "ZZ", "method": "acf",
        "period": "week", "band": "0.2,0.8", "lag": "15", "set": "exponent=0.5",
    }  # fmt: skip
    assert shown(page) == expected
    page.reload()
    drawn(page, method="acf", lag="15", set="exponent%3D0.5")
    expect(page.get_by_label("Pass band", exact=True)).to_have_value("0.2,0.8")
    expect(page.get_by_role("button", name="More · 1 set")).to_be_visible()


def test_the_old_picture_stays_until_the_new_one_is_there(page: Page, app: str) -> None:
    page.goto(f"{app}/stacking?job=done&view=record-section")
    before = settled(page).get_attribute("src")
    assert before
    held: list[Route] = []
    page.route("**/record-section.png*method=nroot*", lambda route: held.append(route))
    choose(page, "Stack", "nroot")
    page.locator(".sl-picture-stale").wait_for()
    expect(page.locator(IMAGE)).to_have_attribute("src", before)
    for route in held:
        route.continue_()
    drawn(page, method="nroot")
    expect(page.locator(IMAGE)).not_to_have_attribute("src", before)
    expect(page.locator(".sl-picture-stale")).to_have_count(0)


def test_ratios_come_after_the_picture(page: Page, app: str, workspace: Path) -> None:
    # Of a job that nobody has looked at: nothing is stacked yet.
    put_job(Board(Storage(workspace)), "unseen", channel_table(3), 4).finish({})
    page.goto(f"{app}/stacking?job=unseen&view=correlogram&pair=XX.S01..MHZ_XX.S02..MHZ")
    settled(page)
    cells = ".ag-center-cols-container [col-id=snr]"
    data = open_correlations(workspace / "processed" / "unseen")
    expected = stacked(data, "linear")["snr"].values[:, 0]
    expect(page.locator(cells)).to_have_text([re.compile(r"\d")] * len(expected))
    np.testing.assert_allclose([float(text) for text in page.locator(cells).all_inner_texts()], expected, atol=0.05)
    expect(page.locator(".ag-row-selected [col-id=label]")).to_have_text("XX.S01 – XX.S02")


def test_a_row_of_the_table_is_a_pair(page: Page, app: str) -> None:
    page.goto(f"{app}/stacking?job=done&view=correlogram")
    settled(page)
    page.wait_for_function("() => Number(document.querySelector('.ag-row [col-id=snr]')?.innerText) > 0")
    page.locator(".ag-row").filter(has_text="XX.S01 – XX.S04").click()
    pair_is(page, "XX.S01..MHZ_XX.S04..MHZ")
    page.locator(".ag-row").filter(has_text="XX.S02 – XX.S03").locator(".ag-cell").first.focus()
    page.keyboard.press("Enter")
    pair_is(page, "XX.S02..MHZ_XX.S03..MHZ")
    page.locator(".ag-header-cell[col-id=label] input, .ag-floating-filter input").first.fill("S04")
    page.wait_for_function("() => document.querySelectorAll('.ag-center-cols-container .ag-row').length === 4")


def test_a_click_in_the_section_opens_the_nearest_pair(page: Page, app: str, workspace: Path) -> None:
    page.goto(f"{app}/stacking?job=done&view=record-section")
    settled(page)
    data = open_correlations(workspace / "processed" / "done")
    distance = data["distance_km"].values
    wanted = int(np.argmax(distance))
    (axes,) = page.request.get(f"{app}/api/jobs/done/figures/record-section.json?component=ZZ").json()
    box = page.locator(IMAGE).bounding_box()
    assert box
    share = (axes["y"]["top"] - distance[wanted]) / (axes["y"]["top"] - axes["y"]["bottom"])
    x = box["x"] + box["width"] * (axes["box"]["left"] + 0.7 * axes["box"]["width"])
    y = box["y"] + box["height"] * (axes["box"]["top"] + share * axes["box"]["height"])
    page.mouse.move(x, y)
    told = page.locator(".sl-picture-place").inner_text()
    assert abs(float(re.search(r"([\d.]+) km", told)[1]) - distance[wanted]) < 1.0  # type: ignore[index]
    page.mouse.click(x, y)
    pair_is(page, str(data["pair"].values[wanted]))
    assert shown(page)["view"] == "correlogram"


def test_two_stations_or_a_line_on_the_map_are_a_pair(page: Page, app: str, workspace: Path) -> None:
    page.goto(f"{app}/stacking?job=done&view=correlogram")
    settled(page)
    places = channel_table(5)
    map_at_rest(page)
    at = [page.evaluate(_POINT, [row.latitude, row.longitude]) for row in places.itertuples()]
    page.mouse.click(*at[3])
    page.get_by_text("XX.S03: click the other station of the pair.").wait_for()
    page.mouse.click(*at[1])
    # The station that was clicked first is the first of the pair.
    pair_is(page, "XX.S03..MHZ_XX.S01..MHZ")
    expect(page.locator(".ag-row-selected").first).to_contain_text("XX.S01 – XX.S03")
    # All stations stand on one line: a click between two neighbours is on the line of the topmost pair there.
    page.mouse.click((at[0][0] + at[1][0]) / 2, (at[0][1] + at[1][1]) / 2)
    soon(page, lambda page: shown(page)["pair"].startswith("XX.S00..MHZ_"), True)


def test_the_virtual_shot_of_a_station(page: Page, app: str) -> None:
    page.goto(f"{app}/stacking?job=done&pair=XX.S01_XX.S03")
    settled(page)
    page.get_by_role("tab", name="Virtual shot").click()
    drawn(page, station="XX.S01")
    row = channel_table(5).iloc[2]
    map_at_rest(page)
    page.mouse.click(*page.evaluate(_POINT, [row.latitude, row.longitude]))
    address = drawn(page, station="XX.S02")
    assert "virtual-shot.png" in address
    expect(page.get_by_role("combobox", name="Source")).to_have_value("XX.S02")


def test_python_that_draws_it(page: Page, app: str) -> None:
    page.goto(f"{app}/stacking?job=done&pair=XX.S00_XX.S01&method=nroot&set=root=3")
    settled(page)
    page.get_by_role("button", name="Python").click()
    shown_code = page.locator(".st-code code")
    expect(shown_code).to_contain_text("stacked(days, 'nroot', root=3.0)")
    code = shown_code.inner_text()
    compile(code, "snippet", "exec")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").strip() == code.strip()


@pytest.mark.page_faults("status of 422")
def test_faults_stand_with_their_field(page: Page, app: str) -> None:
    page.goto(f"{app}/stacking?job=done")
    settled(page)
    set_field(page, "Pass band", "3,1")
    page.get_by_text("use 0 < low < high < 2 Hz").wait_for()
    expect(page.locator(".q-field--error").filter(has_text="Pass band")).to_have_count(1)
    set_field(page, "Pass band", "0.1,0.5")
    drawn(page, band="0.1%2C0.5")
    expect(page.locator(".q-field--error")).to_have_count(0)


@pytest.mark.page_faults("status of 404")
def test_a_running_job_comes_alive(page: Page, tmp_path: Path) -> None:
    board = Board(Storage(tmp_path, create=True))
    with serving(tmp_path, "--no-worker") as server:
        page.goto(f"{server.url}/stacking")
        page.get_by_text("No correlations yet").wait_for()
        board.submit("correlation", "later", {}, job_id="later")
        page.goto(f"{server.url}/stacking?job=later")
        page.get_by_text("No day is finished yet").wait_for()
        board.cancel("later")
        claim = put_job(board, "live", channel_table(3), 4, done=1)
        page.goto(f"{server.url}/stacking?job=live&pair=XX.S00_XX.S01")
        before = settled(page).get_attribute("src")
        page.get_by_text("1 of 4 days · running").wait_for()
        finish_days(board, "live", range(1, 3))
        page.get_by_text("3 of 4 days · running").wait_for()
        page.wait_for_function("(before) => document.querySelector('.sl-picture img').src !== before", arg=before)
        finish_days(board, "live", range(3, 4))
        claim.finish({})
        page.get_by_text("3 pairs of 3 stations, 4 days", exact=True).wait_for()
        page.goto("about:blank")  # before the server ends


@pytest.mark.page_faults("status of 404")
def test_a_job_that_is_not_there(page: Page, app: str) -> None:
    page.goto(f"{app}/stacking?job=gone")
    page.get_by_text("There is no job gone: choose another.").wait_for()
    page.get_by_label("Job", exact=True).click()
    page.get_by_role("option", name="done").click()
    settled(page)
    assert shown(page)["job"] == "done"


def test_a_stored_stack_can_be_chosen(page: Page, app: str, workspace: Path) -> None:
    folder = workspace / "processed" / "done"
    stack_correlations(folder, "selective", name="chosen")
    page.goto(f"{app}/stacking?job=done&view=record-section")
    settled(page)
    page.get_by_role("button", name="More").click()
    choose(page, "Stacks of all pairs", "chosen")
    drawn(page, stack="chosen")
    Storage(folder).delete(Storage(folder).keys("stacks"))


def test_on_a_phone(phone: Page, app: str) -> None:
    phone.goto(f"{app}/stacking?job=done&pair=XX.S00_XX.S01")
    image = settled(phone)
    fits(phone)
    box = image.bounding_box()
    assert box
    assert box["width"] == pytest.approx(480, abs=2)  # wide enough to be read; it scrolls by itself
    choose(phone, "Stack", "pws")
    drawn(phone, method="pws")
