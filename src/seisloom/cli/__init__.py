"""The command line. Thin: each command checks its arguments, calls the library, and prints.

Heavy imports happen inside the commands, so that ``seisloom --help`` answers at once.
"""

from __future__ import annotations

import sys

import typer

from seisloom import __version__
from seisloom.cli.associate import associate
from seisloom.cli.catalog import catalog, pick
from seisloom.cli.compact import compact
from seisloom.cli.demo import demo
from seisloom.cli.explain import explain
from seisloom.cli.export import export
from seisloom.cli.follow import follow
from seisloom.cli.noise import correlate, stack, stations
from seisloom.cli.phaselink import app as phaselink_app
from seisloom.cli.plot import app as plot_app
from seisloom.cli.serve import serve
from seisloom.cli.work import work
from seisloom.errors import SeisloomError
from seisloom.memory import collect_rarely

app = typer.Typer(
    name="seisloom",
    help="Ambient-noise correlation and phase association for seismic networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"seisloom {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


app.command()(stations)
app.command()(correlate)
app.command()(stack)
app.command()(compact)
app.add_typer(plot_app, name="plot")
app.command()(export)
app.command()(pick)
app.command()(catalog)
app.command()(associate)
app.command()(follow)
app.command()(explain)
app.add_typer(phaselink_app, name="phaselink")
app.command()(serve)
app.command()(work)
app.command()(demo)


def main() -> None:
    """Entry point: users' errors are printed in words, everything else keeps its traceback."""
    collect_rarely()
    try:
        app()
    except SeisloomError as error:
        typer.echo(f"seisloom: {error}", err=True)
        sys.exit(1)
