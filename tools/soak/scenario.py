"""One world: its pipeline is disturbed several times, finishes undisturbed, and the result is verified."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

from sandbox import Fault, Sandbox
from tools.expectation import RUNNING, expected_items
from tools.pipes import Pipes
from tools.soak.faults import EXPIRY, JOB_TROUBLES, LONG, TOKEN_TROUBLES, TROUBLES, Planned
from tools.soak.job_growth import JobGrowth
from tools.soak.kills import Kills
from tools.soak.verification import TapOutput, check_logs, compare_database, compare_output, incomplete_jobs

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tools.postgres import Postgres
    from tools.soak.verification import Figures

MAX_JOBS = 8
LATENCIES = (0, 0.01, 0.05, 0.1)
LIFETIMES = (1, 1, 2, 3600)
# `request_timeout` in runs with faults and in runs without.
DISTURBED_TIMEOUT, UNDISTURBED_TIMEOUT = 4, 60
# No run takes longer, even on a busy machine.
MAX_SECONDS = 180
SIGNAL_SECONDS = 10.0
TOKENS = ("access_token", "refresh_token")
STATUSES = ("pending", "in_progress", "pending", "successful", "failed")
# Lines longer than a pipe's atomic write can be torn, and full pipes stop the tap inside a page.
NOTES = (0, 200, 2_000, 9_000)
LONG_NOTES = (300_000, 1_000_000, 3_000_000)
ODD_CENTS = (LONG, Decimal("1e400"), Decimal("-0." + "1" * 4301), 10**30)
ODD_DATES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1" * 4301, "2026-13-45T99:99:99Z", "")


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
        by_oauth = _chance(rng, 0.6)
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


def _chance(rng: Random, share: float) -> bool:
    return rng.random() < share


def populate(pleo: Sandbox, rng: Random, *, loadable: bool) -> None:
    """Add a few jobs, and set random switches."""
    for _ in range(rng.randint(1, 6)):
        add_job(pleo, rng, loadable=loadable)
    pleo.max_limit = rng.choice((30, 100, 1000))
    pleo.send_total = _chance(rng, 0.7)
    pleo.omit_last_cursor = _chance(rng, 0.5)
    pleo.shuffle_items = _chance(rng, 0.5)
    pleo.empty_page_at = set(rng.sample(range(1, 12), rng.randint(0, 3)))


def add_job(pleo: Sandbox, rng: Random, *, loadable: bool) -> None:
    """Add a job with amounts of all kinds; ones that no target can store only if none is loaded."""
    job = pleo.add_job(
        items=rng.choice((rng.randint(0, 60), rng.randint(60, 300), rng.randint(300, 700))),
        status=rng.choice(RUNNING),
        created_at=pleo.now() - timedelta(minutes=rng.uniform(1, 20)),
        item_status=rng.sample(STATUSES, rng.randint(1, len(STATUSES))),
    )
    for item in job.items:
        cents = rng.choice((rng.randint(-(10**6), 10**6), Decimal(rng.randint(-(10**22), 10**22)).scaleb(-4)))
        if not loadable and _chance(rng, 0.02):
            cents = rng.choice(ODD_CENTS)
            item["date"] = rng.choice(ODD_DATES)
        item["amount"]["inWalletCurrency"]["value"] = cents
        item["note"] = "x" * rng.choice(NOTES)
    if job.items and _chance(rng, 0.3):
        for _ in range(rng.randint(1, 4)):
            rng.choice(job.items)["note"] = "x" * rng.choice(LONG_NOTES)


@dataclass
class Authorisation:
    """The operator's side of the tap's authorisation."""

    pleo: Sandbox  # The sandbox
    token_file: Path  # The setting
    configured: str  # The setting ``refresh_token``

    def settings(self) -> dict[str, Any]:
        """Return the tap's settings for OAuth."""
        return {
            "auth_url": self.pleo.auth_url,
            "client_id": self.pleo.client_id,
            "client_secret": self.pleo.client_secret,
            "refresh_token": self.configured,
            "token_file": str(self.token_file),
        }

    def is_lost(self) -> bool:
        """Return whether the next run would present a token that is no longer valid."""
        presented = str(self._stored().get("refresh_token", self.configured))
        return self.pleo.credentials.revoked or presented != self.pleo.refresh_token

    def may_be_in_transit(self) -> bool:
        """Return whether the newest token is unused: a kill may have preceded its response."""
        return not self.pleo.credentials.presented

    def renew(self) -> None:
        """Authorise again, as the tap's message says."""
        self.pleo.authorise_anew()
        self.configured = self.pleo.refresh_token

    def secrets(self) -> list[str]:
        """Return the secrets that the tap knows and must not show."""
        stored = self._stored()
        return [self.configured, self.pleo.client_secret, *(stored[name] for name in TOKENS if stored.get(name))]

    def _stored(self) -> dict[str, Any]:
        try:
            stored: dict[str, Any] = json.loads(self.token_file.read_bytes())
        except FileNotFoundError:
            return {}
        return stored if stored["descends_from"] == sha256(self.configured.encode()).hexdigest() else {}


@dataclass
class Scenario:
    """A world and its pipeline."""

    pleo: Sandbox  # The sandbox
    pipes: Pipes  # The pipeline
    rng: Random  # Draws the disturbances
    figures: Figures  # The counts
    growth: JobGrowth  # Lets jobs grow
    authorisation: Authorisation | None = None  # In worlds with OAuth
    output: TapOutput = field(default_factory=TapOutput)  # The tap's output

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
        if _chance(rng, 0.3):
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
