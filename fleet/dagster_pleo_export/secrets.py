"""Secrets are looked up where they are used, in the environment and in files, and never stored."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tap_pleo_export.singer.redaction import SECRETS

if TYPE_CHECKING:
    from pathlib import Path

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Credential, Secret

# Names that are quoted in messages. Others may be secrets, pasted where their place belongs.
_VARIABLE = re.compile(r"(?!.{65})[A-Z]{1,20}\d{0,3}(?:_(?:[A-Z]{1,20}\d{0,3}|\d{1,4}))*")
_WORD = re.compile(r"(?:[A-Z]?[a-z]{1,20}|[A-Z]{1,20})?\d{0,4}")


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
        where = f"the environment variable {_shown_variable(secret.env)} is not set"
    else:
        path = folder / (secret.file or "")
        try:
            value = path.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", "it is not UTF-8")
            raise SecretMissing(f"The file {_shown_path(path, secret)} cannot be read: {reason}") from None
        where = f"the file {_shown_path(path, secret)} is empty"
    if not value:
        raise SecretMissing(f"A secret is missing: {where}")
    SECRETS.learn([value])
    return value


def look_up_all(credential: Credential, folder: Path) -> dict[str, str]:
    """Return the secrets of a credential, by the tap's setting.

    Raises:
        SecretMissing: One is not there.
    """
    found = {}
    for name, secret in credential.secrets().items():
        try:
            found[name] = look_up(secret, folder)
        except SecretMissing as missing:
            raise SecretMissing(f"{name}: {missing}") from None
    return found


def variables(fleet: Fleet) -> set[str]:
    """Return the environment variables that contain secrets: a run must not see those of other companies."""
    return set(fleet.secret_variables)


def _shown_variable(name: str) -> str:
    return name if _VARIABLE.fullmatch(name) else "that 'env' names (not shown: it may be the secret itself)"


def _shown_path(path: Path, secret: Secret) -> str:
    shown = all(map(_WORD.fullmatch, re.split("[/._-]", secret.file or "")))
    return str(path) if shown else "that 'file' names (not shown: it may be the secret itself)"
