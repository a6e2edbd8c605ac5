"""Repeat recorded runs of dbt on DuckDB with a mutant's change: another `warehouse_server.py`; run by dbt's Python.

dbt needs seconds for a build whose statements take one. So the directory `TEST_RECORDING` is filled once by the real
dbt, from models with marks around each possible change; then each run is repeated for a mutant, statement by statement.
The environment: `TEST_ROOT` has the tests' directories, `TEST_MUTANT` and `TEST_MUTANT_TEXT` are the change's number
and text.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import duckdb
from duckdb_rows import write_rows

_NODE = re.compile(r'"node_id": "([^"]+)"')
_MODEL_ROWS = re.compile(r"__dbt_python_model_df\w+")
_ROLLBACK, _CLOSE = "rollback of a cursor", "end of a cursor"


# A replay takes some seconds of processor time; a mutant's join of everything with everything would take hours.
_PROCESSOR_SECONDS = 200
_LIMITS = {"memory_limit": "3GB", "max_temp_directory_size": "1GB"}


def main() -> None:
    """Answer requests until standard input ends."""
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_SECONDS, _PROCESSOR_SECONDS))
    for line in sys.stdin:
        sys.stdout.write(f"{_answer(json.loads(line))}\n")
        sys.stdout.flush()


def _answer(request: dict[str, Any]) -> int:
    path, schema = (request["environment"][f"DBT_DUCKDB_{name}"] for name in ("PATH", "SCHEMA"))
    if "statements" in request:
        with Path(request["output"]).open("w", encoding="utf-8") as output:
            write_rows(path, schema, request["statements"], output)
        return 0
    recording = json.loads(_next_recording(Path(request["folder"])).read_text("utf-8"))
    Path(request["output"]).write_text(recording["output"], "utf-8")
    if not recording["steps"]:
        return int(recording["code"])
    with duckdb.connect(path, config=_LIMITS) as database:
        return int(_replay(recording, database, request["environment"]))


def _next_recording(folder: Path) -> Path:
    """Return the file of a folder's next run, and count the run."""
    counter = folder / "runs.txt"
    runs = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(runs + 1))
    name = f"{folder.relative_to(os.environ['TEST_ROOT'])}/{runs}"
    return Path(os.environ["TEST_RECORDING"], f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json")


def _replay(recording: dict[str, Any], database: duckdb.DuckDBPyConnection, environment: dict[str, str]) -> bool:
    """Run the statements until one fails that did not when it was recorded; return whether one, or a test, failed."""
    cursors: dict[int, duckdb.DuckDBPyConnection] = {}
    has_failed, is_python = False, False
    for number, sql, bindings, failed_before in recording["steps"]:
        if number not in cursors:
            cursors[number] = database.cursor()
        if sql.startswith("create or replace temp table pleo_new_lines"):
            _read_new_lines(cursors[number], environment)
            is_python = True
        is_python &= _MODEL_ROWS.search(sql) is None
        try:
            if sql == _CLOSE:
                cursors.pop(number).close()
            elif sql == _ROLLBACK:
                cursors[number].rollback()
            elif not failed_before and not is_python:
                here = _MODEL_ROWS.sub("pleo_new_lines", sql.replace(recording["root"], os.environ["TEST_ROOT"]))
                cursors[number].execute(_changed(here), *([bindings] if bindings else []))
                has_failed |= _is_failed_test(sql, cursors[number], recording["errors"])
        except duckdb.Error as error:
            if sql != _ROLLBACK:  # without a transaction
                sys.stderr.write(f"{error}\n")
                return True
    return has_failed


def _read_new_lines(cursor: duckdb.DuckDBPyConnection, environment: dict[str, str]) -> None:
    """Run the Python model, whose statements depend on the files, as far as its table `pleo_new_lines`."""
    path = Path(environment["DBT_PROJECT_DIR"], "models", "base", "base_pleo__new_lines.py")
    module = runpy.run_path(str(path))
    positions = f'from "{environment["DBT_DUCKDB_SCHEMA"]}".pleo_read_positions'
    config = MagicMock(get={"pleo_files": environment["PLEO_FILES"]}.get)
    module["model"](SimpleNamespace(config=config, source=lambda *_: cursor.execute(positions)), cursor)


def _is_failed_test(sql: str, cursor: duckdb.DuckDBPyConnection, errors: list[str]) -> bool:
    node = _NODE.search(sql)
    if " as should_error" not in sql or node is None or node[1] not in errors:
        return False
    return any(should_error for _, _, should_error in cursor.fetchall())


def _changed(sql: str) -> str:
    """Return a statement with the change, if it has its marks."""
    number, text = os.environ["TEST_MUTANT"], os.environ["TEST_MUTANT_TEXT"]
    return re.sub(rf"/\*<{number}\*/.*?/\*{number}>\*/", lambda _: text, sql, flags=re.DOTALL)


def record(request: dict[str, Any]) -> Callable[[int], None]:
    """Watch dbt's cursors in this process; return what writes the recording, given the exit code."""
    from dbt.adapters.duckdb.environments import local  # noqa: PLC0415 - a replay does without dbt

    folder, steps = Path(request["folder"]), list[list[Any]]()
    cursors: dict[int, tuple[int, Any]] = {}
    path = _next_recording(folder)
    wrapper, connection = local.DuckDBCursorWrapper, local.DuckDBConnectionWrapper
    execute, rollback, close = wrapper.execute, connection.rollback, connection.close

    def step(cursor: Any, sql: str, bindings: Any = None) -> list[Any]:
        number, _ = cursors.setdefault(id(cursor), (len(cursors), cursor))
        steps.append([number, sql, bindings, False])
        return steps[-1]

    def executed(self: Any, sql: str, bindings: Any = None) -> Any:
        made = step(self, sql, bindings)
        try:
            return execute(self, sql, bindings)
        except BaseException:
            made[3] = True
            raise

    def rolled_back(self: Any) -> Any:
        step(self._cursor, _ROLLBACK)
        return rollback(self)

    def closed(self: Any) -> Any:
        step(self._cursor, _CLOSE)
        return close(self)

    wrapper.execute, connection.rollback, connection.close = executed, rolled_back, closed

    def write(code: int) -> None:
        manifest = folder / "target" / "manifest.json"
        nodes = json.loads(manifest.read_text("utf-8"))["nodes"] if manifest.exists() else {}
        errors = [name for name, node in nodes.items() if node["config"].get("severity", "").lower() == "error"]
        output = Path(request["output"]).read_text("utf-8")
        done = {"root": os.environ["TEST_ROOT"], "code": code, "output": output, "errors": errors, "steps": steps}
        path.write_text(json.dumps(done, default=str), "utf-8")

    return write


if __name__ == "__main__":
    main()
