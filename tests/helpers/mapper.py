"""A test kit for Singer mappers: build messages, run the mapper, check its output.

The kit is independent of this mapper: `check_protocol` applies to any mapper.
"""

from __future__ import annotations

import copy
import io
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jsonschema_rs

from tap_pleo_export.singer.message_reader import InputError
from tap_pleo_export.validation.plugin import ValidationMapper

JOB = "8eb648ab-464b-42a0-ba17-eda703657e33"
COMPANY = "12abc3d4-e567-890e-1234-abc56e78fabc"
KEYS = ["jobId", "accountingEntryId"]
EXTRACTED = "2025-01-01T00:00:00.123456+00:00"

GOOD: dict[str, Any] = {
    "configuration": [
        {
            "companyId": "*",
            "journal": "J1",
            "accounts": {"wallet": "1240", "outOfPocket": "2890", "contra": "1910", "accountsPayable": "2440"},
        }
    ]
}
"""A configuration with which every item of the kit passes."""

_MONEY = {
    "inSupplierCurrency": {"currency": "EUR", "value": 7459},
    "inWalletCurrency": {"currency": "GBP", "value": 6366},
}
_ITEM: dict[str, Any] = {
    "_links": {"web": {"exportItem": "https://app.pleo.example/e/1"}},
    "jobId": JOB,
    "accountingEntryId": "59540ed2-0d68-4e36-9e31-58223975d9e9",
    "companyId": COMPANY,
    "itemStatus": "pending",
    "type": "card_purchase",
    "subType": None,
    "date": "2025-12-10T15:46:34Z",
    "amount": _MONEY,
    "note": "Printer ink",
    "bookkeeping": None,
    "contraAccount": {"id": "2f0c3a1e", "name": "Pleo GBP", "code": "1240", "identifier": None},
    "vendor": None,
    "supplier": {"code": None, "name": "Target", "account": None, "taxIdentifier": None},
    "additionalInformation": {"invoiceInformation": {"supplierBankAccount": {"iban": "GB33BUKB20201555555555"}}},
    "accountingEntryLines": [
        {
            "accountingEntryLineId": "0c76ea71",
            "lineAmount": _MONEY,
            "account": {"id": "7966c3ba", "name": "Office", "code": "6100", "identifier": None},
            "tags": [{"id": "4b0f8f5e", "code": "PRJ-7", "groupCode": "PROJECT"}],
            "tax": {"code": "T1", "rate": Decimal("0.2")},
        }
    ],
}


def item(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an export item that passes with `GOOD`; `changes` replace members."""
    return copy.deepcopy(_ITEM) | {"accountingEntryId": f"{number:08d}-0d68-4e36-9e31-58223975d9e9"} | changes


def failing(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an export item whose only line has no GL account."""
    return item(number, **{"accountingEntryLines": [item()["accountingEntryLines"][0] | {"account": None}]} | changes)


def schema_of(value: Any) -> dict[str, Any]:
    """Return the JSON Schema of an example: its members and no others named, all nullable."""
    if isinstance(value, dict):
        members = {name: schema_of(member) for name, member in value.items()}
        return {"type": ["object", "null"], "properties": members}
    if isinstance(value, list):
        return {"type": ["array", "null"], "items": schema_of(value[0]) if value else {}}
    return {} if value is None else {"type": ["string", "number", "boolean", "null"]}


ITEM_SCHEMA = schema_of(_ITEM) | {"required": KEYS}


def dumps(value: Any, separators: tuple[str, str] = (",", ":")) -> str:
    """Return JSON; a Decimal is written as a number with its digits."""
    text = json.dumps(value, separators=separators, default=lambda number: f"\0{number}\0")
    return text.replace('"\\u0000', "").replace('\\u0000"', "")


def line(message: dict[str, Any]) -> bytes:
    """Return a message as a line."""
    return dumps(message).encode() + b"\n"


def schema(stream: str = "export_items", schema: dict[str, Any] = ITEM_SCHEMA, **extra: Any) -> bytes:
    return line({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": KEYS} | extra)


def record(value: dict[str, Any], stream: str = "export_items", **extra: Any) -> bytes:
    return line({"type": "RECORD", "stream": stream, "record": value, "time_extracted": EXTRACTED} | extra)


def state(value: Any) -> bytes:
    return line({"type": "STATE", "value": {"bookmarks": {"export_items": {"page": value}}}})


@dataclass
class Output:
    """Output of the mapper."""

    data: bytes

    @property
    def lines(self) -> list[bytes]:
        """Whole lines; split at newline bytes only, U+2028 is legal inside JSON."""
        assert self.data == b"" or self.data.endswith(b"\n"), "the last line is whole"
        return self.data.split(b"\n")[:-1]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(text, parse_float=Decimal) for text in self.lines]

    def records(self, stream: str = "export_items") -> list[dict[str, Any]]:
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]

    def schemas(self, stream: str = "export_items") -> list[dict[str, Any]]:
        return [m["schema"] for m in self.messages if m["type"] == "SCHEMA" and m["stream"] == stream]

    @property
    def order(self) -> list[tuple[str, str | None]]:
        return [(m["type"], m.get("stream")) for m in self.messages]


def run(data: bytes, config: dict[str, Any] | None = None) -> Output:
    """Map messages in this process; they must all be Singer."""
    output, error = run_until_error(data, config)
    assert error == ""
    return output


def run_until_error(data: bytes, config: dict[str, Any] | None = None) -> tuple[Output, str]:
    """Map messages in this process, and return the output and the error that ended the run, if any."""
    out = io.BytesIO()
    mapper = ValidationMapper(config=copy.deepcopy(config or {}), output=out)
    error = ""
    try:
        mapper.listen(io.BytesIO(data))  # type: ignore[arg-type] # bytes, as the mapper reads them
    except InputError as problem:
        error = str(problem)
    mapper.flush()
    return Output(out.getvalue()), error


def check_protocol(output: Output) -> None:
    """Assert the rules of every Singer stream: a SCHEMA before its records, keys present, records valid."""
    validators: dict[str, jsonschema_rs.Draft7Validator] = {}
    keys: dict[str, list[str]] = {}
    for message in output.messages:
        if message["type"] == "SCHEMA":
            validators[message["stream"]] = jsonschema_rs.Draft7Validator(message["schema"])
            keys[message["stream"]] = message["key_properties"]
        elif message["type"] == "RECORD":
            stream = message["stream"]
            assert stream in validators, f"RECORD of {stream} before its SCHEMA"
            validators[stream].validate(message["record"])
            missing = [key for key in keys[stream] if message["record"].get(key) is None]
            assert not missing, f"RECORD of {stream} without its keys"
