"""The random walk of the tests with more worlds: entries through load, models, outbox and target until all settle."""

from __future__ import annotations

import os
import subprocess
import sys

from tools.meltano import CHECKOUT

TEST = "tests/transform/test_random_walk.py"


def walk(worlds: int, seed: int) -> bool:
    """Walk this many worlds on DuckDB, and return whether every item settled."""
    command = [sys.executable, "-m", "pytest", "-q", "-k", "duckdb", TEST]
    environment = os.environ | {"PLEO_WALK_WORLDS": str(worlds), "PLEO_WALK_SEED": str(seed)}
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode == 0
