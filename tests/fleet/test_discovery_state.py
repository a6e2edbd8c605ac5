from __future__ import annotations

from dataclasses import replace

from dagster_pleo_export.discovery import DiscoveryResult
from dagster_pleo_export.discovery_state import DiscoveryState, PendingJob
from tests.fleet.jobs import START, job

NAMES = ["a", "b", "c", "d", "e"]


def test_a_round_asks_every_company_once_across_restarts() -> None:
    state = DiscoveryState()
    asked: list[str] = []
    for _ in range(3):
        wanted = state.next(NAMES, [], START, 60)
        # Time is up after two of them.
        complete = state.finished(wanted[:2], wanted)
        asked += wanted[:2]
        state = DiscoveryState.from_cursor(state.to_cursor())

    assert complete
    assert asked == NAMES
    assert state.next(NAMES, [], START + 59, 60) == []
    assert state.next(NAMES, [], START + 60, 60) == NAMES


def test_a_tick_that_comes_slightly_early_starts_the_round() -> None:
    state = DiscoveryState()
    state.finished(NAMES, state.next(NAMES, [], START, 60))

    assert state.next(NAMES, [], START + 59.6, 60) == NAMES


def test_a_company_left_out_in_the_middle_is_asked_by_the_next_evaluation() -> None:
    state = DiscoveryState()
    wanted = state.next(NAMES, [], START, 60)

    assert not state.finished(["a", "c", "d"], wanted)
    assert state.next(NAMES, [], START, 60) == ["b", "e"]


def test_companies_that_a_round_has_not_reached_come_first_in_the_next() -> None:
    state = DiscoveryState()
    asked: list[str] = []
    overs = []
    for number in range(20):
        wanted = state.next(NAMES, [], START + number * 60, 60)
        asked += wanted[:2]
        overs.append(state.finished(wanted[:2], wanted))

    assert asked[:6] == [*NAMES, "a"]
    assert min(asked.count(name) for name in NAMES) == 6
    # Each began before the last was complete.
    assert overs == [False, *([True] * 19)]


def test_a_company_named_by_a_webhook_that_there_was_no_time_for_is_asked_next() -> None:
    state = DiscoveryState()
    state.finished(NAMES, state.next(NAMES, [], START, 60))

    assert not state.finished(["c"], state.next(NAMES, ["c", "d"], START + 1, 60))
    assert state.next(NAMES, [], START + 2, 60) == ["d"]


def test_the_first_company_left_out_is_asked_by_the_next_evaluation() -> None:
    state = DiscoveryState()
    wanted = state.next(["0", "a"], [], START, 60)

    assert wanted == ["0", "a"]
    assert not state.finished(["a"], wanted)
    assert state.next(["0", "a"], [], START, 60) == ["0"]


def test_a_round_that_is_late_is_over_once() -> None:
    state = DiscoveryState()
    over = []
    for moment, asked in ((START, "a"), (START + 60, "b"), (START + 61, "c")):
        wanted = state.next(NAMES, [], moment, 60)
        over.append(state.finished([asked], wanted))

    assert over == [False, True, False]


def test_a_webhook_comes_first_even_between_rounds_and_during_a_backoff() -> None:
    state = DiscoveryState()
    wanted = state.next(NAMES, ["d", "gone"], START, 60)
    assert wanted == ["d", "a", "b", "c", "e"]
    state.finished(wanted, wanted)
    state.record(DiscoveryResult("d", failure="Pleo rejected the credentials"), [], START, 60)

    assert state.next(NAMES, ["d", "d"], START + 1, 60) == ["d"]
    assert not state.finished(["d"], ["d"])


def test_a_failing_company_is_reported_once_and_backed_off_alone() -> None:
    state = DiscoveryState()
    failed = DiscoveryResult("b", failure="Pleo rejected the credentials")
    times: list[float] = []
    now = START
    for _ in range(8):
        is_new = state.record(failed, [], now, 60)
        assert is_new == (not times)
        times.append(state.failing["b"].until - now)
        assert "b" not in state.next(NAMES, [], now, 60)
        state.left = []
        now = state.failing["b"].until
        assert "b" in state.next(NAMES, [], now, 60)
        state.left = []

    assert times == [60, 120, 240, 480, 960, 1800, 1800, 1800]
    assert not state.record(DiscoveryResult("b"), [], now, 60)
    assert not state.failing
    # Pleo asked for a longer wait.
    state.record(DiscoveryResult("b", failure="throttled", wait=900), [], START, 60)
    assert state.failing["b"].until == START + 900


def test_companies_that_left_are_forgotten_and_a_broken_cursor_starts_a_new_round() -> None:
    state = DiscoveryState()
    state.record(DiscoveryResult("b", failure="x"), [], START, 60)
    state.record(DiscoveryResult("c"), [job()], START, 60)
    state.retain(["a"])

    assert (state.failing, state.open) == ({}, {})
    assert DiscoveryState.from_cursor("{broken").next(NAMES, [], START, 60) == NAMES


def test_a_job_without_a_complete_load_becomes_late() -> None:
    state = DiscoveryState()
    state.record(DiscoveryResult("c", (job(left=20),)), [job(left=20)], START, 60)

    assert state.late(START, 45) == state.late(START, 40) == {}
    assert state.late(START, 39.9) == {"c": PendingJob("j1", START - 40 * 60, START + 20 * 60)}
    state.record(DiscoveryResult("c", (job(),)), [], START, 60)
    assert state.late(START, 1) == {}


def test_the_older_of_two_late_jobs_is_named() -> None:
    state = DiscoveryState()
    undated = replace(job("undated"), created_at=None)
    jobs = [job("younger", left=15), job("older", left=5), job("new", left=59), undated]
    state.record(DiscoveryResult("c", tuple(jobs)), jobs, START, 60)

    assert state.late(START, 40)["c"].job == "older"


def test_problems_of_entries_left_out_are_new_once_and_again_after_a_correction() -> None:
    state = DiscoveryState()

    assert state.new_problems(["a", "b"]) == ["a", "b"]
    state = DiscoveryState.from_cursor(state.to_cursor())
    assert state.new_problems(["a", "c"]) == ["c"]
    assert state.new_problems([]) == []
    assert state.new_problems(["a"]) == ["a"]


def test_the_company_of_a_lost_run_is_named_once_even_across_restarts() -> None:
    state = DiscoveryState()

    assert state.new_losses({"r1": "a", "r2": "b", "r3": "a"}) == ["a", "b"]
    state = DiscoveryState.from_cursor(state.to_cursor())
    assert state.new_losses({"r2": "b", "r4": "c"}) == ["c"]
    assert state.new_losses({"r4": "c"}) == []
    assert state.lost == ["r4"]


def test_a_company_named_by_a_webhook_is_asked_again_soon_after_a_failure_in_the_longest_round() -> None:
    state = DiscoveryState()
    state.finished(NAMES, state.next(NAMES, [], START, 3000))
    now, waits = START + 1, []
    assert state.next(NAMES, ["d"], now, 3000) == ["d"]
    for _ in range(5):
        state.record(DiscoveryResult("d", failure="Pleo is not available"), [], now, 3000)
        state.finished(["d"], ["d"])
        state = DiscoveryState.from_cursor(state.to_cursor())
        until = state.failing["d"].until
        assert state.next(NAMES, [], until - 1, 3000) == []
        assert state.next(NAMES, [], until, 3000) == ["d"]
        waits.append(until - now)
        now = until

    assert waits == [60, 120, 240, 300, 300]
    state.record(DiscoveryResult("d"), [], now, 3000)
    state.finished(["d"], ["d"])
    assert (state.urgent, state.next(NAMES, [], now + 100, 3000)) == ({}, [])


def test_a_company_that_fails_for_an_hour_is_not_urgent_any_longer() -> None:
    state = DiscoveryState(started=START)
    state.next(NAMES, ["d"], START, 7200)
    now, failures = START, 0
    while "d" in state.urgent:
        state.record(DiscoveryResult("d", failure="Pleo rejected the credentials"), [], now, 7200)
        now, failures = state.failing["d"].until, failures + 1

    assert failures == 15
    # The last one waits for as long as any company that fails.
    assert now - START == 60 + 120 + 240 + 11 * 300 + 1800


def test_a_company_named_by_a_webhook_but_not_reached_is_first_despite_a_failure() -> None:
    state = DiscoveryState(started=START)
    state.record(DiscoveryResult("d", failure="x"), [], START, 60)

    assert not state.finished([], state.next(NAMES, ["d"], START + 1, 60))
    assert state.next(NAMES, ["c"], START + 2, 60) == ["c", "d"]


def test_a_company_with_an_open_job_is_asked_again_when_its_run_is_over() -> None:
    state = DiscoveryState()
    state.record(DiscoveryResult("c", (job(),)), [job()], START, 3000)
    state.finished(NAMES, state.next(NAMES, [], START, 3000))

    assert state.next(NAMES, [], START + 59, 3000) == []
    assert state.next(NAMES, [], START + 60, 3000, busy={"c"}) == []
    assert state.next(NAMES, ["c"], START + 60, 3000, busy={"c"}) == ["c"]
    assert state.next(NAMES, [], START + 60, 3000) == ["c"]
    # Its run has loaded the job.
    state.record(DiscoveryResult("c", (job(),)), [], START + 60, 3000)
    state.finished(["c"], ["c"])
    assert state.next(NAMES, [], START + 600, 3000) == []


def test_urgent_companies_come_in_the_order_of_their_times_and_leave_with_the_fleet() -> None:
    state = DiscoveryState(started=START, urgent={"b": START + 2, "a": START + 1, "c": START + 9})

    assert state.next(NAMES, [], START + 2, 60) == ["a", "b"]
    state.retain(["a", "c"])
    assert state.urgent == {"a": START + 1, "c": START + 9}
