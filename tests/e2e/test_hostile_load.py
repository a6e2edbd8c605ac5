"""Hostile data through tap, mapper and target into PostgreSQL: stored, or replaced and counted, never lost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.faults import encode
from sandbox.pipes import Pipes, tap_settings
from tests.raw_pages import ITEMS, row, serve, two_jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox import Sandbox
    from sandbox.postgres import Postgres

DIGITS = "12345678" * 50
HOSTILE = (
    rb'"note":"a\u0000b\ud800c\udfffd\\u0000\ud83e\uddfe"',
    rb'"supplier":{"no\u0000velty":"\udc00","deep":%b}' % (b'{"a":[' * 200 + b"1" + b"]}" * 200),
    b'"amount":{"inWalletCurrency":{"value":%b.01,"currency":"EUR"}}' % DIGITS.encode(),
    b'"note":"' + b"\xf0\x9f\xa7\xbe" * 1_250_000 + b'"',
    b'"accountingEntryLines":null',
)


def test_hostile_items_are_stored(
    pleo: Sandbox, postgres: Postgres, new_database: Callable[[], str], tmp_path: Path
) -> None:
    database = new_database()
    job, other = two_jobs(pleo, len(HOSTILE))
    members = [text.partition(b":")[0] for text in HOSTILE]
    plain = [{k: v for k, v in item.items() if encode(k) not in members} for item in job.items]
    serve(pleo, ITEMS, [row(item, text) for item, text in zip(plain, HOSTILE, strict=True)], job_id=job.id)
    pipes = Pipes(tmp_path, tap_settings(pleo), postgres.url(database))

    assert pipes.run() == {"tap": 0, "mapper": 0, "target": 0}

    with postgres.connect(database) as connection:
        rows = connection.execute('SELECT "accountingEntryId", note, supplier, amount FROM export_items').fetchall()
        digits = connection.execute("""SELECT max((amount->'inWalletCurrency'->>'value')::numeric) FROM export_items""")
        assert digits.fetchone() == (Decimal(f"{DIGITS}.01"),)
    stored = {entry: (note, supplier) for entry, note, supplier, _ in rows}
    assert len(rows) == len(stored) == len(job.items) + len(other.items)
    odd, nested, _, long, _ = (stored[item["accountingEntryId"]] for item in job.items)
    assert odd[0] == "a\ufffdb\ufffdc\ufffdd\\u0000🧾"
    assert nested[1]["no\ufffdvelty"] == "\ufffd"
    assert long[0] == "🧾" * 1_250_000
    log = (tmp_path / "tap.log").read_text()
    assert "export_items: 5 character(s) that databases cannot store" in log
