"""Secrets, looked up where they are used, and nowhere kept: in the environment and in files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tap_pleo_export.singer.redaction import SECRETS

if TYPE_CHECKING:
    from pathlib import Path

    from fleet.companies import Fleet
    from fleet.fleet_file import Credential, Secret


class SecretMissing(Exception):
    """A secret is not where the fleet file says; ``str()`` is the line a user reads."""


def look_up(secret: Secret, folder: Path) -> str:
    """Return a secret; from now on the process's logs mask it.

    Args:
        secret: Where it is.
        folder: Where relative paths start.

    Raises:
        SecretMissing: It is not there.
    """
    if secret.env is not None:
        value = os.environ.get(secret.env, "")
        where = f"the environment variable {secret.env} is not set"
    else:
        path = folder / (secret.file or "")
        try:
            value = path.read_text("utf-8").strip()
            where = f"the file {path} is empty"
        except (OSError, UnicodeDecodeError) as error:
            raise SecretMissing(f"The file {path} cannot be read: {getattr(error, 'strerror', 'no text')}") from None
    if not value:
        raise SecretMissing(f"A secret is missing: {where}")
    SECRETS.learn([value])
    return value


def look_up_all(credential: Credential, folder: Path) -> dict[str, str]:
    """Return the secrets of a credential, by the tap's settings.

    Raises:
        SecretMissing: One is not there.
    """
    return {name: look_up(secret, folder) for name, secret in credential.secrets().items()}


def variables(fleet: Fleet) -> set[str]:
    """Return the environment variables that hold secrets: no run needs those of another company."""
    named = set()
    for name in {*fleet.file.credentials, *(c.credential_name for c in fleet.companies.values())}:
        credential = fleet.credential(name)
        given = [*credential.secrets().values(), *([credential.webhook_secret] if credential.webhook_secret else [])]
        named |= {secret.env for secret in given if secret.env}
    if fleet.file.alerts.url and fleet.file.alerts.url.env:
        named.add(fleet.file.alerts.url.env)
    return named
