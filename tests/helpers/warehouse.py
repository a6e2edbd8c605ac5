"""The models of transform/ on PostgreSQL and DuckDB, built by the real dbt after the real loaders."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox import Sandbox
from tests.conftest import BIN
from tools.meltano import CHECKOUT, dbt_environment
from tools.postgres import Postgres

PLUGINS = CHECKOUT / ".meltano"
# Another one in a mutation run.
PACKAGE = Path(os.environ.get("TEST_DBT_PACKAGE", CHECKOUT / "transform"))
MODELS = (
    "pleo__expenses",
    "pleo__accounting_entry_lines",
    "pleo__attachments",
    "pleo__validation_findings",
    "pleo__export_job_progress",
    "pleo__tags",
    "pleo__vat_exceptions",
    "pleo__vouchers",
    "pleo__voucher_lines",
    "pleo__vouchers_to_book",
    "pleo__not_booked",
    "pleo__sign_census",
    "pleo__account_checks",
    "pleo__item_updates",
)
# Decimals and moments as text, so that both databases can be compared: the first without trailing zeros.
_READ = """
import datetime, decimal, json, sys, duckdb
def plain(value):
    if isinstance(value, decimal.Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    return str(value)
database = duckdb.connect(sys.argv[1])
database.execute("set search_path = '" + chr(34) + sys.argv[2] + chr(34) + "'")
for statement in sys.argv[3:]:
    rows = database.execute(statement).fetchall()
print(json.dumps(rows, default=plain))
"""


@dataclass
class Warehouse:
    """A database with a load, and the models in it.

    Attributes:
        kind: `postgres` or `duckdb`.
        folder: Where dbt writes, and DuckDB's database is.
        server: PostgreSQL.
        database: Name of the database in it.
        files: Directory of target-jsonl's files.
        schema: Schema of the models.
        user: Who dbt is on PostgreSQL.
    """

    kind: str
    folder: Path
    server: Postgres
    database: str
    files: Path
    schema: str = "pleo_models"
    user: str = "postgres"

    def dbt(self, *arguments: str, project: Path = PACKAGE) -> subprocess.CompletedProcess[str]:
        """Run dbt, its output and errors in one."""
        environment = dbt_environment(self.kind, self.folder, self.server.socket, self.files) | {
            "DBT_PROJECT_DIR": str(project),
            "DBT_POSTGRES_DBNAME": self.database,
            "DBT_POSTGRES_SCHEMA": self.schema,
            "DBT_POSTGRES_USER": self.user,
            "DBT_DUCKDB_SCHEMA": self.schema,
            "DBT_USE_COLORS": "false",
        }
        command = [str(self._python.with_name("dbt")), *arguments, "--no-version-check"]
        return subprocess.run(
            command, env=environment, cwd=self.folder, text=True, check=False, stdout=-1, stderr=subprocess.STDOUT
        )

    def build(self, *options: str) -> str:
        """Build the models and run their tests, which must pass; return the output."""
        done = self.dbt("build", *options)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def rows(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements and return the last one's rows: decimals without trailing zeros, moments as text.

        A transaction that they begin is rolled back.
        """
        if self.kind == "postgres":
            with self.server.connect(self.database) as connection:
                connection.execute(f'SET search_path = "{self.schema}"; SET timezone = UTC')
                for statement in statements:
                    cursor = connection.execute(statement)
                found: list[Any] = cursor.fetchall() if cursor.description else []
                connection.rollback()
        else:
            command = [str(self._python), "-c", _READ, str(self.folder / "pleo.duckdb"), self.schema, *statements]
            read = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(read.stdout)
        return [tuple(map(_plain, row)) for row in found]

    @property
    def _python(self) -> Path:
        return PLUGINS / "utilities" / f"dbt-{self.kind}" / "venv" / "bin" / "python"


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and list(value) == ["decimal"]:
        value = Decimal(value["decimal"])
    if isinstance(value, Decimal):
        return Decimal(format(value, "f").rstrip("0").rstrip(".") or 0) if "." in format(value, "f") else value
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return value


def load(
    pleo: Sandbox, server: Postgres, database: str, folder: Path, mapping: dict[str, Any] | None, **tap: Any
) -> Path:
    """Read a sandbox once and load it into a database and into files; without a mapping, skip the mapper.

    Args:
        pleo: The sandbox.
        server: PostgreSQL.
        database: Name of the database.
        folder: Where the files are; those of an earlier load are continued.
        mapping: The mapper's settings.
        tap: More settings of the tap.

    Returns:
        Directory of the files.
    """
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    configs = {
        "tap": {"api_url": pleo.url, "api_key": pleo.api_key, "item_statuses": [], **tap},
        "mapper": mapping,
        "postgres": {
            "sqlalchemy_url": server.url(database),
            "default_target_schema": "pleo",
            "validate_records": False,
            "use_copy": True,
        },
        "jsonl": {"destination_path": str(files), "do_timestamp_file": False},
    }
    for name, config in configs.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    _run(folder, "tap", [BIN / "tap-pleo-export"], None, folder / "read.jsonl")
    source = folder / "read.jsonl"
    if mapping is not None:
        _run(folder, "mapper", [BIN / "map-pleo-validation"], source, folder / "judged.jsonl")
        source = folder / "judged.jsonl"
    for name in ("postgres", "jsonl"):
        target = PLUGINS / "loaders" / f"target-{name}" / "venv" / "bin" / f"target-{name}"
        _run(folder, name, [target], source, folder / "state.jsonl")
    return files


def _run(folder: Path, name: str, command: list[Path], source: Path | None, into: Path) -> None:
    with into.open("wb") as output, (source or folder / "tap.json").open("rb") as given:
        done = subprocess.run(
            [*command, "--config", str(folder / f"{name}.json")],
            stdin=given,
            stdout=output,
            stderr=subprocess.PIPE,
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
