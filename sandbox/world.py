"""A world: companies, export jobs, credentials, faults and switches, and a record of all requests."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.auth import Credentials
from sandbox.behaviour import Behaviour
from sandbox.conformance import require
from sandbox.files import Files
from sandbox.items import Company, make_company, make_items
from sandbox.jobs import FINAL_EVENTS, Job, stamp
from sandbox.kinds import KINDS
from sandbox.values import make_uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.faults import Fault
    from sandbox.kinds import Kind
    from sandbox.recording import Change, Request


def utc_now() -> datetime:
    """Return the current moment."""
    return datetime.now(UTC)


class World(Behaviour):
    """The state of a local Pleo, without the network."""

    def __init__(self, *, seed: int = 0, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__()
        self.clock = clock
        self.rng = Random(seed)
        self.jobs: dict[str, Job] = {}  # By id
        self.companies: dict[str, Company] = {}  # By id in lower case
        self.requests: list[Request] = []  # Received, in order
        self.changes: list[Change] = []  # Made by requests, in order; without changes by tests and expiry
        # Called once a job has ended, by job id.
        self.afterwards: dict[str, Callable[[World, Job], object]] = {}
        self.faults: list[Fault] = []  # The fault table
        self.lock = threading.RLock()
        self.stopping = threading.Event()  # Set while the server is being stopped
        self.credentials = Credentials(self.rng, self.now(), self.access_token_lifetime)
        self.api_key, self.client_secret = self.credentials.api_key, self.credentials.client_secret
        self.files = Files(self.api_key)  # The files that links lead to

    def now(self) -> datetime:
        """The current moment on the sandbox's clock."""
        return self.clock()

    @property
    def client_id(self) -> str:
        """The OAuth client's id."""
        return self.credentials.client_id

    @property
    def access_token(self) -> str:
        """The newest access token."""
        return self.credentials.access_token

    @property
    def refresh_token(self) -> str:
        """The newest refresh token."""
        return self.credentials.refresh_token

    def expire_access_token(self) -> None:
        """Invalidate every access token issued so far."""
        with self.lock:
            self.credentials.access_expires.clear()

    def authorise_anew(self) -> None:
        """Begin a new authorisation: another refresh token, and another access token."""
        with self.lock:
            self.credentials.authorise(self.now(), self.access_token_lifetime)

    def add_job(  # noqa: PLR0913, PLR0917 - one keyword per trait of a job
        self,
        items: int | Sequence[dict[str, Any]] = 25,
        status: str = "pending",
        company_id: str | None = None,
        created_at: datetime | None = None,
        expires_in: int = 3600,
        item_status: str | Sequence[str] = "pending",
        kinds: Sequence[Kind] = KINDS,
    ) -> Job:
        """Add an export job.

        Args:
            items: Number of seeded items, or the items themselves (``ExportItemV3``, served as they are).
            status: The job's status; a final one sets the times that go with it.
            company_id: Company it belongs to; None for a new one.
            created_at: Time of creation (and, unless pending, of the last update); None for now.
            expires_in: Seconds from the last update to expiry.
            item_status: Status of all job items, or statuses to assign in turn.
            kinds: Kinds of the seeded items, in turn: ``KINDS``, ``VARIED``, ``HOSTILE`` or others.
        """
        with self.lock:
            created = created_at or self.now()
            company = self._company(company_id)
            payload = make_items(self.rng, company, items, created, kinds) if isinstance(items, int) else list(items)
            dealt = cycle([item_status] if isinstance(item_status, str) else item_status)
            job = Job(
                record={
                    "id": make_uuid(self.rng),
                    "companyId": company.id,
                    "status": "pending",
                    "createdAt": stamp(created),
                    "createdBy": company.users[0]["id"],
                    "isInteractive": True,
                    "numberOfItems": len(payload),
                    "expiresIn": expires_in,
                    "vendorBasedBookkeeping": True,
                    "startedAt": None,
                    "lastUpdatedAt": None,
                    "completedAt": None,
                    "expiredAt": None,
                    "failureReason": None,
                    "failureReasonType": None,
                },
                items=payload,
                item_statuses={item["accountingEntryId"]: next(dealt) for item in payload},
            )
            if status != "pending":
                job.finish("in_progress", created)
            if status in FINAL_EVENTS:
                job.finish(status, created + timedelta(minutes=2))
            require("ExportJobV3", job.record)
            self.jobs[job.id] = job
            return job

    def _company(self, company_id: str | None) -> Company:
        chosen = company_id or make_uuid(self.rng)
        if chosen.lower() not in self.companies:
            self.companies[chosen.lower()] = make_company(self.rng, chosen, len(self.companies), self.negative_types)
        return self.companies[chosen.lower()]

    def company_of(self, job: Job) -> Company:
        """Return the company that a job belongs to."""
        return self.companies[job.record["companyId"].lower()]

    def entries(
        self, company_id: str, where: Callable[[Job, str], bool] = lambda _job, _entry: True
    ) -> list[dict[str, Any]]:
        """Return the export items of a company, each as delivered by its youngest job.

        Args:
            company_id: The company.
            where: Whether a delivery counts, from the job and the accounting entry id.
        """
        found: dict[str, dict[str, Any]] = {}
        for job in sorted(self.jobs.values(), key=lambda job: job.record["createdAt"]):
            if job.record["companyId"].lower() == company_id.lower():
                for item in job.items:
                    entry = item["accountingEntryId"]
                    if where(job, entry):
                        found[entry.lower()] = item
        return list(found.values())

    def cancel(self, job: Job) -> None:
        """Let a user cancel a job: items that are not final are abandoned."""
        with self.lock:
            job.finish("failed", self.now(), "canceled_by_user", "A user has cancelled the export.")
            self.ended(job)

    def ended(self, job: Job) -> None:
        """Continue after a job, if it has ended."""
        if not job.running and (then := self.afterwards.pop(job.id, None)):
            then(self, job)

    def add_fault(self, fault: Fault) -> Fault:
        """Append a row to the fault table and return it."""
        self.faults.append(fault)
        return fault

    def requests_to(self, path: str) -> list[Request]:
        """Return the requests to ``path``, below it, or matching it (``/v3/export-jobs/*/items``)."""
        return [request for request in self.requests if request.is_to(path)]
