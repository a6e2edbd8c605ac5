"""Soak: see ``__main__``."""
