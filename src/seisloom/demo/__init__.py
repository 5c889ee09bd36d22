"""The demonstration: both jobs on synthetic data, whose truth is known, with everything that they make in one folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seisloom.errors import InputError

# Tells the demonstration's own folder from one that holds something of the user's.
MARK = "about-this-folder.txt"
WORKSPACE = "workspace"


def run_demo(folder: Path, say: Callable[[str], None]) -> None:
    """Run the noise job and the association job in ``folder``, and say what is done and what came of it."""
    from seisloom.demo.association import run_association
    from seisloom.demo.noise import run_noise
    from seisloom.jobs import Board
    from seisloom.storage import Storage

    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("Made by seisloom demo, which may write over everything in here.\n", encoding="utf-8")
    board = Board(Storage(folder / WORKSPACE, create=True))
    say("Noise")
    run_noise(folder, board, say)
    say("Association")
    run_association(folder / "association", board, say)
    say("Both in the browser (./run in place of seisloom, where that is not on the path):")
    say(f"     seisloom serve {folder / WORKSPACE} --open")


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else, so that nothing of the user's is written over."""
    if not folder.exists() or (folder / MARK).exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        what = "holds other files" if folder.is_dir() else "is a file"
        raise InputError(f"{folder} {what}: give the demo a folder of its own (--out)")
