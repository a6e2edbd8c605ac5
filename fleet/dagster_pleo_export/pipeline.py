"""A company's run: the real ``meltano run`` as a process, with the company's settings, secrets and state."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dagster_pleo_export import limits, scratch, secrets
from dagster_pleo_export.run_log import RunLog
from tap_pleo_export.singer.redaction import SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Company
    from dagster_pleo_export.locks import Lease

TAP, TARGET = "TAP_PLEO_EXPORT_", "TARGET_PLEO_EXPORT_"
CREDENTIALS = ("api_key", "access_token", "client_id", "client_secret", "refresh_token", "token_file")
# Settings that a target which reports to Pleo shares with the tap.
SHARED = (*CREDENTIALS, "api_url", "auth_url", "request_timeout", "max_retries", "user_agent")
LOAD = ("tap-pleo-export", "pleo-validate", "target-postgres")
REPORT = ("tap-pleo-export", "pleo-failures", "target-pleo-export")
# The parts of `.meltano` that all runs share: plugins and, unless configured elsewhere, the system database.
SHARED_FOLDERS = ("extractors", "loaders", "mappers", "utilities", "meltano.db")
STOP_SECONDS = 20


class PipelineResult(NamedTuple):
    """The result of a ``meltano run``."""

    exit_code: int
    seconds: float
    log: RunLog


def run(
    fleet: Fleet, company: Company, plugins: tuple[str, ...], lease: Lease, write_log: Callable[[str, str], None]
) -> PipelineResult:
    """Run a pipeline for a company, to its end.

    Args:
        fleet: The fleet it belongs to.
        company: The company.
        plugins: The plugins of the pipeline.
        lease: The lock on the company's loads; Meltano inherits it, and is killed when it is lost.
        write_log: Called with level and text of each log line for a person, secrets masked.

    Raises:
        SecretMissing: A secret is not where the fleet file says.
    """
    variables = environment(fleet, company)
    meltano = fleet.file.meltano
    # Forced: the lease excludes other runs, and Meltano's lock lasts five minutes longer than a killed run.
    options = ("--no-install", "--force", f"--state-id-suffix={company.id}")
    command = [*_ends_with_this_process(), meltano.command(fleet.folder), "run", *options, *plugins]
    began = time.monotonic()
    log = RunLog()
    root = fleet.folder / meltano.project
    with (
        _system_folder(root) as (folders, locked),
        _process(command, root, variables | folders, (*lease.descriptors, locked)) as process,
    ):
        lease.on_loss(lambda: _kill(process))
        for raw in process.stdout or ():
            if line := log.read(SECRETS.mask(raw)):
                write_log(*line)
        code = process.wait()
    return PipelineResult(code, time.monotonic() - began, log)


def environment(fleet: Fleet, company: Company) -> dict[str, str]:
    """Return the environment of a company's runs: this process's, without the secrets of other companies.

    Raises:
        SecretMissing: A secret is not where the fleet file says.
    """
    credential = fleet.credential_of(company)
    file = fleet.file
    hidden = secrets.variables(fleet) | {f"{prefix}{n.upper()}" for prefix in (TAP, TARGET) for n in CREDENTIALS}
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    budget = limits.divide(
        credential.requests_per_minute,
        fleet.sharing[company.credential_name],
        file.discovery.interval,
        file.limits.runs_per_credential,
    )
    given = {**fleet.settings_of(company), **secrets.look_up_all(credential, fleet.folder)}
    reading, writing = budget.run, 0
    target: dict[str, str] = {}
    if fleet.reports(company):
        reading, writing = limits.share_with_target(budget.run)
        shared = {name: value for name, value in given.items() if name in SHARED}
        target = _variables(TARGET, shared | {"max_requests_per_minute": writing})
    return {
        **inherited,
        **_variables(TAP, given | {"max_requests_per_minute": reading}),
        **target,
        "MELTANO_ENVIRONMENT": file.meltano.environment,
        "MELTANO_CLI_LOG_FORMAT": "json",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def _variables(prefix: str, settings: dict[str, Any]) -> dict[str, str]:
    return {
        f"{prefix}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }


def _ends_with_this_process() -> list[str]:
    """Return a command prefix that sends SIGTERM when this process dies, so that no run outlives its worker."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig=TERM", "--"] if setpriv else []


@contextmanager
def _system_folder(project: Path) -> Iterator[tuple[dict[str, str], int]]:
    """Give the run a temporary folder in place of the project's ``.meltano``; yield variables and the folder's lock.

    Meltano writes a plugin's catalog and settings into one folder for all runs of a project: two runs at once would
    read each other's half-written files, and the settings contain secrets.
    """
    with scratch.folder() as (folder, descriptor):
        for shared in SHARED_FOLDERS:
            (folder / shared).symlink_to((project / ".meltano" / shared).resolve())
        yield {"MELTANO_PROJECT_ROOT": str(project.resolve()), "MELTANO_SYS_DIR_ROOT": str(folder)}, descriptor


@contextmanager
def _process(
    command: list[str], root: Path, variables: dict[str, str], descriptors: tuple[int, ...]
) -> Iterator[subprocess.Popen[str]]:
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
        pass_fds=descriptors,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End the process and its plugins: SIGTERM first, so that the state of loaded records is saved, then SIGKILL."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    _kill(process)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill the process and its plugins, those included that have outlived it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
