"""Validated settings: of correlations (params.csv, TOML) and of PhaseLink (params.json), all faults at once."""

from seisloom.config.contradictions import BASIC, DAY_S, contradictions
from seisloom.config.correlation import CorrelationSettings, parse_settings, read_settings, write_params_csv
from seisloom.config.faults import sentences
from seisloom.config.phaselink import PhaselinkParams, read_params

__all__ = [
    "BASIC",
    "DAY_S",
    "CorrelationSettings",
    "PhaselinkParams",
    "contradictions",
    "parse_settings",
    "read_params",
    "read_settings",
    "sentences",
    "write_params_csv",
]
