"""GET requests to Pleo: signed, budgeted, retried, and every failure named."""

from __future__ import annotations

import logging
import random
import ssl
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import msgspec
import requests
import tenacity
import urllib3.exceptions

from tap_pleo_export.pleo.errors import (
    CredentialsRejected,
    NetworkUnusable,
    PleoError,
    PleoUnavailable,
    RequestRefused,
    ScopeMissing,
    TransientFailure,
)
from tap_pleo_export.pleo.retry import RetryPolicy, parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_pleo_export.pleo.auth import Authenticator
    from tap_pleo_export.pleo.budget import RequestBudget

T = TypeVar("T")

# Seconds for which a reason to wait is not repeated.
ANNOUNCED_FOR = 60.0
# As many as threads send at once: the setting's largest number in the background, and one.
CONNECTIONS = 17
UNREADABLE_CERTIFICATES = (
    "the file of certificates that the environment names cannot be read",
    "Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE",
)
RETRYABLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}

logger = logging.getLogger("tap-pleo-export.client")


class ExceptionInfo(msgspec.Struct):
    """Pleo's error body (OpenAPI schema ``ExceptionInfo``), read leniently."""

    type: str = ""
    message: str | None = None


class PleoClient:
    """A reader of Pleo's Export API v3; safe to share between threads.

    Args:
        api_url: Base address without a trailing slash.
        auth: Signs each request.
        budget: Holds requests back, see :class:`RequestBudget`.
        policy: When to retry.
        timeout: Seconds to wait for a connection, and for each part of an answer.
        user_agent: Sent with each request.
        sleep: Waits; raises to end the wait early.
    """

    def __init__(  # noqa: PLR0913 - its parts are given, not made
        self,
        *,
        api_url: str,
        auth: Authenticator,
        budget: RequestBudget,
        policy: RetryPolicy,
        timeout: float,
        user_agent: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": user_agent}
        # Prepared once, with the environment's proxies and certificates: requests differ in address and signature only.
        with requests.Session() as session:
            self._template = session.prepare_request(requests.Request("GET", api_url, headers=headers))
            # The third argument: bodies are read here, not by `requests`.
            self._environment: dict[str, Any] = dict(
                session.merge_environment_settings(api_url, {}, True, None, None)  # noqa: FBT003
            )
        self._api_url = (self._template.url or api_url).rstrip("/")
        self._adapter = requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS)
        self._auth = auth
        self._budget = budget
        self._policy = policy
        self._timeout = timeout
        self._sleep = sleep
        self._announced: dict[str, float] = {}
        self.throttled = 0
        """How often Pleo answered 429."""

    def get(self, path: str, params: Mapping[str, Any], decode: Callable[[bytes], T]) -> T:
        """Return the decoded body of a successful answer.

        Args:
            path: Path of the endpoint, from the API's root.
            params: Query; lists become repeated names, None is left out.
            decode: Turns the body into a value; a ``msgspec.MsgspecError``, ``UnicodeDecodeError`` or
                ``RecursionError`` that it raises counts as a damaged answer and is retried.

        Raises:
            FatalError: No request can succeed, see :mod:`tap_pleo_export.pleo.errors`.
            RequestRefused: Pleo refused this request.
        """
        return self.ask(path, params, decode)()

    def ask(self, path: str, params: Mapping[str, Any], decode: Callable[[bytes], T]) -> Callable[[], T]:
        """Fetch a body, and return a call that decodes it: on the thread that wants the value, for threads only wait.

        Args and errors are those of :meth:`get`. A damaged answer is asked for again by the call.
        """
        answers = [self._retried(path, lambda: self._answer(path, params))]

        def value() -> T:
            return self._decoded(answers.pop() if answers else self._answer(path, params), decode)

        return lambda: self._retried(path, value)

    def _retried(self, path: str, attempt_once: Callable[[], T]) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientFailure),
            wait=self._wait,
            stop=self._stop,
            before_sleep=lambda call: self._announce(path, call),
            sleep=self._sleep,
            reraise=True,
        )
        attempts = 0
        try:
            for attempt in retrying:
                with attempt:
                    attempts += 1
                    return attempt_once()
        except TransientFailure as failure:
            raise PleoUnavailable(path, attempts, str(failure)) from None
        raise AssertionError  # pragma: no cover - tenacity either returns or raises

    def close(self) -> None:
        """Close all connections, after a token refresh in hand."""
        self._auth.settle()
        self._adapter.close()

    def _answer(self, path: str, params: Mapping[str, Any]) -> tuple[requests.Response, bytes]:
        response, body = self._send(path, params)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._auth.renew(
            response.request.headers.get("Authorization")
        ):
            response, body = self._send(path, params)
        if response.status_code != HTTPStatus.OK:
            raise self._failure(path, response, body)
        return response, body

    @staticmethod
    def _decoded(answer: tuple[requests.Response, bytes], decode: Callable[[bytes], T]) -> T:
        response, body = answer
        try:
            return decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise TransientFailure(
                f"an answer that is not the JSON expected ({type(error).__name__}, {len(body)} bytes, "
                f"{response.headers.get('Content-Type', 'no content type')})"
            ) from None

    def _send(self, path: str, params: Mapping[str, Any]) -> tuple[requests.Response, bytes]:
        query = urlencode({name: value for name, value in params.items() if value is not None}, doseq=True)
        request = self._template.copy()
        request.url = f"{self._api_url}{path}{'?' if query else ''}{query}"
        self._auth(request)
        # After the signing: a refresh may take long, and the budget is one of requests as they are sent.
        wait = self._budget.take(time.monotonic())
        if wait > 0:
            logger.info("The budget of requests per minute is spent: waiting %.0f s", wait)
            self._sleep(wait)
        try:
            # A session would do as much again for cookies, redirects and hooks, of which there are none.
            response = self._adapter.send(request, timeout=self._timeout, **self._environment)
            # Read at once: `requests` itself would read in pieces of 10 KiB.
            return response, response.raw.read(decode_content=True)
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise TransientFailure(f"no answer within {self._timeout:g} s") from None
        except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError) as error:
            raise _failure_of_connection(_innermost(error)) from None
        except requests.RequestException as error:
            raise NetworkUnusable(
                f"the environment names a proxy that cannot be used ({type(error).__name__})",
                "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
            ) from None
        except OSError:
            raise NetworkUnusable(*UNREADABLE_CERTIFICATES) from None

    def _failure(self, path: str, response: requests.Response, body: bytes) -> PleoError:
        status = response.status_code
        if status in RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.throttled += status == HTTPStatus.TOO_MANY_REQUESTS
            wait = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
            return TransientFailure(f"status {status}", wait)
        if status == HTTPStatus.UNAUTHORIZED:
            return CredentialsRejected(path, self._auth.remedy)
        if status == HTTPStatus.FORBIDDEN:
            return ScopeMissing(path)
        try:
            info = msgspec.json.decode(body, type=ExceptionInfo)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            info = ExceptionInfo()
        return RequestRefused(path, status, info.type, info.message or "")

    def _wait(self, call: tenacity.RetryCallState) -> float:
        return self._next_wait(call, random.random()) or 0.0  # noqa: S311 - spreads load, guards nothing

    def _stop(self, call: tenacity.RetryCallState) -> bool:
        # Asked before the wait is drawn: the longest possible one decides about the deadline.
        wait = self._next_wait(call, 1.0)
        return wait is None or (call.seconds_since_start or 0.0) + wait > self._policy.deadline

    def _next_wait(self, call: tenacity.RetryCallState, jitter: float) -> float | None:
        failure = call.outcome.exception() if call.outcome else None
        retry_after = failure.retry_after if isinstance(failure, TransientFailure) else None
        return self._policy.wait(call.attempt_number, retry_after, jitter)

    def _announce(self, path: str, call: tenacity.RetryCallState) -> None:
        """Say once a minute for each reason why requests are waiting."""
        failure = call.outcome.exception() if call.outcome else None
        reason = str(failure)
        now = time.monotonic()
        if now - self._announced.get(reason, float("-inf")) < ANNOUNCED_FOR:
            return
        self._announced[reason] = now
        logger.warning(
            "GET %s: %s; trying again, up to %d times, next in %.1f s",
            path,
            reason,
            self._policy.max_retries,
            call.next_action.sleep if call.next_action else 0.0,
        )


def _failure_of_connection(reason: BaseException) -> PleoError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return NetworkUnusable(
            f"its certificate cannot be verified ({reason.verify_message})",
            "If a proxy here opens encrypted connections, let REQUESTS_CA_BUNDLE name a file with its authority",
        )
    if isinstance(reason, ssl.SSLError) and reason.library == "X509":
        return NetworkUnusable(*UNREADABLE_CERTIFICATES)
    # What the operating system said, without addresses.
    said = isinstance(reason, OSError) and reason.strerror
    return TransientFailure(said.lower() if said else f"connection broken ({type(reason).__name__})")


def _innermost(error: BaseException) -> BaseException:
    """Return what a network error began with."""
    seen = error
    while seen.__cause__ or seen.__context__ or any(isinstance(a, BaseException) for a in seen.args):
        inner = next((a for a in seen.args if isinstance(a, BaseException)), None)
        following = inner or seen.__cause__ or seen.__context__
        if following is None:
            break
        seen = following
    return seen
