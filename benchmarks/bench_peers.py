"""CPU seconds of a whole day, MiniSEED + StationXML to day stacks, against NoisePy and MSNoise.

Every program gets the same files and the same parameters (20 Hz -> 10 Hz, windows of 1800 s every 450 s,
+-200 s, 0.1-1 Hz, response removed to velocity, whitened to one, vertical components, mean of the day). A
time counts only when the program has made every pair, all finite. README.md says how to install the others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks import measure
from benchmarks.datasets import Dataset, make_day
from benchmarks.measure import Usage, print_table, run_measured, thread_environment
from benchmarks.peers.programs import (
    Peer,
    Program,
    Seisloom,
    Stacks,
    agreement,
    default_python,
    msnoise,
    noisepy,
    verify,
)

# At least so many times less CPU than each peer, by number of channels.
GOALS = {12: 12, 50: 40, 200: 120}


@dataclass(frozen=True)
class Rates:
    """CPU seconds: a fixed part, a part for each channel and a part for each pair."""

    fixed: float
    per_channel: float
    per_pair: float

    def at(self, n_channels: int) -> float:
        return self.fixed + self.per_channel * n_channels + self.per_pair * n_channels * (n_channels - 1) / 2

    def __str__(self) -> str:
        return f"{self.fixed:.2f} s + {self.per_channel:.3f} s a channel + {self.per_pair:.4f} s a pair"


def fit_rates(cpu_s: dict[int, float]) -> Rates:
    """Rates, none negative, that fit times at three sizes or more best relative to their size."""
    from scipy.optimize import nnls

    n = np.array(sorted(cpu_s), float)
    y = np.array([cpu_s[int(k)] for k in n])
    columns = np.stack([np.ones_like(n), n, n * (n - 1) / 2], axis=1)
    return Rates(*nnls(columns / y[:, None], np.ones_like(y))[0])


@dataclass(frozen=True)
class Comparison:
    """A peer's CPU time for one size, measured or extrapolated, beside ours."""

    program: str
    channels: int
    cpu_s: float
    extrapolated: bool
    seisloom_cpu_s: float

    @property
    def ratio(self) -> float:
        return self.cpu_s / self.seisloom_cpu_s


class Bench:
    """Runs programs on datasets, checks what they made, and remembers what it cost."""

    def __init__(self, directory: Path, repeats: int) -> None:
        self.directory, self.repeats = directory, repeats
        self.usage: dict[tuple[str, int], Usage] = {}
        self.stacks: dict[tuple[str, int], Stacks] = {}

    def dataset(self, n_channels: int) -> Dataset:
        return make_day(self.directory / f"day_{n_channels}", n_channels)

    def run(self, program: Program, n_channels: int) -> None:
        """Cost of the run with the median CPU time of ``repeats``, on one BLAS thread."""
        runs = [self.once(program, n_channels, 1) for _ in range(self.repeats)]
        self.usage[program.name, n_channels] = sorted(runs, key=lambda u: u.cpu_s)[len(runs) // 2]

    def once(self, program: Program, n_channels: int, threads: int | None) -> Usage:
        """One verified run in a fresh directory."""
        dataset = self.dataset(n_channels)
        out = self.directory / "out" / f"{program.name.split()[0].lower()}_{n_channels}"
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(exist_ok=True)
        log = out.with_name(f"{out.name}.log")
        usage = run_measured(program.command(dataset, out), log, env=thread_environment(threads))
        stacks = program.stacks(dataset, out)
        verify(stacks, dataset, program.name)
        self.stacks[program.name, n_channels] = stacks
        shutil.rmtree(out)
        return usage

    def cpu(self, program: Program) -> dict[int, float]:
        return {n: u.cpu_s for (name, n), u in self.usage.items() if name == program.name}


def measure_all(bench: Bench, ours: Program, peers: Sequence[Peer], sizes: Sequence[int]) -> None:
    """All programs at every size, side by side, so that a change of the machine's load meets all of them."""
    for n in sizes:
        print(f"{n} channels ...", end="", flush=True)
        for program in (ours, *peers):
            if fits_memory(program, bench.dataset(n)):
                bench.run(program, n)
                print(f" {program.name} {bench.usage[program.name, n].cpu_s:.1f} s", end="", flush=True)
            else:
                print(f" ({program.name} left out: needs {program.peak_gb(bench.dataset(n)):.0f} GB)", end="")
        print()
    print()


def fits_memory(program: Program, dataset: Dataset) -> bool:
    return program.peak_gb(dataset) * 1e9 < 0.9 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def print_measured(bench: Bench, ours: Program) -> None:
    print("Measured, one BLAS/OpenMP thread (CPU: user + system of the command and all its children)")
    rows = []
    for (name, n), used in sorted(bench.usage.items(), key=lambda item: item[0][1]):
        ratio = used.cpu_s / bench.usage[ours.name, n].cpu_s
        r, shift = agreement(bench.stacks[name, n], bench.stacks[ours.name, n])
        cost = [f"{used.cpu_s:.2f}", f"{used.wall_s:.1f}", f"{used.peak_mb:.0f}", f"{ratio:.1f}"]
        rows.append([name, n, n * (n - 1) // 2, *cost, f"{r:.3f}", f"{shift:+d}"])
    columns = "program channels pairs CPU_s wall_s peak_MB ratio r shift"
    print_table([name.replace("_", " ") for name in columns.split()], rows)
    print("r: correlation of the stacks with seisloom's inside the pass band (median over pairs), at the best")
    print("shift in samples: +1 means that the program's correlations come one sample late\n")


def compare(bench: Bench, ours: Program, peer: Peer, targets: Sequence[int]) -> list[Comparison]:
    """CPU time against ours at the targets; where the peer was not run, from the rates fitted to its runs."""
    measured = bench.cpu(peer)
    cpu = dict(measured)
    if len(measured) >= 3:
        rates = fit_rates(measured)
        print(f"{peer.name}: {rates} (fitted to {', '.join(map(str, sorted(measured)))} channels)")
        cpu = {n: rates.at(n) for n in targets} | measured
    return [
        Comparison(peer.name, n, cpu[n], n not in measured, bench.usage[ours.name, n].cpu_s)
        for n in targets
        if n in cpu
    ]


def print_goals(results: Sequence[Comparison]) -> None:
    print()
    rows = []
    for r in results:
        goal = GOALS.get(r.channels)
        verdict = "" if goal is None else "reached" if r.ratio >= goal else "not reached"
        cpu = f"{r.cpu_s:.1f}{'*' if r.extrapolated else ''}"
        rows.append([r.program, r.channels, cpu, f"{r.seisloom_cpu_s:.2f}", f"{r.ratio:.1f}", goal or "", verdict])
    print_table(["program", "channels", "CPU s", "seisloom CPU s", "ratio", "goal", ""], rows)
    if any(r.extrapolated for r in results):
        print("* not run at this size: extrapolated from its own measured rates above (--full runs it whole)\n")


def print_wall(bench: Bench, programs: Sequence[Program], n_channels: int) -> None:
    cores = measure.usable_cores()
    print(f"Wall time with the default number of threads, {n_channels} channels, {cores} cores")
    runs = [(program.name, bench.once(program, n_channels, None)) for program in programs]
    print_table(["program", "wall s", "CPU s"], [[n, f"{u.wall_s:.1f}", f"{u.cpu_s:.1f}"] for n, u in runs])


def find_peers(options: argparse.Namespace) -> list[Peer]:
    """The peers that were asked for and are installed."""
    found = []
    for name, make in (("noisepy", noisepy), ("msnoise", msnoise)):
        python = getattr(options, f"{name}_python") or default_python(name)
        if name not in options.peers:
            continue
        if python.exists():
            found.append(make(python.absolute()))
        else:
            print(f"{name}: no interpreter {python}; make it with: python -m benchmarks.peers.setup {name}")
    return found


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__.partition("\n")[0])
    parser.add_argument("--channels", type=int, nargs="+", default=[4, 12, 50], help="sizes at which all are run")
    parser.add_argument("--targets", type=int, nargs="+", default=list(GOALS), help="sizes to compare at")
    parser.add_argument("--full", action="store_true", help="run the peers at all targets, whatever it takes")
    parser.add_argument("--peers", nargs="+", choices=["noisepy", "msnoise"], default=["noisepy", "msnoise"])
    parser.add_argument("--noisepy-python", type=Path, help="interpreter of an environment with noisepy-seis")
    parser.add_argument("--msnoise-python", type=Path, help="interpreter of an environment with msnoise")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each, of which the median counts")
    parser.add_argument("--directory", type=Path, default=measure.WORK, help="datasets and outputs go here")
    options = parser.parse_args(argv)

    ours, peers = Seisloom(), find_peers(options)
    bench = Bench(options.directory, options.repeats)
    print(measure.describe_machine())
    print(", ".join(f"{p.name} {p.version()}" for p in (ours, *peers)), "\n")
    sizes = sorted({*options.channels, *(options.targets if options.full else [])})
    measure_all(bench, ours, peers, sizes)
    for n in sorted(set(options.targets) - set(sizes)):
        bench.run(ours, n)
    smallest = min(set(sizes) & set(options.targets), default=sizes[0])
    single = [msnoise(p.python, one_process=True) for p in peers if p.name == "MSNoise"]
    for variant in single:
        bench.run(variant, smallest)
    print_measured(bench, ours)
    results = [c for peer in (*peers, *single) for c in compare(bench, ours, peer, options.targets)]
    print_goals(results)
    print_wall(bench, [ours, *peers], smallest)
    for peer in peers:
        print(f"{peer.name}: what could not be matched")
        print("\n".join(f"  - {note}" for note in peer.notes))
    (options.directory / "peers.json").write_text(
        json.dumps([asdict(r) | {"ratio": r.ratio} for r in results], indent=1)
    )
