"""Never more requests than the budget in any 60 seconds, on a clock of the test's own."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from tap_pleo_export.api.budget import RequestBudget

# Seconds between two requests that are ready to go.
GAPS = st.lists(st.floats(0, 100, allow_nan=False), max_size=200)
# Sixteenths add up exactly.
EXACT_GAPS = st.lists(st.integers(0, 1600).map(lambda sixteenths: sixteenths / 16), max_size=200)


def sent_at(gaps: list[float], budget: int) -> list[float]:
    """Return when requests are sent that become ready one gap after another."""
    requests = RequestBudget(budget)
    now, sent = 0.0, []
    for gap in gaps:
        now += gap
        sent.append(now + requests.take(now))
    return sent


@given(gaps=GAPS, budget=st.integers(1, 20))
@example(gaps=[0.0] * 100, budget=10)
def test_never_more_than_the_budget_in_any_minute(gaps: list[float], budget: int) -> None:
    sent = sorted(sent_at(gaps, budget))

    assert all(later - earlier > 60 for earlier, later in zip(sent, sent[budget:], strict=False))


@given(gaps=EXACT_GAPS, budget=st.integers(1, 20))
def test_no_request_waits_while_the_budget_lasts(gaps: list[float], budget: int) -> None:
    ready = list(accumulate(gaps))
    sent = sent_at(gaps, budget)

    assert sent[:budget] == ready[:budget]
    for number, (at, was_ready) in enumerate(zip(sent, ready, strict=True)):
        in_the_window = [earlier for earlier in sent[:number] if earlier > was_ready - 61]
        assert at == was_ready or len(in_the_window) >= budget


@given(readings=st.lists(st.floats(0, 300, allow_nan=False), max_size=100), budget=st.integers(1, 10))
def test_late_clock_readings_do_not_exceed_the_budget(readings: list[float], budget: int) -> None:
    requests = RequestBudget(budget)
    # Each thread's reading may be up to half a second old when its turn comes.
    queue = [max(0.0, now - 0.5 * (number % 2)) for number, now in enumerate(sorted(readings))]

    sent = sorted(now + requests.take(now) for now in queue)

    assert all(later - earlier > 60 for earlier, later in zip(sent, sent[budget:], strict=False))


def test_requests_kept_for_others_are_not_available() -> None:
    budget = RequestBudget(5)
    for now in (0.0, 1.0, 2.0):
        assert budget.wait(now, keep=2) == 0
        budget.take(now)

    assert budget.wait(10.0, keep=2) == 51
    # At most half is kept.
    assert budget.wait(10.0, keep=9) == 51
    assert budget.wait(10.0) == 0
    assert RequestBudget(1).wait(0.0, keep=9) == 0


def test_budget_used_at_once_is_refilled_at_once() -> None:
    sent = sent_at([0.0] * 9, 3)

    assert sent == [0, 0, 0, 61, 61, 61, 122, 122, 122]
    assert all(earlier <= later for earlier, later in pairwise(sent))
