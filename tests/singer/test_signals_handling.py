"""When a signal ends a run."""

from __future__ import annotations

import signal
import time

import pytest

from tap_pleo_export.singer.signals import Interrupts


def test_inside_a_page_a_signal_is_noted_and_ends_the_run_at_the_next_wait() -> None:
    run = Interrupts()
    run.handle(signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped, run.allowed():
        pytest.fail("the wait must not begin")
    assert stopped.value.code == 143


def test_at_a_wait_a_signal_ends_the_run_at_once() -> None:
    run = Interrupts()

    with pytest.raises(SystemExit) as stopped, run.allowed():
        run.handle(signal.SIGINT)
    assert stopped.value.code == 130


def test_a_shielded_block_runs_to_its_end_first() -> None:
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


def test_the_same_signal_twice_at_once_counts_once() -> None:
    run = Interrupts()

    run.handle(signal.SIGINT)
    run.handle(signal.SIGINT)


def test_a_second_signal_later_ends_the_run_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    run = Interrupts()
    run.handle(signal.SIGTERM)
    now[0] += 1.0

    with pytest.raises(SystemExit) as stopped:
        run.handle(signal.SIGINT)
    assert stopped.value.code == 143


def test_what_a_signal_breaks_on_its_way_out_is_no_failure() -> None:
    run = Interrupts()

    def wait() -> None:
        try:
            run.handle(signal.SIGTERM)
        except SystemExit:
            raise RuntimeError("release unlocked lock") from None

    with pytest.raises(SystemExit) as stopped, run.allowed():
        wait()
    assert stopped.value.code == 143


def test_without_a_signal_a_failure_stays_one() -> None:
    with pytest.raises(RuntimeError, match="broken"), Interrupts().allowed():
        raise RuntimeError("broken")
