"""Jobs and items as the report shows them. Other members, such as notes, files and bank details, are never read."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.blocked_report.causes import Cause, cause_of
from tap_pleo_export.blocked_report.money import minor_units
from tap_pleo_export.blocked_report.text import MAX_REASON, clean_id, clean_text, safe_link
from tap_pleo_export.singer.exact_json import decode
from tap_pleo_export.text import parse_time

if TYPE_CHECKING:
    from tap_pleo_export.singer.exact_json import Members

MAX_CAUSES = 20
"""Different causes kept of one item, which may have thousands of lines."""
_MAX_CURRENCY = 12
_MAX_DATE = 40
_MAX_ITEMS = 10**12
_Value = Any
"""A value of JSON."""
_TIMESTAMP = re.compile(r"[\dT:.+Z-]{10,40}", re.ASCII)


class ReportJob(msgspec.Struct, array_like=True, frozen=True):
    """An export job; times are ISO 8601, or "".

    Attributes:
        announced: Number of items that Pleo gives for it.
        is_over: Whether it can no longer be written to; set by a :class:`RecordStore`.
    """

    id: str
    company: str = ""
    status: str = ""
    announced: int | None = None
    created: str = ""
    expires: str = ""
    expired: bool = False
    is_over: bool = False


class JobItemStatus(msgspec.Struct, array_like=True, frozen=True):
    """A job item: the export status of an item, with type and reason of a failure."""

    job: str
    entry: str
    status: str
    failure_type: str
    reason: str


class ReportItem(msgspec.Struct, array_like=True, frozen=True):
    """An export item: the members by which people find and fix it.

    Attributes:
        status: Status of its job item.
        date: ISO 8601, or any short text; a :class:`RecordStore` has the day in its time zone.
        minor: Amount in minor units of the wallet's currency, or of the supplier's if the wallet's is unknown.
        verdict: `passed` or `failed`; "" if the item was not validated.
        causes: The different causes of its findings.
    """

    job: str
    entry: str
    company: str
    status: str
    type: str = ""
    date: str = ""
    person: str = ""
    supplier: str = ""
    currency: str = ""
    minor: Decimal | None = None
    link: str = ""
    verdict: str = ""
    causes: tuple[Cause, ...] = ()


def read_job(members: Members) -> ReportJob | None:
    """Return an export job; None if the record has no id."""
    job_id = clean_id(_value(members, "id"))
    if not job_id:
        return None
    announced = _value(members, "numberOfItems")
    return ReportJob(
        job_id,
        clean_id(_value(members, "companyId")),
        clean_text(_value(members, "status")),
        announced if isinstance(announced, int) and 0 <= announced <= _MAX_ITEMS else None,
        _iso_time(_value(members, "createdAt")),
        _iso_time(_value(members, "expiresAt")),
        bool(_value(members, "expiredAt")),
    )


def read_status(members: Members) -> JobItemStatus | None:
    """Return a job item; None if the record lacks an id."""
    job, entry = clean_id(_value(members, "exportJobId")), clean_id(_value(members, "accountingEntryId"))
    if not job or not entry:
        return None
    return JobItemStatus(
        job,
        entry,
        clean_text(_value(members, "status")),
        clean_text(_value(members, "failureReasonType")),
        clean_text(_value(members, "failureReason"), MAX_REASON),
    )


def read_item(members: Members) -> ReportItem | None:
    """Return an export item; None if the record lacks an id."""
    job, entry = clean_id(_value(members, "jobId")), clean_id(_value(members, "accountingEntryId"))
    if not job or not entry:
        return None
    amount = _object(members, "amount")
    money = _dict(amount.get("inWalletCurrency"))
    minor = minor_units(money.get("value"))
    if minor is None:
        money = _dict(amount.get("inSupplierCurrency"))
        minor = minor_units(money.get("value"))
    currency = clean_text(money.get("currency"), _MAX_CURRENCY)
    vendor, supplier = _object(members, "vendor"), _object(members, "supplier")
    date, verdict = _value(members, "date"), _value(members, "validationStatus")
    return ReportItem(
        job=job,
        entry=entry,
        company=clean_id(_value(members, "companyId")),
        status=clean_text(_value(members, "itemStatus")),
        type=clean_text(_value(members, "type")),
        # A timestamp may look like an IBAN to the masking of bank details.
        date=date if isinstance(date, str) and _TIMESTAMP.fullmatch(date) else clean_text(date, _MAX_DATE),
        person=clean_text(_object(members, "user").get("name")),
        supplier=clean_text(vendor.get("name")) or clean_text(supplier.get("name")),
        currency="no currency" if currency in {"", "UNDEFINED"} else currency,
        minor=minor,
        link=safe_link(_dict(_object(members, "_links").get("web")).get("exportItem")),
        verdict=verdict if verdict in ("passed", "failed") else "",
        causes=_causes(members, failed=verdict == "failed"),
    )


def _causes(members: Members, *, failed: bool) -> tuple[Cause, ...]:
    found: dict[Cause, None] = {}
    checks = _value(members, "validationChecks", nested=True)
    for entry in checks if isinstance(checks, list) else []:
        finding = _dict(entry)
        if finding.get("status") not in (None, "passed"):
            found[cause_of(finding)] = None
            if len(found) == MAX_CAUSES:
                break
    if failed and not any(cause.blocking for cause in found):
        # The loader left out the list of checks or flattened it; the verdict has the reasons as text.
        failure_type, reason = (_value(members, f"validationFailure{name}") for name in ("ReasonType", "Reason"))
        found[cause_of({"failureReasonType": failure_type, "failureReason": reason})] = None
    return tuple(found)


def _value(members: Members, name: str, *, nested: bool = False) -> _Value:
    """Return a member, None if it is unreadable. Some databases store nested values as JSON in a text."""
    try:
        value = decode(members.get(name, b"null"))
        return decode(value.encode()) if nested and isinstance(value, str) and value[:1] in {"{", "["} else value
    except (ValueError, RecursionError):
        return None


def _object(members: Members, name: str) -> dict[str, Any]:
    return _dict(_value(members, name, nested=True))


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _iso_time(value: object) -> str:
    time = parse_time(clean_text(value))
    return time.isoformat() if time else ""
