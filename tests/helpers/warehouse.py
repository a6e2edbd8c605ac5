"""The models of transform/ on PostgreSQL and DuckDB, built by the real dbt after the real loaders."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import tempfile
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
# Another one in a mutation run, too.
SERVER = Path(os.environ.get("TEST_DBT_SERVER", Path(__file__).with_name("warehouse_server.py")))
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

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dbt, its output and errors in one."""
        return _server(self.kind).run(self._environment, self.folder, arguments=[*arguments, "--no-version-check"])

    def command(self, *arguments: str, project: Path) -> subprocess.CompletedProcess[str]:
        """Run dbt's executable on another project, its output and errors in one."""
        environment = self._environment | {"DBT_PROJECT_DIR": str(project)}
        command = [str(python(self.kind).with_name("dbt")), *arguments, "--no-version-check"]
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
            read = _server(self.kind).run(self._environment, self.folder, statements=statements)
            assert read.returncode == 0, read.stdout
            found = json.loads(read.stdout)
        return [tuple(map(_plain, row)) for row in found]

    @property
    def _environment(self) -> dict[str, str]:
        return dbt_environment(self.kind, self.folder, self.server.socket, self.files) | {
            "DBT_PROJECT_DIR": str(PACKAGE),
            "DBT_POSTGRES_DBNAME": self.database,
            "DBT_POSTGRES_SCHEMA": self.schema,
            "DBT_POSTGRES_USER": self.user,
            "DBT_DUCKDB_SCHEMA": self.schema,
            "DBT_USE_COLORS": "false",
        }


def python(kind: str) -> Path:
    """Return the Python of dbt for PostgreSQL or DuckDB."""
    return PLUGINS / "utilities" / f"dbt-{kind}" / "venv" / "bin" / "python"


class _DbtServer:
    """A process of `warehouse_server.py`: dbt takes seconds to start and to read the package, a fork of it does not."""

    def __init__(self, kind: str) -> None:
        """Start the process, which ends with this one."""
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        environment = dbt_environment(kind, folder, folder, folder) | {"DBT_PROJECT_DIR": str(PACKAGE)}
        command = [python(kind), SERVER]
        self._process = subprocess.Popen(
            command, env=environment, cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._process.communicate()
        self._folder.cleanup()

    def run(self, environment: dict[str, str], folder: Path, **what: Any) -> subprocess.CompletedProcess[str]:
        """Run dbt or statements, the output and errors in one; `what` is as in the server's requests."""
        output = Path(self._folder.name, "output")
        request = {"environment": environment, "folder": str(folder), "output": str(output), **what}
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(request), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline() or -1)
        return subprocess.CompletedProcess([], code, output.read_text("utf-8"))


_server = functools.cache(_DbtServer)


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
