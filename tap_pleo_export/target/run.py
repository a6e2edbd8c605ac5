"""What reporting shares in one run, and how it goes on where nobody knows what a request did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from tap_pleo_export.api.errors import OutcomeUnknown

if TYPE_CHECKING:
    import contextlib
    import logging
    from collections.abc import Callable

    from tap_pleo_export.api.retry import RetryPolicy
    from tap_pleo_export.target.acknowledgement import Acknowledgement
    from tap_pleo_export.target.api import ReportingApi
    from tap_pleo_export.target.job import ReportedJob
    from tap_pleo_export.target.jobs import Jobs
    from tap_pleo_export.target.tally import Tally

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """What reporting shares in one run.

    Attributes:
        api: Pleo.
        jobs: The run's jobs.
        tally: Where outcomes are counted.
        acknowledgement: Which states may be passed on.
        logger: Where each refusal is said.
        policy: How often, and after which waits, something is sent again.
        sleep: Waits.
        shielded: A block that a signal ends after ten seconds only.
        passed_on: Called where states may have become due.
        start_jobs: Whether a job that is ``pending`` is started before its first write.
        dry_run: Whether nothing is to be sent.
    """

    api: ReportingApi
    jobs: Jobs
    tally: Tally
    acknowledgement: Acknowledgement
    logger: logging.Logger
    policy: RetryPolicy
    sleep: Callable[[float], None]
    shielded: Callable[[], contextlib.AbstractContextManager[None]]
    passed_on: Callable[[], None]
    start_jobs: bool = False
    dry_run: bool = False

    def until_known(self, job: ReportedJob, send: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a request; where nobody knows what became of it, read the job and make it again.

        Raises:
            OutcomeUnknown: Still unknown, after all attempts.
        """

        def announce(failure: BaseException, _: float) -> None:
            if isinstance(failure, OutcomeUnknown):
                self.logger.warning("%s; Pleo is asked what it has, then the rest is sent again", failure.what)

        for attempt in self.policy.attempts(
            lambda error: isinstance(error, OutcomeUnknown), before_wait=announce, sleep=self.sleep
        ):
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    self.jobs.read_again(job)
                return send(*args, **kwargs)
        raise AssertionError  # pragma: no cover - tenacity either returns or raises
