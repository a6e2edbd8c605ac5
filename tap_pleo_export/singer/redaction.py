"""Keeps secrets, IBANs and forged lines out of all log records, tracebacks included."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

from tap_pleo_export.text import escaped

MASK = "***"
# Shorter secrets would mask ordinary words.
MIN_SECRET = 4
# A truncated secret is recognised by this many characters.
MIN_PIECE = 4
# Quoted foreign text is truncated at 300 characters elsewhere; this limit is for everything else.
MAX_MESSAGE = 4000
CUT = "…"
# A secret is searched for in a text that has this many of its letters and digits in a row.
ANCHOR = 6
# Other than the letters themselves, what `re.IGNORECASE` takes for i, s and k.
_LETTERS = str.maketrans("\u0130\u0131\u017f\u212a", "iisk")

_PLAIN_PART = re.compile(r"[A-Za-z0-9]+")
_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_NAMED = re.compile(
    r"""((?:access_token|refresh_token|client_secret|api_key|id_token|password|Authorization)["']?\s*[:=]\s*b?["']?)
        (?!\*\*\*)[^\s"',;&}]{12,}""",
    re.VERBOSE | re.IGNORECASE,
)
_USER = re.compile(r"(://)[^\s/@\"']+@")
# A URL, also escaped or URL-encoded, up to its path: some stores sign it. Pleo's own paths are known.
_FOREIGN_URL = re.compile(
    r"""(https?(?::|%3A)(?:\\?/|%2F){2}[^\s"'<>\\/?\#%]+(?:\\?/|%2F))
        (?!(?:v3/export-[a-z]|oauth/token\b))[^\s"'<>]*[^\s"'<>.,;:)\]]""",
    re.VERBOSE | re.IGNORECASE,
)
# A path in a debug line of the HTTP library, or Pleo's URL, up to its query.
_QUERY = re.compile(r"""((?:https?:)?(?:\\?/)[^\s"'<>?]*)\?[^\s"'<>]+""")
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])")
_IBAN = re.compile(r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_PLAIN_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_IBAN_LENGTHS = range(15, 35)


class SecretsFilter(logging.Filter):
    """Masks secrets and escapes control characters in log records."""

    def __init__(self) -> None:
        super().__init__()
        self._learnt: set[str] = set()
        # A fleet has thousands of secrets: those that a text may contain are found by a part of them.
        self._by_anchor: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
        self._by_beginning: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
        self._anchor_lengths: frozenset[int] = frozenset()
        self._longest = 0
        self._lock = threading.Lock()

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on: plain, in base64, and with any character escaped as in URLs, JSON or HTML."""
        for secret in secrets:
            if secret not in self._learnt:
                with self._lock:
                    self._learn(secret)

    def _learn(self, secret: str) -> None:
        # Tuples are replaced, because other threads may read the old ones.
        for spelling in {form for value in (secret, secret.strip()) for form in _spellings(value)}:
            if len(spelling) >= MIN_SECRET:
                anchor, beginning = _anchor(spelling), spelling[:MIN_PIECE].lower()
                self._by_anchor[anchor] = (*self._by_anchor[anchor], spelling)
                self._by_beginning[beginning] = (*self._by_beginning[beginning], spelling)
                self._anchor_lengths |= {len(anchor)}
                self._longest = max(self._longest, len(spelling))
        self._learnt.add(secret)

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's message, traceback and stack; always return True."""
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - the logging library would print the arguments
            message = record.msg = f"{record.msg} (its arguments do not fit: {type(error).__name__})"
            record.args = ()
        clean = self.one_line(message)
        # The SDK recognises its metrics by their arguments, so keep them if possible.
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        if record.exc_text:
            # Formatters that format exceptions themselves would show them unmasked.
            record.exc_info = None
            record.exc_text = record.traceback = self._indented(record.exc_text)
        if record.stack_info:
            record.stack_info = self._indented(record.stack_info)
        return True

    def one_line(self, message: str) -> str:
        """Return a message masked, without control characters and truncated to one log line."""
        # Truncate before searching, which is slow in long texts, and again after escaping, which makes text longer.
        return _cut(escaped(self.mask(_cut(message))))

    def mask(self, text: str) -> str:
        """Return the text without secrets, paths and queries of URLs, and IBANs."""
        if found := self._possible(text):
            text = _any_of(found).sub(MASK, text)
        if CUT in text:
            text = self._without_pieces(text)
        text = _AUTHORIZATION.sub(rf"\1 {MASK}", text)
        text = _NAMED.sub(rf"\1{MASK}", text)
        text = _USER.sub(rf"\1{MASK}@", text)
        text = _FOREIGN_URL.sub(rf"\1{MASK}", text)
        text = _QUERY.sub(rf"\1?{MASK}", text)
        return "".join(_without_ibans(text))

    def _without_pieces(self, text: str) -> str:
        """Mask the beginnings of truncated secrets."""
        *parts, last = text.split(CUT)
        return CUT.join([*map(self._without_end, parts), last])

    def _without_end(self, text: str) -> str:
        for start in range(max(0, len(text) - self._longest), len(text) - MIN_PIECE + 1):
            end = text[start:].lower()
            if any(spelling.lower().startswith(end) for spelling in self._by_beginning.get(end[:MIN_PIECE], ())):
                return text[:start] + MASK
        return text

    def _possible(self, text: str) -> tuple[str, ...]:
        """Return the spellings that a text may contain, the longest first: one may be the prefix of another."""
        plain = text.translate(_LETTERS).lower()
        parts = {plain[at : at + size] for size in self._anchor_lengths for at in range(len(plain) - size + 1)}
        found = {spelling for part in parts if part in self._by_anchor for spelling in self._by_anchor[part]}
        return tuple(sorted(found, key=lambda spelling: (-len(spelling), spelling)))

    def _indented(self, text: str) -> str:
        # Indented, so that no line can be mistaken for a log line.
        return "\n".join(f"  {self.one_line(line)}" for line in text.split("\n"))


def _spellings(secret: str) -> Iterator[str]:
    """Yield the spellings by which a truncated secret is recognised."""
    form = quote_plus(secret)
    yield from (secret, form, quote(secret, safe=""), json.dumps(secret)[1:-1])
    # Basic authentication of OAuth clients takes the URL-encoded form (RFC 6749, 2.3.1).
    yield from (*_in_base64(secret), *_in_base64(form))


def _in_base64(secret: str) -> Iterator[str]:
    """Yield the characters that a secret has in base64 after any text, such as a user name."""
    for before, mixed in ((0, 0), (1, 2), (2, 3)):
        data = b"\0" * before + secret.encode(errors="surrogatepass")
        for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            # The last character is mixed with the text that follows, unless it ends at a whole group.
            whole = len(data) * 8 // 6
            if len(found := encoded[mixed:whole].decode()) >= 2 * MIN_SECRET:
                yield found


def _anchor(spelling: str) -> str:
    """Return letters and digits that each way to write a spelling has, in lower case; empty if it has none."""
    return max(_PLAIN_PART.findall(spelling), key=len, default="")[:ANCHOR].lower()


@lru_cache(maxsize=64)
def _any_of(spellings: tuple[str, ...]) -> re.Pattern[str]:
    patterns = ("".join(map(_any_spelling, spelling)) for spelling in spellings)
    # Case-insensitive: types of Pleo's errors are quoted in upper case.
    return re.compile("|".join(patterns), re.IGNORECASE)


@lru_cache(maxsize=256)
def _any_spelling(character: str) -> str:
    """Return a pattern of a character, plain or escaped; encoders leave letters and digits as they are."""
    if character.isascii() and character.isalnum():
        return character
    units = character.encode("utf-16-be", errors="surrogatepass").hex()
    spellings = {
        character,
        "".join(f"%{byte:02x}" for byte in character.encode(errors="surrogatepass")),
        re.sub(r"(.{4})", r"\\u\1", units),
        json.dumps(character)[1:-1],
        f"\\{character}",
        html.escape(character),
        f"&#{ord(character)};",
        f"&#x{ord(character):x};",
        "+" if character == " " else character,
    }
    return f"(?:{'|'.join(map(re.escape, sorted(spellings, key=len, reverse=True)))})"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + CUT


def _without_ibans(text: str) -> Iterator[str]:
    position = 0
    while start := _IBAN_START.search(text, position):
        yield text[position : start.start()]
        end = _end_of_iban(text, start.start())
        yield MASK if end else start[0]
        position = end or start.end()
    yield text[position:]


def _end_of_iban(text: str, start: int) -> int | None:
    """Return the end of the longest IBAN (ISO 13616) that starts here, with or without blanks, or None."""
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
"""The filter of the process; one, because logging is global too."""


def guard_logs() -> None:
    """Add the filter to all existing log handlers."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    handlers = [handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers]
    for handler in (*handlers, *([logging.lastResort] if logging.lastResort else [])):
        if SECRETS not in handler.filters:
            handler.addFilter(SECRETS)
