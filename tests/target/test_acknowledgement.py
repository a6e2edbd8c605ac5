from __future__ import annotations

from tap_pleo_export.target.acknowledgement import MOST_WAITING, Acknowledgement


def test_a_state_is_due_once_when_everything_before_it_is_settled() -> None:
    acknowledgement = Acknowledgement()
    acknowledgement.add(b"0", 1)
    assert acknowledgement.due() == b"0"
    assert acknowledgement.due() is None

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
    assert (acknowledgement.due(), acknowledgement.unsettled) == (b"2", 0)
    acknowledgement.settle(5)


def test_older_states_are_skipped() -> None:
    acknowledgement = Acknowledgement()
    for line in (1, 2, 3):
        acknowledgement.add(str(line).encode(), line)

    assert (acknowledgement.due(), acknowledgement.due()) == (b"3", None)


def test_states_of_which_many_wait_are_thinned_out_but_for_the_first_and_the_last() -> None:
    acknowledgement = Acknowledgement()
    lines = range(1, 200, 2)
    for line in lines:
        acknowledgement.begin(line)
        acknowledgement.add(str(line).encode(), line + 1)
        assert len(acknowledgement._waiting) <= MOST_WAITING
    acknowledgement.settle(1)
    assert acknowledgement.due() == b"1"
    for line in lines:
        acknowledgement.settle(line)
    assert acknowledgement.due() == b"199"


def test_what_is_held_is_released_at_the_end_the_last_one_alone() -> None:
    acknowledgement = Acknowledgement()
    acknowledgement.begin(1)
    acknowledgement.add(b"before", 2)
    acknowledgement.hold()
    acknowledgement.add(b"held", 3)
    acknowledgement.add(b"last", 4)
    acknowledgement.settle(1)
    assert acknowledgement.due() == b"before"
    assert acknowledgement.due() is None

    acknowledgement.release()
    assert acknowledgement.due() == b"last"
    acknowledgement.release()
    assert acknowledgement.due() is None
    acknowledgement.add(b"after", 5)
    assert acknowledgement.due() == b"after"
