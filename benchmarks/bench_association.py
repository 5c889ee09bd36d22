"""Association against PyOcto and GaMMA: F1 of events and picks and CPU seconds, on simulated streams and a day of real picks.

Every stream is simulated once, written as files, and given to all programs, each a process of its own. README.md says
how to install the others and what the columns mean.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import cases, measure
from benchmarks.comparison import PROGRAMS, Comparison
from benchmarks.costs import costs
from benchmarks.italian_day import ITALY, ItalianDay
from benchmarks.peers.programs import default_python
from benchmarks.separations import separations


def main(argv: list[str]) -> None:
    options = parse(argv)
    print(measure.describe_machine())
    bench = Comparison(options)
    if options.write:
        bench.write(options.cases)
        return
    print(", ".join(f"{program.name} {program.version()}" for program in bench.programs("local")), "\n")
    if options.calibration:
        from benchmarks.calibration import calibrate

        calibrate(bench, options.cases, options.calibration)
    elif options.survival or options.sections or options.italy:
        day = ItalianDay(bench, options.italy or 24.0)
        if options.survival:
            day.survival(options.survival)
        if options.sections:
            day.sections(options.sections)
        if options.italy:
            day.compare()
    elif options.costs:
        costs(bench)
    elif options.separations:
        separations(bench)
    elif options.tune:
        bench.tune(options.cases)
    else:
        bench.cases(options.cases)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks association", description=__doc__.partition("\n")[0])
    names = [*cases.GROUPS, *cases.ALL]
    parser.add_argument(
        "--cases", nargs="*", choices=names, default=list(cases.GROUPS), metavar="CASE", help=", ".join(names)
    )
    parser.add_argument("--generator", nargs="+", choices=cases.GENERATORS, default=["held-out"])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--duration", type=float, help="seconds of each stream (default: an hour)")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=["seisloom", "pyocto"])
    parser.add_argument("--pyocto-python", type=Path, default=default_python("pyocto"), help="interpreter with PyOcto")
    parser.add_argument("--gamma-python", type=Path, default=default_python("gamma"), help="interpreter with GaMMA")
    parser.add_argument("--model", type=Path, help="phaselink's network (default: one is trained for each network)")
    parser.add_argument("--train-minutes", type=float, default=20.0, help="for each network; not measured")
    parser.add_argument("--threads", type=int, default=1, help="of each program")
    parser.add_argument(
        "--cpu-limit", type=float, default=900.0, help="CPU seconds that a program may take for a stream"
    )
    parser.add_argument("--fresh", action="store_true", help="run the others again where their results are kept")
    parser.add_argument("--write", action="store_true", help="write the files of the cases and do nothing else")
    parser.add_argument("--separations", action="store_true", help="F1 against separation in origin time instead")
    parser.add_argument("--costs", action="store_true", help="CPU against picks, stations and region instead")
    parser.add_argument("--tune", action="store_true", help="the others over grids of their settings instead")
    parser.add_argument(
        "--calibration", type=int, metavar="HOURS", help="false probabilities against what is false, over so many hours"
    )
    parser.add_argument("--italy", type=float, nargs="?", const=24.0, metavar="HOURS", help="the real day instead")
    parser.add_argument(
        "--survival",
        type=int,
        nargs="?",
        const=3,
        metavar="N",
        help="events found again by N random halves of the stations",
    )
    parser.add_argument("--sections", type=int, metavar="N", help="record sections of N random events of the real day")
    parser.add_argument("--data", type=Path, default=ITALY, help="folder of its picks, stations, velocity and catalog")
    parser.add_argument("--directory", type=Path, default=measure.WORK / "association", help="files go here")
    options = parser.parse_args(argv)
    options.cases = [name for group in options.cases for name in cases.GROUPS.get(group, [group])]
    return options
