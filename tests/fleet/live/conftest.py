"""Real Dagster daemons, code servers and webhooks on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import postgres as pg
from tools.fleet import BIN

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Postgres]:
    assert (BIN / "dagster-daemon").exists(), "not installed: 'make test-fleet' creates .venv-fleet"
    with pg.running() as server:
        yield server
