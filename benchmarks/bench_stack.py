"""Stacking: seisloom against StackMaster and NoisePy on one matrix, and against this machine's FFT rate.

    python -m benchmarks.bench_stack [--rows 500] [--lags 8001] [--noisepy-python ENV/bin/python]

StackMaster runs in this process if it can be imported (``pip install stackmaster``). NoisePy needs Python 3.10, so
its functions run in that interpreter (``pip install noisepy-seis==0.9.93``) within the same invocation. Everybody
gets the same float32 matrix and one thread; times are those of the function alone, the least of a few runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ducc0
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measure import describe_machine, print_table, thread_environment
from seisloom.noise.stack import stack

# Both peers iterate at most 11 times, do not scale the beam, and compare whole rows.
ROBUST = {"tolerance": 1e-5, "max_iterations": 11, "unit_beam": False}
OURS = {"pws": {}, "robust": ROBUST, "nroot": {}, "selective": {"max_iterations": 50}}
NOISEPY_WORKER = """
import json, sys, time
import numpy as np
from noisepy.seis import noise_module as m
folder, repeat = sys.argv[1], int(sys.argv[2])
data = np.load(f"{folder}/data.npy")
calls = {
    "pws": lambda d: m.pws(d, 1.0),
    "robust": lambda d: m.robust_stack(d, 1e-5)[0],
    "nroot": lambda d: m.nroot_stack(d, 2),
}
for name, call in calls.items():
    times = []
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        result = call(data)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    np.save(f"{folder}/{name}.npy", result)
    print(json.dumps([name, *min(times)]), flush=True)
"""


@dataclass(frozen=True)
class Timing:
    """Least CPU seconds of some runs, the wall seconds of that run, and the result."""

    cpu_s: float
    wall_s: float
    result: np.ndarray


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--lags", type=int, default=8001)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--noisepy-python", help="interpreter of an environment with noisepy-seis")
    args = parser.parse_args(argv)
    data = correlations(args.rows, args.lags, np.random.default_rng(1))
    print(f"{describe_machine()}; {args.rows} x {args.lags} float32, one thread\n")
    with threadpool_limits(1):
        ours = {name: measure(lambda d, n=name: stack(d, n, **OURS[n]), data, args.repeat) for name in OURS}
        print_ours(data, ours, args.repeat)
        peers = dict(peer_timings(data, args))
    if peers:
        print_peers(peers, ours)


def correlations(rows: int, lags: int, rng: np.random.Generator) -> np.ndarray:
    """A dispersed arrival in band-limited noise, a tenth of the rows ten times as loud and without the arrival."""
    t = np.arange(lags) - lags // 2
    signal = np.exp(-(((np.abs(t) - 0.2 * lags) / 60) ** 2)) * np.cos(0.6 * t + 1e-4 * t**2)
    noise = rng.standard_normal((rows, lags))
    noise = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 2, axis=1)
    bad = rng.random(rows) < 0.1
    return (np.where(bad[:, None], 10 * noise, signal + 0.5 * noise)).astype(np.float32)


def measure(call: Callable[[np.ndarray], np.ndarray], data: np.ndarray, repeat: int) -> Timing:
    """Time a stacking function; the first run warms up and does not count."""
    result = call(data)
    times = []
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        call(data)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    return Timing(*min(times), result)


def print_ours(data: np.ndarray, ours: dict[str, Timing], repeat: int) -> None:
    """Times, float32 errors, and how much of the phase-weighted stack is FFT."""
    rows = []
    for name, timing in ours.items():
        reference = stack(data.astype(np.float64), name, **OURS[name])
        error = np.linalg.norm(timing.result - reference) / np.linalg.norm(reference)
        rows.append([name, *milliseconds(timing), f"{error:.1e}"])
    print_table(["seisloom", "CPU ms", "wall ms", "float32 error (L2)"], rows)
    nfft = ducc0.fft.good_size(data.shape[1], True)
    fft = measure(lambda d: transform_there_and_back(d, nfft), data, repeat)
    share = fft.cpu_s / ours["pws"].cpu_s
    print(f"two real FFTs of length {nfft} for each row: {1e3 * fft.cpu_s:.1f} ms, {share:.0%} of pws\n")


def print_peers(peers: dict[tuple[str, str], Timing], ours: dict[str, Timing]) -> None:
    """Times of the peers over ours, and the largest difference of the results over their peak."""
    rows = []
    for (peer, name), timing in peers.items():
        difference = np.abs(timing.result - ours[name].result).max() / np.abs(timing.result).max()
        ratio = timing.cpu_s / ours[name].cpu_s
        rows.append([name, peer, *milliseconds(timing), f"{ratio:.1f}", f"{difference:.1e}"])
    print_table(["method", "peer", "CPU ms", "wall ms", "times seisloom's CPU", "difference / peak"], rows)


def transform_there_and_back(data: np.ndarray, nfft: int) -> np.ndarray:
    """The transforms that a Hilbert transform of every row needs, in blocks of 64 rows, and nothing else."""
    block = np.zeros((64, nfft), np.float32)
    for start in range(0, len(data), len(block)):
        some = block[: len(data) - start]
        spectrum = ducc0.fft.r2c(some, axes=(1,))
        ducc0.fft.c2r(spectrum, axes=(1,), lastsize=nfft, forward=False, inorm=2)
    return block


def peer_timings(data: np.ndarray, args: argparse.Namespace) -> Iterator[tuple[tuple[str, str], Timing]]:
    """((peer, method), timing) of the peers that are installed; says how to install the others."""
    try:
        from stackmaster import core
    except ImportError as error:
        print(f"StackMaster left out ({error}): pip install stackmaster")
    else:
        whole = [0, data.shape[1]]  # their default leaves the last sample out
        calls: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "pws": core.pws,
            "robust": lambda d: core.robust(d, epsilon=1e-5, maxstep=10, win=whole),
            "nroot": core.nroot,
            "selective": lambda d: core.selective(d, cc_min=0.0, epsilon=0.0, maxstep=49, win=whole),
        }
        for name, call in calls.items():
            yield ("StackMaster", name), measure(call, data, max(2, args.repeat // 2))
    if not args.noisepy_python:
        print(
            "NoisePy left out: pip install noisepy-seis==0.9.93 under Python 3.10, then --noisepy-python ENV/bin/python"
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "data.npy", data)
        command = [args.noisepy_python, "-c", NOISEPY_WORKER, folder, str(max(3, args.repeat // 2))]
        # Its packages are its own: what PYTHONPATH adds here is for this interpreter.
        env = {k: v for k, v in thread_environment(1).items() if k != "PYTHONPATH"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"NoisePy failed in {args.noisepy_python}:\n{done.stderr[-2000:]}")
        for line in done.stdout.splitlines():
            name, cpu, wall = json.loads(line)
            yield ("NoisePy", name), Timing(cpu, wall, np.load(Path(folder) / f"{name}.npy"))


def milliseconds(timing: Timing) -> tuple[str, str]:
    return f"{1e3 * timing.cpu_s:.1f}", f"{1e3 * timing.wall_s:.1f}"


if __name__ == "__main__":
    main()
