"""``seisloom serve``: the app in the browser."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from seisloom.cli.service_options import ServiceOptions, WorkspaceArgument, with_service_options


@with_service_options
def serve(
    service: ServiceOptions,
    workspace: WorkspaceArgument = "seisloom-workspace",
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any other than this machine's own needs an access token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8642,
    token: Annotated[
        str | None,
        typer.Option(envvar="SEISLOOM_TOKEN", help="Access token. [default: one is made where it is needed]"),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another host name of this service, such as that of a proxy; may be repeated."),
    ] = None,
    root_path: Annotated[str, typer.Option(help="Path below which a proxy serves the app, such as /seisloom.")] = "",
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Workers that are started with the app.")] = 1,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="No worker: they run elsewhere.")] = False,
) -> None:
    """Open the app in the browser: map, correlation, stacking, catalogue; with a worker."""
    sources, limits = service.sources(), service.limits()
    from seisloom.jobs import egress
    from seisloom.web import serve as web
    from seisloom.web.services import Services
    from seisloom.web.workers import Workers

    bound = web.listen(host, port)
    token = web.needed_token(bound, token)
    egress.install(service.allow_private, sources.addresses())
    services = Services(workspace, sources, limits, token, service.stale)
    address = web.address(host, bound, root_path)
    command = [sys.executable, "-P", "-m", "seisloom", "work", workspace, "--with-parent", *service.arguments()]
    number = 0 if no_worker else workers

    def ready() -> None:
        typer.echo(f"seisloom serves {workspace} at {address}")
        if token:
            typer.echo(f"access token: {token}")
        if not number:
            typer.echo("no worker: jobs wait until one is started with seisloom work")
        typer.echo("Ctrl-C ends it; unfinished jobs go on with the next start")
        if open_browser:
            typer.launch(address)

    with Workers(command, number, services.board, typer.echo) as kept:
        services.wake = kept.wake
        web.serve(services, bound, ready, host, allow_host or (), root_path, kept.stop)
    sys.stdout.flush()
    os._exit(0)  # threads that wait for the answer of a data centre must not hold up the end
