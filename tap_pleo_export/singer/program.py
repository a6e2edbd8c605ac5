"""A program that is no plugin of the SDK: how it ends."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from tap_pleo_export.singer.run_summary import run_summary
from tap_pleo_export.singer.signals import SIGNALS


def unwind_on_signals() -> None:
    """Let a signal unwind the stack, so that temporary files are deleted."""
    for number in SIGNALS:
        signal.signal(number, _exit)


def _exit(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def run_program(
    program: str,
    run: Callable[[], int],
    counts: Mapping[str, object],
    *expected: type[Exception],
    clean: Callable[[str], str] = str,
) -> int:
    """Run a program, then print its run summary on standard error, and return the exit code.

    Args:
        program: Its name.
        run: Returns the exit code.
        counts: The counts of the summary; `run` may still add some.
        expected: Exceptions that end it with one line.
        clean: Masks that line.
    """
    started, code = time.monotonic(), 1
    try:
        code = run()
    except expected as error:
        print(clean(f"{program}: {error}"), file=sys.stderr)
    except SystemExit as signalled:
        code = signalled.code if isinstance(signalled.code, int) else code
        raise
    finally:
        print("METRIC:", json.dumps(run_summary(program, code, time.monotonic() - started, counts)), file=sys.stderr)
    return code
