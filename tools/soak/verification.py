"""Compare the loaded items with Pleo's, and count."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tools.expectation import Key, expected_items

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import psycopg

    from sandbox import Sandbox

# Some amounts have more digits than Python reads by default.
sys.set_int_max_str_digits(0)

SECRET = re.compile(rb"fake-sandbox-(?:api-key|access-token|refresh-token|client-secret)-[0-9a-f]{24}")
RECORD = b'{"type":"RECORD","stream":"export_items"'
STATE = b'{"type":"STATE"'
LOADED = """
    SELECT "jobId", "accountingEntryId", amount->'inWalletCurrency'->>'value', length(note), "itemStatus"
    FROM export_items
"""
MUST_BE_ZERO = ("missing", "wrong", "repeated", "leaks", "tracebacks", "late", "tokens_lost")


@dataclass
class Figures:
    """Counts."""

    kills: int = 0  # SIGKILLs that reached a process
    signals: int = 0  # SIGTERMs and SIGINTs that reached a process
    in_refresh: int = 0  # Kills and signals that reached the tap during a token refresh
    runs: int = 0  # Runs of the pipeline
    worlds: int = 0  # Worlds played to their end
    items: int = 0  # Items that had to arrive
    updates: int = 0  # Items that had to be marked as failed in Pleo
    requests: int = 0  # Requests to the API
    authorisations: int = 0  # Authorisations renewed after a fault lost a token that no client could have saved
    missing: int = 0  # Items that did not arrive or were not marked, and jobs that were incomplete at the end
    wrong: int = 0  # Items that arrived with other values than Pleo's, or that Pleo does not have
    repeated: int = 0  # Duplicate rows in the database, and items marked more than once
    leaks: int = 0  # Logs and outputs with a secret
    tracebacks: int = 0  # Logs of tap or mapper with a traceback
    late: int = 0  # Runs that a signal did not end within 10 s
    tokens_lost: int = 0  # Authorisations lost without a fault that explains it
    faults: Counter[str] = field(default_factory=Counter)  # Faults that took effect, by name

    @property
    def good(self) -> bool:
        """Whether nothing has gone wrong."""
        return not any(getattr(self, name) for name in MUST_BE_ZERO)

    def __str__(self) -> str:
        counts = [f"{each.name} {getattr(self, each.name)}" for each in fields(self) if each.name != "faults"]
        faults = [f"{name} {count}" for name, count in sorted(self.faults.items())]
        return f"{', '.join(counts)}\nfaults {self.faults.total()}: {', '.join(faults)}"


@dataclass
class TapOutput:
    """The tap's output in the runs of a world."""

    covered: dict[Key, str | None] = field(default_factory=dict)  # Last written status of each item that a STATE covers
    wrong: set[Key] = field(default_factory=set)  # Items written with other values than Pleo's

    def read(self, output: bytes, pleo: Sandbox) -> None:
        """Add the output of one run; a line torn by a kill does not count."""
        truth = {(job.id, item["accountingEntryId"]): item for job in pleo.jobs.values() for item in job.items}
        uncovered: dict[Key, str | None] = {}
        for line in output.split(b"\n")[:-1]:
            if line.startswith(RECORD):
                record = json.loads(line, parse_float=Decimal)["record"]
                key = record["jobId"], record["accountingEntryId"]
                uncovered[key] = record["itemStatus"]
                item = truth.get(key)
                if item is None or any(record.get(name) != value for name, value in item.items()):
                    self.wrong.add(key)
            elif line.startswith(STATE):
                self.covered |= uncovered
                uncovered = {}


def incomplete_jobs(pleo: Sandbox, state: dict[str, Any] | None) -> list[str]:
    """Return the jobs that a state does not call complete."""
    entries = state["bookmarks"].get("export_items", {}).get("partitions", []) if state else []
    complete = {entry["context"]["jobId"] for entry in entries if entry["complete"]}
    return [job_id for job_id in pleo.jobs if job_id not in complete]


def compare_output(pleo: Sandbox, output: TapOutput, statuses: Collection[str], figures: Figures) -> None:
    """Compare the tap's output with Pleo."""
    expected = expected_items(pleo, statuses)
    figures.items += len(expected)
    figures.missing += len(expected.keys() - output.covered.keys())
    status = {(job.id, entry): value for job in pleo.jobs.values() for entry, value in job.item_statuses.items()}
    figures.wrong += len(output.wrong)
    figures.wrong += sum(status.get(key) != output.covered.get(key, status.get(key)) for key in expected)


def compare_database(
    pleo: Sandbox, connection: psycopg.Connection[Any], statuses: Collection[str], figures: Figures
) -> None:
    """Compare the database with Pleo: each item once, its amount to the last digit, its note complete.

    An item whose job item could not be read arrives without a status; if a later job item shows that it is not wanted,
    its row stays, without a status.
    """
    truth = {
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
    figures.wrong += sum(truth.get(key) != value for key, value in loaded.items())
    figures.wrong += sum(
        status != (pleo.jobs[job_id].item_statuses[entry] if (job_id, entry) in expected else None)
        for job_id, entry, *_, status in rows
    )


def check_logs(folder: Path, figures: Figures) -> None:
    """Search logs and outputs for secrets and tracebacks."""
    for name in ("tap.log", "mapper.log", "target.log", "output"):
        path = folder / name
        if path.exists():
            content = path.read_bytes()
            figures.leaks += bool(SECRET.search(content))
            # The loader is not ours.
            figures.tracebacks += name in {"tap.log", "mapper.log"} and b"Traceback" in content
