"""One world at play: its pipeline is disturbed some times over, and then left in peace; each run is accounted for."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from signal import SIGKILL
from typing import TYPE_CHECKING

from sandbox import Fault
from tools.expectation import RUNNING
from tools.soak.arrived import Arrived, look_into_logs
from tools.soak.faults import EXPIRY, FREE, HINT, JOB_TROUBLES, TOKEN_TROUBLES, TROUBLES, Cost, Planned
from tools.soak.need import RunRequests, progress_in
from tools.soak.strikes import Strikes
from tools.soak.world import STATUSES, add_job

if TYPE_CHECKING:
    from random import Random

    from sandbox import Sandbox
    from tools.pipes import Pipes
    from tools.soak.authorisation import Authorisation
    from tools.soak.figures import Figures
    from tools.soak.growth import Growth
    from tools.soak.need import Progress

MOST_JOBS = 8
LATENCIES = (0, 0.01, 0.05, 0.1)
LIFETIMES = (1, 1, 2, 3600)
# Seconds for a request, in a run with faults and in one without.
PATIENCE, PEACE = 4, 60
# No run takes so long, on a busy machine either.
MOST_SECONDS = 180
SIGNAL_SECONDS = 10.0
REREAD = b"is read again from its first page"


class SoakError(Exception):
    """A pipeline that is left in peace does not finish, or one that is not does not end."""


@dataclass
class Play:
    """A world at play.

    Attributes:
        pleo: The sandbox.
        pipes: The pipeline.
        rng: Draws the disturbances.
        figures: Where all is counted.
        growth: Lets jobs grow.
        authorisation: In worlds with OAuth.
        arrived: What the tap has written.
        carried: What an earlier run may have left to be read again.
    """

    pleo: Sandbox
    pipes: Pipes
    rng: Random
    figures: Figures
    growth: Growth
    authorisation: Authorisation | None = None
    arrived: Arrived = field(default_factory=Arrived)
    carried: Cost = FREE

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses of the items that are to arrive."""
        return tuple(self.pipes.tap.get("item_statuses", RUNNING)) or STATUSES

    def disturb(self) -> None:
        """Run the pipeline with faults, growth and strikes.

        Raises:
            SoakError: The run does not end.
        """
        rng = self.rng
        if rng.choice((True, False)) and len(self.pleo.jobs) < MOST_JOBS:
            add_job(self.pleo, rng, loadable=self.pipes.loaded)
        self.pleo.faults.clear()
        self.pleo.add_fault(Fault(path="/v3/*", nth=None, kind="delay", seconds=rng.choice(LATENCIES)))
        self.pleo.access_token_lifetime = rng.choice(LIFETIMES)
        if rng.choice((True, False)):
            self.pleo.expire_access_token()
        planned = self._plan()
        strikes = Strikes(self.pipes)
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            strikes.plan(self.pleo, rng)
        self._run(planned, strikes, PATIENCE)
        changes = self.growth.settle() + self.growth.after_reading(0.2)
        self.figures.faults["growth: between runs"] += changes
        self.carried = self.carried.plus(HINT.times(changes))

    def finish(self) -> None:
        """Run the pipeline in peace; once more, for then nothing is left to be read.

        Raises:
            SoakError: It fails without a fault, or leaves a job incomplete.
        """
        self.pleo.faults.clear()
        self.pleo.access_token_lifetime = LIFETIMES[-1]
        for _ in range(2):
            codes = self._run([], Strikes(self.pipes), PEACE)
            if any(codes.values()):
                raise SoakError(f"exit codes {codes} without a fault")
            progress = progress_in(self.pipes.state)
            if left := [job_id for job_id in self.pleo.jobs if job_id not in progress or not progress[job_id].complete]:
                raise SoakError(f"jobs that are not complete after a run in peace: {', '.join(left)}")

    def _plan(self) -> list[Planned]:
        rng = self.rng
        drawn = rng.choices(
            [trouble for trouble in TROUBLES if trouble.loadable or not self.pipes.loaded],
            k=rng.choice((0, 1, 1, 2, 3, 5)),
        )
        if self.authorisation:
            drawn += rng.choices((*TOKEN_TROUBLES, EXPIRY, EXPIRY), k=rng.choice((0, 1, 1, 2, 3)))
        secrets = self.authorisation.secrets() if self.authorisation else [self.pleo.api_key]
        pairs = [(row, row.fault(self.pleo, secrets, rng)) for row in drawn]
        if rng.random() < 0.3:  # noqa: PLR2004 - sometimes
            jobs = rng.sample(list(self.pleo.jobs), min(3, len(self.pleo.jobs)))
            pairs += [(row, row.of_job(job_id, rng)) for job_id in jobs for row in (rng.choice(JOB_TROUBLES),)]
        # The last are innermost: what is no JSON cannot be rewritten.
        pairs.sort(key=lambda pair: pair[1].kind == "rewrite")
        planned = [Planned(row, self.pleo.add_fault(fault)) for row, fault in pairs]
        return planned + [self.growth.plan() for _ in range(rng.choice((0, 0, 1, 3)))]

    def _run(self, planned: list[Planned], strikes: Strikes, patience: int) -> dict[str, int]:
        settings = self.authorisation.settings() if self.authorisation else {}
        self.pipes.tap = {**self.pipes.tap, **settings, "request_timeout": patience}
        before, logged = progress_in(self.pipes.state), self._log().count(REREAD)
        self.pleo.requests.clear()
        self.pipes.start()
        strikes.begin()
        try:
            codes = self.pipes.wait(MOST_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise SoakError(f"a run that does not end: {error}") from None
        finally:
            strikes.end()
        self._count(planned, strikes, time.monotonic())
        self.arrived.read(self.pipes.output.read_bytes(), self.pleo)
        self._count_requests(planned, before, self._log().count(REREAD) - logged)
        if self.authorisation:
            self._look_after_tokens(self.authorisation, planned, strikes)
        look_into_logs(self.pipes.folder, self.figures)
        return codes

    def _log(self) -> bytes:
        log = self.pipes.folder / "tap.log"
        return log.read_bytes() if log.exists() else b""

    def _count(self, planned: list[Planned], strikes: Strikes, ended: float) -> None:
        figures = self.figures
        figures.runs += 1
        for each in planned:
            figures.faults[each.trouble.name] += each.hits
        for strike in strikes.done:
            figures.kills += strike.number == SIGKILL
            figures.signals += strike.number != SIGKILL
            figures.in_refresh += strike.in_refresh
        # A tap that writes into a file waits for nobody but Pleo.
        signalled = None if self.pipes.loaded else strikes.first("tap")
        figures.late += signalled is not None and ended - signalled > SIGNAL_SECONDS

    def _count_requests(self, planned: list[Planned], before: dict[str, Progress], rereads: int) -> None:
        run = RunRequests(
            pleo=self.pleo,
            requests=list(self.pleo.requests),
            before=before,
            after=before | progress_in(self.arrived.state),
            page_size=self.pipes.tap["page_size"],
            width=self.pipes.tap["max_concurrent_requests"],
            statuses=self.statuses,
        )
        cost = FREE
        for each in planned:
            cost = cost.plus(each.trouble.cost.times(each.hits))
        due = cost.plus(self.carried)
        extra, allowed = run.beyond_need(), run.allowance(due, rereads)
        # What a change has left to be read again may be read in any later run, until all jobs are complete.
        left = cost if run.all_complete() else due
        self.carried = left._replace(
            requests=0, behind=0, data=max(0, left.data - rereads) if left is due else left.data
        )
        self.figures.requests += len(run.requests)
        self.figures.refreshes += run.granted
        self.figures.several += run.left_incomplete() > 1
        self.figures.extra += extra
        self.figures.allowed += allowed
        if extra > allowed:
            self.figures.unneeded += extra - allowed
            told = [f"{extra} requests beyond need, {allowed} allowed", *map(str, (before, run.after, planned))]
            told += [f"{request.status} {request.path} {request.query}" for request in run.requests]
            (self.pipes.folder / f"beyond-need-{self.figures.runs}").write_text("\n".join(told))

    def _look_after_tokens(self, authorisation: Authorisation, planned: list[Planned], strikes: Strikes) -> None:
        if not authorisation.is_lost():
            return
        lost_by_fault = any(each.trouble.loses_token and each.hits for each in planned)
        lost_by_kill = strikes.killed("tap") and authorisation.may_be_on_its_way()
        self.figures.tokens_lost += not (lost_by_fault or lost_by_kill)
        self.figures.authorisations += 1
        authorisation.begin_anew()
