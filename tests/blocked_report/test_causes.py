"""Every built-in check's words are understood: run through the real mapper, then told to a bookkeeper."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tap_pleo_export.blocked_report.causes import cause_of, reported
from tap_pleo_export.blocked_report.item import read_item
from tap_pleo_export.blocked_report.remedies import ACCOUNTING, INTEGRATION, ITEM, SETTING, WHO, remedy
from tap_pleo_export.singer.exact_json import members
from tests.helpers import books, mapper
from tests.validation.random_cases import ROLES

LISTS = {name: ["known"] for name in ("gl_accounts", "tax_codes", "tags", "vendors")}


def told(config: dict[str, Any], **changes: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Return titles and places of what the mapper finds in an item."""
    data = books.validated([mapper.item(**changes)], config)
    (record,) = mapper.Output(data).records()
    item = read_item(members(mapper.dumps(record).encode()))
    assert item
    return [(remedy(cause).title, remedy(cause).places) for cause in item.causes]


NOBODY: dict[str, Any] = {"configuration": []}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, tuple[str, ...]]]]] = [
    (
        "nothing configured",
        NOBODY,
        {},
        [("No journal for company 12abc3d4", (INTEGRATION,))],
    ),
    (
        "no wallet",
        {"configuration": [{"companyId": "*", "journal": "J"}]},
        {"contraAccount": None},
        [("No contra account for GBP", (SETTING, INTEGRATION))],
    ),
    (
        "out of pocket",
        {"configuration": [{"companyId": "*", "journal": "J"}]},
        {"type": "out_of_pocket"},
        [("No out-of-pocket account for GBP", (INTEGRATION,))],
    ),
    (
        "accounts payable",
        {"configuration": [{"companyId": "*", "journal": "J"}]},
        {"bookkeeping": {"method": "accounts_payable"}},
        [("No vendor selected", (ITEM,)), ("No accounts payable account for GBP", (INTEGRATION,))],
    ),
    (
        "lines",
        mapper.GOOD,
        {"accountingEntryLines": [books.line(None), books.line(books.category("Meals", None)), books.line(None)]},
        [("A line has no category", (ITEM,)), ("Category “Meals” has no account code", (SETTING,))],
    ),
    (
        "no lines",
        mapper.GOOD,
        {"accountingEntryLines": []},
        [("Nothing to book: the item has no lines", (ITEM,))],
    ),
    (
        "lists",
        mapper.GOOD | {"references": LISTS},
        {
            "vendor": {"name": "Nordlys", "code": "V1"},
            "accountingEntryLines": [
                books.line(books.category("Meals", "6199"), tags=[{"code": "PRJ-9"}], tax={"code": "T20"})
            ],
        },
        [
            ("Account 6199 is not in the accounting system", (ACCOUNTING, SETTING)),
            ("Tax code T20 is not in the accounting system", (ACCOUNTING, SETTING)),
            ("Tag PRJ-9 is not in the accounting system", (ACCOUNTING, ITEM)),
            ("Vendor “Nordlys” is not in the accounting system, or is blocked there", (ACCOUNTING, ITEM)),
        ],
    ),
    (
        "own contra account only",
        mapper.GOOD | {"requirements": [{"when": {}, "needs": ["contraAccount"]}]},
        {"contraAccount": {"name": "Pleo GBP", "code": None}},
        [("The contra account for GBP has no code", (SETTING,))],
    ),
    (
        "a rule of the user's",
        mapper.GOOD | {"checks": books.CONFIG["checks"]},
        {"note": None, "team": None, "amount": books.money("GBP", 100_000)},
        [
            ("Note missing: purchases of 1,000 and more need one", (ITEM,)),
            ("No team: the expense goes to the overhead cost centre", (ITEM,)),
        ],
    ),
    (
        "a check that breaks",
        mapper.GOOD,
        {"accountingEntryLines": "nonsense"},
        [("The check “expense_gl_account” could not be run", (INTEGRATION,))],
    ),
]


@pytest.mark.parametrize(
    ("config", "changes", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_the_mapper_finds_is_told_in_plain_words(
    config: dict[str, Any], changes: dict[str, Any], expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert told(config, **changes) == expected


@pytest.mark.parametrize("seed", range(40))
def test_no_need_is_left_in_the_checks_own_words(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - the same cases each time
    needs = [rng.sample(ROLES, rng.randint(1, 3))]
    found = told(
        {"configuration": [{"companyId": "*"}], "requirements": [{"when": {}, "needs": needs}]},
        contraAccount=None,
        amount=books.money(rng.choice(["GBP", "UNDEFINED"]), 1),
    )

    assert len(found) == 1
    assert "missing" not in found[0][0]


def test_lines_that_lack_the_same_are_one_cause() -> None:
    lines = [books.line(books.category("Meals", None)) for _ in range(2000)]

    assert len(told(mapper.GOOD, accountingEntryLines=lines)) == 1


def test_what_pleo_lists_as_refused_keeps_its_words() -> None:
    assert remedy(reported("unexpected_failure", "Period 2026-02 is closed")).title == "Period 2026-02 is closed"
    assert remedy(reported("vendor_unknown", "")).title == "Vendor unknown"
    assert remedy(reported("", "")).title == "Refused without a reason"


@pytest.mark.parametrize("finding", [{}, {"status": "failed"}, {"check": [], "failureReason": 7, "severity": None}])
def test_a_finding_of_another_shape_is_still_one(finding: dict[str, Any]) -> None:
    assert remedy(cause_of(finding)).title == "Failed without a reason"


def test_every_place_says_who() -> None:
    assert set(WHO) == {SETTING, ITEM, INTEGRATION, ACCOUNTING}
