"""Makes the environments of the other programs: ``python -m benchmarks.peers.setup [noisepy] [msnoise] [pyocto] [gamma]``.

Each is a virtual environment under benchmarks/.work/peers/, with every package at the version that was found to work
(noisepy.txt, msnoise.txt, pyocto.txt, gamma.txt). NoisePy and MSNoise need Python 3.10, the pins of PyOcto and GaMMA 3.11;
what else had to be pinned is said in those files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.programs import default_python

HERE = Path(__file__).parent
DRIVERS = {
    "noisepy": "noisepy_day.py",
    "msnoise": "msnoise_day.py",
    "pyocto": "pyocto_association.py",
    "gamma": "gamma_association.py",
}
PYTHON = {"noisepy": (3, 10), "msnoise": (3, 10), "pyocto": (3, 11), "gamma": (3, 11)}


def make_environment(peer: str, base_python: str) -> Path:
    """The interpreter of a fresh environment with ``peer`` installed; CalledProcessError where that fails."""
    python = default_python(peer)
    root = python.parent.parent
    subprocess.run([base_python, "-m", "venv", "--clear", str(root)], check=True)
    requirements = HERE / f"{peer}.txt"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], check=True)
    subprocess.run([str(python), str(HERE / DRIVERS[peer]), "version"], check=True)
    return python


def is_python(command: str, version: tuple[int, int]) -> bool:
    """Whether ``command`` runs and is Python of a version."""
    question = f"import sys; sys.exit(sys.version_info[:2] != {version})"
    try:
        return subprocess.run([command, "-c", question], capture_output=True).returncode == 0
    except OSError:
        return False


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.setup", description="Install the peers.")
    parser.add_argument("peers", nargs="*", help=f"which: {', '.join(DRIVERS)} (default: all)")
    parser.add_argument("--python", help="the interpreter to use (default: python3.10 or python3.11, as each needs)")
    options = parser.parse_args(argv)
    unknown = set(options.peers) - set(DRIVERS)
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(DRIVERS)}")
    peers = options.peers or list(DRIVERS)
    base = {peer: options.python or "python{}.{}".format(*PYTHON[peer]) for peer in peers}
    for peer in peers:
        if not is_python(base[peer], PYTHON[peer]):
            version = "{}.{}".format(*PYTHON[peer])
            parser.error(f"{base[peer]} is not a working Python {version}, which {peer} needs; give one with --python")
    for peer in peers:
        print(f"{peer}: {make_environment(peer, base[peer])}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
