"""How large a job may be: set by whoever runs the service, checked where jobs are put and again where they are done."""

from __future__ import annotations

from dataclasses import dataclass

from seisloom.errors import InputError


class LimitError(InputError):
    """A job is larger than the operator allows."""


@dataclass(frozen=True)
class Limits:
    """Largest job, and largest upload."""

    channels: int = 2000
    pairs: int = 500_000
    days: int = 3700
    picks: int = 5_000_000
    train_minutes: float = 60.0
    upload_mb: float = 200.0

    def check(self, **sizes: float) -> None:
        """LimitError that names every size (``channels=...``) beyond its limit, with both numbers."""
        words = {"train_minutes": "minutes of training", "upload_mb": "MB"}
        over = [
            f"{size:,g} {words.get(name, name)} (at most {getattr(self, name):,g})"
            for name, size in sizes.items()
            if size > getattr(self, name)
        ]
        if over:
            raise LimitError(f"the job is too large: {', '.join(over)}")
