"""The destination of files: a folder, or a bucket of S3, Google or Azure. A file is stored completely or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.store import from_url

from tap_pleo_export.attachments.errors import StoreFailed, StoreUnusable
from tap_pleo_export.attachments.folder import Folder
from tap_pleo_export.attachments.names import MEDIA_TYPES

# The smallest part that S3 accepts; each upload has about two in memory.
PART_BYTES = 5 * 1024 * 1024
LOCAL = ("", "file")
# Default: servers other than Amazon's have no regions.
ANY_REGION = "us-east-1"

_STATUS = re.compile(r"status(?: code)?:? (\d{3})", re.IGNORECASE)
# The addresses that hand out credentials within a cloud, asked only if the environment has none.
_METADATA = re.compile(r"169\.254\.\d+\.\d+|metadata\.google|computeMetadata|/metadata/", re.IGNORECASE)
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
        self._put: Callable[[str, bytes | Iterator[bytes]], None]
        if urlsplit(destination).scheme in LOCAL:
            self._put = Folder(destination).put
        else:
            self._put = partial(_upload, _bucket(destination, endpoint, timedelta(seconds=timeout), retries))

    def put(self, name: str, content: bytes | Iterator[bytes]) -> None:
        """Store a file, replacing one of that name atomically.

        Args:
            name: Its path below the destination.
            content: All of it, or its pieces; an exception that they raise leaves nothing behind.

        Raises:
            StoreFailed: The file was not stored.
        """
        try:
            self._put(name, content)
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise _failure(error) from None


def _upload(bucket: Any, name: str, content: bytes | Iterator[bytes]) -> None:  # noqa: ANN401 - any store
    obstore.put(bucket, name, content, attributes=_attributes(name), chunk_size=PART_BYTES, max_concurrency=1)


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
    text = str(error)
    if _METADATA.search(text):
        return StoreFailed("the environment has no credentials for it")
    for kinds, reason in _REFUSALS:
        if isinstance(error, kinds):
            return StoreFailed(reason)
    if isinstance(error, OSError) and error.strerror:
        return StoreFailed(error.strerror.lower(), too_large=error.errno == errno.EFBIG)
    if status := _STATUS.search(text):
        return StoreFailed(f"the store answers HTTP {status[1]}")
    if "error sending request" in text:
        return StoreFailed("the store cannot be reached")
    return StoreFailed(f"something else than a store answers there ({type(error).__name__})")
