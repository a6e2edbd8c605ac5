"""Environments of the peers: one virtual environment each, built once under ``.bench/``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS = Path(__file__).parent / "peers"
INSTALL_SECONDS = 900
OWN = Path(sys.executable).parent
"""Programs of the environment that the benchmark itself runs in."""


class LeftOutError(Exception):
    """Something cannot be measured here, or not in time; the message is one line."""


class Environments:
    """Environments by the name of the folder in ``bench/peers`` that holds their ``requirements.txt``.

    Args:
        root: Where they are built.
        say: Told when one is being built.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root = root
        self._say = say
        self._refused: dict[str, str] = {}

    def programs(self, name: str | None) -> Path:
        """Return the folder of an environment's programs, building it if needed; None means our own.

        Raises:
            LeftOutError: It cannot be built; it is not tried again in this run.
        """
        if name is None:
            return OWN
        if name in self._refused:
            raise LeftOutError(self._refused[name])
        requirements = PEERS / name / "requirements.txt"
        folder = self._root / name
        marker = folder / "installed.txt"
        if not marker.exists() or marker.read_text() != requirements.read_text():
            self._say(f"Installing {name} into an environment of its own, once ...")
            self._run(name, sys.executable, "-m", "venv", "--clear", str(folder))
            pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input")
            self._run(name, *pip, "install", "--quiet", "-r", str(requirements))
            marker.write_text(requirements.read_text())
        return folder / "bin"

    def version(self, name: str | None, package: str) -> str:
        """Return the version of a package in an environment."""
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        asked = subprocess.run([self.programs(name) / "python", "-c", code], capture_output=True, text=True, check=True)
        return asked.stdout.strip()

    def _run(self, name: str, *command: str) -> None:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            failure = f"not installed within {INSTALL_SECONDS} s"
        else:
            if not done.returncode:
                return
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            failure = errors[-1] if errors else f"exit code {done.returncode}"
        self._refused[name] = f"{name} does not install here ({failure})"
        raise LeftOutError(self._refused[name])
