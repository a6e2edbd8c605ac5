"""Jobs and items as the report needs them. What is not read here cannot get into it: notes, files, bank details."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal  # noqa: TC003 - msgspec reads the annotation
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.blocked_report.causes import Cause, cause_of
from tap_pleo_export.blocked_report.money import minor_units
from tap_pleo_export.blocked_report.text import REASON, identity, link, shown
from tap_pleo_export.singer.exact_json import decode

if TYPE_CHECKING:
    from tap_pleo_export.singer.exact_json import Members

NO_CURRENCY = "no currency"
_CURRENCY = 12
_MOST_ITEMS = 10**12
_UNDEFINED = "UNDEFINED"
_MOMENT = re.compile(r"[\dT:.+Z-]{10,40}", re.ASCII)
MOST_CAUSES = 20
"""Different causes of one item that are kept: it may have thousands of lines."""


class Job(msgspec.Struct, array_like=True, frozen=True):
    """An export job.

    Attributes:
        announced: Items that it was made with.
        created: Moment, ISO 8601.
        expires: Moment at which it can no longer be read, unless something happens to it before.
    """

    id: str
    company: str = ""
    status: str = ""
    announced: int | None = None
    created: str = ""
    expires: str = ""
    expired: bool = False


class Item(msgspec.Struct, array_like=True, frozen=True):
    """An export item, as much of it as people need to find and mend it.

    Attributes:
        status: Of its job item.
        date: ISO 8601, or any short text.
        minor: Amount in minor units, of the wallet's currency or else of the supplier's; None if unknown.
        verdict: `passed` or `failed`; "" if it was not validated.
        causes: What is wrong with it, each once.
    """

    job: str
    entry: str
    company: str
    status: str
    type: str
    date: str
    person: str
    supplier: str
    currency: str
    minor: Decimal | None
    link: str
    verdict: str
    causes: tuple[Cause, ...]


class Status(msgspec.Struct, array_like=True, frozen=True):
    """A job item: how far the export of an item got, and why it was refused."""

    job: str
    entry: str
    status: str
    kind: str
    reason: str


def read_job(members: Members) -> Job | None:
    """Return an export job; None of a record without an id."""
    job_id = _id(members, "id")
    if not job_id:
        return None
    announced = _value(members, "numberOfItems")
    return Job(
        job_id,
        _id(members, "companyId"),
        shown(_value(members, "status")),
        announced if isinstance(announced, int) and 0 <= announced <= _MOST_ITEMS else None,
        _moment(members, "createdAt"),
        _moment(members, "expiresAt"),
        bool(_value(members, "expiredAt")),
    )


def read_status(members: Members) -> Status | None:
    """Return a job item; None of a record without ids."""
    job, entry = _id(members, "exportJobId"), _id(members, "accountingEntryId")
    if not job or not entry:
        return None
    kind, reason = shown(_value(members, "failureReasonType")), shown(_value(members, "failureReason"), REASON)
    return Status(job, entry, shown(_value(members, "status")), kind, reason)


def read_item(members: Members) -> Item | None:
    """Return an export item; None of a record without ids."""
    job, entry = _id(members, "jobId"), _id(members, "accountingEntryId")
    if not job or not entry:
        return None
    money = _object(members, "amount")
    wallet, supplier_money = _dict(money.get("inWalletCurrency")), _dict(money.get("inSupplierCurrency"))
    chosen = wallet if minor_units(wallet.get("value")) is not None else supplier_money
    currency = shown(chosen.get("currency"), _CURRENCY)
    vendor, supplier = _object(members, "vendor"), _object(members, "supplier")
    verdict = _value(members, "validationStatus")
    links = _dict(_object(members, "_links").get("web"))
    return Item(
        job=job,
        entry=entry,
        company=_id(members, "companyId"),
        status=shown(_value(members, "itemStatus")),
        type=shown(_value(members, "type")),
        date=_date(_value(members, "date")),
        person=shown(_object(members, "user").get("name")),
        supplier=shown(vendor.get("name")) or shown(supplier.get("name")),
        currency=NO_CURRENCY if currency in {"", _UNDEFINED} else currency,
        minor=minor_units(chosen.get("value")),
        link=link(links.get("exportItem")),
        verdict=verdict if verdict in ("passed", "failed") else "",
        causes=_causes(members, shown(vendor.get("name")) or shown(vendor.get("code")), failed=verdict == "failed"),
    )


def parse_moment(text: str) -> datetime | None:
    """Return an ISO 8601 date and time in UTC; None of any other text."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _causes(members: Members, vendor: str, *, failed: bool) -> tuple[Cause, ...]:
    found: dict[Cause, None] = {}
    for entry in _list(members, "validationChecks"):
        finding = _dict(entry)
        if finding.get("status") not in (None, "passed"):
            found[cause_of(finding, vendor)] = None
            if len(found) == MOST_CAUSES:
                break
    if failed and not any(cause.blocking for cause in found):
        # The list of checks was left out, or flattened into text; the verdict's own words remain.
        told = {"failureReasonType": _value(members, "validationFailureReasonType"), "severity": "error"}
        found[cause_of(told | {"failureReason": _value(members, "validationFailureReason")}, vendor)] = None
    return tuple(found)


def _value(members: Members, name: str) -> Any:  # noqa: ANN401 - JSON
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return decode(raw)
    except (ValueError, RecursionError):
        return None


def _structured(members: Members, name: str) -> Any:  # noqa: ANN401 - JSON
    """Return an object or list, also where a database keeps its text."""
    value = _value(members, name)
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return decode(value.encode())
        except (ValueError, RecursionError):
            return None
    return value


def _object(members: Members, name: str) -> dict[str, Any]:
    return _dict(_structured(members, name))


def _list(members: Members, name: str) -> list[Any]:
    value = _structured(members, name)
    return value if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _date(value: object) -> str:
    return value if isinstance(value, str) and _MOMENT.fullmatch(value) else shown(value, 40)


def _id(members: Members, name: str) -> str:
    return identity(_value(members, name))


def _moment(members: Members, name: str) -> str:
    moment = parse_moment(shown(_value(members, name)))
    return moment.isoformat() if moment else ""
