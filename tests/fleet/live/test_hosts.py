"""Two hosts on Celery: each part is killed in the middle of a load, then everything at once.

An observer in front of Meltano, which knows nothing of the fleet's locks, records two loads of a company at a time.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox import Fault, Sandbox
from sandbox.jobs import Job
from tests.conftest import CHECKOUT
from tests.helpers.randomness import replayable_random
from tools.expectation import loaded_keys
from tools.fleet import WAREHOUSE
from tools.fleet_world import CREDENTIALS
from tools.hosts import HostedRig
from tools.meltano import MELTANO
from tools.postgres import Postgres

pytestmark = pytest.mark.timeout(1200)
SECONDS = 400
ITEMS, PAGE_SIZE = 40, 20
HOSTS = ("host-1", "host-2")
PARTS = ("host", "broker", "daemon", "code server", "PostgreSQL", "everything")
POSTGRES_SECONDS = 20
MAX_STARTED, MAX_PAUSE = 60, 120
STORIES = 3
TOKEN_SECONDS = 2
# The kernel's lock on a file that all hosts see; it lasts until this Meltano is gone.
OBSERVER = """#!/bin/sh
for argument; do case $argument in --state-id-suffix=*) company=${argument#*=} ;; esac; done
exec 9>>"$(dirname "$0")/$company.observed"
flock -n 9 || echo "$company" >> "$(dirname "$0")/overlaps"
exec %s "$@"
"""


@dataclass
class Kill:
    """A kill in the middle of a company's load; times in seconds since the epoch."""

    part: str
    company: str
    jobs: list[Job]
    at: float = 0.0
    # When there was something again to run loads.
    ready: float = 0.0


@dataclass
class Story:
    """A fleet that lost some of its parts, one after the other."""

    rig: HostedRig
    kills: list[Kill]
    runs: list[dict[str, Any]]
    # Places in the hosts' temporary folders with a secret, after their last restart.
    secrets: list[str]


@pytest.fixture(scope="module")
def parts() -> list[str]:
    """Return the parts in the order in which they are killed."""
    found = list(PARTS)
    replayable_random().shuffle(found)
    return found


@pytest.fixture(scope="module", params=range(STORIES), ids="story-{}".format)
def story(
    request: pytest.FixtureRequest, parts: list[str], server: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    """Kill a third of the parts, and let the fleet load everything."""
    home = tmp_path_factory.mktemp("hosts") / "home"
    with Sandbox() as pleo, fleet(home, server, pleo, f"hosts{request.param}_") as rig:
        rig.start_all()
        refresh_tokens(rig, pleo)
        kills = [kill_one(rig, pleo, part) for part in parts[request.param :: STORIES]]
        for name in HOSTS:
            rig.kill(name)
            (home / f"{name}.log").unlink()
            rig.start_host(name)
        rig.wait_for_hosts(SECONDS)
        runs = rig.runs()
        rig.stop()
        yield Story(rig, kills, runs, places_of_secrets(rig, pleo))


def refresh_tokens(rig: HostedRig, pleo: Sandbox) -> None:
    """Load a company while tokens live so shortly that a host and the daemon's machine soon have both refreshed them.

    It also lets the loader create its tables: two first loads at once would both try.
    """
    while refreshing(pleo) != {"daemon", "host"}:
        load_one(rig, pleo)
    # No kill hits a refresh, which would end the authorisation.
    pleo.access_token_lifetime = 3600


def load_one(rig: HostedRig, pleo: Sandbox) -> None:
    job = pleo.add_job(items=1, company_id=rig.companies[0]["company_id"])
    rig.wait(lambda: are_loaded(rig, [job]), SECONDS, "a load")


def refreshing(pleo: Sandbox) -> set[str]:
    exchanges = pleo.requests_to("/oauth/token")
    return {"daemon" if exchange.user_agent.endswith("fleet") else "host" for exchange in exchanges}


def fleet(home: Path, server: Postgres, pleo: Sandbox, prefix: str) -> HostedRig:
    """Return a fleet of two companies, with an observer in front of Meltano."""
    companies: list[dict[str, Any]] = [
        {"id": f"c{number}", "company_id": f"00000000-0000-4000-8000-{number:012}", "credential": "all"}
        for number in range(2)
    ]
    observer = home.with_name("meltano")
    observer.write_text(OBSERVER % MELTANO)
    observer.chmod(0o755)
    options = {
        "settings": {"api_url": pleo.url, "max_retries": 1, "page_size": PAGE_SIZE},
        "meltano": {"executable": str(observer), "project": str(CHECKOUT), "environment": "sandbox"},
    }
    credentials = {"all": CREDENTIALS["partner"] | {"auth_url": pleo.auth_url}}
    secrets = {
        "PARTNER_CLIENT": pleo.client_id,
        "PARTNER_SECRET": pleo.client_secret,
        "PARTNER_TOKEN": pleo.refresh_token,
    }
    pleo.access_token_lifetime = TOKEN_SECONDS
    return HostedRig(home, server, pleo, companies, credentials, options, secrets, prefix, hosts=[*HOSTS])


def kill_one(rig: HostedRig, pleo: Sandbox, part: str) -> Kill:
    """Kill a part while a company's second page is read, start it again, and wait for both companies' loads."""
    jobs = [pleo.add_job(items=ITEMS, company_id=company["company_id"]) for company in rig.companies]
    reading, killed = threading.Event(), threading.Event()

    def wait_for_the_kill(_: Sandbox) -> None:
        reading.set()
        killed.wait(SECONDS)

    query = {"job_id": jobs[0].id}
    pleo.add_fault(Fault(path="/v3/export-items", query=query, nth=2, kind="callback", callback=wait_for_the_kill))
    kill = Kill(part, rig.companies[0]["id"], jobs)
    try:
        rig.wait(reading.is_set, SECONDS, "the second page")
        kill.at = time.time()
        kill.ready = KILLS[part](rig, kill)
    finally:
        killed.set()
    rig.wait(lambda: are_loaded(rig, jobs), SECONDS, f"the loads after the kill of {part}")
    if len(rig.running) < len(HOSTS) + 2:
        rig.start_host(next(name for name in HOSTS if name not in rig.running))
    return kill


def kill_host(rig: HostedRig, kill: Kill) -> float:
    host = rig.host_of(kill.company)
    assert host
    rig.kill(host)
    # The other host has room.
    return kill.at


def kill_broker(rig: HostedRig, kill: Kill) -> float:
    rig.kill("broker")
    # A run that cannot be passed on must not be lost.
    job = rig.pleo.add_job(items=ITEMS, company_id=rig.companies[1]["company_id"])
    kill.jobs.append(job)
    rig.wait(lambda: "STARTING" in statuses(rig, job), SECONDS, "a run without a broker")
    rig.start_broker()
    return time.time()


def kill_daemon(rig: HostedRig, _: Kill) -> float:
    rig.kill("daemon")
    rig.start_daemon()
    return time.time()


def kill_code_server(rig: HostedRig, _: Kill) -> float:
    for process in psutil.Process(rig.running["daemon"].pid).children(recursive=True):
        process.kill()
    return time.time()


def kill_postgres(rig: HostedRig, _: Kill) -> float:
    rig.server.kill()
    # An outage of this length, not a wait for something.
    threading.Event().wait(POSTGRES_SECONDS)
    rig.server.start()
    return time.time()


def kill_everything(rig: HostedRig, _: Kill) -> float:
    rig.server.kill()
    rig.kill()
    rig.server.start()
    rig.start_all()
    return time.time()


KILLS: dict[str, Callable[[HostedRig, Kill], float]] = {
    "host": kill_host,
    "broker": kill_broker,
    "daemon": kill_daemon,
    "code server": kill_code_server,
    "PostgreSQL": kill_postgres,
    "everything": kill_everything,
}


def statuses(rig: HostedRig, job: Job) -> list[str]:
    return [run["status"] for run in rig.runs() if f"pleo.job/{job.id}" in run["tags"]]


def are_loaded(rig: HostedRig, jobs: list[Job]) -> bool:
    return all("SUCCESS" in statuses(rig, job) for job in jobs)


def places_of_secrets(rig: HostedRig, pleo: Sandbox) -> list[str]:
    secret = pleo.client_secret.encode()
    return [place for place, text in rig.texts().items() if place.startswith(str(rig.scratch)) and secret in text]


def test_every_item_of_every_job_is_loaded_once(story: Story) -> None:
    with story.rig.server.connect(story.rig.prefix + WAREHOUSE) as connection:
        loaded = loaded_keys(connection, "export_items")

    assert loaded == Counter(
        (job.id, item["accountingEntryId"]) for job in story.rig.pleo.jobs.values() for item in job.items
    )


def test_no_two_loads_of_a_company_overlap(story: Story) -> None:
    observed = {path.stem for path in story.rig.home.parent.glob("*.observed")}

    assert observed == {"c0", "c1"}
    assert not (story.rig.home.parent / "overlaps").exists()


def test_no_run_stays_started_without_a_process(story: Story) -> None:
    assert {run["status"] for run in story.runs} <= {"SUCCESS", "FAILURE"}
    for kill in story.kills:
        lost = [
            run for run in story.runs if run["status"] == "FAILURE" and (run["start"] or kill.at) < kill.at < run["end"]
        ]
        assert all(run["end"] - kill.ready < MAX_STARTED for run in lost), kill.part


def test_a_company_loads_again_within_two_minutes(story: Story) -> None:
    for kill in story.kills:
        for job in kill.jobs:
            done = [r for r in story.runs if f"pleo.job/{job.id}" in r["tags"] and r["status"] == "SUCCESS"]
            assert min(run["start"] for run in done) - kill.ready < MAX_PAUSE, kill.part


def test_no_secret_is_left_in_a_temporary_folder(story: Story) -> None:
    assert story.secrets == []


def test_hosts_and_daemon_share_one_rotation_of_tokens(story: Story) -> None:
    exchanges = story.rig.pleo.requests_to("/oauth/token")

    assert {request.status for request in exchanges} == {200}
    assert not story.rig.pleo.credentials.revoked
    assert refreshing(story.rig.pleo) == {"daemon", "host"}
