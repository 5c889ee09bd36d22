"""The other programs: how to install them (setup.py) and the drivers that their own interpreters execute."""
