"""Lists the readable export jobs of many companies: one small request each, through the package's API client."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from dagster_pleo_export import limits, secrets
from dagster_pleo_export.companies import with_defaults
from dagster_pleo_export.secrets import SecretMissing
from tap_pleo_export.api.daemon_pool import DaemonPool
from tap_pleo_export.api.errors import FatalError, PleoError
from tap_pleo_export.api.jobs import READABLE_STATUSES, ExportJob, JobRow
from tap_pleo_export.api.paging import PageDecoder
from tap_pleo_export.api.pleo_api import PleoApi
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.api.sender import Sender
from tap_pleo_export.singer.redaction import SECRETS
from tap_pleo_export.text import one_line, storable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Company
    from tap_pleo_export.api.paging import Page, Token

SCOPE = "export-jobs:read"
PATH = "/v3/export-jobs"
# A company has one running job; a credential without company_id may see more.
PAGE_SIZE = 100
MAX_RETRIES = 1
# Companies that need a longer wait are left to a later round.
MAX_WAIT = 5.0

_PAGES: PageDecoder[JobRow] = PageDecoder(JobRow)


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


class Discovery:
    """Asks about many companies concurrently; lives as long as the process, so that connections stay open.

    Args:
        requests_at_once: The maximum number of requests in flight.
    """

    def __init__(self, requests_at_once: int) -> None:
        self.requests_at_once = requests_at_once
        self._pool = DaemonPool(requests_at_once)
        self._sender = Sender()
        self._apis: dict[str, tuple[dict[str, Any], PleoApi]] = {}
        self._lock = threading.Lock()

    def ask_all(
        self, fleet: Fleet, companies: Iterable[Company], seconds: float, urgent: Collection[str] | None = None
    ) -> Iterator[DiscoveryResult]:
        """Ask about companies, in order, and yield each result as it arrives.

        Companies that are not started in time are left out, and those whose credential has used up its requests.
        A company that does not answer within its request timeout after that counts as failed.

        Args:
            fleet: The fleet they belong to.
            companies: The companies.
            seconds: How long new requests may start.
            urgent: Names of companies for which each credential keeps ``limits.SPARE`` requests; None: it keeps none.
        """
        until = time.monotonic() + seconds
        spent: set[str] = set()
        waiting = (company for company in companies if company.credential_name not in spent)
        asked: dict[Future[DiscoveryResult | None], Company] = {}
        while True:
            while len(asked) < self.requests_at_once and time.monotonic() < until and (company := next(waiting, None)):
                keep = 0 if urgent is None or company.id in urgent else limits.SPARE
                asked[self._pool.submit(self.ask, fleet, company, keep)] = company
            if not asked:
                return
            left = max(0.0, until - time.monotonic()) + fleet.file.discovery.request_timeout
            done, _ = wait(asked, timeout=left, return_when=FIRST_COMPLETED)
            if not done:
                yield from (DiscoveryResult(company.id, failure="No answer in time") for company in asked.values())
                return
            for future in done:
                company = asked.pop(future)
                if result := future.result():
                    yield result
                else:
                    spent.add(company.credential_name)

    def ask(self, fleet: Fleet, company: Company, keep: int = 0) -> DiscoveryResult | None:
        """Ask about one company; None if that must wait for the credential's requests per minute, ``keep`` less."""
        try:
            api = self._api(fleet, company)
            # A request that waits would count, although the company is left to a later evaluation.
            if api.budget.wait(time.monotonic(), keep) > MAX_WAIT:
                return None
            jobs = list(_jobs(api, company))
        except Postponed as postponed:
            return DiscoveryResult(company.id, failure=str(postponed), wait=postponed.seconds)
        except (PleoError, SecretMissing) as error:
            if isinstance(error, FatalError):
                # A client remembers its failure, even when the cause has been fixed.
                with self._lock:
                    self._apis.pop(company.credential_name, None)
            return DiscoveryResult(company.id, failure=SECRETS.one_line(str(error)))
        except Exception as error:  # noqa: BLE001 - one company must not end the round for the others
            return DiscoveryResult(company.id, failure=f"Program error: {type(error).__name__} at {_place(error)}")
        readable = (replace(job, id=job.id.lower()) for job in jobs if job.readable and job.has_plain_id)
        return DiscoveryResult(company.id, tuple(readable))

    def _api(self, fleet: Fleet, company: Company) -> PleoApi:
        """Return the client of a credential: all of its companies share it, and its budget."""
        name = company.credential_name
        credential = fleet.credential_of(company)
        settings = with_defaults(fleet.settings_of(company) | secrets.look_up_all(credential, fleet.folder))
        interval, at_once = fleet.file.discovery.interval, fleet.file.limits.runs_per_credential
        budget = limits.divide(credential.requests_per_minute, fleet.sharing[name], interval, at_once)
        settings |= {
            "max_requests_per_minute": budget.discovery,
            "max_retries": MAX_RETRIES,
            "request_timeout": fleet.file.discovery.request_timeout,
        }
        # These differ between companies of one credential.
        settings = {key: value for key, value in settings.items() if key not in {"company_id", "page_size"}}
        with self._lock:
            known, api = self._apis.get(name, (None, None))
            if api is None or known != settings:
                api = PleoApi.from_settings(
                    settings,
                    user_agent=settings.get("user_agent") or f"tap-pleo-export/{version('tap-pleo-export')} fleet",
                    scopes=[SCOPE],
                    sleep=_sleep,
                    learn_secrets=SECRETS.learn,
                    sender=self._sender,
                )
                self._apis[name] = settings, api
            return api


def _jobs(api: PleoApi, company: Company) -> Iterator[ExportJob]:
    params = {"company_id": company.company_id, "statuses": READABLE_STATUSES, "limit": PAGE_SIZE}

    def request(token: Token) -> ApiRequest:
        return ApiRequest("GET", api.api_url + PATH, {**params, "after": token}, scope=SCOPE)

    for page in api.listing(request, _decode).pages():
        yield from map(ExportJob.from_row, page.records)


def _decode(body: bytes) -> Page[JobRow]:
    text, _ = storable(body)
    return _PAGES.decode(text)


def _sleep(seconds: float) -> None:
    if seconds > MAX_WAIT:
        raise Postponed(seconds)
    time.sleep(seconds)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return one_line(f"{trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}") if trace else "an unknown place"
