"""Secrets are looked up where they are used, in the environment and in files, and never stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tap_pleo_export.singer.redaction import SECRETS

if TYPE_CHECKING:
    from pathlib import Path

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Credential, Secret


class SecretMissing(Exception):
    """A secret is not where the fleet file says; ``str()`` is the line for the user."""


def look_up(secret: Secret, folder: Path) -> str:
    """Return a secret; from now on the logs of this process mask it.

    Args:
        secret: Where it is.
        folder: Base of relative paths.

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
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "it is not UTF-8")
            raise SecretMissing(f"The file {path} cannot be read: {reason}") from None
        where = f"the file {path} is empty"
    if not value:
        raise SecretMissing(f"A secret is missing: {where}")
    SECRETS.learn([value])
    return value


def look_up_all(credential: Credential, folder: Path) -> dict[str, str]:
    """Return the secrets of a credential, by the tap's setting.

    Raises:
        SecretMissing: One is not there.
    """
    return {name: look_up(secret, folder) for name, secret in credential.secrets().items()}


def variables(fleet: Fleet) -> set[str]:
    """Return the environment variables that contain secrets: a run must not see those of other companies."""
    given = [fleet.file.alerts.url]
    for name in {*fleet.file.credentials, *fleet.sharing}:
        credential = fleet.credential(name)
        given += [*credential.secrets().values(), credential.webhook_secret]
    return {secret.env for secret in given if secret and secret.env}
