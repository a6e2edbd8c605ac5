"""The webhook: after ``POST /CREDENTIAL`` with an event of Pleo's, the sensor asks about that company next.

Deliveries are authenticated by their signature (https://www.standardwebhooks.com). The body is only a hint which
company to ask about.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

import uvicorn
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
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
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Company

EVENT = "v1.export-job.created"
MAX_BODY = 256 * 1024
# Head, body and trailers as sent.
MAX_REQUEST = 2 * MAX_BODY
MAX_CONNECTIONS = 100
# For a whole request, from connecting to the response.
REQUEST_SECONDS = 10
# More than a subscription delivers within the five minutes that a signature is valid for.
MAX_REMEMBERED = 10_000
# Refusals in the log, in so many seconds: strangers must not be able to fill it.
MAX_REFUSALS = 20
REFUSALS_SECONDS = 60
# How old the table of companies may be: strangers must not be able to make us query it.
FLEET_SECONDS = 5.0
# How often the fleet file is looked at.
LOOK_SECONDS = 1.0
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
CLOSE = {"Connection": "close"}
TIMESTAMP = re.compile(r"[0-9]{1,12}")

Deliver: TypeAlias = "Callable[[str, str], Awaitable[None]]"

logger = logging.getLogger("dagster_pleo_export.webhook")


class DeliveryRefused(Exception):
    """A request that is not served; ``str()`` says why, for the log only."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver:
    """Verifies deliveries and passes them on, each one once; belongs to an event loop.

    Args:
        deliver: Called with the name of a company and the delivery's id.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        # None: passed on.
        self._outcomes: dict[tuple[str, str], asyncio.Task[None] | None] = {}
        self._fleet: tuple[float, Fleet] | None = None

    async def receive(self, credential: str, headers: Mapping[str, str], body: bytes) -> None:
        """Handle a delivery to a credential's address.

        Raises:
            DeliveryRefused: Its signature is wrong, or the fleet file cannot be used.
        """
        try:
            fleet = await self._current_fleet()
            verify(_secret(fleet, credential), headers, body)
        except (FleetError, SecretMissing) as error:
            raise DeliveryRefused(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
        delivery = credential, headers["webhook-id"]
        if delivery not in self._outcomes:
            names = [company.id for company in hinted(fleet, credential, body)]
            self._outcomes[delivery] = asyncio.create_task(self._pass_on(delivery, names))
            if len(self._outcomes) > MAX_REMEMBERED:
                del self._outcomes[next(iter(self._outcomes))]
        # A replay gets the same result, also while the first one is still being passed on.
        if outcome := self._outcomes[delivery]:
            await asyncio.shield(outcome)

    async def _pass_on(self, delivery: tuple[str, str], companies: Iterable[str]) -> None:
        try:
            name = one_line(delivery[1])
            await asyncio.gather(*(self._deliver(company, name) for company in companies))
        except BaseException:
            # A delivery that failed must work when it is repeated.
            self._outcomes.pop(delivery, None)
            raise
        if delivery in self._outcomes:
            self._outcomes[delivery] = None

    async def _current_fleet(self) -> Fleet:
        now = time.monotonic()
        if self._fleet is None or now - self._fleet[0] > LOOK_SECONDS:
            # Reading a large file takes seconds.
            self._fleet = now, await asyncio.to_thread(runtime.last_known_fleet, FLEET_SECONDS)
        return self._fleet[1]


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Check a delivery's signature and age (at most five minutes).

    Args:
        secret: The subscription's, ``whsec_…``.
        headers: ``webhook-id``, ``webhook-timestamp`` (seconds since the epoch), ``webhook-signature``.
        body: The raw body.

    Raises:
        DeliveryRefused: They are wrong.
    """
    if not TIMESTAMP.fullmatch(headers["webhook-timestamp"]):
        # The library also takes 1.7e9, and signs whole seconds only.
        raise DeliveryRefused(HTTPStatus.UNAUTHORIZED, "webhook-timestamp is missing, given twice or not whole seconds")
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except WebhookVerificationError as error:
        raise DeliveryRefused(HTTPStatus.UNAUTHORIZED, str(error)) from None
    except Exception as error:  # noqa: BLE001 - the library raises errors of many types for malformed input
        why = f"malformed signature, body or webhook_secret ({type(error).__name__})"
        raise DeliveryRefused(HTTPStatus.UNAUTHORIZED, why) from None


def hinted(fleet: Fleet, credential: str, body: bytes) -> list[Company]:
    """Return the companies that an event may be about: the one it names, or else all of the credential."""
    companies = fleet.of_credential.get(credential, {})
    try:
        event: Any = json.loads(body)
        if event.get("eventType", EVENT) != EVENT:
            return []
        named = str(event["data"]["companyId"]).lower()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return list(companies.values())
    found = companies.get(named) or companies.get(None)
    return [found] if found else []


def serve(host: str, port: int, deliver: Deliver) -> None:
    """Serve the webhook until SIGINT or SIGTERM; TLS is up to a proxy in front of it.

    Args:
        host: The address to listen on.
        port: 0 for a free one.
        deliver: See :class:`Receiver`.
    """
    with socket.create_server((host, port)) as listening:
        print(f"Listening on http://{host}:{listening.getsockname()[1]}", flush=True)
        server(deliver).run([listening])


def server(deliver: Deliver) -> uvicorn.Server:
    """Return the server; it keeps a connection only after a delivery with a signature."""
    receiver = Receiver(deliver)
    refusals = _RefusalLog()

    async def post(request: Request) -> Response:
        status = await _status(receiver, refusals, request)
        return Response(status_code=status, headers=None if status == HTTPStatus.ACCEPTED else CLOSE)

    async def refuse(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
        return Response(status_code=status, headers=CLOSE)

    app = Starlette(
        routes=[Route("/{credential:path}", post, methods=["POST"])], exception_handlers={HTTPException: refuse}
    )
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
            proxy_headers=False,
            timeout_keep_alive=REQUEST_SECONDS,
            timeout_graceful_shutdown=REQUEST_SECONDS,
        )
    )


class _LimitedProtocol(H11Protocol):
    """Limits connections, and the seconds from connecting, or from the last response, to the next response."""

    _deadline: asyncio.TimerHandle | None = None
    _received = 0

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        # A body's limit does not count what surrounds its chunks, which costs most.
        if self._received > MAX_REQUEST:
            self.transport.abort()
        else:
            super().data_received(data)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A request that is being passed on goes on when its client has left.
        if len(self.connections) > MAX_CONNECTIONS or len(self.tasks) >= MAX_CONNECTIONS:
            transport.abort()
        else:
            self._restart_deadline()

    def on_response_complete(self) -> None:
        self._restart_deadline()
        self._received = 0
        super().on_response_complete()

    def _restart_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)


class _RefusalLog:
    """Logs the first refusals of a minute, and how many more there were."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._count = 0

    def log(self, credential: str, refused: DeliveryRefused) -> None:
        if time.monotonic() - self._began > REFUSALS_SECONDS:
            if self._count > MAX_REFUSALS:
                logger.warning("%d more deliveries refused", self._count - MAX_REFUSALS)
            self._began, self._count = time.monotonic(), 0
        self._count += 1
        if self._count <= MAX_REFUSALS:
            logger.warning("Delivery to /%s refused (%d): %s", one_line(credential), refused.status, refused)


async def _status(receiver: Receiver, refusals: _RefusalLog, request: Request) -> HTTPStatus:
    credential = request.path_params["credential"].strip("/")
    given = {name: request.headers.getlist(name) for name in HEADERS}
    # Twice the same header: it is unclear which one counts.
    headers = {name: values[0] if len(values) == 1 else "" for name, values in given.items()}
    try:
        await receiver.receive(credential, headers, await _body(request))
    except DeliveryRefused as refused:
        refusals.log(credential, refused)
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
