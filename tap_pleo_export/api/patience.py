"""Trying again after waits that a policy draws; the clock is the real one, waiting is the caller's."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import tenacity

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_pleo_export.api.retry import RetryPolicy


def attempts(
    policy: RetryPolicy,
    *,
    worth_repeating: Callable[[BaseException], bool],
    announce: Callable[[tenacity.RetryCallState], None],
    sleep: Callable[[float], None],
) -> tenacity.Retrying:
    """Return attempts, to be made one after the other until one succeeds; the last failure is raised.

    Args:
        policy: When to try again and when to give up.
        worth_repeating: Whether a failure may pass; its ``retry_after``, seconds or None, is what Pleo asked for.
        announce: Told before each wait.
        sleep: Waits; raises to end the wait early.
    """

    def next_wait(state: tenacity.RetryCallState, jitter: float) -> float | None:
        failure = state.outcome.exception() if state.outcome else None
        return policy.wait(state.attempt_number, getattr(failure, "retry_after", None), jitter)

    def stop(state: tenacity.RetryCallState) -> bool:
        # Asked before the wait is drawn: the longest possible one decides about the deadline.
        wait = next_wait(state, 1.0)
        return wait is None or (state.seconds_since_start or 0.0) + wait > policy.deadline

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(worth_repeating),
        wait=lambda state: next_wait(state, random.random()) or 0.0,  # noqa: S311 - spreads load, guards nothing
        stop=stop,
        before_sleep=announce,
        sleep=sleep,
        reraise=True,
    )
