"""Figures: every function takes data and returns a matplotlib Figure; nothing here reads or computes."""
