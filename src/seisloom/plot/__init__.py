"""Figures: every function takes data and returns a matplotlib Figure; nothing here reads correlations or writes them."""

from seisloom.plot.calibration import calibration_figure
from seisloom.plot.correlations import correlogram
from seisloom.plot.eventsection import event_section
from seisloom.plot.maps import station_map
from seisloom.plot.profile import depth_section
from seisloom.plot.sections import record_section, virtual_shot
from seisloom.plot.seismicity import seismicity_map
from seisloom.plot.separation import separation_figure
from seisloom.plot.style import save
from seisloom.plot.timeline import timeline

__all__ = [
    "calibration_figure",
    "correlogram",
    "depth_section",
    "event_section",
    "record_section",
    "save",
    "seismicity_map",
    "separation_figure",
    "station_map",
    "timeline",
    "virtual_shot",
]
