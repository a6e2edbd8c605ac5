"""The executables: a signal ends them in silence from their first moment on, before anything large is imported."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from importlib import import_module

for _number in (signal.SIGTERM, signal.SIGINT):
    # The plugin takes the signals over as soon as there is something to end in good order.
    signal.signal(_number, lambda number, _frame: os._exit(128 + number))


def _command(module: str) -> Callable[[], None]:
    """Return the function that runs the command line of a plugin; the module is slow to import."""

    def run() -> None:
        # Imports leave nothing to collect, and much to look through.
        gc.disable()
        plugin = import_module(f"tap_pleo_export.{module}")
        gc.freeze()
        gc.enable()
        plugin.cli()

    return run


tap = _command("tap.plugin")
mapper = _command("validation.plugin")
attachments = _command("attachments.plugin")
target = _command("target.plugin")


def _program(name: str, module: str, packages: str) -> Callable[[], None]:
    """Return the function that runs a program whose packages are an extra; the module is slow to import."""

    def run() -> None:
        try:
            command = import_module(f"tap_pleo_export.{module}")
        except ImportError as error:
            raise SystemExit(f"{name}: {error.name or error} is not installed: pip install {packages}") from None
        raise SystemExit(command.main())

    return run


report = _program("pleo-export-report", "blocked_report.command", "babel jinja2 sqlalchemy")
doctor = _program("pleo-export-doctor", "doctor.command", "pyyaml")
book = _program("pleo-export-book", "ledger.command", "'psycopg[binary]'")
files = _program("pleo-export-files", "import_files.command", "'psycopg[binary]'")
