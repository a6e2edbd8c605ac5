"""The table of faults: what may go wrong, where, and what each hit may cost in requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox import Fault, Sandbox
from tools.soak import rewrites

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

JOBS = "/v3/export-jobs"
CONTROL = "/v3/export-jobs/*/items"
ITEMS = "/v3/export-items"
TOKEN = "/oauth/token"  # noqa: S105 - a path
API = "/v3/*"
ANY = (ITEMS, ITEMS, CONTROL, API)
ALWAYS = 10**6
LATEST_REQUEST = 8
TOKEN_NTH = (1, 1, 2)


class Cost(NamedTuple):
    """What a hit may cost beyond need.

    Attributes:
        requests: That are sent once more.
        ahead: How often pages fetched ahead are thrown away.
        control: How often the job items of a job are read again.
        data: How often the export items of a job are read again.
        behind: How often a job is read on while its state stays behind, as it does at a row that cannot be used.
    """

    requests: int = 1
    ahead: int = 0
    control: int = 0
    data: int = 0
    behind: int = 0

    def times(self, hits: int) -> Cost:
        """Return the cost of so many hits."""
        return Cost(*(part * hits for part in self))

    def plus(self, other: Cost) -> Cost:
        """Return the cost of both."""
        return Cost(*(mine + its for mine, its in zip(self, other, strict=True)))


FREE = Cost(0)
ENDED = Cost(0, ahead=1)
AGAIN = Cost()
HINT = Cost(0, ahead=1, control=2, data=1)
REREAD = Cost(1, ahead=1, control=2, data=1)
UNUSABLE = REREAD._replace(behind=1)


@dataclass(frozen=True)
class Trouble:
    """A row of the table.

    Attributes:
        name: Its kind.
        fields: Members of :class:`sandbox.Fault`, or how to make them of the secrets that the tap knows.
        paths: Where it may happen.
        cost: Of a hit.
        loadable: Whether a target can store what comes of it.
        loses_token: Whether a rotated token does not reach the client.
    """

    name: str
    fields: Mapping[str, Any] | Callable[[Sequence[str]], Mapping[str, Any]]
    paths: tuple[str, ...] = ANY
    cost: Cost = AGAIN
    loadable: bool = True
    loses_token: bool = False

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
        nth = rng.choice(TOKEN_NTH) if path == TOKEN else rng.randint(1, LATEST_REQUEST)
        return Fault(**{**where, "nth": nth, "times": rng.choice((1, 1, 1, 2, 3)), **members})


def _quoting(secrets: Sequence[str]) -> Mapping[str, Any]:
    message = f"no\r\n{' '.join(secrets)} {'x' * 400}"
    return {"status": 400, "body": {"type": f"BAD {secrets[0]}", "message": message}}


def _rewrite(function: Callable[[Any], Any], **more: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as Fault's
    return {"kind": "rewrite", "rewrite": function, **more}


STATUSES = tuple(Trouble(f"status {status}", {"status": status}) for status in (408, 500, 502, 503, 504))
CONNECTION = (
    Trouble("reset", {"kind": "reset"}),
    Trouble("reset in the body", {"kind": "reset_body"}),
    Trouble("truncated", {"kind": "truncate"}),
    *[Trouble("closed when idle", {"kind": "close", "times": 5}, cost=FREE)] * 2,
)
SLOW = (
    Trouble("delay", {"kind": "delay", "seconds": 0.3}, cost=FREE),
    # A large body outlives its deadline, a small one arrives.
    Trouble("body drips", {"kind": "drip", "seconds": 0.0005, "times": 1}),
    Trouble("body drips for ever", {"kind": "drip", "seconds": 0.5, "times": 1}),
    Trouble("head drips", {"kind": "drip_head", "seconds": 0.001}, cost=FREE),
    Trouble("head drips for ever", {"kind": "drip_head", "seconds": 0.5, "times": 1}),
)
ODD = (
    Trouble("429", {"status": 429, "headers": {"Retry-After": "0"}}),
    Trouble("odd Retry-After", {"status": 503, "headers": {"Retry-After": "Sun, 01 Mar 99999999999 12:00:00 GMT"}}),
    Trouble("long Retry-After", {"status": 429, "headers": {"Retry-After": "9" * 4301}, "times": 1}),
    Trouble("odd Date", {"status": 503, "headers": {"Retry-After": "1", "Date": "soon"}}),
    Trouble("html", {"kind": "html"}),
    Trouble("deep", {"status": 200, "body": b'{"data":' + b"[" * 100_000}),
    Trouble("too many digits", {"status": 200, "body": b'{"data":[],"pagination":{"total":' + b"7" * 4301}),
    *(Trouble("odd total", _rewrite(rewrites.with_total(total)), cost=HINT) for total in rewrites.TOTALS),
    *(Trouble("odd shape", _rewrite(rewrites.shaped(shape))) for shape in rewrites.SHAPES),
    *(Trouble("odd row", _rewrite(rewrites.with_row(row)), cost=UNUSABLE) for row in rewrites.ROWS),
    *(
        Trouble("odd job", _rewrite(rewrites.with_jobs(job), nth=1, times=ALWAYS), (JOBS,), FREE, loadable=False)
        for job in rewrites.JOBS
    ),
)
REFUSED = (
    Trouble("unauthorised", {"status": 401, "times": 1}),
    Trouble("refused, quoting secrets", _quoting, cost=REREAD),
)
TOKEN_TROUBLES = (
    *(Trouble(f"token: status {status}", {"status": status}, (TOKEN,)) for status in (429, 500, 503)),
    Trouble("token: html", {"kind": "html", "times": 1}, (TOKEN,)),
    Trouble("token: delay", {"kind": "delay", "seconds": 0.3}, (TOKEN,), FREE),
    Trouble("token: closed when idle", {"kind": "close"}, (TOKEN,), FREE),
    # So quick that the longest lifetime arrives in time, too.
    Trouble("token: drips", {"kind": "drip", "seconds": 0.0002}, (TOKEN,), FREE),
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
    Trouble("token: drips for ever", {"kind": "drip", "seconds": 0.5, "times": 1}, (TOKEN,), loses_token=True),
)
# Requests that are on their way with the ended token are repeated: see `RunRequests.allowance`.
EXPIRY = Trouble(
    "token: ends in mid-run", {"kind": "callback", "callback": Sandbox.expire_access_token, "times": 1}, (ITEMS,), ENDED
)
# What has a job given up, or left incomplete, while the others are read.
JOB_TROUBLES = (
    Trouble("job refused", {"status": 400, "times": ALWAYS}, (ITEMS,), REREAD),
    Trouble("job failing", {"status": 502, "times": ALWAYS}, (ITEMS,)),
    Trouble("job without an id", _rewrite(rewrites.with_row(rewrites.ROWS[0])), (ITEMS,), UNUSABLE),
)
TROUBLES = (*STATUSES, *CONNECTION, *SLOW, *ODD, *REFUSED)


@dataclass
class Planned:
    """A fault in a sandbox, and the row that it stems from."""

    trouble: Trouble
    fault: Fault = field(repr=False)

    @property
    def hits(self) -> int:
        """How often it took effect."""
        first = self.fault.nth or 1
        return max(0, min(self.fault.seen, first + self.fault.times - 1) - first + 1)
