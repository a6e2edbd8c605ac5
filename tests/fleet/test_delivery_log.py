"""Deliveries that arrive during a write are written together, and each waits for its own write."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import pytest

from dagster_pleo_export.delivery_log import DeliveryLog


class Writes:
    """Records writes; each waits for a turn, and may fail."""

    def __init__(self) -> None:
        self.written: list[tuple[dict[str, str], int]] = []
        self.broken = False
        self.entered = threading.Semaphore(0)
        self.turns = threading.Semaphore(0)

    def write(self, named: Mapping[str, str], count: int) -> None:
        self.entered.release()
        assert self.turns.acquire(timeout=60)
        if self.broken:
            raise OSError("no database")
        self.written.append((dict(named), count))


def test_deliveries_during_a_write_are_written_together() -> None:
    writes = Writes()

    async def story() -> None:
        log = DeliveryLog(writes.write)
        first = asyncio.create_task(log.deliver("acme", "d1"))
        await asyncio.to_thread(writes.entered.acquire)
        rest = [asyncio.create_task(log.deliver(*one)) for one in (("acme", "d2"), ("beta", "d3"), ("acme", "d4"))]
        await asyncio.sleep(0)
        writes.turns.release()
        await first
        # Accepted only when they are written, too.
        assert not any(task.done() for task in rest)
        await asyncio.to_thread(writes.entered.acquire)
        assert not any(task.done() for task in rest)
        writes.turns.release()
        await asyncio.gather(*rest)

    asyncio.run(story())

    assert writes.written == [({"acme": "d1"}, 1), ({"acme": "d4", "beta": "d3"}, 3)]


def test_a_failed_write_fails_its_deliveries_and_no_later_one() -> None:
    writes = Writes()

    async def story() -> None:
        log = DeliveryLog(writes.write)
        writes.broken = True
        both = [asyncio.create_task(log.deliver(name, "d")) for name in ("acme", "beta")]
        writes.turns.release()
        results = await asyncio.gather(*both, return_exceptions=True)
        assert [str(result) for result in results] == ["no database"] * 2
        writes.broken = False
        writes.turns.release()
        await log.deliver("acme", "again")

    asyncio.run(story())

    assert writes.written == [({"acme": "again"}, 1)]


def test_a_delivery_whose_client_left_does_not_fail_the_others() -> None:
    writes = Writes()

    async def story() -> None:
        log = DeliveryLog(writes.write)
        gone = asyncio.create_task(log.deliver("acme", "d1"))
        stays = asyncio.create_task(log.deliver("beta", "d2"))
        await asyncio.to_thread(writes.entered.acquire)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        writes.turns.release()
        await stays

    asyncio.run(story())

    assert writes.written == [({"acme": "d1", "beta": "d2"}, 2)]
