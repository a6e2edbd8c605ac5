"""Fixtures for tests of the tap as a process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs, Run, finish

ITEMS = "/v3/export-items"
RunTap = Callable[..., Run]
StartTap = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def stop_at_page(pleo: Sandbox, run_tap: RunTap) -> RunTap:
    """Run the tap until Pleo fails on a page of export items."""

    def run(number: int, **options: Any) -> Run:
        fault = pleo.add_fault(Fault(path=ITEMS, nth=number, status=503))
        stopped = run_tap(**options)
        pleo.faults.remove(fault)
        assert stopped.returncode == 1
        return stopped

    return run


@pytest.fixture
def disturb(pleo: Sandbox, start_tap: StartTap, outputs: Outputs) -> RunTap:
    """Run the tap and send it signals at a request, before the request's answer."""

    def run(*signals: int, path: str, nth: int = 1, **settings: Any) -> Run:
        process: list[subprocess.Popen[bytes]] = []

        def send(_: Sandbox) -> None:
            for number in signals:
                process[0].send_signal(number)

        pleo.add_fault(Fault(path=path, nth=nth, kind="callback", callback=send))
        process.append(start_tap(**settings))
        return finish(process[0], outputs)

    return run
