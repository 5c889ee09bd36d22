"""Stacking of correlations: many rows (days, windows) of a pair into one."""

from __future__ import annotations

from seisloom.noise.stack.methods import METHODS, Method, Option, resolve_options, stack
from seisloom.noise.stack.phase import envelope

__all__ = ["METHODS", "Method", "Option", "envelope", "resolve_options", "stack"]
