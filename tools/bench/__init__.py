"""The benchmark: the tap against a hand-written loop and against its peers. ``python -m bench``."""
