"""Rows of DuckDB in JSON, in the way that both databases can be compared; run by dbt's Python."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import IO, Any


def write_rows(path: str, schema: str, statements: list[str], output: IO[str]) -> None:
    """Run statements and write the last one's rows."""
    import duckdb  # noqa: PLC0415 - dbt-postgres is installed without it

    rows: list[Any] = []
    with duckdb.connect(path) as database:
        database.execute(f"set search_path = '\"{schema}\"'")
        for statement in statements:
            rows = database.execute(statement).fetchall()
    json.dump(rows, output, default=_plain)


def _plain(value: Any) -> Any:
    """Return decimals in an object and moments as text."""
    if isinstance(value, decimal.Decimal):
        return {"decimal": str(value)}
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    return str(value)
