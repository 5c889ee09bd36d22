"""The list of jobs and the panel of one, in a browser, over a board on which the tests themselves play the worker."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from seisloom.jobs import Board, Claim
from seisloom.storage import Storage
from seisloom.web.pages.correlate_forecast import sentence
from seisloom.words import duration, size
from tests.browser import expect, fits, soon
from tests.web_support import serving

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FILES = {"stations.csv": b"", "params.csv": b"fs,freqmax\n8,3\n"}
MIDWAY = {
    "stage": "correlation", "day": "2019-02-05", "days_done": 2, "days": 8, "channels_done": 12, "channels": 12,
    "pairs_done": 33, "pairs": 66, "rate_pairs_s": 1234.5, "seconds_left": 3725.0, "elapsed_s": 36.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Board]]:
    """Address of a server without workers, and the board of its workspace."""
    workspace = tmp_path_factory.mktemp("components") / "workspace"
    with serving(workspace, "--no-worker") as server:
        yield server.url, Board(Storage(workspace))


@pytest.fixture
def board(served: tuple[str, Board]) -> Board:
    """The board, without jobs."""
    for job in served[1].jobs():
        served[1].delete(job.id)
    return served[1]


@pytest.fixture
def url(served: tuple[str, Board]) -> str:
    return f"{served[0]}/xcor"


def submit(board: Board, name: str, kind: str = "correlation") -> str:
    """Put a job on the board, a moment after the one before: times are told in milliseconds."""
    time.sleep(0.005)
    return board.submit(kind, name, FILES)


def running(board: Board, name: str, **progress: Any) -> tuple[str, Claim]:
    """A job that a worker has claimed; what it says of its progress."""
    job = submit(board, name)
    claim = board.claim("worker-1")
    assert claim
    assert claim.job.id == job
    assert claim.beat(MIDWAY | progress)
    return job, claim


def report(board: Board, job: str, day: str, *problems: tuple[str, str]) -> None:
    """What a worker writes at the end of a day."""
    told = [{"channel": channel, "message": message, "unused": True, "failed": False} for channel, message in problems]
    made = {"day": day, "pairs": 66, "windows": 100, "channels": 12, "seconds": 1.0, "problems": told}
    board.storage.put(f"processed/{job}/done/{day}.json", json.dumps(made).encode())


def fact(page: Page, name: str) -> Locator:
    """A number of the panel, by what stands above it."""
    return page.locator(".sl-jobpanel-facts > div", has=page.get_by_text(name, exact=True)).locator("dd")


def rows(page: Page) -> Locator:
    return page.locator("[data-job]")


def test_jobs_stand_newest_first_with_their_states_in_words(page: Page, board: Board, url: str) -> None:
    running(board, "At work")
    _, claim = running(board, "Broken")
    claim.fail("the source does not answer")
    stopped = submit(board, "Stopped")
    board.cancel(stopped)
    submit(board, "Of another page", "association")
    submit(board, "In line")
    page.goto(url)
    expect(rows(page).locator(".sl-job-name")).to_have_text(["In line", "Stopped", "Broken", "At work"])
    expect(rows(page).locator(".sl-job-state")).to_have_text(["Waiting", "Cancelled", "Failed", "Running 34 %"])
    expect(rows(page).nth(0)).to_contain_text("1 job before it")
    expect(rows(page).nth(2)).to_contain_text("the source does not answer")
    expect(rows(page).nth(3)).to_contain_text("Correlating, 1 h 2 min left")


def test_the_panel_tells_how_far_a_job_is(page: Page, board: Board, url: str) -> None:
    job, claim = running(board, "At work")
    page.goto(f"{url}?job={job}")
    expect(fact(page, "Day")).to_have_text("2019-02-05")
    expect(fact(page, "Days done")).to_have_text("2 of 8")
    expect(fact(page, "Pairs of the day")).to_have_text("33 of 66")
    expect(fact(page, "Rate")).to_have_text("1,235 pairs/s")
    expect(fact(page, "Time left")).to_have_text("1 h 2 min")
    bar = page.get_by_role("progressbar", name="Done")
    expect(bar).to_have_attribute("aria-valuenow", "34")  # two days, and one half of the half that correlating is
    claim.beat(MIDWAY | {"day": "2019-02-07", "days_done": 4})
    expect(fact(page, "Days done")).to_have_text("4 of 8")
    expect(bar).to_have_attribute("aria-valuenow", "59")
    claim.finish({"days": 8, "pairs": 66, "windows": 12_345, "seconds": 3.2}, "1 of 8 days is incomplete")
    expect(fact(page, "Windows")).to_have_text("12,345")
    expect(page.locator(".sl-jobpanel-headline")).to_have_text("1 of 8 days is incomplete")
    expect(page.get_by_role("link", name="All files")).to_have_attribute("href", f"api/jobs/{job}/archive")


def test_warnings_come_while_nothing_else_moves(page: Page, board: Board, url: str) -> None:
    job, claim = running(board, "At work")
    report(board, job, "2019-02-03", *((f"CI.S{i:02}..BHZ", "no data") for i in range(40)))
    page.goto(f"{url}?job={job}")
    warnings = page.locator("details", has_text="Warnings")
    expect(warnings.locator("tbody tr")).to_have_count(40)
    page.get_by_text("Log", exact=True).click()
    expect(page.get_by_label("Log", exact=True)).to_contain_text("claimed by worker-1")
    scrolled = warnings.locator(".sl-jobpanel-scroll")
    scrolled.evaluate("element => { element.scrollTop = 120; element.mark = 1; }")
    rows(page).first.evaluate("element => { element.mark = 1; }")

    claim.beat(MIDWAY | {"days_done": 3})
    report(board, job, "2019-02-04", ("CI.LATE..BHZ", "no data"))
    expect(warnings.locator("summary")).to_contain_text("41")
    expect(warnings.locator("tbody tr").first).to_contain_text("CI.LATE..BHZ")
    assert scrolled.evaluate("element => element.mark") == 1
    assert scrolled.evaluate("element => element.scrollTop") > 0
    assert rows(page).first.evaluate("element => element.mark") == 1
    expect(page.get_by_label("Log", exact=True)).to_be_visible()


def test_a_silent_worker_is_told_of(page: Page, board: Board, url: str) -> None:
    job, _ = running(board, "At work")
    page.clock.install()
    page.goto(f"{url}?job={job}")
    expect(fact(page, "Days done")).to_have_text("2 of 8")
    page.clock.run_for(3000)
    page.clock.fast_forward(20_000)
    expect(page.get_by_role("alert")).to_contain_text("No sign of life from the worker")


def test_jobs_that_no_worker_takes_up_say_so(page: Page, board: Board, url: str) -> None:
    first = submit(board, "First")
    second = submit(board, "Second")
    page.clock.install()
    page.goto(f"{url}?job={second}")
    lines = rows(page).locator(".sl-job-line")
    expect(lines).to_have_text(["1 job before it", "Next in the queue"])
    page.clock.run_for(3000)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.clock.fast_forward(20_000)
    expect(page.get_by_role("alert")).to_contain_text("seisloom work WORKSPACE")
    expect(lines).to_have_text(["No worker is running"] * 2)
    claim = board.claim("worker-1")
    assert claim
    assert claim.job.id == first
    claim.beat(MIDWAY)
    page.clock.run_for(2000)
    expect(lines.first).to_have_text("Next in the queue")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_an_unchanged_list_is_not_sent_again(page: Page, board: Board, url: str) -> None:
    submit(board, "Before")
    told: list[int] = []
    page.on("response", lambda got: told.append(got.status) if got.url.endswith("/api/jobs") else None)
    page.goto(url)
    expect(rows(page)).to_have_count(1)
    rows(page).first.evaluate("element => { element.mark = 1; }")
    soon(page, lambda _: told.count(304) >= 2, True)
    assert told.count(200) == 1
    submit(board, "After")
    expect(rows(page).locator(".sl-job-name")).to_have_text(["After", "Before"])
    soon(page, lambda _: told.count(200), 2)


@pytest.mark.page_faults("status of 404")
def test_what_is_not_there_is_said(page: Page, board: Board, url: str) -> None:
    page.goto(url)
    expect(page.get_by_text("No jobs yet.")).to_be_visible()
    page.goto(f"{url}?job=never")
    expect(page.get_by_text("There is no such job")).to_be_visible()


def test_jobs_are_filtered_by_state_and_name(page: Page, board: Board, url: str) -> None:
    running(board, "At work")
    _, claim = running(board, "Broken")
    claim.fail("the source does not answer")
    submit(board, "In line")
    page.goto(url)
    shown = rows(page).locator(".sl-job-name")
    expect(shown).to_have_count(3)
    page.get_by_role("button", name=re.compile("^Failed")).click()
    expect(shown).to_have_text(["Broken"])
    page.get_by_role("button", name=re.compile("^All")).click()
    page.get_by_label("Filter jobs by name").fill("in li")
    expect(shown).to_have_text(["In line"])
    page.get_by_label("Filter jobs by name").fill("nothing of that name")
    expect(page.get_by_text("No job fits the filter.")).to_be_visible()


def test_on_a_phone_nothing_is_wider_than_the_screen(phone: Page, board: Board, url: str) -> None:
    running(board, "At work")
    phone.goto(url)
    rows(phone).first.click()
    expect(phone.locator(".sl-jobpanel")).to_be_visible()
    fits(phone)


def test_jobs_are_chosen_with_the_keyboard(page: Page, board: Board, url: str) -> None:
    first = submit(board, "First")
    second = submit(board, "Second")
    page.goto(url)
    rows(page).first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Job First")).to_be_visible()
    expect(page.locator(f"[data-job='{first}']")).to_have_attribute("aria-current", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Job Second")).to_be_visible()
    page.wait_for_url(f"**/xcor?job={second}")


def test_settings_of_a_job_are_used_again(page: Page, board: Board, url: str) -> None:
    job = submit(board, "Before")
    page.goto(f"{url}?job={job}")
    page.get_by_role("button", name="Use its settings").click()
    expect(page.get_by_label("Resample frequency")).to_have_value("8")
    expect(page.get_by_label("Maximum frequency")).to_have_value("3")
    expect(page.get_by_label("Maximum lag")).to_have_value("200")


@pytest.mark.page_faults("status of 409", "ERR_FAILED")
def test_a_refusal_is_told_and_the_list_goes_on(page: Page, board: Board, url: str) -> None:
    job, claim = running(board, "Ends meanwhile")
    page.goto(f"{url}?job={job}")
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    page.route(re.compile("/api/jobs$"), lambda route: route.abort())
    claim.finish({})
    cancel.click()
    expect(page.get_by_role("alert")).to_contain_text("is done")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.6, "1 min"), (61, "1 min 1 s"), (7380, "2 h 3 min"), (90_000, "1 d 1 h"), (None, "–")],
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("n_bytes", "words"), [(999, "999 B"), (1234, "1.2 kB"), (123_456, "123 kB"), (5e13, "50 TB"), (None, "–")]
)
def test_sizes_in_words(n_bytes: float | None, words: str) -> None:
    assert size(n_bytes) == words


def test_sentences() -> None:
    assert sentence("from a short run") == "From a short run."
    assert sentence("Done.") == "Done."


def test_durations_of_the_browser(page: Page, url: str) -> None:
    page.goto(url)
    told = page.evaluate("import('job_board').then(m => [0, 59, 60, 3725, 200000, null].map(m.duration))")
    assert told == ["0 s", "59 s", "1 min", "1 h 2 min", "2 d 7 h", "–"]
