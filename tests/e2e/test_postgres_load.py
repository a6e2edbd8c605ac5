"""The sandbox, loaded with the real Meltano into PostgreSQL: every item arrives exactly once."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
import pytest

from sandbox import Sandbox
from tools.expectation import expected_items, loaded_keys, loaded_sums, wallet_sums
from tools.meltano import LogLine, MeltanoProject
from tools.postgres import Postgres

AMOUNTS = [12345678901234567, Decimal("0.1"), Decimal("1999.95"), Decimal("-0.005"), Decimal("12345678901234567.89")]


class Loads(NamedTuple):
    """The demo world after two runs into the same database."""

    sandbox: Sandbox
    project: MeltanoProject
    connection: psycopg.Connection[Any]
    logs: list[list[LogLine]]
    requests: list[list[str]]


@pytest.fixture(scope="module")
def loads(
    postgres: Postgres, new_database: Callable[[], str], new_project: Callable[..., MeltanoProject]
) -> Iterator[Loads]:
    database = new_database()
    with Sandbox.demo() as sandbox:
        project = new_project(sandbox, TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database))
        logs, requests = [], []
        for command in (("tap-pleo-export", "target-postgres"), ("pleo-to-postgres",)):
            sandbox.requests.clear()
            logs.append(project.run("run", *command))
            assert project.returncode == 0, "".join(line.raw for line in logs[-1])
            requests.append([request.path for request in sandbox.requests])
        with postgres.connect(database) as connection:
            yield Loads(sandbox, project, connection, logs, requests)


def secrets_of(sandbox: Sandbox) -> set[str]:
    """Return a sandbox's secrets: credentials, and its items' file addresses and bank details."""
    key = sandbox.api_key
    items = [item for job in sandbox.jobs.values() for item in job.items]
    return {key, b64encode(f"{key}:".encode()).decode(), *secret_members(items)}


def secret_members(value: object) -> Iterator[str]:
    """Yield the strings under the secret members of a JSON value."""
    if isinstance(value, list):
        for element in value:
            yield from secret_members(element)
    elif isinstance(value, dict):
        for name, element in value.items():
            if name in {"url", "iban", "accountNumber"} and isinstance(element, str):
                yield element
            else:
                yield from secret_members(element)


def test_readable_jobs_and_their_job_items_are_loaded_once(loads: Loads) -> None:
    jobs = [job for job in loads.sandbox.jobs.values() if job.running]
    assert len(jobs) < len(loads.sandbox.jobs)
    assert loaded_keys(loads.connection, "export_jobs") == Counter((job.id,) for job in jobs)
    job_items = Counter((job.id, entry) for job in jobs for entry in job.item_statuses)
    assert loaded_keys(loads.connection, "export_job_items") == job_items


def test_every_item_to_export_is_loaded_once(loads: Loads) -> None:
    expected = Counter(expected_items(loads.sandbox).keys())
    assert len(expected) > 200
    assert loaded_keys(loads.connection, "export_items") == expected


def test_sums_per_currency_are_exact(loads: Loads) -> None:
    expected = wallet_sums(expected_items(loads.sandbox).values())
    assert len(expected) > 1
    assert loaded_sums(loads.connection) == expected


def test_the_second_run_requests_no_items_of_complete_jobs(loads: Loads) -> None:
    first, second = loads.requests
    assert first.count("/v3/export-items") >= 3
    assert "/v3/export-items" not in second


def test_no_secret_in_logs_state_or_project(loads: Loads) -> None:
    reported = "".join(line.raw for log in loads.logs for line in log)
    kept = b"".join(
        path.read_bytes()
        for path in loads.project.root.rglob("*")
        if path.is_file() and "venv" not in path.parts  # the installed plugins are linked in
    )
    assert "export_items" in reported
    assert b"sandbox:tap-pleo-export-to-target-postgres" in kept
    secrets = secrets_of(loads.sandbox)
    assert len(secrets) > 100
    assert not [secret for secret in secrets if secret in reported or secret.encode() in kept]


def test_amounts_keep_every_digit_in_objects_and_arrays(
    postgres: Postgres, database: str, new_project: Callable[..., MeltanoProject]
) -> None:
    with Sandbox() as sandbox:
        job = sandbox.add_job(len(AMOUNTS))
        for item, value in zip(job.items, AMOUNTS, strict=True):
            item["amount"]["inWalletCurrency"]["value"] = value
            item["accountingEntryLines"][0]["netAmount"]["inWalletCurrency"]["value"] = value
        project = new_project(sandbox, TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database))
        log = project.run("run", "tap-pleo-export", "target-postgres")
    assert project.returncode == 0, "".join(line.raw for line in log)
    with postgres.connect(database) as connection:
        loaded = connection.execute("""
            SELECT amount->'inWalletCurrency'->>'value',
                   "accountingEntryLines"[1]->'netAmount'->'inWalletCurrency'->>'value'
            FROM export_items
        """).fetchall()
    assert Counter(loaded) == Counter((str(value), str(value)) for value in AMOUNTS)
