"""Bodies of HTTP answers, unpacked up to a size: a small body may unpack to a huge one."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import urllib3

# Read from the socket, and unpacked, at a time.
PIECE_BYTES = 1024 * 1024
# Window bits of `zlib`: with a gzip header, with a zlib header, without a header.
GZIP, ZLIB, RAW = 31, 15, -15
GZIP_MAGIC = b"\x1f\x8b"


class BodyTooLarge(Exception):
    """A body exceeds a limit, as sent or once unpacked.

    Attributes:
        limit: The limit in bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"an answer of more than {limit:,} bytes")
        self.limit = limit


def read_body(response: urllib3.BaseHTTPResponse, limit: int, reserve: Callable[[int], None] = lambda _: None) -> bytes:
    """Return the unpacked body of an answer that has not been read yet.

    Args:
        response: The answer, such as ``requests.Response.raw``.
        limit: Maximum bytes of the body, as sent and once unpacked.
        reserve: Called with the size of each piece before it is kept; an exception ends the reading.

    Raises:
        BodyTooLarge: The body exceeds the limit; the rest is not read.
        ValueError, zlib.error: The body is not encoded as its head says.
        urllib3.exceptions.HTTPError, OSError: It did not arrive.
    """
    encoding, length = response.headers.get("Content-Encoding", ""), response.length_remaining
    if not encoding and length is not None and 0 < length <= limit:
        reserve(length)
        return response.read(decode_content=False)
    parts = []
    sent = _limited(limit, iter(lambda: response.read(PIECE_BYTES, decode_content=False), b""))
    for part in _limited(limit, _unpacked(sent, encoding)):
        reserve(len(part))
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _limited(limit: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise BodyTooLarge(limit)
        yield piece


def _unpacked(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        yield from pieces
    elif encoding in {"gzip", "x-gzip", "deflate"}:
        yield from _inflated(pieces, gzip=encoding != "deflate")
    else:
        raise ValueError("a content encoding that was not asked for")


def _inflated(pieces: Iterator[bytes], *, gzip: bool) -> Iterator[bytes]:
    inflate = None
    for piece in pieces:
        data = piece
        if inflate is None:
            # "deflate" should have a zlib header (RFC 9110 section 8.4.1.2) and often has none.
            inflate = zlib.decompressobj(GZIP if gzip else ZLIB if data[0] & 0x0F == zlib.DEFLATED else RAW)
        while data:
            if inflate.eof:
                if not (gzip and data.startswith(GZIP_MAGIC)):
                    break  # padding
                inflate = zlib.decompressobj(GZIP)
            yield inflate.decompress(data, PIECE_BYTES)
            data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    while inflate is not None and not inflate.eof:
        rest = inflate.decompress(b"", PIECE_BYTES)
        if not rest:
            raise ValueError("a compressed body that ends early")
        yield rest
