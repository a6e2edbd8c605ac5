"""A generous guard against a slow tap, since machines are noisy; ``make bench`` measures properly."""

from __future__ import annotations

from tools.bench.rounds import interleave, raw_loop, serving, tap

ITEMS = 10_000
MAX_RATIO = 2.0
ATTEMPTS = 3


def test_tap_takes_at_most_twice_the_cpu_of_a_hand_written_loop() -> None:
    with serving(ITEMS) as server:
        loop, ours = raw_loop(server, ITEMS), tap(server, ITEMS)
        ratios: list[float] = []
        # A slow tap is slow each time; a machine that is busy with other work is not.
        while len(ratios) < ATTEMPTS and (not ratios or ratios[-1] > MAX_RATIO):
            ratios += interleave([loop, ours], rounds=1).ratios(ours.name, "cpu")
    assert ratios[-1] <= MAX_RATIO, f"ratios to the hand-written loop: {ratios}"
