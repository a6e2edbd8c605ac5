"""Credentials: the three forms, rejections, and how rotated tokens survive."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox import Fault, Sandbox
from tests.conftest import Outputs, finish, partitions
from tests.helpers.oauth import oauth_settings, presented
from tests.tap.conftest import RunTap, StartTap

JOBS = "/v3/export-jobs"
ITEMS = "/v3/export-items"
TOKEN = "/oauth/token"
REFUSED = "The OAuth token could not be refreshed: the token endpoint refused it (400)"
REJECTED = "Pleo rejected the credentials (401 on "


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "kept" / "tokens.json"
    path.parent.mkdir()
    return path


@pytest.fixture
def config(pleo: Sandbox, config: dict[str, Any], token_file: Path) -> dict[str, Any]:
    """OAuth, small pages, read in turn."""
    return config | oauth_settings(pleo, token_file) | {"page_size": 5, "max_retries": 0, "max_concurrent_requests": 1}


@pytest.fixture(autouse=True)
def rotated_tokens_are_secrets(pleo: Sandbox, outputs: Outputs) -> Iterator[None]:
    """No token that the sandbox has issued may be printed."""
    yield
    outputs.secrets |= pleo.credentials.spent | {pleo.access_token, pleo.refresh_token}


def kept(path: Path) -> dict[str, Any]:
    tokens: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return tokens


def test_an_api_key_travels_as_basic(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=3)

    run = run_tap(api_key=pleo.api_key, client_id=None, client_secret=None, refresh_token=None)

    assert run.returncode == 0
    assert {request.auth for request in pleo.requests} == {"basic"}


def test_an_access_token_travels_as_bearer_until_it_ends(pleo: Sandbox, run_tap: RunTap) -> None:
    job = pleo.add_job(items=12)
    pleo.add_fault(Fault(path=ITEMS, nth=3, kind="callback", callback=Sandbox.expire_access_token))

    run = run_tap(access_token=pleo.access_token, client_id=None, client_secret=None, refresh_token=None)

    assert run.returncode == 1
    assert {request.auth for request in pleo.requests} == {"bearer"}
    (error,) = run.errors
    assert error.startswith(f"{REJECTED}{ITEMS}): the setting 'access_token' has expired or is wrong")
    assert (run.bookmark(job.id)["page"], len(run.records())) == (2, 10)
    assert len(pleo.requests_to(ITEMS)) == 3


@pytest.mark.parametrize("client_auth", ["form", "basic"])
def test_a_refresh_token_is_exchanged_before_any_request(pleo: Sandbox, run_tap: RunTap, client_auth: Any) -> None:
    pleo.add_job(items=3)
    pleo.client_auth = client_auth

    run = run_tap(env={"TAP_PLEO_EXPORT_LOGLEVEL": "DEBUG"})

    assert run.returncode == 0
    assert pleo.requests[0].path == TOKEN
    assert len(set(presented(pleo))) == 1
    assert len(pleo.requests_to(TOKEN)) == (1 if client_auth == "form" else 2)
    assert {request.auth for request in pleo.requests_to("/v3/*")} == {"bearer"}


def test_a_rejected_access_token_is_refreshed_once_and_the_request_repeated(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=12)
    pleo.add_fault(Fault(path=ITEMS, nth=2, kind="callback", callback=Sandbox.expire_access_token))

    run = run_tap()

    assert run.returncode == 0
    assert len(run.records()) == 12
    assert [request.status for request in pleo.requests_to(ITEMS)] == [200, 401, 200, 200]
    assert len(set(presented(pleo))) == 2
    assert run.warnings == []


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_fresh_access_token_that_is_rejected_too_ends_the_run(pleo: Sandbox, run_tap: RunTap, at_once: int) -> None:
    pleo.add_job(items=30)
    pleo.add_fault(Fault(path=ITEMS, nth=2, times=99, status=401))

    run = run_tap(max_concurrent_requests=at_once)

    assert run.returncode == 1
    (error,) = run.errors
    assert error.startswith(f"{REJECTED}{ITEMS}): authorise the connector again in Pleo")
    assert len(set(presented(pleo))) == len(presented(pleo))
    if at_once == 1:
        assert len(presented(pleo)) == 2
        assert len(pleo.requests_to(ITEMS)) == 3


def test_a_refused_refresh_token_is_presented_once(pleo: Sandbox, run_tap: RunTap) -> None:
    pleo.add_job(items=3)

    run = run_tap(refresh_token="fake-refresh-token-of-last-year")

    assert run.returncode == 1
    (error,) = run.errors
    assert error.startswith(REFUSED)
    assert "authorise the connector again in Pleo and set the new 'refresh_token'" in error
    assert [request.path for request in pleo.requests] == [TOKEN]


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_refresh_token_that_ends_in_the_run_is_presented_once(pleo: Sandbox, run_tap: RunTap, at_once: int) -> None:
    pleo.add_job(items=50)

    def expire_both(pleo: Sandbox) -> None:
        pleo.expire_access_token()
        pleo.credentials.refresh_token = "fake-refresh-token-of-another"

    pleo.add_fault(Fault(path=ITEMS, nth=2, kind="callback", callback=expire_both))

    run = run_tap(max_concurrent_requests=at_once)

    assert run.returncode == 1
    assert [line for line in run.errors if line.startswith(REFUSED)] == run.errors[:1]
    assert len(presented(pleo)) == len(set(presented(pleo))) == 2
    assert partitions(run.state)[0]["items"] == len(run.records())


def test_a_wrong_client_secret_is_named(pleo: Sandbox, run_tap: RunTap) -> None:
    run = run_tap(client_secret="wrong-secret")

    assert run.returncode == 1
    (error,) = run.errors
    assert "the token endpoint refused it (401). Check 'client_id' and 'client_secret'" in error
    assert len(pleo.requests) == 2


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"status": 500}, "the token endpoint answered 500. Whether Pleo has replaced the refresh token is unknown"),
        ({"kind": "html"}, "the token endpoint's answer contains no token. Check the setting 'auth_url'"),
        ({"status": 200, "body": {"token_type": "Bearer"}}, "the token endpoint's answer contains no token"),
        ({"status": 401, "body": {"error": "invalid_grant"}}, "the token endpoint refused it (401)"),
        ({"status": 302, "headers": {"Location": "/v3/export-jobs"}}, "the token endpoint refused it (302)"),
        ({"kind": "reset"}, "no usable answer from the token endpoint (connection "),
        ({"kind": "truncate"}, "no usable answer from the token endpoint (a body that breaks off"),
        ({"status": 200, "body": b"[" * 100_000}, "the token endpoint's answer contains no token"),
        ({"kind": "drip", "seconds": 0.2}, "no usable answer from the token endpoint (no answer within"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_failed_refresh_is_not_tried_again(pleo: Sandbox, run_tap: RunTap, fault: dict[str, Any], seen: str) -> None:
    pleo.add_fault(Fault(path=TOKEN, nth=None, **fault))

    run = run_tap(max_retries=3, request_timeout=2)

    assert run.returncode == 1
    (error,) = run.errors
    assert error.startswith(f"The OAuth token could not be refreshed: {seen}")
    assert [request.path for request in pleo.requests] == [TOKEN]


def test_an_unusable_token_is_not_shown_and_stops_no_later_run(
    pleo: Sandbox, run_tap: RunTap, outputs: Outputs
) -> None:
    outputs.secrets.add("fake-TOPSECRET")
    pleo.add_job(items=3)
    pleo.add_fault(
        Fault(path=TOKEN, kind="rewrite", rewrite=lambda grant: grant | {"access_token": "fake-TOPSECRET\n"})
    )
    # The configured token is the first run's alone.
    configured = pleo.refresh_token

    first = run_tap(refresh_token=configured, env={"LOGLEVEL": "DEBUG"})
    second = run_tap(refresh_token=configured)

    assert first.returncode == 1
    (error,) = first.errors
    assert "the token endpoint returned an access token that cannot be used as a header value" in error
    assert "Traceback" not in first.stderr
    assert second.returncode == 0
    assert len(second.records()) == 3
    assert not pleo.credentials.revoked


def test_rotated_tokens_are_on_disk_before_their_first_use(
    pleo: Sandbox, run_tap: RunTap, token_file: Path, outputs: Outputs
) -> None:
    pleo.add_job(items=3)
    configured = pleo.refresh_token
    seen: list[tuple[dict[str, Any], int]] = []

    def look(_: Sandbox) -> None:
        seen.append((kept(token_file), stat.S_IMODE(token_file.stat().st_mode)))

    pleo.add_fault(Fault(path="/v3/*", kind="callback", callback=look))

    with umask(0):
        run = run_tap()

    assert run.returncode == 0
    ((tokens, mode),) = seen
    assert (tokens["refresh_token"], tokens["access_token"]) == (pleo.refresh_token, pleo.access_token)
    assert mode == 0o600
    assert configured not in token_file.read_text()
    assert run.warnings == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in token_file.parent.iterdir()} == {0o600}
    outputs.add("names of files", *(bytes(path) for path in token_file.parent.iterdir()))


def test_the_next_run_uses_the_kept_tokens_and_rotates_them(pleo: Sandbox, run_tap: RunTap, token_file: Path) -> None:
    pleo.add_job(items=3)
    run_tap()
    generations = [kept(token_file)["refresh_token"]]

    assert run_tap().returncode == 0
    assert len(presented(pleo)) == 1

    pleo.expire_access_token()
    assert run_tap().returncode == 0
    generations.append(kept(token_file)["refresh_token"])
    assert presented(pleo)[1:] == generations[:1]
    assert generations[1] == pleo.refresh_token
    assert not pleo.credentials.revoked


def test_a_changed_refresh_token_wins_over_the_file(pleo: Sandbox, run_tap: RunTap, token_file: Path) -> None:
    run_tap()
    # The user authorises the connector again.
    pleo.credentials.refresh_token = "fake-refresh-token-of-today"
    pleo.expire_access_token()

    run = run_tap(refresh_token="fake-refresh-token-of-today")

    assert run.returncode == 0
    assert presented(pleo)[-1] == "fake-refresh-token-of-today"
    assert kept(token_file)["refresh_token"] == pleo.refresh_token


def test_a_new_token_survives_a_kill_at_its_first_use(pleo: Sandbox, disturb: RunTap, run_tap: RunTap) -> None:
    pleo.add_job(items=3)
    assert disturb(signal.SIGKILL, path=JOBS).returncode == -signal.SIGKILL

    run = run_tap()

    assert run.returncode == 0
    assert len(run.records()) == 3
    assert len(presented(pleo)) == 1


def test_a_signal_during_a_refresh_keeps_the_new_token(pleo: Sandbox, disturb: RunTap, token_file: Path) -> None:
    run = disturb(signal.SIGTERM, path=TOKEN)

    assert run.returncode == 143
    assert kept(token_file)["refresh_token"] == pleo.refresh_token
    assert [request.path for request in pleo.requests] == [TOKEN]


@pytest.mark.parametrize("kind", ["drip", "delay"])
def test_a_signal_ends_the_wait_for_a_token(pleo: Sandbox, disturb: RunTap, run_tap: RunTap, kind: Any) -> None:
    pleo.add_fault(Fault(path=TOKEN, kind=kind, seconds=1 if kind == "drip" else 50))
    began = time.monotonic()

    run = disturb(signal.SIGTERM, path=TOKEN)

    assert run.returncode == 143
    assert time.monotonic() - began < 30
    assert len(presented(pleo)) == 1
    # The lock is free again; a token that Pleo had replaced is refused, and that is said.
    again = run_tap()
    assert [error.startswith(REFUSED) for error in again.errors] == ([True] if kind == "drip" else [])


def test_a_failure_during_a_refresh_keeps_the_new_token(pleo: Sandbox, run_tap: RunTap, token_file: Path) -> None:
    pleo.add_job(items=60)
    asked = threading.Event()
    # One request begins a refresh; before its answer the page that is awaited ends the run.
    pleo.add_fault(Fault(path=ITEMS, query={"offset": "30"}, kind="callback", callback=Sandbox.expire_access_token))
    pleo.add_fault(Fault(path=TOKEN, nth=2, kind="callback", callback=lambda _: asked.set()))
    pleo.add_fault(Fault(path=TOKEN, nth=2, kind="delay", seconds=2))
    awaited = {"offset": "10"}
    pleo.add_fault(Fault(path=ITEMS, query=awaited, kind="callback", callback=lambda _: asked.wait(30)))
    pleo.add_fault(Fault(path=ITEMS, query=awaited, status=403, nth=None))

    run = run_tap(page_size=10, max_concurrent_requests=4)

    assert run.returncode == 1
    assert asked.is_set()
    assert any("export-items:read" in line for line in run.errors)
    assert len(presented(pleo)) == 2
    # Pleo rotates as it answers: a run that had not waited would have kept the spent token.
    assert kept(token_file)["refresh_token"] != presented(pleo)[1]
    assert kept(token_file)["refresh_token"] == pleo.refresh_token


def test_two_taps_that_share_a_token_file_refresh_once(
    pleo: Sandbox, start_tap: StartTap, token_file: Path, outputs: Outputs, tmp_path: Path
) -> None:
    pleo.add_job(items=12)
    link = tmp_path / "link.json"
    link.symlink_to(token_file)
    # The first one waits for its token long enough for the second to want one, too.
    pleo.add_fault(Fault(path=TOKEN, kind="delay", seconds=1.5))
    # And in the middle both find their token rejected.
    pleo.add_fault(Fault(path=ITEMS, nth=3, kind="callback", callback=Sandbox.expire_access_token))

    processes = [start_tap(token_file=str(path)) for path in (token_file, link)]
    runs = [finish(process, outputs) for process in processes]

    assert [run.returncode for run in runs] == [0, 0]
    assert [len(run.records()) for run in runs] == [12, 12]
    assert len(presented(pleo)) == len(set(presented(pleo))) == 2
    assert not pleo.credentials.revoked
    assert link.is_symlink()
    assert kept(token_file)["refresh_token"] == pleo.refresh_token


def test_a_full_disk_is_found_out_before_pleo_rotates_the_token(
    pleo: Sandbox, start_tap: StartTap, token_file: Path, outputs: Outputs
) -> None:
    # No file may grow beyond 4 KiB, which is as good as a full disk: the write fails.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        process = start_tap()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    run = finish(process, outputs)

    assert run.returncode == 1
    (error,) = run.errors
    assert error.startswith(f"Setting 'token_file' ({token_file}): cannot be written (File too large)")
    assert error.endswith("no token was rotated")
    assert pleo.requests == []
    assert not token_file.exists()


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"", "is not a token file of this connector. Name another path, or delete it and authorise again"),
        (b'{"refresh_token": "abc"}', "is not a token file of this connector"),
        (b"\xff\x00", "is not a token file of this connector"),
        (None, "cannot be read (Is a directory)"),
        (b"[" * 100_000, "is not a token file of this connector"),
    ],
)
def test_a_foreign_file_is_left_alone(
    pleo: Sandbox, run_tap: RunTap, token_file: Path, content: bytes | None, seen: str
) -> None:
    if content is None:
        token_file.mkdir()
    else:
        token_file.write_bytes(content)

    run = run_tap()

    assert run.returncode == 1
    (error,) = run.errors
    assert error.startswith(f"Setting 'token_file' ({token_file}): {seen}")
    assert pleo.requests == []
    if content is not None:
        assert token_file.read_bytes() == content


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask that child processes inherit."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
