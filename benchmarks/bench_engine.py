"""Product, inverse and write stages against this machine's own limits, by number of channels up to 1000.

Spectra of one day (189 windows of 1800 s every 450 s, 0.1-1 Hz) are synthetic, everything after them is the
command's own code: the matrix product, the inverse transforms to ±200 s at 10 Hz, and the archive of a day. The limits are
taken in the same process run (the figures are of a second day, which finds working memory in place): the rate of sgemm on all cores, the inverse FFT alone on all cores, and writing the same
bytes to plain files. Each size runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.measure import WORK, describe_machine, print_table, run_measured, thread_environment, usable_cores

SIZES = (50, 100, 200, 500, 1000)
SEED = 20190203


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks engine", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of channels")
    parser.add_argument("--memory", type=float, default=6.5, help="memory budget of the engine, GB")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(measure(options.one, options.memory * 1e9)))
        return
    print(describe_machine())
    results = {}
    for n in options.sizes:
        log = WORK / f"engine_{n}.log"
        command = [sys.executable, "-m", "benchmarks", "engine", "--one", str(n), "--memory", str(options.memory)]
        usage = run_measured(command, log, env=thread_environment(1))
        results[n] = json.loads(log.read_text().splitlines()[-1]) | {"peak_mb": usage.peak_mb}
    report(results)


def measure(n: int, memory_bytes: float) -> dict[str, float]:
    """Seconds of every stage and of its limit, for n channels and one day."""
    from seisloom.config import CorrelationSettings
    from seisloom.memory import keep_freed_memory
    from seisloom.noise.correlate import Inverse, Scratch, SpectraStack
    from seisloom.noise.plan import make_plan
    from seisloom.noise.spectra import correlation_scale

    keep_freed_memory()
    settings = CorrelationSettings()
    plan = make_plan(settings)
    pool = ThreadPoolExecutor(usable_cores())
    limits = machine_limits(plan.nfft_out, pool)
    rng = np.random.default_rng(SEED)
    # A virtual machine's host may hand out memory at its first touch and take it back when it is freed, which can cost
    # more than all else: the plain files are written before, into memory as fresh as the archive's, and after.
    fresh = plain_write(4.0 * n * (n - 1) / 2 * (2 * plan.n_half_lag + 1))
    stack = SpectraStack.empty(len(plan.weight), n, plan.n_windows, plan.n_windows, False)
    stack.valid[:] = True
    for f in range(len(plan.weight)):
        stack.right[f].real = rng.standard_normal((n, plan.n_windows), np.float32)
        stack.right[f].imag = rng.standard_normal((n, plan.n_windows), np.float32)
    inverse = Inverse.from_plan(plan, correlation_scale(settings, plan))
    pairs = np.stack(np.triu_indices(n, 1), axis=1)
    scratch = Scratch()
    run_stages(stack, pairs, inverse, pool, memory_bytes, scratch)  # the first day, which makes the working memory
    stages, checks = run_stages(stack, pairs, inverse, pool, memory_bytes, scratch)
    flops = 4.0 * n**2 * plan.n_windows * len(plan.weight)  # the symmetric half of 8 n² w f
    out = {
        "pairs": len(pairs),
        "sgemm_gflops": limits["sgemm"] / 1e9,
        "product_gflops": flops / stages["product"] / 1e9,
        "product_bytes": stack.right.nbytes + 8.0 * len(pairs) * len(plan.weight),
        "product_limit": flops / limits["sgemm"],
        "inverse_limit": len(pairs) / limits["fft"],
        "write_limit": fresh,
        "write_again": plain_write(checks["bytes"]),
        "bytes": checks["bytes"],
        "error": checks["error"],
    }
    return out | stages


def run_stages(
    stack: Any, pairs: np.ndarray, inverse: Any, pool: ThreadPoolExecutor, memory_bytes: float, scratch: Any
) -> tuple[dict[str, float], dict[str, float]]:
    """Wall seconds of product, inverse and write in one run of the engine, and the error of one pair against float64."""
    import pandas as pd

    from seisloom.noise import correlate
    from seisloom.noise.archive import ArchiveWriter, create_archive
    from seisloom.storage import Storage

    seconds = {"product": 0.0, "inverse": 0.0, "write": 0.0}
    names = {"product": "product", "invert": "inverse"}
    originals = {name: getattr(correlate, name) for name in names}
    for name, key in names.items():
        setattr(correlate, name, timed(originals[name], seconds, key))
    folder = WORK / "engine_archive"
    shutil.rmtree(folder, ignore_errors=True)
    lag = np.arange(-inverse.n_half_lag, inverse.n_half_lag + 1) / 10.0
    table = pd.DataFrame({"pair": np.arange(len(pairs))})
    group = create_archive(Storage(folder, create=True), "a.zarr", table, lag, pd.date_range("2019-02-03", periods=1))
    writer = ArchiveWriter(group, slice(0, 1))
    append = timed(writer.append, seconds, "write")
    probe, error = len(pairs) // 3, np.nan
    n_windows = stack.valid.shape[1]
    everything: list[Any] = [slice(0, n_windows)]
    began = time.perf_counter()
    for first, block in correlate.correlate_pairs(stack, pairs, inverse, everything, pool, memory_bytes, scratch):
        if first <= probe < first + len(block):
            error = deviation(stack, pairs[probe], inverse, block[probe - first, 0])
        block /= n_windows
        append(block)
    timed(writer.close, seconds, "write")()
    seconds["total"] = time.perf_counter() - began
    for name, function in originals.items():
        setattr(correlate, name, function)
    size = float(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))
    shutil.rmtree(folder)
    return seconds, {"error": error, "bytes": size}


def timed(function: Callable[..., Any], seconds: dict[str, float], key: str) -> Callable[..., Any]:
    """The function, adding the wall time of every call to ``seconds[key]``."""

    def wrapper(*arguments: Any) -> Any:
        began = time.perf_counter()
        result = function(*arguments)
        seconds[key] += time.perf_counter() - began
        return result

    return wrapper


def deviation(stack: Any, pair: np.ndarray, inverse: Any, found: np.ndarray) -> float:
    """Relative L2 error of one pair against the same sum and transform in float64."""
    a, b = (stack.right[:, c].astype(complex) for c in pair)
    spectrum = np.zeros(inverse.nfft // 2 + 1, complex)
    spectrum[inverse.first_bin : inverse.first_bin + len(a)] = (a.conj() * b).sum(axis=1)
    full = np.fft.irfft(spectrum, inverse.nfft) * inverse.nfft * inverse.scale
    wanted = np.concatenate([full[-inverse.n_half_lag :], full[: inverse.n_half_lag + 1]])
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def machine_limits(nfft: int, pool: ThreadPoolExecutor, size: int = 2048) -> dict[str, float]:
    """sgemm flops a second and inverse transforms a second, on all cores at once (best of three)."""
    import ducc0

    cores = usable_cores()
    rng = np.random.default_rng(SEED)
    square = rng.standard_normal((size, size), np.float32)
    other = rng.standard_normal((size, size), np.float32)
    outputs = [np.zeros_like(square) for _ in range(cores)]
    spectra = [np.ones((16, nfft // 2 + 1), np.complex64) for _ in range(cores)]
    lags = [np.zeros((16, nfft), np.float32) for _ in range(cores)]
    repeats = 40

    def gemm(k: int) -> None:
        np.matmul(square, other, out=outputs[k])

    def inverse(k: int) -> None:
        for _ in range(repeats):
            ducc0.fft.c2r(spectra[k], axes=(1,), lastsize=nfft, forward=False, out=lags[k])

    return {
        "sgemm": cores * 2.0 * size**3 / best(gemm, pool, cores),
        "fft": cores * 16 * repeats / best(inverse, pool, cores),
    }


def best(function: Callable[[int], None], pool: ThreadPoolExecutor, cores: int) -> float:
    times = []
    for _ in range(4):
        began = time.perf_counter()
        list(pool.map(function, range(cores)))
        times.append(time.perf_counter() - began)
    return min(times[1:])


def plain_write(size: float) -> float:
    """Seconds to write as many bytes to plain files of 16 MB."""
    folder = WORK / "engine_plain"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    chunk = os.urandom(16 * 1024 * 1024)
    began = time.perf_counter()
    for number in range(max(1, round(size / len(chunk)))):
        (folder / str(number)).write_bytes(chunk)
    elapsed = time.perf_counter() - began
    shutil.rmtree(folder)
    return elapsed


def report(results: dict[int, dict[str, float]]) -> None:
    stages = ("product", "inverse", "write")
    rows = []
    for n, r in results.items():
        limit = sum(r[f"{stage}_limit"] for stage in stages)
        spent = [f"{r[s]:.2f} / {r[f'{s}_limit']:.2f}" for s in stages]
        percent = 100 * r["product_gflops"] / r["sgemm_gflops"]
        rows.append(
            [
                n,
                f"{r['pairs']:,}",
                *spent,
                f"{r['total']:.2f}",
                f"{limit:.2f}",
                f"{r['total'] / limit:.2f}",
                f"{r['product_gflops']:.0f}",
                f"{percent:.0f} %",
                f"{r['product_bytes'] / 1000000000.0:.2f}",
                f"{r['bytes'] / 1000000000.0:.2f}",
                f"{r['peak_mb'] / 1000.0:.2f}",
                f"{r['error']:.1e}",
            ]
        )
    print("seconds of wall time: spent / limit of this machine")
    header = ["channels", "pairs", *stages, "total", "limits", "ratio", "GFLOP/s", "of sgemm"]
    print_table([*header, "GB moved", "GB written", "GB peak", "rel. error"], rows)
    again = ", ".join(f"{n}: {r['write_again']:.2f}" for n, r in results.items())
    print(f"plain files written once more, after the archive, into memory used before: {again} s")
    sizes = sorted(results)
    if len(sizes) > 1:
        for quantity in ("total", "peak_mb"):
            a, b = results[sizes[-2]][quantity], results[sizes[-1]][quantity]
            exponent = np.log(b / a) / np.log(sizes[-1] / sizes[-2])
            print(f"exponent of {quantity} from {sizes[-2]} to {sizes[-1]} channels: {exponent:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
