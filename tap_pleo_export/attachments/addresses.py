"""SSRF rules: which hosts and addresses a link may point to. No I/O; the connection checks the resolved address."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from tap_pleo_export.pleo_plugin.setting_rules import LOOPBACK_HOSTS

# IPv6 addresses that embed an IPv4 address: https://www.rfc-editor.org/rfc/rfc6052 section 2.1.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def refusal(  # noqa: PLR0911 - one return per rule
    link: object, allowed: Collection[str], scheme: str | None = None
) -> str | None:
    """Return why a link must not be followed, without quoting it, or None if it may be.

    Args:
        link: The link, of any type.
        allowed: Names of hosts, in lower case, that may be private.
        scheme: The only permitted scheme, for the target of a redirect.
    """
    if not isinstance(link, str) or not link:
        return "Pleo gave no link for it"
    try:
        address = urlsplit(link)
        host, _ = address.hostname, address.port
    except ValueError:
        return "its link is not a valid address"
    if not host or not (link.isascii() and link.isprintable()) or " " in link or "\\" in link:
        return "its link is not a valid address"
    if "@" in address.netloc:
        return "its link carries credentials"
    if scheme is not None and address.scheme != scheme:
        return "its link leads to another scheme"
    if address.scheme != "https" and not (address.scheme == "http" and host in LOOPBACK_HOSTS):
        return "its link is not https"
    if _is_literal(host) and not may_connect(host, host, allowed):
        return PRIVATE
    return None


PRIVATE = "its link leads into a private network: name the host in allow_hosts if that is meant"


def may_connect(host: str, address: str, allowed: Collection[str]) -> bool:
    """Return whether a host may be reached at an address: a public one, or any if the host is allowed by name."""
    return host.lower().rstrip(".") in allowed or is_public(address)


def is_public(address: str) -> bool:
    """Return whether an IP address is public; an embedded IPv4 address decides."""
    try:
        return _is_public(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def joined(link: str, location: str) -> str:
    """Return the target of a redirect without its fragment, or an empty text if it is invalid."""
    try:
        return urljoin(link, location).partition("#")[0]
    except ValueError:
        return ""


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
