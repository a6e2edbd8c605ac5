"""SSRF rules: which hosts and addresses a link may point to. No I/O; the connection checks the resolved address."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from tap_pleo_export.pleo_plugin.setting_rules import LOOPBACK_HOSTS

# https://www.iana.org/assignments/iana-ipv4-special-registry, with multicast and class E.
_NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        ),
    )
)  # fmt: skip
# https://www.iana.org/assignments/iana-ipv6-special-registry: only global unicast addresses can be public. Within them
# Teredo, benchmarking and other protocols, documentation, 6to4 (which contains an IPv4 address) and AS112 are not.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
# Addresses whose last four bytes are an IPv4 address, which decides: mapped ones, and NAT64 (RFC 6052 section 2.1).
_WITH_IPV4: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))

_HOST_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
# Programs disagree about the address that such a text means: 127.1, 0x7f.1, 2130706433, 010.0.0.1.
_NUMERIC_END: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
# A proxy may resolve these to itself or to its own network: RFC 6761, RFC 8375, ICANN's `internal`, habits.
_LOCAL_NAME: Final = re.compile(
    r"[^.]+|(?:.*\.)?(?:localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa)"
)
_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SENDABLE: Final = string.punctuation

PRIVATE: Final = "its link leads into a private network: name the host in allow_hosts if that is meant"
INVALID: Final = "its link is not a valid address"


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
        return INVALID
    if not host or _UNSENDABLE.search(link) or "\\" in address.netloc or link[0].isspace():
        return INVALID
    if "@" in address.netloc:
        return "its link carries credentials"
    name, literal = host.rstrip("."), _literal(host)
    if not literal and not _HOST_NAME.fullmatch(host):
        return INVALID
    if scheme is not None and address.scheme != scheme:
        return "its link leads to another scheme"
    if address.scheme != "https" and not (address.scheme == "http" and host in LOOPBACK_HOSTS):
        return "its link is not https"
    public = _is_public(literal) if literal else not (_NUMERIC_END.fullmatch(name) or _LOCAL_NAME.fullmatch(name))
    return None if public or name in allowed else PRIVATE


def may_connect(host: str, address: str, allowed: Collection[str]) -> bool:
    """Return whether a host may be reached at an address: a public one, or any if the host is allowed by name."""
    return host.lower().rstrip(".") in allowed or is_public(address)


def is_public(address: str) -> bool:
    """Return whether an IP address is public; an IPv4 address that it contains decides."""
    literal = _literal(address)
    return literal is not None and _is_public(literal)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if any(address in network for network in _WITH_IPV4):
        return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GLOBAL_UNICAST and not any(address in network for network in _NOT_PUBLIC_6)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host.rstrip("."))
    except ValueError:
        return None


def target(link: str) -> str:
    """Return path and query exactly as they are in a link, since a signature may be over them.

    Only what HTTP cannot send is escaped: spaces and characters beyond ASCII.
    """
    rest = link.partition("#")[0].partition("://")[2]
    begins = min((place for mark in "/?" if (place := rest.find(mark)) >= 0), default=len(rest))
    path = rest[begins:]
    return quote(path if path.startswith("/") else f"/{path}", safe=string.punctuation)


def host_of(link: object) -> str:
    """Return the host and port of a link, or an empty text if it has none."""
    try:
        return urlsplit(link).netloc.lower() if isinstance(link, str) else ""
    except ValueError:
        return ""


def joined(link: str, location: str) -> str:
    """Return the target of a redirect without its fragment, or an empty text if it is invalid.

    Args:
        link: The link that was followed.
        location: The header, whose bytes `http.client` decodes as Latin-1.
    """
    try:
        location = quote(location.encode("latin-1"), safe=string.punctuation).partition("#")[0]
        address = urlsplit(location)
        # A whole address is not parsed and joined, which would drop an empty query.
        return location if address.scheme and address.netloc else urljoin(link, location)
    except ValueError:
        return ""
