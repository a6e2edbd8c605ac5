"""Foreign text made fit to be read: one line, cut, without bank details and what acts on the text around it."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from tap_pleo_export.singer.redaction import SECRETS

CUT = "…"
REPLACEMENT = "\ufffd"
NAME = 80
"""Characters of a person's or a supplier's name, and of other short texts."""
REASON = 300
"""Characters of a reason."""
ID = 64
"""Characters of an id that is no uuid."""
LONGEST_LINK = 500

_BLANKS = re.compile(r"\s+")
# Controls, characters without a width or that turn the direction of writing, tags, halves of surrogate pairs.
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SCHEME = re.compile(r"https://[A-Za-z0-9]")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PLAIN = re.compile(r"[!-~]+")


def shown(text: object, limit: int = NAME) -> str:
    """Return a text as it may be shown; "" of what is no text.

    Args:
        text: A value out of a record.
        limit: Characters that are left of it, the mark of the cut included.
    """
    if not isinstance(text, str):
        return ""
    # The rest cannot be seen, and searching it takes long: a text may have megabytes.
    return _shown(text[: 4 * limit], limit, len(text) <= 4 * limit)


@lru_cache(maxsize=4096)  # most names, types and reasons come again
def _shown(text: str, limit: int, whole: bool) -> str:  # noqa: FBT001 - its only caller is above
    clean = _UNFIT.sub(REPLACEMENT, _BLANKS.sub(" ", SECRETS.mask(text))).strip()
    return clean if whole and len(clean) <= limit else clean[: limit - 1].rstrip() + CUT


def identity(text: object) -> str:
    """Return an id in small letters, for Pleo writes the same one in both cases; "" of what is no text."""
    if isinstance(text, str) and _UUID.fullmatch(text):
        return text.lower()
    return shown(text, ID).lower()


def link(address: object) -> str:
    """Return an address that may be followed: https, without credentials, query and fragment; "" of any other.

    A signed address keeps its signature in the query, so that no file can be had by what is left of it.
    """
    if not isinstance(address, str) or len(address) > LONGEST_LINK or not _PLAIN.fullmatch(address):
        return ""
    if not _SCHEME.match(address):
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.username is not None or parts.password is not None:
        return ""
    return parts._replace(query="", fragment="").geturl()


def words(name: str) -> str:
    """Return a name of Pleo's as words: `card_purchase` is "Card purchase"."""
    return name.replace("_", " ").strip().capitalize()
