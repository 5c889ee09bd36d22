"""Days cut into tiles against whole days: the same bytes, CPU seconds, wall time and peak memory, both ways of sharing spectra."""

from __future__ import annotations

import argparse
import shutil
import sys

from benchmarks.measure import WORK, describe_machine, print_table, run_measured, thread_environment
from seisloom.storage import Storage
from seisloom.waveforms.synthetic import SyntheticSource, write_dataset

DAY = "2024-03-01"
PARAMS = "fs,freqmin,freqmax,cc_step,cc_len,maxlag\n10,0.1,{},450,1800,200\n"
WAYS = ("stored", "computed")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks tiles", description=__doc__)
    parser.add_argument("--stations", type=int, default=96, help="channels of the day")
    parser.add_argument("--freqmax", type=float, default=4.0, help="Hz; the spectra of a channel take 3.3 MB for each")
    parser.add_argument("--memory", type=float, nargs="+", default=[1.5, 1.0, 0.6], help="GB of tiles")
    parser.add_argument("--whole", type=float, default=8.0, help="GB of the day in one piece")
    parser.add_argument("--way", choices=WAYS, help="of one run, in this process (used by the others)")
    given = parser.parse_args(argv)
    folder = WORK / f"tiles-{given.stations}"
    if given.way:
        (folder / "params.csv").write_text(PARAMS.format(given.freqmax))
        one(given.stations, given.memory[0], given.way)
        return
    if not (folder / "stations.xml").exists():
        write_dataset(SyntheticSource(f"stations={given.stations},rate=10"), folder, DAY, 1)
    print(f"{describe_machine()}\n{given.stations} channels, one day, one process\n")
    runs = [(given.whole, "stored"), *((memory, way) for memory in given.memory for way in WAYS)]
    rows, first = [], None
    for memory, way in runs:
        command = [sys.executable, "-m", "benchmarks", "tiles", "--stations", str(given.stations)]
        command += ["--freqmax", str(given.freqmax)]
        log = folder / "log"
        used = run_measured([*command, "--memory", str(memory), "--way", way], log, env=thread_environment(1))
        storage = Storage(folder / "out")
        made = {key: storage.get(key) for key in storage.keys("correlations.zarr")}
        first = first or made
        tiles, said = log.read_text().splitlines()[-1].split(" ", 1)
        rows.append(
            (
                tiles, way if tiles != "1" else "-", f"{memory:g}", f"{used.wall_s:.1f}", f"{used.cpu_s:.1f}",
                f"{used.peak_mb:.0f}", f"{used.peak_mb - 1000 * memory:.0f}" if tiles != "1" else "-",
                "yes" if made == first else "NO", said,
            )
        )  # fmt: skip
    print_table(("tiles", "spectra", "GB", "wall s", "CPU s", "peak MB", "beyond", "same bytes", "reads"), rows)


def one(stations: int, memory_gb: float, way: str) -> None:
    """A run of its own process; prints its number of tiles and how many spectra of channels these read."""
    from seisloom.config import read_settings
    from seisloom.noise import pipeline, tile_run
    from seisloom.noise.response import read_inventories
    from seisloom.noise.tiles import SharingRates, Tiling, cut
    from seisloom.stations import read_stations
    from seisloom.waveforms import open_source

    tilings: list[Tiling] = []

    def noted(*arguments: object) -> Tiling:
        tilings.append(cut(*arguments))  # type: ignore[arg-type]
        return tilings[-1]

    cheap, dear = (1e-9, 1.0) if way == "stored" else (1.0, 1e-9)
    pipeline.cut = noted
    tile_run._measured = lambda *_: SharingRates(dear, cheap, cheap)
    folder = WORK / f"tiles-{stations}"
    shutil.rmtree(folder / "out", ignore_errors=True)
    inventory = read_inventories(folder / "stations.xml")
    pipeline.correlate(
        read_stations(folder / "stations.csv"), read_settings(folder / "params.csv"), open_source(f"sds:{folder}/archive"),
        folder / "out", DAY, inventory=inventory, memory_gb=memory_gb,
    )  # fmt: skip
    print(tilings[0].tasks_a_day, tilings[0].channel_reads)
