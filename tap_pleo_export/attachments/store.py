"""The destination of files: a folder, or a bucket of S3, Google or Azure. A file is stored completely or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore import exceptions
from obstore.store import LocalStore, from_url

from tap_pleo_export.attachments.errors import StoreFailed, StoreUnusable
from tap_pleo_export.attachments.names import MEDIA_TYPES

# The smallest part that S3 accepts; each upload has about two in memory.
PART_BYTES = 5 * 1024 * 1024
LOCAL_PART_BYTES = 1024 * 1024
LOCAL = ("", "file")
# Default: servers other than Amazon's have no regions.
ANY_REGION = "us-east-1"

_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_STATUS = re.compile(r"status(?: code)?:? (\d{3})", re.IGNORECASE)
_REFUSALS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (exceptions.UnauthenticatedError, "the credentials were refused"),
    ((exceptions.PermissionDeniedError, PermissionError), "permission to write was denied"),
    (FileNotFoundError, "the bucket, container or folder does not exist"),
)
_CREDENTIALS = "Credentials come from the cloud's usual variables (AWS_…, GOOGLE_…, AZURE_…)"


class Store:
    """A destination; safe to share between threads.

    Args:
        destination: URL of `file`, `s3`, `gs` or `az`, or the path of a folder, which is created.
        endpoint: Address of a server other than the cloud provider's.
        timeout: Seconds for a request to the store, and for all its retries together.
        retries: Retries of such a request.

    Raises:
        StoreUnusable: The settings or the environment are wrong.
    """

    def __init__(self, destination: str, *, endpoint: str | None, timeout: float, retries: int) -> None:
        self._local = urlsplit(destination).scheme in LOCAL
        self._part_bytes = LOCAL_PART_BYTES if self._local else PART_BYTES
        if self._local:
            self._store: Any = _folder(destination)
        else:
            self._store = _bucket(destination, endpoint, timedelta(seconds=timeout), retries)

    def put(self, name: str, content: bytes | Iterator[bytes]) -> None:
        """Store a file, replacing one of that name atomically.

        Args:
            name: Its path below the destination.
            content: All of it, or its pieces; an exception that they raise leaves nothing behind.

        Raises:
            StoreFailed: The file was not stored.
        """
        # A folder stores bytes only.
        attributes = None if self._local else _attributes(name)
        try:
            part = self._part_bytes
            obstore.put(self._store, name, content, attributes=attributes, chunk_size=part, max_concurrency=1)
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise _failure(error) from None


def _folder(destination: str) -> LocalStore:
    address = urlsplit(destination)
    path = Path(unquote(address.path) if address.scheme else destination).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
        # An existing folder may still refuse files.
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise StoreUnusable(f"Setting 'destination': files cannot be written there ({error.strerror})") from None
    return LocalStore(path)


def _bucket(destination: str, endpoint: str | None, timeout: timedelta, retries: int) -> Any:  # noqa: ANN401 - any store
    options: dict[str, Any] = {}
    if endpoint:
        options["endpoint"] = endpoint
        if destination.startswith("s3") and not {"AWS_REGION", "AWS_DEFAULT_REGION"} & os.environ.keys():
            options["region"] = ANY_REGION
    try:
        return from_url(
            destination,
            client_options={"timeout": timeout, "allow_http": bool(endpoint and endpoint.startswith("http:"))},
            retry_config={"max_retries": retries, "retry_timeout": timeout},
            **options,
        )
    except (exceptions.BaseError, OSError, ValueError):
        raise StoreUnusable(f"Setting 'destination' cannot be used as a store. {_CREDENTIALS}") from None


def _attributes(name: str) -> dict[str, str]:
    # A browser must not open a foreign file by itself.
    return {"Content-Type": MEDIA_TYPES[name.rpartition(".")[2]], "Content-Disposition": "attachment"}


def _failure(error: Exception) -> StoreFailed:
    """Describe a failure; the library's text contains addresses, keys and pages of detail."""
    for kinds, reason in _REFUSALS:
        if isinstance(error, kinds):
            return StoreFailed(reason, refused=True)
    text = str(error)
    if number := _OS_ERROR.search(text):
        return StoreFailed(os.strerror(int(number[1])).lower())
    if status := _STATUS.search(text):
        return StoreFailed(f"the store answers HTTP {status[1]}")
    return StoreFailed("the store cannot be reached" if "error sending request" in text else type(error).__name__)
