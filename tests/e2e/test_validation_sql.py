"""The SQL of docs/validation.md runs as it is printed, on what the shipped pipeline loads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox import Sandbox
from tests.conftest import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.meltano import MeltanoProject
    from tools.postgres import Postgres

PAGE = (CHECKOUT / "docs" / "validation.md").read_text("utf-8")


def test_each_query_runs_as_printed(
    postgres: Postgres, new_database: Callable[[], str], new_project: Callable[..., MeltanoProject]
) -> None:
    database = new_database()
    with Sandbox.demo() as sandbox:
        project = new_project(sandbox, TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database))
        log = project.run("run", "pleo-to-postgres")
        assert project.returncode == 0, "".join(line.raw for line in log)

    (block,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    queries = [query for query in block.split(";") if query.strip()]
    assert len(queries) > 2
    with postgres.connect(database) as connection:
        # As anybody's session has it, not as the tests' own.
        connection.execute("SET search_path TO public")
        for query in queries:
            assert connection.execute(query.encode()).fetchall(), query
