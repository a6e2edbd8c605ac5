# ruff: noqa: S608 - all parts of the queries are constants of this file
"""Cost of a dbt build with little new data: processor seconds of dbt and of the database server.

``python -m tools.bench.models --old 100000 --new 100`` makes old items in SQL, builds once, adds new ones and builds
again. The second build is what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tools import postgres as pg
from tools.meltano import CHECKOUT, dbt_environment

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS_PER_JOB = 100
COMPANY = "12abc3d4-e567-890e-1234-abc56e78fabc"
PLUGINS = CHECKOUT / ".meltano" / "utilities"


def money(amount: str) -> str:
    """Return JSON of an amount that SQL puts in."""
    side = f'{{"currency": "EUR", "value": {amount}}}'
    return f'{{"inWalletCurrency": {side}, "inSupplierCurrency": {side}}}'


ACCOUNT = '{"id": "a", "name": "Travel", "code": "6100", "identifier": "gl-6100"}'
LINE = (
    f'{{"accountingEntryLineId": null, "lineAmount": {money("11900")}, "netAmount": {money("10000")}, '
    f'"account": {ACCOUNT}, "tags": [{{"id": "t", "code": "CC1", "groupCode": "COST_CENTRE"}}], '
    f'"tax": {{"id": "x", "code": "T19", "type": "exclusive", "rate": 0.19, "amount": {money("1900")}, '
    '"ingoingTaxAccount": "1575", "outgoingTaxAccount": null}}'
)
CHECKS = json.dumps(
    [
        {"check": f"check_{n}", "status": "passed", "severity": "error", "failureReason": None, "path": None}
        for n in range(6)
    ]
)
POSTING = json.dumps(
    {
        "outcome": "booked",
        "reason": None,
        "vouchers": [
            {
                "document": "expense",
                "journal": "PLEO",
                "debit": {"role": "line", "account": None},
                "credit": {"role": "wallet", "account": "1240"},
                "way": "out",
                "basis": "documented",
            }
        ],
    }
)
OBJECTS = {
    "amount": money("11900"),
    "accountingEntryLines": f"[{LINE}]",
    "contraAccount": '{"id": "c", "name": "Pleo", "code": "1240", "identifier": null}',
    "supplier": '{"name": "Deutsche Bahn", "code": null, "account": null, "country": "DE", "taxIdentifier": null}',
    "user": '{"id": "u", "name": "Priya Nair", "code": "17"}',
    "team": '{"id": "t", "name": "Sales", "code": "S"}',
    "additionalInformation": '{"reconciliationId": "CR1", "attendees": null, "invoiceInformation": null}',
    "files": '[{"url": "https://files.pleo.example/receipts/0123456789abcdef", "type": "pdf", "size": 12345}]',
    "validationChecks": CHECKS,
    "posting": POSTING,
}
TEXTS = {
    "companyId": f"'{COMPANY}'",
    "itemStatus": "'pending'",
    "type": "'card_purchase'",
    "date": "'2026-11-05T10:00:00Z'",
    "note": "'Train to the customer'",
    "validationStatus": "'passed'",
    "bookkeepingMethod": "'journal'",
}
JOB = f"lpad(cast(number // {ITEMS_PER_JOB} as text), 8, '0') || '-0000-4000-8000-000000000000'"
ENTRY = "lpad(cast(number as text), 8, '0') || '-1111-4000-8000-000000000000'"


def streams(first: int, count: int, json_type: str, *, old: bool) -> dict[str, str]:
    """Return a query for each stream with the rows of these items: old ones have ended well."""
    status, job_status = ("successful", "completed") if old else ("pending", "in_progress")
    numbers = f"generate_series({first}, {first + count - 1})"
    objects = ", ".join(f"cast('{text}' as {json_type}) as \"{name}\"" for name, text in OBJECTS.items())
    texts = ", ".join(f'{text} as "{name}"' for name, text in TEXTS.items())
    jobs = f"(select distinct number - mod(number, {ITEMS_PER_JOB}) as number from {numbers} as n (number))"
    return {
        "export_jobs": f"select {JOB} as id, '{COMPANY}' as \"companyId\", '{job_status}' as status, "
        f'{ITEMS_PER_JOB} as "numberOfItems", \'2026-11-05T10:00:00Z\' as "createdAt", '
        f"'2126-11-05T10:00:00Z' as \"expiresAt\" from {jobs} as jobs",
        "export_job_items": f'select {JOB} as "exportJobId", {ENTRY} as "accountingEntryId", \'{status}\' as status '
        f"from {numbers} as n (number)",
        "export_items": f'select {JOB} as "jobId", {ENTRY} as "accountingEntryId", {texts}, {objects} '
        f"from {numbers} as n (number)",
    }


KEYS = {
    "export_jobs": "id",
    "export_job_items": '"exportJobId", "accountingEntryId"',
    "export_items": '"jobId", "accountingEntryId"',
}
RECORD = (
    "insert into pleo_models.pleo_recorded (voucher_id, external_id, recorded_at) "
    "select voucher_id, voucher_id, current_timestamp from pleo_models.pleo__vouchers"
)


class PostgresTables:
    """Data in tables like those of target-postgres."""

    def __init__(self, server: pg.Postgres) -> None:
        """Take a running server."""
        self.server = server

    def load(self, first: int, count: int, *, old: bool) -> None:
        """Insert items; old ones were loaded a month ago."""
        with self.server.connect() as connection:
            connection.execute("create schema if not exists pleo")
            for stream, query in streams(first, count, "jsonb", old=old).items():
                rows = (
                    f"select *, now()::timestamp - interval '{30 * old} days' as _sdc_batched_at from ({query}) as rows"
                )
                rows = rows.replace("//", "/")
                connection.execute(f"create table if not exists {stream} as {rows} limit 0")
                connection.execute(f"create unique index if not exists {stream}_key on {stream} ({KEYS[stream]})")
                connection.execute(f"insert into {stream} {rows} on conflict do nothing")
                connection.execute(f"analyze {stream}")

    def record(self) -> None:
        """Record every voucher."""
        with self.server.connect() as connection:
            connection.execute(RECORD)
            connection.execute("vacuum analyze")  # so that none of it is done, and counted, during the next build

    def cpu_seconds(self) -> float:
        """Return the processor time of the server since it started."""
        postmaster = psutil.Process(int((self.server.data / "postmaster.pid").read_text().split()[0]))
        times = postmaster.cpu_times()
        seconds = [times.user, times.system, times.children_user, times.children_system]
        for child in postmaster.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                live = child.cpu_times()
                seconds += [live.user, live.system]
        return float(sum(seconds))


class DuckDBFiles:
    """Data in files like those of target-jsonl."""

    def __init__(self, folder: Path) -> None:
        """Take the directory of the files."""
        self.folder = folder

    def load(self, first: int, count: int, *, old: bool) -> None:
        """Append items."""
        commands = [
            f"copy ({query}) to '{self.folder}/new.jsonl' (format json); -- {stream}"
            for stream, query in streams(first, count, "json", old=old).items()
        ]
        for stream, command in zip(KEYS, commands, strict=True):
            self._run(f"import duckdb; duckdb.execute({command!r})")
            with (self.folder / f"{stream}.jsonl").open("ab") as file:
                subprocess.run(["cat", self.folder / "new.jsonl"], check=True, stdout=file)
        (self.folder / "new.jsonl").unlink()

    def record(self) -> None:
        """Record every voucher."""
        self._run(f"import duckdb; duckdb.connect({str(self.folder / 'pleo.duckdb')!r}).execute({RECORD!r})")

    def _run(self, program: str) -> None:
        subprocess.run(
            [PLUGINS / "dbt-duckdb" / "venv" / "bin" / "python", "-c", program], check=True, stdout=subprocess.DEVNULL
        )

    def cpu_seconds(self) -> float:
        """Return nothing: the database runs within dbt."""
        return 0.0


def build(kind: str, folder: Path, socket: Path, server: Callable[[], float]) -> dict[str, float]:
    """Run one build and return its seconds: of dbt's processor time, of the server's, and by the clock."""
    environment = dbt_environment(kind, folder, socket, folder)
    command = [str(PLUGINS / f"dbt-{kind}" / "venv" / "bin" / "dbt"), "build", "--no-version-check"]
    before, started = server(), time.perf_counter()
    with (folder / "dbt.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit((folder / "dbt.log").read_text()[-4000:])
    wall = time.perf_counter() - started
    return {"dbt": usage.ru_utime + usage.ru_stime, "server": server() - before, "wall": wall}


def measure(kind: str, old: int, new: int, server: pg.Postgres, folder: Path) -> dict[str, Any]:
    """Build over old items, then over old and new ones."""
    database = PostgresTables(server) if kind == "postgres" else DuckDBFiles(folder)
    database.load(0, old, old=True)
    first = build(kind, folder, server.socket, database.cpu_seconds)
    database.record()
    database.load(old, new, old=False)
    second = build(kind, folder, server.socket, database.cpu_seconds)
    return {"database": kind, "old": old, "new": new, "first": first, "second": second}


def main() -> None:
    """Measure the databases that were asked for."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--old", type=int, default=100_000, help="items of earlier builds")
    parser.add_argument("--new", type=int, default=100, help="items of the measured build")
    parser.add_argument("--database", choices=["postgres", "duckdb"], action="append")
    options = parser.parse_args()
    for kind in options.database or ["postgres", "duckdb"]:
        with tempfile.TemporaryDirectory() as folder, pg.running() as server:
            found = measure(kind, options.old, options.new, server, Path(folder))
        for name in ("first", "second"):
            seconds = found[name]
            print(
                f"{kind:9} {name:7} build, {options.old:>9,} old, {options.new if name == 'second' else 0:>5,} new: "
                f"dbt {seconds['dbt']:6.1f} s, server {seconds['server']:6.1f} s, "
                f"both {seconds['dbt'] + seconds['server']:6.1f} s (clock {seconds['wall']:6.1f} s)"
            )


if __name__ == "__main__":
    main()
