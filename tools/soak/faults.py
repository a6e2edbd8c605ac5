"""The table of faults, and the paths they may hit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sandbox import Fault, Sandbox
from sandbox.values import Json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random


JOBS = "/v3/export-jobs"
CONTROL = "/v3/export-jobs/*/items"
ITEMS = "/v3/export-items"
TOKEN = "/oauth/token"  # noqa: S105 - a path
API = "/v3/*"
ANY = (ITEMS, ITEMS, CONTROL, API)
ALWAYS = 10**6
MAX_REQUEST = 8
TOKEN_NTH = (1, 1, 2)


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
ODD_JOBS: Final[tuple[dict[str, Any], ...]] = (
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


@dataclass(frozen=True)
class Trouble:
    """A row of the table."""

    name: str  # Its kind
    # Attributes of :class:`sandbox.Fault`, or a function that makes them from the secrets that the tap knows.
    fields: Mapping[str, Any] | Callable[[Sequence[str]], Mapping[str, Any]]
    paths: tuple[str, ...] = ANY  # Where it may happen
    loadable: bool = True  # Whether a target can store the result
    loses_token: bool = False  # Whether a rotated token does not reach the client

    def of_job(self, job_id: str, rng: Random) -> Fault:
        """Draw a fault of this kind that hits one job, in its first pages."""
        members = dict(self.fields(()) if callable(self.fields) else self.fields)
        return Fault(**{"path": ITEMS, "query": {"job_id": job_id}, "nth": rng.randint(1, 3), **members})

    def fault(self, pleo: Sandbox, secrets: Sequence[str], rng: Random) -> Fault:
        """Draw a fault of this kind."""
        members = dict(self.fields(secrets) if callable(self.fields) else self.fields)
        path = rng.choice(self.paths)
        where: dict[str, Any] = {"path": path}
        if path == ITEMS and rng.choice((True, False)):
            where["query"] = {"job_id": rng.choice(list(pleo.jobs))}
        nth = rng.choice(TOKEN_NTH) if path == TOKEN else rng.randint(1, MAX_REQUEST)
        return Fault(**{**where, "nth": nth, "times": rng.choice((1, 1, 1, 2, 3)), **members})


def _quoting(secrets: Sequence[str]) -> Mapping[str, Any]:
    message = f"no\r\n{' '.join(secrets)} {'x' * 400}"
    return {"status": 400, "body": {"type": f"BAD {secrets[0]}", "message": message}}


def _rewrite(function: Rewrite, **more: Json) -> Mapping[str, Any]:
    return {"kind": "rewrite", "rewrite": function, **more}


STATUSES = tuple(Trouble(f"status {status}", {"status": status}) for status in (408, 500, 502, 503, 504))
CONNECTION = (
    Trouble("reset", {"kind": "reset"}),
    Trouble("reset in the body", {"kind": "reset_body"}),
    Trouble("truncated", {"kind": "truncate"}),
    *[Trouble("closed when idle", {"kind": "close", "times": 5})] * 2,
)
SLOW = (
    Trouble("delay", {"kind": "delay", "seconds": 0.3}),
    # A large body exceeds the deadline, a small one arrives.
    Trouble("body drips", {"kind": "drip", "seconds": 0.0005, "times": 1}),
    Trouble("body drips without end", {"kind": "drip", "seconds": 0.5, "times": 1}),
    Trouble("head drips", {"kind": "drip_head", "seconds": 0.001}),
    Trouble("head drips without end", {"kind": "drip_head", "seconds": 0.5, "times": 1}),
)
ODD = (
    Trouble("429", {"status": 429, "headers": {"Retry-After": "0"}}),
    Trouble("odd Retry-After", {"status": 503, "headers": {"Retry-After": "Sun, 01 Mar 99999999999 12:00:00 GMT"}}),
    Trouble("long Retry-After", {"status": 429, "headers": {"Retry-After": "9" * 4301}, "times": 1}),
    Trouble("odd Date", {"status": 503, "headers": {"Retry-After": "1", "Date": "soon"}}),
    Trouble("html", {"kind": "html"}),
    Trouble("deep", {"status": 200, "body": b'{"data":' + b"[" * 100_000}),
    Trouble("too many digits", {"status": 200, "body": b'{"data":[],"pagination":{"total":' + b"7" * 4301}),
    *(Trouble("odd total", _rewrite(with_total(total))) for total in TOTALS),
    *(Trouble("odd shape", _rewrite(shaped(shape))) for shape in SHAPES),
    *(Trouble("odd row", _rewrite(with_row(row))) for row in ROWS),
    *(Trouble("odd job", _rewrite(with_jobs(job), nth=1, times=ALWAYS), (JOBS,), loadable=False) for job in ODD_JOBS),
)
REFUSED = (Trouble("unauthorised", {"status": 401, "times": 1}), Trouble("refused, quoting secrets", _quoting))
TOKEN_TROUBLES = (
    *(Trouble(f"token: status {status}", {"status": status}, (TOKEN,)) for status in (429, 500, 503)),
    Trouble("token: html", {"kind": "html", "times": 1}, (TOKEN,)),
    Trouble("token: delay", {"kind": "delay", "seconds": 0.3}, (TOKEN,)),
    Trouble("token: closed when idle", {"kind": "close"}, (TOKEN,)),
    # Fast enough for the longest lifetime to arrive in time.
    Trouble("token: drips", {"kind": "drip", "seconds": 0.0002}, (TOKEN,)),
    *(Trouble("token: odd lifetime", _rewrite(_with("expires_in", life)), (TOKEN,)) for life in LIFETIMES),
    *(Trouble("token: odd access token", _rewrite(shape, times=1), (TOKEN,)) for shape in ACCESS_TOKENS),
    *(
        Trouble("token: no refresh token", _rewrite(shape, times=1), (TOKEN,), loses_token=True)
        for shape in REFRESH_TOKENS
    ),
    *(
        Trouble(f"token: lost by {kind}", {"kind": kind, "times": 1}, (TOKEN,), loses_token=True)
        for kind in ("reset", "reset_body", "truncate")
    ),
    Trouble("token: drips without end", {"kind": "drip", "seconds": 0.5, "times": 1}, (TOKEN,), loses_token=True),
)
EXPIRY = Trouble(
    "token: expires during the run", {"kind": "callback", "callback": Sandbox.expire_access_token, "times": 1}, (ITEMS,)
)
# One job fails or stays incomplete while the others are read.
JOB_TROUBLES = (
    Trouble("job refused", {"status": 400, "times": ALWAYS}, (ITEMS,)),
    Trouble("job failing", {"status": 502, "times": ALWAYS}, (ITEMS,)),
    Trouble("job without an id", _rewrite(with_row(ROWS[0])), (ITEMS,)),
)
TROUBLES = (*STATUSES, *CONNECTION, *SLOW, *ODD, *REFUSED)


@dataclass
class Planned:
    """A fault in a sandbox, and its row of the table."""

    trouble: Trouble
    fault: Fault = field(repr=False)

    @property
    def hits(self) -> int:
        """How often it took effect."""
        first = self.fault.nth or 1
        return max(0, min(self.fault.seen, first + self.fault.times - 1) - first + 1)
