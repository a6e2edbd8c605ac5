"""Asks Pleo which export jobs of a company can be read: one small request, with the connector's own client."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fleet import limits, secrets
from fleet.companies import with_defaults
from fleet.secrets import SecretMissing
from tap_pleo_export.api.daemon_pool import DaemonPool
from tap_pleo_export.api.errors import FatalError, PleoError
from tap_pleo_export.api.jobs import READABLE_STATUSES, ExportJob, JobRow
from tap_pleo_export.api.paging import PageDecoder
from tap_pleo_export.api.pleo_api import PleoApi
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.api.sender import Sender
from tap_pleo_export.singer.redaction import SECRETS
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fleet.companies import Fleet
    from fleet.fleet_file import Company
    from tap_pleo_export.api.paging import Listing, Token

SCOPE = "export-jobs:read"
PATH = "/v3/export-jobs"
# Of a company there is one running job; where a credential sees several companies, more.
PAGE = 100
RETRIES = 1
# A longer wait is left to a later round.
PATIENCE = 5.0
LAST = datetime.max.replace(tzinfo=UTC)


class Postponed(Exception):
    """Pleo, or the budget, asks for a wait that one evaluation cannot bear."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Pleo asks to wait {seconds:.0f} s: the company is asked about again after that")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Seen:
    """A readable export job, as it was listed."""

    id: str
    items: int | None
    created_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a question about one company brought.

    Attributes:
        company: Its name here.
        jobs: Its readable jobs; empty where there was no answer.
        failure: Why there was none, in one line without secrets; None if there was.
        wait: Seconds that Pleo asked to wait before the next question.
    """

    company: str
    jobs: tuple[Seen, ...] = ()
    failure: str | None = None
    wait: float = 0.0


_JOBS: PageDecoder[JobRow] = PageDecoder(JobRow)


class Discovery:
    """Asks about many companies at once; kept for the life of a process, so that connections stay open.

    Args:
        requests_at_once: How many requests are in flight together.
    """

    def __init__(self, requests_at_once: int) -> None:
        self.requests_at_once = requests_at_once
        self._background = DaemonPool(requests_at_once)
        self._sender = Sender()
        self._connections: dict[str, tuple[dict[str, Any], PleoApi]] = {}
        self._lock = threading.Lock()

    def look(self, fleet: Fleet, companies: Iterable[Company], seconds: float) -> Iterator[Look]:
        """Ask about companies, as many at once as is allowed, in order, and yield what comes back as it comes.

        What is not begun in time is left out; what is not answered a request's time later counts as a failure.

        Args:
            fleet: The fleet that they are of.
            companies: The companies.
            seconds: How long questions may be begun.
        """
        until = time.monotonic() + seconds
        waiting = iter(companies)
        asked: dict[Future[Look], Company] = {}
        while True:
            while len(asked) < self.requests_at_once and time.monotonic() < until and (company := next(waiting, None)):
                asked[self._background.submit(self.ask, fleet, company)] = company
            if not asked:
                return
            left = max(0.0, until - time.monotonic()) + fleet.file.discovery.request_timeout
            done, _ = wait(asked, timeout=left, return_when=FIRST_COMPLETED)
            if not done:
                yield from (Look(company.id, failure="No answer in time") for company in asked.values())
                return
            for future in done:
                del asked[future]
                yield future.result()

    def ask(self, fleet: Fleet, company: Company) -> Look:
        """Ask about one company."""
        name = company.credential_name
        try:
            connection = self._connection(fleet, company)
            listing = _listing(connection, fleet, company)
            jobs = [ExportJob.from_row(row) for page in listing.pages() for row in page.records]
        except Postponed as postponed:
            return Look(company.id, failure=str(postponed), wait=postponed.seconds)
        except (PleoError, SecretMissing) as error:
            if isinstance(error, FatalError):
                # What it remembers of its failure must not outlive the cause.
                with self._lock:
                    self._connections.pop(name, None)
            return Look(company.id, failure=SECRETS.one_line(str(error)))
        except Exception as error:  # noqa: BLE001 - one company must not end the others' round
            return Look(company.id, failure=f"Program error: {type(error).__name__} at {_place(error)}")
        return Look(company.id, tuple(_seen(job) for job in jobs if job.readable and job.has_plain_id))

    def _connection(self, fleet: Fleet, company: Company) -> PleoApi:
        """Return the connection of a credential: one for all of its companies, so that they share a budget."""
        credential = fleet.credential_of(company)
        settings = with_defaults(fleet.settings_of(company) | secrets.look_up_all(credential, fleet.folder))
        interval, at_once = fleet.file.discovery.interval, fleet.file.limits.runs_per_credential
        budget = limits.divide(
            credential.requests_per_minute, fleet.sharing[company.credential_name], interval, at_once
        )
        wanted = settings | {"max_requests_per_minute": budget.discovery, "max_retries": RETRIES}
        # Those of the companies, not of the credential.
        wanted = {name: value for name, value in wanted.items() if name not in {"company_id", "page_size"}}
        with self._lock:
            known, connection = self._connections.get(company.credential_name, (None, None))
            if connection is None or known != wanted:
                connection = PleoApi.from_settings(
                    wanted,
                    user_agent=_user_agent(settings),
                    scopes=[SCOPE],
                    sleep=_sleep,
                    learn_secrets=SECRETS.learn,
                    sender=self._sender,
                )
                self._connections[company.credential_name] = wanted, connection
            return connection


def _listing(connection: PleoApi, fleet: Fleet, company: Company) -> Listing[JobRow]:
    """Return the pages of a company's readable jobs."""
    settings = fleet.settings_of(company)
    params = {"company_id": company.company_id, "statuses": list(READABLE_STATUSES), "limit": PAGE}

    def request(token: Token) -> ApiRequest:
        return ApiRequest(
            "GET",
            connection.api_url + PATH,
            {**params, "after": token},
            headers={"Accept": "application/json", "User-Agent": _user_agent(settings)},
            timeout=fleet.file.discovery.request_timeout,
            scope=SCOPE,
        )

    return connection.listing(request, _JOBS.decode)


def _seen(job: ExportJob) -> Seen:
    return Seen(job.id.lower(), job.number_of_items, job.created_at, job.expires_at)


def _sleep(seconds: float) -> None:
    if seconds > PATIENCE:
        raise Postponed(seconds)
    time.sleep(seconds)


def _user_agent(settings: dict[str, Any]) -> str:
    return str(settings.get("user_agent") or f"tap-pleo-export/{version('tap-pleo-export')} fleet")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return one_line(f"{trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}") if trace else "an unknown place"


def by_expiry(jobs: Sequence[Seen]) -> list[Seen]:
    """Return jobs, the nearest to its expiry first; those without a known one last."""
    return sorted(jobs, key=lambda job: (job.expires_at or LAST, job.id))
