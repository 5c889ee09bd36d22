"""Measurements against other programs and against this machine's own limits; see README.md."""
