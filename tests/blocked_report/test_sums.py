"""The numbers of the report add up, for any input."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.blocked_report.command import summarize
from tap_pleo_export.blocked_report.jsonl_reader import read_lines
from tap_pleo_export.blocked_report.record_store import RecordStore
from tap_pleo_export.blocked_report.spreadsheet import Spreadsheet
from tap_pleo_export.validation.vocabulary import BUILTIN_CHECKS
from tests.blocked_report.conftest import ReportRun
from tests.helpers import books, mapper

JOBS = ("job-1", "job-2", "job-3")
STATUSES = ("pending", "in_progress", "failed", "successful", "abandoned", "on_hold", "")


def _records(ids: st.SearchStrategy[str], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries({"accountingEntryId": ids, **members}), max_size=12)


ENTRIES = st.sampled_from([f"entry-{number}" for number in range(6)])
JOB_IDS = st.sampled_from(JOBS)
JOB_RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "id": JOB_IDS,
            "numberOfItems": st.integers(0, 9),
            "status": st.sampled_from(["in_progress", "completed", "failed"]),
            "createdAt": st.sampled_from(["2026-03-03T13:00:00Z", "2026-03-03T14:00:00Z"]),
            "expiresAt": st.sampled_from(["2026-03-03T14:05:00Z", "2026-03-03T15:00:00Z"]),
        }
    ),
    max_size=4,
)
JOB_ITEMS = _records(ENTRIES, exportJobId=JOB_IDS, status=st.sampled_from(STATUSES), failureReason=st.just("Closed"))
ITEMS = _records(
    ENTRIES,
    jobId=JOB_IDS,
    itemStatus=st.sampled_from(STATUSES),
    validationStatus=st.sampled_from(["passed", "failed", None]),
    amount=st.integers(-500, 500).map(lambda value: books.money("EUR", value)),
)


@given(JOB_RECORDS, JOB_ITEMS, ITEMS, st.booleans())
def test_states_add_up_to_the_items_and_the_rows(
    jobs: list[dict[str, Any]], listed: list[dict[str, Any]], items: list[dict[str, Any]], all_jobs: bool
) -> None:
    store, table = RecordStore(now=books.NOW), io.StringIO()
    data = b"".join(map(mapper.line, [*jobs, *listed, *items]))
    read_lines(io.BytesIO(data), "input", "", store, lambda _size: None)

    summary = summarize(store, Spreadsheet(table), all_jobs=all_jobs)
    store.close()

    rows = list(csv.DictReader(io.StringIO(table.getvalue())))
    parts = summary.totals.parts
    assert sum(items for _, items in parts) == summary.totals.items == len(rows)
    assert sum(job.items for job in summary.jobs.values()) == summary.totals.items
    assert len({row["accounting entry"] for row in rows}) == len(rows)
    if all_jobs:
        assert len(rows) == len({each["accountingEntryId"] for each in [*listed, *items]})


def test_the_sum_is_the_same_on_page_and_terminal_and_in_the_csv(make_report: Callable[..., ReportRun]) -> None:
    listed = {"exportJobId": books.JOBS[0], "accountingEntryId": "not-read", "status": "pending"}
    made = make_report(books.scene() + mapper.record(listed, "export_job_items"))

    line = "163 ready + 34 blocked + 9 recorded + 2 refused earlier + 1 not read = 209 items"
    assert f"\n{line}\n" in made.stdout
    (shown,) = re.findall(r'<p class="sum">(.*?)</p>', made.page)
    assert re.sub("<.*?>", "", shown) == line
    states = [row["state"] for row in made.rows]
    terms = [term.split(" ", 1) for term in line.partition(" = ")[0].split(" + ")]
    assert {state: states.count(state) for state in states} == {state: int(count) for count, state in terms}
    assert "1</data> items are in Pleo’s list of a job but were not read yet" in made.page


def test_sums_are_those_of_the_rows_in_whole_cents(make_report: Callable[..., ReportRun]) -> None:
    amounts = ("1.005", "1.005", "2.50")
    items = [
        mapper.item(number, amount={"inWalletCurrency": {"currency": "EUR", "value": Decimal(amount) * 100}})
        for number, amount in enumerate(amounts, 1)
    ]
    made = make_report(books.validated(items, {"disabled_checks": list(BUILTIN_CHECKS)}))

    rows = [row for row in made.rows if row["state"] == "ready"]
    assert [(row["amount"], row["exact amount"]) for row in rows] == [
        ("1.01", "1.005"),
        ("1.01", "1.005"),
        ("2.50", ""),
    ]
    assert "3  ready to book        4.52 EUR" in made.stdout
    assert "2 with fractions of a cent" in made.stdout
    assert "2</data> items have fractions of a cent" in made.page
    assert made.page.count("<small>exactly ") == 2


@pytest.mark.parametrize(
    ("locale", "blocked"),
    [
        ("de-DE", {"EUR": "4.119,75", "GBP": "14.757,43", "USD": "1.989,39"}),
        ("da-DK", {"EUR": "4.119,75", "GBP": "14.757,43", "USD": "1.989,39"}),
        ("sv-SE", {"EUR": "4\xa0119,75", "GBP": "14\xa0757,43", "USD": "1\xa0989,39"}),
    ],
)
def test_the_amounts_of_a_local_csv_add_up_to_the_terminals(
    make_report: Callable[..., ReportRun], locale: str, blocked: dict[str, str]
) -> None:
    made = make_report(books.scene(), "--locale", locale)

    data = made.csv.read_bytes()
    assert data.startswith(b'\xef\xbb\xbf"state";"reason";')
    sums: dict[str, Decimal] = {}
    for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"):
        assert re.fullmatch(r"(\d{4}-\d\d-\d\d)?", row["date"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", row["job created"])
        if row["state"] == "blocked":
            amount = Decimal(row["amount"].replace(",", "."))
            sums[row["currency"]] = sums.get(row["currency"], Decimal()) + amount
    assert {name: re.sub(r"\D", "", total) for name, total in blocked.items()} == {
        name: re.sub(r"\D", "", str(total)) for name, total in sums.items()
    }
    assert ", ".join(f"{total} {name}" for name, total in blocked.items()) in made.stdout


def test_the_csv_has_the_reasons_of_items_refused_earlier(make_report: Callable[..., ReportRun]) -> None:
    listed = {
        "exportJobId": books.JOBS[1], "accountingEntryId": "refused-1", "status": "failed",
        "failureReasonType": "vendor_unknown", "failureReason": "=Vendor 77 is blocked",
    }  # fmt: skip
    made = make_report(books.scene() + mapper.record(listed, "export_job_items"))

    (row,) = (row for row in made.rows if row["accounting entry"] == "refused-1")
    assert (row["state"], row["reason"], row["where"]) == (
        "refused earlier",
        "'=Vendor 77 is blocked",
        "Accounting system",
    )
    assert "export them again" in row["what to do"]
    assert (row["job"], row["company"], row["amount"], row["currency"]) == (books.JOBS[1], books.SUBSIDIARY, "", "")
