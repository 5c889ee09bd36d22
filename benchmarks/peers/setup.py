"""Makes the environments of the other programs: ``python -m benchmarks.peers.setup [noisepy] [msnoise]``.

Each is a virtual environment of Python 3.10 under benchmarks/.work/peers/, with every package at the version that
was found to work (noisepy.txt, msnoise.txt). Both need Python 3.10; what else had to be pinned is said in those
files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.programs import default_python

HERE = Path(__file__).parent
PEERS = ("noisepy", "msnoise")
DRIVERS = {"noisepy": "noisepy_day.py", "msnoise": "msnoise_day.py"}


def make_environment(peer: str, base_python: str) -> Path:
    """The interpreter of a fresh environment with ``peer`` installed; CalledProcessError where that fails."""
    python = default_python(peer)
    root = python.parent.parent
    subprocess.run([base_python, "-m", "venv", "--clear", str(root)], check=True)
    requirements = HERE / f"{peer}.txt"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], check=True)
    subprocess.run([str(python), str(HERE / DRIVERS[peer]), "version"], check=True)
    return python


def is_python_310(command: str) -> bool:
    """Whether ``command`` runs and is Python 3.10."""
    question = "import sys; sys.exit(sys.version_info[:2] != (3, 10))"
    try:
        return subprocess.run([command, "-c", question], capture_output=True).returncode == 0
    except OSError:
        return False


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.setup", description="Install the peers.")
    parser.add_argument("peers", nargs="*", help=f"which: {', '.join(PEERS)} (default: all)")
    parser.add_argument("--python", default="python3.10", help="a Python 3.10 interpreter")
    options = parser.parse_args(argv)
    unknown = set(options.peers) - set(PEERS)
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if not is_python_310(options.python):
        parser.error(f"{options.python} is not a working Python 3.10, which both need; give one with --python")
    for peer in options.peers or PEERS:
        print(f"{peer}: {make_environment(peer, options.python)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
