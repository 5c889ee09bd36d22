"""Programs side by side on streams: scores, errors and costs as lines of one table."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import cos, radians
from typing import Any

from benchmarks import cases, peer_settings
from benchmarks.measure import CommandFailed, print_table
from benchmarks.peers.associators import Associator, Outcome, Peer, PhaseLink, Seisloom, run
from benchmarks.streams import Stream, case_stream, scored
from seisloom.associate.score import Score

PROGRAMS = ("seisloom", "phaselink", "pyocto", "pyocto-as-it-comes", "gamma", "gamma-as-it-comes")
COST = ["CPU s", "alone", "wall s", "ratio"]
SCORES = ["events", "of", "event F1", "prec.", "recall", "pick F1", "km", "s", *COST]


class Comparison:
    """Runs the programs on streams and remembers the lines of the table."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.directory = options, options.directory
        self.rows: list[list[str]] = []
        self.costs: list[list[str]] = []

    def programs(self, network: str) -> list[Associator]:
        """Those that were asked for and are there."""
        asked = [name for name in PROGRAMS if name in self.options.programs]
        found: list[Associator] = []
        if "seisloom" in asked:
            found.append(Seisloom())
        if "phaselink" in asked:
            model = self.options.model or self.directory / "models" / network / "best.pt"
            found.append(PhaseLink(model=model.absolute(), train_minutes=self.options.train_minutes))
        return [*found, *self._peers(asked)]

    def _peers(self, asked: Iterable[str]) -> Iterator[Peer]:
        for program in asked:
            key, _, as_it_comes = program.partition("-")
            if key not in peer_settings.NAMES:
                continue
            peer = Peer(peer_settings.NAMES[key], key, getattr(self.options, f"{key}_python").absolute())
            if not peer.python.exists():
                made_by = f"python -m benchmarks.peers.setup {key}"
                print(f"{peer.name}: no interpreter {peer.python}; make it with: {made_by}")
            elif as_it_comes:
                defaults = tuple(peer_settings.MODULES[key].AS_IT_COMES.items())
                yield replace(peer, name=f"{peer.name} as it comes", instead=defaults)
            else:
                yield peer

    def stream(self, name: str, generator: str, seed: int) -> Stream:
        options = self.options
        made = case_stream(name, generator, seed, self.directory, options.threads, options.duration)
        print(f"{generator} {name}, seed {seed}: {len(made.recording.picks)} picks, {made.folder}", flush=True)
        return made

    def compare(self, label: str, stream: Stream) -> list[tuple[str, Score]]:
        """Scores by program, the ceiling last; ``ratio`` in the table is CPU over that of the first program."""
        results, first = [], None
        for program in self.programs(stream.network):
            outcome = self.outcome(program, stream)
            if outcome is None:
                self.rows.append([label, program.name, "failed", *[""] * (len(SCORES) - 1)])
                continue
            result, away_km, late_s = scored(stream, outcome)
            first = first or outcome.usage.cpu_s
            cost = cost_cells(outcome, first)
            self.rows.append([label, program.name, *_cells(result), f"{away_km:.2f}", f"{late_s:.2f}", *cost])
            self._keep_cost(label, stream, program.name, cost)
            results.append((program.name, result))
        self.rows.append([label, "ceiling", *_cells(stream.ceiling), *[""] * (2 + len(COST))])
        return [*results, ("ceiling", stream.ceiling)]

    def outcome(self, program: Associator, stream: Stream) -> Outcome | None:
        try:
            return run(program, stream.job, stream.folder, self.options.cpu_limit, fresh=self.options.fresh)
        except CommandFailed as error:
            print(f"{stream.name}, {program.name}: {error}")
            return None

    def cases(self, names: Iterable[str]) -> None:
        """All cases from each of the generators that were asked for, as far as these have them."""
        for generator in self.options.generator:
            there = cases.available(generator)
            for name, seed in itertools.product(names, self.options.seed):
                if name in there:
                    label = f"{name}" if len(self.options.seed) == 1 else f"{name} ({seed})"
                    self.compare(f"{generator[:4]} {label}", self.stream(name, generator, seed))
        print_table(["case", "program", *SCORES], self.rows)
        print_table(["case", "picks", "stations", "region km", "program", *COST], self.costs)

    def write(self, names: Iterable[str]) -> None:
        """The files of the cases alone."""
        for generator, name, seed in itertools.product(self.options.generator, names, self.options.seed):
            if name in cases.available(generator):
                self.stream(name, generator, seed)

    def tune(self, names: Sequence[str]) -> None:
        """The other programs that were asked for over their grids, best first, on streams of another seed."""
        for generator, name in itertools.product(self.options.generator, names):
            if name in cases.available(generator):
                stream = self.stream(name, generator, self.options.seed[0] + 1000)
                for peer in self._peers(self.options.programs):
                    settings = stream.job.peers[peer.key]
                    for grid in peer_settings.MODULES[peer.key].GRIDS:
                        settings = settings | self._best(stream, peer, settings, grid)

    def _best(
        self, stream: Stream, peer: Peer, settings: dict[str, Any], grid: dict[str, tuple[Any, ...]]
    ) -> dict[str, Any]:
        """The values of the grid with which a program scores best, instead of those of the settings."""
        counted, rows, tried = peer_settings.MODULES[peer.key].COUNTED, [], []
        for row in itertools.product(*grid.values()):
            values: dict[str, Any] = dict(zip(grid, row, strict=True))
            if counted in values:
                values[counted] = round(values[counted] * stream.job.n_min_picks)
            named = " ".join(map(str, values.values()))
            instead = tuple((settings | values).items())
            outcome = self.outcome(replace(peer, name=f"tune {peer.key} {named}", instead=instead), stream)
            if outcome is None:
                continue
            result = scored(stream, outcome)[0]
            scores = (result.event_f1, result.pick_f1)
            rows.append([*values.values(), *(f"{score:.3f}" for score in scores), f"{outcome.usage.cpu_s:.1f}"])
            tried.append((scores, len(tried), values))
        print_table([*grid, "event F1", "pick F1", "CPU s"], sorted(rows, key=lambda row: row[-3:-1], reverse=True))
        return max(tried)[2] if tried else {}

    def _keep_cost(self, label: str, stream: Stream, program: str, cost: list[str]) -> None:
        south, north, job = *stream.job.lat, stream.job
        tall, wide = 111.2 * (north - south), 111.2 * (job.lon[1] - job.lon[0]) * cos(radians((south + north) / 2))
        size = f"{tall:.0f} x {wide:.0f} x {job.depth_km[1] - job.depth_km[0]:.0f}"
        counts = [str(len(stream.recording.picks)), str(len(stream.recording.sites)), size]
        self.costs.append([label, *counts, program, *cost])


def cost_cells(outcome: Outcome, first_cpu_s: float) -> list[str]:
    """CPU s, of that association alone, wall s, and CPU over that of the first program."""
    used = outcome.usage
    return [f"{v:.1f}" for v in (used.cpu_s, outcome.associate_cpu_s, used.wall_s, used.cpu_s / first_cpu_s)]


def _cells(result: Score) -> list[str]:
    values = (result.event_f1, result.event_precision, result.event_recall, result.pick_f1)
    return [str(result.found_events), str(result.true_events), *(f"{value:.3f}" for value in values)]
