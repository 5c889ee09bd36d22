"""The errors that users see: each names the offending value, where it came from, and what to do."""

from __future__ import annotations

import traceback
from collections.abc import Sequence


class SeisloomError(Exception):
    """Base of every error that is the user's to resolve; the command line prints it without a traceback."""


class InputError(SeisloomError, ValueError):
    """A file, table or argument cannot be used as it is."""


class SettingsError(InputError):
    """One or more settings contradict one another or are out of range.

    ``faults`` holds one sentence for each, so that all can be mended at once.
    """

    def __init__(self, faults: Sequence[str], origin: str = "settings") -> None:
        self.faults = list(faults)
        self.origin = origin
        listing = "\n".join(f"  - {fault}" for fault in self.faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"{origin}: {count}\n{listing}")


class SourceError(SeisloomError, OSError):
    """A waveform or metadata source failed (network, server, permission, unreadable file)."""

    lasting = False
    """True where asking again would not help, such as for restricted data."""


class NoDataError(SourceError):
    """The source answered, and holds nothing for this request."""


class WorkspaceError(SeisloomError):
    """A workspace cannot be used: it belongs to another job, another version, or is damaged."""


class MissingExtraError(SeisloomError, ImportError):
    """An optional dependency is needed; the message gives the pip command."""


def described(error: Exception) -> str:
    """An error that nobody foresaw in a line: what it is, and where in the code."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
