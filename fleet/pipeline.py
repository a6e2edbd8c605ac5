"""One company's run: the real ``meltano run``, with the company's settings, secrets and state, as a process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from fleet import limits, project, secrets
from fleet.run_log import RunLog
from tap_pleo_export.singer.redaction import SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fleet.companies import Fleet
    from fleet.fleet_file import Company

TAP, TARGET = "TAP_PLEO_EXPORT_", "TARGET_PLEO_EXPORT_"
# Settings that a target which reports to Pleo shares with the tap.
SHARED = ("api_url", "auth_url", "token_file", "request_timeout", "max_retries", "user_agent")
LOAD = ("tap-pleo-export", "pleo-validate", "target-postgres")
REPORT = ("tap-pleo-export", "pleo-failures", "target-pleo-export")
STOP_SECONDS = 20


class Done(NamedTuple):
    """What a run did."""

    exit_code: int
    seconds: float
    log: RunLog


def run(fleet: Fleet, company: Company, blocks: tuple[str, ...], tell: Callable[[str, str], None]) -> Done:
    """Run a pipeline for a company, to its end.

    Args:
        fleet: The fleet that it is of.
        company: The company.
        blocks: The plugins of the pipeline.
        tell: Told of log lines for a person, level and text; no secret is in them.

    Raises:
        SecretMissing: A secret is not where the fleet file says.
    """
    variables = environment(fleet, company)
    meltano = fleet.file.meltano
    command = [*_tied_to_us(), _executable(meltano.executable, fleet.folder), "run"]
    command += [f"--state-id-suffix={company.id}", *blocks]
    began = time.monotonic()
    log = RunLog()
    root = fleet.folder / meltano.project
    with project.variables(root) as own, _process(command, root, variables | own) as process:
        for raw in process.stdout or ():
            if line := log.read(SECRETS.mask(raw)):
                tell(*line)
        code = process.wait()
    return Done(code, time.monotonic() - began, log)


def environment(fleet: Fleet, company: Company) -> dict[str, str]:
    """Return the environment of a company's runs: ours, without what is of other companies, with what is of this one.

    Raises:
        SecretMissing: A secret is not where the fleet file says.
    """
    credential = fleet.credential_of(company)
    file = fleet.file
    hidden = secrets.variables(fleet)
    foreign = tuple(f"{prefix}{name.upper()}" for prefix in (TAP, TARGET) for name in _CREDENTIALS)
    inherited = {name: value for name, value in os.environ.items() if name not in hidden and name not in foreign}
    budget = limits.divide(
        credential.requests_per_minute,
        fleet.sharing[company.credential_name],
        file.discovery.interval,
        file.limits.runs_per_credential,
    )
    reports = fleet.reports(company)
    reading, writing = limits.share_with_target(budget.run) if reports else (budget.run, 0)
    given = {**fleet.settings_of(company), **secrets.look_up_all(credential, fleet.folder)}
    shared = {name: value for name, value in given.items() if name in (*SHARED, *_CREDENTIALS)}
    return {
        **inherited,
        **_variables(TAP, given | {"max_requests_per_minute": reading}),
        **(_variables(TARGET, shared | {"max_requests_per_minute": writing}) if reports else {}),
        "MELTANO_ENVIRONMENT": file.meltano.environment,
        "MELTANO_CLI_LOG_FORMAT": "json",
        "MELTANO_AUTO_INSTALL": "false",
    }


_CREDENTIALS = ("api_key", "access_token", "client_id", "client_secret", "refresh_token", "token_file")


def _variables(prefix: str, settings: dict[str, Any]) -> dict[str, str]:
    return {
        f"{prefix}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }


def _executable(name: str, folder: Path) -> str:
    """Return a path; one with a slash starts at the fleet file's folder."""
    return str(folder / name) if "/" in name else name


def _tied_to_us() -> list[str]:
    """Return what makes a command end, politely, when this process dies: so that no run outlives its worker."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig=TERM", "--"] if setpriv else []


@contextmanager
def _process(command: list[str], root: Path, variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 - the installation's own executable
        command,
        cwd=root,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End what still runs, the plugins too: politely first, so that the state of what was loaded is kept."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        if number == signal.SIGTERM:
            process.terminate()
        else:
            os.killpg(process.pid, number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    if process.stdout:
        process.stdout.close()
