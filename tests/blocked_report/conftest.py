"""Run the report's executable, and open its page in Chromium."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser

from demo.__main__ import WORLDS
from sandbox import Sandbox
from tests.conftest import BIN, CHECKOUT, TIMEOUT
from tests.helpers import books, mapper
from tools.meltano import environment_without_settings

STREAMS = ("export_jobs", "export_job_items", "export_items")
_NAMES = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
NO_CHROMIUM = "Chromium not found: run apt-get install chromium, or set CHROMIUM"
# The sandbox does not start as root.
_QUIET = [f"--{flag}" for flag in ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync")]
_QUIET += ["--disable-background-networking", "--disable-component-update"]


@dataclass
class ReportRun:
    """Result of the executable; `errors` is its standard error without the run summary."""

    returncode: int
    stdout: str
    errors: str
    run_summary: dict[str, Any]
    html: Path
    csv: Path

    @property
    def page(self) -> str:
        return self.html.read_text("utf-8")

    @property
    def rows(self) -> list[dict[str, str]]:
        with self.csv.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))


def split_errors(stderr: bytes) -> tuple[str, dict[str, Any]]:
    """Return messages and run summary."""
    errors, _, metric = stderr.decode().partition("METRIC: ")
    return errors, json.loads(metric or "{}")


def load_sqlite(path: Path, data: bytes, streams: tuple[str, ...] = STREAMS) -> None:
    """Write records to a database without types: names of columns in upper case, nested values as text."""
    output = mapper.Output(data)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for stream in streams:
            rows = output.records(stream)
            names = sorted({name for row in rows for name in row})
            columns = ", ".join(f'"{name.upper()}"' for name in names)
            connection.execute(f"CREATE TABLE {stream} ({columns})")
            values = [
                [mapper.dumps(v) if isinstance(v := row.get(name), dict | list) else v for name in names]
                for row in rows
            ]
            insert = f"INSERT INTO {stream} VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names of the kit
            connection.executemany(insert, values)


@pytest.fixture
def make_report(tmp_path: Path) -> Callable[..., ReportRun]:
    """Run `pleo-export-report` with standard input or arguments."""

    def make(data: bytes | None = None, *arguments: str, env: dict[str, str] | None = None) -> ReportRun:
        html, table = tmp_path / "report.html", tmp_path / "report.csv"
        run = subprocess.run(
            [BIN / "pleo-export-report", "--output", html, "--csv", table, *arguments],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            env={"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": str(int(books.NOW.timestamp())), "TZ": "UTC"}
            | (env or {}),
        )
        return ReportRun(run.returncode, run.stdout.decode(), *split_errors(run.stderr), html, table)

    return make


@pytest.fixture(scope="session")
def demo_messages(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What `make demo` reads and validates."""
    project = yaml.safe_load((CHECKOUT / "meltano.yml").read_text("utf-8"))["plugins"]
    config = tmp_path_factory.mktemp("demo") / "mapping.json"
    config.write_text(json.dumps(project["mappers"][0]["mappings"][0]["config"]))
    with Sandbox.holding(*WORLDS) as pleo:
        settings = {"TAP_PLEO_EXPORT_API_URL": pleo.url, "TAP_PLEO_EXPORT_API_KEY": pleo.api_key}
        tap = subprocess.run(
            [BIN / "tap-pleo-export", "--config=ENV"],
            env=environment_without_settings() | settings,
            capture_output=True,
            check=True,
        )
    mapping = [str(BIN / "map-pleo-validation"), "--config", str(config)]
    return subprocess.run(mapping, input=tap.stdout, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Not for the session: until it ends, no other test can run an event loop."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not needed when skipped

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Any]]:
    """Open a file offline. The test fails if the page makes a request, logs a message or opens a dialog."""
    contexts = []
    events: list[str] = []

    def open_file(path: Path, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 900}, **{"locale": "en-GB"} | options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: events.append(request.url) if request.url != path.as_uri() else None)
        page.on("console", lambda message: events.append(message.text))
        page.on("pageerror", lambda error: events.append(str(error)))
        page.on("dialog", lambda dialog: events.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert events == []
