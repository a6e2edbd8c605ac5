"""Causes and remedies of the mapper's findings."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tap_pleo_export.blocked_report.causes import PLACES, Cause, cause_of, refused, remedy_of, with_company_names
from tap_pleo_export.blocked_report.item import read_item
from tap_pleo_export.singer.exact_json import members
from tests.helpers import books, mapper
from tests.validation.random_cases import ROLES

SETTING, ITEM, INTEGRATION, ACCOUNTING = PLACES
JOURNAL: dict[str, Any] = {"configuration": [{"companyId": "*", "journal": "J"}]}
LISTS = {name: ["known"] for name in ("gl_accounts", "tax_codes", "tags", "vendors")}


def remedies(config: dict[str, Any], **changes: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Return titles and places for the findings of an item."""
    data = books.validated([mapper.item(**changes)], config)
    (record,) = mapper.Output(data).records()
    item = read_item(members(mapper.dumps(record).encode()))
    assert item
    found = map(remedy_of, item.causes)
    return [(remedy.title, remedy.places) for remedy in found]


CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, tuple[str, ...]]]] = [
    ({"configuration": []}, {}, {"No journal for company 12abc3d4": (INTEGRATION,)}),
    (JOURNAL, {"contraAccount": None}, {"No contra account for GBP": (SETTING, INTEGRATION)}),
    (JOURNAL, {"type": "out_of_pocket"}, {"No out-of-pocket account for GBP": (INTEGRATION,)}),
    (
        JOURNAL,
        {"bookkeeping": {"method": "accounts_payable"}},
        {"No vendor selected": (ITEM,), "No accounts payable account for GBP": (INTEGRATION,)},
    ),
    (
        mapper.GOOD,
        {
            "accountingEntryLines": [books.line(None), books.line(books.category("Meals", None)), books.line(None)],
            "amount": books.money("GBP", 3 * 6366),
        },
        {"A line has no category": (ITEM,), "Category “Meals” has no account code": (SETTING,)},
    ),
    (mapper.GOOD, {"accountingEntryLines": []}, {"Nothing to book: the item has no lines": (ITEM,)}),
    (
        mapper.GOOD | {"references": LISTS},
        {
            "vendor": {"name": "Nordlys", "code": "V1"},
            "accountingEntryLines": [
                books.line(books.category("Meals", "6199"), tags=[{"code": "PRJ-9"}], tax={"code": "T20"})
            ],
        },
        {
            "Account 6199 is not in the accounting system": (ACCOUNTING, SETTING),
            "Tax code T20 is not in the accounting system": (ACCOUNTING, SETTING),
            "Tag PRJ-9 is not in the accounting system": (ACCOUNTING, ITEM),
            "Vendor “Nordlys” is not in the accounting system, or is blocked there": (ACCOUNTING, ITEM),
        },
    ),
    (
        mapper.GOOD,
        {"type": "fee", "accountingEntryLines": []},
        {"No category and no account for fees for GBP": (INTEGRATION, ITEM)},
    ),
    (mapper.GOOD, {"type": "overdraft"}, {"Overdraft is not in the booking table": (INTEGRATION,)}),
    (
        mapper.GOOD,
        {"type": "invoice_payment", "subType": "invoice_payment_lost"},
        {"Invoice payment: invoice payment lost is not in the booking table": (INTEGRATION,)},
    ),
    (mapper.GOOD, {"amount": books.money("GBP", 1)}, {"The amounts of item and lines do not agree": (ITEM,)}),
    (
        mapper.GOOD | {"checks": books.CONFIG["checks"]},
        {
            "note": None,
            "team": None,
            **books.one_line("GBP", 100_000),
        },
        {
            "Note missing: purchases of 1,000 and more need one": (ITEM,),
            "No team: the expense goes to the overhead cost centre": (ITEM,),
        },
    ),
    (
        mapper.GOOD,
        {"accountingEntryLines": "nonsense"},
        {"The check “required_configuration” could not be run": (INTEGRATION,)},
    ),
]


@pytest.mark.parametrize(("config", "changes", "expected"), CASES)
def test_findings_of_the_mapper_have_remedies(
    config: dict[str, Any], changes: dict[str, Any], expected: dict[str, tuple[str, ...]]
) -> None:
    assert remedies(config, **changes) == list(expected.items())


@pytest.mark.parametrize("seed", range(40))
def test_every_requirement_has_a_remedy(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - the same cases each time
    voucher = {"document": "expense", "debit": rng.sample(ROLES, rng.randint(1, 3)), "credit": "line"}
    found = remedies(
        {
            "configuration": [{"companyId": "*", "journal": "J"}],
            "booking": [{"when": {}, "vouchers": [voucher], "way": "out"}],
        },
        contraAccount=None,
        **books.one_line(rng.choice(["GBP", "UNDEFINED"]), 1),
    )

    assert len(found) == 1
    assert "missing" not in found[0][0]


def test_lines_with_the_same_problem_are_one_cause() -> None:
    lines = [books.line(books.category("Meals", None)) for _ in range(2000)]
    total = books.money("GBP", 2000 * 6366)

    assert len(remedies(mapper.GOOD, accountingEntryLines=lines, amount=total)) == 1


@pytest.mark.parametrize(
    ("failure_type", "reason", "title"),
    [
        ("unexpected_failure", "Period 2026-02 is {closed}", "Period 2026-02 is {closed}"),
        ("vendor_unknown", "", "Vendor unknown"),
        ("", "", "Refused without a reason"),
    ],
)
def test_refusal_shows_its_reason(failure_type: str, reason: str, title: str) -> None:
    assert remedy_of(refused(failure_type, reason)).title == title


@pytest.mark.parametrize("check", ["required_configuration", "expense_gl_account", "tag_exists", "vendor_exists"])
def test_finding_without_a_subject_shows_its_reason(check: str) -> None:
    reason = "Account wallet (GBP) missing: provide account wallet (GBP) in the configurations"
    finding = {"check": check, "status": "failed", "severity": "error", "failureReason": reason, "path": "/companyId"}

    remedy = remedy_of(cause_of(finding))

    assert (remedy.title, remedy.places) == (reason, (ITEM,))
    assert check in remedy.advice


def test_missing_account_names_its_alternatives_and_no_undefined_currency() -> None:
    subject = {"role": "contra", "alternatives": ["accountsPayable", "mystery"], "currency": "UNDEFINED"}
    finding = {"check": "required_configuration", "status": "failed", "subject": subject}

    names = "contra account or accounts payable account or account “mystery”"
    assert cause_of(finding) == Cause("account_missing", names)


@pytest.mark.parametrize(
    ("finding", "cause"),
    [
        ({"status": "error", "severity": "warning"}, Cause("check_broke", "limits", blocking=False)),
        ({"status": "error", "severity": "error"}, Cause("check_broke", "limits")),
        ({"severity": "warning", "failureReason": "Late"}, Cause("rule", "limits", reason="Late", blocking=False)),
        ({"failureReason": "r" * 300}, Cause("rule", "limits", reason="r" * 300)),
        ({"failureReasonType": "too_late"}, Cause("rule", "limits", reason="too_late")),
    ],
)
def test_cause_of_a_finding_without_a_subject(finding: dict[str, Any], cause: Cause) -> None:
    assert cause_of({"check": "limits", **finding}) == cause


@pytest.mark.parametrize(
    ("cause", "title"),
    [
        (Cause("journal_missing"), "No journal for an unnamed company"),
        (Cause("journal_missing", "c1-2"), "No journal for company c1-2"),
        (Cause("wallet_missing"), "No contra account"),
        (Cause("wallet_missing", currency="EUR"), "No contra account for EUR"),
        (Cause("vendor_unknown"), "A vendor is not in the accounting system, or is blocked there"),
        (Cause("vendor_unknown", "Uber"), "Vendor “Uber” is not in the accounting system, or is blocked there"),
    ],
)
def test_title_of_a_remedy(cause: Cause, title: str) -> None:
    assert remedy_of(cause).title == title


@pytest.mark.parametrize(("name", "rule"), [("", "a check"), ("limits", "the rule “limits”")])
def test_advice_names_the_rule(name: str, rule: str) -> None:
    assert remedy_of(Cause("rule", name)).advice.startswith(f"This is the text of {rule}. ")


def test_companies_of_causes_are_named() -> None:
    causes = (Cause("journal_missing", "C-1"), Cause("journal_missing", "c-2"), Cause("vendor_unknown", "c-1"))
    expected = (Cause("journal_missing", "Nordlys"), *causes[1:])

    assert with_company_names(causes, {"c-1": "Nordlys"}) == expected


def test_unknown_type_is_named_with_its_subtype() -> None:
    finding = {"check": "known_type", "status": "failed", "subject": {"code": "card_purchase", "name": "night_fee"}}

    assert cause_of(finding) == Cause("type_unknown", "Card purchase: night fee")


@pytest.mark.parametrize("finding", [{}, {"status": "failed"}, {"check": [], "failureReason": 7, "severity": None}])
def test_finding_without_a_reason_is_shown(finding: dict[str, Any]) -> None:
    assert remedy_of(cause_of(finding)).title == "Failed without a reason"
