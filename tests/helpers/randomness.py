"""Other moments on each run, and the same ones again when asked for."""

from __future__ import annotations

import os
import secrets
import sys
from random import Random

SEED = "TEST_SEED"


def replayable_random() -> Random:
    """Return a generator whose seed a failing test shows, and the environment variable ``TEST_SEED`` sets."""
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    sys.stdout.write(f"to draw the same again: {SEED}={seed}\n")
    return Random(seed)  # noqa: S311 - repeatable, no secret
