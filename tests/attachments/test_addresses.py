"""Links may point to public hosts by https, and to hosts allowed by name."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any

import pytest

from sandbox import Sandbox
from tap_pleo_export.api.errors import TransientFailure
from tap_pleo_export.attachments.addresses import PRIVATE, host_of, is_public, joined, may_connect, refusal, target
from tap_pleo_export.attachments.download import Downloads
from tap_pleo_export.attachments.errors import DownloadFailed
from tests.helpers.attachments import items_schema, run_here
from tests.helpers.mapper import item, record

NOWHERE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        # Wrapped in IPv6: mapped, 6to4, NAT64.
        "2002:808:808::", "64:ff9b::7f00:1", "64:ff9b:1::808:808", "::127.0.0.1", "::ffff:0:808:808", "::8.8.8.8",
        # Old Python tables count these as public.
        "fec0::1", "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.88.99.1", "3fff::1", "5f00::1", "100::1",
        "2001::808:808", "2001:2::1", "2001:20::1", "2620:4f:8000::1", "192.31.196.1", "198.51.100.1", "203.0.113.1",
        "172.31.255.255", "100.127.255.255", "198.19.0.1", "::ffff:192.0.0.8", "64:ff9b::c058:6301",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1",
        "not a valid address", "8.8.8.8X", "8.8.8.8%eth0",
    ],
)  # fmt: skip
def test_private_address_needs_permission(address: str) -> None:
    assert not is_public(address)
    assert may_connect("files.example", address, {"files.example"})
    assert may_connect("Files.Example.", address, {"files.example"})
    assert not may_connect("files.example", address, {"example"})


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111",
     "2a00:1450::1", "2001:200::1", "2003::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "8.8.8.8."],
)  # fmt: skip
def test_public_address(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("link", "why"),
    [
        (None, "gave no link"),
        ("", "gave no link"),
        (17, "gave no link"),
        ("ftp://files.example/a", "not https"),
        ("file:///etc/passwd", "not a valid address"),
        ("javascript:alert(1)", "not a valid address"),
        ("http://files.example/a", "not https"),
        ("https:///a", "not a valid address"),
        ("https://files.example:99999/a", "not a valid address"),
        ("https://[::1/a", "not a valid address"),
        ("https://user:secret@files.example/a", "credentials"),
        ("https://files.example\\@127.0.0.1/a", "not a valid address"),
        ("https://files example/a", "not a valid address"),
        (" https://files.example/a", "not a valid address"),
        ("https://files.example/\ud800", "not a valid address"),
        ("https://%31%32%37.0.0.1/a", "not a valid address"),
        ("https://b\u00fccher.example/a", "not a valid address"),
        ("https://files.example/a\r\nHost: x", "not a valid address"),
        ("https://127.0.0.1/a", "private network"),
        ("https://[::1]/a", "private network"),
        ("https://[::ffff:a9fe:a9fe]/a", "private network"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("http://127.0.0.1/a", "private network"),
    ],
)
def test_forbidden_link_is_refused_without_quoting_it(link: object, why: str) -> None:
    refused = refusal(link, NOWHERE)

    assert refused is not None
    assert why in refused
    assert "secret" not in refused
    assert "169.254" not in refused


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "127.1", "0x7f.1", "0x7f000001", "0177.0.0.1", "010.0.0.1", "127.0.0.1.", "169.254.169.254.",
        "0", "1.2.3.4.5", "0x", "[::ffff:7f00:1]", "[fec0::1]", "[fe80::1%25eth0]", "localhost", "LOCALHOST.", "files",
        "a.localhost", "ip6-localhost", "localhost.localdomain", "metadata.google.internal", "printer.local", "nas.lan",
        "router.home.arpa", "wiki.corp",
    ],
)  # fmt: skip
def test_name_that_only_a_proxy_resolves_is_judged_by_its_text(host: str) -> None:
    assert refusal(f"https://{host}/a", NOWHERE) == PRIVATE


@pytest.mark.parametrize(
    "host",
    [
        "files.example",
        "files.example.",
        "a_b.s3.eu-west-1.amazonaws.com",
        "0x7f.example",
        "8.8.8.8",
        "[2606:4700::1111]",
    ],
)
def test_other_names_may_be_followed(host: str) -> None:
    assert refusal(f"https://{host}/a", NOWHERE) is None


def test_the_reason_is_a_phrase() -> None:
    assert refusal(None, NOWHERE) == "Pleo gave no link for it"
    assert refusal("https://user:secret@files.example/a", NOWHERE) == "its link carries credentials"


def test_local_name_can_be_allowed() -> None:
    assert refusal("https://nas.lan/a", {"nas.lan"}) is None
    assert refusal("https://files./a", {"files"}) is None


def test_allowed_host_may_be_private_but_needs_tls() -> None:
    assert refusal("https://10.0.0.7/a", {"10.0.0.7"}) is None
    assert refusal("http://127.0.0.1:8080/a", {"127.0.0.1"}) is None
    assert refusal("http://10.0.0.7/a", {"10.0.0.7"}) == "its link is not https"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://files.example", "/"),
        ("https://files.example?x=1", "/?x=1"),
        ("https://files.exampleX/a", "/a"),
        ("https:///a", "/a"),
        ("https://files.example/a b%2f?u=http://c/d?&e=\u00fc#f?g", "/a%20b%2f?u=http://c/d?&e=%C3%BC"),
    ],
)
def test_path_and_query_are_sent_as_they_are_in_the_link(link: str, expected: str) -> None:
    assert target(link) == expected


@pytest.mark.parametrize(
    ("link", "host"),
    [("https://Files.Example:8443/a", "files.example:8443"), ("https://[a/", ""), (None, ""), (b"https://a/", "")],
)
def test_host_of_a_link(link: object, host: str) -> None:
    assert host_of(link) == host


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("../d#e", "https://files.example/d"),
        ("d#e#f", "https://files.example/a/d"),
        ("https://other.example/d?", "https://other.example/d?"),
        ("//other.example/d?", "https://other.example/d"),
        ("d \u00e9", "https://files.example/a/d%20%E9"),
        ("d\u20ac", ""),
        ("https://[d/", ""),
    ],
)
def test_target_of_a_redirect(location: str, expected: str) -> None:
    assert joined("https://files.example/a/b?c", location) == expected


def test_redirect_keeps_the_scheme() -> None:
    assert refusal("http://127.0.0.1/a", {"127.0.0.1"}, "https") == "its link leads to another scheme"


def test_checked_address_is_the_one_connected_to(pleo: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        """Return a public address first and a private one later, like a rebinding name."""
        asked.append(host)
        address = "203.0.113.9" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    downloads = Downloads(allowed=NOWHERE, max_bytes=10, user_agent="test")
    for _ in range(2):
        # 203.0.113.0/24 is for documentation, so it is refused as well; the second answer is private.
        with (
            pytest.raises(DownloadFailed) as failed,
            downloads.open(f"https://files.example:{pleo.port}/a", monotonic() + 1),
        ):
            pass
        assert str(failed.value) == PRIVATE

    assert asked == ["files.example"] * 2
    assert pleo.connections.accepted == 0


def test_allowed_name_is_resolved_once(pleo: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = socket.getaddrinfo, []

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if host == "localhost" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    downloads = Downloads(allowed=frozenset({"localhost"}), max_bytes=10**6, user_agent="test")
    link = pleo.files.link("picture.png", pleo.now()).replace("127.0.0.1", "localhost")
    with downloads.open(link, monotonic() + 9) as pieces:
        assert sum(map(len, pieces)) == pleo.files.known["picture.png"].size
    downloads.close()

    # The second one is of the address itself, which nothing resolves to another.
    assert asked == ["localhost", "127.0.0.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "127.0.0.1.", "[::1]"])
def test_every_spelling_of_this_machine_is_refused(pleo: Sandbox, config: dict[str, Any], host: str) -> None:
    link = pleo.files.link("picture.png", pleo.now()).replace("127.0.0.1", host)
    https = link.replace("http:", "https:")
    data = items_schema() + record(item(1, files=[{"url": link}, {"url": https}]))

    done = run_here(data, config | {"allow_hosts": []})

    assert all("storeError" in file for file in done.files())
    assert pleo.connections.accepted == 0
    assert {file["storeError"] for file in done.files()} <= {PRIVATE, "its link is not https"}


def test_private_one_of_several_addresses_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = socket.getaddrinfo, []

    def resolve(host: str, port: int, *arguments: Any, **options: Any) -> Any:
        if host == "files.example":
            both = ("8.8.8.8", "10.0.0.1")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in both]
        tried.append(host)
        # Nothing listens on this address.
        return real("127.0.0.2", port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    downloads = Downloads(allowed=NOWHERE, max_bytes=10, user_agent="test")
    with pytest.raises(TransientFailure), downloads.open("https://files.example:9/a", monotonic() + 5):
        pass

    assert tried == ["8.8.8.8"]
