"""What benchmarks measure is what a command takes, not what the benchmark has."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks.measure import CommandFailed, run_measured


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_memory_and_cpu_are_those_of_the_command(tmp_path: Path) -> None:
    mine = np.ones(50_000_000)  # 400 MB
    small = run_measured(python("pass"), tmp_path / "log")
    large = run_measured(python("a = bytearray(b'x') * 200_000_000"), tmp_path / "log")
    assert small.peak_mb < 50 < mine.nbytes / 1e6
    assert 200 < large.peak_mb < 250
    busy = run_measured(
        python("import time\nwhile time.process_time() < 0.5: pass\nprint('done')"), tmp_path / "busy.log"
    )
    assert 0.5 <= busy.cpu_s < 1.0
    assert busy.wall_s >= busy.cpu_s - 0.1
    assert (tmp_path / "busy.log").read_text() == "done\n"


def test_workers_count(tmp_path: Path) -> None:
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', 'a = bytearray(b\"x\") * 100_000_000'])"
    assert run_measured(python(code), tmp_path / "log").peak_mb > 100


def test_failures_end_with_what_was_printed(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"(?s)exit status 3 after .*no luck"):
        run_measured(python("print('no luck'); raise SystemExit(3)"), tmp_path / "log")
    with pytest.raises(CommandFailed, match="exit status -9"):
        run_measured(python("while True: pass"), tmp_path / "log", cpu_limit_s=1)


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    sign = tmp_path / "alive"
    with pytest.raises(CommandFailed, match="exit status -9"):
        run_measured(
            python(f"import time\nwhile True:\n    open({str(sign)!r}, 'a').write('x'); time.sleep(0.05)"),
            tmp_path / "log", timeout_s=3.0,
        )  # fmt: skip
    at_end = sign.stat().st_size
    time.sleep(0.3)
    assert sign.stat().st_size == at_end
