"""Values that Pleo's OpenAPI document allows, drawn from its schemas in ``sandbox/wire/``, and a bit more.

More, as an API may grow: members that no schema names, and values outside the documented enums. Numbers are ``int`` and
``Decimal``, never ``float``. The schemas use few keywords; one that is not known here is refused, not ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sandbox.conformance import WIRE
from tap_pleo_export.api.jobs import JOB_STATUSES
from tap_pleo_export.validation.vocabulary import ITEM_TYPES

DOCUMENT: dict[str, Any] = {
    name: schema
    for path in sorted(WIRE.glob("*.json"))
    for name, schema in json.loads(path.read_text("utf-8"))["$defs"].items()
}
ITEM_FAILURES = frozenset(DOCUMENT["ExportJobItemFailureReasonType"]["enum"])
# Values drawn often: those documented for an open string, and codes that the tests' settings know.
LIKELY: dict[str, tuple[str, ...]] = {
    "ExportItemV3.type": ITEM_TYPES,
    "ExportItemV3.subType": ("reimbursement_to_employee_refund", "invoice_payment_returned", "interest"),
    "BookkeepingV3.method": ("none", "journal", "accounts_payable"),
    "MoneyModel.currency": ("EUR", "KWD", "UNDEFINED"),
    "AccountV3.code": ("6100", "0400"),
    "TaxV3.code": ("6100", "V25"),
    "TagV3.code": ("6100", "PRJ-7"),
    "VendorV3.code": ("0007",),
    "VendorV3.externalId": ("0007",),
    "TaxV3.type": ("inclusive", "exclusive", "reverse"),
    "InvoiceInformationV3.status": ("pending_approval", "parsed", "paid", "failed_payment"),
    "ExportJobV3.status": JOB_STATUSES,
    "ExportJobV3.failureReasonType": tuple(DOCUMENT["ExportJobFailureReasonType"]["enum"]),
    "ExportJobItemV3.status": tuple(DOCUMENT["ExportJobItemStatus"]["enum"]),
    "ExportJobItemV3.failureReasonType": tuple(sorted(ITEM_FAILURES)),
}
LONG = "🧾 Bewirtungsbeleg " * 500
THESE_YEARS = datetime(2024, 1, 1, tzinfo=UTC)
TOMORROW = "OF_TOMORROW"
_KEYWORDS = {
    *("type", "properties", "required", "items", "enum", "$ref", "format"),
    *("additionalProperties", "uniqueItems", "minLength", "maxLength"),
}
_ODD_TEXTS = (
    *("", " ", "null", "0007", "6100", "Ærø Smørrebrød ApS", "株式会社"),
    *("\u200f\u05e9\u05dc\u05d5\u05dd", "e\u0301", "\u2028\u2029\x85"),
    *('"\\/\b\f\n\r\t', "a\0b", "\ud83e", "\udffe\ud800", "\ufeff\x7f\U0010ffff", "1e5", "=1+1", LONG),
)
_ODD_NAMES = (
    *("jobId", "itemStatus", "additionalFields", "expiresAt", "exportJobId", "validationStatus", "validationChecks"),
    *("", " ", "a.b", "$ref", "no\0velty", "mål", "__proto__", "x" * 70),
)
_ODD_NUMBERS = (
    *(0, 1, -1, 10**18 + 1, -(10**18) - 1, 2**53 + 1, 2**63 - 1, 2**63, 10**40 + 7),
    *map(Decimal, ("0.0", "-0.0", "0.1", "1.10", "19.995", "-0.005", "1E+2", "1e-30", "12345678901234567890.123")),
)


@dataclass(frozen=True)
class Drawing:
    """How values are drawn.

    Attributes:
        growing: Whether to draw unknown members and values too: further members, further values of enums.
    """

    growing: bool

    def value(self, schema: Mapping[str, Any], place: str = "") -> SearchStrategy[Any]:
        """Return a strategy for a schema of the document.

        Args:
            schema: The schema.
            place: Its place: ``schema.member``.
        """
        assert set(schema) <= _KEYWORDS, f"{place}: keywords not known here: {set(schema) - _KEYWORDS}"
        if "$ref" in schema:
            return of(schema["$ref"].rpartition("/")[2], growing=self.growing)
        if "enum" in schema:
            known = st.sampled_from(schema["enum"]) | st.sampled_from(LIKELY.get(place, schema["enum"]))
            return known | st.just(TOMORROW) if self.growing else known
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        # Something twice as often as null.
        kinds = [kind for kind in types if kind != "null"] * 2 + ["null"] * ("null" in types)
        return st.one_of([getattr(self, f"_{kind}")(schema, place) for kind in kinds])

    def _null(self, _schema: Mapping[str, Any], _place: str) -> SearchStrategy[None]:
        return st.none()

    def _boolean(self, _schema: Mapping[str, Any], _place: str) -> SearchStrategy[bool]:
        return st.booleans()

    def _integer(self, schema: Mapping[str, Any], _place: str) -> SearchStrategy[int]:
        if "format" not in schema:
            return st.integers()
        bound = {"int32": 2**31, "int64": 2**63}[schema["format"]]
        return st.integers(0, 100_000) | st.integers(-bound, bound - 1)

    def _number(self, _schema: Mapping[str, Any], _place: str) -> SearchStrategy[int | Decimal]:
        # In their own numbers of places: thousandths are what currencies such as KWD need.
        fractions = st.integers(0, 6).flatmap(lambda places: st.integers(-(10**15), 10**15).map(_shifted(places)))
        return st.integers(-(10**6), 10**6) | fractions | st.sampled_from(_ODD_NUMBERS)

    def _string(self, schema: Mapping[str, Any], place: str) -> SearchStrategy[str]:
        match schema.get("format"):
            case "uuid":
                return st.uuids().map(str) | st.uuids().map(lambda value: str(value).upper())
            case "date-time":
                return _times()
        shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
        if longest is not None:
            return st.text(min_size=shortest, max_size=longest)
        assert not shortest, f"{place}: not known here"
        texts = st.text(max_size=20) | st.sampled_from(_ODD_TEXTS)
        return st.sampled_from(LIKELY[place]) | texts if place in LIKELY else texts

    def _array(self, schema: Mapping[str, Any], place: str) -> SearchStrategy[list[Any]]:
        unique_by = repr if schema.get("uniqueItems") else None
        return st.lists(self.value(schema["items"], f"{place}[]"), max_size=3, unique_by=unique_by)

    def _object(self, schema: Mapping[str, Any], place: str) -> SearchStrategy[dict[str, Any]]:
        declared = schema.get("properties", {})
        members = {name: self.value(member, f"{place}.{name}") for name, member in declared.items()}
        required = {name: members.pop(name) for name in schema.get("required", ())}
        own = st.fixed_dictionaries(required, optional=members)
        more = schema.get("additionalProperties", True)
        if isinstance(more, dict):
            return st.dictionaries(_names(), self.value(more, f"{place}.*"), max_size=3)
        if not self.growing:
            return own
        # Mostly none, in one object of six one or two.
        news = st.one_of(*[st.builds(dict) for _ in range(5)], st.dictionaries(_names(), _anything(), max_size=2))
        return st.builds(lambda new, known: new | known, news.map(lambda new: _without(new, declared)), own)


@cache
def of(name: str, *, growing: bool = True) -> SearchStrategy[Any]:
    """Return a strategy for an OpenAPI schema.

    Args:
        name: The schema's name in Pleo's OpenAPI documents, such as ``ExportItemV3``.
        growing: Whether to draw unknown members and values too.
    """
    return Drawing(growing).value(DOCUMENT[name], name)


def row(name: str) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy for an OpenAPI schema, often with members that it does not name."""
    declared = DOCUMENT[name]["properties"]
    news = st.dictionaries(_names(), _anything(), max_size=3)
    return st.builds(lambda new, known: _without(new, declared) | known, news, of(name))


def examples(count: int) -> settings:
    """Return settings for that many export items; a failing one is shown as drawn: making it small takes minutes."""
    return settings(max_examples=count, phases=[Phase.explicit, Phase.generate])


def sample(strategy: SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """Return at least that many drawn values, the same ones for the same number (a seed)."""
    values: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(value: object) -> None:
        values.append(value)

    keep()
    return values


def encode(value: object) -> bytes:
    """Return JSON: numbers with their digits, texts as UTF-8 or, where that cannot be, escaped."""
    if isinstance(value, dict):
        return b"{" + b",".join(encode(name) + b":" + encode(member) for name, member in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(encode, value)) + b"]"
    if isinstance(value, Decimal):
        return str(value).encode()
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def to_the_digit(data: bytes) -> Any:
    """Return JSON as Python values that are equal only if their numbers are the same digit for digit."""

    def digits(text: str) -> tuple[str, str]:
        return "number", text

    return json.loads(data, parse_int=digits, parse_float=digits)


def stored(value: Any) -> Any:
    """Return a value with U+FFFD for what databases do not store, NUL and unpaired surrogates."""
    match value:
        case str():
            return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)
        case dict():
            return {stored(name): stored(member) for name, member in value.items()}
        case list():
            return [stored(member) for member in value]
    return value


def _names() -> SearchStrategy[str]:
    # Without U+FFFD: no two names become one when NUL is replaced by it.
    letters = st.characters(exclude_characters="\0\ufffd", codec="utf-8")
    return st.text(letters, max_size=10) | st.sampled_from(_ODD_NAMES)


def _anything() -> SearchStrategy[Any]:
    numbers = Drawing(growing=False)._number({}, "")
    simple = st.none() | st.booleans() | numbers | st.text(max_size=5)
    return simple | st.lists(simple, max_size=2) | st.dictionaries(_names(), simple, max_size=2)


@cache
def _times() -> SearchStrategy[str]:
    """Return RFC 3339 times: all years, all zones, up to nine places of a second."""
    zones = st.integers(-(24 * 60 - 1), 24 * 60 - 1).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    near = st.integers(0, 4 * 365 * 86_400).map(lambda seconds: THESE_YEARS + timedelta(seconds=seconds))
    moments = st.datetimes(timezones=st.just(UTC) | zones) | near
    places = st.sampled_from(["", ".5", ".123", ".123456", ".123456789"])
    return st.builds(
        lambda moment, fraction: _rfc3339(moment.replace(microsecond=0).isoformat(), fraction), moments, places
    )


def _rfc3339(text: str, fraction: str) -> str:
    return (text[:19] + fraction + text[19:]).replace("+00:00", "Z")


def _shifted(places: int) -> Any:
    return lambda number: Decimal(number).scaleb(-places)


def _without(members: dict[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in members.items() if name not in names}
