"""Rewrites of Pleo's responses: odd numbers, dates and shapes. Each function returns one that rewrites a body."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from sandbox.values import Json

Rewrite = Callable[[Json], Json]

# More digits than Python converts to an int by default.
LONG: Final = Decimal("7" * 4301)
HUGE: Final = Decimal("1e999")
TOTALS: Final = (LONG, HUGE, -1, "many", 1.5, None, [3], 0)
SHAPES: Final[tuple[Any, ...]] = (
    {}, [], None, 7, {"data": None}, {"data": {}}, {"data": [], "pagination": None}, {"data": [], "pagination": [1]},
    {"data": [None], "pagination": {"hasNextPage": "no"}},
)  # fmt: skip
OTHER_JOB: Final = "99999999-9999-4999-8999-999999999999"
ROWS: Final[tuple[dict[str, Any], ...]] = (
    {"accountingEntryId": LONG}, {"accountingEntryId": None}, {"accountingEntryId": ""}, {"exportJobId": OTHER_JOB},
    {"id": "../../export-jobs"},
)  # fmt: skip
JOBS: Final[tuple[dict[str, Any], ...]] = (
    {"expiresIn": LONG}, {"expiresIn": -(10**9)}, {"expiresIn": HUGE}, {"numberOfItems": LONG},
    {"numberOfItems": Decimal("2.5")}, {"createdAt": "0001-01-01T00:00:00+14:00"}, {"createdAt": 1733856000},
    {"lastUpdatedAt": "9999-12-31T23:59:59-14:00"}, {"lastUpdatedAt": {"at": "noon"}}, {"createdAt": "1" * 4301},
)  # fmt: skip
LIFETIMES: Final = (LONG, HUGE, -1, 0, "soon", "3600", None, [1], Decimal("0.5"), True)


def with_total(total: Json) -> Rewrite:
    """Change ``total``; other bodies than pages stay unchanged."""
    return lambda body: body | {"pagination": body["pagination"] | {"total": total}} if _is_page(body) else body


def shaped(shape: Json) -> Rewrite:
    """Replace the body."""
    return lambda _: shape


def with_row(changed: dict[str, Any]) -> Rewrite:
    """Change members of the first row that has them."""

    def rewrite(body: Json) -> Json:
        if not (_is_page(body) and body["data"] and isinstance(body["data"][0], dict)):
            return body
        first, *others = body["data"]
        return body | {"data": [first | {name: changed[name] for name in changed if name in first}, *others]}

    return rewrite


def with_jobs(changed: dict[str, Any]) -> Rewrite:
    """Change members of every export job."""

    def rewrite(body: Json) -> Json:
        if not _is_page(body):
            return body
        return body | {"data": [row | changed if row and "expiresIn" in row else row for row in body["data"]]}

    return rewrite


def with_lifetime(lifetime: Json) -> Rewrite:
    """Change the token's ``expires_in``."""
    return lambda body: body | {"expires_in": lifetime}


def _without(name: str) -> Rewrite:
    return lambda body: {member: value for member, value in body.items() if member != name}


def _with(name: str, value: Json) -> Rewrite:
    return lambda body: body | {name: value}


ACCESS_TOKENS: Final = (
    _without("access_token"), _with("access_token", "line\nbreak"), _with("access_token", 17),
    _with("access_token", None), _with("access_token", "ключ"), _without("token_type"),
)  # fmt: skip
REFRESH_TOKENS: Final = (_without("refresh_token"), _with("refresh_token", None), _with("refresh_token", [17]))


def _is_page(body: Json) -> bool:
    return isinstance(body, dict) and isinstance(body.get("data"), list) and isinstance(body.get("pagination"), dict)
