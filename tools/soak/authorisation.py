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
    """The operator's side of the tap's authorisation.

    Attributes:
        pleo: The sandbox.
        token_file: The setting.
        configured: The setting ``refresh_token``.
    """

    pleo: Sandbox
    token_file: Path
    configured: str

    def settings(self) -> dict[str, Any]:
        """Return the tap's settings for OAuth."""
        return {
            "auth_url": self.pleo.auth_url,
            "client_id": self.pleo.client_id,
            "client_secret": self.pleo.client_secret,
            "refresh_token": self.configured,
            "token_file": str(self.token_file),
        }

    def is_lost(self) -> bool:
        """Return whether the next run would present a token that is no longer valid."""
        presented = str(self._stored().get("refresh_token", self.configured))
        return self.pleo.credentials.revoked or presented != self.pleo.refresh_token

    def may_be_in_transit(self) -> bool:
        """Return whether the newest token is unused: a kill may have preceded its response."""
        return not self.pleo.credentials.presented

    def renew(self) -> None:
        """Authorise again, as the tap's message says."""
        self.pleo.authorise_anew()
        self.configured = self.pleo.refresh_token

    def secrets(self) -> list[str]:
        """Return the secrets that the tap knows and must not show."""
        stored = self._stored()
        return [self.configured, self.pleo.client_secret, *(stored[name] for name in _TOKENS if stored.get(name))]

    def _stored(self) -> dict[str, Any]:
        try:
            stored: dict[str, Any] = json.loads(self.token_file.read_bytes())
        except FileNotFoundError:
            return {}
        return stored if stored["descends_from"] == sha256(self.configured.encode()).hexdigest() else {}
