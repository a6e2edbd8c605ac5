"""Scratch folders of runs that were killed are removed, those of running ones are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_pleo_export import scratch
from tests.conftest import CHECKOUT

# Makes a folder with a secret, starts a child that inherits its lock, and waits to be killed.
RUN = """
import subprocess, sys
from dagster_pleo_export import scratch
with scratch.folder() as (folder, descriptor):
    (folder / "tap.config.json").write_text("fake-secret")
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=(descriptor,))
    print(folder, flush=True)
    child.wait()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_only_the_folder_of_a_dead_run_is_removed(temporary: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "fleet"), "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", RUN]
    with (
        scratch.folder() as (mine, _),
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run,
    ):
        (mine / "tap.config.json").write_text("fake-secret")
        assert run.stdout
        assert run.stdin
        folder = Path(run.stdout.readline().strip())
        assert folder.stat().st_mode & 0o777 == 0o700
        run.kill()
        run.wait()
        # Its child, like Meltano, still saves its state.
        scratch.sweep()
        assert folder.exists()

        run.stdin.close()
        # The child closes its output, which the pipe reports, when it has ended.
        run.stdout.read()
        scratch.sweep()

        assert not folder.exists()
        assert mine.exists()
    assert list(temporary.iterdir()) == []


def test_folders_of_others_and_links_are_not_followed(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (temporary / f"{scratch.PREFIX}link").symlink_to(elsewhere)
    (temporary / f"{scratch.PREFIX}file").write_text("kept")
    (temporary / f"{scratch.PREFIX}new").mkdir()

    scratch.sweep()

    assert len(list(temporary.iterdir())) == 4
    assert (elsewhere / "kept").exists()
