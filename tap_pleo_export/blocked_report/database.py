"""Records from a loader's database, by SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from tap_pleo_export.blocked_report.grouping import FINAL_STATUSES
from tap_pleo_export.blocked_report.record_store import ReportError
from tap_pleo_export.blocked_report.text import MAX_REASON, clean_text
from tap_pleo_export.singer.exact_json import decode, encode, members

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from tap_pleo_export.blocked_report.record_store import RecordStore
    from tap_pleo_export.singer.exact_json import Members

_FETCHED_ROWS = 1000
_POSTGRESQL = "postgresql"
# One read-only snapshot for all tables.
_SNAPSHOT: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_EXTRACTED = "_sdc_extracted_at"
_ITEM = (
    "jobId", "accountingEntryId", "companyId", "itemStatus", "type", "date", "amount", "vendor", "supplier", "user",
    "_links", "validationStatus", "validationFailureReasonType", "validationFailureReason", "validationChecks",
    _EXTRACTED,
)  # fmt: skip
# Parts of objects that a loader has flattened, by one level or more.
_FLATTENED = (
    *(f"amount__in{whose}Currency{part}" for whose in ("Wallet", "Supplier") for part in ("", "__currency", "__value")),
    *("vendor__name", "supplier__name", "user__name", "_links__web", "_links__web__exportItem"),
)
# The columns that are read: never notes, files and bank details. Later tables win where records repeat.
_COLUMNS = {
    "export_jobs": (
        "id", "companyId", "status", "numberOfItems", "createdAt", "expiresAt", "expiredAt", _EXTRACTED,
    ),
    "export_job_items": (
        "exportJobId", "accountingEntryId", "status", "failureReasonType", "failureReason", _EXTRACTED,
    ),
    "export_items_failed": (*_ITEM, *_FLATTENED),
    "export_items": (*_ITEM, *_FLATTENED),
}  # fmt: skip


def read_database(
    url: str, schema: str | None, store: RecordStore, tick: Callable[[int], None], *, ended: bool = False
) -> None:
    """Read the tables of the tap's streams into a store.

    Args:
        url: SQLAlchemy URL. Errors do not show it.
        schema: Schema of the tables; None is the connection's default.
        store: Receives the records.
        tick: Called with 1 for each row.
        ended: Whether to read the items of jobs that have ended, too, even if the job items list their entries.
    """
    try:
        engine = sa.create_engine(url)
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ReportError(
            "invalid SQLAlchemy URL: write it like postgresql+psycopg://user:password@host/database"
        ) from None
    except ImportError as error:
        raise ReportError(
            f"the database driver {error.name!r} is not installed: install it in the same environment"
        ) from None
    own = _SNAPSHOT if engine.dialect.name == _POSTGRESQL else {}
    try:
        with engine.connect().execution_options(stream_results=True, yield_per=_FETCHED_ROWS, **own) as connection:
            tables = _Tables(connection, schema)
            for table in _COLUMNS:
                for record, at in tables.rows(
                    table, open_only=table.startswith("export_items") and not ended and tables.has_job_items
                ):
                    tick(1)
                    store.add(table, record, at)
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or type(error).__name__).partition("\n")[0]
        password = engine.url.password
        cause = clean_text(cause.replace(password, "***") if password else cause, MAX_REASON)
        raise ReportError(f"the database cannot be read: {cause}") from None
    finally:
        engine.dispose()


class _Tables:
    """The tables of the tap's streams that the loader has created."""

    def __init__(self, connection: Connection, schema: str | None) -> None:
        self._connection = connection
        self._schema = schema
        inspector = sa.inspect(connection)
        # Views count as tables.
        present = [name for name in _COLUMNS if inspector.has_table(name, schema)]
        self._columns = {name: _columns(inspector, name, schema) for name in present}
        if "export_items" not in self._columns:
            where = f"schema {schema!r}" if schema else "the connection's default schema"
            raise ReportError(f"{where} has no table export_items: name the loader's schema with --schema")

    @property
    def has_job_items(self) -> bool:
        """Whether the entries of jobs that have ended are known without their items."""
        return "export_job_items" in self._columns

    def rows(self, table: str, *, open_only: bool) -> Iterator[tuple[Members, str]]:
        """Yield each record and the time it was read at; optionally without jobs known to have ended."""
        columns = self._columns.get(table)
        if not columns:
            return
        source = sa.table(table, *map(sa.column, columns.values()), schema=self._schema)
        query = sa.select(*(source.c[column].label(name) for name, column in columns.items()))
        if open_only and "jobId" in columns:
            query = query.where(*self._is_open(source.c[columns["jobId"]]))
        in_json = self._connection.dialect.name == _POSTGRESQL
        if in_json:
            # As text, because drivers read numbers in JSON as binary fractions.
            record = sa.cast(sa.func.to_jsonb(sa.literal_column("record")), sa.Text)
            query = sa.select(record).select_from(query.subquery("record"))
        for row in self._connection.execute(query):
            found = members(row[0].encode()) if in_json else _as_json(row._asdict())
            at = msgspec.json.decode(found.pop(_EXTRACTED, b"null"))
            yield _unflattened(found), at if isinstance(at, str) else ""

    def _is_open(self, job: sa.ColumnElement[str]) -> Iterator[sa.ColumnElement[bool]]:
        columns = self._columns.get("export_jobs", {})
        if "id" in columns and "status" in columns:
            jobs = sa.table("export_jobs", *map(sa.column, columns.values()), schema=self._schema)
            same = sa.func.lower(jobs.c[columns["id"]]) == sa.func.lower(job)
            yield ~sa.exists().where(same, jobs.c[columns["status"]].in_(sorted(FINAL_STATUSES)))


def _columns(inspector: sa.Inspector, table: str, schema: str | None) -> dict[str, str]:
    """Return a table's columns by the tap's names. Some loaders change case or add underscores."""
    found = {column["name"].replace("_", "").lower(): column["name"] for column in inspector.get_columns(table, schema)}
    names = ((name, found.get(name.replace("_", "").lower())) for name in _COLUMNS[table])
    return {name: column for name, column in names if column}


def _unflattened(found: Members) -> Members:
    """Put flattened objects together again."""
    objects: dict[str, Any] = {}
    for name in found.keys() & _FLATTENED:
        value = decode(found.pop(name))
        *parents, last = name.split("__")
        place = objects
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = decode(value.encode()) if isinstance(value, str) and value.startswith("{") else value
    return found | {name: encode(value) for name, value in objects.items()} if objects else found


def _as_json(row: dict[str, object]) -> Members:
    return {name: msgspec.json.encode(value, enc_hook=str) for name, value in row.items() if value is not None}
