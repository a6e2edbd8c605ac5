"""An authenticator with a refresh token of the sandbox, for tests without a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sandbox import Sandbox
from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.credentials import RefreshTokenAuth
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.api.sender import Sender
from tap_pleo_export.api.token_endpoint import TokenEndpoint
from tap_pleo_export.api.token_file import TokenFile


def refreshing(pleo: Sandbox, folder: Path, *, timeout: float = 5, url: str = "", **parts: Any) -> RefreshTokenAuth:
    """Return an authenticator that keeps its tokens in a folder; `parts` replace its arguments."""
    endpoint = TokenEndpoint(
        url=url or pleo.auth_url,
        client_id=pleo.client_id,
        client_secret=pleo.client_secret,
        timeout=timeout,
        user_agent="test",
        sender=Sender(),
        stopping=parts.pop("stopping", lambda: False),
    )
    defaults: dict[str, Any] = {
        "endpoint": endpoint,
        "refresh_token": pleo.refresh_token,
        "token_file": TokenFile(folder / "tokens.json"),
        "budget": RequestBudget(500),
        "policy": RetryPolicy(),
    }
    return RefreshTokenAuth(**(defaults | parts))
