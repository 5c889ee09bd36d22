"""The programs that are compared: how each is run on a dataset, and its day stacks in one common form."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.datasets import DAY_S, SETTINGS, Dataset
from benchmarks.measure import WORK, thread_environment

HERE = Path(__file__).parent
N_LAG = round(2 * SETTINGS["maxlag"] * SETTINGS["fs"]) + 1
N_WINDOWS = round((DAY_S - SETTINGS["cc_len"]) / SETTINGS["cc_step"]) + 1

# Day stacks by pair of stations (A, B), lags -maxlag..maxlag, B late at positive lag.
Stacks = dict[tuple[str, str], npt.NDArray[np.floating]]


class Program(Protocol):
    """Something that turns a dataset into day stacks."""

    name: str
    notes: tuple[str, ...]

    def version(self) -> str:
        """Its release."""
        ...

    def command(self, dataset: Dataset, out: Path) -> list[str]:
        """The command that makes the day stacks in the directory ``out``, which does not exist yet."""
        ...

    def stacks(self, dataset: Dataset, out: Path) -> Stacks:
        """What that command made."""
        ...

    def peak_gb(self, dataset: Dataset) -> float:
        """Memory that it needs at least, GB."""
        ...


@dataclass
class Seisloom(Program):
    """This project's command line."""

    name: str = "seisloom"
    notes: tuple[str, ...] = ()

    def version(self) -> str:
        from seisloom import __version__

        return __version__

    def command(self, dataset: Dataset, out: Path) -> list[str]:
        return [
            sys.executable, "-m", "seisloom", "correlate", str(dataset.stations_csv), str(dataset.params_csv),
            "--source", f"files:{dataset.sds}", "--inventory", str(dataset.stationxml), "--out", str(out),
            "--start", dataset.day, "--end", dataset.day,
        ]  # fmt: skip

    def stacks(self, dataset: Dataset, out: Path) -> Stacks:
        from seisloom import open_correlations

        correlations = open_correlations(out)
        ids = zip(correlations["channel_a"].values, correlations["channel_b"].values, strict=True)
        stations = [(_station(a), _station(b)) for a, b in ids]
        return dict(zip(stations, correlations["ccf"].isel(day=0).values, strict=True))

    def peak_gb(self, dataset: Dataset) -> float:
        return 0.5


@dataclass
class Peer(Program):
    """Another program, run by a driver in its own environment."""

    name: str
    python: Path
    driver: Path
    action: str
    notes: tuple[str, ...]
    gb_per_channel: float
    gb_per_pair: float

    def version(self) -> str:
        answer = subprocess.run([self.python, self.driver, "version"], capture_output=True, text=True, check=True)
        return answer.stdout.strip()

    def command(self, dataset: Dataset, out: Path) -> list[str]:
        return [str(self.python), str(self.driver), self.action, str(self._job(dataset, out))]

    def stacks(self, dataset: Dataset, out: Path) -> Stacks:
        archive = out.with_name(f"{out.name}_stacks.npz")
        command = [*map(str, (self.python, self.driver)), "export", str(self._job(dataset, out)), str(archive)]
        subprocess.run(command, check=True, capture_output=True, env=thread_environment(1))
        with np.load(archive) as held:
            return dict(zip(map(tuple, held["pair"].tolist()), held["ccf"], strict=True))

    def peak_gb(self, dataset: Dataset) -> float:
        return 1.0 + self.gb_per_channel * dataset.n_channels + self.gb_per_pair * dataset.n_pairs

    def _job(self, dataset: Dataset, out: Path) -> Path:
        path = out.with_name(f"{out.name}_job.json")
        folders = {
            "sds": dataset.sds,
            "scedc": dataset.scedc,
            "stationxml": dataset.stationxml,
            "out": out.absolute(),
        }
        job = {name: str(folder) for name, folder in folders.items()} | {"day": dataset.day} | SETTINGS
        path.write_text(json.dumps(job, indent=1))
        return path


def noisepy(python: Path) -> Peer:
    """NoisePy: raw MiniSEED store -> cross_correlate -> Zarr store, whose entries are the day stacks."""
    notes = (
        "ends with cross_correlate: its stack step skips a single day (in NoisePy's favour)",
        f"drops the last window: {N_WINDOWS - 1} of {N_WINDOWS} (in NoisePy's favour)",
        "no zero-padding: circular correlation; seisloom pads by the maximum lag (in NoisePy's favour)",
        "autocorrelations excluded by a pair filter (in NoisePy's favour: by default it computes them too)",
        "works in double precision; whitening tapers of 100 frequencies cannot be set (in seisloom's favour)",
        "pre-filter of the response fixed at 0.9 freqmin to 1.1 freqmax (neutral)",
    )
    # Window spectra in complex128 are kept for the whole day.
    return Peer("NoisePy", python, HERE / "noisepy_day.py", "run", notes, gb_per_channel=0.06, gb_per_pair=0.0)


def msnoise(python: Path, one_process: bool = False) -> Peer:
    """MSNoise: db init, settings, populate, scan_archive, new_jobs, compute_cc -> STACKS/01/001_DAYS."""
    notes = (
        "removes poles and zeros only, FIR stages are ignored (in MSNoise's favour)",
        "resampling by decimation, which is cheaper than its default Lanczos (in MSNoise's favour)",
        "no zero-padding: circular correlation (in MSNoise's favour)",
        "whitening tapers of 100 frequencies, which cannot be set (in seisloom's favour)",
        "settings are written in one process, not one `msnoise config set` each (in MSNoise's favour)",
        "its commands are six processes, each with its own start-up; `one process` is the same work through "
        "the functions behind them",
    )
    name, action = ("MSNoise (one process)", "inside") if one_process else ("MSNoise", "run")
    # Every window of every pair is kept, in single precision, until the day is stacked.
    return Peer(name, python, HERE / "msnoise_day.py", action, notes, 0.03, gb_per_pair=N_WINDOWS * N_LAG * 4e-9)


def default_python(peer: str) -> Path:
    """The interpreter that ``python -m benchmarks.peers.setup`` makes for a peer."""
    return WORK / "peers" / peer / "bin" / "python"


def verify(stacks: Stacks, dataset: Dataset, name: str) -> None:
    """Raise where a program did not do the work: pairs missing, a wrong length, values not finite or zero."""
    if len({frozenset(pair) for pair in stacks}) != dataset.n_pairs:
        raise RuntimeError(f"{name} made {len(stacks)} pairs of {dataset.n_pairs}: its time does not count")
    for pair, stack in stacks.items():
        if stack.shape != (N_LAG,) or not np.isfinite(stack).all() or not np.any(stack):
            raise RuntimeError(f"{name}, pair {pair}: stack of shape {stack.shape} is not a usable correlation")


def agreement(a: Stacks, b: Stacks, max_shift: int = 2) -> tuple[float, int]:
    """Correlation coefficient of the stacks at the best shift, and that shift of a against b in samples:
    medians over the pairs.

    Compared in the inner part of the pass band, because the flanks outside it are each program's own. What
    is left between correct programs is how they taper and pad a window before they whiten it.
    """
    best = []
    kept = slice(max_shift, -max_shift)
    for pair, stack in a.items():
        x, y = _inner_band(stack), _inner_band(b[pair] if pair in b else b[pair[::-1]][::-1])
        r = {s: np.corrcoef(np.roll(x, -s)[kept], y[kept])[0, 1] for s in range(-max_shift, max_shift + 1)}
        shift = max(r, key=r.__getitem__)
        best.append((r[shift], shift))
    r, shift = np.median(best, axis=0)
    return float(r), int(shift)


def _station(channel_id: str) -> str:
    return ".".join(channel_id.split(".")[:2])


def _inner_band(stack: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    freqs = np.fft.rfftfreq(N_LAG, 1 / SETTINGS["fs"])
    inside = (freqs > 1.2 * SETTINGS["freqmin"]) & (freqs < 0.9 * SETTINGS["freqmax"])
    return np.fft.irfft(np.fft.rfft(stack) * inside, N_LAG)
