"""What ``dagster-pleo-export check`` finds: problems of the fleet file, of secrets and of the Meltano project."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml
from standardwebhooks import Webhook

from dagster_pleo_export import secrets
from dagster_pleo_export.secrets import SecretMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Secret


# Dagster's default limit for an evaluation of a sensor.
TICK_SECONDS = int(os.environ.get("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "60"))


def problems(fleet: Fleet) -> Iterator[str]:
    """Yield a line for each problem; sends nothing to Pleo or elsewhere."""
    yield from fleet.problems
    for name in sorted(fleet.sharing):
        credential = fleet.credential(name)
        for setting, secret in credential.secrets().items():
            yield from _problems(fleet, f"Credential '{name}', {setting}", secret)
        if credential.webhook_secret:
            yield from _problems(fleet, f"Credential '{name}', webhook_secret", credential.webhook_secret, _webhook)
    if fleet.file.alerts.url:
        yield from _problems(fleet, "alerts.url", fleet.file.alerts.url, _address)
    discovery = fleet.file.discovery
    if (seconds := discovery.time_limit + discovery.request_timeout) >= TICK_SECONDS:
        yield f"discovery: time_limit + request_timeout are {seconds} s; keep them below Dagster's {TICK_SECONDS} s"
    yield from _environment_problems(fleet)


def _problems(
    fleet: Fleet, label: str, secret: Secret, problem_of: Callable[[str], str | None] = lambda _: None
) -> Iterator[str]:
    try:
        problem = problem_of(secrets.look_up(secret, fleet.folder))
    except SecretMissing as missing:
        problem = str(missing)
    if problem:
        yield f"{label}: {problem}"


def _webhook(secret: str) -> str | None:
    try:
        Webhook(secret)
    except Exception:  # noqa: BLE001 - the library raises errors of many types
        return "its value is not a secret like whsec_..., so every delivery would be refused"
    return None


def _address(url: str) -> str | None:
    try:
        address = urlsplit(url)
        usable = address.scheme in {"http", "https"} and address.hostname and address.port != 0
    except ValueError:
        usable = False
    return None if usable else "its value is not an address like https://hooks.example.com/..."


def _environment_problems(fleet: Fleet) -> Iterator[str]:
    name = fleet.file.meltano.environment
    path = fleet.folder / fleet.file.meltano.project / "meltano.yml"
    try:
        project: Any = yaml.safe_load(path.read_bytes())
        known = [str(environment["name"]) for environment in project["environments"]]
    except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError):
        # Not on this machine, or not readable this way; a run says what Meltano thinks of it.
        return
    if name not in known and "include_paths" not in project:
        yield f"meltano.environment: {path} has no environment '{name}', only {', '.join(known)}"
    if not shutil.which(fleet.file.meltano.command(fleet.folder)):
        yield f"meltano.executable: cannot run '{fleet.file.meltano.executable}': name its path, as .venv/bin/meltano"
