"""A run that follows picks: from a source to statements about events, with all that is kept on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from seisloom.associate.follow import Follower, Pace
from seisloom.associate.follow_events import Statement, found_events, settle
from seisloom.associate.follow_files import FollowFiles
from seisloom.associate.job import JobSettings
from seisloom.associate.study import Study
from seisloom.catalog import read_catalog
from seisloom.picks.faults import SHOWN
from seisloom.picks.follow import Arrived
from seisloom.picks.tail import Source, Tail
from seisloom.words import counted

_WAIT_S = 1.0
_LIVE_S = 600.0  # picks so near the present are arriving now
_SECOND = 1_000_000_000


@dataclass
class FollowReport:
    """What came and what was said; ``str()`` is for people."""

    picks: int = 0
    faults: int = 0
    """Lines that could not be read."""
    late: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    """Statements by their kind."""
    latency_s: list[float] = field(default_factory=list)
    """From origin times to the looks that found the events."""
    slowest_s: float = 0.0
    """Longest time that a look took."""

    def __str__(self) -> str:
        unknown = ", ".join(
            f"{name} {n}" for name, n in sorted(self.unknown.items(), key=lambda item: -item[1])[:SHOWN]
        )
        parts = [counted(self.picks, "pick")]
        parts += [f"{counted(self.faults, 'line')} left out"] if self.faults else []
        parts += [f"{self.late} came too late for events but the final ones"] if self.late else []
        parts += [f"{sum(self.unknown.values())} at unknown stations ({unknown})"] if self.unknown else []
        said = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items()) or "none"
        text = f"followed: {'; '.join(parts)}\nstatements: {said}"
        if self.latency_s:
            half, most = np.percentile(self.latency_s, [50, 95])
            text += f"; new events {half:.0f} s after their origin times (95 %: {most:.0f} s) by the picks' clock"
        return text + (f"\nslowest look: {self.slowest_s:.1f} s" if self.slowest_s else "")


class FollowRun:
    """Reads a source until its end, or until it is told to stop, and says what it finds; goes on where one was killed."""

    def __init__(
        self,
        study: Study,
        settings: JobSettings,
        pace: Pace,
        folder: str | Path,
        origin: str,
        min_probability: float = 0.0,
        *,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """``tell`` is told what a person should know. InputError where the folder is that of other picks."""
        self.files = FollowFiles(folder, origin)
        self.report, self.stopped = FollowReport(), False
        self._lines, self._least, self._tell = self.files.lines(), min_probability, tell
        self._follower = Follower(study, settings, pace, self.files.tracker())
        self._came_s: float | None = None  # wall clock at the latest advance of the picks'
        if self.files.earlier is not None:
            kept = self.files.kept_picks()
            self.report.picks = len(kept)
            tell(f"going on after {counted(len(kept), 'pick')} in {self.files.picks}")
            self._follower.recall(kept[kept["probability"] >= min_probability])

    def stop(self) -> None:
        """Read no more; the statements end soon."""
        self.stopped = True

    def statements(self, source: Source) -> Iterator[str]:
        """Lines of JSON as they come, until the end of the source or :meth:`stop`."""
        if not isinstance(source, Tail):
            self._lines.begin_anew()
        elif self.files.place is not None:
            source.go_on(self.files.place)
        ended = False
        while not (ended or self.stopped):
            piece = source.read(_WAIT_S)
            if piece is not None and piece.anew:
                self._tell(f"{self.files.origin}: {piece.anew}")
                self._lines.begin_anew()
            ended = piece is None
            if piece is None or piece.data:
                arrived = self._lines.end() if piece is None else self._lines.add(piece.data)
                yield from self._take(arrived, source.place if isinstance(source, Tail) else None)
            else:
                yield from self._say(self._follower.look_until(self._now_ns()))
        if not self.stopped:
            yield from self._say(self._follower.finish())
        self._summarise()

    def settle(self, folder: str | Path) -> list[str]:
        """Lines of JSON that make what was said the catalogue of a folder."""
        said = self.files.last_said()
        final = settle(said, found_events(read_catalog(folder)), max(said, default=0) + 1)
        return self.files.say(final)

    def _take(self, arrived: Arrived, place: tuple[int, int] | None) -> Iterator[str]:
        """Keep picks, and say what follows from them."""
        self.files.keep(arrived.picks, self._lines, place)
        self.report.picks += len(arrived.picks)
        for fault in arrived.faults:
            self.report.faults += 1
            if self.report.faults <= SHOWN:
                self._tell(f"{self.files.origin}: {fault}; left out")
        before = self._follower.clock.now_ns
        yield from self._say(self._follower.add(arrived.picks[arrived.picks["probability"] >= self._least]))
        if self._follower.clock.now_ns != before:
            self._came_s = time.time()

    def _now_ns(self) -> int:
        """What the picks' clock must show by now, as picks come as late as they did, where they come as they are made."""
        now, came = self._follower.clock.now_ns, self._came_s
        if now is None or came is None:
            return 0
        live = abs(came - now / _SECOND) < _LIVE_S
        return now + int((time.time() - came) * _SECOND) if live else 0

    def _say(self, looks: Iterator[list[Statement]]) -> Iterator[str]:
        for said in looks:
            for statement in said:
                kind = statement["kind"]
                self.report.kinds[kind] = self.report.kinds.get(kind, 0) + 1
                if kind == "new":
                    self.report.latency_s.append(statement["latency_s"])
            yield from self.files.say(said)
            if self.stopped:
                return

    def _summarise(self) -> None:
        follower = self._follower
        self.report.late, self.report.slowest_s = follower.late, follower.slowest_s
        self.report.unknown = dict(follower.unknown)
        self._tell(str(self.report))

    def __enter__(self) -> FollowRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.close()
