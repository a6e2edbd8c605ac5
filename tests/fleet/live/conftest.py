"""Real Dagster daemons, code servers and webhooks on a real PostgreSQL; a story or two that several tests look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import postgres as pg
from tools.fleet import BIN

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Postgres]:
    assert (BIN / "dagster-daemon").exists(), "not installed: run 'make test-fleet', which makes .venv-fleet first"
    with pg.running() as server:
        yield server
