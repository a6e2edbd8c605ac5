"""Requests to Pleo's API, and successful answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from tap_pleo_export.api.errors import SAFE_METHODS

if TYPE_CHECKING:
    from tap_pleo_export.api.credentials import Authenticator


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to Pleo's API.

    Attributes:
        method: The HTTP method.
        url: The address without a query.
        params: The query; a list repeats its parameter, None leaves it out.
        headers: Headers besides the signature; None: those of :class:`PleoApi`.
        body: Any JSON value; None: no body.
        auth: Signs the request; None: the authenticator of :class:`PleoApi`.
        timeout: Seconds from connecting to the last byte of the answer; None: that of :class:`PleoApi`.
        scope: The OAuth scope that the request needs, for error messages.
    """

    method: str
    url: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] | None = None
    body: Any = None
    auth: Authenticator | None = None
    timeout: float | None = None
    scope: str | None = None

    @property
    def path(self) -> str:
        """The path, for messages: a query may contain secrets."""
        return urlsplit(self.url).path

    @property
    def full_url(self) -> str:
        """The address with its query."""
        pairs = [
            (name, item)
            for name, value in self.params.items()
            for item in (value if isinstance(value, (list, tuple)) else [value])
            if item is not None
        ]
        return f"{self.url}?{urlencode(pairs)}" if pairs else self.url

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again after an unknown outcome: it changes nothing."""
        return self.method in SAFE_METHODS


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A successful answer that has not been decoded yet.

    Attributes:
        request: The request.
        content_type: The ``Content-Type``.
        body: The whole body.
        lease: Keeps the memory reserved for the body, as long as this object exists.
    """

    request: ApiRequest
    content_type: str
    body: bytes
    lease: object = None
