"""The table of faults, and the paths they may hit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox import Fault, Sandbox
from tools.soak import rewrites

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from sandbox.values import Json

JOBS = "/v3/export-jobs"
CONTROL = "/v3/export-jobs/*/items"
ITEMS = "/v3/export-items"
TOKEN = "/oauth/token"  # noqa: S105 - a path
API = "/v3/*"
ANY = (ITEMS, ITEMS, CONTROL, API)
ALWAYS = 10**6
MAX_REQUEST = 8
TOKEN_NTH = (1, 1, 2)


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


def _rewrite(function: rewrites.Rewrite, **more: Json) -> Mapping[str, Any]:
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
    *(Trouble("odd total", _rewrite(rewrites.with_total(total))) for total in rewrites.TOTALS),
    *(Trouble("odd shape", _rewrite(rewrites.shaped(shape))) for shape in rewrites.SHAPES),
    *(Trouble("odd row", _rewrite(rewrites.with_row(row))) for row in rewrites.ROWS),
    *(
        Trouble("odd job", _rewrite(rewrites.with_jobs(job), nth=1, times=ALWAYS), (JOBS,), loadable=False)
        for job in rewrites.JOBS
    ),
)
REFUSED = (
    Trouble("unauthorised", {"status": 401, "times": 1}),
    Trouble("refused, quoting secrets", _quoting),
)
TOKEN_TROUBLES = (
    *(Trouble(f"token: status {status}", {"status": status}, (TOKEN,)) for status in (429, 500, 503)),
    Trouble("token: html", {"kind": "html", "times": 1}, (TOKEN,)),
    Trouble("token: delay", {"kind": "delay", "seconds": 0.3}, (TOKEN,)),
    Trouble("token: closed when idle", {"kind": "close"}, (TOKEN,)),
    # Fast enough for the longest lifetime to arrive in time.
    Trouble("token: drips", {"kind": "drip", "seconds": 0.0002}, (TOKEN,)),
    *(Trouble("token: odd lifetime", _rewrite(rewrites.with_lifetime(life)), (TOKEN,)) for life in rewrites.LIFETIMES),
    *(Trouble("token: odd access token", _rewrite(shape, times=1), (TOKEN,)) for shape in rewrites.ACCESS_TOKENS),
    *(
        Trouble("token: no refresh token", _rewrite(shape, times=1), (TOKEN,), loses_token=True)
        for shape in rewrites.REFRESH_TOKENS
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
    Trouble("job without an id", _rewrite(rewrites.with_row(rewrites.ROWS[0])), (ITEMS,)),
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
