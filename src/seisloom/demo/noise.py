"""The noise job on a synthetic day of a 12-station network: MiniSEED to stacks, figures and a check against theory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seisloom.config import CorrelationSettings, write_params_csv

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from seisloom.jobs import Board

NETWORK = "stations=12,seed=1"
DAY = "2024-03-01"
NAME = "Demonstration: noise of 12 stations"
SETTINGS = CorrelationSettings(keep="substack", substack_len=3600.0, maxlag=60.0)


def run_noise(folder: Path, board: Board, say: Callable[[str], None]) -> None:
    """Make the records, run the whole noise job on them and draw every figure; all of it stays in ``folder``."""
    from seisloom.demo.board import begin
    from seisloom.jobs import CorrelationRequest
    from seisloom.noise.pipeline import correlate
    from seisloom.noise.response import read_inventories
    from seisloom.noise.stacking import stack_correlations
    from seisloom.stations import read_stations
    from seisloom.waveforms import open_source
    from seisloom.waveforms.synthetic import SyntheticSource, write_dataset

    say(f"1. A day of diffuse noise at 12 stations, through real instrument responses, to MiniSEED in {folder}")
    data = write_dataset(SyntheticSource(NETWORK), folder, DAY, 1)
    params = folder / "params.csv"
    params.write_text(write_params_csv(SETTINGS), encoding="utf-8")
    channels = read_stations(data.stations)
    claim = begin(board, "demo-noise", CorrelationRequest(channels, SETTINGS, "demo", DAY, DAY, NAME))
    workspace = Path(board.storage.url) / "processed" / claim.job.id
    say("2. All pairs, hour by hour; the same as")
    say(
        f"     seisloom correlate {data.stations} {params} --source sds:{data.archive} "
        f"--inventory {data.stationxml} --out {workspace}"
    )
    source, inventory = open_source(f"sds:{data.archive}"), read_inventories(data.stationxml)
    summary = correlate(channels, SETTINGS, source, workspace, DAY, inventory=inventory)
    say(f"   {summary}")
    say("3. Stacks; the same as")
    for method in ("linear", "pws"):
        say(f"     seisloom stack {workspace} --method {method}")
        stack_correlations(workspace, method)
    claim.finish({**summary.totals(), "problems": len(summary.problems())})
    say("4. Figures")
    for path in draw_figures(workspace, folder / "figures"):
        say(f"     {path}")
    say(f"5. {check_against_theory(workspace)}")


def draw_figures(workspace: Path, folder: Path) -> Iterable[Path]:
    """Station map, record section, virtual shot and correlogram of the demo's workspace."""
    from seisloom.noise.archive import open_correlations, open_stacks
    from seisloom.noise.select import stations_of
    from seisloom.plot.correlations import correlogram
    from seisloom.plot.maps import station_map
    from seisloom.plot.sections import record_section, virtual_shot
    from seisloom.plot.style import save

    folder.mkdir(parents=True, exist_ok=True)
    hours, stack = open_correlations(workspace), open_stacks(workspace, "linear_all").load()
    places = stations_of(stack)
    source = f"{places['network'].iloc[0]}.{places['station'].iloc[0]}"
    best = int(np.argmax(stack["snr"].values[:, 0]))
    figures = {
        "stations.png": lambda: station_map(places),
        "record-section.png": lambda: record_section(stack),
        "virtual-shot.png": lambda: virtual_shot(stack, source),
        "correlogram.png": lambda: correlogram(hours.isel(pair=[best]), lag=40.0),
    }
    for name, draw in figures.items():
        save(draw(), folder / name)
        yield folder / name


def check_against_theory(workspace: Path) -> str:
    """How well the stacks fit the closed form of a diffuse field, in one sentence."""
    from seisloom.noise.archive import open_stacks

    stack = open_stacks(workspace, "linear_all").load()
    wanted = expected(stack)
    found = stack["ccf"].values[:, 0].astype(float)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(found, wanted, strict=True)]
    return (
        f"Against the closed form of a diffuse field (J0 of 2πfr/c, c = 3 km/s): the {len(r)} stacks correlate with it at "
        f"{np.median(r):.3f} (median). In the record section the energy follows the 3 km/s line on both sides."
    )


def expected(stack: xr.Dataset) -> npt.NDArray[np.float64]:
    """Closed form (pair, lag) of the demo's stacks: the coherency of a diffuse field after phase whitening."""
    from seisloom.noise.plan import make_plan
    from seisloom.noise.theory import diffuse_ccf, diffuse_coherency, phase_coherency
    from seisloom.waveforms.synthetic.settings import parse_settings

    plan, network = make_plan(SETTINGS), parse_settings(NETWORK)
    f = plan.frequencies
    distance = stack["distance_km"].values[:, None]
    gamma = diffuse_coherency("ZZ", distance, f, network.rayleigh_velocity(f), noise=network.noise)
    return diffuse_ccf(stack["lag"].values, f, plan.weight**2, phase_coherency(gamma))
