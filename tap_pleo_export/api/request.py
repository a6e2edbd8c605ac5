"""A request with what its failures mean, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from singer_sdk.streams.rest import HTTPRequest

    from tap_pleo_export.api.credentials import Authenticator

SAFE_METHODS = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request, with what its failures mean.

    Attributes:
        request: Address, method, query, headers and body (JSON).
        auth: Signs it.
        timeout: Seconds for the whole of it, from connecting to the last byte of the answer.
        scope: The OAuth scope that it needs.
    """

    request: HTTPRequest
    auth: Authenticator
    timeout: float
    scope: str | None = None

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request.method

    @property
    def path(self) -> str:
        """The path, for messages: a query may name what no log should."""
        return urlsplit(self.request.url).path

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it: only what changes nothing."""
        return self.method in SAFE_METHODS


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer, not read yet.

    Attributes:
        call: What was asked.
        content_type: Its ``Content-Type``.
        body: The whole body.
        share: What the body takes of the memory lent to all answers, as long as this exists.
    """

    call: Call
    content_type: str
    body: bytes
    share: object = None
