"""Between the tap and Pleo: wrong addresses, certificates and proxies. The connection test reports them in seconds."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import trustme

from sandbox import Sandbox
from tests.conftest import Outputs
from tests.tap.conftest import RunTap, http_server, response

NO_JOBS = response(b'{"data":[],"pagination":{"hasNextPage":false,"endCursor":null}}')
SECONDS = 20


def website(status: str) -> AbstractContextManager[int]:
    """Run a web site for people."""
    return http_server(response(b"<html>Welcome</html>", status, "Location: /elsewhere", "Content-Type: text/html"))


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


ADDRESSES: dict[str, tuple[Callable[[], AbstractContextManager[int]], str]] = {
    "a page for people": (lambda: website("200 OK"), "http://127.0.0.1:{}"),
    "no such page": (lambda: website("404 Not Found"), "http://127.0.0.1:{}"),
    "a redirect": (lambda: website("301 Moved"), "http://127.0.0.1:{}"),
    "another protocol": (lambda: website("200 OK"), "https://127.0.0.1:{}"),
    "a wrong port": (closed_port, "http://127.0.0.1:{}"),
    "an unknown host": (closed_port, "https://external.pleo.invalid:{}"),
    "a doubled path": (closed_port, "http://127.0.0.1:{}/v3"),
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_wrong_address_is_named_in_seconds(run_tap: RunTap, address: str) -> None:
    server, pattern = ADDRESSES[address]
    with server() as port:
        began = time.monotonic()
        run = run_tap("--test", api_url=pattern.format(port), max_retries=8)
        took = time.monotonic() - began

    assert run.returncode == 1
    assert took < SECONDS
    assert run.stdout == b""
    (line,) = run.errors
    assert "api_url" in line
    assert "Traceback" not in run.stderr


def test_a_run_reports_a_wrong_address(run_tap: RunTap) -> None:
    with website("200 OK") as port:
        run = run_tap(api_url=f"http://127.0.0.1:{port}", max_retries=0)

    assert run.returncode == 1
    assert "text/html): check api_url" in run.errors[0]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def https_url(authority: trustme.CA) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with http_server(NO_JOBS, context) as port:
        yield f"https://127.0.0.1:{port}"


SECRET = "pr0xy-pa55word"
UNVERIFIED = "the server's certificate cannot be verified (unable"
BAD_ENVIRONMENTS = {
    "unknown authority": ({}, f"Pleo cannot be reached from here: {UNVERIFIED}"),
    "what to do about it": ({}, "let REQUESTS_CA_BUNDLE name a file with its authority"),
    "no file": ({"REQUESTS_CA_BUNDLE": "/nowhere"}, "Check REQUESTS_CA_BUNDLE"),
    "no certificates": ({"REQUESTS_CA_BUNDLE": __file__}, "Check REQUESTS_CA_BUNDLE"),
    "no host": (
        {"https_proxy": "http://", "no_proxy": ""},
        "a proxy that cannot be used (InvalidProxyURL). Check HTTPS_PROXY",
    ),
    "no port": (
        {"https_proxy": f"http://user:{SECRET}@127.0.0.1:99999", "no_proxy": ""},
        "a proxy that cannot be used (InvalidURL). Check HTTPS_PROXY",
    ),
}


@pytest.mark.parametrize(("env", "expected"), BAD_ENVIRONMENTS.values(), ids=BAD_ENVIRONMENTS.keys())
def test_a_bad_environment_is_one_line(
    run_tap: RunTap, outputs: Outputs, https_url: str, env: dict[str, str], expected: str
) -> None:
    outputs.secrets.add(SECRET)

    run = run_tap(api_url=https_url, env=env)

    assert (run.returncode, run.warnings) == (1, [])
    (error,) = run.errors
    assert expected in error
    assert "Traceback" not in run.stderr


def test_an_authority_can_be_added(run_tap: RunTap, https_url: str, authority: trustme.CA, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))

    run = run_tap(api_url=https_url, env={"REQUESTS_CA_BUNDLE": str(bundle)})

    assert run.returncode == 0, run.stderr


def test_requests_go_through_the_environments_proxy(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=3)

    # Nothing listens on port 1: only the proxy answers.
    run = run_tap(api_url="http://127.0.0.1:1", env={"http_proxy": pleo.url, "no_proxy": ""})

    assert run.returncode == 0, run.stderr
    assert [record["jobId"] for record in run.records()] == [job.id] * 3
