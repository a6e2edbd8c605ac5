"""Calls to a Tryton server by JSON-RPC. Each call is one transaction there."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests
import urllib3

from tap_pleo_export.api.deadline import DeadlineAdapter
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.ledger.adapter import LedgerUnavailable
from tap_pleo_export.text import one_line

PASSWORD_VARIABLE = "PLEO_EXPORT_TRYTON_PASSWORD"  # noqa: S105 - the name of the variable
RETRY_POLICY = RetryPolicy(max_retries=6, first_wait=0.2, longest_wait=10, deadline=120)
_READS = ("search_read", "read", "search_count")
# PostgreSQL refused a lock, so the transaction is undone.
_BUSY = ("could not obtain lock", "could not serialize", "deadlock detected")
_UNSENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
_MAX_TEXT = 300


class TrytonRefusal(LedgerUnavailable):
    """Tryton did not execute a call because of its content; the transaction is undone.

    Attributes:
        kind: `UserError`, `UserWarning`, or empty for an error inside Tryton.
        name: Name of a warning, under which it can be accepted.
    """

    def __init__(self, message: str, kind: str = "", name: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name


class _MayPass(LedgerUnavailable):
    """A failure after which the call may be sent again."""


class TrytonRpc:
    """A session of one user on one database; logs in again when the session has ended."""

    def __init__(self, url: str, database: str, user: str, password: str, timeout: float = 120) -> None:
        """Make a client; nothing is sent yet.

        Args:
            url: Of the server, without the database.
            database: Its name.
            user: Login of a user with the groups "Accounting" and "Party Administration".
            password: Of that user.
            timeout: Seconds until the whole answer to a request must have arrived.
        """
        self.url = url.rstrip("/")
        self.database = database
        self._user, self._password = user, password
        self._timeout: Any = urllib3.Timeout(total=timeout)
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, DeadlineAdapter(1))
        self._token = ""

    def call(self, method: str, *arguments: object, company: int | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return the result of a method such as `model.account.move.post`.

        Args:
            method: Its name.
            arguments: Its arguments, without the context.
            company: Tryton's id of the company to work in.

        Raises:
            TrytonRefusal: Tryton refused it.
            LedgerUnavailable: Tryton does not answer as it should, or refuses the login.
        """
        context = {} if company is None else {"company": company}
        for attempt in RETRY_POLICY.attempts(lambda error: isinstance(error, _MayPass)):
            with attempt:
                return self._call(method, [*arguments, context])
        raise AssertionError  # the attempts end with a result or an exception

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def search(
        self, model: str, conditions: Sequence[object], fields: Sequence[str], company: int | None = None
    ) -> list[dict[str, Any]]:
        """Return records as dictionaries; a field `type.code` is in the member `code` of the member `type.`."""
        method = f"model.{model}.search_read"
        rows: list[dict[str, Any]] = self.call(method, conditions, 0, None, None, fields, company=company)
        return rows

    def _call(self, method: str, arguments: list[object]) -> Any:  # noqa: ANN401 - JSON
        if not self._token:
            self._log_in()
        answer = self._post(method, arguments, {"Authorization": f"Session {self._token}"})
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._log_in()
            answer = self._post(method, arguments, {"Authorization": f"Session {self._token}"})
        return self._result(answer, method)

    def _log_in(self) -> None:
        arguments = [self._user, {"password": self._password}, None]
        answer = self._post("common.db.login", arguments, {})
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise LedgerUnavailable(
                f"Tryton refused the login of {self._user} ({answer.status_code}): check user and {PASSWORD_VARIABLE}"
            )
        result = self._result(answer, "common.db.login")
        if not isinstance(result, list) or not result:
            raise LedgerUnavailable(f"Tryton refused the login of {self._user}: check user and {PASSWORD_VARIABLE}")
        session = f"{self._user}:{result[0]}:{result[1]}"
        self._token = base64.b64encode(session.encode()).decode()

    def _post(self, method: str, arguments: Sequence[object], headers: Mapping[str, str]) -> requests.Response:
        body = json.dumps({"id": 1, "method": method, "params": arguments}, default=_encode)
        try:
            return self._session.post(
                f"{self.url}/{quote(self.database, safe='')}/rpc/",
                data=body.encode(),
                headers={"Content-Type": "application/json", "Accept": "application/json", **headers},
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            reason = f"Tryton at {self.url} does not answer ({type(error).__name__}): check url, then run again"
            may_pass = method.rpartition(".")[2] in _READS or isinstance(getattr(error.args[0], "reason", 0), _UNSENT)
            raise (_MayPass if may_pass else LedgerUnavailable)(reason) from None

    def _result(self, answer: requests.Response, method: str) -> Any:  # noqa: ANN401 - JSON
        status = answer.status_code
        if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
            raise _MayPass(f"Tryton at {self.url} is busy ({status}): run again later")
        try:
            document = json.loads(answer.content, object_hook=_decode)
            error = document.get("error")
            result = document["result"] if error is None else None
        except (ValueError, KeyError, AttributeError):
            text = f"Tryton at {self.url} answered {method} with {status} instead of a result: check url and database"
            raise LedgerUnavailable(text) from None
        if error is not None:
            raise _refusal(error)
        return result


def char(text: str) -> str:
    """Return a text as Tryton's fields of one line take it."""
    return " ".join(text.replace("\0", " ").split())


def _refusal(error: Any) -> Exception:  # noqa: ANN401 - JSON
    kind, details = (error if isinstance(error, list) and len(error) > 1 else [str(error), ""])[:2]
    if any(text in str(error) for text in _BUSY) or kind == "ConcurrencyException":
        return _MayPass("Tryton's records are in use by others: run again later")
    if kind in {"UserError", "UserWarning"} and isinstance(details, list):
        name, texts = (details[0], details[1:3]) if kind == "UserWarning" else ("", details[:2])
        message = " ".join(text for text in texts if text)
        return TrytonRefusal(one_line(message)[:_MAX_TEXT], kind, name)
    return TrytonRefusal(f"Tryton failed: {one_line(str(kind))[:_MAX_TEXT]}")


def _encode(value: object) -> object:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case date():
            return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
        case bytes():
            return {"__class__": "bytes", "base64": base64.b64encode(value).decode()}
    raise TypeError(type(value).__name__)


def _decode(members: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    match members.get("__class__"):
        case "Decimal":
            return Decimal(members["decimal"])
        case "date":
            return date(members["year"], members["month"], members["day"])
        case "bytes":
            return base64.b64decode(members["base64"])
    return members
