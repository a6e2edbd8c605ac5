"""The webhook: ``POST /CREDENTIAL`` with an event of Pleo's makes the sensor ask about that company next.

It answers at once, and believes nothing but the signature: the body is a hint which company to ask about.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fleet import history, installation, secrets
from fleet.companies import NAME, FleetError
from fleet.secrets import SecretMissing
from fleet.signature import Replays, WrongSignature, verify
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from fleet.companies import Fleet
    from fleet.fleet_file import Company

EVENT = "v1.export-job.created"
MOST_BYTES = 256 * 1024
# For a whole request: nobody is to hold a thread for long.
SECONDS = 10
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

logger = logging.getLogger("fleet.webhook")


class Refused(Exception):
    """A request that is not served; ``str()`` says why, for the log only."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver:
    """Takes deliveries; safe to share between threads.

    Args:
        instance: Dagster's, where the sensor finds what was delivered.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._replays = Replays()
        self._lock = threading.Lock()

    def receive(self, credential: str, headers: Mapping[str, str], body: bytes) -> HTTPStatus:
        """Take a delivery to a credential's address, and return the answer's status.

        Raises:
            Refused: It is not to be believed, or cannot be served.
        """
        try:
            fleet = installation.fleet()
            delivery = verify(_secret(fleet, credential), headers, body, time.time())
        except WrongSignature as wrong:
            raise Refused(HTTPStatus.UNAUTHORIZED, str(wrong)) from None
        except (FleetError, SecretMissing) as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
        with self._lock:
            new = self._replays.is_new(f"{credential} {delivery}")
        if new:
            for company in hinted(fleet, credential, body):
                history.deliver(self._instance, company.id, one_line(delivery))
        return HTTPStatus.ACCEPTED


def hinted(fleet: Fleet, credential: str, body: bytes) -> list[Company]:
    """Return the companies that an event may be about: the one it names, else all of the credential. Pure."""
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


def _secret(fleet: Fleet, credential: str) -> str:
    # An address that nobody has is answered as a wrong signature is.
    known = NAME.fullmatch(credential) and credential in fleet.sharing
    found = fleet.credential(credential).webhook_secret if known else None
    if found is None:
        raise WrongSignature("no company has a webhook there")
    return secrets.look_up(found, fleet.folder)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def do_POST(self) -> None:
        credential = urlsplit(self.path).path.strip("/")
        try:
            headers = {name: self.headers.get(name, "") for name in HEADERS}
            status = self.server.receiver.receive(credential, headers, self._body())
        except Refused as refused:
            status = refused.status
            logger.warning("Delivery to /%s refused (%d): %s", one_line(credential), status, refused)
        except TimeoutError:
            self.close_connection = True
            return
        except Exception as error:  # noqa: BLE001 - Pleo delivers again; the next request is served
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            logger.error("Delivery to /%s failed: %s", one_line(credential), type(error).__name__)  # noqa: TRY400 - one line
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status >= HTTPStatus.BAD_REQUEST:
            # Its body may not have been read.
            self.send_header("Connection", "close")
        self.end_headers()

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "it does not say its length")
        if int(length[:12]) > MOST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "it is too large")
        return self.rfile.read(int(length))

    def log_message(self, *_: object) -> None:
        """Log nothing of what strangers send."""


class Server(ThreadingHTTPServer):
    """The webhook on an address of this machine; TLS is a proxy's before it.

    Args:
        host: Where it listens.
        port: 0 for a free one.
        receiver: Takes the deliveries.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, receiver: Receiver) -> None:
        super().__init__((host, port), _Handler)
        self.receiver = receiver
