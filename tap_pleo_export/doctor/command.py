"""Command line of the doctor."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tap_pleo_export.doctor import checks
from tap_pleo_export.doctor.project import (
    Plugin,
    ProjectError,
    meltano_plugins,
    meltano_state_database,
)
from tap_pleo_export.pleo_plugin.settings import SETTINGS, TARGET_SETTINGS, from_environment
from tap_pleo_export.singer.command_line import read_dotenv
from tap_pleo_export.singer.redaction import SECRETS, guard_logs

_PROGRAM = "pleo-export-doctor"
_LEVELS = ("ok", "warning", "error")
_TAP, _MAPPER, _TARGET = "tap-pleo-export", "map-pleo-validation", "target-pleo-export"


def main(arguments: list[str] | None = None) -> int:
    """Run all checks and print a line for each result.

    Returns:
        The exit code: 0 if everything is as it should be, else 1.
    """
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Check settings, credentials, checks, database and state before the first run. Loads nothing.",
        epilog="In a Meltano project it reads meltano.yml and .env, elsewhere the environment and .env.",
    )
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="the mapper's settings as JSON, without Meltano")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each result")
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {version('tap-pleo-export')}")
    options = parser.parse_args(arguments)
    guard_logs()
    # A reader such as `head` may end first.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # The result repeats the API client's log lines about retries.
    logging.disable(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr] # standard streams
    read_dotenv()
    is_good = True
    try:
        for result in _results(options.mapping):
            is_good = is_good and result.level != "error"
            _print(result, as_json=options.json)
    except ProjectError as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 1
    return 0 if is_good else 1


def _print(result: checks.Result, *, as_json: bool) -> None:
    text = SECRETS.one_line(result.text)
    if as_json:
        print(json.dumps(result.as_json() | {"text": text}), flush=True)
    else:
        marks = "✓!✗" if "utf" in (sys.stdout.encoding or "").lower() else "+!x"
        print(f"{marks[_LEVELS.index(result.level)]} {result.subject}: {text}", flush=True)


def _results(mapping: Path | None) -> Iterator[checks.Result]:
    plugins = meltano_plugins(os.environ)
    if plugins:
        yield from _project(plugins)
        yield checks.state(*meltano_state_database(os.environ))
        return
    tap, problems = from_environment(os.environ, "TAP_PLEO_EXPORT_", SETTINGS)
    yield from (checks.Result(_TAP, level="error", text=problem) for problem in problems)
    yield from _connection(tap, {_MAPPER: _read(mapping)} if mapping else {})
    yield from checks.shared_tokens(tap, from_environment(os.environ, "TARGET_PLEO_EXPORT_", TARGET_SETTINGS)[0])
    if url := os.environ.get("TARGET_POSTGRES_SQLALCHEMY_URL"):
        yield checks.database("target-postgres", url, os.environ.get("TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA"))


def _project(plugins: list[Plugin]) -> Iterator[checks.Result]:
    ours = [plugin for plugin in plugins if plugin.name.startswith((_TAP, _MAPPER, _TARGET, "map-pleo-attachments"))]
    for plugin in ours:
        yield from checks.block(plugin.name, plugin.undeclared)
    mappings = {name: config for plugin in ours if plugin.name == _MAPPER for name, config in plugin.mappings.items()}
    targets: list[dict[str, Any]] = [plugin.config for plugin in ours if plugin.name.startswith(_TARGET)]
    for plugin in ours:
        if plugin.name.startswith(_TAP):
            yield from _connection(plugin.config, mappings)
            yield from (result for target in targets for result in checks.shared_tokens(plugin.config, target))
    for plugin in plugins:
        if plugin.name.startswith("target-") and plugin not in ours:
            yield from checks.loader(plugin.name, plugin.config)


def _connection(config: dict[str, Any], mappings: dict[str, dict[str, Any]]) -> Iterator[checks.Result]:
    yield from checks.token_file(config)
    yield from checks.Pleo(config).check(mappings)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise ProjectError(f"--mapping: {path} is not a readable JSON object with the mapper's settings")
    return content
