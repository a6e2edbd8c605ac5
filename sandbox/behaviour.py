"""Switches of a sandbox: undocumented behaviour of Pleo, and oddities that a connector must survive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SCOPES = ("export-jobs:read", "export-jobs:write", "export-items:read")


@dataclass(eq=False)
class Behaviour:
    """Switches; all may be changed while the sandbox runs.

    Attributes:
        max_limit: Largest page size.
        max_limit_policy: Whether a larger ``limit`` is reduced to it, or refused with 400.
        send_total: Whether pages carry ``total``.
        omit_last_cursor: Whether the last page lacks ``endCursor``.
        empty_page_at: Numbers (from 1) at which a cursor walk of export items meets an empty page before the end.
        loop_cursor: Whether the page after a cursor ends at the same cursor.
        reject_cursors: Whether every ``after`` is answered 400, as if the cursor had become stale.
        shuffle_items: Whether export items have another order than job items.
        serve_files: Whether the links of items lead to files of this server, with new links in each response.
        client_auth: How clients must authenticate at the token endpoint.
        access_token_lifetime: Seconds; ``expires_in`` of new access tokens.
        scopes: Scopes of the credentials.
    """

    max_limit: int = 1000
    max_limit_policy: Literal["clamp", "refuse"] = "clamp"
    send_total: bool = True
    omit_last_cursor: bool = True
    empty_page_at: set[int] = field(default_factory=set)
    loop_cursor: bool = False
    reject_cursors: bool = False
    shuffle_items: bool = False
    serve_files: bool = False
    client_auth: Literal["any", "form", "basic"] = "any"
    access_token_lifetime: int = 3600
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
