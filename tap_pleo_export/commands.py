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


def report() -> None:
    """Run `pleo-export-report`."""
    try:
        from tap_pleo_export.blocked_report.command import main  # noqa: PLC0415 - slow
    except ImportError as error:
        raise SystemExit(
            f"pleo-export-report: {error.name} is not installed: pip install babel jinja2 sqlalchemy"
        ) from None
    raise SystemExit(main())


def doctor() -> None:
    """Run `pleo-export-doctor`."""
    try:
        from tap_pleo_export.doctor.command import main  # noqa: PLC0415 - slow
    except ImportError as error:
        raise SystemExit(f"pleo-export-doctor: {error.name} is not installed: pip install pyyaml") from None
    raise SystemExit(main())


def book() -> None:
    """Run `pleo-export-book`."""
    _run_with_psycopg("pleo-export-book", "ledger.command")


def files() -> None:
    """Run `pleo-export-files`."""
    _run_with_psycopg("pleo-export-files", "import_files.command")


def _run_with_psycopg(program: str, module: str) -> None:
    try:
        command = import_module(f"tap_pleo_export.{module}")
    except ImportError as error:
        raise SystemExit(f"{program}: {error.name or error} is not installed: pip install 'psycopg[binary]'") from None
    raise SystemExit(command.main())
