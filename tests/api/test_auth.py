"""Refreshing OAuth tokens: what an answer may hold, when a token is renewed, what is tried again and what never."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Fault, Sandbox
from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.credentials import renewal_time
from tap_pleo_export.api.errors import TokenFileUnusable, TokenRefreshFailed
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.api.token_endpoint import read_grant, sendable
from tap_pleo_export.api.token_file import TokenFile, Tokens, fingerprint
from tests.helpers.oauth import refreshing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_pleo_export.api.credentials import RefreshTokenAuth

TOKEN = "/oauth/token"


def header(auth: RefreshTokenAuth) -> str:
    """Return how the authenticator signs a request."""
    request = auth(requests.Request("GET", "http://127.0.0.1/").prepare())
    return str(request.headers["Authorization"])


def kept(folder: Path) -> Any:
    return msgspec.json.decode((folder / "tokens.json").read_bytes())


def presented(pleo: Sandbox) -> list[str]:
    return [parse_qs(request.body.decode())["refresh_token"][0] for request in pleo.requests_to(TOKEN)]


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


# What an answer may hold


@pytest.mark.parametrize("bad", ["TOPSECRET\n", "TOP SECRET", "schlüssel", "", None, 5, ["x"], "a\x7f"])
def test_an_access_token_that_cannot_be_sent_is_not_kept_but_the_new_refresh_token_is(
    pleo: Sandbox, tmp_path: Path, bad: Any
) -> None:
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
    # The next run goes on with the new one.
    configured = pleo.refresh_token
    pleo.credentials.refresh_token = "fake-refresh-2"
    assert header(refreshing(pleo, tmp_path, refresh_token=configured)) == f"Bearer {pleo.access_token}"
    assert presented(pleo) == [configured, "fake-refresh-2"]


@pytest.mark.parametrize("bad", ["TOPSECRET\n", "schlüssel", ""])
def test_a_bad_access_token_of_a_former_run_is_renewed(pleo: Sandbox, tmp_path: Path, bad: str) -> None:
    keep(tmp_path, pleo, access_token=bad)

    assert header(refreshing(pleo, tmp_path)) == f"Bearer {pleo.access_token}"
    assert len(presented(pleo)) == 1


@pytest.mark.parametrize(
    "bad", [b"[" * 100_000, b'{"access_token": {"a":' + b"[" * 100_000, b"\xff", b"", b"null", b"{}"]
)
def test_an_answer_without_a_token_is_named(pleo: Sandbox, tmp_path: Path, bad: bytes) -> None:
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
def test_a_rotated_refresh_token_is_found_whatever_else_is_odd(body: bytes) -> None:
    assert read_grant(body).refresh_token == "r"


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("3600", 3600),
        ('"3600"', 3600),
        ("3600.5", 3600.5),
        ("true", None),
        ("1e400", None),
        ("0", None),
        ("-5", None),
        ('"soon"', None),
        ('"nan"', None),
        ('"inf"', None),
        ("1e300", None),
        ("null", None),
        ("[]", None),
        ("9" * 5000, None),
    ],
)
def test_an_absurd_lifetime_is_unknown(stated: str, seconds: float | None) -> None:
    grant = read_grant(b'{"access_token": "a", "refresh_token": "r", "expires_in": %s}' % stated.encode())

    assert (grant.access_token, grant.refresh_token, grant.lifetime) == ("a", "r", seconds)


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_answer_is_tokens_or_an_error(body: bytes) -> None:
    try:
        grant = read_grant(body)
    except TokenRefreshFailed:
        return
    assert grant.access_token or grant.refresh_token


def test_a_grant_shows_no_token() -> None:
    assert "topsecret" not in repr(read_grant(b'{"access_token": "topsecret", "refresh_token": "topsecret"}'))


@pytest.mark.parametrize("stated", ["0", "-5", "true", "1e400", "null"])
def test_a_token_of_unknown_lifetime_is_used_until_it_is_rejected(pleo: Sandbox, tmp_path: Path, stated: str) -> None:
    answer(pleo, b'{"access_token": "fake-a", "refresh_token": "fake-r", "expires_in": %s}' % stated.encode())
    auth = refreshing(pleo, tmp_path)

    assert [header(auth) for _ in range(3)] == ["Bearer fake-a"] * 3
    assert header(refreshing(pleo, tmp_path)) == "Bearer fake-a"
    assert len(presented(pleo)) == 1


@pytest.mark.parametrize("absent", [{}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": 5}])
def test_an_answer_without_a_new_refresh_token_keeps_the_current_one(
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


def test_a_token_in_an_answer_that_is_too_large_is_not_waited_for(pleo: Sandbox, tmp_path: Path) -> None:
    answer(pleo, b'{"access_token": "a", "x": "' + b"x" * 1024 * 1024 + b'"}')

    with pytest.raises(
        TokenRefreshFailed, match=r"an answer of more than 1,048,576 bytes: it was cut off\. Whether Pleo has replaced"
    ):
        header(refreshing(pleo, tmp_path))


@pytest.mark.parametrize(
    ("token", "good"),
    [("a", True), ("a.b-c_d~e+f/g==", True), ("", False), (None, False), ("a\n", False), ("é", False)],
)
def test_what_can_be_sent_is_visible_ascii(token: str | None, good: bool) -> None:
    assert sendable(token) is good


# When it is renewed


@pytest.mark.parametrize(("lifetime", "margin"), [(3600.0, 60.0), (600.0, 60.0), (100.0, 10.0), (1.0, 0.1)])
def test_a_token_is_renewed_in_its_last_minute_or_tenth(lifetime: float, margin: float) -> None:
    assert renewal_time(1000.0, lifetime) == pytest.approx(1000.0 + lifetime - margin)


def test_a_token_about_to_end_is_renewed_before_it_is_rejected(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.access_token_lifetime = 1
    auth = refreshing(pleo, tmp_path)
    first = header(auth)
    pleo.access_token_lifetime = 3600
    while time.time() < kept(tmp_path)["renew_at"]:
        threading.Event().wait(0.05)

    assert header(auth) != first
    assert header(auth) == f"Bearer {pleo.access_token}"
    assert len(presented(pleo)) == 2


@pytest.mark.parametrize(("left", "exchanges"), [(1000, 0), (-1, 1)])
def test_a_kept_token_is_used_until_its_end(pleo: Sandbox, tmp_path: Path, left: float, exchanges: int) -> None:
    keep(tmp_path, pleo, renew_at=time.time() + left)

    assert header(refreshing(pleo, tmp_path)) == f"Bearer {pleo.access_token}"
    assert len(presented(pleo)) == exchanges


# What is tried again


@pytest.mark.parametrize("status", [429, 503])
def test_what_had_no_effect_is_tried_again(pleo: Sandbox, tmp_path: Path, status: int) -> None:
    pleo.add_fault(Fault(path=TOKEN, status=status, times=2))
    waits: list[float] = []

    assert header(refreshing(pleo, tmp_path, sleep=waits.append)) == f"Bearer {pleo.access_token}"

    assert len(presented(pleo)) == 3
    assert [0.5 <= waits[0] <= 1, 1 <= waits[1] <= 2] == [True, True]


def test_retry_after_is_waited_for(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_fault(Fault(path=TOKEN, status=429, headers={"Retry-After": "17"}))
    waits: list[float] = []

    header(refreshing(pleo, tmp_path, sleep=waits.append))

    assert len(waits) == 1
    assert waits[0] >= 17


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


def test_the_deadline_counts_from_the_first_attempt(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_fault(Fault(path=TOKEN, kind="delay", seconds=1.5))
    pleo.add_fault(Fault(path=TOKEN, status=503, nth=None))
    waits: list[float] = []
    policy = RetryPolicy(max_retries=3, longest_wait=0.1, deadline=1.0)
    auth = refreshing(pleo, tmp_path, timeout=30, sleep=waits.append, policy=policy)

    with pytest.raises(TokenRefreshFailed, match=r"answered 503, given up after 1 attempt\. No token was used up"):
        header(auth)

    assert waits == []


def test_waits_are_drawn_so_that_many_clients_do_not_come_at_once(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_fault(Fault(path=TOKEN, status=503, nth=None))
    waits: list[float] = []
    auth = refreshing(pleo, tmp_path, sleep=waits.append, policy=RetryPolicy(max_retries=8, longest_wait=1.0))

    with pytest.raises(TokenRefreshFailed):
        header(auth)

    # Of one bound, and no two of 2**53 possible waits alike.
    assert len(set(waits)) == 8


def test_a_connection_that_is_never_made_is_tried_again(pleo: Sandbox, tmp_path: Path) -> None:
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
def test_after_an_unknown_outcome_the_token_is_presented_no_more(
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


def test_the_client_is_sent_in_a_header_from_the_second_request_on_if_the_form_is_refused(
    pleo: Sandbox, tmp_path: Path
) -> None:
    pleo.client_auth = "basic"
    auth = refreshing(pleo, tmp_path)
    first = header(auth)
    auth.renew(first)

    assert [request.auth for request in pleo.requests_to(TOKEN)] == [None, "basic", "basic"]


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


# Others


def test_without_the_lock_no_token_is_presented(pleo: Sandbox, tmp_path: Path) -> None:
    auth = refreshing(pleo, tmp_path, token_file=TokenFile(tmp_path / "tokens.json", patience=0))
    errors: list[str] = []

    def work() -> None:
        try:
            header(auth)
        except TokenFileUnusable as error:
            errors.append(str(error))

    with TokenFile(tmp_path / "tokens.json").locked():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert len(errors) == 1
    assert pleo.requests == []


def background(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_settling_waits_for_the_exchange_in_hand_and_lets_no_other_begin(pleo: Sandbox, tmp_path: Path) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def hold(_: Sandbox) -> None:
        asked.set()
        may_answer.wait(60)

    pleo.add_fault(Fault(path=TOKEN, kind="callback", callback=hold))
    auth = refreshing(pleo, tmp_path, timeout=60)
    first = background(lambda: header(auth))
    assert asked.wait(60)

    settled = background(auth.drain)
    settled.join(0.3)
    assert settled.is_alive()
    may_answer.set()
    settled.join(60)
    first.join(60)

    assert kept(tmp_path)["refresh_token"] == pleo.refresh_token
    with pytest.raises(TokenRefreshFailed, match="the run is ending"):
        auth.renew(header(auth))
    assert len(presented(pleo)) == 1


def test_each_token_is_learnt_before_it_is_kept(pleo: Sandbox, tmp_path: Path) -> None:
    learnt: set[str] = set()
    auth = refreshing(pleo, tmp_path, learn_secrets=learnt.update)

    header(auth)

    assert learnt == {pleo.access_token, pleo.refresh_token}
    again: set[str] = set()
    header(refreshing(pleo, tmp_path, refresh_token=presented(pleo)[0], learn_secrets=again.update))
    assert again == learnt


def test_tokens_show_nothing() -> None:
    assert "secret" not in repr(Tokens("secret", "secret", 1.0, "x"))
