"""The demonstration's jobs stand on the board of a workspace, so that the app shows what came of them."""

from __future__ import annotations

from itertools import count

from seisloom.errors import InputError
from seisloom.jobs import Board, Claim, Request

WORKER = "demo"


def begin(board: Board, name: str, request: Request) -> Claim:
    """The job of that name, new or to be done again, in the hands of this process.

    InputError where somebody else works at it.
    """
    board.release(WORKER)  # an earlier run that was interrupted
    known = board.everything()
    job_id = next(i for i in (f"{name}-{n}" for n in count(1)) if i not in known or known[i].state != "deleted")
    if job_id not in known:
        board.submit(request.kind, request.name, request.files(), job_id)
    elif known[job_id].state in ("done", "failed", "cancelled"):
        board.retry(job_id)
    claim = board.claim(WORKER, job_id)
    if claim is None:
        raise InputError(f"job {job_id} of {board.storage.url} is in the hands of a worker: end it first")
    return claim
