"""When a signal ends a run."""

from __future__ import annotations

import signal
import time

import pytest

from tap_pleo_export.singer.signals import Interrupts


def test_signal_inside_a_page_ends_the_run_at_the_next_wait() -> None:
    run = Interrupts()
    run.handle(signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped, run.allowed():
        pytest.fail("the wait must not begin")
    assert stopped.value.code == 143


def test_signal_during_a_wait_ends_the_run_at_once() -> None:
    run = Interrupts()

    with pytest.raises(SystemExit) as stopped, run.allowed():
        run.handle(signal.SIGINT)
    assert stopped.value.code == 130


def test_shielded_block_finishes_first() -> None:
    run = Interrupts()
    steps = []

    def refresh() -> None:
        with run.shielded():
            run.handle(signal.SIGTERM)
            steps.append("token kept")
        steps.append("never")

    with pytest.raises(SystemExit), run.allowed():
        refresh()
    assert steps == ["token kept"]


def test_immediate_second_signal_is_ignored() -> None:
    run = Interrupts()

    run.handle(signal.SIGINT)
    run.handle(signal.SIGINT)


def test_later_second_signal_ends_the_run_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    run = Interrupts()
    run.handle(signal.SIGTERM)
    now[0] += 1.0

    with pytest.raises(SystemExit) as stopped:
        run.handle(signal.SIGINT)
    assert stopped.value.code == 143


def test_error_caused_by_a_signal_is_not_a_failure() -> None:
    run = Interrupts()

    def wait() -> None:
        try:
            run.handle(signal.SIGTERM)
        except SystemExit:
            raise RuntimeError("release unlocked lock") from None

    with pytest.raises(SystemExit) as stopped, run.allowed():
        wait()
    assert stopped.value.code == 143


def test_error_without_a_signal_is_raised() -> None:
    with pytest.raises(RuntimeError, match="broken"), Interrupts().allowed():
        raise RuntimeError("broken")
