"""What a job will take, against what it took."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from seisloom.compute.crew import START_S
from seisloom.config import CorrelationSettings
from seisloom.errors import InputError
from seisloom.jobs import Limits, Sources
from seisloom.noise.estimate import Estimate, one_a_channel, sampling_rates
from seisloom.noise.estimate import estimate as of_days
from seisloom.noise.job_pace import past_factor
from seisloom.noise.job_time import DayLoad
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.pipeline import correlate, day_range
from seisloom.noise.plan import make_plan
from seisloom.noise.rates import Rates, measure_rates
from seisloom.noise.report import DayReport
from seisloom.noise.tiles import DaySize
from seisloom.stations import validate
from seisloom.storage import Storage
from seisloom.waveforms import ChannelQuery, open_source
from seisloom.web.services import Services
from tests.jobs import channel_table, noise_source, objects, small_settings
from tests.web_support import api_client

RATES = Rates(
    response_s=0.5, reading_s=0.1, spectra_s=0.1, product_s=1e-3, inverse_s=1e-4, writing_s=1e-4, store_s=1e-2
)
DAY_S = (12 * 0.2 + 12**2 / 2 * 1e-3 + 66 * 1e-4) / 2 + 66 * 1e-4
"""A day of 12 channels by these rates on two cores, of which one writes."""
DAYS = day_range("2024-03-01", "2024-03-02")


def estimate(channels: pd.DataFrame, settings: CorrelationSettings, days: pd.DatetimeIndex) -> Estimate:
    table = one_a_channel(channels)
    return of_days(channels, settings, days, DaySize.of(len(table), len(channel_pairs(table, settings)), settings))


@pytest.mark.parametrize(
    "values",
    [{}, {"keep": "substack"}, {"keep": "window", "maxlag": 5}, {"autocorrelations": True}, {"maxlag": 400, "fs": 8}],
)
def test_sizes_are_those_of_the_job(tmp_path: Path, values: dict[str, Any]) -> None:
    settings, source = small_settings(**values), noise_source(5, 2)
    size = estimate(source.table, settings, DAYS)
    summary = correlate(source.table, settings, source, tmp_path / "w", "2024-03-01", "2024-03-02", workers=1)
    assert (size.channels, size.days) == (5, 2)
    assert size.pairs == summary.totals()["pairs"]
    written = {key: len(data) for key, data in objects(tmp_path / "w").items()}
    shards = sum(length for key, length in written.items() if "/ccf/c/" in key)
    assert 0 <= size.output_bytes - shards <= 4 * size.pairs * 2 * 96  # beside the shards only the counts
    assert size.output_bytes == pytest.approx(sum(written.values()), rel=0.05, abs=30_000)


def test_downloads_are_the_samples_of_the_epochs() -> None:
    table = channel_table(4).assign(sample_rate_hz=[100.0, 100.0, 100.0, np.nan])
    stamps = [pd.Timestamp(text, tz="UTC") if text else pd.NaT for text in ("", "2024-03-02T12:00", "2025-01-01", "")]
    table["start"] = pd.DatetimeIndex(stamps)
    size = estimate(validate(table), small_settings(), DAYS)
    # Two days, half a day, none, and two days of the 5 Hz that band code M stands for.
    assert size.download_bytes == 1.5 * 86_400 * (2 * 100 + 0.5 * 100 + 0 + 2 * 5)
    assert size.rates_guessed == 1


def test_epochs_of_a_channel_add_up_and_do_not_count_twice() -> None:
    one = channel_table(2).assign(sample_rate_hz=20.0)
    whole = estimate(one, small_settings(), DAYS).download_bytes
    edge = pd.Timestamp("2024-03-01T18:00", tz="UTC")
    halves = pd.concat([one.assign(end=edge), one.assign(start=edge)])
    assert estimate(validate(halves), small_settings(), DAYS).download_bytes == whole
    assert estimate(validate(pd.concat([one, one])), small_settings(), DAYS).download_bytes == whole
    assert estimate(validate(halves), small_settings(), DAYS).channels == 2


def test_band_codes() -> None:
    table = validate(
        pd.DataFrame(
            {
                "network": "XX",
                "station": "A",
                "channel": ["HHZ", "BHZ", "LHZ", "XXZ"],
                "sample_rate_hz": [np.nan, 0, np.nan, np.nan],
            }
        )
    )
    assert sampling_rates(table).tolist() == [100, 40, 1, 100]


def test_memory_is_that_of_the_spectra() -> None:
    plan = make_plan(small_settings())
    frequencies = len(plan.weight)
    assert estimate(channel_table(3), small_settings(), DAYS).spectra_bytes == frequencies * 3 * 96 * 8
    twice = small_settings(measure="deconvolution")
    assert estimate(channel_table(3), twice, DAYS).spectra_bytes == frequencies * 3 * 96 * 16


def test_no_pairs_are_said_so() -> None:
    with pytest.raises(InputError, match="no pairs left of 1 channels"):
        estimate(channel_table(1), small_settings(), DAYS)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"keep": "window"},
        {"keep": "substack"},
        {"measure": "pcc", "whiten": "none"},
        {"time_norm": "ram"},
        {"measure": "deconvolution"},
        {"response": "VEL"},
    ],
)
def test_rates_of_every_kind_of_job(values: dict[str, Any]) -> None:
    rates = measure_rates(small_settings(**values), 4.0, 5, threads=2)
    for name in ("reading_s", "spectra_s", "inverse_s", "writing_s"):
        assert getattr(rates, name) > 0, name
    assert (rates.product_s > 0) == (values.get("keep") != "window")
    assert rates.response_s >= 0
    assert measure_rates(small_settings(**values), 4.0, 5, threads=2) is rates  # tried once


def test_more_work_takes_longer() -> None:
    """By more than a busy machine can hide."""
    quick = measure_rates(small_settings(), 4.0, 5, threads=1)
    longer = measure_rates(small_settings(fs=40.0, freqmax=15.0, cc_len=3600.0, maxlag=120.0), 100.0, 5, threads=1)
    assert longer.spectra_s > 3 * quick.spectra_s
    assert longer.inverse_s > 2 * quick.inverse_s


def test_time_is_about_that_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a factor of eight: the machines of tests are busy, and a mistake of units is larger.

    The time of the run is that of the processor, as the estimate's is: others may have it most of the time.
    """
    monkeypatch.setattr("time.perf_counter", time.process_time)
    settings, source = CorrelationSettings(fs=4, freqmax=1.5, response="none", maxlag=100), noise_source(10, 2)
    rates = measure_rates(settings, 4.0, 10, threads=1)
    summary = correlate(source.table, settings, source, tmp_path / "w", "2024-03-01", "2024-03-02", workers=1)
    took = min(day.seconds for day in summary.days)
    assert took / 8 < DayLoad(rates.day(10, 45)).seconds(1) < took * 8


def test_factor_of_past_days() -> None:
    said = DayLoad(RATES.day(10, 45)).seconds(2)
    days = [
        DayReport("2024-03-01", 45, 1, 10, 3 * said),
        DayReport("2024-03-02", 45, 1, 10, 5 * said),
        DayReport("2024-03-03", seconds=99.0),
    ]
    assert past_factor(days, RATES, 2) == pytest.approx(4)
    assert past_factor(days[2:], RATES, 2) is None
    assert past_factor([], RATES, 2) is None


class TestApi:
    @pytest.fixture(autouse=True)
    def no_trial(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("seisloom.noise.job_pace.measure_rates", lambda *_: RATES)
        monkeypatch.setattr("seisloom.compute.crew.cores", lambda: 2)
        monkeypatch.setattr("seisloom.compute.choice.cores", lambda: 2)

    def rows(self, n: int = 12) -> list[dict[str, Any]]:
        table = open_source("synthetic:stations=12").channels(ChannelQuery()).head(n)
        return [
            dict(zip(("network", "station", "location", "channel"), row, strict=True)) | {"sample_rate_hz": 20.0}
            for row in table[["network", "station", "location", "channel"]].to_numpy()
        ]

    def ask(self, api: TestClient, **more: Any) -> dict[str, Any]:
        answer = api.post(
            "/estimate",
            json={"channels": self.rows(), "source": "fdsn:INGV", "start": "2024-01-01", "end": "2024-01-10"} | more,
        )
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def test_a_job(self, tmp_path: Path) -> None:
        told = self.ask(api_client(Services(str(tmp_path))))
        assert (told["channels"], told["pairs"], told["days"]) == (12, 66, 10)
        assert told["download_bytes"] == 1.5 * 20 * 86_400 * 12 * 10
        assert told["seconds"] == pytest.approx(START_S["serial"] + 10 * DAY_S + 12 * 0.5 / 2, rel=0.05)
        assert told["basis"] == "from a short run on this machine; without the download"
        assert told["exceeded"] == []

    def test_records_of_the_demonstration_are_not_downloaded(self, tmp_path: Path) -> None:
        told = self.ask(api_client(Services(str(tmp_path))), source="demo")
        assert told["download_bytes"] == 0
        assert told["basis"].endswith("without making the records")

    def test_limits_are_listed(self, tmp_path: Path) -> None:
        told = self.ask(api_client(Services(str(tmp_path), limits=Limits(channels=5, days=3))))
        assert told["exceeded"] == [
            "the job is too large: 12 channels (at most 5)",
            "the job is too large: 10 days (at most 3)",
        ]
        assert told["pairs"] is None
        told = self.ask(api_client(Services(str(tmp_path), limits=Limits(pairs=65))))
        assert told["exceeded"] == ["the job is too large: 66 pairs (at most 65)"]
        assert told["pairs"] == 66

    def test_what_had_to_be_assumed(self, tmp_path: Path) -> None:
        rows = self.rows()
        rows[0]["sample_rate_hz"] = None
        rows[1]["sample_rate_hz"] = 1.0
        notes = self.ask(api_client(Services(str(tmp_path))), channels=rows)["notes"]
        assert "sampling rate by the band code: 1 of 12 channels, which tell none" in notes
        assert "sampled too slowly for freqmax, to be left out: 1 of 12 channels" in notes

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"channels": []}, "channels: list should have at least 1 item"),
            ({"source": "sds:/etc"}, "is not allowed here"),
            ({"settings": {"fs": 1}}, "freqmax 1 Hz is above the Nyquist frequency"),
            ({"start": "2024-01-10", "end": "2024-01-01"}, "is before the first"),
            ({"saved": True}, "give the channels in one way"),
        ],
    )
    def test_what_cannot_be_estimated(self, tmp_path: Path, more: dict[str, Any], words: str) -> None:
        body = {"channels": self.rows(), "source": "demo", "start": "2024-01-01"} | more
        answer = api_client(Services(str(tmp_path))).post("/estimate", json=body)
        assert answer.status_code == 422
        assert words in answer.json()["detail"]

    def test_finished_jobs_of_the_same_settings_and_source_count(self, tmp_path: Path) -> None:
        services = Services(str(tmp_path), Sources({"ours": "synthetic:stations=12"}))
        settings = CorrelationSettings()
        finish(services, settings, "synthetic:stations=12", seconds=3 * DAY_S)
        api = api_client(services)
        told = self.ask(api, source="ours")
        assert told["seconds"] == pytest.approx(START_S["serial"] + 30 * DAY_S + 12 * 0.5 / 2, rel=0.05)
        assert told["basis"].startswith("from finished days of these settings and this source; with making the records")
        for other in ({"source": "fdsn:INGV"}, {"source": "ours", "settings": {"fs": 5}}):
            assert self.ask(api, **other)["basis"].startswith("from a short run")


def finish(services: Services, settings: CorrelationSettings, spec: str, seconds: float) -> None:
    """A job on the board that is done, and what it leaves of its days."""
    job_id = services.board.submit("correlation", "", {})
    claim = services.board.claim("w")
    assert claim is not None
    claim.finish({})
    day = dataclasses.asdict(DayReport("2024-01-01", 66, 100, 12, seconds))
    storage = Storage(services.workspace)
    storage.put(f"processed/{job_id}/job.json", _json({"digest": settings.digest(), "source": spec}))
    storage.put(f"processed/{job_id}/summary.json", _json({"days": [day]}))


def _json(data: object) -> bytes:
    return json.dumps(data).encode()
