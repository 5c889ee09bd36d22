"""Object stores: who may use them, how long they are waited for, and what their failures mean."""

from __future__ import annotations

from seisloom.stores.failures import FAILURES, explain, passes
from seisloom.stores.patience import Limits, Patience
from seisloom.stores.s3 import open_s3

__all__ = ["FAILURES", "Limits", "Patience", "explain", "open_s3", "passes"]
