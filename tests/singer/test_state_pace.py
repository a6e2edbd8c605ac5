"""STATE messages do not outweigh RECORD messages and never wait long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.singer.message_writer import MAX_DELAY, StatePace

# Bytes and seconds of each page.
PAGES = st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 3)), max_size=100)


@given(pages=PAGES, state_size=st.integers(1, 10**6))
def test_states_do_not_outweigh_records(pages: list[tuple[int, float]], state_size: int) -> None:
    pace = StatePace()
    written = records = since_last = 0
    now = last_at = 0.0
    first = True
    for size, seconds in pages:
        written += size
        records += size
        since_last += size
        now += seconds
        due = pace.due(written, now)
        assert due == (first or since_last >= state_size or now - last_at >= MAX_DELAY)
        if due:
            written += state_size
            pace.emitted(state_size, written, now)
            first, since_last, last_at = False, 0, now


def test_large_state_waits_at_most_five_seconds() -> None:
    pace = StatePace()
    pace.emitted(10**6, 0, 100.0)

    assert not pace.due(10, 104.9)
    assert pace.due(10, 105.0)
