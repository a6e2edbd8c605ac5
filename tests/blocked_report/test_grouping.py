from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tap_pleo_export.blocked_report import grouping
from tap_pleo_export.blocked_report.causes import Cause
from tap_pleo_export.blocked_report.grouping import LargestItems, Summary, need_of, state_of, with_status, without_item
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


def test_largest_amounts_are_kept_regardless_of_sign_and_currency() -> None:
    largest = LargestItems(3)
    amounts = {"a": (100, "EUR"), "b": (-900, "EUR"), "c": (8, "JPY"), "d": (None, "EUR"), "e": (900, "EUR")}
    for entry, (minor, currency) in amounts.items():
        largest.add(item(entry=entry, minor=None if minor is None else Decimal(minor), currency=currency))

    assert [kept.entry for kept in largest] == ["b", "e", "c"]


def test_a_refusal_is_a_cause_only_if_the_checks_passed() -> None:
    listed = JobItemStatus("j", "e", "failed", "unexpected_failure", "Period is closed")
    passed = with_status(item(), listed)
    failed = with_status(item(verdict="failed", causes=(VENDOR,)), listed)

    assert passed.causes == (Cause("refused", reason="Period is closed"),)
    assert failed.causes == (VENDOR,)


def test_causes_beyond_the_limit_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_CAUSES", 2)
    summary = Summary([])
    for number in range(5):
        summary.add(item(verdict="failed", causes=(Cause("tag_unknown", str(number)),)))

    assert len(summary.causes) == 2
    assert summary.other_causes.items == 3
