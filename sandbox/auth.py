"""Credentials: one API key, and one OAuth authorisation with rotating refresh tokens (RFC 6749, section 6)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.problems import undocumented

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from random import Random

    from werkzeug.datastructures import Authorization

    from sandbox.behaviour import Behaviour


class GrantError(Exception):
    """An error of the token endpoint (RFC 6749, section 5.2): its code, and its HTTP status."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class Credentials:
    """Everything a client may present. All values are fake and contain the word."""

    def __init__(self, rng: Random, now: datetime, lifetime: int) -> None:
        self.rng = rng
        self.api_key, self.client_id, self.client_secret = map(self._fake, ("api-key", "client-id", "client-secret"))
        self.spent: set[str] = set()  # Used refresh tokens; presenting one ends the authorisation
        self.authorise(now, lifetime)

    def _fake(self, what: str) -> str:
        return f"fake-sandbox-{what}-{self.rng.getrandbits(96):024x}"

    def _issue(self, now: datetime, lifetime: int) -> None:
        # Pleo asks clients to discard both old tokens at once, so the old access token ends here too.
        self.access_token = self._fake("access-token")
        self.access_expires = {self.access_token: now + timedelta(seconds=lifetime)}
        self.refresh_token = self._fake("refresh-token")
        self.presented = False  # Whether this access token has been presented

    def authorise(self, now: datetime, lifetime: int) -> None:
        """Begin a new authorisation, as a user does in Pleo after the old one ended."""
        self.revoked = False
        self._issue(now, lifetime)

    def identify(self, header: Authorization | None, now: datetime) -> None:
        """Check the caller's credentials."""
        if header is not None and header.type == "basic" and header.parameters is not None:
            # The key is the user name; the password is empty.
            if (header.username, header.password) == (self.api_key, ""):
                return
        elif header is not None and header.type == "bearer" and not self.revoked:
            expires = self.access_expires.get(header.token or "")
            if expires is not None and now < expires:
                self.presented |= header.token == self.access_token
                return
        raise undocumented(401, "The credentials are missing, wrong or expired.")

    def grant(
        self, form: Mapping[str, str], header: Authorization | None, now: datetime, rules: Behaviour
    ) -> dict[str, Any]:
        """Serve the token endpoint's refresh grant, or raise a GrantError."""
        self._check_client(form, header, rules)
        if form.get("grant_type") != "refresh_token":
            raise GrantError("unsupported_grant_type")
        presented = form.get("refresh_token")
        if not presented:
            raise GrantError("invalid_request")
        if presented in self.spent:
            self.revoked = True
        if self.revoked or presented != self.refresh_token:
            raise GrantError("invalid_grant")
        self.spent.add(presented)
        self._issue(now, rules.access_token_lifetime)
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "token_type": "Bearer",
            "expires_in": rules.access_token_lifetime,
            "scope": " ".join(sorted(rules.scopes)),
        }

    def _check_client(self, form: Mapping[str, str], header: Authorization | None, rules: Behaviour) -> None:
        client = (self.client_id, self.client_secret)
        by_form = (form.get("client_id"), form.get("client_secret")) == client
        by_basic = header is not None and header.type == "basic" and (header.username, header.password) == client
        accepted = {"form": by_form, "basic": by_basic, "any": by_form or by_basic}
        if not accepted[rules.client_auth]:
            raise GrantError("invalid_client", 401)
