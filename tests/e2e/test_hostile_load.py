"""Hostile data through tap, mapper and target into PostgreSQL: stored, or replaced and counted, never lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from sandbox import Sandbox
from tests.helpers.raw_pages import DIGITS, ITEMS, nested, rows_with, serve, two_jobs
from tools.pipes import Pipes, tap_settings
from tools.postgres import Postgres

HOSTILE = (
    rb'"note":"a\u0000b\ud800c\udfffd\\u0000\ud83e\uddfe"',
    rb'"supplier":{"no\u0000velty":"\udc00","deep":%b}' % nested(400),
    b'"amount":{"inWalletCurrency":{"value":%b.01,"currency":"EUR"}}' % DIGITS.encode(),
    b'"note":"' + b"\xf0\x9f\xa7\xbe" * 1_250_000 + b'"',
    b'"accountingEntryLines":null',
)


def test_hostile_items_are_stored(pleo: Sandbox, postgres: Postgres, database: str, tmp_path: Path) -> None:
    job, other = two_jobs(pleo, len(HOSTILE))
    serve(pleo, ITEMS, rows_with(job.items, HOSTILE), job_id=job.id)
    pipes = Pipes(tmp_path, tap_settings(pleo), postgres.url(database))

    assert pipes.run() == {"tap": 0, "mapper": 0, "target": 0}

    with postgres.connect(database) as connection:
        rows = connection.execute('SELECT "accountingEntryId", note, supplier, amount FROM export_items').fetchall()
        digits = connection.execute("""SELECT max((amount->'inWalletCurrency'->>'value')::numeric) FROM export_items""")
        assert digits.fetchone() == (Decimal(f"{DIGITS}.01"),)
    stored = {entry: (note, supplier) for entry, note, supplier, _ in rows}
    assert len(rows) == len(stored) == len(job.items) + len(other.items)
    odd, deep, _, long, _ = (stored[item["accountingEntryId"]] for item in job.items)
    assert odd[0] == "a\ufffdb\ufffdc\ufffdd\\u0000🧾"
    assert deep[1]["no\ufffdvelty"] == "\ufffd"
    assert long[0] == "🧾" * 1_250_000
    log = (tmp_path / "tap.log").read_text()
    assert "export_items: 5 character(s) that databases cannot store" in log
