"""Keeps secrets, bank details and forged lines out of every log record, at any level, tracebacks included."""

from __future__ import annotations

import json
import logging
import re
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "***"
# Shorter ones would mask ordinary words.
SHORTEST_SECRET = 4
# Of a secret that was cut where a text was quoted, so many characters give it away.
SHORTEST_PIECE = 4
# Foreign texts are cut at 300 characters where they are quoted; this is for what nobody has cut.
LONGEST_MESSAGE = 4000
CUT = "…"
# Learnt bank details are of this run's items, and there may be any number of them.
MOST_BANK_ACCOUNTS = 10_000

_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_NAMED = re.compile(
    r"""((?:access_token|refresh_token|client_secret|api_key|id_token|password|Authorization)["']?\s*[:=]\s*b?["']?)
        (?!\*\*\*)[^\s"',;&}]{12,}""",
    re.VERBOSE | re.IGNORECASE,
)
_USER = re.compile(r"(://)[^\s/@\"']+@")
# An address, or the path of one in a debug line of the HTTP library, up to its query.
_QUERY = re.compile(r"""((?:https?:)?(?:\\?/)[^\s"'<>?]*)\?[^\s"'<>]+""")
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])")
_IBAN = re.compile(r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_PLAIN_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_IBAN_LENGTHS = range(15, 35)
_BANK_ACCOUNT = b'"supplierBankAccount"'
_BANK_DETAILS = re.compile(rb"[ \t\r\n:]*(\{[^}]*\})")
_PUBLIC_BANK_MEMBERS = {"bankName", "country"}


class SecretsFilter(logging.Filter):
    """Masks what must not be read, and escapes control characters, in log records."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: list[str] = []
        # Nothing, until there are secrets.
        self._any_secret = re.compile(r"(?!)")
        # As they came: they are looked into when there is something to log.
        self._bank_accounts: dict[bytes, None] = {}

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on, as they are and as forms, addresses and JSON write them."""
        known = set(self._secrets)
        for secret in (value for given in secrets for value in (given, given.strip())):
            spellings = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
            known |= {spelling for spelling in spellings if len(spelling) >= SHORTEST_SECRET}
        # A new list: other threads may be reading the old one. The longest first: one may begin as another does.
        self._secrets = sorted(known, key=lambda secret: (-len(secret), secret))
        if known:
            # In any case: types of Pleo's errors are quoted in upper case.
            self._any_secret = re.compile("|".join(map(re.escape, self._secrets)), re.IGNORECASE)

    def learn_bank_details(self, body: bytes) -> None:
        """Mask the bank details of a page of export items from now on; of very many, the newest."""
        for account in _bank_accounts(body):
            self._bank_accounts[account] = None
        while len(self._bank_accounts) > MOST_BANK_ACCOUNTS:
            del self._bank_accounts[next(iter(self._bank_accounts))]

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's message, traceback and stack; the record itself always passes."""
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - the library would print the arguments
            message = record.msg = f"{record.msg} (its arguments do not fit: {type(error).__name__})"
            record.args = ()
        clean = self.one_line(message)
        # The SDK knows its metrics by their arguments.
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        if record.exc_text:
            # Formatters that make their own text of an exception would show it unmasked.
            record.exc_info = None
            record.exc_text = record.traceback = self._indented(record.exc_text)
        if record.stack_info:
            record.stack_info = self._indented(record.stack_info)
        return True

    def one_line(self, message: str) -> str:
        """Return a message masked, without control characters and cut to what a log line bears."""
        # Cut before it is searched, for searching takes long texts long, and again where escapes have made it longer.
        return _cut(_escaped(self.mask(_cut(message))))

    def mask(self, text: str) -> str:
        """Return the text without secrets, queries of addresses, and bank details."""
        text = self._any_secret.sub(MASK, text)
        if CUT in text:
            text = self._without_pieces(text)
        text = _AUTHORIZATION.sub(rf"\1 {MASK}", text)
        text = _NAMED.sub(rf"\1{MASK}", text)
        text = _USER.sub(rf"\1{MASK}@", text)
        text = _QUERY.sub(rf"\1?{MASK}", text)
        for account in tuple(self._bank_accounts):
            for detail in _bank_details(account):
                if detail in text:
                    text = text.replace(detail, MASK)
        return "".join(_without_ibans(text))

    def _without_pieces(self, text: str) -> str:
        """Mask the beginnings of secrets that were cut off."""
        before, *rest = text.split(CUT)
        parts = [before]
        for part in rest:
            parts[-1] = self._without_end(parts[-1])
            parts.append(part)
        return CUT.join(parts)

    def _without_end(self, text: str) -> str:
        for secret in self._secrets:
            for length in range(min(len(secret), len(text)), SHORTEST_PIECE - 1, -1):
                if text[-length:].lower() == secret[:length].lower():
                    return text[:-length] + MASK
        return text

    def _indented(self, text: str) -> str:
        # Indented, no line of it can pass for a log line.
        return "\n".join(f"  {self.one_line(line)}" for line in text.split("\n"))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + CUT


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _bank_accounts(body: bytes) -> Iterator[bytes]:
    # Plain searches: a pattern looks at each byte of a body.
    end = body.find(_BANK_ACCOUNT)
    while end >= 0:
        end += len(_BANK_ACCOUNT)
        if account := _BANK_DETAILS.match(body, end):
            yield account[1]
        end = body.find(_BANK_ACCOUNT, end)


@lru_cache(maxsize=20_000)
def _bank_details(account: bytes) -> tuple[str, ...]:
    try:
        members: dict[str, Any] = json.loads(account)
    except (ValueError, RecursionError):
        return ()
    return tuple(
        value
        for name, value in members.items()
        if name not in _PUBLIC_BANK_MEMBERS and isinstance(value, str) and len(value) >= SHORTEST_SECRET
    )


def _without_ibans(text: str) -> Iterator[str]:
    position = 0
    while start := _IBAN_START.search(text, position):
        yield text[position : start.start()]
        end = _end_of_iban(text, start.start())
        yield MASK if end else start[0]
        position = end or start.end()
    yield text[position:]


def _end_of_iban(text: str, start: int) -> int | None:
    """Return where the longest IBAN that begins here ends, with or without blanks (ISO 13616), or None."""
    found = _IBAN.match(text, start)
    compact = ""
    end = None
    for position in range(start, found.end() if found else start):
        if not text[position].isalnum():
            continue
        compact += text[position]
        ends_here = not text[position + 1 : position + 2].isalnum()
        if len(compact) in _IBAN_LENGTHS and ends_here and _is_iban(compact, text[start : position + 1]):
            end = position + 1
    return end


def _is_iban(compact: str, written: str) -> bool:
    digits = "".join(str(int(c, 36)) for c in compact[4:] + compact[:4])
    return int(digits) % 97 == 1 or _PLAIN_IBAN.fullmatch(written) is not None


SECRETS = SecretsFilter()
"""The process's filter: logging is the process's, too."""


def guard_logs() -> None:
    """Put the filter on every handler that there is."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    handlers = [handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers]
    for handler in (*handlers, *([logging.lastResort] if logging.lastResort else [])):
        if SECRETS not in handler.filters:
            handler.addFilter(SECRETS)
