"""The report made by its executable, and a real Chromium that opens it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import BIN, TIMEOUT
from tests.helpers import books

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

_NAMES = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
NO_CHROMIUM = "no Chromium on this machine: apt-get install chromium, or name one in CHROMIUM"
_QUIET = (
    "--no-sandbox",  # root may not have one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Made:
    """What the program did."""

    returncode: int
    stdout: str
    stderr: str
    html: Path
    csv: Path

    @property
    def text(self) -> str:
        return self.html.read_text("utf-8")


@pytest.fixture
def make_report(tmp_path: Path) -> Callable[..., Made]:
    """Run `pleo-export-report` on lines of input, or on what the arguments name."""

    def make(data: bytes | None = None, *arguments: str, env: dict[str, str] | None = None) -> Made:
        html, csv = tmp_path / "report.html", tmp_path / "report.csv"
        run = subprocess.run(
            [BIN / "pleo-export-report", "--output", html, "--csv", csv, *arguments],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            env={"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": str(int(books.NOW.timestamp())), "TZ": "UTC"}
            | (env or {}),
        )
        return Made(run.returncode, run.stdout.decode(), run.stderr.decode(), html, csv)

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium that is not on the network."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not where it is skipped

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Any]]:
    """Open a file; what it asks for and what it says are collected, and at the end there must be nothing."""
    contexts = []
    told: list[str] = []

    def open_file(path: Path, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 900}, **{"locale": "en-GB"} | options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: told.append(request.url) if request.url != path.as_uri() else None)
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("dialog", lambda dialog: told.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert told == []
