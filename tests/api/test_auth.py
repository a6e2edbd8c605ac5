"""Refreshing OAuth tokens: the answers, when a token is renewed, and which requests are retried."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Fault, Sandbox
from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.credentials import RefreshTokenAuth, renewal_time
from tap_pleo_export.api.errors import TokenFileUnusable, TokenRefreshFailed
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.api.token_endpoint import read_grant
from tap_pleo_export.api.token_file import TokenFile, Tokens, fingerprint
from tests.helpers.oauth import presented, refreshing

TOKEN = "/oauth/token"


def header(auth: RefreshTokenAuth) -> str:
    """Return how the authenticator signs a request."""
    request = auth(requests.Request("GET", "http://127.0.0.1/").prepare())
    return str(request.headers["Authorization"])


def kept(folder: Path) -> Any:
    return msgspec.json.decode((folder / "tokens.json").read_bytes())


def answer(pleo: Sandbox, body: bytes | dict[str, Any], **fault: Any) -> None:
    pleo.add_fault(Fault(path=TOKEN, status=200, body=body, **fault))


def keep(folder: Path, pleo: Sandbox, **changed: Any) -> None:
    """Put tokens into the file as a former run would."""
    tokens = {
        "refresh_token": pleo.refresh_token,
        "access_token": pleo.access_token,
        "renew_at": time.time() + 1000,
        "descends_from": fingerprint(pleo.refresh_token),
    }
    (folder / "tokens.json").write_bytes(msgspec.json.encode(tokens | changed))
    (folder / "tokens.json").chmod(0o600)


@pytest.mark.parametrize("bad", ["TOPSECRET\n", "TOP SECRET", "schlüssel", "", None, 5, ["x"], "a\x7f"])
def test_unsendable_access_token_is_dropped_and_its_refresh_token_kept(pleo: Sandbox, tmp_path: Path, bad: Any) -> None:
    answer(pleo, {"access_token": bad, "refresh_token": "fake-refresh-2", "expires_in": 3600})
    auth = refreshing(pleo, tmp_path)

    with pytest.raises(
        TokenRefreshFailed, match=r"cannot be used as a header value. The refresh token in the same answer is stored"
    ):
        header(auth)

    assert (kept(tmp_path)["refresh_token"], kept(tmp_path)["access_token"]) == ("fake-refresh-2", "")
    with pytest.raises(TokenRefreshFailed):
        header(auth)
    assert len(presented(pleo)) == 1
    # The next run continues with the new one.
    configured = pleo.refresh_token
    pleo.credentials.refresh_token = "fake-refresh-2"
    assert header(refreshing(pleo, tmp_path, refresh_token=configured)) == f"Bearer {pleo.access_token}"
    assert presented(pleo) == [configured, "fake-refresh-2"]


@pytest.mark.parametrize(
    "bad", [b"[" * 100_000, b'{"access_token": {"a":' + b"[" * 100_000, b"\xff", b"", b"null", b"{}"]
)
def test_answer_without_a_token_is_reported(pleo: Sandbox, tmp_path: Path, bad: bytes) -> None:
    answer(pleo, bad)

    with pytest.raises(TokenRefreshFailed, match="the token endpoint's answer contains no token"):
        header(refreshing(pleo, tmp_path))

    assert not (tmp_path / "tokens.json").exists()


ODD = [
    b'{"access_token": "a", "refresh_token": "r", "expires_in": 1e400}',
    b'{"access_token": "a", "refresh_token": "r", "x": ' + b"[" * 100_000 + b"}",
    b'{"access_token": "a\xff", "refresh_token": "r"}',
    b'{"refresh_token" : "r", "expires_in": NaN}',
    b'{"access_token": "a", "refresh_token": "r"',
    b'{"access_token": "a", "refresh_token": "r", "expires_in": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_rotated_refresh_token_is_found_in_odd_answers(body: bytes) -> None:
    assert read_grant(body).refresh_token == "r"


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("3600", 3600),
        ('"3600"', 3600),
        ("3600.5", 3600.5),
        *((odd, None) for odd in ("true", "1e400", "1e300", "9" * 5000, "0", "-5", "null", "[]")),
        *((odd, None) for odd in ('"soon"', '"nan"', '"inf"')),
    ],
)
def test_absurd_lifetime_is_unknown(stated: str, seconds: float | None) -> None:
    grant = read_grant(b'{"access_token": "a", "refresh_token": "r", "expires_in": %s}' % stated.encode())

    assert (grant.access_token, grant.refresh_token, grant.lifetime) == ("a", "r", seconds)


def test_tokens_are_not_shown() -> None:
    grant = read_grant(b'{"access_token": "topsecret", "refresh_token": "topsecret"}')

    assert "topsecret" not in repr((grant, Tokens("topsecret", "topsecret", 1.0, "x")))


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_answer_has_tokens_or_is_an_error(body: bytes) -> None:
    try:
        grant = read_grant(body)
    except TokenRefreshFailed:
        return
    assert grant.access_token or grant.refresh_token


def test_token_of_unknown_lifetime_is_used_until_it_is_rejected(pleo: Sandbox, tmp_path: Path) -> None:
    answer(pleo, {"access_token": "fake-a", "refresh_token": "fake-r", "expires_in": 0})
    auth = refreshing(pleo, tmp_path)

    assert [header(auth) for _ in range(3)] == ["Bearer fake-a"] * 3
    assert header(refreshing(pleo, tmp_path)) == "Bearer fake-a"
    assert len(presented(pleo)) == 1


@pytest.mark.parametrize("absent", [{}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": 5}])
def test_answer_without_a_new_refresh_token_keeps_the_current_one(
    pleo: Sandbox, tmp_path: Path, absent: dict[str, Any]
) -> None:
    answer(pleo, {"access_token": "fake-a1", "refresh_token": "fake-r1"})
    answer(pleo, {"access_token": "fake-a2"} | absent, nth=2)
    answer(pleo, {"access_token": "fake-a3"}, nth=3)
    configured = pleo.refresh_token
    auth = refreshing(pleo, tmp_path)

    assert header(auth) == "Bearer fake-a1"
    for number in (1, 2):
        auth.renew(f"Bearer fake-a{number}")
        assert header(auth) == f"Bearer fake-a{number + 1}"
        assert kept(tmp_path)["refresh_token"] == "fake-r1"

    assert presented(pleo) == [configured, "fake-r1", "fake-r1"]


def test_large_answer_is_cut_off(pleo: Sandbox, tmp_path: Path) -> None:
    answer(pleo, b'{"access_token": "a", "x": "' + b"x" * 1024 * 1024 + b'"}')

    with pytest.raises(
        TokenRefreshFailed, match=r"an answer of more than 1,048,576 bytes: it was cut off\. Whether Pleo has replaced"
    ):
        header(refreshing(pleo, tmp_path))


@pytest.mark.parametrize(("lifetime", "margin"), [(3600.0, 60.0), (600.0, 60.0), (100.0, 10.0), (1.0, 0.1)])
def test_token_is_renewed_in_its_last_minute_or_tenth(lifetime: float, margin: float) -> None:
    assert renewal_time(1000.0, lifetime) == pytest.approx(1000.0 + lifetime - margin)


def test_expiring_token_is_renewed_before_it_is_rejected(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.access_token_lifetime = 1
    auth = refreshing(pleo, tmp_path)
    first = header(auth)
    pleo.access_token_lifetime = 3600
    while time.time() < kept(tmp_path)["renew_at"]:
        threading.Event().wait(0.05)

    assert header(auth) != first
    assert header(auth) == f"Bearer {pleo.access_token}"
    assert len(presented(pleo)) == 2


@pytest.mark.parametrize(
    ("token", "left", "exchanges"),
    [("kept", 1000, 0), ("kept", -1, 1), ("TOPSECRET\n", 1000, 1), ("schlüssel", 1000, 1), ("", 1000, 1)],
)
def test_stored_token_is_used_while_it_is_valid(
    pleo: Sandbox, tmp_path: Path, token: str, left: float, exchanges: int
) -> None:
    keep(tmp_path, pleo, access_token=token, renew_at=time.time() + left)

    assert header(refreshing(pleo, tmp_path)) == f"Bearer {pleo.access_token if exchanges else token}"
    assert len(presented(pleo)) == exchanges


@pytest.mark.parametrize(("status", "retry_after"), [(429, 0), (503, 0), (429, 17)])
def test_request_without_effect_is_retried(pleo: Sandbox, tmp_path: Path, status: int, retry_after: int) -> None:
    pleo.add_fault(Fault(path=TOKEN, status=status, headers={"Retry-After": str(retry_after)}, times=2))
    waits: list[float] = []

    assert header(refreshing(pleo, tmp_path, sleep=waits.append)) == f"Bearer {pleo.access_token}"

    assert len(presented(pleo)) == 3
    assert max(0.5, retry_after) <= waits[0] <= max(1, retry_after)
    assert max(1, retry_after) <= waits[1] <= max(2, retry_after)


def test_while_it_waits_another_process_may_refresh(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_fault(Fault(path=TOKEN, status=503))
    configured = pleo.refresh_token
    other: list[str] = []

    def sleep(_: float) -> None:
        other.append(header(refreshing(pleo, tmp_path, refresh_token=configured)))

    assert header(refreshing(pleo, tmp_path, refresh_token=configured, sleep=sleep)) == other[0]
    assert presented(pleo) == [configured] * 2


def test_retries_end(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_fault(Fault(path=TOKEN, status=503, nth=None))
    waits: list[float] = []
    auth = refreshing(pleo, tmp_path, sleep=waits.append, policy=RetryPolicy(max_retries=3))

    with pytest.raises(TokenRefreshFailed, match=r"answered 503, given up after 4 attempts. No token was used up"):
        header(auth)
    with pytest.raises(TokenRefreshFailed):
        header(auth)

    assert len(presented(pleo)) == 4


def test_failed_connection_is_retried(pleo: Sandbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/oauth/token"
    waits: list[float] = []
    auth = refreshing(pleo, tmp_path, url=url, sleep=waits.append, policy=RetryPolicy(max_retries=2))

    with pytest.raises(
        TokenRefreshFailed, match=r"cannot be reached \(connection refused: check auth_url\), given up after 3 attempts"
    ):
        header(auth)

    assert len(waits) == 2


UNKNOWN: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "502": {"status": 502},
    "504": {"status": 504},
    "a reset": {"kind": "reset"},
    "half of an answer": {"kind": "truncate"},
    "a late answer": {"kind": "delay", "seconds": 60},
    "a drip": {"kind": "drip", "seconds": 0.1},
    "a bomb": {"status": 200, "headers": {"Content-Encoding": "gzip"}, "body": b"no gzip"},
}


@pytest.mark.parametrize("fault", UNKNOWN.values(), ids=UNKNOWN)
def test_token_is_not_presented_again_after_an_unknown_outcome(
    pleo: Sandbox, tmp_path: Path, fault: dict[str, Any]
) -> None:
    pleo.add_fault(Fault(path=TOKEN, nth=None, **fault))
    waits: list[float] = []
    auth = refreshing(pleo, tmp_path, timeout=1, sleep=waits.append)
    began = time.monotonic()

    for _ in range(2):
        with pytest.raises(TokenRefreshFailed, match="Whether Pleo has replaced the refresh token is unknown"):
            header(auth)

    assert len(presented(pleo)) == 1
    assert waits == []
    assert time.monotonic() - began < 30
    # The lock is free.
    with TokenFile(tmp_path / "tokens.json", patience=0).locked():
        assert not (tmp_path / "tokens.json").exists()


def test_token_requests_count_in_the_budget(pleo: Sandbox, tmp_path: Path) -> None:
    budget = RequestBudget(2)
    waits: list[float] = []
    auth = refreshing(pleo, tmp_path, budget=budget, sleep=waits.append)
    began = time.monotonic()

    first = header(auth)
    auth.renew(first)
    assert waits == []
    auth.renew(header(auth))

    (wait,) = waits
    assert 61 - (time.monotonic() - began) <= wait <= 61


def test_no_token_is_presented_without_the_lock(pleo: Sandbox, tmp_path: Path) -> None:
    auth = refreshing(pleo, tmp_path, token_file=TokenFile(tmp_path / "tokens.json", patience=0))

    with TokenFile(tmp_path / "tokens.json").locked(), ThreadPoolExecutor() as pool:
        assert isinstance(pool.submit(header, auth).exception(), TokenFileUnusable)

    assert pleo.requests == []


def test_drain_waits_for_the_exchange_and_prevents_others(pleo: Sandbox, tmp_path: Path) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def wait(_: Sandbox) -> None:
        asked.set()
        may_answer.wait(60)

    pleo.add_fault(Fault(path=TOKEN, kind="callback", callback=wait))
    auth = refreshing(pleo, tmp_path, timeout=60)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(header, auth)
        assert asked.wait(60)

        drained = pool.submit(auth.drain)
        with pytest.raises(TimeoutError):
            drained.result(0.3)
        may_answer.set()
        drained.result(60)
        first.result(60)

    assert kept(tmp_path)["refresh_token"] == pleo.refresh_token
    with pytest.raises(TokenRefreshFailed, match="the run is ending"):
        auth.renew(header(auth))
    assert len(presented(pleo)) == 1


def test_each_token_is_redacted_from_logs(pleo: Sandbox, tmp_path: Path) -> None:
    learnt: set[str] = set()
    auth = refreshing(pleo, tmp_path, learn_secrets=learnt.update)

    header(auth)

    assert learnt == {pleo.access_token, pleo.refresh_token}
    again: set[str] = set()
    header(refreshing(pleo, tmp_path, refresh_token=presented(pleo)[0], learn_secrets=again.update))
    assert again == learnt
