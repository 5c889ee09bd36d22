"""``python -m seisloom``."""

from seisloom.cli import main

main()
