"""The plan of a job: its time from stages, its tasks, its bytes against those of a run, and that making it changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seisloom.compute import Serial, parse_compute, parse_slice
from seisloom.compute.crew import START_CPU_S, START_S, Crew
from seisloom.compute.prices import Prices
from seisloom.compute.processes import Processes
from seisloom.errors import InputError, WorkspaceError
from seisloom.noise.dry_run import dry_run
from seisloom.noise.job_pace import Pace
from seisloom.noise.job_plan import plan_job
from seisloom.noise.job_time import DayLoad, timing
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.pipeline import correlate, day_range
from seisloom.noise.rates import Rates
from seisloom.noise.tiles import DaySize, cut
from seisloom.storage import Storage
from seisloom.waveforms.synthetic import SyntheticSource
from tests.jobs import channel_table, command, noise_source, small_settings

RATES = Rates(
    response_s=0.5, reading_s=0.1, spectra_s=0.3, product_s=1e-3, inverse_s=1e-2, writing_s=4e-3, store_s=0.02
)
LOAD = DayLoad({"reading": 2.0, "spectra": 6.0, "product": 3.0, "inverse": 5.0, "writing": 1.5})
FOUR = Crew("processes", 4, 2, 8, 6e9)
DAYS = day_range("2024-03-01", "2024-03-10")


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seisloom.noise.job_pace.measure_rates", lambda *_: RATES)


def test_cpu_seconds_of_a_day() -> None:
    assert RATES.day(10, 45) == pytest.approx(
        {"reading": 1.0, "spectra": 3.0, "sharing": 0.0, "product": 50e-3, "inverse": 0.45, "writing": 0.18}
    )
    assert RATES.day(10, 45, makings=2.5)["spectra"] == pytest.approx(7.5)
    assert RATES.day(10, 45, moves=3.0)["sharing"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("load", "threads", "seconds"),
    [
        (LOAD, 1, 17.5),
        (LOAD, 4, 16 / 4 + 1.5),  # one thread writes
        (DayLoad(LOAD.cpu_s, receiving_s=5.0), 2, 5 + 8 / 2 + 1.5),  # while channels are read, which takes 4 s
        (DayLoad(LOAD.cpu_s, receiving_s=3.0, sending_s=9.0), 2, 4 + 4 + 9),
    ],
)
def test_time_of_a_day(load: DayLoad, threads: int, seconds: float) -> None:
    assert load.seconds(threads) == pytest.approx(seconds)


def test_time_of_a_run() -> None:
    made = timing(LOAD, 10.0, FOUR, 10)
    assert (made.workers, made.cores, made.tasks, made.days_a_task) == (4, 8, 10, 1)
    assert made.task_s == 16 / 2 + 1.5
    assert made.seconds == START_S["processes"] + 10 / 2 + 3 * made.task_s  # the last two days of ten are a third round
    assert made.cpu_s == {"starting": 5 * START_CPU_S + 4 * 10} | {name: 10 * cpu for name, cpu in LOAD.cpu_s.items()}
    assert made.limit == "preprocessing of channels: response, windows, whitening (32% of a day)"


def test_workers_without_a_task_are_told() -> None:
    made = timing(LOAD, 0.0, FOUR, 3)
    assert made.workers == 3
    assert made.seconds == START_S["processes"] + made.task_s
    assert made.limit.endswith("; 1 worker without a task, for there are 3")
    assert timing(LOAD, 0.0, FOUR, 0).seconds == 0
    assert timing(LOAD, 0.0, FOUR, 0).limit == "nothing is left to do"


def test_workers_share_the_cores_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("seisloom.compute.crew", "seisloom.compute.choice"):
        monkeypatch.setattr(f"{module}.cores", lambda: 4)
    assert Crew.of(parse_compute("processes", 8)) == Crew("processes", 8, 1, 4, 6e9)
    assert Crew.of(parse_compute("serial")) == Crew("serial", 1, 4, 4, 6e9)
    assert Crew.of(parse_compute("dask=10.0.0.1:8786", None, 2, 3.0), 100) == Crew("dask", 100, 2, 200, 3e9)
    crowded = Crew("processes", 8, 1, 4, 6e9)
    assert timing(LOAD, 0.0, crowded, 8).task_s == 16 / 0.5 + 1.5


@pytest.mark.usefixtures("no_trial")
@pytest.mark.parametrize("stored", [True, False])
def test_what_tiles_share_is_counted(stored: bool) -> None:
    """By the rates making spectra takes 0.4 s, and moving them 0.02 s; or there is no room for them."""
    table, how = channel_table(100), {"network_mb_s": 1e6, "store": True, "spectra_gb": None if stored else 0.0}
    prices = Prices(currency="USD", core_hour=0, put_per_1000=1, get_per_1000=1000)
    crew, settings = Crew("dask", 1, 1, 1, 100e6), small_settings(maxlag=200)
    plan = plan_job(table, settings, "s3:scedc", DAYS, crew, prices=prices, **how)  # type: ignore[arg-type]
    pairs = channel_pairs(table, settings)
    reads = cut(DaySize.of(100, len(pairs), settings, 1, 1), pairs, 100e6).channel_reads
    assert reads > 100
    assert plan.tiles > 1
    assert plan.timing
    assert plan.bill
    assert plan.sharing
    assert plan.sharing.stored == stored
    assert plan.bytes_shared == (10 * plan.size.spectra_bytes if stored else 0)
    assert plan.bytes_in == pytest.approx(plan.size.download_bytes * (1 if stored else reads / 100))
    makings = 10 * (100 if stored else reads)
    assert plan.timing.cpu_s["spectra"] == pytest.approx(makings * RATES.spectra_s)
    assert plan.timing.cpu_s["sharing"] == pytest.approx(stored * 10 * (100 + reads) * RATES.store_s)
    gets = makings + stored * 10 * reads
    assert plan.bill.requests == pytest.approx(gets + (plan.objects_out + stored * 1000) / 1000)


def test_tiles_of_a_day_are_tasks() -> None:
    made = timing(LOAD, 0.0, FOUR, 3, tiles=5)
    assert (made.workers, made.tasks) == (4, 15)
    assert made.task_s == pytest.approx((16 / 2 + 1.5) / 5)
    assert made.seconds == pytest.approx(START_S["processes"] + 4 * made.task_s)
    assert sum(made.cpu_s.values()) == pytest.approx(5 * START_CPU_S + 3 * 17.5)


@pytest.mark.usefixtures("no_trial")
def test_days_that_do_not_fit_are_planned_as_they_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[object] = []
    run = Serial.run
    monkeypatch.setattr(Serial, "run", lambda self, task, items: handed.extend(items) or run(self, task, items))
    monkeypatch.setattr("seisloom.noise.archive.SHARD_BYTES", 8 * 1024)
    monkeypatch.setattr("seisloom.noise.archive.CHUNK_BYTES", 4 * 1024)
    source, settings, days = noise_source(30, 2), small_settings(maxlag=120), ("2024-03-01", "2024-03-02")
    whole = dry_run(source.table, settings, source, tmp_path / "w", *days, Crew("serial", 1, 1, 1, 6e9))
    assert whole.tiles == 1
    assert whole.sharing is None
    cut = dry_run(source.table, settings, source, tmp_path / "w", *days, Crew("serial", 1, 1, 1, 20e6))
    assert cut.tiles > 1
    assert cut.timing
    assert cut.sharing
    correlate(source.table, settings, source, tmp_path / "w", *days, workers=1, memory_gb=0.02)
    assert len(handed) == cut.timing.tasks == 2 * cut.tiles
    assert cut.memory_bytes < whole.memory_bytes


def test_quick_days_are_put_together() -> None:
    quick = DayLoad({stage: cpu / 100 for stage, cpu in LOAD.cpu_s.items()})
    crew = Crew("dask", 4, 1, 4, 6e9)
    known, unknown, serial = Pace(quick, 0.0, None, "sds"), Pace(quick, 0.0, None, "fdsn"), Crew("serial", 1, 1, 1, 6e9)
    assert known.days_a_task(crew, 1000) == 58  # of 0.175 s: ten seconds
    assert known.days_a_task(serial, 1000) == 1
    assert unknown.days_a_task(crew, 1000) == 1
    assert replace(unknown, factor=2.0).days_a_task(crew, 1000) == 29
    made = timing(quick, 0.0, crew, 1000, together=58)
    assert made.tasks == 18
    assert made.seconds == pytest.approx(START_S["dask"] + 5 * 58 * 0.175)


def test_a_run_hands_out_what_its_plan_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days of a hundredth of a second by the rates, put together so that each of two workers has four tasks."""
    monkeypatch.setattr("seisloom.noise.job_pace.measure_rates", lambda *_: Rates(0, 1e-3, 1e-3, 1e-6, 1e-6, 1e-6, 0))
    handed: list[tuple[str, ...]] = []
    run = Processes.run
    monkeypatch.setattr(Processes, "run", lambda self, task, items: handed.extend(items) or run(self, task, items))
    source, days = SyntheticSource("stations=3,rate=4"), ("2024-03-01", "2024-03-17")
    settings = small_settings()
    how = parse_compute("processes", 2, 1)
    plan = dry_run(source.table, settings, source, tmp_path / "w", *days, Crew.of(how))
    summary = correlate(
        source.table, settings, source, tmp_path / "w", *days, compute="processes", workers=2, threads=1
    )
    assert plan.timing
    assert plan.timing.days_a_task == 2
    assert [len(batch) for batch in handed] == [2] * 8 + [1]
    assert plan.timing.tasks == len(handed)
    assert summary.totals()["pairs"] == 3
    assert summary.totals()["days_without_pairs"] == 0


@pytest.mark.usefixtures("no_trial")
def test_bytes_and_days_are_those_of_a_run(tmp_path: Path) -> None:
    source, settings, days = noise_source(5, 3), small_settings(), ("2024-03-01", "2024-03-03")
    crew = Crew("serial", 1, 2, 2, 6e9)
    before = dry_run(source.table, settings, source, tmp_path / "w", *days, crew)
    assert not (tmp_path / "w").exists()
    correlate(source.table, settings, source, tmp_path / "w", "2024-03-01", workers=1)
    there_before = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("*")}
    between = dry_run(source.table, settings, source, tmp_path / "w", *days, crew)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("*")} == there_before
    assert (between.days, between.days_done, between.timing and between.timing.tasks) == (3, 1, 2)
    assert between.basis.startswith("from finished days")
    assert between.bytes_out == pytest.approx(before.bytes_out * 2 / 3, abs=1)
    correlate(source.table, settings, source, tmp_path / "w", *days, workers=1)
    there = {item["path"]: item["size"] for item in Storage(tmp_path / "w").objects("")}
    shards = {key: n for key, n in there.items() if "/ccf/c/" in key}
    marks = [key for key in there if "/count/c/" in key or key.startswith("done/")]
    assert sum(shards.values()) <= before.bytes_out <= sum(shards.values()) + 3 * 4 * before.size.pairs
    assert len(shards) + len(marks) == before.objects_out
    after = dry_run(source.table, settings, source, tmp_path / "w", *days, crew)
    assert (after.days_to_do, after.bytes_out, after.seconds) == (0, 0, 0)


@pytest.mark.usefixtures("no_trial")
@pytest.mark.parametrize("n_days", [2, 5])
def test_bytes_of_means_are_those_of_a_run(tmp_path: Path, n_days: int) -> None:
    """Of five days, four become two means; the fifth stays."""
    source, settings = noise_source(5, n_days), small_settings(keep="stack", stack_days=2)
    days = ("2024-03-01", f"2024-03-0{n_days}")
    plan = dry_run(source.table, settings, source, tmp_path / "w", *days, Crew("serial", 1, 2, 2, 6e9))
    correlate(source.table, settings, source, tmp_path / "w", *days, workers=1)
    kept = sum(item["size"] for item in Storage(tmp_path / "w").objects("") if "/ccf/c/" in item["path"])
    assert kept <= plan.bytes_kept <= kept + n_days * 4 * plan.size.pairs
    assert plan.bytes_kept == plan.size.stacked_bytes
    by_day = dry_run(source.table, small_settings(), source, tmp_path / "v", *days, Crew("serial", 1, 2, 2, 6e9))
    assert by_day.bytes_kept == by_day.bytes_out
    assert plan.bytes_out - by_day.bytes_out == by_day.bytes_out / n_days * (n_days // 2)


@pytest.mark.usefixtures("no_trial")
def test_slices_are_the_job(tmp_path: Path) -> None:
    table, crew = channel_table(5), Crew("serial", 1, 2, 2, 6e9)
    whole = plan_job(table, small_settings(), "files:x", DAYS, crew, done=["2024-03-01"])
    parts = [
        plan_job(table, small_settings(), "files:x", DAYS, crew, done=["2024-03-01"], part=parse_slice(f"{i}/3"))
        for i in (1, 2, 3)
    ]
    for name in ("days", "days_done", "days_to_do"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    for name in ("bytes_in", "bytes_out", "objects_out"):
        assert sum(getattr(part, name) for part in parts) == pytest.approx(getattr(whole, name), abs=2)


@pytest.mark.usefixtures("no_trial")
def test_a_network_that_is_given_counts() -> None:
    table, crew = channel_table(5).assign(sample_rate_hz=20.0), Crew("dask", 10, 1, 10, 6e9)
    free = plan_job(table, small_settings(), "fdsn:X", DAYS, crew)
    slow = plan_job(table, small_settings(), "fdsn:X", DAYS, crew, network_mb_s=0.1, store=True)
    assert free.timing
    assert slow.timing
    day_in, day_out = 5 * 20 * 86_400 * 1.5 / 1e5, slow.size.written_bytes / 10 / 1e5
    writing = RATES.day(5, 10)["writing"]
    assert slow.timing.task_s - free.timing.task_s == pytest.approx(day_in - 5 * 0.4 + max(0, day_out - writing))
    assert slow.timing.limit.startswith("the network to the records")
    assert slow.basis.endswith("the network as given")
    assert plan_job(table, small_settings(), "files:x", DAYS, crew, network_mb_s=0.1).timing == free.timing


def test_another_job_s_workspace_is_refused(tmp_path: Path) -> None:
    source, crew = noise_source(3, 1), Crew("serial", 1, 1, 1, 6e9)
    correlate(source.table, small_settings(), source, tmp_path / "w", "2024-03-01", workers=1)
    with pytest.raises(WorkspaceError, match="holds another job"):
        dry_run(source.table, small_settings(maxlag=20), source, tmp_path / "w", "2024-03-01", None, crew)
    with pytest.raises(WorkspaceError, match="begins on 2024-03-01"):
        dry_run(source.table, small_settings(), source, tmp_path / "w", "2024-02-28", None, crew)
    with pytest.raises(InputError, match="even the smallest part of a day"):
        dry_run(
            source.table, small_settings(), source, tmp_path / "v", "2024-03-01", None, Crew("serial", 1, 1, 1, 1e5)
        )


class TestCommand:
    PARAMS = "fs,freqmin,freqmax,cc_step,cc_len,maxlag\n1,0.05,0.4,600,600,60\n"
    PRICES = 'currency = "EUR"\ncore_hour = 0.05\nstored_gb_month = 0.02\n'

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "params.csv").write_text(self.PARAMS)
        (tmp_path / "prices.toml").write_text(self.PRICES)
        rows = [f"XX,S{i},,LHZ,42.{i},13,0,1" for i in range(4)]
        (tmp_path / "stations.csv").write_text(
            "\n".join(["network,station,location,channel,latitude,longitude,elevation,samplerate", *rows])
        )
        return tmp_path

    def ask(self, folder: Path, *more: str) -> Any:
        return command(
            "correlate", "stations.csv", "params.csv", "--source", "fdsn:http://127.0.0.1:9", "--start", "2024-03-01",
            "--end", "2024-03-30", "--out", "w", *more, cwd=folder,
        )  # fmt: skip

    def test_it_reads_and_writes_nothing(self, folder: Path) -> None:
        """No server answers at the address of the source."""
        before = sorted(folder.iterdir())
        told = self.ask(folder, "--dry-run", "--prices", "prices.toml")
        assert told.returncode == 0, told.stderr
        lines = told.stdout.splitlines()
        assert lines[0] == "4 channels, 6 pairs, 30 days"
        assert [line.split()[0] for line in lines[1:7]] == ["in", "out", "memory", "tasks", "time", "limit"]
        assert "16 MB of records" in lines[1]  # 4 channels of 30 days at 1 Hz and 1.5 bytes a sample
        assert " EUR: computing " in told.stdout
        assert sorted(folder.iterdir()) == before

    def test_json(self, folder: Path) -> None:
        told = self.ask(folder, "--dry-run", "--json", "--compute", "dask=10.0.0.1:8786", "--workers", "5")
        assert told.returncode == 0, told.stderr
        plan = json.loads(told.stdout)
        assert plan["size"]["pairs"] == 6
        assert plan["bytes_in"] == 4 * 86_400 * 30 * 1.5
        assert plan["timing"]["workers"] == 5
        assert plan["bill"] is None

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--json",), "--json is of use with --dry-run only"),
            (("--prices", "prices.toml"), "--prices is of use with --dry-run only"),
            (("--dry-run", "--prices", "none.toml"), "none.toml: cannot read the prices"),
        ],
    )
    def test_refused(self, folder: Path, options: tuple[str, ...], words: str) -> None:
        told = self.ask(folder, *options)
        assert told.returncode == 1
        assert words in told.stderr
        assert not (folder / "w").exists()
