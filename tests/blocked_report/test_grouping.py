from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tap_pleo_export.blocked_report import grouping
from tap_pleo_export.blocked_report.causes import Cause
from tap_pleo_export.blocked_report.grouping import (
    LargestItems,
    Summary,
    has_ended,
    need_of,
    state_of,
    with_status,
    without_item,
)
from tap_pleo_export.blocked_report.item import JobItemStatus, ReportItem, ReportJob

VENDOR = Cause("vendor_missing")
LINES = Cause("no_lines")
ITEM = ReportItem(
    job="j", entry="e", company="c", status="pending", type="fee", date="2026-03-01T10:00:00Z", person="Zoë",
    supplier="Uber", currency="EUR", minor=Decimal(100), link="", verdict="passed", causes=(),
)  # fmt: skip


def item(**changes: Any) -> ReportItem:
    return msgspec.structs.replace(ITEM, **changes)


@pytest.mark.parametrize(
    ("verdict", "status", "state"),
    [
        ("passed", "pending", "ready"),
        ("passed", "", "ready"),
        ("passed", "on_hold", "ready"),
        ("failed", "pending", "blocked"),
        ("failed", "failed", "blocked"),
        ("passed", "failed", "blocked"),
        ("", "failed", "blocked"),
        ("", "pending", "unchecked"),
        ("passed", "successful", "recorded"),
        ("failed", "successful", "recorded"),
    ],
)
def test_state_of_an_item(verdict: str, status: str, state: str) -> None:
    assert state_of(item(verdict=verdict, status=status)) == state


@pytest.mark.parametrize(
    ("job", "status", "verdict", "causes", "need"),
    [
        (ReportJob("j"), "pending", "passed", (), "record"),
        (ReportJob("j"), "on_hold", "", (), "check"),
        (ReportJob("j"), "pending", "failed", (VENDOR,), "correct"),
        (ReportJob("j"), "pending", "failed", (Cause("journal_missing"), LINES), "correct"),
        (ReportJob("j"), "pending", "failed", (Cause("journal_missing"),), "configure"),
        (ReportJob("j"), "failed", "failed", (VENDOR,), None),
        (ReportJob("j"), "successful", "failed", (VENDOR,), None),
        (ReportJob("j"), "abandoned", "passed", (), "export"),
        (ReportJob("j", is_over=True), "pending", "passed", (), "export"),
        (ReportJob("j", is_over=True), "failed", "failed", (VENDOR,), "export"),
        (ReportJob("j", is_over=True), "successful", "passed", (), None),
        (ReportJob("j", status="completed", is_over=True), "pending", "passed", (), None),
    ],
)
def test_need_of_a_job_item(
    job: ReportJob, status: str, verdict: str, causes: tuple[Cause, ...], need: str | None
) -> None:
    assert need_of(job, status, verdict, causes) == need


def test_totals_are_by_job_cause_and_currency() -> None:
    summary = Summary([ReportJob("j"), ReportJob("k")])
    summary.add(item(verdict="failed", causes=(VENDOR, LINES)))
    summary.add(item(verdict="failed", causes=(VENDOR,), job="k", currency="JPY", minor=Decimal(7)))
    summary.add(item(verdict="failed", causes=(VENDOR,), minor=Decimal("-0.5")))
    summary.add(item(minor=None))

    assert [(cause, group.items, group.sums) for cause, group in summary.ranked()] == [
        (VENDOR, 3, {"EUR": Decimal(99), "JPY": Decimal(7)}),
        (LINES, 1, {"EUR": Decimal(100)}),
    ]
    assert summary.jobs["j"]["blocked"].sums == {"EUR": 99}
    assert summary.rounded == 1
    assert summary.jobs["k"]["blocked"].sums == {"JPY": 7}
    assert (summary.jobs["j"]["ready"].items, summary.jobs["j"]["ready"].sums) == (1, {})
    assert summary.totals.items == 4


def test_warnings_and_recorded_items_do_not_block() -> None:
    warning = Cause("rule", "team", reason="No team", blocking=False)
    summary = Summary([])
    assert summary.add(item(causes=(warning,))) == "ready"
    assert summary.add(item(verdict="failed", causes=(VENDOR,), status="successful")) == "recorded"

    assert not [*summary.ranked(), *summary.blocked]
    assert [cause for cause, _ in summary.ranked(blocking=False)] == [warning]


def test_job_items_without_an_export_item_count_for_their_job() -> None:
    summary = Summary([ReportJob("j")])
    listed = [JobItemStatus("j", "e", status, "vendor_unknown", "") for status in ("successful", "failed", "pending")]
    states = [summary.add_job_item(without_item(each)) for each in listed * 3]

    assert states == ["recorded", "refused", "unread"] * 3
    assert summary.jobs["j"].parts == [("ready", 0), ("blocked", 0), ("recorded", 3), ("refused", 3), ("unread", 3)]
    assert summary.jobs["j"].needs == {None: 6, "check": 3}
    assert summary.refused == {"Vendor unknown": 3}
    assert not summary.causes


def listed(job: str, status: str, failure_type: str = "", reason: str = "") -> ReportItem:
    return without_item(JobItemStatus(job, "e", status, failure_type, reason))


def test_a_job_item_without_an_export_item_has_its_ids_and_status() -> None:
    found = without_item(JobItemStatus("j", "e", "pending", "", ""), "c")

    assert (found.job, found.entry, found.company, found.status, found.causes) == ("j", "e", "c", "pending", ())
    assert without_item(JobItemStatus("j", "e", "pending", "", "")).company == ""


def test_job_items_without_an_export_item_add_up() -> None:
    summary = Summary([ReportJob("j"), ReportJob("k"), ReportJob("over", is_over=True)])
    for job, status, items in (
        *(("j", "successful", 5), ("k", "successful", 1), ("j", "failed", 4), ("k", "failed", 1)),
        *(("over", "failed", 5), ("j", "pending", 7), ("over", "pending", 2)),
    ):
        for _ in range(items):
            summary.add_job_item(listed(job, status))

    assert [(state, total.items) for state, total in summary.jobs["j"].by_state.items() if total.items] == [
        *(("recorded", 5), ("refused", 4), ("unread", 7)),
    ]
    assert summary.totals.parts == [("ready", 0), ("blocked", 0), ("recorded", 6), ("refused", 10), ("unread", 9)]
    assert summary.jobs["j"].waiting == [(7, "to be checked")]
    assert summary.jobs["over"].waiting == [(7, "to be exported again")]


def test_counts_of_the_run_summary() -> None:
    summary = Summary([ReportJob("j"), ReportJob("k")])
    for verdict in ("passed", "failed", "failed", ""):
        summary.add(item(verdict=verdict))
    for job, status in (("j", "successful"), ("k", "failed"), ("k", "failed")):
        summary.add_job_item(listed(job, status))

    expected = {"jobs": 2, "items": 7, "passed": 1, "failed": 2, "recorded": 1, "refused": 2}
    assert summary.counts() == expected


def test_reasons_of_items_refused_earlier_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_CAUSES", 2)
    summary = Summary([ReportJob("j")])
    for failure_type, reason in (
        *(("", "Period is closed"), ("", "Period is closed"), ("vendor_unknown", "")),
        *(("", "Third"), ("", "Fourth"), ("", "Period is closed")),
    ):
        summary.add_job_item(listed("j", "failed", failure_type, reason))

    assert summary.refused == {"Period is closed": 3, "Vendor unknown": 1, "Other reasons": 2}


@pytest.mark.parametrize(
    ("status", "expired", "expires", "ended"),
    [
        ("in_progress", False, "", False),
        ("in_progress", True, "", True),
        ("failed", False, "", True),
        ("completed_with_errors", False, "2026-03-01T13:00:00Z", True),
        ("in_progress", False, "2026-03-01T12:00:01Z", False),
        ("in_progress", False, "2026-03-01T12:00:00Z", True),
        ("in_progress", False, "no time", False),
    ],
)
def test_job_has_ended(status: str, *, expired: bool, expires: str, ended: bool) -> None:
    job = ReportJob("j", status=status, expired=expired, expires=expires)

    assert has_ended(job, datetime(2026, 3, 1, 12, tzinfo=UTC)) is ended


def test_needs_of_items_add_up() -> None:
    summary = Summary([])
    for changes in (
        *({"verdict": "passed"}, {"verdict": "passed"}, {"verdict": ""}, {"verdict": "failed", "status": "failed"}),
        *({"verdict": "failed", "causes": (VENDOR,)}, {"verdict": "failed", "causes": (Cause("journal_missing"),)}),
    ):
        summary.add(item(**changes))

    assert summary.jobs["j"].job == ReportJob("j", "c")
    assert summary.jobs["j"].waiting == [
        (1, "to be corrected in Pleo"),
        (1, "to be configured"),
        (1, "to be checked"),
        (2, "to be recorded and reported"),
    ]


def test_blocked_and_ready_items_are_listed_separately() -> None:
    summary = Summary([])
    passed, failed = item(entry="passed"), item(entry="failed", verdict="failed")
    for each in (passed, failed, item(status="successful")):
        summary.add(each)

    assert (list(summary.ready), list(summary.blocked)) == ([passed], [failed])


def test_summary_has_the_facts_of_the_reading() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    summaries = Summary([]), Summary([], ended=2, unreadable=3, as_of=now)

    assert [(each.ended, each.unreadable, each.as_of) for each in summaries] == [(0, 0, None), (2, 3, now)]


def test_largest_amounts_are_kept_regardless_of_sign_and_currency() -> None:
    largest = LargestItems(3)
    amounts = {"a": (100, "EUR"), "b": (-900, "EUR"), "c": (8, "JPY"), "d": (None, "EUR"), "e": (900, "EUR")}
    for entry, (minor, currency) in amounts.items():
        largest.add(item(entry=entry, minor=None if minor is None else Decimal(minor), currency=currency))

    assert [kept.entry for kept in largest] == ["b", "e", "c"]


def test_an_item_without_an_amount_is_listed_last() -> None:
    largest = LargestItems(1)
    for each in (item(entry="none", minor=None), item(entry="cents", minor=Decimal(1))):
        largest.add(each)

    assert [kept.entry for kept in largest] == ["cents"]


def test_a_refusal_is_a_cause_only_if_the_checks_passed() -> None:
    listed = JobItemStatus("j", "e", "failed", "unexpected_failure", "Period is closed")
    passed = with_status(item(), listed)
    failed = with_status(item(verdict="failed", causes=(VENDOR,)), listed)

    assert passed.causes == (Cause("refused", reason="Period is closed"),)
    assert failed.causes == (VENDOR,)


def test_an_item_takes_the_status_of_its_job_item() -> None:
    without_reason = with_status(item(), JobItemStatus("j", "e", "failed", "vendor_unknown", ""))

    assert (without_reason.status, without_reason.causes) == ("failed", (Cause("refused", reason="Vendor unknown"),))
    assert with_status(item(status="on_hold"), JobItemStatus("j", "e", "", "", "")).status == "on_hold"


def test_causes_beyond_the_limit_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_CAUSES", 2)
    summary = Summary([])
    for number in range(5):
        summary.add(item(verdict="failed", causes=(Cause("tag_unknown", str(number)),)))

    assert len(summary.causes) == 2
    assert summary.other_causes.items == 3
