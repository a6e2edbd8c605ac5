"""Where files are kept: a folder, or a bucket of S3, Google or Azure. All of a file stands there, or nothing."""

from __future__ import annotations

import os
import re
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore import exceptions
from obstore.store import LocalStore, from_url

from tap_pleo_export.attachments.types import MEDIA_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

# The least that S3 takes as a part: each upload holds about two in memory.
PART_BYTES = 5 * 1024 * 1024
LOCAL_PART_BYTES = 1024 * 1024
LOCAL = ("", "file")
# In case nothing else says so: servers that are not Amazon's have none.
ANY_REGION = "us-east-1"

_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_STATUS = re.compile(r"status(?: code)?:? (\d{3})", re.IGNORECASE)
_REFUSALS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (exceptions.UnauthenticatedError, "the credentials are refused"),
    ((exceptions.PermissionDeniedError, PermissionError), "writing there is not permitted"),
    (FileNotFoundError, "there is no such bucket, container or folder"),
)
_CREDENTIALS = "The cloud's usual variables hold its credentials (AWS_…, GOOGLE_…, AZURE_…)"


class StoreFailed(Exception):
    """A file was not kept; ``str()`` says why in one line without any address.

    Attributes:
        refused: Whether that will be so for every file, as far as can be told.
    """

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class StoreUnusable(Exception):
    """The destination cannot be used at all; ``str()`` says what to do."""


class Store:
    """A destination; safe to share between threads.

    Args:
        destination: URL of `file`, `s3`, `gs` or `az`, or the path of a folder, which is made.
        endpoint: Address of a server other than the cloud's own.
        timeout: Seconds for a request to the store, and for its repetitions together.
        retries: Repetitions of such a request.

    Raises:
        StoreUnusable: As the settings and the environment are.
    """

    def __init__(self, destination: str, *, endpoint: str | None, timeout: float, retries: int) -> None:
        self._local = urlsplit(destination).scheme in LOCAL
        self._part_bytes = LOCAL_PART_BYTES if self._local else PART_BYTES
        if self._local:
            self._store: Any = _folder(destination)
        else:
            self._store = _bucket(destination, endpoint, timedelta(seconds=timeout), retries)

    def put(self, name: str, content: bytes | Iterator[bytes]) -> None:
        """Keep a file; one of that name is replaced at once and whole.

        Args:
            name: Its path below the destination.
            content: All of it, or its pieces; what they raise is raised, and leaves nothing behind.

        Raises:
            StoreFailed: It is not kept.
        """
        # A folder keeps bytes only. In a browser nothing of foreign origin is to open by itself.
        kept = {} if self._local else {"Content-Type": _media_type(name), "Content-Disposition": "attachment"}
        try:
            obstore.put(
                self._store, name, content, attributes=kept or None, chunk_size=self._part_bytes, max_concurrency=1
            )
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise _failure(error) from None


def _folder(destination: str) -> LocalStore:
    address = urlsplit(destination)
    path = Path(unquote(address.path) if address.scheme else destination).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
        # That a folder is there does not say that it takes files.
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise StoreUnusable(f"Setting 'destination': no file can be written there ({error.strerror})") from None
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
        raise StoreUnusable(f"Setting 'destination': no store can be made of it. {_CREDENTIALS}") from None


def _media_type(name: str) -> str:
    return MEDIA_TYPES[name.rpartition(".")[2]]


def _failure(error: Exception) -> StoreFailed:
    """Word a failure; the library's own text has addresses, keys and pages of detail."""
    for kinds, reason in _REFUSALS:
        if isinstance(error, kinds):
            return StoreFailed(reason, refused=True)
    text = str(error)
    if number := _OS_ERROR.search(text):
        return StoreFailed(os.strerror(int(number[1])).lower())
    if status := _STATUS.search(text):
        return StoreFailed(f"the store answers HTTP {status[1]}")
    return StoreFailed("the store cannot be reached" if "error sending request" in text else type(error).__name__)
