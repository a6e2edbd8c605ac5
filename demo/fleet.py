"""``make fleet-demo``: twenty companies of a local Pleo on Dagster, loaded by the real Meltano into PostgreSQL.

With ``HOSTS=2`` two hosts on Celery load them, and one of them is killed in the middle.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from demo.__main__ import perform
from demo.report import new_table
from sandbox import Sandbox
from tools import fleet_world, postgres
from tools.expectation import expected_items
from tools.fleet import WAREHOUSE, FleetFailed, FleetRig
from tools.hosts import HostedRig, isolated

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from rich.console import Console

    from tools.fleet_world import Twenty

HOME = Path(".demo") / "fleet"
OPTIONS = {"limits": {"runs": 3, "runs_per_credential": 2}, "alerts": {"fresh_minutes": 30}}
SECONDS = 1200
DONE_BEFORE_KILL = 4


def show(console: Console, pleo: Sandbox, rig: FleetRig, world: Twenty) -> bool:
    """Let the fleet load all readable jobs, print a table, and return whether every item arrived."""
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.1f} s[/]  {text}")

    say(f"Local Pleo on {pleo.url}: {len(world.companies)} companies, {len(world.readable)} with an export job to load")
    start(rig, say)
    reported: set[str] = set()

    def settled() -> bool:
        for run in rig.runs():
            if run["status"] in {"SUCCESS", "FAILURE"} and run["id"] not in reported:
                reported.add(run["id"])
                say(f"{run['company']}: {run['status'].lower()} after {run['end'] - run['start']:.0f} s")
        if isinstance(rig, HostedRig) and len(reported) >= DONE_BEFORE_KILL and len(rig.hosts) > 1:
            kill_host(rig, world, say)
        return rig.settled(world.readable)()

    rig.wait(settled, SECONDS, "the loads")
    status = rig.status()
    rig.stop()
    with rig.server.connect(WAREHOUSE) as connection:
        rows = connection.execute('SELECT "jobId", count(*) FROM export_items GROUP BY 1').fetchall()
    loaded: Counter[str] | dict[str, int] = dict(rows)
    table = new_table("The fleet", "company", "state", "run", right=("runs", "items in Pleo", "rows", "minutes left"))
    equal = True
    for name, state in world.states.items():
        job = world.jobs.get(name)
        wanted = len(job.items) if job and name in world.readable else 0
        found = loaded.get(job.id, 0) if job else 0
        equal = equal and found == wanted
        row = status[name]
        cells = (row["runs"], len(job.items) if job else "", found if job else "", row["minutes left"])
        table.add_row(name, state, row["state"], *map(str, cells))
    console.print("\n", table, "\n")
    for name, row in status.items():
        if row["why"]:
            console.print(f"[yellow]{name}[/]: {escape(row['why'])}")
    expected = sum(len(world.jobs[name].items) for name in world.readable)
    total = sum(loaded.values())
    equal = equal and total == expected <= len(expected_items(pleo))
    colour = "green" if equal else "red"
    console.print(f"\n[bold {colour}]{total} of {expected} items in PostgreSQL, each once[/]")
    return equal


def start(rig: FleetRig, say: Callable[[str], None]) -> None:
    """Start the fleet."""
    if isinstance(rig, HostedRig):
        rig.start_all()
        kind = "with separate networks" if isolated() else "as groups of processes"
        say(f"Started Redis, and the hosts {', '.join(rig.hosts)} {kind}")
    else:
        rig.start_daemon()
    say("Started Dagster's daemon and code server; the sensor asks about all companies and requests runs")


def kill_host(rig: HostedRig, world: Twenty, say: Callable[[str], None]) -> None:
    """Kill the first host that loads a company."""
    for company in world.readable:
        if host := rig.host_of(company):
            rig.kill(host)
            rig.hosts.remove(host)
            say(f"[bold red]{host} is killed[/] while it loads {company}; {' and '.join(rig.hosts)} will load it")
            return


def play(console: Console, hosts: int) -> bool:
    """Run the demo in the checkout's ``.demo/fleet``, and return whether PostgreSQL has every item.

    Args:
        console: The terminal.
        hosts: The number of worker hosts; 0 for one machine without Celery.
    """
    home = HOME.resolve()
    with Sandbox() as pleo, postgres.running() as server:
        world = fleet_world.twenty(pleo)
        kind = partial(HostedRig, hosts=[f"host-{number + 1}" for number in range(hosts)]) if hosts else FleetRig
        rig = kind(home, server, pleo, world.companies, world.credentials, OPTIONS, world.secrets)
        for name, secret in world.files.items():
            (home / name).write_text(secret, "utf-8")
        with rig:
            equal = show(console, pleo, rig, world)
    console.print(f"Everything is stopped. The fleet file and the logs are in {HOME}; see docs/fleet.md for more.")
    return equal


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m demo.fleet")
    parser.add_argument("--hosts", type=int, default=0, help="worker hosts on Celery, one of which is killed")
    raise SystemExit(perform(partial(play, hosts=parser.parse_args().hosts), FleetFailed))
