"""Run the app."""

from __future__ import annotations

import uvicorn

from seisloom.web.app import make_app
from seisloom.web.services import Services


def serve(services: Services, host: str = "127.0.0.1", port: int = 8642) -> None:
    """Serve until interrupted."""
    uvicorn.run(make_app(services), host=host, port=port, log_level="warning")
