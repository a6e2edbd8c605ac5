"""Switches of a sandbox: undocumented behaviour of Pleo, and oddities that a connector must survive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MONEY_BACK = frozenset({"refund", "chargeback", "cashback"})
# The other convention, where documented signs stay: negative if Pleo's sign is not known and was not negative before.
OTHER_SIGNS = frozenset({
    "wallet_topup", "wallet_unload", "direct_reimbursement", "external_reimbursement", "invoice_payment",
    "atm_withdrawal", "personal_spend",
})  # fmt: skip
SCOPES = ("export-jobs:read", "export-jobs:write", "export-items:read")


@dataclass(eq=False)
class Behaviour:
    """Switches; all may be changed while the sandbox runs."""

    max_limit: int = 1000  # Largest page size
    # Whether a larger ``limit`` is reduced to it, or refused with 400.
    max_limit_policy: Literal["clamp", "refuse"] = "clamp"
    send_total: bool = True  # Whether pages carry ``total``
    omit_last_cursor: bool = True  # Whether the last page lacks ``endCursor``
    # Numbers (from 1) at which a cursor walk of export items meets an empty page before the end.
    empty_page_at: set[int] = field(default_factory=set)
    loop_cursor: bool = False  # Whether the page after a cursor ends at the same cursor
    reject_cursors: bool = False  # Whether every ``after`` is answered 400, as if the cursor had become stale
    shuffle_items: bool = False  # Whether export items have another order than job items
    # Whether the links of items lead to files of this server, with new links in each response.
    serve_files: bool = False
    client_auth: Literal["any", "form", "basic"] = "any"  # How clients must authenticate at the token endpoint
    access_token_lifetime: int = 3600  # Seconds; ``expires_in`` of new access tokens
    # Types whose amounts are negative in companies made from now on: MONEY_BACK or OTHER_SIGNS.
    negative_types: frozenset[str] = MONEY_BACK
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))  # Scopes of the credentials
