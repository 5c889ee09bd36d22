"""What a run that follows picks keeps in its folder, so that it can be killed at any time and go on.

picks.csv holds every pick that came, events.jsonl all that was said of events, follow.json how far the source was read: a pick
counts once it is in picks.csv and follow.json knows it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seisloom.associate.follow_events import Statement, Tracker
from seisloom.catalog.clock import nanoseconds
from seisloom.errors import InputError
from seisloom.picks import reread_picks
from seisloom.picks.follow import FOLLOWED, PickLines
from seisloom.target import write_whole

PICKS, SAID, PLACE = "picks.csv", "events.jsonl", "follow.json"
_VERSION = 1


class FollowFiles:
    """The files of one run and of those that go on with it; InputError where the folder is another's."""

    def __init__(self, folder: str | Path, origin: str) -> None:
        """``origin``: path of the picks, or - for standard input."""
        self.folder, self.origin = Path(folder), origin
        self.picks, self.said = self.folder / PICKS, self.folder / SAID
        self._place = self.folder / PLACE
        self.earlier = self._read_place()
        if self.earlier is None and (self.picks.exists() or self.said.exists()):
            raise InputError(f"{self.folder}: {PICKS} or {SAID} of something else is there; choose another folder")
        if self.earlier is None:
            write_whole(self.picks, ",".join(FOLLOWED) + "\n")
            self.keep(pd.DataFrame(), self.lines(), None)
            self.said.touch()
        else:  # what a killed run left half done
            _cut(self.picks, int(self.earlier["size"]))
            whole = self.said.read_bytes() if self.said.exists() else b""
            self.said.write_bytes(whole[: whole.rfind(b"\n") + 1])

    def lines(self, amplitude: str | None = None) -> PickLines:
        """The reader of the picks, as it was at the end of an earlier run."""
        if self.earlier is None:
            return PickLines(self.origin, amplitude)
        kept = dict(self.earlier["lines"])
        rest, waiting = base64.b64decode(kept.pop("rest")), [tuple(line) for line in kept.pop("waiting")]
        return PickLines(**kept | {"origin": self.origin, "rest": rest, "waiting": waiting})

    @property
    def place(self) -> tuple[int, int] | None:
        """Inode and offset where an earlier run stopped reading a file."""
        at = None if self.earlier is None else self.earlier["place"]
        return None if at is None else (int(at[0]), int(at[1]))

    def keep(self, picks: pd.DataFrame, lines: PickLines, place: tuple[int, int] | None) -> None:
        """Add picks (columns FOLLOWED), and note how far the source was read."""
        if len(picks):
            texts = np.datetime_as_string(nanoseconds(picks["time"]).astype("datetime64[ns]"), unit="ns")
            table = picks.assign(time=np.char.add(texts, "Z"))[FOLLOWED]
            with self.picks.open("a", encoding="utf-8", newline="") as file:
                table.to_csv(file, header=False, index=False, lineterminator="\n")
        state: dict[str, Any] = asdict(lines) | {"rest": base64.b64encode(lines.rest).decode()}
        about = {
            "version": _VERSION, "picks": self.origin, "place": place, "size": self.picks.stat().st_size, "lines": state,
        }  # fmt: skip
        write_whole(self._place, json.dumps(about) + "\n")

    def say(self, statements: list[Statement]) -> list[str]:
        """Add statements; their lines."""
        lines = [json.dumps(statement) for statement in statements]
        if lines:
            with self.said.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        return lines

    def kept_picks(self) -> pd.DataFrame:
        """All picks that came."""
        return reread_picks(self.picks.read_bytes()).reindex(columns=FOLLOWED)

    def last_said(self) -> dict[int, Statement]:
        """For each event the last statement about it; of one withdrawn with the values from before."""
        last: dict[int, Statement] = {}
        with self.said.open(encoding="utf-8") as file:
            for line in file:
                said = json.loads(line)
                last[said["event_id"]] = last.get(said["event_id"], {}) | said
        return last

    def tracker(self) -> Tracker:
        """Events as an earlier run has said them."""
        tracker = Tracker()
        for number, said in self.last_said().items():
            time_ns = int(np.datetime64(said["time"].rstrip("Z"), "ns").astype(np.int64))
            tracker.recall(number, time_ns, frozenset(said["picks"]), said["kind"] != "withdrawn")
        return tracker

    def _read_place(self) -> dict[str, Any] | None:
        if not self._place.exists():
            return None
        try:
            about: dict[str, Any] = json.loads(self._place.read_text(encoding="utf-8"))
            if about["version"] == _VERSION and {"picks", "place", "size", "lines"} <= set(about):
                if about["picks"] != self.origin:
                    raise InputError(
                        f"{self.folder}: follows {about['picks']}, not {self.origin}; choose another folder for it"
                    )
                return about
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self._place}: cannot be read ({error}); choose another folder") from error
        raise InputError(f"{self._place}: of another version of seisloom; choose another folder")


def _cut(path: Path, size: int) -> None:
    """Take off what was added to a file after it had a size; InputError where it is shorter than that."""
    if not path.exists() or path.stat().st_size < size:
        raise InputError(f"{path}: picks that were kept are missing from it; choose another folder")
    with path.open("r+b") as file:
        file.truncate(size)
