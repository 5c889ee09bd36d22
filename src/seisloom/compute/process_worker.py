"""A worker process of :mod:`seisloom.compute.processes`: ``python -m seisloom.compute.process_worker``.

Standard input brings pickles, the task first and then items; standard output takes the pickled answers. The process ends,
whatever it is at, when its standard input does.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
from multiprocessing.connection import Connection

from seisloom.compute.engine import Kept


def main() -> None:
    """Answer items until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other process's to act upon
    orders, answers = Connection(os.dup(0), writable=False), Connection(os.dup(1), readable=False)
    os.dup2(2, 1)  # what libraries print is no answer
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(orders, received), daemon=True).start()
    task = received.get()
    kept = Kept(lambda: pickle.loads(task)())
    while True:
        answers.send_bytes(pickle.dumps(kept.answer(pickle.loads(received.get()))))


def _receive(orders: Connection, received: queue.SimpleQueue[bytes]) -> None:
    """Take in what comes; end the process where nothing can come any more."""
    while True:
        try:
            received.put(orders.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)


if __name__ == "__main__":
    main()
