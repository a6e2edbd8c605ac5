"""An outage of the files' host costs its files and little time: a deadline for each file, a pause for a dead host."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tap_pleo_export.attachments.breaker import MAX_IN_A_ROW, HostBreaker
from tests.helpers.attachments import archive, items_schema, run, run_here, with_files
from tests.helpers.mapper import check_protocol, item, record, state
from tests.helpers.web import PDF, Answer, serving

PICTURE = "/files/picture.png"
LEFT_ALONE = "its host failed for 4 files in a row and is left alone"


def seconds_between(pleo: Sandbox) -> list[float]:
    times = [request.time for request in pleo.requests_to("/files")]
    return [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]


def test_all_attempts_share_a_deadline(pleo: Sandbox, config: dict[str, Any]) -> None:
    pleo.add_fault(Fault(path=PICTURE, nth=None, status=503))

    begun = time.monotonic()
    done = archive(pleo, config | {"timeout": 3, "max_retries": 100}, "picture.png")

    assert time.monotonic() - begun < 3.5
    assert len(pleo.requests_to("/files")) in {2, 3, 4}
    assert done.files()[0]["storeError"] == "HTTP 503"


@pytest.mark.parametrize("header", ["200", "Fri, 31 Dec 2100 23:59:59 GMT", "99999999999999999999"])
def test_wait_beyond_the_deadline_gives_up_at_once(pleo: Sandbox, config: dict[str, Any], header: str) -> None:
    pleo.add_fault(Fault(path=PICTURE, nth=None, status=503, headers={"Retry-After": header}))

    begun = time.monotonic()
    done = archive(pleo, config | {"max_retries": 9}, "picture.png")

    assert time.monotonic() - begun < 3
    assert done.files()[0]["storeError"] == "HTTP 503"
    assert len(pleo.requests_to("/files")) == 1


def test_wait_that_the_host_asks_for_is_kept(pleo: Sandbox, config: dict[str, Any]) -> None:
    pleo.add_fault(Fault(path=PICTURE, status=429, headers={"Retry-After": "2"}))

    done = archive(pleo, config | {"max_retries": 1}, "picture.png")

    (waited,) = seconds_between(pleo)
    assert 2 <= waited < 3
    assert "storedPath" in done.files()[0]


def test_slow_redirects_end_after_one_timeout_in_all(config: dict[str, Any]) -> None:
    slow = threading.Event()

    def answer(_: str) -> Answer:
        slow.wait(0.7)
        return 302, {"Location": "/next"}, b""

    with serving(answer) as web:
        begun = time.monotonic()
        done = run_here(items_schema() + record(item(1, files=[{"url": web.url}])), config | {"timeout": 1})

    assert time.monotonic() - begun < 2
    assert done.files()[0]["storeError"].startswith("no answer")
    assert len(web.lines) == 2


@pytest.fixture
def silent() -> Iterator[Any]:
    """A host that takes requests and does not answer them."""
    ends = threading.Event()

    def answer(_: str) -> Answer:
        ends.wait(60)
        return 200, {}, PDF

    with serving(answer) as web:
        yield web
        ends.set()


def test_silent_host_does_not_hold_up_the_load(silent: Any, config: dict[str, Any], tmp_path: Path) -> None:
    data = items_schema() + b"".join(record(item(n, files=[{"url": silent.url}])) + state(n) for n in range(300))

    begun = time.monotonic()
    done = run(data, config | {"timeout": 5, "max_retries": 4}, tmp_path)

    assert time.monotonic() - begun < 20, "an hour and a half without the pause"
    assert done.returncode == 0
    check_protocol(done.output)
    assert [kind for kind, _ in done.output.order] == ["SCHEMA", *["RECORD", "STATE"] * 300]
    errors = [found["files"][0]["storeError"] for found in done.output.records()]
    assert {error[: len(LEFT_ALONE)] for error in errors} == {"no answer within 5 s", LEFT_ALONE}
    # Four at once, and those that had begun when the fourth failed.
    assert len(silent.lines) <= 2 * MAX_IN_A_ROW


def test_host_that_answers_is_not_left_alone(pleo: Sandbox, config: dict[str, Any]) -> None:
    """Links that have expired, wrong sizes and web pages say nothing about the host."""
    pleo.add_fault(Fault(path="/files/document.pdf", nth=None, status=404))
    pleo.add_fault(Fault(path="/files/longer.jpg", nth=None, kind="html"))
    data = items_schema() + b"".join(
        with_files(pleo, n, "document.pdf") + with_files(pleo, n + 10, "longer.jpg") for n in range(4)
    )
    data += b"".join(with_files(pleo, n + 20, "picture.png", size=50_000) for n in range(6))

    done = run_here(data + with_files(pleo, 99, "picture.png"), config | {"max_concurrent_downloads": 1})

    assert "storedPath" in done.files(14)[0]
    assert len(pleo.requests_to("/files")) == 15


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failing(breaker: HostBreaker, host: str = "a", times: int = MAX_IN_A_ROW) -> None:
    for _ in range(times):
        breaker.record(host, failed=True)


def test_host_is_left_alone_after_failures_in_a_row() -> None:
    breaker = HostBreaker(60, Clock())
    failing(breaker, times=MAX_IN_A_ROW - 1)
    breaker.record("a", failed=False)
    failing(breaker, times=MAX_IN_A_ROW - 1)
    before = breaker.allows("a")
    failing(breaker, times=1)

    assert before
    assert not breaker.allows("a")
    assert breaker.allows("b")


def test_one_file_tries_the_host_after_the_pause() -> None:
    clock = Clock()
    breaker = HostBreaker(60, clock)
    failing(breaker)
    clock.now = 59.9
    early = breaker.allows("a")
    clock.now = 60
    first, second = breaker.allows("a"), breaker.allows("a")
    failing(breaker, times=1)
    again = breaker.allows("a")
    clock.now = 120
    third = breaker.allows("a")
    breaker.record("a", failed=False)

    assert (early, first, second, again, third) == (False, True, False, False, True)
    assert breaker.allows("a")
