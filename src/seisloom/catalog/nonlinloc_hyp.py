"""Locations by NonLinLoc: Hypocenter-Phase files (.hyp) of one or many events, and summaries of them.

Format: http://alomax.free.fr/nlloc, Formats, NLLoc Hypocenter-Phase file. Read are the lines NLLOC, PUBLIC_ID,
GEOGRAPHIC, QUALITY, STATISTICS, TRANSFORM, QML_OriginQuality and PHASE; GEOGRAPHIC lines alone are events too, as in
summaries that were made of these lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from seisloom.catalog.clock import instant
from seisloom.catalog.find_picks import PHASE_COLUMNS, find_picks
from seisloom.catalog.labels import station_labels, station_of
from seisloom.catalog.nonlinloc_obs import EVENT_ID
from seisloom.catalog.tables import EVENT_COLUMNS, UNKNOWN, Catalog
from seisloom.errors import InputError

# Squared radius, in standard errors, of the ellipse that holds 68.27 % of a plane normal distribution.
_RADIUS2 = -2.0 * math.log(1.0 - 0.6827)
_NO_MAGNITUDE = -9.0
_KM_PER_DEGREE = 6371.0 * math.pi / 180.0


@dataclass
class _Block:
    """One event as its lines say it."""

    place: str
    status: str = "LOCATED"
    message: str = ""
    lines: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    phases: list[tuple[str, list[str]]] = field(default_factory=list)

    def number(self, keyword: str, name: str, after: int = 1) -> float:
        """The number ``after`` words behind a name on the line of a keyword; NaN where either is not there."""
        place, words = self.lines.get(keyword, ("", []))
        if name not in words or words.index(name) + after >= len(words):
            return math.nan
        return _number(words[words.index(name) + after], place, name)

    def count(self, keyword: str, name: str) -> int:
        value = self.number(keyword, name)
        return UNKNOWN if math.isnan(value) else int(value)

    @property
    def km_per_unit(self) -> float:
        """Distances are in degrees where NonLinLoc ran in global mode."""
        return _KM_PER_DEGREE if self.lines.get("TRANSFORM", ("", []))[1][1:2] == ["GLOBAL"] else 1.0


def hyp_files(where: str | Path) -> list[Path]:
    """The .hyp files of single events: in a folder, or with a root name such as ``loc/run1``; else the file itself."""
    where = Path(where)
    if where.is_file():
        return [where]
    found = where.glob("*.hyp") if where.is_dir() else where.parent.glob(f"{where.name}.*.hyp")
    # last.hyp repeats the latest event, and summaries repeat all.
    files = sorted(path for path in found if path.name != "last.hyp" and ".sum." not in path.name)
    if not files:
        raise InputError(f"{where}: no .hyp files there, and no file of that name")
    return files


def read_nonlinloc(
    paths: str | Path | Iterable[str | Path], picks: pd.DataFrame | None = None, stations: Iterable[str] = ()
) -> tuple[Catalog, pd.DataFrame]:
    """The catalogue of NonLinLoc files, and the picks that it refers to.

    With ``picks`` (those of our observation file) the located picks are found among them; those that are not there are
    appended. Labels are looked up among ``stations`` and the stations of ``picks``. Events keep their numbers of
    ``PUBLIC_ID`` where all have one of ours, else they are numbered from 1 in time. Uncertainties are those of the
    covariance on the STATISTICS line. Events that NonLinLoc did not locate are left out, rejected ones flagged.
    InputError names file and line of a fault.
    """
    files = [paths] if isinstance(paths, (str, Path)) else list(paths)
    blocks = [block for path in files for block in _blocks(Path(path)) if block.status in ("LOCATED", "REJECTED")]
    names = {*stations, *([] if picks is None else picks["station"])}
    known = {label: name for name, label in station_labels(names).items()}
    events = pd.DataFrame([_event(block) for block in blocks], columns=list(EVENT_COLUMNS))
    events["event_id"] = _event_ids(blocks, events["time"])
    phases = [
        {"event_id": number} | phase
        for number, block in zip(events["event_id"], blocks, strict=True)
        for phase in _phases(block, known)
    ]
    assignments, table = find_picks(pd.DataFrame(phases, columns=["event_id", *PHASE_COLUMNS]), picks)
    events["time"] = pd.to_datetime(events["time"].astype("int64"), unit="ns", utc=True)
    origin = str(files[0]) if len(files) == 1 else f"{len(files)} NonLinLoc files"
    return Catalog(events.sort_values("time", kind="stable"), assignments, origin), table


def _blocks(path: Path) -> Iterator[_Block]:
    """The events of a file, in its order."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    block, in_phases, seen = None, False, False
    for number, line in enumerate(lines, 1):
        place, words = f"{path}, line {number}", line.split()
        keyword = words[0] if words else ""
        if keyword == "NLLOC":
            _closed(block)
            block, in_phases = _begin(line, place), False
        elif keyword == "END_NLLOC" and block:
            yield block
            block, in_phases, seen = None, False, True
        elif keyword == "GEOGRAPHIC" and not block:
            seen = True
            yield _Block(place, lines={keyword: (place, words)})
        elif keyword in ("PHASE", "END_PHASE"):
            in_phases = keyword == "PHASE"
        elif in_phases and block and words:
            block.phases.append((place, words))
        elif block and words:
            block.lines[keyword] = (place, words)
    _closed(block)
    if not seen:
        raise InputError(f"{path}: no event of NonLinLoc in it: lines NLLOC ... END_NLLOC or GEOGRAPHIC are expected")


def _begin(line: str, place: str) -> _Block:
    """An event of ``NLLOC "root" "status" "message"``."""
    quoted = line.split('"')[1::2] + [""] * 3
    return _Block(place, quoted[1] or "LOCATED", quoted[2])


def _closed(block: _Block | None) -> None:
    if block:
        raise InputError(f"{block.place}: the event that begins here has no END_NLLOC: the file is cut off")


def _event(block: _Block) -> dict[str, object]:
    """A row of the event table; the time in nanoseconds."""
    place, words = block.lines.get("GEOGRAPHIC", (block.place, []))
    if len(words) < 8 or words[1] != "OT":
        raise InputError(f"{place}: no line GEOGRAPHIC OT year month day hour minute second Lat ... Long ... Depth")
    latitude, longitude, depth = (block.number("GEOGRAPHIC", name) for name in ("Lat", "Long", "Depth"))
    if not (abs(latitude) <= 90 and abs(longitude) <= 360 and math.isfinite(depth)):
        raise InputError(
            f"{place}: Lat {latitude:g} Long {longitude:g} Depth {depth:g} are not degrees and km; locate with a "
            "TRANSFORM of geographic coordinates"
        )
    major, minor, azimuth = _ellipse(block)
    variance = block.number("STATISTICS", "ZZ")
    used = [words for _, words in block.phases if _weight(words) > 0]
    n_phases = len(used) if block.phases else block.count("QUALITY", "Nphs")
    return {
        "time": _origin_time(words, place),
        "latitude": latitude,
        "longitude": longitude,
        "depth_km": depth,
        "n_picks": n_phases,
        "n_p": sum(words[4][:1] == "P" for words in used) if block.phases else UNKNOWN,
        "n_s": sum(words[4][:1] == "S" for words in used) if block.phases else UNKNOWN,
        "n_stations": len({words[0] for words in used})
        if block.phases
        else block.count("QML_OriginQuality", "usedStaCt"),
        "rms_s": block.number("QUALITY", "RMS"),
        "gap_deg": block.number("QUALITY", "Gap"),
        "nearest_station_km": block.number("QUALITY", "Dist") * block.km_per_unit,
        "horizontal_uncertainty_km": major,
        "ellipse_minor_km": minor,
        "ellipse_azimuth_deg": azimuth,
        "depth_uncertainty_km": math.sqrt(variance) if variance >= 0 else math.nan,
        "flags": f"rejected: {block.message}" if block.status == "REJECTED" else "",
    } | _magnitude(block)


def _magnitude(block: _Block) -> dict[str, object]:
    """From amplitudes, else from durations; NonLinLoc writes -9.9 of 0 readings where it has none."""
    for name, kind in (("Mamp", "ML"), ("Mdur", "Md")):
        value, count = block.number("QUALITY", name), block.number("QUALITY", name, after=2)
        if count > 0 and value > _NO_MAGNITUDE:
            return {"magnitude": value, "magnitude_type": kind, "n_magnitude": int(count)}
    return {"magnitude": math.nan, "magnitude_type": "", "n_magnitude": UNKNOWN}


def _origin_time(words: list[str], place: str) -> int:
    try:
        date = "{:04d}{:02d}{:02d}".format(*map(int, words[2:5]))
        return instant(date, "{:02d}{:02d}".format(*map(int, words[5:7])), float(words[7]))
    except ValueError as error:
        raise InputError(f"{place}: origin time {' '.join(words[2:8])!r}: {error}") from None


def _ellipse(block: _Block) -> tuple[float, float, float]:
    """Half axes (km) of the ellipse of 68 % and the azimuth of the longer one, from the covariance of east and north."""
    xx, xy, yy = (block.number("STATISTICS", name) for name in ("CovXX", "XY", "YY"))
    middle, half = 0.5 * (xx + yy), math.hypot(0.5 * (xx - yy), xy)
    turned = block.number("TRANSFORM", "RotCW")
    azimuth = 0.5 * math.degrees(math.atan2(2.0 * xy, yy - xx)) + (turned if math.isfinite(turned) else 0.0)
    major, minor = (math.sqrt(max(_RADIUS2 * value, 0.0)) for value in (middle + half, middle - half))
    return major, minor, azimuth % 180.0


def _phases(block: _Block, known: dict[str, str]) -> Iterator[dict[str, object]]:
    """Rows of the located P and S picks; what stands behind the ">" follows the observation of 14 or 15 fields."""
    for place, words in block.phases:
        if ">" not in words or len(words) < words.index(">") + 9:
            raise InputError(f"{place}: no phase line of NonLinLoc: {' '.join(words)[:60]}")
        found = words[words.index(">") + 1 :]
        if words[4][:1] not in ("P", "S"):
            continue
        try:
            time = instant(words[6], words[7].zfill(4), float(words[8]))
        except ValueError as error:
            raise InputError(f"{place}: time {' '.join(words[6:9])!r}: {error}") from None
        error_s = _number(words[10], place, "ErrMag")
        yield {
            "station": station_of(words[0], words[1].strip("?"), known),
            "phase": words[4][0],
            "ns": time,
            "error_s": error_s if error_s > 0 else math.nan,
            "residual_s": _number(found[1], place, "Res"),
            "weight": _number(found[2], place, "Weight"),
            "distance_km": _number(found[6], place, "SDist") * block.km_per_unit,
            "azimuth_deg": _number(found[7], place, "SAzim"),
        }


def _weight(words: list[str]) -> float:
    try:
        return float(words[words.index(">") + 3])
    except (ValueError, IndexError):
        return 0.0


def _event_ids(blocks: list[_Block], time: pd.Series) -> list[int]:
    """Our own numbers from the PUBLIC_ID lines, or the rank in time."""
    told = [block.lines.get("PUBLIC_ID", ("", [""]))[1][-1] for block in blocks]
    numbers = [text.removeprefix(EVENT_ID) for text in told if text.startswith(EVENT_ID)]
    if len(set(numbers)) == len(blocks) and all(text.isdigit() for text in numbers):
        return [int(text) for text in numbers]
    return [int(rank) for rank in time.rank(method="first")]


def _number(text: str, place: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{place}: {name} is {text!r}; a number is expected") from None
