"""Which messages come out, in which order, and what of them is untouched."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tap_pleo_export.singer.exact_json import members
from tap_pleo_export.validation import MEMBERS
from tap_pleo_export.validation.messages import without_verdict
from tests.helpers.mapper import (
    EXTRACTED,
    GOOD,
    KEYS,
    check_protocol,
    dumps,
    failing,
    item,
    line,
    record,
    run,
    run_until_error,
    schema,
    state,
)

MODES: list[dict[str, Any]] = [
    {"on_failure": mode, "emit_updates": updates}
    for mode in ("annotate", "separate", "drop")
    for updates in (False, True)
]


def test_verdict_of_a_failed_item() -> None:
    (after,) = run(schema() + record(failing()), GOOD).records()
    reason = "Line 1 has no category: choose one in Pleo"
    passed: dict[str, Any] = {"status": "passed", "severity": "error"}
    passed |= dict.fromkeys(("failureReasonType", "failureReason", "path", "subject"))
    assert {name: after[name] for name in MEMBERS} == {
        "validationStatus": "failed",
        "validationFailureReasonType": "missing_configuration",
        "validationFailureReason": reason,
        "validationChecks": [
            {"check": "required_configuration"} | passed,
            {
                "check": "expense_gl_account",
                "status": "failed",
                "severity": "error",
                "failureReasonType": "missing_configuration",
                "failureReason": reason,
                "path": "/accountingEntryLines/0/account",
                "subject": {"role": "glAccount", "line": 1},
            },
            {"check": "amounts_add_up"} | passed,
            {"check": "known_type"} | passed,
            {"check": "tax_is_booked"} | passed | {"severity": "warning"},
        ],
        "bookkeepingMethod": "journal",
        "posting": {"outcome": "failed", "reason": reason, "vouchers": []},
    }


def test_schema_is_extended() -> None:
    (message,) = run(schema(bookmark_properties=["date"], vendor_extension={"a": 1})).messages
    assert message["bookmark_properties"] == ["date"]
    assert message["vendor_extension"] == {"a": 1}
    assert message["key_properties"] == KEYS
    own = message["schema"]["properties"]
    before = json.loads(schema())["schema"]
    assert list(own) == [*before["properties"], *MEMBERS]
    assert message["schema"] | {"properties": None} == before | {"properties": None}
    assert all(own[name]["description"] for name in MEMBERS)


def test_record_envelope_is_unchanged() -> None:
    message = {"record": item(), "custom": [1], "version": 17, "time_extracted": EXTRACTED}
    message |= {"stream": "export_items", "type": "RECORD"}
    (_, after) = run(schema() + line(message), GOOD).messages
    assert list(after) == list(message)
    assert after | {"record": 0} == message | {"record": 0}


@pytest.mark.parametrize(
    "number",
    ["12345678901234567", "-0.005", "1e400", "1E+2", "0.10", "-0", "1.0", "9" * 5000, "1234567890123456789012.5"],
)
def test_numbers_are_kept_digit_for_digit(number: str) -> None:
    text = dumps(item(), (", ", ": ")).replace("6366", number).encode()
    output = run(schema() + b'{"type": "RECORD", "stream": "export_items", "record": ' + text + b"}\n", GOOD)
    assert text[:-1] in output.lines[1]
    assert b'"validationStatus":"passed"' in output.lines[1]


@pytest.mark.parametrize(
    "note",
    [r"\ud800", "\u2028", r"\u2028\u00e9 \ud83d\ude00 \/", "café 😀", r"\"validationStatus\":", r"\t nul \u0000"],
)
def test_text_is_kept_byte_for_byte(note: str) -> None:
    text = dumps(item(), (", ", ": ")).replace("Printer ink", note).encode()
    data = schema() + b'{"type": "RECORD", "stream": "export_items", "record": ' + text + b"}\n"
    once = run(data, GOOD)
    assert text[:-1] in once.lines[1]
    assert b'"validationStatus":"passed"' in once.lines[1]
    assert run(once.data, GOOD).data == once.data


def test_second_run_is_byte_identical_despite_nested_member_names() -> None:
    nested = {"method": "journal", "validationStatus": "of another program"}
    text = dumps(item(), (", ", ": ")).replace('"bookkeeping": null', f'"bookkeeping": {dumps(nested)}').encode()
    once = run(schema() + b'{"type": "RECORD", "stream": "export_items", "record": ' + text + b"}\n", GOOD)
    assert text[:-1] in once.lines[1]
    assert run(once.data, GOOD).data == once.data


def test_lone_surrogate_in_a_reason() -> None:
    lines = [failing()["accountingEntryLines"][0] | {"account": {"name": "\ud800", "code": None, "identifier": None}}]
    (after,) = run(schema() + record(failing(accountingEntryLines=lines)), GOOD).records()
    assert after["validationFailureReason"].startswith("Account \ud800 (line 1) missing")


@pytest.mark.parametrize("config", MODES)
def test_order_of_messages(config: dict[str, Any]) -> None:
    items = record(item(1)) + state(1) + record(failing(2)) + state(2) + record(item(3)) + state(3)
    data = schema("export_jobs") + schema() + items
    output = run(data, GOOD | config)
    added = ("export_items_failed", "export_job_item_updates")
    assert [m for m in output.messages if m["type"] == "STATE"] == [json.loads(state(n)) for n in (1, 2, 3)]
    without = [entry for entry in output.order if entry[1] not in added]
    expected = [
        *("SCHEMA", "SCHEMA", "RECORD", "STATE"),
        *(["RECORD"] if config["on_failure"] == "annotate" else []),
        *("STATE", "RECORD", "STATE"),
    ]
    assert [kind for kind, _ in without] == expected
    between = output.order[output.order.index(("STATE", None)) + 1 :]
    failed = between[: between.index(("STATE", None))]
    streams = {"annotate": ["export_items"], "separate": ["export_items_failed"], "drop": []}[config["on_failure"]]
    assert failed == [
        ("RECORD", name) for name in streams + (["export_job_item_updates"] if config["emit_updates"] else [])
    ]
    check_protocol(output)


def test_separated_item_keeps_its_envelope_and_schema() -> None:
    output = run(schema(bookmark_properties=["date"]) + record(failing(), version=3), GOOD | {"on_failure": "separate"})
    items, aside, after = output.messages
    assert aside == items | {"stream": "export_items_failed"}
    assert (after["stream"], after["version"], after["time_extracted"]) == ("export_items_failed", 3, EXTRACTED)
    assert after["record"]["validationStatus"] == "failed"


def test_emit_updates_only_writes_updates_and_state() -> None:
    other = schema("export_jobs") + record({"id": "1"}, "export_jobs")
    data = schema() + other + record(item()) + record(failing(7)) + state({"a": 1})

    output = run(data, GOOD | {"emit_updates": "only", "on_failure": "separate"})

    assert [(m["type"], m.get("stream")) for m in output.messages] == [
        ("SCHEMA", "export_job_item_updates"),
        ("RECORD", "export_job_item_updates"),
        ("STATE", None),
    ]
    assert output.messages[1]["record"]["accountingEntryId"] == failing(7)["accountingEntryId"]


def test_update_of_a_failed_item() -> None:
    output = run(schema() + record(failing(7)), GOOD | {"emit_updates": True})
    reason = "Line 1 has no category: choose one in Pleo"
    assert output.messages[-1] == {
        "type": "RECORD",
        "stream": "export_job_item_updates",
        "record": {
            "jobId": failing()["jobId"],
            "accountingEntryId": failing(7)["accountingEntryId"],
            "status": "failed",
            "failureReasonType": "missing_configuration",
            "failureReason": reason,
        },
        "time_extracted": EXTRACTED,
    }
    (update_schema,) = [
        m for m in output.messages if m["type"] == "SCHEMA" and m["stream"] == "export_job_item_updates"
    ]
    assert update_schema["key_properties"] == KEYS


OTHERS = [
    schema("export_jobs") + record({"id": "1", "n": Decimal("0.10")}, "export_jobs"),
    b'{ "type" : "RECORD", "stream": "other", "record": {"a": 1e400, "b": "\\ud800"} }\n',
    b'{"type":"ACTIVATE_VERSION","stream":"other","version":1}\n',
    b'{"type":"BATCH","stream":"other","encoding":{},"manifest":[]}\n',
    b'{"type":"STATE","value":{"a":[1.10]},"extra":null}\n',
    b'{"type":"METRIC_OF_TOMORROW","stream":7}\n',
    b'{"type":"ACTIVATE_VERSION","stream":"export_items","version":1}\n',
    b'{"record":{"x":1},"stream":"other","type":"RECORD","unknown":[1,2]}\n',
    b'{"type":"STATE","value":{}} \t\r\n',
    b'  {"type":"RECORD","stream":"other","record":{"x":1}} \n',
    b'{"type":"RECORD","stream":"export_job_item_updates","record":{"status":"successful"}}\n',
]


@pytest.mark.parametrize("data", OTHERS)
def test_other_messages_pass_byte_for_byte(data: bytes) -> None:
    assert run(data, GOOD | {"emit_updates": True}).data == data


def test_version_is_activated_for_separated_items() -> None:
    data = schema() + line({"type": "ACTIVATE_VERSION", "stream": "export_items", "version": 5})
    assert run(data, {"on_failure": "separate"}).order[-2:] == [
        ("ACTIVATE_VERSION", "export_items"),
        ("ACTIVATE_VERSION", "export_items_failed"),
    ]


def test_blank_lines_and_missing_final_newline() -> None:
    output = run(b"\n" + schema() + b"  \r\n" + record(item()).rstrip(b"\n"), GOOD)
    assert output.order == [("SCHEMA", "export_items"), ("RECORD", "export_items")]


def test_records_without_schema_are_validated() -> None:
    output = run(record(failing()), GOOD | {"on_failure": "separate", "emit_updates": True})
    check_protocol(output)
    assert output.records("export_items_failed")[0]["validationStatus"] == "failed"
    assert len(output.records("export_job_item_updates")) == 1


def test_empty_record() -> None:
    (after,) = run(schema() + b'{"type":"RECORD","stream":"export_items","record":{ }}\n').records()
    assert list(after) == list(MEMBERS)


def own(schema_: dict[str, Any]) -> dict[str, Any]:
    check = {"id": "own", "schema": schema_, "failureReasonType": "validation_failure", "failureReason": "No."}
    return GOOD | {"checks": [check]}


def test_checks_do_not_see_an_earlier_verdict() -> None:
    config = own({"not": {"propertyNames": {"not": {"pattern": "^validation"}}}})
    once = run(schema() + record(item()), config)
    assert once.records()[0]["validationStatus"] == "failed"
    assert run(once.data, config).data == once.data


@pytest.mark.parametrize("note", ["plain", "\ud800 which only the standard library reads"])
@pytest.mark.parametrize(
    ("value", "status"), [("100000.00000000000001", "failed"), ("100000", "passed"), ("99999.9", "passed")]
)
def test_checks_see_exact_numbers(note: str, value: str, status: str) -> None:
    money = {"inWalletCurrency": {"currency": "GBP", "value": Decimal(value)}}
    limit = {
        "properties": {"amount": {"properties": {"inWalletCurrency": {"properties": {"value": {"maximum": 100000}}}}}}
    }
    line = item()["accountingEntryLines"][0] | {"lineAmount": money}
    changed = item(note=note, amount=money, accountingEntryLines=[line])
    (after,) = run(schema() + record(changed), own(limit)).records()
    assert after["validationStatus"] == status


@pytest.mark.parametrize(
    ("annotated", "plain"),
    [
        ('{"a": 1,%s}', '{"a": 1}'),
        ('{"a": 1 ,%s , "b" : 2.0 }', '{"a":1,"b":2.0}'),
        ('{%s,"a":1e400}', '{"a":1e400}'),
        ("{%s}", "{}"),
        ('{"a":1,"bookkeepingMethod":"journal","validationStatus":"x"}', '{"a":1}'),
        (
            '{"a":{"validationStatus":1,"x":2},%s,"b":{"c":1,"validationStatus":3}}',
            '{"a":{"validationStatus":1,"x":2},"b":{"c":1,"validationStatus":3}}',
        ),
        ('{"validationStatus":1,"a":1,%s}', '{"a":1}'),
        ('{"a": {"x": 2,"validationStatus": 1}, "b": 1.0,%s}', '{"a": {"x": 2,"validationStatus": 1}, "b": 1.0}'),
    ],
)
def test_earlier_verdict_is_removed_from_any_position(annotated: str, plain: str) -> None:
    (line,) = run(schema() + record({}), {}).lines[1:]
    verdict = bytes(members(line)["record"])[1:-1].decode()
    assert without_verdict(annotated.replace("%s", verdict).encode()) == plain.encode()


def test_whitespace_and_member_order_do_not_matter() -> None:
    text = dumps({"record": failing() | {"a": [1, {}]}, "type": "RECORD", "stream": "export_items"}, (" , ", " : "))
    output = run(schema() + text.encode() + b"\n" + record(item(2)), GOOD)
    assert [after["validationStatus"] for after in output.records()] == ["failed", "passed"]
    assert json.loads(output.lines[1])["record"]["a"] == [1, {}]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b'{"type":"RECORD","stream":"export_items","record":{"iban":"GB33BUKB', "is not a JSON object"),
        (b"Traceback GB33BUKB", "is not a JSON object"),
        (b'["GB33BUKB"]', "is not a JSON object"),
        (b'{"stream":"export_items","record":{"iban":"GB33BUKB"}}', "has no message type"),
        (b'{"type":5,"iban":"GB33BUKB"}', "has no message type"),
        (b'{"type":"RECORD","stream":"export_items","record":["GB33BUKB"]}', "has a record that is not an object"),
        (b'{"type":"RECORD","stream":"export_items","iban":"GB33BUKB"}', "has no record"),
        (
            b'{"type":"RECORD","stream":"export_items","record":{"iban":"GB33BUKB\xff"}}',
            "has a record that is not JSON",
        ),
        (b'{"type":"RECORD","stream":"export_items","record":{"a":NaN,"iban":"GB33BUKB"}}', "is not a JSON object"),
        (b'{"type":"RECORD","stream":"other","record":{"iban":"GB33BUKB\xff"}}', "is not UTF-8 text"),
        (b'{"type":"SCHEMA","stream":"export_items","schema":"GB33BUKB"}', "has a schema that is not an object"),
        (
            b'{"type":"SCHEMA","stream":"export_items","schema":{"properties":["GB33BUKB"]}}',
            "has a schema with properties",
        ),
        (b'{"type":"BATCH","stream":"export_items","manifest":["GB33BUKB"]}', "is a BATCH of export_items"),
        (b'{"type":"STATE","value":' + b"[" * 100_000 + b'"GB33BUKB"', "is not a JSON object"),
    ],
)
def test_malformed_line_is_numbered_but_not_quoted(bad: bytes, why: str, caplog: pytest.LogCaptureFixture) -> None:
    before = schema("other") + b"\n" + record({"id": 1}, "other")
    output, error = run_until_error(before + bad + b"\n" + state(9))
    assert error.startswith(f"line 4 of the input {why}")
    assert output.data == before.replace(b"\n\n", b"\n")
    assert "GB33BUKB" not in error + caplog.text


def test_unicode_line_separators_do_not_end_a_line() -> None:
    data = record({"note": "a\u2028b\x85\x0c"}, "other")
    assert run_until_error(data + b"{\n")[1].startswith("line 2 ")
