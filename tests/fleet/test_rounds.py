from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleet import due
from fleet.discovery import Look, Seen
from fleet.due import DueRun, Past
from fleet.fleet_file import Company
from fleet.rounds import Rounds

NAMES = ["a", "b", "c", "d", "e"]
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = NOW.timestamp()
ACME = Company("acme", credential="partner")


def job(name: str = "j1", items: int | None = 20, left: int = 50) -> Seen:
    return Seen(name, items, NOW - timedelta(minutes=60 - left), NOW + timedelta(minutes=left))


def requested(jobs: list[Seen], past: dict[str, Past], now: datetime = NOW) -> DueRun:
    run = due.due(ACME, jobs, past, now)
    assert run is not None
    return run


def test_a_round_asks_every_company_once_however_often_it_is_cut_off() -> None:
    rounds = Rounds()
    asked: list[str] = []
    for _ in range(3):
        wanted = rounds.next(NAMES, [], START, 60)
        # Time is up after two of them.
        whole = rounds.finished(wanted[:2], wanted)
        asked += wanted[:2]
        rounds = Rounds.from_cursor(rounds.to_cursor())

    assert whole
    assert asked == NAMES
    assert rounds.next(NAMES, [], START + 59, 60) == []
    assert rounds.next(NAMES, [], START + 60, 60) == NAMES


def test_who_is_left_out_in_the_middle_is_asked_by_the_next_evaluation() -> None:
    rounds = Rounds()
    wanted = rounds.next(NAMES, [], START, 60)

    assert not rounds.finished(["a", "c", "d"], wanted)
    assert rounds.next(NAMES, [], START, 60) == ["b", "c", "d", "e"]


def test_a_webhook_comes_first_even_between_rounds_and_during_a_backoff() -> None:
    rounds = Rounds()
    wanted = rounds.next(NAMES, ["d", "gone"], START, 60)
    assert wanted == ["d", "a", "b", "c", "e"]
    rounds.finished(wanted, wanted)
    rounds.note(Look("d", failure="Pleo rejected the credentials"), [], START, 60)

    assert rounds.next(NAMES, ["d", "d"], START + 1, 60) == ["d"]
    assert not rounds.finished(["d"], ["d"])


def test_a_failing_company_is_named_once_and_backed_off_and_the_others_are_not() -> None:
    rounds = Rounds()
    failed = Look("b", failure="Pleo rejected the credentials")
    times: list[float] = []
    now = START
    for _ in range(8):
        new = rounds.note(failed, [], now, 60)
        assert new == (not times)
        times.append(rounds.failing["b"].until - now)
        assert "b" not in rounds.next(NAMES, [], now, 60)
        rounds.after = None
        now = rounds.failing["b"].until
        assert "b" in rounds.next(NAMES, [], now, 60)
        rounds.after = None

    assert times == [60, 120, 240, 480, 960, 1800, 1800, 1800]
    rounds.note(Look("b"), [], now, 60)
    assert not rounds.failing


def test_what_pleo_asks_to_wait_is_waited() -> None:
    rounds = Rounds()
    rounds.note(Look("b", failure="throttled", wait=900), [], START, 60)

    assert rounds.failing["b"].until == START + 900


def test_companies_that_are_gone_are_forgotten_and_a_broken_cursor_costs_a_round() -> None:
    rounds = Rounds()
    rounds.note(Look("b", failure="x"), [], START, 60)
    rounds.note(Look("c"), [job()], START, 60)
    rounds.keep(["a"])

    assert (rounds.failing, rounds.open) == ({}, {})
    assert Rounds.from_cursor("{broken").next(NAMES, [], START, 60) == NAMES


def test_a_job_without_a_complete_load_becomes_late() -> None:
    rounds = Rounds()
    rounds.note(Look("c", (job(left=20),)), [job(left=20)], START, 60)

    assert rounds.late(START, 45) == {}
    assert rounds.late(START, 39)["c"].job == "j1"
    rounds.note(Look("c", (job(),)), [], START, 60)
    assert rounds.late(START, 1) == {}


def test_a_run_is_requested_once_for_a_job_and_attempt() -> None:
    first = requested([job()], {})
    again = requested([job()], {})
    assert first.key == again.key
    assert due.due(ACME, [job()], {"j1": Past("busy", 1)}, NOW) is None
    assert due.due(ACME, [job()], {"j1": Past("done", 1)}, NOW) is None
    assert due.due(ACME, [], {}, NOW) is None


def test_a_job_that_has_grown_is_another_one() -> None:
    assert requested([job(items=20)], {}).key != requested([job(items=21)], {}).key


def test_a_failed_attempt_is_repeated_after_a_wait_that_grows() -> None:
    waits = [due.wait_before(attempt) for attempt in range(2, 8)]
    assert waits == [60, 120, 240, 480, 600, 600]
    failed = {"j1": Past("failed", 1, START)}

    assert due.due(ACME, [job()], failed, NOW + timedelta(seconds=59)) is None
    assert requested([job()], failed, NOW + timedelta(seconds=60)).tags[due.ATTEMPT_TAG] == "2"


def test_a_new_job_does_not_wait_for_another_ones_attempt() -> None:
    assert requested([job(), job("j2")], {"j1": Past("failed", 3, START)}).company == "acme"


def test_the_nearest_to_its_expiry_comes_first() -> None:
    late, early, never = (due.due(Company(n), [job(n, left=m)], {}, NOW) for n, m in (("x", 40), ("y", 5), ("z", 59)))
    runs = [run for run in (late, early, never) if run]

    assert [run.company for run in due.in_order(runs)] == ["y", "x", "z"]
    assert int(runs[1].tags["dagster/priority"]) > int(runs[0].tags["dagster/priority"])


def test_tags_name_company_credential_and_jobs_and_no_secret() -> None:
    run = requested([job("j1"), job("j2", None, 10)], {})

    assert run.tags == {
        "pleo/company": "acme",
        "pleo/credential": "partner",
        "pleo/attempt": "1",
        "pleo.job/j1": "20",
        "pleo.job/j2": "unknown",
        "pleo/expires": "20261125T121000Z",
        "dagster/priority": "-600",
    }


@pytest.mark.parametrize(("tag", "left"), [("20261125T121059Z", 10), ("20261125T115900Z", 0), (None, None)])
def test_minutes_left_are_whole(tag: str | None, left: int | None) -> None:
    assert due.minutes_left(tag, NOW) == left
