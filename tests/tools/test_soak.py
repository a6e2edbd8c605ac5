"""The soak's worlds can be played, and its verification notices faults."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.values import encode
from tests.conftest import Run
from tools.expectation import RUNNING
from tools.soak.reporting import play_reporting
from tools.soak.scenario import play
from tools.soak.verification import Figures, TapOutput, check_logs, compare_output


@pytest.mark.parametrize("played", [play, play_reporting])
def test_one_world_is_played_to_its_end(tmp_path: Path, played: Callable[..., str]) -> None:
    figures = Figures()

    played(Random("smoke 39"), tmp_path, figures)  # noqa: S311 - repeatable, not a secret

    assert figures.good, figures
    assert figures.items or figures.updates


def test_verification_notices_missing_wrong_and_uncovered_items(pleo: Sandbox, run_tap: Callable[..., Run]) -> None:
    pleo.add_job(items=5)
    messages = run_tap().messages
    first = next(n for n, line in enumerate(messages) if line.get("record", {}).get("accountingEntryLines"))

    def verify(lines: list[dict[str, Any]]) -> tuple[int, int]:
        output, figures = TapOutput(), Figures()
        output.read(b"".join(encode(line) + b"\n" for line in lines), pleo)
        compare_output(pleo, output, RUNNING, figures)
        return figures.missing, figures.wrong

    assert verify(messages) == (0, 0)
    assert verify(messages[:first] + messages[first + 1 :]) == (1, 0)
    assert verify([line for line in messages if line["type"] != "STATE"]) == (5, 0)
    for change in ({"note": "other"}, {"itemStatus": "in_progress"}, {"amount": None}):
        changed = copy.deepcopy(messages)
        changed[first]["record"].update(change)
        assert verify(changed) == (0, 1)


@pytest.mark.parametrize("secret", ["api_key", "access_token", "refresh_token", "client_secret"])
def test_secrets_in_logs_are_noticed(pleo: Sandbox, tmp_path: Path, secret: str) -> None:
    (tmp_path / "tap.log").write_text(f"it was {getattr(pleo, secret)}")
    figures = Figures()

    check_logs(tmp_path, figures)

    assert figures.leaks == 1
