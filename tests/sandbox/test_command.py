from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("number", "world", "jobs"),
    [(signal.SIGINT, "demo", 6), (signal.SIGTERM, "empty", 0), (signal.SIGTERM, "varied", 23)],
)
def test_the_sandbox_runs_in_the_foreground_until_it_is_told_to_stop(
    number: signal.Signals, world: str, jobs: int
) -> None:
    command = [sys.executable, "-m", "sandbox", "--seed", "3", "--world", world]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "fake" in line
        settings = dict(word.split("=", 1) for word in line.split() if "=" in word)
        answer = requests.get(settings["api_url"] + "/v3/export-jobs", auth=(settings["api_key"], ""), timeout=10)
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stdout.read() == ""
    assert len(answer.json()["data"]) == jobs
