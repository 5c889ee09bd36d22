"""Price files, and bills from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seisloom.compute.prices import Prices, Use, bill, machines_for, read_prices
from seisloom.errors import InputError, SettingsError

USE = Use(
    workers=10, cores=2, memory_bytes=3e9, seconds=7200, bytes_read=50e9, bytes_stored=200e9, puts=3000, gets=40_000
)
MACHINE = {"currency": "USD", "machine_hour": 0.4, "machine_cores": 8, "machine_memory_gb": 16}


def test_cores_are_paid_by_the_hour() -> None:
    made = bill(Prices(currency="USD", core_hour=0.05, read_gb=0.02, put_per_1000=0.005, get_per_1000=0.0004), USE)
    assert made.machines is None
    assert made.computing == pytest.approx(10 * 2 * 2 * 0.05)
    assert made.reading == pytest.approx(50 * 0.02)
    assert made.requests == pytest.approx(3 * 0.005 + 40 * 0.0004)
    assert made.run == pytest.approx(2.0 + 1.0 + 0.031)
    assert (made.stored_month, made.taken_out) == (0, 0)


def test_what_results_cost_afterwards() -> None:
    made = bill(Prices(currency="USD", core_hour=0, stored_gb_month=0.023, taken_gb=0.09), USE)
    assert (made.stored_month, made.taken_out) == (pytest.approx(4.6), pytest.approx(18.0))
    assert made.run == 0


@pytest.mark.parametrize(
    ("memory_bytes", "machines"),
    [(3e9, 3), (4e9, 3), (5e9, 4), (9e9, 10)],  # four on each by cores; then four, three and one by memory
)
def test_machines_hold_as_many_workers_as_fit(memory_bytes: float, machines: int) -> None:
    made = bill(Prices(**MACHINE), replace(USE, memory_bytes=memory_bytes))
    assert made.machines == machines
    assert made.computing == pytest.approx(machines * 0.4 * 2)


@pytest.mark.parametrize("change", [{"memory_bytes": 17e9}, {"cores": 9}])
def test_a_machine_too_small_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"a machine of 8 cores and 16 GB, .* holds no worker of"):
        machines_for(Prices(**MACHINE), replace(USE, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("core_hour = 1", ["currency is missing"]),
        ('currency = "USD"', ["give core_hour or machine_hour"]),
        ('currency = "USD"\ncore_hour = 1\nmachine_hour = 1\nmachine_cores = 1\nmachine_memory_gb = 1', ["not both"]),
        ('currency = "USD"\nmachine_hour = 1\nmachine_cores = 1', ["machine_memory_gb is needed with machine_hour"]),
        ('currency = "USD"\ncore_hour = 1\nmachine_cores = 2', ["machine_cores is only of use with machine_hour"]),
        ('currency = "USD"\ncore_hour = -1', ["core_hour is -1"]),
        ('currency = "USD"\ncore_hour = nan', ["core_hour is nan"]),
        ('currency = "USD"\ncore_hours = 1', ["unknown setting 'core_hours': did you mean 'core_hour'?"]),
        ('currency = "USD"\ncore_hour = 1\ngb = 2\nread_gb = "x"', ["unknown setting 'gb'", "read_gb is 'x'"]),
    ],
)
def test_faults_of_a_file_are_told_all_at_once(tmp_path: Path, text: str, faults: list[str]) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as told:
        read_prices(path)
    assert str(told.value).startswith(f"{path}: ")
    for fault in faults:
        assert fault in str(told.value)


def test_no_toml_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text("currency: USD")
    with pytest.raises(InputError, match=r"prices.toml: not valid TOML"):
        read_prices(tmp_path / "prices.toml")


def test_the_example_can_be_used() -> None:
    prices = read_prices(Path(__file__).parents[1] / "deploy" / "prices.toml")
    assert bill(prices, replace(USE, cores=1)).run > 0
