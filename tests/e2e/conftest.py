"""One PostgreSQL server per session; functions that create databases and Meltano projects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from sandbox import Sandbox
from tools import postgres as pg
from tools.meltano import CHECKOUT, MeltanoProject

PLUGINS = (
    "extractors/tap-pleo-export",
    "mappers/map-pleo-validation",
    "loaders/target-postgres",
    "loaders/target-jsonl",
    "loaders/target-pleo-export",
    "extractors/tap-jsonl",
)

_databases = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[pg.Postgres]:
    with pg.running() as server:
        yield server


@pytest.fixture(scope="session")
def new_database(postgres: pg.Postgres) -> Callable[[], str]:
    """Return a function that makes an empty database and returns its name."""

    def make() -> str:
        name = f"e2e_{next(_databases)}"
        postgres.create_database(name)
        return name

    return make


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MeltanoProject]:
    """Return a function that makes a Meltano project which reads a sandbox, with further settings."""
    absent = [plugin for plugin in PLUGINS if not (CHECKOUT / ".meltano" / plugin / "venv").is_dir()]
    assert not absent, f"not installed: {', '.join(absent)}; run 'make test', which installs the Meltano plugins first"

    def make(sandbox: Sandbox, **settings: str) -> MeltanoProject:
        reading = {"TAP_PLEO_EXPORT_API_URL": sandbox.url, "TAP_PLEO_EXPORT_API_KEY": sandbox.api_key}
        return MeltanoProject(tmp_path_factory.mktemp("meltano"), {**reading, **settings})

    return make
