"""Names of stored files, made only of plain UUIDs, numbers and known extensions. No I/O."""

from __future__ import annotations

from tap_pleo_export.api.jobs import PLAIN_UUID


def folder(company_id: object, accounting_entry_id: object) -> str | None:
    """Return the folder of an item's files, `<companyId>/<accountingEntryId>`; None if an id is not a plain UUID.

    Pleo writes ids in either case; the name is in lower case, so that an item has only one folder.
    """
    ids = (company_id, accounting_entry_id)
    if not all(isinstance(value, str) and PLAIN_UUID.fullmatch(value) for value in ids):
        return None
    return "/".join(str(value).lower() for value in ids)
