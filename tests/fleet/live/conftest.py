"""Real Dagster daemons, code servers and webhooks on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools import postgres as pg
from tools.fleet import BIN


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Postgres]:
    assert (BIN / "dagster-daemon").exists(), "not installed: 'make test-fleet' creates .venv-fleet"
    with pg.running() as server:
        yield server
