"""Connections that are made to permitted addresses only: the very address is judged, after its name was resolved."""

from __future__ import annotations

import functools
import socket
from typing import TYPE_CHECKING, Any

from requests.utils import select_proxy
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from tap_pleo_export.api.body import DeadlineAdapter
from tap_pleo_export.attachments.addresses import may_connect

if TYPE_CHECKING:
    import requests


class AddressRefused(Exception):
    """A host has no address that may be connected to."""


class GuardedAdapter(DeadlineAdapter):
    """An adapter that connects to public addresses, and to any of the hosts that are allowed by name.

    Where the environment names a proxy, that resolves names and connects: its addresses are its own to judge.
    """

    def __init__(self, allowed: frozenset[str], **options: Any) -> None:  # noqa: ANN401 - of the base class
        self._allowed = allowed
        super().__init__(**options)

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: Any,  # noqa: ANN401 - the signature of `requests`
        proxies: Any = None,  # noqa: ANN401 - as above
        cert: Any = None,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        """Return a pool whose connections judge addresses."""
        pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        if not select_proxy(request.url or "", proxies):
            pool.ConnectionCls = _guarded(pool.ConnectionCls, self._allowed)
        return pool


class _GuardedConnection:
    """Mixed into the connections of urllib3."""

    allowed: frozenset[str]
    host: str
    port: int
    timeout: Any
    source_address: Any
    socket_options: Any

    def _new_conn(self) -> socket.socket:
        """Resolve the name once, and connect to what was judged: a second look-up may say something else."""
        this: Any = self
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(self.host, this, error) from None  # type: ignore[arg-type] # only formatted
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        permitted = [address for address in addresses if may_connect(self.host, address, self.allowed)]
        if not permitted:
            raise AddressRefused
        failure: Exception = NewConnectionError(this, "no address")
        for address in permitted:
            try:
                return create_connection(
                    (address, self.port), self.timeout, self.source_address, socket_options=self.socket_options
                )
            except TimeoutError:
                failure = ConnectTimeoutError(this, "no connection in time")
            except OSError as error:
                failure = NewConnectionError(this, error.strerror or type(error).__name__)
        raise failure


@functools.cache
def _guarded(connection: type[Any], allowed: frozenset[str]) -> type[Any]:
    if issubclass(connection, _GuardedConnection):
        return connection
    return type(connection.__name__, (_GuardedConnection, connection), {"allowed": allowed})
