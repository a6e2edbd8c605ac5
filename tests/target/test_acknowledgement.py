from __future__ import annotations

from tap_pleo_export.target.acknowledgement import MAX_WAITING_STATES, Acknowledgement


def test_state_is_due_once_when_all_records_before_it_are_settled() -> None:
    acknowledgement = Acknowledgement()
    acknowledgement.add(b"0", 1)
    assert (acknowledgement.due(), acknowledgement.due()) == (b"0", None)

    acknowledgement.begin(2)
    acknowledgement.begin(3)
    acknowledgement.add(b"1", 4)
    acknowledgement.begin(5)
    acknowledgement.add(b"2", 6)
    acknowledgement.settle(3)
    assert (acknowledgement.due(), acknowledgement.unsettled) == (None, 2)
    assert (acknowledgement.is_open(2), acknowledgement.is_open(3)) == (True, False)
    acknowledgement.settle(2)
    assert acknowledgement.due() == b"1"
    acknowledgement.settle(5)
    acknowledgement.settle(5)
    assert (acknowledgement.due(), acknowledgement.unsettled) == (b"2", 0)


def test_older_states_are_skipped() -> None:
    acknowledgement = Acknowledgement()
    for line in (1, 2, 3):
        acknowledgement.add(str(line).encode(), line)

    assert (acknowledgement.due(), acknowledgement.due()) == (b"3", None)


def test_many_waiting_states_are_thinned_out_except_the_first_and_last() -> None:
    acknowledgement = Acknowledgement()
    lines = range(1, 200, 2)
    for line in lines:
        acknowledgement.begin(line)
        acknowledgement.add(str(line).encode(), line + 1)
        assert len(acknowledgement._waiting) <= MAX_WAITING_STATES
    acknowledgement.settle(1)
    assert acknowledgement.due() == b"1"
    for line in lines:
        acknowledgement.settle(line)
    assert acknowledgement.due() == b"199"


def test_last_deferred_state_is_released_at_the_end() -> None:
    acknowledgement = Acknowledgement()
    acknowledgement.begin(1)
    acknowledgement.add(b"before", 2)
    acknowledgement.defer()
    acknowledgement.add(b"deferred", 3)
    acknowledgement.add(b"last", 4)
    acknowledgement.settle(1)
    assert (acknowledgement.due(), acknowledgement.due()) == (b"before", None)

    acknowledgement.release()
    assert acknowledgement.due() == b"last"
    acknowledgement.release()
    assert acknowledgement.due() is None
    acknowledgement.add(b"after", 5)
    assert acknowledgement.due() == b"after"
