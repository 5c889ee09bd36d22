"""What correlations take and how fast they are read: one pair over a year, compression, a folder against S3."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.measure import WORK, describe_machine, print_table
from seisloom import correlate, open_correlations, open_source, stack_correlations
from seisloom.config import CorrelationSettings
from seisloom.noise.archive import ArchiveWriter, create_archive
from seisloom.noise.compaction import compact, rounded
from seisloom.noise.pairs import channel_pairs, pair_table
from seisloom.stations import channel_ids, validate
from seisloom.storage import Storage
from seisloom.waveforms import ChannelQuery
from seisloom.waveforms.base import DAY_NS

PARTS = ("pair", "bits", "s3")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks storage", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--channels", type=int, default=142, help="of the archive of `pair`; 142 give 10,011 pairs")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--lags", type=int, default=801)
    options = parser.parse_args(argv)
    print(describe_machine(), flush=True)
    if "pair" in options.only:
        one_pair(options.channels, options.days, options.lags)
    if "bits" in options.only:
        compression()
    if "s3" in options.only:
        folder_and_s3()


# --- one pair over a year ---


def one_pair(n_channels: int, n_days: int, n_lag: int) -> None:
    """Read single pairs at random from a fresh dataset, before and after compaction."""
    WORK.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="storage-", dir=WORK))
    try:
        n_pairs = _archive(folder, n_channels, n_days, n_lag)
        size = n_pairs * n_days * n_lag * 4
        print(f"\none pair x {n_days} days x {n_lag} lags of {n_pairs:,} pairs ({size / 1e9:.1f} GB)", flush=True)
        rows = [["by day", *_reads(folder, n_pairs), ""]]
        for replace in (False, True):
            began, cpu = time.perf_counter(), time.process_time()
            compact(str(folder), replace)
            took = f"{time.perf_counter() - began:.0f} s, {time.process_time() - cpu:.0f} CPU s"
            rows.append(
                ["by pair", *_reads(folder, n_pairs), took] if not replace else ["days removed", "", "", "", took]
            )
        print_table(["", "median, s", "largest, s", "after dropping caches, s", "compaction"], rows)
        held = sum(p.stat().st_size for p in (folder / "by_pair").rglob("*") if p.is_file())
        print(f"by pair, lossless: {held / size:.2f} of the size", flush=True)
    finally:
        shutil.rmtree(folder)


def _archive(folder: Path, n_channels: int, n_days: int, n_lag: int) -> int:
    """Finished days of noise, as a job leaves them; the number of pairs."""
    place = np.arange(n_channels)
    codes = {"network": "XX", "station": [f"S{i:03d}" for i in place], "location": "", "channel": "MHZ"}
    table = validate(pd.DataFrame(codes | {"latitude": 42 + 0.01 * place, "longitude": 13 + 0.01 * place}))
    pairs = pair_table(table, channel_pairs(table, CorrelationSettings()))
    days = pd.date_range("2024-01-01", periods=n_days, unit="ns")
    storage, rng = Storage(folder, create=True), np.random.default_rng(1)
    group = create_archive(storage, "correlations.zarr", pairs, (np.arange(n_lag) - n_lag // 2) / 4.0, days)
    noise = rng.standard_normal((len(pairs), 1, n_lag)).astype(np.float32)
    for number, day in enumerate(days):
        writer = ArchiveWriter(group, slice(number, number + 1))
        writer.append(np.roll(noise, number, axis=0))
        writer.close()
        group["count"][:, number] = np.ones(len(pairs), np.int32)
        storage.put(f"done/{day:%Y-%m-%d}.json", b"{}")
    return len(pairs)


def _reads(folder: Path, n_pairs: int, n: int = 20) -> list[str]:
    """Median and largest time to open the workspace and read a pair, and the median from the disk itself."""
    rng = np.random.default_rng(2)

    def read() -> float:
        began = time.perf_counter()
        values = open_correlations(folder)["ccf"].isel(pair=int(rng.integers(n_pairs))).values
        took = time.perf_counter() - began
        assert np.isfinite(values).all()
        return took

    read()
    warm = [read() for _ in range(n)]
    cold = [read() for _ in range(5) if _drop_caches()]
    return [f"{np.median(warm):.3f}", f"{max(warm):.3f}", f"{np.median(cold):.3f}" if cold else "not root"]


def _drop_caches() -> bool:
    try:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


# --- compression ---


def compression() -> None:
    """Correlations of a diffuse field, as a job of default settings makes them."""
    from numcodecs import Blosc

    ccf = np.ascontiguousarray(_correlations())
    mb = ccf.nbytes / 1e6
    print(
        f"\ncompression of {ccf.shape[0]} pairs x {ccf.shape[1]} days x {ccf.shape[2]} lags ({mb:.1f} MB)", flush=True
    )
    rows = []
    for bits in (None, 12, 10, 9, 8, 7):
        kept = ccf if bits is None else rounded(ccf.copy(), bits)
        errors = [f"{_largest(kept, ccf):.1e}", f"{_rms(kept, ccf):.1e}", f"{_rms(kept.mean(1), ccf.mean(1)):.1e}"]
        for name, shuffle in (("shuffle", Blosc.SHUFFLE), ("bitshuffle", Blosc.BITSHUFFLE)):
            codec, blocks = Blosc("zstd", 1, shuffle), [np.ascontiguousarray(pair) for pair in kept]
            encode, encoded = _timed(lambda codec=codec, blocks=blocks: [codec.encode(b) for b in blocks])
            decode, _ = _timed(lambda codec=codec, encoded=encoded: [codec.decode(e) for e in encoded])
            ratio = ccf.nbytes / sum(map(len, encoded))
            row = [bits or "all", name, f"{ratio:.2f}", f"{mb / encode:.0f}", f"{mb / decode:.0f}", *errors]
            rows.append(row)
    header = [
        "bits kept",
        "zstd after",
        "ratio",
        "encode, MB/s",
        "decode, MB/s",
        "largest error",
        "rms",
        "rms of the mean",
    ]
    print_table(header, rows)


def _correlations() -> npt.NDArray[np.float32]:
    source = open_source("synthetic:stations=16,rate=20,seed=5")
    with tempfile.TemporaryDirectory() as folder:
        settings = CorrelationSettings(response="none")
        correlate(source.channels(ChannelQuery()), settings, source, folder, "2024-03-01", "2024-03-03")
        return np.asarray(open_correlations(folder)["ccf"].values)


def _timed(act: Callable[[], list[bytes]], n: int = 5) -> tuple[float, list[bytes]]:
    """CPU seconds of the best of n, and what it gives."""
    best, made = np.inf, []
    for _ in range(n):
        began = time.process_time()
        made = act()
        best = min(best, time.process_time() - began)
    return float(best), made


def _largest(kept: npt.NDArray, whole: npt.NDArray) -> float:
    return float(np.nanmax(np.abs(kept.astype(float) / whole - 1)))


def _rms(kept: npt.NDArray, whole: npt.NDArray) -> float:
    return float(np.sqrt(np.mean((kept.astype(float) - whole) ** 2) / np.mean(whole.astype(float) ** 2)))


# --- a folder against S3 ---


def folder_and_s3() -> None:
    """The same job on a folder and on Ceph (in memory, on this machine); its daemons' CPU seconds are not counted."""
    from tests.object_stores import BUCKET, KEY, SECRET, running_ceph, s3_client

    source = open_source("synthetic:stations=40,rate=4,seed=5")
    channels = source.channels(ChannelQuery())
    settings = CorrelationSettings(fs=4, response="none")
    for day in ("2024-03-01", "2024-03-02", "2024-03-03"):  # made once, so that making them does not count
        for name in channel_ids(channels):
            source.fetch(name, pd.Timestamp(day).value, pd.Timestamp(day).value + DAY_NS)

    def job(url: str) -> dict[str, tuple[float, float]]:
        took = {}
        for name, act in {
            "correlate, 3 days": lambda: correlate(channels, settings, source, url, "2024-03-01", "2024-03-03"),
            "correlate again, nothing to do": lambda: correlate(
                channels, settings, source, url, "2024-03-01", "2024-03-03"
            ),
            "stack (pws)": lambda: stack_correlations(url, "pws"),
            "read all": lambda: open_correlations(url)["ccf"].values,
            "read a pair": lambda: open_correlations(url)["ccf"][100].values,
        }.items():
            began, cpu = time.perf_counter(), time.process_time()
            act()
            took[name] = (time.perf_counter() - began, time.process_time() - cpu)
        return took

    with tempfile.TemporaryDirectory(prefix="ceph-") as folder, running_ceph(Path(folder)) as url:
        s3_client(url).create_bucket(Bucket=BUCKET)
        environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": url}
        with _environment(environment), tempfile.TemporaryDirectory() as place:
            job(f"{place}/first")  # imports, threads
            rounds = [(job(f"{place}/{n}"), job(f"s3://{BUCKET}/{n}")) for n in range(3)]
    print(
        f"\nfolder against S3 (Ceph radosgw), {len(channels)} channels, {len(channels) * (len(channels) - 1) // 2} pairs"
    )
    rows = []
    for name in rounds[0][0]:
        here, there = (np.median([r[side][name] for r in rounds], axis=0) for side in (0, 1))
        rows.append([name, *(f"{x:.2f}" for x in (*here, *there)), f"{there[0] / here[0]:.2f}"])
    print_table(["", "folder: wall, s", "CPU, s", "S3: wall, s", "CPU, s", "ratio of wall"], rows)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
