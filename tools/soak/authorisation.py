"""OAuth worlds: tokens that rotate, and whether one is lost without a reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox

_TOKENS = ("access_token", "refresh_token")


@dataclass
class Authorisation:
    """What the tap's operator has to do with its authorisation.

    Attributes:
        pleo: The sandbox.
        token_file: The setting.
        configured: The setting ``refresh_token``.
    """

    pleo: Sandbox
    token_file: Path
    configured: str

    def settings(self) -> dict[str, Any]:
        """Return the settings that belong to it."""
        return {
            "auth_url": self.pleo.auth_url,
            "client_id": self.pleo.client_id,
            "client_secret": self.pleo.client_secret,
            "refresh_token": self.configured,
            "token_file": str(self.token_file),
        }

    def is_lost(self) -> bool:
        """Return whether the token that the next run would present is not the one that is good."""
        return self.pleo.credentials.revoked or self._presented_next() != self.pleo.refresh_token

    def may_be_on_its_way(self) -> bool:
        """Return whether the newest token has not been used: a kill may have come before its answer."""
        return not self.pleo.credentials.presented

    def begin_anew(self) -> None:
        """Authorise again, as the tap's message says."""
        self.pleo.authorise_anew()
        self.configured = self.pleo.refresh_token

    def secrets(self) -> list[str]:
        """Return what the tap knows and must not show."""
        kept = self._kept()
        return [self.configured, self.pleo.client_secret, *(kept[name] for name in _TOKENS if kept.get(name))]

    def _presented_next(self) -> str:
        return str(self._kept().get("refresh_token", self.configured))

    def _kept(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(self.token_file.read_bytes())
        except FileNotFoundError:
            return {}
        return kept if kept["descends_from"] == sha256(self.configured.encode()).hexdigest() else {}
