"""Fixtures for tests of the target as a process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.conftest import Outputs, Run
from tests.helpers.target import SCHEMAS, feed, settings_of, start_target
from tests.helpers.target_faults import RowResult, play
from tools.meltano import environment_without_settings

Report = Callable[..., Run]
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(pleo: Sandbox, environment: dict[str, str], tmp_path: Path) -> Start:
    """Start the target; keywords override the default settings, None removes one."""

    def start_it(*arguments: str, env: dict[str, str] | None = None, **settings: Any) -> subprocess.Popen[bytes]:
        return start_target(tmp_path, environment | (env or {}), settings_of(pleo, **settings), *arguments)

    return start_it


@pytest.fixture
def report(start: Start, outputs: Outputs) -> Report:
    """Run the target on both SCHEMAs and further messages."""

    def run(*messages: bytes, **settings: Any) -> Run:
        return feed(start(**settings), SCHEMAS + b"".join(messages), outputs)

    return run


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, outputs: Outputs
) -> Iterator[dict[str, Future[RowResult]]]:
    """Results of the selected rows of a module's MATRIX, run side by side because they mostly wait."""
    selected = {item.name for item in request.session.items if item.path == request.path}
    rows = [row for row in request.module.MATRIX if f"test_row[{row.id}]" in selected]
    assert len({row.id for row in rows}) == len(rows)
    folder = tmp_path_factory.mktemp("rows")
    # Read before the threads start: pytest changes its environment with each test.
    environment = environment_without_settings("LOGLEVEL")
    with ThreadPoolExecutor(4) as pool:
        yield {
            row.id: pool.submit(play, row, folder / str(number), environment, outputs)
            for number, row in enumerate(rows)
        }
