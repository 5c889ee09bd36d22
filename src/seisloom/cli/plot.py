"""``seisloom plot``: figures of a workspace, written as .png, .pdf or .svg."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seisloom.errors import WorkspaceError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

app = typer.Typer(help="Figures: correlogram, record section, virtual shot, station map.", no_args_is_help=True)

WorkspaceArgument = Annotated[str, typer.Argument(metavar="WORKSPACE", help="Workspace that correlate has written.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Figure to write: .png, .pdf or .svg.")]
StackOption = Annotated[
    str | None, typer.Option(help="Name of the stack. [default: the newest; without any, the mean of all days]")
]
ComponentOption = Annotated[
    str | None, typer.Option(help="Component pair, e.g. ZZ or RT. [default: the only one there is]")
]
LagOption = Annotated[str | None, typer.Option(help="Largest lag, s, or a range FROM,TO. [default: all]")]
BandOption = Annotated[str | None, typer.Option(help="Pass band LOW,HIGH, Hz. [default: no filter]")]
VelocityOption = Annotated[str, typer.Option(help="Velocities of the arrival lines, km/s; '' for none.")]
SidesOption = Annotated[str, typer.Option(help="both, causal (positive lags) or folded (mean of both).")]
KindOption = Annotated[str, typer.Option(help="wiggles, image (of distance bins), or auto: by the number of pairs.")]
DpiOption = Annotated[
    float, typer.Option(min=20, max=2400, help="Dots per inch of .png and of images in .pdf and .svg.")
]
TitleOption = Annotated[str | None, typer.Option(help="Title. [default: what is drawn]")]


@app.command()
def correlogram(
    workspace: WorkspaceArgument,
    pair: Annotated[str, typer.Option(help="NET.STA_NET.STA or NET.STA.LOC.CHA_NET.STA.LOC.CHA, in either order.")],
    out: OutOption,
    component: ComponentOption = None,
    lag: LagOption = None,
    band: BandOption = None,
    scale_rows: Annotated[bool, typer.Option("--scale-rows", help="Scale each day to its largest value.")] = False,
    velocities: VelocityOption = "2,3,4",
    dpi: DpiOption = 200.0,
    title: TitleOption = None,
) -> None:
    """Time against lag of one pair, with the stack on top."""
    from seisloom.noise.archive import open_correlations
    from seisloom.noise.select import select_pair
    from seisloom.plot.correlations import correlogram as draw
    from seisloom.plot.style import check_target, save

    check_target(out)
    look = _look(lag, band, velocities, title)
    days = select_pair(open_correlations(workspace), pair, component)
    save(draw(days, scale_rows=scale_rows, **look), out, dpi)
    typer.echo(f"correlogram written to {out}")


@app.command()
def record_section(
    workspace: WorkspaceArgument,
    out: OutOption,
    stack: StackOption = None,
    component: ComponentOption = None,
    lag: LagOption = None,
    band: BandOption = None,
    velocities: VelocityOption = "2,3,4",
    sides: SidesOption = "both",
    kind: KindOption = "auto",
    bin_km: Annotated[float | None, typer.Option(help="Average pairs in distance bins this wide, km.")] = None,
    dpi: DpiOption = 200.0,
    title: TitleOption = None,
) -> None:
    """Correlations of all pairs against distance, with velocity lines."""
    from seisloom.noise.select import select_component
    from seisloom.plot.sections import record_section as draw
    from seisloom.plot.style import check_target, save

    check_target(out)
    look = _look(lag, band, velocities, title) | {"sides": sides, "kind": kind}
    stacks = _stacks(workspace, stack)
    stacks = select_component(stacks, component) if component else stacks
    save(draw(stacks, bin_km=bin_km, **look), out, dpi)
    typer.echo(f"record section written to {out}")


@app.command()
def virtual_shot(
    workspace: WorkspaceArgument,
    station: Annotated[str, typer.Option(help="The source: NET.STA or NET.STA.LOC.CHA.")],
    out: OutOption,
    stack: StackOption = None,
    component: ComponentOption = None,
    lag: LagOption = None,
    band: BandOption = None,
    velocities: VelocityOption = "2,3,4",
    sides: SidesOption = "both",
    kind: KindOption = "auto",
    colour: Annotated[str, typer.Option(help="Receivers by distance or amplitude.")] = "distance",
    dpi: DpiOption = 200.0,
    title: TitleOption = None,
) -> None:
    """One station as a source: its correlations by distance, beside a map of the receivers."""
    from seisloom.plot.sections import virtual_shot as draw
    from seisloom.plot.style import check_target, save

    check_target(out)
    look = _look(lag, band, velocities, title) | {"sides": sides, "kind": kind, "colour": colour}
    stacks = _stacks(workspace, stack)
    figure = draw(stacks, station, component=component, **look)
    save(figure, out, dpi)
    typer.echo(f"virtual shot written to {out}")


@app.command()
def stations(
    table: Annotated[str, typer.Argument(metavar="STATIONS", help="stations.csv, a StationXML file, or a workspace.")],
    out: OutOption,
    labels: Annotated[
        bool | None, typer.Option("--labels/--no-labels", help="Station codes. [default: up to 40 stations]")
    ] = None,
    dpi: DpiOption = 200.0,
    title: TitleOption = None,
) -> None:
    """Map of stations, on a base map that is part of the package."""
    from seisloom.plot.maps import station_map
    from seisloom.plot.style import check_target, save

    check_target(out)
    save(station_map(_station_table(table), labels=labels, title=title), out, dpi)
    typer.echo(f"station map written to {out}")


def _stacks(workspace: str, name: str | None) -> xr.Dataset:
    """A stack, or, where none was asked for and none was made, the correlations, whose mean the figures take."""
    from seisloom.noise.archive import open_correlations, open_stacks

    try:
        return open_stacks(workspace, name)
    except WorkspaceError:
        if name is not None:
            raise
        return open_correlations(workspace)


def _station_table(text: str) -> pd.DataFrame:
    from seisloom.noise.archive import open_correlations
    from seisloom.noise.select import stations_of
    from seisloom.stations import read_stations

    path = Path(text)
    if path.is_file() or path.suffix.lower() in (".csv", ".txt", ".xml"):
        return read_stations(path)
    return stations_of(open_correlations(text))


def _look(lag: str | None, band: str | None, velocities: str, title: str | None) -> dict[str, Any]:
    """The options that all figures of correlations share."""
    from seisloom.plot.looks import read_band, read_lag, read_velocities

    return {
        "lag": read_lag(lag, "--lag"),
        "band": read_band(band, "--band"),
        "velocities": read_velocities(velocities, "--velocities"),
        "title": title,
    }
