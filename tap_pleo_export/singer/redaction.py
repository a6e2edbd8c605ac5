"""Keeps secrets out of every log line, at any level."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
# Shorter ones would mask ordinary words.
SHORTEST_SECRET = 4
_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}")


class SecretsFilter(logging.Filter):
    """Masks known secrets and anything that looks like an ``Authorization`` header in log records."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: set[str] = set()

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on."""
        self._secrets.update(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's message; the record itself always passes."""
        message = record.getMessage()
        masked = self.mask(message)
        if masked != message:
            record.msg, record.args = masked, ()
        return True

    def mask(self, text: str) -> str:
        """Return the text without secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return _AUTHORIZATION.sub(rf"\1 {MASK}", text)


SECRETS = SecretsFilter()
"""The process's filter: logging is the process's, too."""


def guard_logs() -> None:
    """Put the filter on every handler of the root logger."""
    for handler in logging.getLogger().handlers:
        if SECRETS not in handler.filters:
            handler.addFilter(SECRETS)
