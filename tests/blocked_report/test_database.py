"""Loaders' databases: PostgreSQL as target-postgres fills it, and a database without types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from tap_pleo_export.blocked_report.database import read_database
from tap_pleo_export.blocked_report.record_store import RecordStore
from tests.blocked_report.conftest import ReportRun, load_sqlite
from tests.helpers import books, mapper
from tools import postgres as pg

Make = Callable[..., ReportRun]

EXTRACTED = "2026-03-03T14:08:12+00:00"
ARRAYS = {"accountingEntryLines", "files", "validationChecks"}
OBJECTS = {"amount", "bookkeeping", "contraAccount", "vendor", "supplier", "user", "team", "posting", "_links"}
OBJECTS |= {"additionalInformation"}


@pytest.fixture(scope="module")
def postgres() -> Iterator[pg.Postgres]:
    with pg.running() as server:
        yield server


def kind(name: str) -> str:
    """Return target-postgres's type of a column."""
    if name in ARRAYS:
        return "jsonb[]"
    if name in OBJECTS:
        return "jsonb"
    known = {"numberOfItems": "bigint", "_sdc_extracted_at": "timestamp"}
    return known.get(name, "double precision" if name.endswith("__value") else "text")


def load(server: pg.Postgres, schema: str, data: bytes) -> None:
    """Write records like target-postgres."""
    with server.connect() as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for stream in ("export_jobs", "export_job_items", "export_items"):
            rows = [row | {"_sdc_extracted_at": EXTRACTED} for row in mapper.Output(data).records(stream)]
            names = sorted({name for row in rows for name in row})
            table = sql.Identifier(schema, stream)
            columns = sql.SQL(", ").join(sql.SQL("{} " + kind(name)).format(sql.Identifier(name)) for name in names)
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, columns))
            places = sql.SQL(", ").join(sql.SQL("%s") for _ in names)
            insert = sql.SQL("INSERT INTO {} VALUES ({})").format(table, places)
            connection.cursor().executemany(insert, [[adapted(name, row.get(name)) for name in names] for row in rows])


def adapted(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    if name in ARRAYS and value is not None:
        return [Jsonb(entry, dumps=mapper.dumps) for entry in value]
    return Jsonb(value, dumps=mapper.dumps) if name in OBJECTS and value is not None else value


def test_postgresql_gives_the_same_report_as_messages(make_report: Make, postgres: pg.Postgres) -> None:
    data = books.scene()
    load(postgres, "pleo", data)
    expected = make_report(data).page

    made = make_report(None, "--sqlalchemy-url", postgres.url(), "--schema", "pleo")

    assert (made.returncode, made.errors) == (0, "")
    assert made.page == expected


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_views_are_read_like_tables(make_report: Make, postgres: pg.Postgres, kind: str) -> None:
    source, schema = f"base of {kind}", f"finance of {kind}"
    data = books.scene()
    load(postgres, source, data)
    with postgres.connect() as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for stream in ("export_jobs", "export_job_items", "export_items"):
            create = sql.SQL("CREATE {} {} AS SELECT * FROM {}")
            connection.execute(
                create.format(sql.SQL(kind), sql.Identifier(schema, stream), sql.Identifier(source, stream))
            )

    made = make_report(None, "--sqlalchemy-url", postgres.url(), "--schema", schema)

    assert (made.returncode, made.errors) == (0, "")
    assert made.page == make_report(data).page


FLAT = {1: {"amount__inWalletCurrency", "vendor__name", "_links__web"}, 3: {"amount__inWalletCurrency__value"}}


@pytest.mark.parametrize("levels", FLAT)
def test_flattened_tables_give_the_same_report(make_report: Make, postgres: pg.Postgres, levels: int) -> None:
    data = books.scene()
    flat = b"".join(mapper.record(flattened(row, levels)) for row in mapper.Output(data).records())
    others = b"".join(line + b"\n" for line in mapper.Output(data).lines if b'"export_items"' not in line)
    load(postgres, f"flat_{levels}", others + flat)
    with postgres.connect() as connection:
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s", [f"flat_{levels}"]
        ).fetchall()
    assert FLAT[levels] <= {name for (name,) in columns}

    made = make_report(None, "--sqlalchemy-url", postgres.url(), "--schema", f"flat_{levels}")

    assert (made.returncode, made.errors) == (0, "")
    assert made.page == make_report(data).page


def flattened(row: dict[str, Any], levels: int) -> dict[str, Any]:
    """Return a record as the loader flattens it; deeper objects and arrays are text."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and levels:
            found |= {f"{name}__{part}": inner for part, inner in flattened(value, levels - 1).items()}
        else:
            found[name] = mapper.dumps(value) if isinstance(value, dict | list) and name not in ARRAYS else value
    return found


def test_amounts_from_postgresql_are_exact(make_report: Make, postgres: pg.Postgres) -> None:
    amount = {"inWalletCurrency": {"currency": "GBP", "value": Decimal("12345678901234567.895")}}
    load(postgres, "exact", books.validated([mapper.failing(amount=amount)]))

    made = make_report(None, "--sqlalchemy-url", postgres.url(), "--schema", "exact")

    assert '<data value="123456789012345.67895">' in made.page


def test_items_of_ended_jobs_are_read_only_on_request(make_report: Make, postgres: pg.Postgres) -> None:
    load(postgres, "ended", books.scene().replace(b'"in_progress"', b'"completed"'))
    url = {"PLEO_EXPORT_REPORT_SQLALCHEMY_URL": postgres.url()}

    assert "0  blocked" in make_report(None, "--schema", "ended", env=url).stdout
    assert "34  blocked" in make_report(None, "--schema", "ended", "--all-jobs", env=url).stdout


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ((), "the connection's default schema has no table export_items: name the loader's schema"),
        (("--schema", "nowhere"), "schema 'nowhere' has no table export_items"),
    ],
)
def test_missing_tables_are_reported(
    make_report: Make, postgres: pg.Postgres, schema: tuple[str, ...], message: str
) -> None:
    made = make_report(None, "--sqlalchemy-url", postgres.url(), *schema)

    assert made.returncode == 1
    assert message in made.errors
    assert made.errors.count("\n") == 1


def test_unreachable_server_is_reported_without_the_password(make_report: Make, tmp_path: Path) -> None:
    url = f"postgresql+psycopg://user:s3cr3t-passw0rd@/database?host={tmp_path}"

    made = make_report(None, "--sqlalchemy-url", url)

    assert made.returncode == 1
    assert "the database cannot be read" in made.errors
    assert made.errors.count("\n") == 1
    assert "s3cr3t" not in made.errors


def test_a_password_that_the_driver_quotes_is_masked(make_report: Make, postgres: pg.Postgres) -> None:
    url = postgres.url("s3cr3t-passw0rd").replace("postgres@", "postgres:s3cr3t-passw0rd@")

    made = make_report(None, "--sqlalchemy-url", url)

    assert made.returncode == 1
    assert 'database "***" does not exist' in made.errors


def test_rows_that_arrive_while_it_reads_are_not_seen(postgres: pg.Postgres) -> None:
    load(postgres, "snapshot", books.validated([mapper.item(1), mapper.item(2)]))
    store = RecordStore()

    inserted: list[int] = []

    def insert_once(_rows: int) -> None:
        if not inserted:
            with postgres.connect() as connection:
                again = "INSERT INTO snapshot.export_items SELECT * FROM snapshot.export_items"
                inserted.append(connection.execute(again).rowcount)

    read_database(postgres.url(), "snapshot", store, insert_once)
    assert (inserted, store.items) == ([2], 2)
    store.close()


def test_json_text_and_renamed_columns_are_read(make_report: Make, tmp_path: Path) -> None:
    path = tmp_path / "loaded.db"
    load_sqlite(path, books.scene())

    made = make_report(None, "--sqlalchemy-url", f"sqlite:///{path}")

    assert (made.returncode, made.errors) == (0, "")
    assert "34  blocked              4,119.75 EUR, 14,757.43 GBP, 1,989.39 USD" in made.stdout
    assert made.stdout.count("No contra account for USD") == 1


def test_only_the_columns_shown_are_read(make_report: Make, postgres: pg.Postgres) -> None:
    load(postgres, "granted", books.scene())
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA granted TO reader")
        connection.execute("GRANT SELECT ON granted.export_jobs, granted.export_job_items TO reader")
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'granted'"
            " AND table_name = 'export_items' AND column_name <> ALL (%s)",
            [["note", "additionalInformation", "accountingEntryLines", "contraAccount", "files"]],
        ).fetchall()
        granted = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns)
        connection.execute(sql.SQL("GRANT SELECT ({}) ON granted.export_items TO reader").format(granted))

    made = make_report(None, "--sqlalchemy-url", postgres.url().replace("postgres@", "reader@"), "--schema", "granted")

    assert (made.returncode, made.errors) == (0, "")
    assert "34  blocked" in made.stdout
