"""A pytest plugin of `make mutants`: the package's executables run in forks of the test's process, with its mutant.

A fork starts in milliseconds and reports the functions that it called, so that mutmut finds the tests of a mutant.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mutmut.state import state

import tap_pleo_export.attachments.plugin
import tap_pleo_export.blocked_report.command
import tap_pleo_export.target.plugin  # noqa: F401 - forks have it, too
from tap_pleo_export.singer.redaction import SECRETS, SecretsFilter

COMMANDS = {
    "map-pleo-attachments": "attachments",
    "map-pleo-validation": "mapper",
    "pleo-export-report": "report",
    "tap-pleo-export": "tap",
    "target-pleo-export": "target",
}
MODULES = {"tap_pleo_export.attachments.plugin": "attachments"}
# Tests of these folders count for modules of the same folder only; what is below has quicker tests.
FOLDERS = {
    "attachments": "tap_pleo_export.attachments.",
    "blocked_report": "tap_pleo_export.blocked_report.",
    "fleet": "dagster_pleo_export.",
    "target": "tap_pleo_export.target.",
}
# The functions that forks called, one a line.
_CALLED = Path(tempfile.gettempdir()) / f"mutants-{os.getpid()}"
_called_by_fixtures: dict[Path, set[str]] = {}
_PR_SET_PDEATHSIG = 1


class ForkingPopen(subprocess.Popen[Any]):
    """A process that runs an executable of the package without starting Python again."""

    def __init__(self, args: Sequence[str | Path], **options: Any) -> None:  # noqa: ANN401 - Popen's
        match args:
            case [sys.executable, "-m", str(module), *words] if module in MODULES:
                command, file = MODULES[module], module
            case [str() | Path() as file, *words]:
                command = COMMANDS.get(Path(file).name, "")
            case _:
                command = file = ""
        if command:
            # Called in the child, where it does not return.
            options["preexec_fn"] = partial(_run, command, [str(file), *map(str, words)], options.get("env"))
        super().__init__(args, **options)


def _run(command: str, words: list[str], environment: dict[str, str] | None) -> None:
    """Run a command line in this process, as if it had just been started, and end the process."""
    # It must not outlive the test.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_IGN)
    # The parent waits until this side of its pipe is closed.
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    sys.argv = words
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0, "r"), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    vars(sys).update({f"__{name}__": getattr(sys, name) for name in ("stdin", "stdout", "stderr")})
    logging.root.handlers.clear()
    vars(SECRETS).update(vars(SecretsFilter()))
    code: Any = 1
    try:
        from tap_pleo_export import commands  # noqa: PLC0415 - sets signal handlers

        getattr(commands, command)()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as at the end of a process
        traceback.print_exc()
    finally:
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
        with _CALLED.open("a") as file:
            file.writelines(f"{name}\n" for name in state()._stats)  # noqa: SLF001 - see `_called`
        if not sys.stdout.closed:
            sys.stdout.flush()
        os._exit(code)


def _called() -> set[str]:
    """Return the functions that the current test called, with those that its forks called."""
    called: set[str] = state()._stats  # noqa: SLF001 - mutmut has no other place for them
    if _CALLED.exists():
        called.update(_CALLED.read_text().split())
        _CALLED.unlink()
    return called


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Note the functions that fixtures called: those of a module run before its first test only."""
    yield
    _called_by_fixtures.setdefault(item.path, set()).update(_called())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Report the functions that the test called."""
    called = _called()
    called |= _called_by_fixtures[item.path]
    prefix = FOLDERS.get(item.path.parent.name, "")
    called -= {name for name in called if not name.startswith(prefix)}


def pytest_configure(config: pytest.Config) -> None:
    """Replace Popen before the tests import it."""
    config.addinivalue_line("filterwarnings", "ignore:.*fork.*:DeprecationWarning")
    vars(subprocess)["Popen"] = ForkingPopen
