"""The catalogue: events and the picks that belong to them, to and from the files of other tools."""

from seisloom.catalog.csv_files import ASSIGNMENTS, EVENTS, read_catalog, reread_catalog, write_csv
from seisloom.catalog.hypoinverse import write_hypoinverse
from seisloom.catalog.labels import station_labels
from seisloom.catalog.nonlinloc_hyp import hyp_files, read_nonlinloc
from seisloom.catalog.nonlinloc_obs import read_nonlinloc_obs, write_nonlinloc_obs
from seisloom.catalog.quakeml import write_quakeml
from seisloom.catalog.tables import ASSIGNMENT_COLUMNS, EVENT_COLUMNS, UNKNOWN, Catalog, arrivals, pick_error

__all__ = [
    "ASSIGNMENTS",
    "ASSIGNMENT_COLUMNS",
    "EVENTS",
    "EVENT_COLUMNS",
    "UNKNOWN",
    "Catalog",
    "arrivals",
    "hyp_files",
    "pick_error",
    "read_catalog",
    "read_nonlinloc",
    "read_nonlinloc_obs",
    "reread_catalog",
    "station_labels",
    "write_csv",
    "write_hypoinverse",
    "write_nonlinloc_obs",
    "write_quakeml",
]
