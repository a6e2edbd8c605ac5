"""A world whose failing items are reported back while tap, mapper and target are killed; each is marked once."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass
from signal import SIGKILL
from threading import Timer
from typing import TYPE_CHECKING

from sandbox import Fault, Sandbox
from tap_pleo_export.validation import Validator, parse_settings
from tools.pipes import ANY_COMPANY, BIN, Pipes
from tools.soak.kills import SIGNALS
from tools.soak.scenario import MAX_SECONDS, SoakError

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tools.soak.verification import Figures

UPDATES = "/v3/export-jobs/*/items"
VICTIMS = ("tap", "mapper", "target", "target", "target")
MOMENTS = (0.3, 2.0)
MAX_DISTURBANCES = 4
# How a response is lost, and whether the request took effect before.
LOST = (("status", True), ("status", False), ("reset", None), ("truncate", None), ("html", True))


@dataclass
class ReportingPipes(Pipes):
    """tap | mapper | target-pleo-export."""

    def target_command(self) -> list[str]:
        """Return the target's command line: the tap's credentials, small batches, a short timeout."""
        names = ("api_url", "api_key", "max_retries", "max_requests_per_minute")
        settings = {name: self.tap[name] for name in names} | {"batch_size": self.rows, "request_timeout": 4}
        return self.command("target", BIN / "target-pleo-export", config=settings)


def play_reporting(rng: Random, folder: Path, figures: Figures) -> str:
    """Play one world and return a line about it."""
    with Sandbox(seed=rng.getrandbits(32)) as pleo:
        for _ in range(rng.randint(1, 4)):
            pleo.add_job(items=rng.randint(0, 400), item_status=("pending", "in_progress", "failed", "successful"))
        due = _failing(pleo)
        tap = {"api_url": pleo.url, "api_key": pleo.api_key, "max_retries": 2, "max_requests_per_minute": 100_000}
        mapping = {"configuration": [ANY_COMPANY], "emit_updates": "only"}
        pipes = ReportingPipes(folder, tap, "", rows=rng.choice((1, 7, 100)), mapping=mapping)
        disturbances = rng.randint(1, MAX_DISTURBANCES)
        for _ in range(disturbances):
            _disturb(pleo, pipes, rng, figures)
        pleo.faults.clear()
        codes = _run(pipes, figures)
        if any(codes.values()):
            raise SoakError(f"reporting: exit codes {codes} without a fault")
        marked = Counter((change.job_id, change.entry_id) for change in pleo.changes)
        figures.updates += len(due)
        figures.missing += len(due - marked.keys())
        figures.wrong += len(marked.keys() - due) + sum(change.status != "failed" for change in pleo.changes)
        figures.repeated += sum(count - 1 for count in marked.values())
        return f"{len(pleo.jobs)} jobs, {len(due)} failing items reported back, disturbed {disturbances} times"


def _failing(pleo: Sandbox) -> set[tuple[str, str | None]]:
    """Return the items that must be marked, by job and entry."""
    validator = Validator(parse_settings({"configuration": [ANY_COMPANY]}), lambda _: None)
    return {
        (job.id, item["accountingEntryId"])
        for job in pleo.jobs.values()
        for item in job.items
        if job.item_statuses[item["accountingEntryId"]] in {"pending", "in_progress"}
        and validator.judge(item).for_pleo() is not None
    }


def _disturb(pleo: Sandbox, pipes: ReportingPipes, rng: Random, figures: Figures) -> None:
    pleo.faults.clear()
    pleo.add_fault(Fault(path="/v3/*", nth=None, kind="delay", seconds=rng.choice((0, 0.02, 0.1))))
    faults = []
    for _ in range(rng.choice((0, 1, 2))):
        kind, effect = rng.choice(LOST)
        fault = Fault(path=UPDATES, method="PUT", nth=rng.randint(1, 6), kind=kind, status=502, effect=effect)  # type: ignore[arg-type] # kinds, all of them
        faults.append(pleo.add_fault(fault))
    victim, number = rng.choice(VICTIMS), rng.choice(SIGNALS)
    hit: list[bool] = []

    def strike(_: object = None) -> None:
        hit.append(pipes.signal(victim, number))

    at_moment = rng.choice((True, False))
    timer = Timer(rng.uniform(*MOMENTS), strike if at_moment else lambda: None)
    if not at_moment:
        method, nth = rng.choice(("PUT", "GET")), rng.randint(1, 6)
        pleo.add_fault(Fault(path=UPDATES, method=method, nth=nth, kind="callback", callback=strike))
    timer.start()
    _run(pipes, figures)
    timer.cancel()
    timer.join()
    figures.kills += any(hit) and number == SIGKILL
    figures.signals += any(hit) and number != SIGKILL
    figures.faults["reporting: lost answers"] += sum(fault.seen >= (fault.nth or 0) for fault in faults)


def _run(pipes: ReportingPipes, figures: Figures) -> dict[str, int]:
    figures.runs += 1
    pipes.start()
    try:
        return pipes.wait(MAX_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise SoakError(f"reporting: a run that does not end: {error}") from None
