"""Run dbt and read DuckDB in forks of one process, so that dbt is imported once; run by dbt's Python.

Each line of standard input is a request in JSON, each line of standard output the exit code of its fork. Of a request:
`environment`, `folder` to run in, `output` for the file of standard output and error, and either `arguments` of dbt or
`statements` for DuckDB. A name that began with dbt_ would make this file a plugin of dbt.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import dbt.task.build  # noqa: F401 - dbt imports it late, in each fork
from dbt.cli.main import cli, dbtRunner
from duckdb_rows import write_rows


def main() -> None:
    """Parse the project of the environment, so that dbt is warm, then answer requests until standard input ends."""
    # The static parser has threads, which a fork would lose.
    result = dbtRunner().invoke(["parse", "--quiet", "--no-version-check", "--no-static-parser"])
    if not result.success:
        raise SystemExit(str(result.exception))
    for request in sys.stdin:
        child = os.fork()
        if not child:
            _run(json.loads(request))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(request: dict[str, Any]) -> None:
    """Handle a request and end the process, which must not return to the loop."""
    code: Any = 1
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    watch = _recorder(request)
    try:
        if "statements" in request:
            where = (os.environ["DBT_DUCKDB_PATH"], os.environ["DBT_DUCKDB_SCHEMA"])
            write_rows(*where, request["statements"], sys.stdout)
            code = 0
        else:
            cli(request["arguments"], prog_name="dbt")
    except SystemExit as done:
        code = done.code
    except BaseException:  # noqa: BLE001 - as at the end of any process
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    watch(int(code or 0))
    os._exit(int(code or 0))


def _recorder(request: dict[str, Any]) -> Callable[[int], None]:
    """Record dbt's statements where a mutation run asks for it; return what to call with the exit code."""
    if "TEST_RECORDING" not in os.environ or "statements" in request:
        return lambda _code: None
    from warehouse_replay import record  # noqa: PLC0415 - for DuckDB alone

    write: Callable[[int], None] = record(request)
    return write


if __name__ == "__main__":
    main()
