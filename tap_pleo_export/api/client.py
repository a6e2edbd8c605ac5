"""Requests to Pleo: signed, budgeted, retried where that is safe, and every failure named."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import msgspec

from tap_pleo_export.api.errors import (
    CHECK_ADDRESS,
    CredentialsRejected,
    OutcomeUnknown,
    PleoError,
    PleoUnavailable,
    RequestRefused,
    ScopeMissing,
    TransientFailure,
)
from tap_pleo_export.api.patience import attempts
from tap_pleo_export.api.request import Answer, Call
from tap_pleo_export.api.retry import parse_retry_after
from tap_pleo_export.api.sender import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import requests
    import tenacity

    from tap_pleo_export.api.budget import RequestBudget
    from tap_pleo_export.api.retry import RetryPolicy
    from tap_pleo_export.api.sender import Exchange

P = ParamSpec("P")
T = TypeVar("T")

# What counts as success of a request that reads, and of one that changes something.
READ = {HTTPStatus.OK}
CHANGED = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}

# Seconds for which a reason to wait is not repeated.
ANNOUNCED_FOR = 60.0
RETRYABLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}

logger = logging.getLogger("tap-pleo-export.client")


class ExceptionInfo(msgspec.Struct):
    """Pleo's error body (OpenAPI schema ``ExceptionInfo``), read leniently."""

    type: str = ""
    message: str | None = None


class PleoClient:
    """Sends requests to Pleo's Export API v3; safe to share between threads.

    A request that changes something (PUT, POST) is sent again only after failures that certainly had no effect: 401
    with a renewed credential, 429, and connections that were never made.

    Args:
        budget: Holds requests back, see :class:`RequestBudget`.
        policy: When to retry.
        scopes: The OAuth scopes that all requests together need, for the message about a missing one.
        sleep: Waits; raises to end the wait early.
        transport: Sends the requests; several clients may share one, and its connections. None: one of its own.
    """

    def __init__(
        self,
        *,
        budget: RequestBudget,
        policy: RetryPolicy,
        scopes: Iterable[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        transport: Transport | None = None,
    ) -> None:
        self._transport = transport or Transport()
        self._budget = budget
        self._policy = policy
        self._scopes = tuple(scopes)
        self._sleep = sleep
        self._announced: dict[str, float] = {}
        self._told_of_budget = False
        self.throttled = 0
        """How often Pleo answered 429."""

    def get(self, call: Call, decode: Callable[[bytes], T]) -> T:
        """Return the decoded body of a successful answer: :meth:`send` and :meth:`read` in one."""
        return self.read(self.send(call), decode)

    def send(self, call: Call) -> Answer:
        """Return the successful answer to a request.

        Raises:
            FatalError: No request can succeed, see :mod:`tap_pleo_export.api.errors`.
            AnswerTooLarge: The answer is beyond what memory is lent to it.
            OutcomeUnknown: It is not known whether a request that changes something took effect.
            RequestRefused: Pleo refused this request.
        """
        return self._retried(call, self._answer, call)

    def read(self, answer: Answer, decode: Callable[[bytes], T]) -> T:
        """Return an answer's decoded body; a damaged one is asked for again if that changes nothing.

        Args:
            answer: The answer; read on the thread that wants the value, for threads only wait.
            decode: Turns the body into a value; a ``msgspec.MsgspecError``, ``UnicodeDecodeError`` or
                ``RecursionError`` that it raises counts as damage.

        Raises:
            As :meth:`send`.
        """
        answers = [answer]

        def attempt() -> T:
            return _decoded(answers.pop() if answers else self._answer(answer.call), decode)

        return self._retried(answer.call, attempt)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def _retried(self, call: Call, attempt_once: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        made = 0
        try:
            for attempt in attempts(
                self._policy,
                worth_repeating=lambda error: _worth_repeating(call, error),
                announce=lambda state: self._announce(call, state),
                sleep=self._sleep,
            ):
                with attempt:
                    made += 1
                    return attempt_once(*args, **kwargs)
        except TransientFailure as failure:
            if call.repeatable or failure.no_effect:
                cause = f"{failure}: {failure.hint}" if failure.hint else str(failure)
                raise PleoUnavailable(call.method, call.path, made, cause) from None
            raise OutcomeUnknown(call.method, call.path, str(failure), failure.retry_after) from None
        raise AssertionError  # pragma: no cover - tenacity either returns or raises

    def _answer(self, call: Call) -> Answer:
        exchange = self._exchange(call)
        response = exchange.response
        if response.status_code == HTTPStatus.UNAUTHORIZED and call.auth.renew(
            response.request.headers.get("Authorization")
        ):
            exchange = self._exchange(call)
            response = exchange.response
        if response.status_code not in (READ if call.repeatable else CHANGED):
            raise self._failure(call, response, exchange.body)
        return Answer(call, response.headers.get("Content-Type", "no content type"), exchange.body, exchange.share)

    def _exchange(self, call: Call) -> Exchange:
        return self._transport.exchange(call.request, lambda request: self._when_due(call.auth(request)), call.timeout)

    def _when_due(self, signed: requests.PreparedRequest) -> requests.PreparedRequest:
        """Wait for a place in the budget: after the signing, which may take a refresh long."""
        wait = self._budget.take(time.monotonic())
        if wait > 0:
            if not self._told_of_budget:
                self._told_of_budget = True
                logger.info(
                    "The budget of requests per minute is spent: waiting %.0f s, and from here on whenever it is "
                    "(max_requests_per_minute)",
                    wait,
                )
            self._sleep(wait)
        return signed

    def _failure(self, call: Call, response: requests.Response, body: bytes) -> PleoError:
        status = response.status_code
        if status in RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            throttled = status == HTTPStatus.TOO_MANY_REQUESTS
            self.throttled += throttled
            wait = parse_retry_after(
                response.headers.get("Retry-After"), response.headers.get("Date"), datetime.now(UTC)
            )
            return TransientFailure(f"status {status}", wait, no_effect=throttled)
        if status == HTTPStatus.UNAUTHORIZED:
            return CredentialsRejected(call.path, call.auth.remedy)
        if status == HTTPStatus.FORBIDDEN:
            return ScopeMissing(call.path, call.scope, self._scopes)
        try:
            info = msgspec.json.decode(body, type=ExceptionInfo)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            info = ExceptionInfo()
        return RequestRefused(call.method, call.path, status, info.type, info.message or "")

    def _announce(self, call: Call, state: tenacity.RetryCallState) -> None:
        """Say once a minute for each reason why requests are waiting."""
        failure = state.outcome.exception() if state.outcome else None
        reason = str(failure)
        now = time.monotonic()
        if now - self._announced.get(reason, float("-inf")) < ANNOUNCED_FOR:
            return
        self._announced[reason] = now
        logger.warning(
            "%s %s: %s; trying again, up to %d times, next in %.1f s",
            call.method,
            call.path,
            reason,
            self._policy.max_retries,
            state.next_action.sleep if state.next_action else 0.0,
        )


def _decoded(answer: Answer, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = "" if "json" in answer.content_type.lower() else CHECK_ADDRESS
        raise TransientFailure(
            f"an answer that is not the JSON expected ({type(error).__name__}, {len(answer.body)} bytes, "
            f"{answer.content_type})",
            hint=hint,
        ) from None


def _worth_repeating(call: Call, error: BaseException) -> bool:
    return isinstance(error, TransientFailure) and (call.repeatable or error.no_effect)
