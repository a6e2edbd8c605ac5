"""Run the real Meltano in a separate project directory, without the user's settings."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).resolve().parent.parent
MELTANO = str(Path(sys.executable).parent / "meltano")
PLUGIN_KINDS = ("extractors", "loaders", "mappers", "utilities")
_OURS = ("TAP_PLEO", "TARGET_", "MAP_PLEO", "DBT_", "PLEO_FILES", "MELTANO", "SINGER_SDK")
_STOP_SECONDS = 15


def environment_without_settings(*more: str) -> dict[str, str]:
    """Return the caller's environment without settings of plugins and names that begin with one of ``more``."""
    return {name: value for name, value in os.environ.items() if not name.startswith((*_OURS, *more))}


def dbt_environment(kind: str, folder: Path, socket: Path, files: Path) -> dict[str, str]:
    """Return the environment in which dbt builds the models of the checkout.

    Args:
        kind: `postgres` or `duckdb`.
        folder: Directory of dbt's files, and of DuckDB's.
        socket: Directory of PostgreSQL's socket.
        files: Directory of target-jsonl's files.
    """
    models = CHECKOUT / "transform"
    return environment_without_settings() | {
        "DBT_PROJECT_DIR": str(models),
        "DBT_PROFILES_DIR": str(models),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "DBT_TARGET": kind,
        "DBT_POSTGRES_HOST": str(socket),
        "DBT_DUCKDB_PATH": str(folder / "pleo.duckdb"),
        "PLEO_FILES": str(files),
    }


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log."""

    source: str  # ``meltano`` or the plugin's name
    level: str  # ``debug``, ``info``, ``warning``, ``error`` or ``critical``
    text: str  # The message
    metric: Mapping[str, Any]  # Singer metric that the line carries: ``metric``, ``value``, ``tags``
    raw: str  # The line as Meltano wrote it

    @classmethod
    def parse(cls, raw: str) -> LogLine:
        """Read a line of ``MELTANO_CLI_LOG_FORMAT=json``; other text becomes a warning of Meltano."""
        try:
            line = json.loads(raw)
            text = str(line["event"])
        except (ValueError, TypeError, KeyError):
            return cls("meltano", "warning", raw.rstrip(), {}, raw)
        source = str(line.get("string_id", "meltano"))
        return cls(source, str(line.get("level", "info")), text, line.get("metric_info") or {}, raw)


@dataclass
class MeltanoProject:
    """A copy of ``meltano.yml`` in another directory, with the plugins that ``make`` installed in the checkout.

    The copy has a separate system database, so runs do not share state. The checkout's ``.env`` and the caller's
    settings for the plugins are ignored.
    """

    root: Path  # The project directory; an earlier project in it is removed
    # Environment variables of the runs, such as ``TAP_PLEO_EXPORT_API_KEY``.
    settings: dict[str, str] = field(default_factory=dict)
    returncode: int | None = None  # Exit code of the last run

    def __post_init__(self) -> None:
        """Create the directory."""
        system = self.root / ".meltano"
        shutil.rmtree(system, ignore_errors=True)
        system.mkdir(parents=True)
        shutil.copy(CHECKOUT / "meltano.yml", self.root)
        models = self.root / "transform"
        if not models.is_symlink():
            models.symlink_to(CHECKOUT / "transform")
        for kind in PLUGIN_KINDS:
            installed = CHECKOUT / ".meltano" / kind
            if installed.is_dir():
                (system / kind).symlink_to(installed)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a run."""
        return {
            **environment_without_settings(),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "XDG_STATE_HOME": str(self.root / ".meltano" / "logs"),
            "MELTANO_PROJECT_ROOT": str(self.root),
            "MELTANO_ENVIRONMENT": "sandbox",
            "MELTANO_CLI_LOG_FORMAT": "json",
            **self.settings,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``meltano`` with these arguments, its output in one pipe, in a new process group; install nothing."""
        command, *rest = arguments
        return subprocess.Popen(
            [MELTANO, command, *(["--no-install"] if command in {"run", "invoke"} else []), *rest],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def follow(self, *arguments: str) -> Iterator[LogLine]:
        """Run ``meltano`` and yield its log line by line; ``returncode`` is set at the end.

        A consumer that stops early ends the run and all its plugins.
        """
        process = self.start(*arguments)
        assert process.stdout is not None
        try:
            for raw in process.stdout:
                yield LogLine.parse(raw)
            self.returncode = process.wait()
        finally:
            stop_group(process)

    def run(self, *arguments: str) -> list[LogLine]:
        """Run ``meltano`` to its end and return its log."""
        return list(self.follow(*arguments))

    def state(self, state_id: str) -> dict[str, Any]:
        """Return the state that Meltano stores under an id."""
        command = [MELTANO, "--log-level", "error", "state", "get", state_id]
        state: dict[str, Any] = json.loads(subprocess.check_output(command, cwd=self.root, env=self.environment))
        return state


def stop_group(process: subprocess.Popen[str]) -> None:
    """End a process and its children, first with SIGTERM."""
    for order in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, order)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
            break
    if process.stdout is not None:
        process.stdout.close()
