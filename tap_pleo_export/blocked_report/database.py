"""Records out of a database that a loader filled, as SQLAlchemy reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from tap_pleo_export.blocked_report.grouping import FINAL
from tap_pleo_export.blocked_report.problems import ReportError
from tap_pleo_export.blocked_report.text import shown
from tap_pleo_export.singer.exact_json import members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from tap_pleo_export.blocked_report.jsonl_reader import Records
    from tap_pleo_export.singer.exact_json import Members

ROWS = 1000
"""Rows that are fetched at once."""

_POSTGRESQL = "postgresql"
_SNAPSHOT: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_EXTRACTED = "_sdc_extracted_at"
_JOB = ("id", "companyId", "status", "numberOfItems", "createdAt", "expiresAt", "expiredAt", _EXTRACTED)
_STATUS = ("exportJobId", "accountingEntryId", "status", "failureReasonType", "failureReason", _EXTRACTED)
# No other column is asked for: notes, files and bank details stay where they are.
_ITEM = (
    "jobId", "accountingEntryId", "companyId", "itemStatus", "type", "date", "amount", "vendor", "supplier", "user",
    "_links", "validationStatus", "validationFailureReasonType", "validationFailureReason", "validationChecks",
    _EXTRACTED,
)  # fmt: skip
_TABLES = {"export_jobs": _JOB, "export_job_items": _STATUS, "export_items": _ITEM, "export_items_failed": _ITEM}


def read_database(
    url: str, schema: str | None, into: Records, tick: Callable[[int], None], *, ended: bool = False
) -> None:
    """Read the tables of the tap's streams.

    Args:
        url: SQLAlchemy URL.
        schema: Where the tables are; None: where the connection looks first.
        into: Where records go.
        tick: Told of each row.
        ended: Whether items of jobs that have ended are read, too.

    Raises:
        ReportError: The database cannot be read; nothing of the URL is shown.
    """
    try:
        engine = sa.create_engine(url)
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ReportError(
            "the SQLAlchemy URL is not understood: write it like postgresql+psycopg://user:password@host/database"
        ) from None
    except ImportError as error:
        raise ReportError(
            f"the database's driver {error.name!r} is not installed: install it beside this program"
        ) from None
    try:
        # On PostgreSQL one snapshot for all tables, in which nothing can be written.
        own = _SNAPSHOT if engine.dialect.name == _POSTGRESQL else {}
        with engine.connect().execution_options(stream_results=True, yield_per=ROWS, **own) as connection:
            _read_tables(_Tables(connection, schema, tick), into, schema, ended=ended)
    except SQLAlchemyError as error:
        told = str(getattr(error, "orig", None) or type(error).__name__).partition("\n")[0]
        password = engine.url.password
        raise ReportError(
            f"the database cannot be read: {shown(told.replace(password, '***') if password else told, 300)}"
        ) from None
    finally:
        engine.dispose()


class _Tables:
    """The loader's tables, as far as they are there.

    Args:
        connection: To the database.
        schema: Of the tables.
        tick: Told of each row.
    """

    def __init__(self, connection: Connection, schema: str | None, tick: Callable[[int], None]) -> None:
        self._connection = connection
        self._schema = schema
        self._tick = tick
        found = sa.inspect(connection)
        there = set(found.get_table_names(schema))
        self.columns = {name: _columns(found, name, schema) for name in _TABLES if name in there}

    def rows(self, table: str, wanted: tuple[str, ...], *, open_only: bool = False) -> Iterator[tuple[Members, str]]:
        """Yield records and the moment at which each was read; of open jobs only, if the jobs are known."""
        columns = self.columns.get(table, {})
        named = [(name, columns[name]) for name in wanted if name in columns]
        if not named:
            return
        source = sa.table(table, *(sa.column(column) for _, column in named), schema=self._schema)
        query = sa.select(*(source.c[column].label(name) for name, column in named))
        if open_only:
            query = query.where(*self._open(source.c[columns["jobId"]]))
        exact = self._connection.dialect.name == _POSTGRESQL
        if exact:
            # As text, for drivers read numbers inside JSON as binary fractions.
            record = sa.cast(sa.func.to_jsonb(sa.literal_column("record")), sa.Text)
            query = sa.select(record).select_from(query.subquery("record"))
        for row in self._connection.execute(query):
            self._tick(1)
            found = members(row[0].encode()) if exact else _members(row._mapping)  # noqa: SLF001 - its public name
            yield found, _text(found.pop(_EXTRACTED, b"null"))

    def _open(self, job: sa.ColumnElement[str]) -> Iterator[sa.ColumnElement[bool]]:
        columns = self.columns.get("export_jobs", {})
        if "id" in columns and "status" in columns:
            jobs = sa.table("export_jobs", *map(sa.column, columns.values()), schema=self._schema)
            same = sa.func.lower(jobs.c[columns["id"]]) == sa.func.lower(job)
            yield ~sa.exists().where(same, jobs.c[columns["status"]].in_(sorted(FINAL)))


def _read_tables(tables: _Tables, into: Records, schema: str | None, *, ended: bool) -> None:
    if "export_items" not in tables.columns:
        where = f"schema {schema!r}" if schema else "the schema that the connection looks in first"
        raise ReportError(f"{where} has no table export_items: name the loader's schema with --schema")
    for row, at in tables.rows("export_jobs", _JOB):
        into.add_job(row, at)
    for row, at in tables.rows("export_job_items", _STATUS):
        into.add_status(row, at)
    for name in ("export_items_failed", "export_items"):
        for row, at in tables.rows(name, _ITEM, open_only=not ended):
            into.add_item(row, at)


def _columns(found: sa.Inspector, table: str, schema: str | None) -> dict[str, str]:
    """Return the columns of a table by the tap's names; some loaders write those in other case, or with underscores."""
    wanted = {_plain(name): name for name in _TABLES[table]}
    names = [column["name"] for column in found.get_columns(table, schema)]
    return {wanted[_plain(name)]: name for name in names if _plain(name) in wanted}


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _members(row: Any) -> Members:  # noqa: ANN401 - a mapping of column values
    return {name: msgspec.json.encode(value, enc_hook=str) for name, value in row.items() if value is not None}


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    decoded = msgspec.json.decode(value)
    return decoded if isinstance(decoded, str) else ""
