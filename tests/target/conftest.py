"""Fixtures for tests of the target as a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.target import SCHEMAS, feed, settings_of, start_target

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from sandbox import Sandbox
    from tests.conftest import Outputs, Run


@pytest.fixture
def start(pleo: Sandbox, environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the target; settings given as keywords are laid over the usual ones, None removes one."""

    def start_it(*arguments: str, env: dict[str, str] | None = None, **settings: Any) -> subprocess.Popen[bytes]:
        return start_target(tmp_path, environment | (env or {}), settings_of(pleo, **settings), *arguments)

    return start_it


@pytest.fixture
def report(start: Callable[..., subprocess.Popen[bytes]], outputs: Outputs) -> Callable[..., Run]:
    """Run the target to its end on messages that follow both SCHEMAs."""

    def run(*messages: bytes, **settings: Any) -> Run:
        return feed(start(**settings), SCHEMAS + b"".join(messages), outputs)

    return run
