"""OAuth with the sandbox: settings, an authenticator without a process, and the refresh tokens presented."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sandbox import Sandbox
from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.credentials import RefreshTokenAuth
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.api.sender import Sender
from tap_pleo_export.api.token_endpoint import TokenEndpoint
from tap_pleo_export.api.token_file import TokenFile


def oauth_settings(pleo: Sandbox, token_file: Path) -> dict[str, Any]:
    """Return settings of the tap or the target for OAuth, without an API key."""
    return {
        "api_key": None,
        "client_id": pleo.client_id,
        "client_secret": pleo.client_secret,
        "refresh_token": pleo.refresh_token,
        "auth_url": pleo.auth_url,
        "token_file": str(token_file),
    }


def presented(pleo: Sandbox) -> list[str]:
    """Return the refresh tokens that reached the token endpoint."""
    return [parse_qs(request.body.decode())["refresh_token"][0] for request in pleo.requests_to("/oauth/token")]


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
