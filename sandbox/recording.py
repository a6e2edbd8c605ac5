"""Records of requests and of their changes, in order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, NamedTuple

from werkzeug.datastructures import MultiDict

if TYPE_CHECKING:
    from datetime import datetime

    from werkzeug.wrappers import Request as Incoming

    from sandbox.values import Json


class Change(NamedTuple):
    """A change made by a request."""

    job_id: str  # The export job
    entry_id: str | None  # The accounting entry, spelled as in the job items; None for a change of the job itself
    status: str  # The new status
    details: dict[str, str]  # Other members: reasons, ``externalId`` and so on


@dataclass
class Request:
    """A received request."""

    method: str  # HTTP method
    path: str  # Path without query
    query: dict[str, list[str]]  # Decoded query parameters, each with all its values
    auth: Literal["basic", "bearer"] | None  # Scheme of the Authorization header, None without one
    user_agent: str  # User-Agent header, empty without one
    time: datetime  # Arrival on the sandbox's clock
    body: bytes  # Raw request body
    status: int | None = None  # Response status; None before the response and if none was sent

    @property
    def json(self) -> Json:
        """The body, decoded from JSON."""
        return json.loads(self.body)

    @classmethod
    def of(cls, incoming: Incoming, time: datetime) -> Request:
        """Describe a werkzeug request."""
        scheme = incoming.headers.get("Authorization", "").partition(" ")[0].lower()
        return cls(
            method=incoming.method,
            path=incoming.path,
            query=MultiDict(incoming.args).to_dict(flat=False),
            auth="basic" if scheme == "basic" else "bearer" if scheme == "bearer" else None,
            user_agent=incoming.headers.get("User-Agent", ""),
            time=time,
            body=incoming.get_data(cache=True),
        )

    def is_to(self, path: str) -> bool:
        """Return whether ``path`` is this path, a parent, or a matching pattern (``/v3/export-jobs/*/items``)."""
        if "*" in path:
            return fnmatchcase(self.path, path)
        return self.path == path or self.path.startswith(path.rstrip("/") + "/")
