"""What state follows from the events of a job, for any events in any order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seisloom.jobs.log import TRANSITIONS, Job, fold

NAMES = sorted({name for follow in TRANSITIONS.values() for name in follow})
ENDED = {"done", "failed", "cancelled"}


@st.composite
def event(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from([*NAMES, "unreadable", "from a later version"]))
    made: dict[str, Any] = {"event": name, "at": draw(st.text("0123456789", min_size=1)), "by": draw(st.text("ab"))}
    if name in ("claimed", "released"):
        made["done"] = draw(st.integers(0, 5))
    if name in ("released", "failed", "finished"):
        made["message"] = draw(st.sampled_from(["", "out of memory"]))
    return made


histories = st.lists(event(), max_size=30)


def started(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"event": "submitted", "at": "0", "by": "", "kind": "correlation", "name": "x"}, *history]


def state_by_hand(history: list[dict[str, Any]]) -> str | None:
    """The rules in words: what counts of a history, and where it ends."""
    state: str | None = None
    for name in (one["event"] for one in history):
        if state is None:
            state = "waiting" if name == "submitted" else None
        elif name == "deleted" and state != "deleted":
            state = "deleted"
        elif name == "retried" and state in ENDED:
            state = "waiting"
        elif (name == "claimed" and state in ("waiting", "running")) or (name == "joined" and state == "waiting"):
            state = "running"
        elif name == "released" and state == "running":
            state = "waiting"
        elif name == "finished" and state == "running":
            state = "done"
        elif name in ("failed", "cancelled") and state in ("waiting", "running"):
            state = name
    return state


@given(histories)
def test_the_state_is_that_of_the_rules(history: list[dict[str, Any]]) -> None:
    job = fold("a", history)
    assert (job.state if job else None) == state_by_hand(history)


@given(histories)
def test_the_number_is_that_of_the_last_event_whatever_it_is(history: list[dict[str, Any]]) -> None:
    job = fold("a", started(history))
    assert job
    assert job.number == len(history) + 1


@given(histories)
def test_what_does_not_follow_changes_nothing(history: list[dict[str, Any]]) -> None:
    """Leaving out every event that is passed over gives the same job, its number apart."""
    kept: list[dict[str, Any]] = []
    for one in started(history):
        before = fold("a", kept)
        if one["event"] in TRANSITIONS[before.state if before else None]:
            kept.append(one)
    all_of_it, of_kept = fold("a", started(history)), fold("a", kept)
    assert all_of_it
    assert of_kept
    assert vars(all_of_it) | {"number": 0} == vars(of_kept) | {"number": 0}


@given(histories)
def test_an_end_has_a_time_and_what_waits_or_runs_has_none(history: list[dict[str, Any]]) -> None:
    job = fold("a", started(history))
    assert job
    if job.state != "deleted":
        assert (job.ended is not None) == (job.state in ENDED)
    if job.state == "running":
        assert job.started
        assert job.worker is not None
        assert job.attempts >= 1


@given(histories)
def test_attempts_that_got_no_further_are_counted(history: list[dict[str, Any]]) -> None:
    job = fold("a", started(history))
    assert job
    assert 0 <= job.crashes + job.losses <= job.attempts
    assert job.done <= max([one.get("done", 0) for one in history], default=0)


def attempts(*ends: tuple[str, int]) -> Job:
    """A job after attempts that crashed, were given back or lost their worker with so many days done."""
    history, done, claimed = started([]), 0, {"event": "claimed", "at": "1", "by": "w"}
    for how, done_then in ends:
        history.append(claimed | {"done": done})
        done = done_then
        if how != "lost":
            message = "broke" if how == "crashed" else ""
            history.append({"event": "released", "at": "2", "by": "w", "done": done, "message": message})
    job = fold("a", [*history, claimed | {"done": done}])
    assert job
    return job


def test_crashes_in_a_row_without_a_day_done_are_counted() -> None:
    job = attempts(("crashed", 0), ("crashed", 0), ("crashed", 0))
    assert (job.crashes, job.losses, job.attempts, job.message) == (3, 0, 4, "broke")


def test_a_day_done_begins_the_count_anew() -> None:
    assert attempts(("crashed", 0), ("crashed", 1), ("crashed", 1)).crashes == 1
    assert attempts(("lost", 0), ("lost", 0), ("lost", 2), ("lost", 2)).losses == 1
    assert attempts(("crashed", 0), ("crashed", 0), ("lost", 1)).crashes == 0


def test_falling_behind_and_catching_up_is_no_progress() -> None:
    """An attempt that breaks down before it has looked how far the job is says 0."""
    assert attempts(("crashed", 3), ("crashed", 0), ("crashed", 3), ("crashed", 0)).crashes == 3


def test_giving_back_is_no_fault() -> None:
    job = attempts(("given back", 0), ("given back", 0), ("crashed", 0))
    assert (job.crashes, job.losses) == (1, 0)


def test_retrying_forgets_what_was() -> None:
    ended = {"event": "failed", "at": "5", "by": "w", "message": "why"}
    job = fold("a", [*started([{"event": "claimed", "at": "1", "by": "w", "done": 4}, ended]), {"event": "retried", "at": "6", "by": ""}])  # fmt: skip
    assert job
    assert (job.state, job.attempts, job.done, job.message, job.ended, job.started) == ("waiting", 0, 0, "", None, None)
