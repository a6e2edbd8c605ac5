"""What has arrived, held against Pleo's own truth."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tools.expectation import Key, expected_items

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import psycopg

    from sandbox import Sandbox
    from tools.soak.figures import Figures

# Amounts with more digits than Python reads by itself are among what is sent.
sys.set_int_max_str_digits(0)

SECRET = re.compile(rb"fake-sandbox-(?:api-key|access-token|refresh-token|client-secret)-[0-9a-f]{24}")
RECORD = b'{"type":"RECORD","stream":"export_items"'
STATE = b'{"type":"STATE"'
LOADED = """
    SELECT "jobId", "accountingEntryId", amount->'inWalletCurrency'->>'value', length(note), "itemStatus"
    FROM export_items
"""


@dataclass
class Arrived:
    """What the tap has written in the runs of a world.

    Attributes:
        covered: Status of each item that a STATE covers, as it was written last: what a target may rely on.
        wrong: Items that were written otherwise than Pleo has them.
        state: The last STATE of the last run; None if it wrote none.
    """

    covered: dict[Key, str | None] = field(default_factory=dict)
    wrong: set[Key] = field(default_factory=set)
    state: dict[str, Any] | None = None

    def read(self, output: bytes, pleo: Sandbox) -> None:
        """Take what one run has written; a line torn by a kill is none."""
        truth = {(job.id, item["accountingEntryId"]): item for job in pleo.jobs.values() for item in job.items}
        self.state, uncovered = None, dict[Key, str | None]()
        for line in output.split(b"\n")[:-1]:
            if line.startswith(RECORD):
                record = json.loads(line, parse_float=Decimal)["record"]
                key = record["jobId"], record["accountingEntryId"]
                uncovered[key] = record["itemStatus"]
                item = truth.get(key)
                if item is None or any(record.get(name) != value for name, value in item.items()):
                    self.wrong.add(key)
            elif line.startswith(STATE):
                self.state = json.loads(line)["value"]
                self.covered |= uncovered
                uncovered = {}


def compare_output(pleo: Sandbox, arrived: Arrived, statuses: Collection[str], figures: Figures) -> None:
    """Hold what the tap has written against what Pleo has."""
    expected = expected_items(pleo, statuses)
    figures.items += len(expected)
    figures.missing += len(expected.keys() - arrived.covered.keys())
    status = {(job.id, entry): value for job in pleo.jobs.values() for entry, value in job.item_statuses.items()}
    figures.wrong += sum(status.get(key) != arrived.covered.get(key, status.get(key)) for key in expected)


def compare_database(
    pleo: Sandbox, connection: psycopg.Connection[Any], statuses: Collection[str], figures: Figures
) -> None:
    """Hold the database against what Pleo has: each item once, its amount to the last digit, its note whole.

    An item whose job item could not be read comes without a status; if one that is not wanted turns up later, its row
    stays, without.
    """
    all_of_it = {
        (job.id, item["accountingEntryId"]): (
            Decimal(item["amount"]["inWalletCurrency"]["value"]),
            len(item["note"]) if item.get("note") is not None else None,
        )
        for job in pleo.jobs.values()
        for item in job.items
    }
    expected = expected_items(pleo, statuses).keys()
    rows = connection.execute(LOADED).fetchall() if expected else []
    times = Counter((job_id, entry) for job_id, entry, *_ in rows)
    loaded = {(job_id, entry): (Decimal(cents), length) for job_id, entry, cents, length, _ in rows}
    figures.items += len(expected)
    figures.missing += len(expected - loaded.keys())
    figures.repeated += times.total() - len(times)
    figures.wrong += sum(all_of_it.get(key) != value for key, value in loaded.items())
    figures.wrong += sum(
        status != (pleo.jobs[job_id].item_statuses[entry] if (job_id, entry) in expected else None)
        for job_id, entry, *_, status in rows
    )


def look_into_logs(folder: Path, figures: Figures) -> None:
    """Search what the processes printed for secrets and tracebacks."""
    for name in ("tap.log", "mapper.log", "target.log", "output"):
        path = folder / name
        if path.exists():
            content = path.read_bytes()
            figures.leaks += bool(SECRET.search(content))
            # Others' tracebacks are not ours to judge.
            figures.tracebacks += name in {"tap.log", "mapper.log"} and b"Traceback" in content
