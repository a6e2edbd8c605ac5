from __future__ import annotations

from datetime import UTC, datetime

from fleet import failure

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_an_alert_names_company_job_time_left_cause_and_what_happens_next() -> None:
    tags = {"pleo.job/j1": "20", "pleo/expires": "20261125T121230Z", "pleo/attempt": "3", "pleo/company": "acme"}

    line = failure.described("acme", tags, "Pleo rejected the credentials (401)", NOW)

    assert line == (
        "Company acme: attempt 3 to load export job j1 failed, 12 minutes left. Pleo rejected the credentials (401). "
        "The next attempt comes by itself, 4 minutes later at the earliest; if the job expires before, export the "
        "entries again in Pleo"
    )


def test_a_run_that_was_started_by_hand_has_no_tags() -> None:
    assert "export job unknown failed, an unknown time left" in failure.described("acme", {}, "why", NOW)
