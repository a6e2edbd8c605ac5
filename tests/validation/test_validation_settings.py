"""Settings: all mistakes at once, with JSON Pointer, allowed values and the nearest name."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tap_pleo_export.validation import SettingsError, Validator, parse_settings
from tap_pleo_export.validation.settings import settings_schema

CHECK: dict[str, Any] = {"id": "own", "schema": {}, "failureReasonType": "validation_failure", "failureReason": "No."}


def problems(config: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(config)
    return caught.value.problems


def company(**members: Any) -> dict[str, Any]:
    return {"configuration": [{"companyId": "*"} | members]}


def row(**members: Any) -> dict[str, Any]:
    voucher = {"document": "expense", "debit": "line", "credit": "wallet"} | members
    return {"booking": [{"when": {}, "vouchers": [voucher], "way": "out"}]}


def check(**members: Any) -> dict[str, Any]:
    return {"checks": [CHECK | members]}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"on_failur": 1}, "/on_failur: unknown setting 'on_failur', did you mean 'on_failure'? … emit_updates)"),
        (
            {"on_failure": "seperate"},
            "/on_failure: unknown value 'seperate', did you mean 'separate'? … (allowed: annotate, separate, drop)",
        ),
        ({"null_bookkeeping": "ap"}, "/null_bookkeeping: unknown value 'ap' … (allowed: journal, accounts_payable)"),
        ({"emit_updates": "onyl"}, "/emit_updates: unknown value 'onyl', did you mean 'only'?"),
        ({"configuration": {}}, "/configuration: expected a list"),
        ({"configuration": [{}]}, "/configuration/0/companyId: is missing"),
        (company(companyId=""), "/configuration/0/companyId: must not be empty"),
        (company(jurnal="J"), "/configuration/0/jurnal: unknown setting 'jurnal', did you mean 'journal'?"),
        (company(journal=100), '/configuration/0/journal: 100 is not text: write it in quotes ("100") … leading zeros'),
        (company(journal=True), "/configuration/0/journal: true is not text: write it in quotes"),
        (company(accounts={"wallet": 400}), "/configuration/0/accounts/wallet: 400 is not text: write it in quotes"),
        (company(accounts={"wallet": {"GBP": 400}}), "/configuration/0/accounts/wallet/GBP: 400 is not text"),
        (company(accounts={"wallet": {"gbp": "1"}}), "/configuration/0/accounts/wallet/gbp: is not a currency … or *"),
        (
            company(accounts={"walet": "1"}),
            (
                "/configuration/0/accounts/walet: unknown account role 'walet', did you mean 'wallet'? … "
                "(allowed: wallet, outOfPocket, contra, accountsPayable, externalReimbursement, fees, otherIncome)"
            ),
        ),
        (company(accounts={"contraAccount": "1"}), "/configuration/0/accounts/contraAccount: unknown account role"),
        (
            {"configuration": [{"companyId": "aB"}, {"companyId": "Ab"}]},
            "/configuration/1/companyId: company ab has an entry already … /configuration/0",
        ),
        ({"gl_account_not_required_for": "fee"}, "/gl_account_not_required_for: expected a list"),
        ({"booking": [{"skip": True}]}, "/booking/0/when: is missing"),
        (
            {"booking": [{"when": {"method": "jurnal"}, "skip": True}]},
            "/booking/0/when/method: unknown bookkeeping method 'jurnal', did you mean 'journal'?",
        ),
        (
            {"booking": [{"when": {"typs": ["fee"]}, "skip": True}]},
            "/booking/0/when/typs: unknown setting 'typs', did you mean 'types'?",
        ),
        (
            {"booking": [{"when": {"types": ["fee", "milage"]}, "skip": True}]},
            "/booking/0/when/types/1: unknown item type 'milage', did you mean 'mileage'?",
        ),
        (
            {"booking": [{"when": {"subTypes": ["intrest"]}, "skip": True}]},
            "/booking/0/when/subTypes/0: unknown item subtype 'intrest', did you mean 'interest'?",
        ),
        (
            row(document="expence"),
            "/booking/0/vouchers/0/document: unknown document 'expence', did you mean 'expense'?",
        ),
        (row(debit=[]), "/booking/0/vouchers/0/debit: must not be empty"),
        ({"booking": [{"when": {}, "way": "in"}]}, "/booking/0/vouchers: is missing"),
        (
            company(journal={"bil": "PURCH"}),
            "/configuration/0/journal/bil: unknown document 'bil', did you mean 'bill'?",
        ),
        (
            {"gl_account_not_required_for": ["milage"]},
            "/gl_account_not_required_for/0: unknown item type 'milage', did you mean 'mileage'?",
        ),
        ({"vendor_accounts": {"V1": 2440}}, '/vendor_accounts/V1: 2440 is not text: write it in quotes ("2440")'),
        ({"vendor_accounts": "no/such.csv"}, "/vendor_accounts: cannot read 'no/such.csv'"),
        (
            {"references": {"gl_account": []}},
            "/references/gl_account: unknown setting 'gl_account', did you mean 'gl_accounts'?",
        ),
        ({"references": {"tags": ["a", 7]}}, '/references/tags/1: 7 is not text: write it in quotes ("7")'),
        (
            {"references": {"tags": "no/such.csv"}},
            "/references/tags: cannot read 'no/such.csv': No such file or directory",
        ),
        (
            {"disabled_checks": ["tag_exist"]},
            "/disabled_checks/0: unknown check 'tag_exist', did you mean 'tag_exists'?",
        ),
        (check(id="tag_exists"), "/checks/0/id: 'tag_exists' is the id of a built-in check"),
        ({"checks": [CHECK, CHECK]}, "/checks/1/id: 'own' is the id of /checks/0"),
        (
            check(failureReasonType="vendor_unknwn"),
            "/checks/0/failureReasonType: unknown item failure type 'vendor_unknwn', did you mean 'vendor_unknown'?",
        ),
        (
            check(severity="warn"),
            "/checks/0/severity: unknown value 'warn', did you mean 'warning'? … (allowed: error, warning)",
        ),
        (check(failureReason=""), "/checks/0/failureReason: must not be empty"),
        (check(schema=[]), "/checks/0/schema: expected true or false or a map"),
        (
            check(schema={"properties": {"a": {"type": "strng"}}}),
            (
                "/checks/0/schema/properties/a/type: unknown type 'strng', did you mean 'string'? … "
                "(allowed: array, boolean, integer, null, number, object, string)"
            ),
        ),
        (check(schema={"minLength": "3"}), "/checks/0/schema/minLength: expected a whole number"),
        (check(schema={"properties": {"a": {"pattern": "(["}}}), "/checks/0/schema/properties/a/pattern: "),
        (check(schema={"format": "dat"}), "/checks/0/schema/format: Unknown format"),
        (check(schema={"$ref": "https://schemas.example/a.json"}), "/checks/0/schema: "),
        (check(schema={"$ref": "#/$defs/a"}), "/checks/0/schema: "),
        (
            check(schema={"$schema": "http://json-schema.org/draft-07/schema#"}),
            "/checks/0/schema/$schema: only JSON Schema 2020-12",
        ),
    ],
)
def test_mistake(config: dict[str, Any], expected: str) -> None:
    start, _, end = expected.partition(" … ")
    (problem,) = problems(config)
    assert problem.startswith(start)
    assert problem.endswith(end)


def test_all_mistakes_at_once() -> None:
    config = {
        "nonsense": 1,
        "configuration": [{"companyId": "a", "journal": 1}, {"companyId": "A", "accounts": {"cash": "1"}}],
        "references": {"tags": "no/such.csv", "vendor": []},
        "checks": [CHECK | {"schema": {"type": 1}}, {"id": "x"}],
        "disabled_checks": ["own", "x", "y"],
        "on_failure": "ignore",
    }
    found = [problem.split(":")[0] for problem in problems(config)]
    assert sorted(found) == [
        "/checks/0/schema/type",
        "/checks/1/failureReason",
        "/checks/1/failureReasonType",
        "/checks/1/schema",
        "/configuration/0/journal",
        "/configuration/1/accounts/cash",
        "/configuration/1/companyId",
        "/disabled_checks/2",
        "/nonsense",
        "/on_failure",
        "/references/tags",
        "/references/vendor",
    ]


def test_null_counts_as_not_set() -> None:
    names = settings_schema()["properties"]
    assert parse_settings(dict.fromkeys(names)) == parse_settings({})


def test_role_of_a_custom_booking_table_is_accepted() -> None:
    config = company(journal="J", accounts={"clearing": "1"}) | row(credit=["clearing", "wallet"])
    verdict = Validator(parse_settings(config)).judge({"type": "fee"})
    assert verdict.checks[0].status == "passed"
    assert problems(company(accounts={"clearing": "1"}))


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        (row(credit="walet"), "/booking: 'walet' is a new role, did you mean 'wallet'?"),
        ({"references": {"tags": []}}, "/references/tags: is empty, so its check fails every code"),
        (
            check(schema={"requierd": ["note"]}),
            "/checks/0/schema/requierd: is not a JSON Schema keyword and has no effect, did you mean 'required'?",
        ),
    ],
)
def test_likely_mistake_is_a_hint(config: dict[str, Any], hint: str) -> None:
    assert parse_settings(config).hints == (hint,)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.json", b'["0400", " 6100 "]', {"0400", "6100"}),
        ("a.JSON", b'\xef\xbb\xbf["x"]', {"x"}),
        ("a.txt", b"0400\n\n 6100 \r\n", {"0400", "6100"}),
        ("a.csv", b'code,name\n0400,Petty cash\n"A,1",Office\n', {"code", "0400", "A,1"}),
        ("a.csv", b"0400;Kasse, bar\n6100;B\xc3\xbcro\n", {"0400", "6100"}),
        ("a.csv", b"0400\tCash; petty\n", {"0400"}),
        ("a.csv", b'"0400","Cash; petty"\n', {"0400"}),
        ("a.txt", b"", set()),
    ],
)
def test_reference_files(name: str, data: bytes, expected: set[str], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert parse_settings({"references": {"tags": str(tmp_path / name)}}).references["tags"] == expected


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.json", b"{", "is not JSON: expected an array of strings"),
        ("a.json", b"[" * 200_000 + b"]" * 200_000, "is not JSON: expected an array of strings"),
        ("a.json", b'{"a": 1}', "is not an array of strings"),
        ("a.json", b"[400]", "write codes in quotes"),
        ("a.txt", b"caf\xe9", "is not UTF-8 text: save it as UTF-8"),
        ("", b"", "Is a directory"),
    ],
)
def test_unusable_reference_file(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    if name:
        (tmp_path / name).write_bytes(data)
    (problem,) = problems({"references": {"vendors": str(tmp_path / name)}})
    assert problem.startswith("/references/vendors: ")
    assert why in problem


def test_remote_schemas_are_not_fetched() -> None:
    # A real one: the library would connect past Python's sockets.
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        (problem,) = problems(check(schema={"$ref": f"http://127.0.0.1:{port}/schema.json"}))
        assert "references to other documents are refused" in problem
        with pytest.raises(BlockingIOError):
            server.accept()
