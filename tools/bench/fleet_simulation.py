"""A month's end of a large fleet on a simulated clock: ``python -m tools.bench.fleet_simulation`` prints a table.

The fleet file, the rounds of discovery, the planning of runs, the limits and the request budgets are the fleet's code.
Simulated are Pleo, the clock, the time that requests and runs take, and Dagster: its sensor (an evaluation every
``tick``) and its queue (the highest priority first, within the limits and as often as ``dagster.yaml`` says). A poll of
a company without a job, whose credential no other company uses, only takes time.
"""

from __future__ import annotations

import argparse
import bisect
import functools
import heapq
import itertools
import math
import random
import statistics
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import yaml

from dagster_pleo_export import companies, limits, run_planning
from dagster_pleo_export.discovery import MAX_WAIT, DiscoveryResult
from dagster_pleo_export.discovery_state import DiscoveryState
from dagster_pleo_export.fleet_file import DiscoveryOptions, RunLimits
from dagster_pleo_export.run_planning import PlannedRun, RunHistory
from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.jobs import ExportJob

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from dagster_pleo_export.companies import Fleet
    from dagster_pleo_export.fleet_file import Company

START = datetime(2026, 11, 30, 13, tzinfo=UTC).timestamp()
HOUR = 3600.0
# Exports in each hour of the last afternoon of a month, as shares.
AFTERNOON = (10, 13, 15, 9)
LIFETIME = HOUR
# Measured with `make bench-fleet`, two runs at once on two cores: a run's seconds, and each item's.
RUN_SECONDS, ITEM_SECONDS, SPREAD = 11.0, 0.02, 0.2
# On faster cores.
FAST_RUN_SECONDS = 4.0
PAGE = 100
# Minutes from the start, the credential ("": all), what happens to its requests, and Pleo's Retry-After in seconds.
TROUBLES = (
    (range(90, 100), "", "Pleo is not available", 0.0),
    (range(130, 150), "k0", "Pleo rejected the credentials", 0.0),
    (range(160, 165), "k1", "Pleo asks to wait", 60.0),
)
# As in the measurement of twenty companies: their exports come right after the first round.
AFTER_FIRST_ROUND = 3.0
LOST_DELIVERIES = 0.01
FAILED_SECONDS = 30.0


@dataclass(frozen=True)
class Scenario:
    """A fleet and its afternoon.

    Attributes:
        name: What the table calls it.
        companies: Number of companies.
        credentials: Number of credentials that they share; 0: one each.
        runs, per_credential, interval, tick, per_minute: The fleet file's limits.
        webhooks: Whether Pleo announces jobs; one in a hundred gets lost.
        exports: Exports of all companies together.
        day: Their shares by hour.
        items: Median number of items of an export.
        at_once: Whether each company exports once, all at the same moment, ``items`` items each.
        run_seconds: Seconds of a run, without its items.
        troubles: Whether Pleo is down for ten minutes, one credential is rejected for 20 minutes, and one throttled.
    """

    name: str
    companies: int = 10_000
    credentials: int = 0
    runs: int = 16
    per_credential: int = 2
    interval: int = 120
    tick: int = 15
    per_minute: int = 500
    webhooks: bool = False
    exports: int = 5_000
    day: tuple[int, ...] = AFTERNOON
    items: float = 20
    at_once: bool = False
    run_seconds: float = RUN_SECONDS
    troubles: bool = True


@dataclass
class Export:
    """An export job and when its rows were there, in simulated seconds since the epoch."""

    company: str
    created: float
    job: ExportJob
    loaded: float | None = None


@dataclass(order=True)
class Run:
    """A run in Dagster's queue."""

    priority: int
    number: int
    plan: PlannedRun = field(compare=False)
    tags: dict[str, str] = field(compare=False)


class Pleo:
    """The exports of an afternoon, and the troubles."""

    def __init__(self, scenario: Scenario, names: list[str], rng: random.Random) -> None:
        self.scenario = scenario
        weights = [1 / (rank + 10) for rank in range(len(names))]
        rng.shuffle(weights)
        hours = rng.choices(range(len(scenario.day)), scenario.day, k=scenario.exports)
        times = sorted(START + (hour + rng.random()) * HOUR for hour in hours)
        chosen = rng.choices(names, weights, k=scenario.exports)
        if scenario.at_once:
            chosen, times = names, [START + AFTER_FIRST_ROUND] * len(names)
        self.exports = [
            self._export(number, name, at, rng) for number, (name, at) in enumerate(zip(chosen, times, strict=True))
        ]
        self.of_company: defaultdict[str, list[Export]] = defaultdict(list)
        for export in self.exports:
            self.of_company[export.company].append(export)
        troubles = TROUBLES if scenario.troubles else ()
        self.created = [export.created for export in self.exports]
        self.bad_minutes = {minute for minutes, *_ in troubles for minute in minutes}

    def _export(self, number: int, company: str, at: float, rng: random.Random) -> Export:
        spread = 0 if self.scenario.at_once else 1
        items = min(5000, max(1, round(rng.lognormvariate(math.log(self.scenario.items), spread))))
        created = datetime.fromtimestamp(at, UTC)
        expires = datetime.fromtimestamp(at + LIFETIME, UTC)
        return Export(company, at, ExportJob(f"job-{number}", "pending", created, expires, items))

    def readable(self, company: str, now: float) -> list[ExportJob]:
        """Return the jobs that a list contains."""
        exports = self.of_company.get(company)
        return [e.job for e in exports if e.created <= now < e.created + LIFETIME] if exports else []

    def companies_with_jobs(self, since: float, until: float) -> set[str]:
        """Return the companies with a readable job at any time between two."""
        first, last = bisect.bisect(self.created, since - LIFETIME), bisect.bisect(self.created, until)
        return {export.company for export in self.exports[first:last]}

    def quiet(self, since: float, until: float) -> bool:
        """Return whether all requests between two times succeed."""
        minutes = range(int((since - START) // 60), int((until - START) // 60) + 1)
        return self.bad_minutes.isdisjoint(minutes)

    def trouble(self, credential: str, now: float) -> tuple[str, float] | None:
        """Return why a request fails, and how long Pleo asks to wait."""
        minute = int((now - START) // 60)
        if minute not in self.bad_minutes:
            return None
        for minutes, of, why, wait in TROUBLES:
            if minute in minutes and of in {"", credential}:
                return why, wait
        return None


class Simulation:
    """One afternoon; results are in the attributes."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.rng = random.Random(seed)
        self.fleet = fleet(scenario)
        names = list(self.fleet.companies)
        self.pleo = Pleo(scenario, names, self.rng)
        self.exports = {export.job.id: export for export in self.pleo.exports}
        self.hints = self._hints()
        self.state = DiscoveryState()
        options = self.fleet.file
        shares = {
            name: limits.divide(
                self.fleet.credential(name).requests_per_minute,
                count,
                options.discovery.interval,
                options.limits.runs_per_credential,
            )
            for name, count in self.fleet.sharing.items()
        }
        self.budgets = {name: RequestBudget(share.discovery) for name, share in shares.items()}
        self.run_budget = {name: share.run for name, share in shares.items()}
        self.requests: defaultdict[int, dict[str, int]] = defaultdict(dict)
        self.most_requests = 0
        dagster = limits.instance(options)
        self.rules = dagster["concurrency"]["runs"]
        self.dequeue_seconds = float(dagster["run_coordinator"]["config"]["dequeue_interval_seconds"])
        self.keys: set[str] = set()
        self.history: dict[tuple[str, str], RunHistory] = {}
        self.busy: set[str] = set()
        self.queue: list[Run] = []
        self.running: list[tuple[float, int, Run, bool]] = []
        self.counted: Counter[tuple[str, str]] = Counter()
        self.most_running = self.most_waiting = self.number = self.failed_runs = 0

    def run(self) -> Simulation:
        """Simulate until every job is loaded or has ended."""
        ticks = START
        now = START
        end = START + len(self.scenario.day) * HOUR + LIFETIME
        while now < end and not (now > end - LIFETIME and all(export.loaded for export in self.pleo.exports)):
            if now >= ticks:
                ticks = max(now + self.scenario.tick, self._evaluate(now))
                self._sum_up(now)
            self._finish(now)
            self._dequeue(now)
            now += self.dequeue_seconds
        self._finish(math.inf)
        return self

    def _hints(self) -> list[tuple[float, str]]:
        if not self.scenario.webhooks:
            return []
        arrived = [
            (export.created + 2, export.company) for export in self.pleo.exports if self.rng.random() >= LOST_DELIVERIES
        ]
        return sorted(arrived, reverse=True)

    def _evaluate(self, now: float) -> float:
        """Evaluate the sensor as it does itself; return when it is done."""
        options = self.fleet.file.discovery
        hinted = []
        while self.hints and self.hints[-1][0] <= now:
            hinted.append(self.hints.pop()[1])
        wanted = self.state.next(self.fleet.companies, hinted, now, options.interval, self.busy)
        urgent = set(self.state.urgent)
        active = self._active(now, now + options.time_limit + 1)
        asked: list[str] = []
        plans = []
        spent: set[str] = set()
        latency = self.rng.uniform(0.05, 0.15) / options.requests_at_once
        at = now
        for name in wanted:
            if at - now >= options.time_limit:
                break
            if name not in active:
                at += latency
                asked.append(name)
                continue
            company = self.fleet.companies[name]
            credential = company.credential_name
            if credential in spent:
                continue
            at += latency
            budget = self.budgets[credential]
            if budget.wait(at, 0 if name in urgent else limits.SPARE) > MAX_WAIT:
                spent.add(credential)
                continue
            self._count(credential, at + budget.take(at))
            asked.append(name)
            if plan := self._plan(company, self._ask(company, at), at, options.interval):
                plans.append(plan)
        self.state.finished(asked, wanted)
        for plan in run_planning.in_order(plans):
            self._request(plan)
        return at

    def _active(self, since: float, until: float) -> Container[str]:
        """Return all companies but those with a credential that no other uses and a poll that changes nothing.

        There are a million such polls, and one request in a minute is never the most.
        """
        if len(self.fleet.sharing) < len(self.fleet.companies) or not self.pleo.quiet(since, until):
            return self.fleet.companies
        state = self.state
        return self.pleo.companies_with_jobs(since, until).union(state.failing, state.open, state.urgent)

    def _ask(self, company: Company, now: float) -> DiscoveryResult | None:
        """Return what Pleo answers; None if it has no readable job."""
        if trouble := self.pleo.trouble(company.credential_name, now):
            return DiscoveryResult(company.id, failure=trouble[0], wait=trouble[1])
        jobs = self.pleo.readable(company.id, now)
        return DiscoveryResult(company.id, tuple(jobs)) if jobs else None

    def _plan(self, company: Company, found: DiscoveryResult | None, now: float, interval: int) -> PlannedRun | None:
        state, name = self.state, company.id
        if not (found or name in state.failing or name in state.open or name in state.urgent):
            # As it would be after all of the below.
            return None
        result = found or DiscoveryResult(name)
        history = {job.id: self._history(job, name) for job in result.jobs}
        state.record(result, run_planning.unloaded(result.jobs, history), now, interval)
        return run_planning.plan(company, result.jobs, history, datetime.fromtimestamp(now, UTC))

    def _history(self, job: ExportJob, company: str) -> RunHistory:
        known = self.history.get(run_planning.job_tag(job), RunHistory())
        return replace(known, state="busy") if company in self.busy and known.state != "done" else known

    def _request(self, plan: PlannedRun) -> None:
        if plan.key in self.keys:
            return
        self.keys.add(plan.key)
        self.number += 1
        tags = plan.tags | {limits.PARTITION_TAG: plan.company}
        heapq.heappush(self.queue, Run(-int(tags["dagster/priority"]), self.number, plan, tags))
        self.busy.add(plan.company)

    def _dequeue(self, now: float) -> None:
        """Start runs as Dagster's queue does."""
        rules = self.rules
        left = []
        while self.queue and len(self.running) < rules["max_concurrent_runs"]:
            run = heapq.heappop(self.queue)
            places = [((rule["key"], run.tags[rule["key"]]), rule["limit"]) for rule in rules["tag_concurrency_limits"]]
            if any(self.counted[place] >= limit for place, limit in places):
                left.append(run)
                continue
            self.counted.update(place for place, _ in places)
            ends, good = self._execute(run, now)
            heapq.heappush(self.running, (ends, run.number, run, good))
        for run in left:
            heapq.heappush(self.queue, run)
        self.most_running = max(self.most_running, len(self.running))
        self.most_waiting = max(self.most_waiting, len(self.queue))

    def _execute(self, run: Run, now: float) -> tuple[float, bool]:
        credential = run.tags[limits.CREDENTIAL_TAG]
        if self.pleo.trouble(credential, now):
            self._count(credential, now, 4)
            return now + FAILED_SECONDS, False
        jobs = [job for job in self.pleo.readable(run.plan.company, now) if self._history(job, "").state != "done"]
        items = sum(job.number_of_items or 0 for job in jobs)
        seconds = (self.scenario.run_seconds + items * ITEM_SECONDS) * self.rng.lognormvariate(0, SPREAD)
        needed = 1 + sum(2 * math.ceil((job.number_of_items or 0) / PAGE) for job in jobs)
        budget = self.run_budget[credential]
        # Beyond its share of a minute, a run waits.
        seconds += 60.0 * ((needed - 1) // budget)
        for part in range(0, needed, budget):
            self._count(credential, now + part / budget * 60, min(budget, needed - part))
        return now + seconds, True

    def _finish(self, now: float) -> None:
        while self.running and self.running[0][0] <= now:
            ended, _, run, good = heapq.heappop(self.running)
            self.counted.subtract((key, run.tags[key]) for key in (limits.PARTITION_TAG, limits.CREDENTIAL_TAG))
            self.busy.discard(run.plan.company)
            self.failed_runs += not good
            attempt = int(run.tags[run_planning.ATTEMPT_TAG])
            for job in run_planning.jobs_in(run.tags):
                export = self.exports[job]
                if good and export.loaded is None:
                    export.loaded = ended
                known = RunHistory("done" if good else "failed", attempt, ended)
                self.history[run_planning.job_tag(export.job)] = known

    def _count(self, credential: str, at: float, number: int = 1) -> None:
        minute = self.requests[int(at // 60)]
        minute[credential] = minute.get(credential, 0) + number

    def _sum_up(self, now: float) -> None:
        for minute in [minute for minute in self.requests if minute < now // 60]:
            self.most_requests = max(self.most_requests, *self.requests.pop(minute).values())

    def minutes(self) -> list[float]:
        """Return the minutes from Export to rows of all loaded jobs, sorted."""
        return sorted((e.loaded - e.created) / 60 for e in self.pleo.exports if e.loaded is not None)

    def unread(self) -> int:
        """Return how many jobs ended before they were loaded."""
        return sum(e.loaded is None or e.loaded > e.created + LIFETIME for e in self.pleo.exports)

    def row(self) -> list[str]:
        """Return the table's row."""
        minutes = self.minutes()
        cuts = statistics.quantiles(minutes, n=100, method="inclusive") if len(minutes) > 1 else [math.nan] * 99
        return [
            self.scenario.name,
            f"{self.scenario.exports:,}",
            *(f"{cuts[at]:.1f}" for at in (49, 89, 98)),
            f"{max(minutes, default=math.nan):.1f}",
            f"{self.unread():,}",
            f"{self.most_requests:,}",
            f"{self.most_running}",
            f"{self.most_waiting:,}",
        ]


COLUMNS = (
    *("fleet", "exports", "median", "90 %", "99 %", "longest", "ended unread"),
    *("requests per minute of a credential", "runs at once", "longest queue"),
)
TWENTY = Scenario(
    "twenty companies, 50 items each, at once",
    companies=20,
    credentials=1,
    runs=2,
    interval=30,
    tick=5,
    exports=20,
    day=(1,),
    items=50,
    at_once=True,
    troubles=False,
)
TWENTY_FAST = replace(TWENTY, name="the same, on faster cores", run_seconds=FAST_RUN_SECONDS)
BASE = Scenario("10,000 companies, a credential each, 16 runs at once")
SCENARIOS = (
    replace(BASE, name="1,000 companies, 4 runs at once", companies=1_000, exports=500, runs=4),
    BASE,
    replace(BASE, name="the same, webhooks", webhooks=True),
    replace(BASE, name="the same, 8 runs at once", runs=8),
    replace(BASE, name="the same, 32 runs at once, webhooks", runs=32, webhooks=True),
    replace(
        BASE, name="ten credentials, `interval` 300 s, 8 runs each", credentials=10, interval=300, per_credential=8
    ),
    replace(BASE, name="one credential, `interval` 1,200 s, 16 runs", credentials=1, interval=1200, per_credential=16),
    replace(
        BASE,
        name="one credential, `interval` 3,000 s, 16 runs, webhooks",
        credentials=1,
        interval=3000,
        per_credential=16,
        webhooks=True,
    ),
)


def fleet(scenario: Scenario) -> Fleet:
    """Return the scenario's fleet."""
    known = _companies(scenario.companies, scenario.credentials or scenario.companies, scenario.per_minute)
    discovery = DiscoveryOptions(interval=scenario.interval, tick=scenario.tick)
    most = RunLimits(runs=scenario.runs, runs_per_credential=scenario.per_credential)
    return msgspec.structs.replace(known, file=msgspec.structs.replace(known.file, discovery=discovery, limits=most))


@functools.cache
def _companies(number: int, credentials: int, per_minute: int) -> Fleet:
    """Return a fleet of companies that share credentials, read from a file."""
    entries = [
        {"id": f"c{one:05}", "company_id": f"00000000-0000-4000-8000-{one:012}", "credential": f"k{one % credentials}"}
        for one in range(number)
    ]
    pattern = {"api_key": {"env": "{credential}"}, "requests_per_minute": per_minute}
    options = {"companies": entries, "credentials": {"*": pattern}}
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "fleet.yml").write_text(yaml.dump(options, Dumper=yaml.CSafeDumper))
        return companies.read(path)


def table(rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield a Markdown table."""
    for row in itertools.chain([list(COLUMNS), ["---"] * len(COLUMNS)], rows):
        yield f"| {' | '.join(row)} |"


def main() -> None:
    """Simulate all scenarios and print their table."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.fleet_simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="scenarios with this in their name")
    options = parser.parse_args()
    chosen = [one for one in (TWENTY, TWENTY_FAST, *SCENARIOS) if (options.only or "") in one.name]
    for line in table(Simulation(scenario, options.seed).run().row() for scenario in chosen):
        print(line, flush=True)


if __name__ == "__main__":
    main()
