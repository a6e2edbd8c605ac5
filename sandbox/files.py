"""Files that the links of items lead to: signed links, valid for a day, and files of every type of receipt."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LIFETIME: Final = timedelta(hours=24)
MEGABYTE: Final = 1000 * 1000
# Read by the server, not sent to the client.
BREAKS_OFF: Final = "Sandbox-Breaks-Off"
_HEADS: Final = {
    "application/pdf": b"%PDF-1.7\n",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/heic": b"\x00\x00\x00\x18ftypheic",
    "application/vnd.ms-excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "text/plain": b"",
}
_REFUSED: Final = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>'


@dataclass(frozen=True)
class ServedFile:
    """A file."""

    media_type: str  # Its media type
    size: int  # Size in bytes
    stated: int | None = None  # Size in the item; None for the real one
    dies: bool = False  # Whether the connection is reset half-way

    def content(self, name: str) -> bytes:
        """Return its bytes, which depend on the name."""
        filler = hashlib.sha256(name.encode()).hexdigest().encode()
        head = _HEADS.get(self.media_type.partition(";")[0], _HEADS["image/jpeg"])
        return (head + filler * (self.size // len(filler) + 1))[: self.size]


SPECIAL: Final[Mapping[str, ServedFile]] = {
    "picture.png": ServedFile("image/png", 40_000),
    "document.pdf": ServedFile("application/pdf", 120_000),
    "empty.pdf": ServedFile("application/pdf", 0),
    "large.pdf": ServedFile("application/pdf", 30 * MEGABYTE),
    "dying.pdf": ServedFile("application/pdf", 50_000, dies=True),
    "longer.jpg": ServedFile("image/jpeg", 2_000, stated=1_000),
}
"""Files of every world, by name."""


class Files:
    """The files of a world."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.known = dict(SPECIAL)  # By name
        self.base = "https://files.pleo.example"  # Base URL of the links

    def link(self, name: str, now: datetime) -> str:
        """Return a link to a file, valid for :data:`LIFETIME` from ``now``."""
        expires = (now + LIFETIME).timestamp()
        return f"{self.base}/files/{quote(name)}?expires={expires:.3f}&signature={self._sign(name, f'{expires:.3f}')}"

    def entry(self, name: str, now: datetime) -> dict[str, Any]:
        """Return a file as in an item."""
        file = self.known[name]
        size = file.size if file.stated is None else file.stated
        return {"url": self.link(name, now), "type": file.media_type, "size": size}

    def renewed(self, item: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Return an item with new links to this server and the sizes of its files."""
        return item | {"files": [self._renewed(file, now) for file in item["files"]]} if item.get("files") else item

    def _renewed(self, file: dict[str, Any] | None, now: datetime) -> dict[str, Any] | None:
        if file is None or not file.get("url"):
            return file
        address = urlsplit(file["url"])
        name = f"{address.path.strip('/')}{address.query.partition('&part=')[2]}"
        # Real receipts are photographs; small files keep tests fast.
        small = ServedFile(file.get("type") or "image/jpeg", 1_000 + int(file.get("size") or 0) % 20_000)
        self.known.setdefault(name, small)
        return file | {name: value for name, value in self.entry(name, now).items() if name in file}

    def answer(self, name: str, expires: str, signature: str, now: datetime) -> Response:
        """Return the response to a request for a file."""
        signed = hmac.compare_digest(self._sign(name, expires), signature)
        if not signed or float(expires) < now.timestamp():
            return Response(_REFUSED, 403, content_type="application/xml")
        if name not in self.known:
            return Response(_REFUSED, 404, content_type="application/xml")
        file = self.known[name]
        response = Response(file.content(name), 200, content_type=file.media_type)
        if file.dies:
            response.headers[BREAKS_OFF] = "yes"
        return response

    def _sign(self, name: str, expires: str) -> str:
        return hmac.new(self._secret, f"{name}\n{expires}".encode(), "sha256").hexdigest()
