from __future__ import annotations

from tap_pleo_export.target.batches import LONGEST_WAIT, MOST_WAITING, Batches
from tap_pleo_export.target.updates import ItemUpdate

ONE, TWO = "job-1", "job-2"


def update(job: str, entry: str, line: int = 1) -> ItemUpdate:
    return ItemUpdate(job, entry, "successful", {}, line)


def test_updates_of_one_job_wait_together_the_first_of_each_item_before_the_others() -> None:
    batches = Batches(2)
    first, again, other = update(ONE, "a", 1), update(ONE, "a", 2), update(TWO, "a", 3)
    for each in (first, again, other):
        batches.add(each, 0.0)

    assert (len(batches), batches.jobs(), batches.full(ONE)) == (3, [ONE, TWO], False)
    batches.add(update(ONE, "b"), 1.0)
    assert batches.full(ONE)
    assert not batches.full(TWO)
    batch = batches.take(ONE)
    assert (list(batch.updates.values()), batch.later) == ([first, update(ONE, "b")], [again])
    assert len(batch) == 3
    assert (len(batches), batches.jobs()) == (1, [TWO])
    assert not batches.full(ONE)


def test_ids_that_differ_in_case_are_one_item() -> None:
    batches = Batches(2)
    entry = "8eb648ab-464b-42a0-ba17-eda703657e33"
    for spelling in (entry, entry.upper()):
        batches.add(update(ONE, spelling), 0.0)

    assert not batches.full(ONE)
    assert len(batches.take(ONE).later) == 1


def test_a_batch_is_due_when_its_first_update_has_waited_long_enough() -> None:
    batches = Batches(9)
    assert (batches.due(0.0), batches.next_due(0.0)) == (None, None)
    batches.add(update(ONE, "a"), 10.0)
    batches.add(update(TWO, "a"), 11.0)
    batches.add(update(ONE, "b"), 14.9)

    assert (batches.due(14.9), batches.next_due(12.0)) == (None, 3.0)
    assert batches.due(10.0 + LONGEST_WAIT) == ONE
    assert batches.next_due(99.0) == 0.0
    batches.take(ONE)
    assert (batches.due(15.0), batches.next_due(15.0)) == (None, 1.0)
    assert batches.due(16.0) == TWO


def test_the_oldest_is_due_when_too_many_wait() -> None:
    batches = Batches(MOST_WAITING * 2)
    batches.add(update(ONE, "0"), 0.0)
    for number in range(MOST_WAITING - 2):
        batches.add(update(TWO, str(number)), 0.0)
    assert (batches.due(0.0), batches.full(TWO)) == (None, False)

    batches.add(update(TWO, "x"), 0.0)
    assert (len(batches), batches.due(0.0)) == (MOST_WAITING, ONE)
    batches.take(ONE)
    batches.add(update(TWO, "y"), 0.0)
    assert batches.full(TWO)
    batches.take(TWO)
    assert (len(batches), batches.due(9e9)) == (0, None)
