"""Links are requested exactly as Pleo gives them, since their signature may be over every byte."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.helpers.attachments import Run, items_schema, run, run_here
from tests.helpers.mapper import item, record
from tests.helpers.web import Answer, serving

TARGETS = [
    "/a%2fb?signature=x%3d",
    "/a%2Fb%2fB?c=%C3%A9%c3%a9",
    '/a/[1]|{2}^`"<>?q=[a]|b{c}',
    "/a/../b/./c//d",
    "//a/b",
    "///",
    "/a;v=1;w?x=1;y=2",
    "/a+b%20c?d=e+f%2B",
    "/a?",
    "/a??b=?",
    "/a?b=%",
    "/a%zz%?%",
    "/~a!$&'()*,:@=-._",
    "/a\\b",
    "/a?url=https://x.example/?y",
    "/%2e%2e/%2E",
    "/",
]


def fetch(link: str, config: dict[str, Any], **others: Any) -> Run:
    return run_here(items_schema() + record(item(1, files=[{"url": link, **others}])), config)


@pytest.mark.parametrize("target", TARGETS)
def test_request_line_has_the_link_as_it_came(config: dict[str, Any], target: str) -> None:
    with serving() as web:
        done = fetch(f"{web.url}{target}", config)

    assert web.lines == [f"GET {target} HTTP/1.1"]
    assert web.hosts == [web.url.removeprefix("http://")]
    assert "storedPath" in done.files()[0]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("", "/"),
        ("?a=b", "/?a=b"),
        ("/a#part", "/a"),
        ("/a?b#part?c", "/a?b"),
        ("#part", "/"),
        # Characters that a request line cannot contain are escaped as browsers do, the others are left alone.
        ("/my receipt.pdf?a b=%2f", "/my%20receipt.pdf?a%20b=%2f"),
        ("/quittung-\u00fc.pdf?\u20ac=%e2", "/quittung-%C3%BC.pdf?%E2%82%AC=%e2"),
        ("/a\u00a0\u200b", "/a%C2%A0%E2%80%8B"),
    ],
)
def test_what_http_cannot_send_is_left_out_or_escaped(config: dict[str, Any], written: str, sent: str) -> None:
    with serving() as web:
        done = fetch(f"{web.url}{written}", config)

    assert web.lines == [f"GET {sent} HTTP/1.1"]
    assert "storedPath" in done.files()[0]


@pytest.mark.parametrize("target", TARGETS[:9])
def test_redirects_are_followed_as_they_came(config: dict[str, Any], target: str) -> None:
    def answer(path: str) -> Answer:
        return (302, {"Location": f"{web.url}{target}"}, b"") if path == "/first" else (200, {}, b"%PDF-")

    with serving(answer) as web:
        done = fetch(f"{web.url}/first", config)

    assert web.lines[1:] == [f"GET {target} HTTP/1.1"]
    assert "storedPath" in done.files()[0]


def test_link_is_the_same_on_a_connection_that_is_used_again(config: dict[str, Any]) -> None:
    with serving() as web:
        files = [{"url": f"{web.url}{target}"} for target in TARGETS]
        run_here(items_schema() + record(item(1, files=files)), config | {"max_concurrent_downloads": 1})

    assert web.lines == [f"GET {target} HTTP/1.1" for target in TARGETS]


def test_a_proxy_on_this_machine_gets_the_link_as_it_came(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        # Nothing listens on port 1: only the proxy answers.
        done = fetch("http://127.0.0.1:1/a%2fb/../c?", config)

    assert proxy.lines == ["GET http://127.0.0.1:1/a%2fb/../c? HTTP/1.1"]
    assert "storedPath" in done.files()[0]


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "127.1",
        "0x7f.1",
        "localhost",
        "127.0.0.1.",
        "169.254.169.254.",
        "[::1]",
        "metadata.google.internal",
    ],
)
def test_proxy_is_never_asked_for_a_private_host(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with serving() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        refused = fetch(f"https://{host}/a", config | {"allow_hosts": []})
        asked = fetch("https://files.example/a", config)

    assert "private network" in refused.files()[0]["storeError"]
    assert "storeError" in asked.files()[0]
    assert proxy.connects == ["files.example:443"]


def test_certificate_of_another_host_does_not_name_the_host_of_the_link(config: dict[str, Any], tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving(tls=context) as web:
        files = [{"url": f"https://{host}:{web.server_port}/a"} for host in ("127.0.0.1", "localhost")]
        done = run(
            items_schema() + record(item(1, files=files)),
            config | {"allow_hosts": ["127.0.0.1", "localhost"]},
            tmp_path,
            REQUESTS_CA_BUNDLE=str(tmp_path / "ca.pem"),
        )

    assert [file["storeError"] for file in done.files()] == [
        "the server's certificate cannot be verified (IP address mismatch)",
        "the server's certificate cannot be verified (Hostname mismatch)",
    ]
    assert "127.0.0.1" not in done.stderr
    assert "localhost" not in done.stderr
