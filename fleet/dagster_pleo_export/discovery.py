"""Lists the readable export jobs of many companies: one small request each, through the package's API client."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, UnsetType
from singer_sdk.streams.rest import HTTPRequest

from dagster_pleo_export import limits, secrets
from dagster_pleo_export.companies import with_defaults
from dagster_pleo_export.secrets import SecretMissing
from tap_pleo_export.api.connection import Connection
from tap_pleo_export.api.daemon_pool import BackgroundCalls
from tap_pleo_export.api.errors import FatalError, PleoError
from tap_pleo_export.api.jobs import READABLE_STATUSES, ExportJob
from tap_pleo_export.api.paging import CursorPaginator, CursorStuckError, Token, walk
from tap_pleo_export.api.request import Answer, Call
from tap_pleo_export.api.sender import Transport
from tap_pleo_export.singer.record_decoder import Page, PageInfo
from tap_pleo_export.singer.redaction import SECRETS
from tap_pleo_export.text import one_line, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Company

SCOPE = "export-jobs:read"
PATH = "/v3/export-jobs"
# A company has one running job; a credential without company_id may see more.
PAGE_SIZE = 100
MAX_RETRIES = 1
# Companies that need a longer wait are left to a later round.
MAX_WAIT = 5.0


class Postponed(Exception):
    """Pleo, or the request budget, demands a longer wait than one evaluation can afford."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Pleo asks to wait {seconds:.0f} s; the company is asked again after that")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class DiscoveryResult:
    """The result of asking about one company.

    Attributes:
        company: Its name in the fleet.
        jobs: Its readable jobs, ids in lower case; empty after a failure.
        failure: Why they could not be listed, in one line without secrets; None after a success.
        wait: Seconds that Pleo asked to wait before the next request.
    """

    company: str
    jobs: tuple[ExportJob, ...] = ()
    failure: str | None = None
    wait: float = 0.0


class _Job(msgspec.Struct):
    """The members of an export job that are read (OpenAPI schema ``ExportJobV3``)."""

    id: str
    status: str | None = None
    createdAt: Raw | UnsetType = UNSET  # noqa: N815 - Pleo's name, which `ExportJob` reads
    lastUpdatedAt: Raw | UnsetType = UNSET  # noqa: N815
    expiresIn: Raw | UnsetType = UNSET  # noqa: N815
    numberOfItems: Raw | UnsetType = UNSET  # noqa: N815


class _Jobs(msgspec.Struct):
    data: list[_Job]
    pagination: Raw


class Discovery:
    """Asks about many companies concurrently; lives as long as the process, so that connections stay open.

    Args:
        requests_at_once: The maximum number of requests in flight.
    """

    def __init__(self, requests_at_once: int) -> None:
        self.requests_at_once = requests_at_once
        self._pool = BackgroundCalls(requests_at_once)
        self._transport = Transport()
        self._connections: dict[str, tuple[dict[str, Any], Connection]] = {}
        self._lock = threading.Lock()

    def ask_all(self, fleet: Fleet, companies: Iterable[Company], seconds: float) -> Iterator[DiscoveryResult]:
        """Ask about companies, in order, and yield each result as it arrives.

        Companies that are not started in time are left out. A company that does not answer within its request
        timeout after that counts as failed.

        Args:
            fleet: The fleet they belong to.
            companies: The companies.
            seconds: How long new requests may start.
        """
        until = time.monotonic() + seconds
        waiting = iter(companies)
        asked: dict[Future[DiscoveryResult], Company] = {}
        while True:
            while len(asked) < self.requests_at_once and time.monotonic() < until and (company := next(waiting, None)):
                asked[self._pool.submit(self.ask, fleet, company)] = company
            if not asked:
                return
            left = max(0.0, until - time.monotonic()) + fleet.file.discovery.request_timeout
            done, _ = wait(asked, timeout=left, return_when=FIRST_COMPLETED)
            if not done:
                yield from (DiscoveryResult(company.id, failure="No answer in time") for company in asked.values())
                return
            for future in done:
                del asked[future]
                yield future.result()

    def ask(self, fleet: Fleet, company: Company) -> DiscoveryResult:
        """Ask about one company."""
        name = company.credential_name
        try:
            listing = _Listing(self._connection(fleet, company), fleet, company)
            jobs = [row for page in walk(listing, CursorPaginator()) for row in page.records]
        except Postponed as postponed:
            return DiscoveryResult(company.id, failure=str(postponed), wait=postponed.seconds)
        except (PleoError, SecretMissing, CursorStuckError) as error:
            if isinstance(error, FatalError):
                # A connection remembers its failure, even when the cause has been fixed.
                with self._lock:
                    self._connections.pop(name, None)
            return DiscoveryResult(company.id, failure=SECRETS.one_line(str(error)))
        except Exception as error:  # noqa: BLE001 - one company must not end the round for the others
            return DiscoveryResult(company.id, failure=f"Program error: {type(error).__name__} at {_place(error)}")
        readable = (replace(job, id=job.id.lower()) for job in jobs if job.readable and job.has_plain_id)
        return DiscoveryResult(company.id, tuple(readable))

    def _connection(self, fleet: Fleet, company: Company) -> Connection:
        """Return the connection of a credential: all of its companies share it, and its budget."""
        name = company.credential_name
        credential = fleet.credential_of(company)
        settings = with_defaults(fleet.settings_of(company) | secrets.look_up_all(credential, fleet.folder))
        interval, at_once = fleet.file.discovery.interval, fleet.file.limits.runs_per_credential
        budget = limits.divide(credential.requests_per_minute, fleet.sharing[name], interval, at_once)
        wanted = settings | {"max_requests_per_minute": budget.discovery, "max_retries": MAX_RETRIES}
        # These differ between companies of one credential.
        wanted = {key: value for key, value in wanted.items() if key not in {"company_id", "page_size"}}
        with self._lock:
            known, connection = self._connections.get(name, (None, None))
            if connection is None or known != wanted:
                connection = Connection.from_settings(
                    wanted,
                    user_agent=_user_agent(settings),
                    scopes=[SCOPE],
                    sleep=_sleep,
                    learn_secrets=SECRETS.learn,
                    transport=self._transport,
                )
                self._connections[name] = wanted, connection
            return connection


@dataclass(frozen=True, slots=True)
class _Listing:
    """The pages of a company's readable jobs."""

    connection: Connection
    fleet: Fleet
    company: Company

    def fetch(self, token: Token) -> Answer:
        params = {
            "company_id": self.company.company_id,
            "statuses": list(READABLE_STATUSES),
            "limit": PAGE_SIZE,
            "after": token,
        }
        settings = self.fleet.settings_of(self.company)
        request = HTTPRequest(
            url=self.connection.api_url + PATH,
            method="GET",
            params={name: value for name, value in params.items() if value is not None},
            headers={"Accept": "application/json", "User-Agent": _user_agent(settings)},
        )
        timeout = self.fleet.file.discovery.request_timeout
        return self.connection.client.send(Call(request, self.connection.authenticator, timeout, SCOPE))

    def read(self, answer: Answer) -> Page:
        return self.connection.client.read(answer, _page)

    def ids(self, page: Page) -> Iterable[str]:
        return (job.id for job in page.records)


def _page(body: bytes) -> Page:
    text, _ = storable(body)
    decoded = msgspec.json.decode(text, type=_Jobs)
    return Page([ExportJob.from_record(job) for job in decoded.data], PageInfo.read(decoded.pagination))


def _sleep(seconds: float) -> None:
    if seconds > MAX_WAIT:
        raise Postponed(seconds)
    time.sleep(seconds)


def _user_agent(settings: dict[str, Any]) -> str:
    return str(settings.get("user_agent") or f"tap-pleo-export/{version('tap-pleo-export')} fleet")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return one_line(f"{trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}") if trace else "an unknown place"
