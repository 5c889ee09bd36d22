"""What a worker of our own Dask cluster does first: Ctrl-C is for the process that started it to act upon."""

from __future__ import annotations

import signal
import threading

if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
