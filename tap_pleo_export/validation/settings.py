"""Settings of the validation: parsed once, with all mistakes reported together."""

from __future__ import annotations

import copy
import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tap_pleo_export.singer.schema_errors import nearest, pointer, unknown, violations
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.validation.booking import ANY, BookingTable, ByKey, Company, account_roles
from tap_pleo_export.validation.user_checks import SettingsError, compile_check
from tap_pleo_export.validation.vocabulary import ACCOUNT_ROLES, BUILTIN_CHECKS, ITEM_TYPES, SUB_TYPES

if TYPE_CHECKING:
    from tap_pleo_export.validation.verdict import Check
    from tap_pleo_export.validation.vocabulary import Method


_FIRST_DELIMITER = re.compile(r'^(?:"(?:[^"]|"")*"|[^,;\t]*)([,;\t])')

MISSPELT = 0.85
"""Similarity (difflib) from which an unknown type is taken for a misspelt one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Compiled settings of the mapper.

    Attributes:
        companies: By company id in lower case; `*` is the fallback.
        null_bookkeeping: How an item with `bookkeeping: null` is recorded.
        gl_account_not_required_for: Types exempt from `expense_gl_account`.
        booking: The booking table.
        vendor_accounts: Payables account by vendor code or external id.
        references: Known values by list: `gl_accounts`, `tax_codes`, `tags`, `vendors`.
        checks: User-defined checks.
        disabled_checks: Ids of checks that are not run.
        on_failure: `annotate`, `separate` or `drop`.
        emit_updates: Whether failed items also become job item updates.
        only_updates: Whether only these updates and STATE are written.
        hints: Likely mistakes in valid settings, one line each.
    """

    companies: dict[str, Company] = field(default_factory=dict)
    null_bookkeeping: Method = "journal"
    gl_account_not_required_for: frozenset[str] = frozenset()
    booking: BookingTable = field(default_factory=lambda: BookingTable([]), compare=False)
    vendor_accounts: dict[str, str] = field(default_factory=dict)
    references: dict[str, frozenset[str]] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    disabled_checks: frozenset[str] = frozenset()
    on_failure: Literal["annotate", "separate", "drop"] = "annotate"
    emit_updates: bool = False
    only_updates: bool = False
    hints: tuple[str, ...] = ()


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the settings, the booking table included."""
    schema: dict[str, Any] = copy.deepcopy(shipped("validation_settings.schema.json"))
    table = shipped("booking.schema.json")
    schema["properties"]["booking"]["items"] = table["items"]
    schema["$defs"] |= table["$defs"]
    documents = table["items"]["properties"]["vouchers"]["items"]["properties"]["document"]["enum"]
    company = schema["properties"]["configuration"]["items"]["properties"]
    company["journal"]["properties"] = {key: {"type": ["string", "null"]} for key in (*documents, ANY)}
    return schema


def parse_settings(config: Mapping[str, Any]) -> Settings:
    """Compile settings; null counts as not set. All mistakes are one SettingsError."""
    config = {name: value for name, value in config.items() if value is not None}
    references: dict[str, frozenset[str]] = {}
    vendor_accounts: dict[str, str] = {}
    checks: list[Check] = []
    violated = list(map(str, violations(_schema_for(config), _without_schemas(config))))
    problems = [
        *violated,
        *([] if violated else _misspelt(config)),
        *_repeated_companies(_entries(config, "configuration")),
        *_repeated_checks(_entries(config, "checks")),
        *_read_references(config.get("references"), references),
        *_read_vendor_accounts(config.get("vendor_accounts"), vendor_accounts),
        *_compile_checks(_entries(config, "checks"), checks),
    ]
    if problems:
        raise SettingsError(problems)
    return Settings(
        companies=dict(map(_company, config.get("configuration", ()))),
        null_bookkeeping=config.get("null_bookkeeping", "journal"),
        gl_account_not_required_for=frozenset(config.get("gl_account_not_required_for", ())),
        booking=BookingTable(config.get("booking", shipped("booking.json"))),
        vendor_accounts=vendor_accounts,
        references=references,
        checks=tuple(checks),
        disabled_checks=frozenset(config.get("disabled_checks", ())),
        on_failure=config.get("on_failure", "annotate"),
        emit_updates=bool(config.get("emit_updates")),
        only_updates=config.get("emit_updates") == "only",
        hints=tuple(_hints(config, references, checks)),
    )


def _entries(config: Mapping[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the objects of a list with their index; other values are reported as violations."""
    entries = config.get(name)
    return [(i, e) for i, e in enumerate(entries) if isinstance(e, dict)] if isinstance(entries, list) else []


def _without_schemas(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without the users' schemas, which are compiled separately, at any depth."""
    empty = {
        index: check | {"schema": {}}
        for index, check in _entries(config, "checks")
        if isinstance(check.get("schema"), dict)
    }
    if not empty:
        return dict(config)
    return {**config, "checks": [empty.get(index, check) for index, check in enumerate(config["checks"])]}


def _schema_for(config: Mapping[str, Any]) -> dict[str, Any]:
    """Restrict the schema to the account roles and check ids that this configuration defines."""
    schema = settings_schema()
    ids = [check["id"] for _, check in _entries(config, "checks") if isinstance(check.get("id"), str)]
    schema["properties"]["disabled_checks"]["items"]["enum"] = list(dict.fromkeys([*BUILTIN_CHECKS, *ids]))
    rows = config.get("booking", [])
    if not violations({**schema["properties"]["booking"], "$defs": schema["$defs"]}, rows):
        accounts = schema["properties"]["configuration"]["items"]["properties"]["accounts"]
        roles = dict.fromkeys([*ACCOUNT_ROLES, *account_roles(rows)])
        accounts |= {
            "properties": dict.fromkeys(roles, accounts["additionalProperties"]),
            "additionalProperties": False,
        }
    return schema


def _repeated_companies(entries: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, entry in entries:
        company = str(entry.get("companyId", "")).lower()
        taken = first.setdefault(company, index)
        if taken != index and company:
            yield f"/configuration/{index}/companyId: company {company} has an entry already, /configuration/{taken}"


def _repeated_checks(entries: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    taken = dict.fromkeys(BUILTIN_CHECKS, "a built-in check")
    for index, check in entries:
        name = str(check.get("id", ""))
        if name in taken:
            yield f"/checks/{index}/id: {name!r} is the id of {taken[name]}, choose another"
        taken[name] = f"/checks/{index}"


def _read_references(lists: object, into: dict[str, frozenset[str]]) -> Iterator[str]:
    for name, source in lists.items() if isinstance(lists, dict) else ():
        is_list = isinstance(source, list) and all(isinstance(value, str) for value in source)
        if is_list or (isinstance(source, str) and source):
            try:
                values = source if isinstance(source, list) else _reference_file(Path(source))
                into[name] = frozenset(filter(None, map(str.strip, values)))
            except ValueError as problem:
                yield f"{pointer(('references', name))}: {problem}"


def _read_vendor_accounts(source: object, into: dict[str, str]) -> Iterator[str]:
    try:
        pairs = _account_file(Path(source)) if isinstance(source, str) and source else source
    except ValueError as problem:
        yield f"/vendor_accounts: {problem}"
        return
    for vendor, account in pairs.items() if isinstance(pairs, dict) else ():
        if isinstance(account, str) and vendor.strip() and account.strip():
            into[vendor.strip()] = account.strip()


def _reference_file(path: Path) -> list[str]:
    """Read a JSON array of strings, or the first column of a text or CSV file."""
    values = _read_file(path, "an array of strings", lambda rows: [row[0] for row in rows])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f'{str(path)!r} is not an array of strings: write codes in quotes, such as "0400"')
    return values


def _account_file(path: Path) -> dict[str, str]:
    """Read a JSON object of strings, or the first two columns of a CSV file."""

    def pairs(rows: list[list[str]]) -> dict[str, str]:
        if any(len(row) == 1 for row in rows):
            raise ValueError(f"{str(path)!r} has a line without a second column: expected vendor and account")
        return {row[0]: row[1] for row in rows}

    content = _read_file(path, "an object of strings", pairs)
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise ValueError(f'{str(path)!r} is not an object of strings: write codes in quotes, such as "0400"')
    return content


def _read_file(path: Path, expected: str, of_rows: Callable[[list[list[str]]], Any]) -> Any:  # noqa: ANN401 - JSON
    """Read JSON (`.json`), or the result for the rows of UTF-8 text or CSV; errors do not quote the file."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as problem:
        raise ValueError(f"cannot read {str(path)!r}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{str(path)!r} is not UTF-8 text: save it as UTF-8") from None
    if path.suffix.lower() != ".json":
        lines = text.splitlines()
        delimiter = next((found[1] for line in lines[:1] if (found := _FIRST_DELIMITER.match(line))), ",")
        return of_rows([row for row in csv.reader(lines, delimiter=delimiter) if row])
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{str(path)!r} is not JSON: expected {expected}") from None


def _compile_checks(entries: list[tuple[int, dict[str, Any]]], into: list[Check]) -> Iterator[str]:
    for index, check in entries:
        at = f"/checks/{index}/schema"
        if not isinstance(check.get("schema"), dict | bool):
            continue
        try:
            into.append(compile_check({"id": "", "failureReasonType": "", "failureReason": ""} | check))
        except SettingsError as problem:
            yield from (at + line for line in problem.problems)


def _company(entry: dict[str, Any]) -> tuple[str, Company]:
    accounts: dict[str, ByKey] = {role: _codes(account) for role, account in (entry.get("accounts") or {}).items()}
    return entry["companyId"].lower(), Company(_codes(entry.get("journal")), accounts)


def _codes(codes: str | dict[str, str | None] | None) -> ByKey:
    if isinstance(codes, dict):
        return {key: code for key, value in codes.items() if (code := _code(value))}
    return _code(codes)


def _code(value: str | None) -> str | None:
    """Return a code, or None where it is null or blank."""
    return (value or "").strip() or None


def _misspelt(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield misspelt types in valid settings; a row of `booking` may introduce a type that Pleo adds."""
    new = set()
    for index, when in enumerate(row["when"] for row in config.get("booking", ())):
        for name, kind, known in (("types", "item type", ITEM_TYPES), ("subTypes", "item subtype", SUB_TYPES)):
            for place, value in enumerate(when.get(name, ())):
                new.add(value)
                if value and value not in known and get_close_matches(value.lower(), known, 1, MISSPELT):
                    yield f"/booking/{index}/when/{name}/{place}: {unknown(kind, value, known)}"
    for index, type_ in enumerate(config.get("gl_account_not_required_for", ())):
        if type_ not in ITEM_TYPES and type_ not in new:
            yield f"/gl_account_not_required_for/{index}: {unknown('item type', type_, ITEM_TYPES)}"


def _hints(config: Mapping[str, Any], references: dict[str, frozenset[str]], checks: list[Check]) -> Iterator[str]:
    """Yield likely mistakes that are valid, because users may add roles."""
    for name, values in references.items():
        if not values:
            yield f"/references/{name}: is empty, so its check fails every code"
    for role in sorted(account_roles(config.get("booking", [])).difference(ACCOUNT_ROLES)):
        if hint := nearest(role, ACCOUNT_ROLES):
            yield f"/booking: {role!r} is a new role{hint}"
    for index, check in enumerate(checks):
        yield from (f"/checks/{index}/schema{hint}" for hint in check.hints)
