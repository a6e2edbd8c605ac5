from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from dagster_pleo_export import run_planning
from dagster_pleo_export.fleet_file import Company
from dagster_pleo_export.run_planning import PlannedRun, RunHistory
from tap_pleo_export.api.jobs import ExportJob
from tests.fleet.jobs import NOW, START, job

ACME = Company("acme", credential="partner")


def planned(jobs: list[ExportJob], history: dict[str, RunHistory], now: datetime = NOW) -> PlannedRun:
    run = run_planning.plan(ACME, jobs, history, now)
    assert run is not None
    return run


def test_a_run_is_requested_once_per_job_and_attempt() -> None:
    first = planned([job()], {})
    again = planned([job()], {})
    assert first.key == again.key
    assert run_planning.plan(ACME, [job()], {"j1": RunHistory("busy", 1)}, NOW) is None
    assert run_planning.plan(ACME, [job()], {"j1": RunHistory("done", 1)}, NOW) is None
    assert run_planning.plan(ACME, [], {}, NOW) is None


def test_a_job_that_has_grown_gets_another_run() -> None:
    assert planned([job(items=20)], {}).key != planned([job(items=21)], {}).key


def test_a_failed_attempt_is_repeated_after_a_growing_wait() -> None:
    waits = [run_planning.wait_before(attempt) for attempt in range(2, 8)]
    assert waits == [60, 120, 240, 480, 600, 600]
    failed = {"j1": RunHistory("failed", 1, START)}

    assert run_planning.plan(ACME, [job()], failed, NOW + timedelta(seconds=59)) is None
    assert planned([job()], failed, NOW + timedelta(seconds=60)).tags[run_planning.ATTEMPT_TAG] == "2"


def test_lost_runs_are_no_attempts_and_are_repeated_at_once() -> None:
    lost = [planned([job()], {"j1": RunHistory("new", 0, 0.0, number)}) for number in range(3)]

    assert [run.tags[run_planning.ATTEMPT_TAG] for run in lost] == ["1", "1", "1"]
    # Dagster starts one run per key.
    assert [run.key for run in lost] == [lost[0].key, f"{lost[0].key}|1", f"{lost[0].key}|2"]
    assert lost[0].key == planned([job()], {}).key


def test_a_new_job_does_not_wait_for_the_attempt_of_another_one() -> None:
    assert planned([job(), job("j2")], {"j1": RunHistory("failed", 3, START)}).company == "acme"


def test_the_nearest_to_its_expiry_comes_first() -> None:
    plans = (run_planning.plan(Company(n), [job(n, left=m)], {}, NOW) for n, m in (("x", 40), ("y", 5), ("z", 59)))
    runs = [run for run in plans if run]

    assert [run.company for run in run_planning.in_order(runs)] == ["y", "x", "z"]
    assert int(runs[1].tags["dagster/priority"]) > int(runs[0].tags["dagster/priority"])


def test_a_known_expiry_comes_before_an_unknown_one() -> None:
    unknown = ExportJob("a", "pending", NOW, None, 20)
    runs = [
        run_planning.plan(Company("a"), [unknown], {}, NOW),
        run_planning.plan(Company("b"), [job("b", left=59)], {}, NOW),
    ]

    assert [run.company for run in run_planning.in_order([run for run in runs if run])] == ["b", "a"]
    both = planned([unknown, job("b", left=59)], {})
    assert both.tags["pleo/expires"] == "20261125T125900Z"
    assert both.key == "acme|pleo.job/b:20|pleo.job/a:20|1"
    assert both.expires_at == NOW + timedelta(minutes=59)
    assert planned([unknown], {}).tags["dagster/priority"] == "-1000000"


def test_tags_name_company_credential_and_jobs_but_no_secret() -> None:
    run = planned([job("j1"), job("j2", None, 10)], {})

    assert run.tags == {
        "pleo/company": "acme",
        "pleo/credential": "partner",
        "pleo/attempt": "1",
        "pleo.job/j1": "20",
        "pleo.job/j2": "unknown",
        "pleo/expires": "20261125T121000Z",
        "dagster/priority": "-600",
    }


def test_expiry_is_tagged_in_utc_on_machines_in_another_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        tags = planned([job(left=10)], {}).tags
    time.tzset()

    assert tags["pleo/expires"] == "20261125T121000Z"


@pytest.mark.parametrize(
    ("tag", "left"), [("20261125T121059Z", 10), ("20261125T125900Z", 59), ("20261125T115900Z", 0), (None, None)]
)
def test_minutes_left_are_whole(tag: str | None, left: int | None) -> None:
    assert run_planning.minutes_left(tag, NOW) == left


def test_an_alert_names_company_job_time_left_cause_and_next_attempt() -> None:
    tags = {"pleo.job/j1": "20", "pleo/expires": "20261125T121230Z", "pleo/attempt": "3", "pleo/company": "acme"}

    line = run_planning.failure_message("acme", tags, "Pleo rejected the credentials (401)", NOW)

    assert line == (
        "Company acme: attempt 3 to load export job j1 failed, 12 minutes left. Pleo rejected the credentials (401). "
        "It is retried automatically, in 4 min at the earliest; if the job expires first, export the entries again in "
        "Pleo"
    )


def test_a_run_that_was_lost_is_started_again_at_once() -> None:
    line = run_planning.failure_message("acme", {"pleo.job/j1": "20"}, "The worker vanished", NOW, lost=True)

    assert "It is retried automatically, at once; if the job expires first" in line


def test_an_alert_names_all_jobs_of_the_run() -> None:
    assert "load export job j1, j2 failed" in run_planning.failure_message(
        "acme", {"pleo.job/j1": "1", "pleo.job/j2": "2"}, "why", NOW
    )


def test_a_run_started_by_hand_has_no_tags() -> None:
    assert "export job unknown failed, expiry unknown" in run_planning.failure_message("acme", {}, "why", NOW)
