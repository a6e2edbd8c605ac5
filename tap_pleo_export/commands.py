"""The executables: a signal ends them in silence from their first moment on, before anything large is imported."""

from __future__ import annotations

import os
import signal

for _number in (signal.SIGTERM, signal.SIGINT):
    # The plugin takes the signals over as soon as there is something to end in good order.
    signal.signal(_number, lambda number, _frame: os._exit(128 + number))


def tap() -> None:
    """Run `tap-pleo-export`."""
    from tap_pleo_export.tap.plugin import cli  # noqa: PLC0415 - slow

    cli()


def mapper() -> None:
    """Run `map-pleo-validation`."""
    from tap_pleo_export.validation.plugin import cli  # noqa: PLC0415 - slow

    cli()


def attachments() -> None:
    """Run `map-pleo-attachments`."""
    from tap_pleo_export.attachments.plugin import cli  # noqa: PLC0415 - slow

    cli()


def target() -> None:
    """Run `target-pleo-export`."""
    from tap_pleo_export.target.plugin import cli  # noqa: PLC0415 - slow

    cli()


def report() -> None:
    """Run `pleo-export-report`."""
    try:
        from tap_pleo_export.blocked_report.command import main  # noqa: PLC0415 - slow
    except ImportError as error:
        raise SystemExit(
            f"pleo-export-report: {error.name} is not installed: install tap-pleo-export[report]"
        ) from None
    raise SystemExit(main())
