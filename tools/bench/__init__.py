"""Benchmarks: the tap, the mapper and the target against hand-written loops, or against another checkout."""
