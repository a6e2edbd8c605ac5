"""Names of stored files, made only of plain UUIDs, numbers and extensions of a fixed list. No I/O."""

from __future__ import annotations

import re
from typing import Final

from tap_pleo_export.api.jobs import PLAIN_UUID

HEAD_BYTES = 4096
"""Number of bytes at a file's beginning that are checked."""
UNKNOWN = "bin"
MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "tif": "image/tiff",
    "heic": "image/heic",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "txt": "text/plain",
    "csv": "text/csv",
    "xml": "application/xml",
    UNKNOWN: "application/octet-stream",
}
"""Every extension, with its media type."""

# Other spellings, or only the part after the slash.
_OTHER_NAMES = {
    "application/x-pdf": "pdf",
    "image/jpg": "jpg",
    "image/pjpeg": "jpg",
    "image/heif": "heic",
    "text/xml": "xml",
    "jpeg": "jpg",
    "tiff": "tif",
    "heif": "heic",
}
_BY_NAME = {media: extension for extension, media in MEDIA_TYPES.items() if extension != UNKNOWN} | _OTHER_NAMES
_BY_NAME |= {extension: extension for extension in MEDIA_TYPES if extension != UNKNOWN}

_SIGNATURES: Final = (
    (re.compile(rb".{0,1019}?%PDF-", re.DOTALL), ("pdf",)),
    (re.compile(rb"\xff\xd8\xff"), ("jpg",)),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ("png",)),
    (re.compile(rb"GIF8[79]a"), ("gif",)),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), ("webp",)),
    (re.compile(rb"II\*\x00|MM\x00\*"), ("tif",)),
    (re.compile(rb"....ftyp(?:hei[cmsx]|hev[cmx]|mif1|msf1)", re.DOTALL), ("heic",)),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), ("doc", "xls")),
    (re.compile(rb"PK\x03\x04"), ("docx", "xlsx")),
)
_PLAIN = ("txt", "csv", "xml")
_WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_INSIDE = ((b"word/", "docx"), (b"xl/", "xlsx"))


class TypeMismatch(ValueError):
    """The content does not match its type; ``str()`` says how, without quoting it."""


def folder(company_id: object, accounting_entry_id: object) -> str | None:
    """Return the folder of an item's files, `<companyId>/<accountingEntryId>`; None if an id is not a plain UUID.

    Pleo writes ids in either case; the name is in lower case, so that an item has only one folder.
    """
    ids = (company_id, accounting_entry_id)
    if not all(isinstance(value, str) and PLAIN_UUID.fullmatch(value) for value in ids):
        return None
    return "/".join(str(value).lower() for value in ids)


def extension(declared: object, head: bytes) -> str:
    """Return the extension of a file.

    Known first bytes decide; the declared type distinguishes types that begin alike. Unknown types become `bin`, which
    no program opens by default.

    Args:
        declared: The media type that Pleo states, or similar; may be absent.
        head: The first :data:`HEAD_BYTES` bytes.

    Raises:
        TypeMismatch: It begins like a web page, or not like its type.
    """
    if _WEB_PAGE.match(head):
        raise TypeMismatch("is a web page, not a file")
    named = _BY_NAME.get(declared.partition(";")[0].strip().lower()) if isinstance(declared, str) else None
    found = next((kinds for signature, kinds in _SIGNATURES if signature.match(head)), None)
    if found is None:
        if named is None:
            return UNKNOWN
        if named in _PLAIN and b"\0" not in head:
            return named
        raise TypeMismatch(f"does not begin like its declared type, {MEDIA_TYPES[named]}")
    if len(found) == 1:
        return found[0]
    if named in found:
        return named
    return next((kind for mark, kind in _INSIDE if kind in found and mark in head), UNKNOWN)
