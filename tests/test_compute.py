"""Independent tasks, several at a time: the order, the first error, how many at once."""

from __future__ import annotations

import threading
import time

import pytest

from seisloom.compute import each


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(n_threads: int) -> None:
    def slow_first(k: int) -> int:
        time.sleep(0.02 if k == 0 else 0.0)
        return k * k

    assert list(each(slow_first, range(20), n_threads)) == [k * k for k in range(20)]
    assert list(each(slow_first, [], n_threads)) == []


@pytest.mark.parametrize("n_threads", [1, 3])
def test_as_many_at_once_as_there_are_threads(n_threads: int) -> None:
    lock, now, most, all_there = threading.Lock(), 0, 0, threading.Barrier(n_threads)

    def count(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        all_there.wait(60)
        with lock:
            now -= 1

    list(each(count, range(9), n_threads))
    assert most == n_threads


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_first_error_ends_it_and_what_was_not_begun_is_left(n_threads: int) -> None:
    begun = []

    def fail_at_three(k: int) -> int:
        begun.append(k)
        time.sleep(0.01)
        if k == 3:
            raise ValueError("three")
        return k

    results = each(fail_at_three, range(100), n_threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(begun) < 20
