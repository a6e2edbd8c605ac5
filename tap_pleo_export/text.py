r"""JSON bodies that fit on a Singer line: valid UTF-8, one line, no characters that databases cannot store; times.

``\u0000`` (PostgreSQL stores it neither in ``text`` nor in ``jsonb``) and unpaired surrogates (they have no UTF-8)
become U+FFFD, the replacement character. Everything else, numbers above all, is left byte for byte.
"""

from __future__ import annotations

import codecs
import re
from datetime import UTC, datetime

import msgspec

# Longer texts are cut in messages.
QUOTED_LENGTH = 300
FEW_ESCAPES = 500
_REPLACEMENT = rb"\ufffd"
# A surrogate pair, an escape to replace, or any other escape: in this order each escape is consumed once.
_ESCAPE = re.compile(
    rb"""\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
          |(?P<unstorable>u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})
          |.)""",
    re.VERBOSE | re.DOTALL,
)
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


# Decoding a body at once stores every character as wide as its widest one; small pieces are quick and do not
# fragment the heap.
_PIECE = 2 * 1024
_utf8_decoder = codecs.getincrementaldecoder("utf-8")


def storable(body: bytes) -> tuple[bytes, int]:
    """Return a JSON body as one line of storable text, and how many characters were replaced.

    Raises:
        UnicodeDecodeError: The body is not UTF-8.
        msgspec.DecodeError: The body has line breaks and is not JSON.
    """
    _check_utf8(body)
    body, count = _replaced(body)
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.format(body, indent=-1)
    return body, count


def _replaced(body: bytes) -> tuple[bytes, int]:
    if not (_escapes_characters(body) and _SUSPECT.search(body)):
        return body, 0
    count = 0

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal count
        if match["unstorable"] is None:
            return match[0]
        count += 1
        return _REPLACEMENT

    return _ESCAPE.sub(replace, body), count


def _escapes_characters(body: bytes) -> bool:
    r"""Return whether there may be an escape like ``\u0000``; quicker than the pattern where there are few escapes."""
    at = -2
    for _ in range(FEW_ESCAPES):
        at = body.find(b"\\", at + 2)
        if at < 0:
            return False
        if body[at + 1 : at + 2] == b"u":
            return True
    return True


def _check_utf8(body: bytes) -> None:
    if body.isascii():
        return
    decoder = _utf8_decoder()
    view = memoryview(body)
    for start in range(0, len(body), _PIECE):
        decoder.decode(view[start : start + _PIECE])
    decoder.decode(b"", final=True)


def parse_time(text: object) -> datetime | None:
    """Return an ISO 8601 time in UTC, cut to microseconds; no zone means UTC. None if it is not a time."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def minutes_until(at: datetime, now: datetime) -> int:
    """Return the whole minutes until a time; 0 once it has passed."""
    return max(0, int((at - now).total_seconds() // 60))


def one_line(text: str) -> str:
    """Return ``text`` on one line for a message: control characters escaped, cut at :data:`QUOTED_LENGTH`."""
    # Cut first: escapes only make a text longer.
    shown = escaped(" ".join(text[:QUOTED_LENGTH].split()))
    return shown if max(len(shown), len(text)) <= QUOTED_LENGTH else shown[: QUOTED_LENGTH - 1] + "…"


def escaped(text: str) -> str:
    """Return a text with its control characters escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
