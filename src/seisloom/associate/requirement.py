"""What association by a network needs beyond the package itself."""

from __future__ import annotations

from typing import Any

from seisloom.errors import MissingExtraError


def require_torch() -> Any:
    """The module torch; MissingExtraError without it."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("association by PhaseLink needs PyTorch: pip install 'seisloom[link]'") from error
    return torch
