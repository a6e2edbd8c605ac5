"""The sandbox: jobs, credentials, faults and the HTTP server that serves them on loopback."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING, Any, Self

from werkzeug.serving import make_server
from werkzeug.wrappers import Request as Incoming
from werkzeug.wrappers import Response

from sandbox import api, items
from sandbox.auth import Credentials
from sandbox.behaviour import Behaviour
from sandbox.conformance import require
from sandbox.faults import EFFECTS, Answer, Fault
from sandbox.recording import Request
from sandbox.transport import Connections, Handler
from sandbox.values import make_uuid
from sandbox.world import FINAL_EVENTS, Job, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from werkzeug.serving import BaseWSGIServer

HOST = "127.0.0.1"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox(Behaviour):
    """A local Pleo. Used as a context manager it serves from a daemon thread until the end of the block.

    Args:
        port: Port to listen on; 0 for a free one, kept over restarts.
        seed: Seed of ids, credentials and data.
        clock: Returns the current moment, with time zone.

    Attributes:
        jobs: Export jobs by id.
        requests: Requests received, in order.
        faults: The fault table.
        credentials: API key, OAuth client and tokens.
    """

    def __init__(self, *, port: int = 0, seed: int = 0, clock: Callable[[], datetime] = _utc_now) -> None:
        super().__init__()
        self.port = port
        self.clock = clock
        self.rng = Random(seed)
        self.jobs: dict[str, Job] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.failures: list[Exception] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.connections = Connections()
        self.credentials = Credentials(self.rng, self.now(), self.access_token_lifetime)
        self._companies: dict[str, items.Company] = {}
        self._app = api.build(self)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def demo(cls, *, port: int = 0, seed: int = 0, clock: Callable[[], datetime] = _utc_now) -> Self:
        """Return a sandbox with the demo world: three readable and three finished jobs in several companies."""
        from sandbox.worlds import populate  # noqa: PLC0415 - worlds are built from sandboxes

        pleo = cls(port=port, seed=seed, clock=clock)
        populate(pleo)
        return pleo

    def now(self) -> datetime:
        """The current moment on the sandbox's clock."""
        return self.clock()

    @property
    def url(self) -> str:
        """Base URL of the API, known from the first start on."""
        if not self.port:
            raise RuntimeError("the sandbox has no port before its first start")
        return f"http://{HOST}:{self.port}"

    @property
    def auth_url(self) -> str:
        """URL of the token endpoint."""
        return f"{self.url}/oauth/token"

    @property
    def api_key(self) -> str:
        """The valid API key."""
        return self.credentials.api_key

    @property
    def client_id(self) -> str:
        """The OAuth client's id."""
        return self.credentials.client_id

    @property
    def client_secret(self) -> str:
        """The OAuth client's secret."""
        return self.credentials.client_secret

    @property
    def access_token(self) -> str:
        """The newest access token."""
        return self.credentials.access_token

    @property
    def refresh_token(self) -> str:
        """The newest refresh token."""
        return self.credentials.refresh_token

    def expire_access_token(self) -> None:
        """Make every access token issued so far be answered 401."""
        with self.lock:
            self.credentials.access_expires.clear()

    def add_job(  # noqa: PLR0913, PLR0917 - one keyword per trait of a job
        self,
        items: int | Sequence[dict[str, Any]] = 25,
        status: str = "pending",
        company_id: str | None = None,
        created_at: datetime | None = None,
        expires_in: int = 3600,
        item_status: str | Sequence[str] = "pending",
    ) -> Job:
        """Add an export job.

        Args:
            items: Number of seeded items, or the items themselves (``ExportItemV3``, served as they are).
            status: The job's status; a final one sets the times that go with it.
            company_id: Company it belongs to; None for a new one.
            created_at: When it was made (and, unless pending, last updated); None for now.
            expires_in: Seconds from the last update to expiry.
            item_status: Status of all job items, or statuses to be dealt out in turn.
        """
        with self.lock:
            created = created_at or self.now()
            company = self._company(company_id)
            payload = self._items(items, company, created)
            dealt = [item_status] if isinstance(item_status, str) else list(item_status)
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
                item_statuses={
                    item["accountingEntryId"]: dealt[index % len(dealt)] for index, item in enumerate(payload)
                },
            )
            if status != "pending":
                job.finish("in_progress", created)
            if status in FINAL_EVENTS:
                job.finish(status, created + timedelta(minutes=2))
            require("ExportJobV3", job.record)
            self.jobs[job.id] = job
            return job

    def _company(self, company_id: str | None) -> items.Company:
        chosen = company_id or make_uuid(self.rng)
        known = self._companies.get(chosen.lower())
        if known is None:
            known = items.make_company(self.rng, chosen, len(self._companies))
            self._companies[chosen.lower()] = known
        return known

    def _items(
        self, wanted: int | Sequence[dict[str, Any]], company: items.Company, created: datetime
    ) -> list[dict[str, Any]]:
        if isinstance(wanted, int):
            return items.make_items(self.rng, company, wanted, created)
        return list(wanted)

    def add_fault(self, fault: Fault) -> Fault:
        """Append a row to the fault table and return it."""
        self.faults.append(fault)
        return fault

    def requests_to(self, path: str) -> list[Request]:
        """Return the requests to ``path``, below it, or matching it (``/v3/export-jobs/*/items``)."""
        return [request for request in self.requests if request.is_to(path)]

    def serve(self, environ: dict[str, Any]) -> Answer:
        """Answer one WSGI request, through the faults that are due on it."""
        incoming = Incoming(environ)
        with self.lock:
            record = Request.of(incoming, self.now())
            self.requests.append(record)
            due = [fault for fault in self.faults if fault.hits(record)]
        # The application reads the body again.
        environ |= {"wsgi.input": BytesIO(record.body), "CONTENT_LENGTH": str(len(record.body))}
        real: Callable[[], Answer] = partial(self._real, environ)
        for fault in reversed(due):
            real = partial(EFFECTS[fault.kind], fault, self, real)
        try:
            answer = real()
        except Exception as error:  # noqa: BLE001 - raised again, by stop(), in the thread of the test
            self.failures.append(error)
            answer = Answer(Response("sandbox failure", 500))
        record.status = None if answer.cut == 0 else answer.response.status_code
        return answer

    def _real(self, environ: dict[str, Any]) -> Answer:
        with self.lock:
            return Answer(Response.from_app(self._app.wsgi_app, environ, buffered=True))

    def start(self) -> Self:
        """Listen, and serve from a daemon thread."""
        self.stopping.clear()
        server = make_server(HOST, self.port, self._app, threaded=True, request_handler=Handler)
        server.sandbox = self  # type: ignore[attr-defined] # the handler's way back
        self.port = server.server_port
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="sandbox", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving; every connection and thread is gone afterwards."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self.connections.close()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self.failures:
            raise RuntimeError("the sandbox itself failed while answering") from self.failures[0]
