"""The API client: signed requests within a budget, retried where that is safe."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import requests
from requests.structures import CaseInsensitiveDict

from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.credentials import AccessTokenAuth, ApiKeyAuth, RefreshTokenAuth
from tap_pleo_export.api.daemon_pool import DaemonPool
from tap_pleo_export.api.errors import (
    CHECK_ADDRESS,
    CredentialsRejected,
    OutcomeUnknown,
    PleoError,
    PleoUnavailable,
    RequestRefused,
    ScopeMissing,
    TransientFailure,
    as_job_error,
    as_list_error,
)
from tap_pleo_export.api.jobs import PLAIN_UUID, READABLE_STATUSES
from tap_pleo_export.api.paging import Listing, PageDecoder, decode_single
from tap_pleo_export.api.request import ApiRequest, ApiResponse
from tap_pleo_export.api.retry import RetryPolicy, attempts_made
from tap_pleo_export.api.sender import Sender
from tap_pleo_export.api.token_endpoint import TokenEndpoint
from tap_pleo_export.api.token_file import TokenFile
from tap_pleo_export.numbers import exact_number

if TYPE_CHECKING:
    from tap_pleo_export.api.credentials import Authenticator
    from tap_pleo_export.api.paging import Token
    from tap_pleo_export.api.sender import RawResponse

T = TypeVar("T")

PAGE_SIZE = 100
# Pleo documents no maximum; used where rows are small.
LARGE_PAGE = 1000
MAX_HALVINGS = 8
# Success of a request that reads, and of one that changes something.
READ = {HTTPStatus.OK}
CHANGED = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}
RETRYABLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
# Seconds for which a reason to wait is not logged again.
ANNOUNCED_FOR = 60.0
NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

JOBS = "/v3/export-jobs"
_ROWS: PageDecoder[dict[str, Any]] = PageDecoder(dict[str, Any])
_decode_values = msgspec.json.Decoder(dict[str, Any], float_hook=exact_number).decode

logger = logging.getLogger("tap-pleo-export.client")


class ExceptionInfo(msgspec.Struct):
    """Pleo's error body (OpenAPI schema ``ExceptionInfo``), read leniently."""

    type: str = ""
    message: str | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class PleoApi:
    """Pleo's Export API v3; safe to share between threads.

    A request that changes something (PUT, POST) is sent again only after failures that certainly had no effect: 401
    with a renewed credential, 429, and connections that were never made.

    Attributes:
        api_url: The API's address; becomes ASCII without a trailing slash.
        timeout: Seconds for a whole request, unless the request has another timeout.
        headers: Sent with each request, unless the request has other headers.
        scopes: The OAuth scopes that all requests together need, for the message about a missing one.
        page_size: Rows of a page where rows are large, and everywhere once Pleo has refused larger pages.
        concurrency: Maximum page requests in flight.
        sleep: Waits; raises to end the wait early.
        sender: Sends the requests; clients may share one, which :meth:`close` of any of them closes.
        listing: Returns a list that comes in pages, see :class:`Listing`.
        large_page: Rows of a page where rows are small; becomes ``page_size`` once Pleo refuses.
        pool: The threads that send page requests in the background.
        throttled: Number of 429 answers.
    """

    api_url: str
    authenticator: Authenticator
    budget: RequestBudget
    policy: RetryPolicy
    timeout: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)
    scopes: Iterable[str] = ()
    page_size: int = PAGE_SIZE
    concurrency: int = 1
    sleep: Callable[[float], None] = time.sleep
    sender: Sender = field(default_factory=Sender)

    def __post_init__(self) -> None:
        # As `requests` sends it: international names become ASCII.
        self.api_url = (requests.Request("GET", self.api_url).prepare().url or self.api_url).rstrip("/")
        self.large_page = LARGE_PAGE
        self.pool = DaemonPool(self.concurrency)
        self.throttled = 0
        self.listing = partial(
            Listing, self.send, self.read, self.reduce_page_size, self.pool, self.allowed_concurrency
        )
        self._announced: dict[str, float] = {}
        self._budget_announced = False

    @classmethod
    def from_settings(  # noqa: PLR0913 - one argument per hook of a plugin
        cls,
        settings: Mapping[str, Any],
        *,
        user_agent: str,
        scopes: Iterable[str],
        shielded: Callable[[], AbstractContextManager[None]] = nullcontext,
        stopping: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        learn_secrets: Callable[[Iterable[str]], None] = lambda _: None,
        sender: Sender | None = None,
    ) -> PleoApi:
        """Return the client for a mapping of settings, without those that are not set.

        The other arguments are those of the class, of :class:`RefreshTokenAuth` and of :class:`TokenEndpoint`.
        """
        budget = RequestBudget(settings["max_requests_per_minute"])
        policy = RetryPolicy(max_retries=settings["max_retries"])
        sender = sender or Sender()
        authenticator: Authenticator
        if "api_key" in settings:
            authenticator = ApiKeyAuth(settings["api_key"])
        elif "access_token" in settings:
            authenticator = AccessTokenAuth(settings["access_token"])
        else:
            authenticator = RefreshTokenAuth(
                endpoint=TokenEndpoint(
                    url=settings["auth_url"],
                    client_id=settings["client_id"],
                    client_secret=settings["client_secret"],
                    timeout=settings["request_timeout"],
                    user_agent=user_agent,
                    stopping=stopping,
                    sender=sender,
                ),
                refresh_token=settings["refresh_token"],
                token_file=TokenFile(Path(settings["token_file"])),
                budget=budget,
                policy=policy,
                shielded=shielded,
                learn_secrets=learn_secrets,
            )
        return cls(
            api_url=settings["api_url"],
            authenticator=authenticator,
            budget=budget,
            policy=policy,
            timeout=settings["request_timeout"],
            headers={"Accept": "application/json", "User-Agent": user_agent},
            scopes=scopes,
            page_size=settings.get("page_size", PAGE_SIZE),
            concurrency=settings.get("max_concurrent_requests", 1),
            sleep=sleep,
            sender=sender,
        )

    def get(self, request: ApiRequest, decode: Callable[[bytes], T]) -> T:
        """Return the decoded body of a successful answer: :meth:`send` and :meth:`read` in one."""
        return self.read(self.send(request), decode)

    def send(self, request: ApiRequest) -> ApiResponse:
        """Send a request and return the successful answer.

        Raises:
            FatalError: No request can succeed, or a change may or may not have been applied.
            AnswerTooLarge: The answer exceeds its limit.
            RequestRefused: Pleo refused this request.
        """
        # A partial has no frame, unlike a lambda.
        return self._retried(request, partial(self._answer, request))

    def read(self, response: ApiResponse, decode: Callable[[bytes], T]) -> T:
        """Return an answer's decoded body; a damaged one is requested again if the request changes nothing.

        Raises like :meth:`send`. Call it on the thread that needs the value: the pool's threads should only wait.

        Args:
            response: The answer.
            decode: Turns the body into a value; a ``msgspec.MsgspecError``, ``UnicodeDecodeError`` or
                ``RecursionError`` that it raises counts as damage.
        """
        responses = [response]

        def attempt() -> T:
            return _decoded(responses.pop() if responses else self._answer(response.request), decode)

        return self._retried(response.request, attempt)

    def jobs(
        self, statuses: Iterable[str] = READABLE_STATUSES, company_id: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield export jobs (``GET /v3/export-jobs``) as plain values; here and below fractions are ``Decimal``.

        Without a company, those of all companies of the credential. Raises :class:`PleoError`.
        """
        params = {"statuses": list(statuses), "company_id": company_id}
        return self._rows(JOBS, params, partial(as_list_error, "export jobs"))

    def job(self, job_id: str) -> dict[str, Any]:
        """Return one export job (``GET /v3/export-jobs/{jobId}``); raises as :meth:`jobs`."""
        with as_job_error(job_id):
            row = self.get(ApiRequest("GET", f"{self.api_url}{JOBS}/{_plain(job_id)}"), decode_single)
        return dict(_decode_values(row))

    def job_items(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Yield the items of a job with their statuses (``GET /v3/export-jobs/{jobId}/items``)."""
        return self._rows(f"{JOBS}/{_plain(job_id)}/items", {}, partial(as_job_error, job_id))

    def export_items(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Yield the accounting data of a job's items (``GET /v3/export-items``)."""
        params = {"job_id": _plain(job_id), "limit": self.page_size}
        return self._rows("/v3/export-items", params, partial(as_job_error, job_id))

    def _rows(
        self, path: str, params: Mapping[str, Any], errors: Callable[[], AbstractContextManager[None]]
    ) -> Iterator[dict[str, Any]]:
        def request(token: Token) -> ApiRequest:
            return ApiRequest("GET", self.api_url + path, {"limit": self.large_page, "after": token, **params})

        for page in self.listing(request, _ROWS.decode, errors=errors).pages():
            yield from page.records

    def allowed_concurrency(self) -> int:
        """Return how many page requests may be in flight: half as many after each 429."""
        return max(1, self.concurrency >> min(self.throttled, MAX_HALVINGS))

    def reduce_page_size(self, refused: object) -> bool:
        """Request pages of ``page_size`` from now on; return whether the refused ``limit`` was larger than that."""
        if not isinstance(refused, int) or refused <= self.page_size:
            return False
        self.large_page = self.page_size
        return True

    def close(self) -> None:
        """Close all connections, after a token exchange that is under way."""
        self.authenticator.drain()
        self.sender.close()

    def _retried(self, request: ApiRequest, attempt: Callable[[], T]) -> T:
        retrying = self.policy.attempts(
            lambda error: isinstance(error, TransientFailure) and (request.repeatable or error.no_effect),
            before_wait=lambda failure, seconds: self._announce_retry(request, failure, seconds),
            sleep=self.sleep,
        )
        try:
            return retrying(attempt)
        except TransientFailure as failure:
            if request.repeatable or failure.no_effect:
                cause = f"{failure}: {CHECK_ADDRESS}" if failure.misdirected else failure
                raise PleoUnavailable(request.method, request.path, attempts_made(retrying), cause) from None
            raise OutcomeUnknown(request.method, request.path, str(failure), failure.retry_after) from None

    def _answer(self, request: ApiRequest) -> ApiResponse:
        auth = request.auth or self.authenticator
        for renewed in (False, True):
            signed = auth(self._prepared(request))
            # The budget is used after the signing, which may have to refresh a token first.
            response = self.sender.send(signed, request.timeout or self.timeout, before_send=self._wait_for_budget)
            rejected = response.status == HTTPStatus.UNAUTHORIZED
            if renewed or not (rejected and auth.renew(signed.headers.get("Authorization"))):
                break
        if response.status not in (READ if request.repeatable else CHANGED):
            raise self._failure(request, auth, response)
        content_type = response.headers.get("Content-Type", "no content type")
        return ApiResponse(request, content_type, response.body, response.lease)

    def _prepared(self, request: ApiRequest) -> requests.PreparedRequest:
        # Not by a session, which would add the credentials of a .netrc.
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = request.method, request.full_url
        headers = self.headers if request.headers is None else request.headers
        prepared.headers = CaseInsensitiveDict({"Accept-Encoding": "gzip, deflate", **headers})
        if request.body is not None:
            prepared.prepare_body(None, None, json=request.body)
        return prepared

    def _wait_for_budget(self) -> None:
        wait = self.budget.take(time.monotonic())
        if wait > 0:
            if not self._budget_announced:
                self._budget_announced = True
                logger.info(
                    "Request budget used up (max_requests_per_minute): waiting %.0f s; later waits are not logged", wait
                )
            self.sleep(wait)

    def _failure(self, request: ApiRequest, auth: Authenticator, response: RawResponse) -> PleoError:
        status = response.status
        if status in RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            throttled = status == HTTPStatus.TOO_MANY_REQUESTS
            self.throttled += throttled
            return TransientFailure(f"status {status}", response.retry_after, no_effect=throttled)
        if status == HTTPStatus.UNAUTHORIZED:
            return CredentialsRejected(request.path, auth.remedy)
        if status == HTTPStatus.FORBIDDEN:
            return ScopeMissing(request.path, request.scope, self.scopes)
        try:
            info = msgspec.json.decode(response.body, type=ExceptionInfo)
        except NOT_JSON:
            info = ExceptionInfo()
        return RequestRefused(request.method, request.path, status, info.type, info.message or "")

    def _announce_retry(self, request: ApiRequest, failure: BaseException, seconds: float) -> None:
        """Log once a minute for each reason why requests are waiting."""
        reason = str(failure)
        now = time.monotonic()
        if now - self._announced.get(reason, float("-inf")) < ANNOUNCED_FOR:
            return
        self._announced[reason] = now
        where, retries = f"{request.method} {request.path}", self.policy.max_retries
        logger.warning("%s: %s; trying again, up to %d times, next in %.1f s", where, reason, retries, seconds)


def _plain(job_id: str) -> str:
    """Return the id of a job if it may become part of a path."""
    if not PLAIN_UUID.fullmatch(job_id):
        raise ValueError("the id of an export job must be a UUID")
    return job_id


def _decoded(response: ApiResponse, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(response.body)
    except NOT_JSON as error:
        raise TransientFailure(
            f"an answer that is not the JSON expected ({type(error).__name__}, {len(response.body)} bytes, "
            f"{response.content_type})",
            misdirected="json" not in response.content_type.lower(),
        ) from None
