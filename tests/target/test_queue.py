from __future__ import annotations

from tap_pleo_export.target.jobs import ItemUpdate
from tap_pleo_export.target.queue import MAX_WAIT_SECONDS, MAX_WAITING_UPDATES, UpdateQueue

ONE, TWO = "job-1", "job-2"
ENTRY = "8eb648ab-464b-42a0-ba17-eda703657e33"


def update(job: str, entry: str, line: int = 1) -> ItemUpdate:
    return ItemUpdate(job, entry, "successful", {}, line)


def test_updates_wait_by_job_and_repeated_items_wait_apart() -> None:
    queue = UpdateQueue(2)
    first, again, other = update(ONE, ENTRY, 1), update(ONE, ENTRY.upper(), 2), update(TWO, "a", 3)
    for each in (first, again, other):
        queue.add(each, 0.0)

    assert (len(queue), queue.oldest(), queue.due(0.0)) == (3, ONE, None)
    queue.add(update(ONE, "b"), 1.0)
    assert queue.due(0.0) == ONE
    batch = queue.take(ONE)
    assert (list(batch.updates.values()), batch.later, len(batch)) == ([first, update(ONE, "b")], [again], 3)
    assert (len(queue), queue.oldest(), queue.due(0.0)) == (1, TWO, None)


def test_batch_is_due_when_its_first_update_is_too_old() -> None:
    queue = UpdateQueue(9)
    assert (queue.due(0.0), queue.next_due(0.0)) == (None, None)
    queue.add(update(ONE, "a"), 10.0)
    queue.add(update(TWO, "a"), 11.0)
    queue.add(update(ONE, "b"), 14.9)

    assert (queue.due(14.9), queue.next_due(12.0)) == (None, 3.0)
    assert queue.due(10.0 + MAX_WAIT_SECONDS) == ONE
    assert queue.next_due(99.0) == 0.0
    queue.take(ONE)
    assert (queue.due(15.0), queue.next_due(15.0)) == (None, 1.0)
    assert queue.due(16.0) == TWO


def test_oldest_batch_is_due_when_too_many_updates_wait() -> None:
    queue = UpdateQueue(MAX_WAITING_UPDATES * 2)
    queue.add(update(ONE, "0"), 0.0)
    for number in range(MAX_WAITING_UPDATES - 2):
        queue.add(update(TWO, str(number)), 0.0)
    assert queue.due(0.0) is None

    queue.add(update(TWO, "x"), 0.0)
    assert (len(queue), queue.due(0.0)) == (MAX_WAITING_UPDATES, ONE)
    queue.take(ONE)
    queue.add(update(TWO, "y"), 0.0)
    assert queue.due(0.0) == TWO
    queue.take(TWO)
    assert (len(queue), queue.due(9e9)) == (0, None)
