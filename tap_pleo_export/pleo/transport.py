"""One request on the wire: the environment's proxies and certificates, kept-alive connections, and failures named."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions

from tap_pleo_export.pleo.errors import NetworkUnusable, PleoError, TransientFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.streams.rest import HTTPRequest

    Sign = Callable[[requests.PreparedRequest], requests.PreparedRequest]

# As many as threads send at once: the setting's largest number in the background, and one.
CONNECTIONS = 17
UNREADABLE_CERTIFICATES = (
    "the file of certificates that the environment names cannot be read",
    "Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE",
)


class Transport:
    """Sends requests; safe to share between threads."""

    def __init__(self) -> None:
        self._adapter = requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS)
        self._templates: dict[str, _Template] = {}

    def exchange(self, request: HTTPRequest, auth: Sign, timeout: float) -> tuple[requests.Response, bytes]:
        """Send a request once, and return the answer, whatever its status, with its whole body.

        Args:
            request: Address, method, query, headers and body (JSON).
            auth: Signs it.
            timeout: Seconds to wait for a connection, and for each part of the answer.

        Raises:
            TransientFailure: There was no whole answer.
            NetworkUnusable: There never will be.
        """
        origin = _origin(request.url)
        template = self._templates.get(origin) or self._templates.setdefault(origin, _Template(origin))
        prepared = auth(template.prepared(request))
        try:
            # A session would do as much again for cookies, redirects and hooks, of which there are none.
            response = self._adapter.send(prepared, timeout=timeout, **template.environment)
            # Read at once: `requests` itself would read in pieces of 10 KiB.
            return response, response.raw.read(decode_content=True)
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
            never_made = isinstance(error, requests.exceptions.ConnectTimeout)
            raise TransientFailure(f"no answer within {timeout:g} s", no_effect=never_made) from None
        except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError) as error:
            raise _failure_of_connection(error) from None
        except requests.RequestException as error:
            raise NetworkUnusable(
                f"the environment names a proxy that cannot be used ({type(error).__name__})",
                "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
            ) from None
        except OSError:
            raise NetworkUnusable(*UNREADABLE_CERTIFICATES) from None

    def close(self) -> None:
        """Close all connections."""
        self._adapter.close()


class _Template:
    """What the requests to one origin have in common, prepared once: they differ in address, signature and body."""

    def __init__(self, origin: str) -> None:
        with requests.Session() as session:
            self._request = session.prepare_request(requests.Request("GET", origin))
            # The third argument: bodies are read here, not by `requests`.
            self.environment: dict[str, Any] = dict(
                session.merge_environment_settings(origin, {}, True, None, None)  # noqa: FBT003
            )

    def prepared(self, request: HTTPRequest) -> requests.PreparedRequest:
        query = request.encode_params()
        prepared = self._request.copy()
        prepared.method = request.method
        prepared.url = f"{request.url}?{query}" if query else request.url
        prepared.headers.update(request.headers)
        if request.data is not None:
            prepared.prepare_body(None, None, json=request.data)
        return prepared


def _origin(url: str) -> str:
    """Return an address up to its path."""
    end = url.find("/", len("https://"))
    return url if end < 0 else url[:end]


def _failure_of_connection(error: BaseException) -> PleoError:
    reason = _innermost(error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return NetworkUnusable(
            f"its certificate cannot be verified ({reason.verify_message})",
            "If a proxy here opens encrypted connections, let REQUESTS_CA_BUNDLE name a file with its authority",
        )
    if isinstance(reason, ssl.SSLError) and reason.library == "X509":
        return NetworkUnusable(*UNREADABLE_CERTIFICATES)
    # What the operating system said, without addresses.
    said = isinstance(reason, OSError) and reason.strerror
    cause = said.lower() if said else f"connection broken ({type(reason).__name__})"
    return TransientFailure(cause, no_effect=_never_made(error))


def _never_made(error: BaseException) -> bool:
    """Return whether no connection was made, so that nothing was sent."""
    retried = error.args[0] if error.args else None
    return isinstance(getattr(retried, "reason", None), urllib3.exceptions.NewConnectionError)


def _innermost(error: BaseException) -> BaseException:
    """Return what a network error began with."""
    seen = error
    while seen.__cause__ or seen.__context__ or any(isinstance(a, BaseException) for a in seen.args):
        inner = next((a for a in seen.args if isinstance(a, BaseException)), None)
        following = inner or seen.__cause__ or seen.__context__
        if following is None:
            break
        seen = following
    return seen
