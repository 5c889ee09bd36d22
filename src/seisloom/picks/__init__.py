"""The pick table, its readers, and the arrays that compiled code works on.

Columns of the table: ``pick_index`` (int64: as in the file, else the row number from 0), ``station`` (NET.STA),
``phase`` ("P" or "S"), ``time`` (UTC), ``probability`` (0 to 1; 1 where the file gives none), ``duration_s``
(of the trigger; NaN where the file gives none); ``amplitude_m`` or ``velocity_m_s`` where there are amplitudes
(:mod:`seisloom.picks.amplitudes`).
"""

from seisloom.picks.amplitudes import AMPLITUDES, UNITS
from seisloom.picks.arrays import PickArrays, pick_arrays
from seisloom.picks.formats import FORMATS
from seisloom.picks.match import match_stations
from seisloom.picks.read import COLUMNS, PickReport, read_picks
from seisloom.picks.write import reread_picks, write_picks

__all__ = [
    "AMPLITUDES",
    "COLUMNS",
    "FORMATS",
    "UNITS",
    "PickArrays",
    "PickReport",
    "match_stations",
    "pick_arrays",
    "read_picks",
    "reread_picks",
    "write_picks",
]
