"""The webhook: after ``POST /CREDENTIAL`` with an event of Pleo's, the sensor asks about that company next.

Deliveries are authenticated by their signature (https://www.standardwebhooks.com). The body is only a hint which
company to ask about.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import uvicorn
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from dagster_pleo_export import runtime, secrets
from dagster_pleo_export.companies import NAME
from dagster_pleo_export.fleet_file import FleetError
from dagster_pleo_export.secrets import SecretMissing
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Company

EVENT = "v1.export-job.created"
MAX_BODY = 256 * 1024
MAX_CONNECTIONS = 100
# For a whole request, from connecting to the response.
REQUEST_SECONDS = 10
# More than a subscription delivers within the five minutes that a signature is valid for.
MAX_REMEMBERED = 10_000
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

logger = logging.getLogger("dagster_pleo_export.webhook")


class DeliveryRefused(Exception):
    """A request that is not served; ``str()`` says why, for the log only."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver:
    """Verifies deliveries and passes them on, each one once; safe to share between threads.

    Args:
        deliver: Called with the name of a company and the delivery's id.
    """

    def __init__(self, deliver: Callable[[str, str], None]) -> None:
        self._deliver = deliver
        self._delivered: dict[tuple[str, str], None] = {}
        self._lock = threading.Lock()

    def receive(self, credential: str, headers: Mapping[str, str], body: bytes) -> None:
        """Handle a delivery to a credential's address.

        Raises:
            DeliveryRefused: Its signature is wrong, or the fleet file cannot be used.
        """
        try:
            fleet = runtime.fleet()
            verify(_secret(fleet, credential), headers, body)
        except (FleetError, SecretMissing) as error:
            raise DeliveryRefused(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
        delivery = credential, headers["webhook-id"]
        with self._lock:
            if delivery in self._delivered:
                return
            for company in hinted(fleet, credential, body):
                self._deliver(company.id, one_line(delivery[1]))
            # Only now: a delivery that failed must work when it is repeated.
            self._delivered[delivery] = None
            if len(self._delivered) > MAX_REMEMBERED:
                del self._delivered[next(iter(self._delivered))]


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Check a delivery's signature and age (at most five minutes).

    Args:
        secret: The subscription's, ``whsec_…``.
        headers: ``webhook-id``, ``webhook-timestamp`` (seconds since the epoch), ``webhook-signature``.
        body: The raw body.

    Raises:
        DeliveryRefused: They are wrong.
    """
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except WebhookVerificationError as error:
        raise DeliveryRefused(HTTPStatus.UNAUTHORIZED, str(error)) from None
    except Exception as error:  # noqa: BLE001 - the library raises errors of many types for malformed input
        why = f"malformed signature, body or webhook_secret ({type(error).__name__})"
        raise DeliveryRefused(HTTPStatus.UNAUTHORIZED, why) from None


def hinted(fleet: Fleet, credential: str, body: bytes) -> list[Company]:
    """Return the companies that an event may be about: the one it names, or else all of the credential."""
    companies = [c for c in fleet.companies.values() if c.credential_name == credential]
    try:
        event: Any = json.loads(body)
        if event.get("eventType", EVENT) != EVENT:
            return []
        named = str(event["data"]["companyId"]).lower()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return companies
    own = [company for company in companies if company.company_id and company.company_id.lower() == named]
    return own or [company for company in companies if company.company_id is None]


def serve(host: str, port: int, deliver: Callable[[str, str], None]) -> None:
    """Serve the webhook until SIGINT or SIGTERM; TLS is up to a proxy in front of it.

    Args:
        host: The address to listen on.
        port: 0 for a free one.
        deliver: See :class:`Receiver`.
    """
    with socket.create_server((host, port)) as listening:
        print(f"Listening on http://{host}:{listening.getsockname()[1]}", flush=True)
        server(deliver).run([listening])


def server(deliver: Callable[[str, str], None]) -> uvicorn.Server:
    """Return the server; one request per connection, so that the limits of a connection are those of a request."""
    receiver = Receiver(deliver)

    async def post(request: Request) -> Response:
        return Response(status_code=await _status(receiver, request), headers={"Connection": "close"})

    app = Starlette(routes=[Route("/{credential:path}", post, methods=["POST"])])
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_LimitedProtocol,
            ws="none",
            lifespan="off",
            # Strangers must not be able to fill the log.
            access_log=False,
            log_level="error",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=REQUEST_SECONDS,
        )
    )


class _LimitedProtocol(H11Protocol):
    """Limits connections, and the seconds of each one."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)


async def _status(receiver: Receiver, request: Request) -> HTTPStatus:
    credential = request.path_params["credential"].strip("/")
    headers = {name: request.headers.get(name, "") for name in HEADERS}
    try:
        await run_in_threadpool(receiver.receive, credential, headers, await _body(request))
    except DeliveryRefused as refused:
        logger.warning("Delivery to /%s refused (%d): %s", one_line(credential), refused.status, refused)
        return refused.status
    except ClientDisconnect:
        return HTTPStatus.REQUEST_TIMEOUT
    except Exception as error:  # noqa: BLE001 - Pleo delivers again; the server must go on
        logger.error("Delivery to /%s failed: %s", one_line(credential), type(error).__name__)  # noqa: TRY400 - one line
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.ACCEPTED


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise DeliveryRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"its body is larger than {MAX_BODY} bytes")
    return bytes(body)


def _secret(fleet: Fleet, credential: str) -> str:
    # An unknown address gets the same response as a wrong signature.
    known = NAME.fullmatch(credential) and credential in fleet.sharing
    found = fleet.credential(credential).webhook_secret if known else None
    if found is None:
        raise DeliveryRefused(HTTPStatus.UNAUTHORIZED, "no company has a webhook there")
    return secrets.look_up(found, fleet.folder)
