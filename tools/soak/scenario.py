"""One world: its pipeline is disturbed several times, finishes undisturbed, and the result is verified."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from signal import SIGKILL
from typing import TYPE_CHECKING

from sandbox import Fault, Sandbox
from tools.expectation import RUNNING, expected_items
from tools.pipes import Pipes
from tools.soak.authorisation import Authorisation
from tools.soak.faults import EXPIRY, JOB_TROUBLES, TOKEN_TROUBLES, TROUBLES, Planned
from tools.soak.job_growth import JobGrowth
from tools.soak.kills import Kills
from tools.soak.verification import TapOutput, check_logs, compare_database, compare_output, incomplete_jobs
from tools.soak.world import STATUSES, add_job, populate

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tools.postgres import Postgres
    from tools.soak.figures import Figures

MAX_JOBS = 8
LATENCIES = (0, 0.01, 0.05, 0.1)
LIFETIMES = (1, 1, 2, 3600)
# `request_timeout` in runs with faults and in runs without.
DISTURBED_TIMEOUT, UNDISTURBED_TIMEOUT = 4, 60
# No run takes longer, even on a busy machine.
MAX_SECONDS = 180
SIGNAL_SECONDS = 10.0


class SoakError(Exception):
    """An undisturbed pipeline does not finish, or a disturbed one does not end."""


def play(rng: Random, folder: Path, figures: Figures, server: Postgres | None = None, *, disturbances: int = 6) -> str:
    """Play one world, disturb it at most this often, and return a line about it.

    A third of the worlds loads into a database; none without a server.
    """
    loaded = rng.choice((True, False, False)) and server is not None
    database = f"soak_{figures.worlds + 1}"
    if server and loaded:
        server.create_database(database)
    with Sandbox(seed=rng.getrandbits(32)) as pleo:
        populate(pleo, rng, loadable=loaded)
        by_oauth = rng.random() < 0.6  # noqa: PLR2004 - often
        authorisation = Authorisation(pleo, folder / "tokens.json", pleo.refresh_token) if by_oauth else None
        pipes = Pipes(
            folder,
            {
                "api_url": pleo.url,
                **(authorisation.settings() if authorisation else {"api_key": pleo.api_key}),
                **rng.choice(({}, {"item_statuses": []})),
                "page_size": rng.choice((7, 25, 100)),
                "max_concurrent_requests": rng.choice((1, 2, 4, 8)),
                "max_retries": 2,
                "max_requests_per_minute": 100_000,
            },
            server.url(database) if server and loaded else "",
            mapped=loaded,
            loaded=loaded,
            # A target at DEBUG logs its batch with each row: gigabytes.
            environment={"LOGLEVEL": "DEBUG"} if rng.choice((True, False)) and not loaded else {},
            rows=rng.choice((10, 100, 1000)),
        )
        world = Scenario(pleo, pipes, rng, figures, JobGrowth(pleo, rng), authorisation)
        times = rng.randint(1, disturbances)
        for _ in range(times):
            world.disturb()
        world.finish()
        if server and loaded:
            with server.connect(database) as connection:
                compare_database(pleo, connection, world.statuses, figures)
        else:
            compare_output(pleo, world.output, world.statuses, figures)
        figures.worlds += 1
        items, where = len(expected_items(pleo, world.statuses)), "a database" if loaded else "a file"
        return f"{len(pleo.jobs)} jobs, {items} items, into {where}, disturbed {times} times"


@dataclass
class Scenario:
    """A world and its pipeline.

    Attributes:
        pleo: The sandbox.
        pipes: The pipeline.
        rng: Draws the disturbances.
        figures: The counts.
        growth: Lets jobs grow.
        authorisation: In worlds with OAuth.
        output: The tap's output.
    """

    pleo: Sandbox
    pipes: Pipes
    rng: Random
    figures: Figures
    growth: JobGrowth
    authorisation: Authorisation | None = None
    output: TapOutput = field(default_factory=TapOutput)

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses of the items that must arrive."""
        return tuple(self.pipes.tap.get("item_statuses", RUNNING)) or STATUSES

    def disturb(self) -> None:
        """Run the pipeline with faults, growth and kills."""
        rng = self.rng
        if rng.choice((True, False)) and len(self.pleo.jobs) < MAX_JOBS:
            add_job(self.pleo, rng, loadable=self.pipes.loaded)
        self.pleo.faults.clear()
        self.pleo.add_fault(Fault(path="/v3/*", nth=None, kind="delay", seconds=rng.choice(LATENCIES)))
        self.pleo.access_token_lifetime = rng.choice(LIFETIMES)
        if rng.choice((True, False)):
            self.pleo.expire_access_token()
        planned = self._plan()
        kills = Kills(self.pipes)
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            kills.plan(self.pleo, rng)
        self._run(planned, kills, DISTURBED_TIMEOUT)
        self.figures.faults["growth: between runs"] += self.growth.settle() + self.growth.between_runs(0.2)

    def finish(self) -> None:
        """Run the pipeline undisturbed, twice: the second run finds nothing left to read."""
        self.pleo.faults.clear()
        self.pleo.access_token_lifetime = LIFETIMES[-1]
        for _ in range(2):
            codes = self._run([], Kills(self.pipes), UNDISTURBED_TIMEOUT)
            if any(codes.values()):
                raise SoakError(f"exit codes {codes} without a fault")
            if left := incomplete_jobs(self.pleo, self.pipes.state):
                raise SoakError(f"incomplete jobs after an undisturbed run: {', '.join(left)}")

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
        # Rewrites are innermost: they need JSON.
        pairs.sort(key=lambda pair: pair[1].kind == "rewrite")
        planned = [Planned(row, self.pleo.add_fault(fault)) for row, fault in pairs]
        return planned + [self.growth.plan() for _ in range(rng.choice((0, 0, 1, 3)))]

    def _run(self, planned: list[Planned], kills: Kills, timeout: int) -> dict[str, int]:
        settings = self.authorisation.settings() if self.authorisation else {}
        self.pipes.tap = {**self.pipes.tap, **settings, "request_timeout": timeout}
        self.pleo.requests.clear()
        self.pipes.start()
        kills.begin()
        try:
            codes = self.pipes.wait(MAX_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise SoakError(f"a run does not end: {error}") from None
        finally:
            kills.end()
        self._count(planned, kills, time.monotonic())
        if not self.pipes.loaded:
            self.output.read(self.pipes.output.read_bytes(), self.pleo)
        if self.authorisation:
            self._check_tokens(self.authorisation, planned, kills)
        check_logs(self.pipes.folder, self.figures)
        return codes

    def _count(self, planned: list[Planned], kills: Kills, ended: float) -> None:
        figures = self.figures
        figures.runs += 1
        figures.requests += len(self.pleo.requests)
        for each in planned:
            figures.faults[each.trouble.name] += each.hits
        for kill in kills.done:
            figures.kills += kill.number == SIGKILL
            figures.signals += kill.number != SIGKILL
            figures.in_refresh += kill.in_refresh
        # A tap that writes into a file waits for Pleo only.
        signalled = None if self.pipes.loaded else kills.first("tap")
        figures.late += signalled is not None and ended - signalled > SIGNAL_SECONDS

    def _check_tokens(self, authorisation: Authorisation, planned: list[Planned], kills: Kills) -> None:
        if not authorisation.is_lost():
            return
        lost_by_fault = any(each.trouble.loses_token and each.hits for each in planned)
        lost_by_kill = kills.killed("tap") and authorisation.may_be_in_transit()
        self.figures.tokens_lost += not (lost_by_fault or lost_by_kill)
        self.figures.authorisations += 1
        authorisation.renew()
