"""``seisloom serve``: the app in the browser."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    workspace: Annotated[
        str, typer.Argument(help="Folder or s3://bucket/prefix for jobs and results; made where it is not there.")
    ] = "seisloom-workspace",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8642,
) -> None:
    """Open the app in the browser: map, correlation, stacking, catalogue; with a worker."""
    from seisloom.web.serve import listen
    from seisloom.web.serve import serve as run
    from seisloom.web.services import Services

    bound = listen(host, port)
    address = f"http://{host}:{bound.getsockname()[1]}"
    run(Services(workspace), bound, ready=lambda: typer.echo(address))
