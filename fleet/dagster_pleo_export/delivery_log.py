"""Collects webhook deliveries, to record many in one write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A write takes Dagster some milliseconds of processor time, however little it contains.
SECONDS_BETWEEN_WRITES = 0.03


class DeliveryLog:
    """Records companies named by webhooks; belongs to an event loop.

    Args:
        write: Records the last delivery of each company, and how many there were; called in a thread, one at a time.
    """

    def __init__(self, write: Callable[[Mapping[str, str], int], None]) -> None:
        self._write = write
        self._waiting: list[tuple[str, str, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def deliver(self, company: str, delivery: str) -> None:
        """Record that a delivery named a company; return when it is written, or raise what the write raised."""
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((company, delivery, outcome))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        await outcome

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            named = {company: delivery for company, delivery, _ in batch}
            error: Exception | None = None
            try:
                await asyncio.to_thread(self._write, named, len(batch))
            except Exception as raised:  # noqa: BLE001 - each delivery of the batch fails with it
                error = raised
            for outcome in (outcome for _, _, outcome in batch if not outcome.done()):
                outcome.set_exception(error) if error else outcome.set_result(None)
            await asyncio.sleep(SECONDS_BETWEEN_WRITES)
