"""The soak's worlds can be played, and its verification notices faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tools.soak.reporting import play_reporting
from tools.soak.scenario import play
from tools.soak.verification import Figures


@pytest.mark.parametrize("played", [play, play_reporting])
def test_one_world_is_played_to_its_end(tmp_path: Path, played: Callable[..., str]) -> None:
    figures = Figures()

    played(Random("smoke 39"), tmp_path, figures)  # noqa: S311 - repeatable, not a secret

    assert figures.good, figures
    assert figures.items or figures.updates
