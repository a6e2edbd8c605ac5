"""Text from records made safe to show: one line, cut, without bank details, control and direction characters."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from tap_pleo_export.singer.redaction import SECRETS

MAX_NAME = 80
"""Characters shown of names and other short texts."""
MAX_REASON = 300
"""Characters shown of a failure reason."""
_MAX_ID = 64
_MAX_LINK = 500

_BLANKS = re.compile(r"\s+")
# Control characters, characters without width or that change the writing direction, tags, lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_LINK = re.compile(r"https://[A-Za-z0-9][!-~]*")


def clean_text(text: object, limit: int = MAX_NAME) -> str:
    """Return a text as it may be shown, at most `limit` characters; "" for values that are not text."""
    if not isinstance(text, str):
        return ""
    # A text may have megabytes: mask and clean only the part that can be shown.
    clean = _clean(text[: 4 * limit])
    return clean[: limit - 1].rstrip() + "…" if len(text) > 4 * limit or len(clean) > limit else clean


@lru_cache(maxsize=4096)  # most names, types and reasons are repeated
def _clean(text: str) -> str:
    return _UNSAFE.sub("\ufffd", _BLANKS.sub(" ", SECRETS.mask(text))).strip()


def clean_id(text: object) -> str:
    """Return an id in lower case, because Pleo uses both cases for the same id; "" for values that are not text."""
    if isinstance(text, str) and _UUID.fullmatch(text):
        return text.lower()
    return clean_text(text, _MAX_ID).lower()


def short_id(text: str) -> str:
    """Return the beginning of a UUID; other ids and names whole."""
    return text[:8] if _UUID.fullmatch(text) else text


def safe_link(address: object) -> str:
    """Return an https address without query and fragment, or "" for other addresses and those with credentials.

    A signed address has its signature in the query, so the link no longer gives access to a file.
    """
    if not isinstance(address, str) or len(address) > _MAX_LINK or not _LINK.fullmatch(address):
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return "" if "@" in parts.netloc else parts._replace(query="", fragment="").geturl()


TYPES: Final = {
    "card_purchase": "Card purchase",
    "card_invoice": "Card invoice",
    "out_of_pocket": "Out of pocket",
    "mileage": "Mileage",
    "per_diem": "Per diem",
    "external_reimbursement": "External reimbursement",
    "direct_reimbursement": "Direct reimbursement",
    "invoice": "Invoice",
    "invoice_payment": "Invoice payment",
    "chargeback": "Chargeback",
    "refund": "Refund",
    "cashback": "Cashback",
    "atm_withdrawal": "ATM withdrawal",
    "wallet_topup": "Wallet top-up",
    "wallet_unload": "Wallet unload",
    "personal_spend": "Personal spend",
    "fee": "Fee",
}
"""Types of export items as bookkeepers call them (OpenAPI `ExportItemTypeV3`)."""


def type_name(name: str) -> str:
    """Return a type of export items as bookkeepers call it; one that Pleo adds later as words."""
    return TYPES.get(name) or words(name)


def words(name: str) -> str:
    """Return a name of Pleo as words: `card_purchase` becomes "Card purchase"."""
    return name.replace("_", " ").strip().capitalize()
