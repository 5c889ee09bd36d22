"""Elements of the pages that NiceGUI does not have, each a Python class with a Vue component beside it."""
