"""What a command costs (CPU seconds with all its children, wall, memory), on which machine; plain tables."""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WORK = Path(__file__).parent / ".work"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Usage:
    """Cost of a finished process: CPU and wall in s, peak resident memory of its largest process in MB."""

    cpu_s: float
    wall_s: float
    peak_mb: float


# Runs a command and prints what it cost. Linux counts what a process had at its start as its own, and that is the memory of
# whoever started it: so this, which has none, stands between the benchmark, which may have gigabytes, and the command.
_LAUNCHER = """
import json, os, subprocess, sys
answer = os.fdopen(int(sys.argv[1]), "w")
_, status, used = os.wait4(subprocess.Popen(sys.argv[2:]).pid, 0)
json.dump([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss], answer)
"""


class CommandFailed(RuntimeError):
    """A measured command failed; the message ends with what it printed last."""


def run_measured(
    command: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    cpu_limit_s: float | None = None,
) -> Usage:
    """Run a command to its end, output to ``log``, and return what it cost from start-up to exit.

    It is killed after ``timeout_s`` of wall time; the kernel ends each of its processes after ``cpu_limit_s``.

    CPU is user + system time as the kernel accounts it to the process and to every descendant that was waited
    for (wait4(2)): interpreter start-up, threads and worker processes are all in it. Raises CommandFailed.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(cpu_limit_s or 0.0),) * 2)

    log.parent.mkdir(parents=True, exist_ok=True)
    answer, told = os.pipe()
    with log.open("wb") as sink, open(answer) as source:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", _LAUNCHER, str(told), *(str(part) for part in command)], stdout=sink,
            stderr=subprocess.STDOUT, cwd=cwd, env=env, pass_fds=[told], process_group=0,
            preexec_fn=limit if cpu_limit_s else None,
        )  # fmt: skip
        os.close(told)
        guard = threading.Timer(timeout_s, os.killpg, (process.pid, signal.SIGKILL)) if timeout_s else None
        if guard:
            guard.start()
        try:
            said = source.read()
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            wall = time.perf_counter() - began
            if guard:
                guard.cancel()
    code, cpu_s, peak = json.loads(said) if said else (process.returncode, 0.0, 0)
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise CommandFailed(f"exit status {code} after {wall:.0f} s: {command}\n{tail}")
    # ru_maxrss counts kilobytes on Linux and bytes on macOS.
    return Usage(cpu_s, wall, peak / (1e6 if sys.platform == "darwin" else 1e3))


def thread_environment(threads: int | None) -> dict[str, str]:
    """The environment with BLAS and OpenMP held to ``threads``, or at their defaults for None; compiled Python is kept."""
    env = {key: value for key, value in os.environ.items() if key not in (*THREAD_VARIABLES, "PYTHONDONTWRITEBYTECODE")}
    if threads is not None:
        env |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    return env


def describe_machine() -> str:
    """Processor, usable cores, memory, operating system and Python in one line."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{_processor()}, {usable_cores()} cores, {memory_gb:.0f} GB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns padded to their widest cell; those with numbers in them stand to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [any(cell[:1] in set("0123456789+-") for cell in column[1:] if cell) for column in columns]
    for number, row in enumerate(cells):
        aligned = zip(row, widths, numeric, strict=True)
        print("  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in aligned).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print(flush=True)
