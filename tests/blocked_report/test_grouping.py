from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tap_pleo_export.blocked_report import grouping
from tap_pleo_export.blocked_report.causes import Cause
from tap_pleo_export.blocked_report.grouping import Largest, Summary, state_of, with_status
from tap_pleo_export.blocked_report.item import Item, Job

VENDOR = Cause("vendor_missing")
LINES = Cause("no_lines")
ITEM = Item(
    job="j", entry="e", company="c", status="pending", type="fee", date="2026-03-01T10:00:00Z", person="Zoë",
    supplier="Uber", currency="EUR", minor=Decimal(100), link="", verdict="passed", causes=(),
)  # fmt: skip


def item(**changes: Any) -> Item:
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
def test_an_item_is_in_one_state(verdict: str, status: str, state: str) -> None:
    assert state_of(item(verdict=verdict, status=status)) == state


def test_jobs_and_causes_are_summed_by_currency() -> None:
    summary = Summary([Job("j"), Job("k")])
    summary.add(item(verdict="failed", causes=(VENDOR, LINES)))
    summary.add(item(verdict="failed", causes=(VENDOR,), job="k", currency="JPY", minor=Decimal(7)))
    summary.add(item(verdict="failed", causes=(VENDOR,), minor=Decimal("-0.5")))
    summary.add(item(minor=None))

    assert [(cause, group.items, group.sums) for cause, group in summary.ranked()] == [
        (VENDOR, 3, {"EUR": Decimal("99.5"), "JPY": 7}),
        (LINES, 1, {"EUR": 100}),
    ]
    assert summary.jobs["j"]["blocked"].sums == {"EUR": Decimal("99.5")}
    assert summary.jobs["k"]["blocked"].sums == {"JPY": 7}
    assert (summary.jobs["j"]["ready"].items, summary.jobs["j"]["ready"].sums) == (1, {})
    assert summary.totals.items == 4


def test_a_warning_blocks_nothing() -> None:
    warning = Cause("own_rule", "team", reason="No team", blocking=False)
    summary = Summary([])
    assert summary.add(item(causes=(warning,))) == "ready"

    assert summary.ranked() == []
    assert [cause for cause, _ in summary.ranked(blocking=False)] == [warning]


def test_what_is_recorded_already_blocks_nothing() -> None:
    summary = Summary([])
    summary.add(item(verdict="failed", causes=(VENDOR,), status="successful"))

    assert summary.ranked() == []
    assert list(summary.blocked) == []


def test_job_items_that_were_not_read_count_for_their_job() -> None:
    summary = Summary([Job("j")])
    for job, status in (("j", "successful"), ("j", "failed"), ("j", "pending"), ("other", "failed")):
        summary.add_unread(job, status, 3)

    assert {state: group.items for state, group in summary.jobs["j"].by_state.items() if group.items} == {
        "recorded": 3,
        "refused": 3,
    }
    assert list(summary.jobs) == ["j"]


def test_the_largest_amounts_are_kept_whatever_their_sign_and_currency() -> None:
    largest = Largest(3)
    for entry, minor, currency in (
        ("a", Decimal(100), "EUR"),
        ("b", Decimal(-900), "EUR"),
        ("c", Decimal(8), "JPY"),
        ("d", None, "EUR"),
        ("e", Decimal(900), "EUR"),
    ):
        largest.add(item(entry=entry, minor=minor, currency=currency))

    assert [kept.entry for kept in largest] == ["b", "e", "c"]
    assert largest.seen == 5


def test_pleos_refusal_is_the_cause_where_the_checks_passed() -> None:
    passed = with_status(item(), "failed", "unexpected_failure", "Period is closed")
    failed = with_status(item(verdict="failed", causes=(VENDOR,)), "failed", "vendor_unknown", "Vendor missing")

    assert passed.causes == (Cause("reported", "unexpected_failure", reason="Period is closed"),)
    assert failed.causes == (VENDOR,)


def test_causes_beyond_all_bounds_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MOST_CAUSES", 2)
    summary = Summary([])
    for number in range(5):
        summary.add(item(verdict="failed", causes=(Cause("tag_unknown", str(number)),)))

    assert len(summary.causes) == 2
    assert summary.further.items == 3
