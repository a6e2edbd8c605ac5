"""Export jobs that get items while and after they are read: export item and job item together, or one of them first."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox import Fault, Sandbox
from sandbox.kinds import KINDS
from sandbox.values import make_uuid
from tools.soak.faults import CONTROL, ITEMS, MAX_REQUEST, Planned, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from sandbox import Job


class JobGrowth:
    """Lets jobs grow; :meth:`settle` adds the missing halves of items."""

    def __init__(self, pleo: Sandbox, rng: Random) -> None:
        self._pleo = pleo
        self._rng = rng
        self._missing: list[Callable[[], None]] = []
        self._models = Sandbox(seed=rng.getrandbits(32)).add_job(items=len(KINDS)).items

    def plan(self) -> Planned:
        """Add a fault that lets a job grow when a page is requested."""
        name, grow = self._rng.choice((("both", self.both), ("item first", self.item), ("job item first", self.row)))
        job = self._rng.choice(list(self._pleo.jobs.values()))
        # Drawn here, because the fault runs in another thread.
        position = self._rng.randint(0, len(job.items))
        item = self._new_item(job)
        path, query = self._rng.choice(((ITEMS, {"job_id": job.id}), (CONTROL.replace("*", job.id), {})))
        fault = Fault(
            path=path,
            query=query,
            nth=self._rng.randint(1, MAX_REQUEST),
            kind="callback",
            callback=lambda _: grow(job, item, position),
        )
        return Planned(Trouble(f"growth: {name}", {}), self._pleo.add_fault(fault))

    def between_runs(self, likelihood: float) -> int:
        """Let a job grow between two runs, with this likelihood; return by how many items."""
        if self._rng.random() > likelihood:
            return 0
        job = self._rng.choice(list(self._pleo.jobs.values()))
        self.both(job, self._new_item(job), self._rng.randint(0, len(job.items)))
        return 1

    def both(self, job: Job, item: dict[str, Any], position: int) -> None:
        """Add an export item and its job item."""
        with self._pleo.lock:
            self._add_item(job, item, position)
            self._add_row(job, item)

    def item(self, job: Job, item: dict[str, Any], position: int) -> None:
        """Add an export item; its job item follows."""
        with self._pleo.lock:
            self._add_item(job, item, position)
            self._missing.append(partial(self._add_row, job, item))

    def row(self, job: Job, item: dict[str, Any], position: int) -> None:
        """Add a job item; its export item follows."""
        with self._pleo.lock:
            self._add_row(job, item)
            self._missing.append(partial(self._add_item, job, item, position))

    def settle(self) -> int:
        """Add the missing halves, and return their number."""
        with self._pleo.lock:
            missing, self._missing = self._missing, []
            for add in missing:
                add()
        return len(missing)

    def _new_item(self, job: Job) -> dict[str, Any]:
        return copy.deepcopy(self._rng.choice(self._models)) | {
            "accountingEntryId": make_uuid(self._rng),
            "companyId": job.record["companyId"],
        }

    @staticmethod
    def _add_item(job: Job, item: dict[str, Any], position: int) -> None:
        job.items.insert(position, item)

    @staticmethod
    def _add_row(job: Job, item: dict[str, Any]) -> None:
        job.item_statuses[item["accountingEntryId"]] = "pending"
        job.record["numberOfItems"] = len(job.item_statuses)
