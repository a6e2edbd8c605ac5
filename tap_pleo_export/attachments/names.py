"""What a kept file is called. Pure; nothing that is not a plain UUID, a number or a known extension gets into it."""

from __future__ import annotations

from tap_pleo_export.api.jobs import PLAIN_UUID


def folder(company_id: object, accounting_entry_id: object) -> str | None:
    """Return where the files of an item belong, `<companyId>/<accountingEntryId>`, or None if an id is no plain UUID.

    Pleo writes ids in either case: the name is in lower case, so that an item has one folder only.
    """
    ids = (company_id, accounting_entry_id)
    if not all(isinstance(value, str) and PLAIN_UUID.fullmatch(value) for value in ids):
        return None
    return "/".join(str(value).lower() for value in ids)
