"""Between the tap and Pleo: certificates and proxies, as the environment says."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox import Sandbox
    from tests.conftest import Outputs
    from tests.tap.conftest import RunTap

NO_JOBS = b'{"data":[],"pagination":{"hasNextPage":false,"endCursor":null}}'


class NoJobs(BaseHTTPRequestHandler):
    """Answers every request with an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(NO_JOBS)))
        self.end_headers()
        self.wfile.write(NO_JOBS)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def https_url(authority: trustme.CA) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = HTTPServer(("127.0.0.1", 0), NoJobs)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_of_an_unknown_authority_ends_the_run(run_tap: RunTap, https_url: str) -> None:
    run = run_tap(api_url=https_url)

    assert run.returncode == 1
    (error,) = run.errors
    assert error.startswith("Pleo cannot be reached from here: the server's certificate cannot be verified (unable")
    assert "let REQUESTS_CA_BUNDLE name a file with its authority" in error
    assert run.warnings == []


SECRET = "pr0xy-pa55word"
USELESS = {
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


@pytest.mark.parametrize(("env", "what"), USELESS.values(), ids=USELESS.keys())
def test_a_bad_environment_is_one_line(
    run_tap: RunTap, outputs: Outputs, https_url: str, env: dict[str, str], what: str
) -> None:
    outputs.secrets.add(SECRET)

    run = run_tap(api_url=https_url, env=env)

    assert run.returncode == 1
    (error,) = run.errors
    assert what in error
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
