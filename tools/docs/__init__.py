"""Generators of the reference tables in docs/."""
