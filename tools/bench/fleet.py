"""``make bench-fleet``: the cost of asking about 1,000 companies and of runs, and the minutes from Export to rows.

Processor seconds are user and system time of the processes measured, without the sandbox's own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sandbox import Fault, Sandbox
from tools import postgres
from tools.fleet import BIN, WAREHOUSE, FleetRig
from tools.hosts import HostedRig, redis_server
from tools.meltano import CHECKOUT, MeltanoProject
from tools.pipes import Pipes, tap_settings

if TYPE_CHECKING:
    from collections.abc import Callable

COMPANIES = 1000
LATENCY = 0.1
ROUNDS = 3
IDLE_RUNS = 10
LOADED = 20
ITEMS = 50
PATIENCE = 3600
MAX_PROCESSOR_SECONDS = 15
MIN_RATIO = 400
MAX_MEDIAN, MAX_WORST, MIN_RUNS_AN_HOUR = 60, 120, 700
AT_ONCE = 2
RUN = ("run", "tap-pleo-export", "pleo-validate", "target-postgres")


def discovery(folder: Path) -> dict[str, Any]:
    """Ask about idle companies, each with its own credential, at a fixed latency."""
    with Sandbox() as pleo:
        pleo.add_fault(Fault(path="/v3/export-jobs", nth=None, kind="delay", seconds=LATENCY))
        (folder / "key").write_text(pleo.api_key)
        file = {
            "credentials": {"*": {"api_key": {"file": "key"}, "webhook_secret": {"env": "{credential}"}}},
            "companies": [{"id": f"c{number:04}", "company_id": _uuid(number)} for number in range(COMPANIES)],
            "settings": {"api_url": pleo.url},
        }
        (folder / "fleet.yml").write_text(yaml.safe_dump(file))
        environment = {"PLEO_FLEET": str(folder / "fleet.yml"), "NO_PROXY": "127.0.0.1", "DAGSTER_HOME": str(folder)}
        environment |= {"PATH": "/usr/bin:/bin"}
        command = [str(BIN / "python"), "-m", "tools.bench.fleet_round", str(ROUNDS)]
        done = subprocess.run(command, env=environment, cwd=CHECKOUT, check=True, capture_output=True, text=True)
        rounds = [json.loads(line) for line in done.stdout.splitlines()]
        return {
            "rounds": rounds,
            "requests_a_round": len(pleo.requests) / ROUNDS,
            "connections": pleo.connections.accepted,
            "seconds": statistics.median(one["seconds"] for one in rounds),
            "processor": statistics.median(one["processor"] for one in rounds),
            "failing": sum(one["failing"] for one in rounds),
        }


def idle_runs(folder: Path) -> dict[str, Any]:
    """Run Meltano for companies with nothing to load."""
    with Sandbox() as pleo, postgres.running() as server:
        server.create_database("meltano")
        settings = {
            "TAP_PLEO_EXPORT_API_URL": pleo.url,
            "TAP_PLEO_EXPORT_API_KEY": pleo.api_key,
            "TARGET_POSTGRES_SQLALCHEMY_URL": server.url(),
            "MELTANO_DATABASE_URI": server.url("meltano"),
        }
        project = MeltanoProject(folder / "project", settings)
        project.run("state", "list")

        def run(number: int) -> None:
            project.run(*RUN[:1], f"--state-id-suffix=c{number}", *RUN[1:])
            if project.returncode:
                raise RuntimeError(f"meltano ended with exit code {project.returncode}")

        return _processor(run)


def plain_runs(folder: Path) -> dict[str, Any]:
    """Run the plugins of an idle run in a pipe, without Meltano, which would configure them and store the state."""
    with Sandbox() as pleo, postgres.running() as server:
        server.create_database("plain")
        pipes = Pipes(folder, tap_settings(pleo), server.url("plain"))

        def run(_: int) -> None:
            if any((codes := pipes.run()).values()):
                raise RuntimeError(f"the pipe ended with {codes}")

        return _processor(run)


def _processor(run: Callable[[int], None]) -> dict[str, float]:
    """Return the processor seconds of runs."""
    used = []
    for number in range(IDLE_RUNS):
        before = _children()
        run(number)
        used.append(_children() - before)
    return {"processor": statistics.median(used), "least": min(used), "most": max(used)}


def latency(folder: Path) -> dict[str, Any]:
    """Create a job for each company at once, and measure when its rows are in PostgreSQL."""
    return _latency(folder, FleetRig)


def latency_celery(folder: Path) -> dict[str, Any]:
    """Measure the same with runs in a Celery worker, which starts no Dagster for each."""
    redis_server()
    return _latency(folder, partial(HostedRig, hosts=["host"]))


def _latency(folder: Path, new_rig: Callable[..., FleetRig]) -> dict[str, Any]:
    with Sandbox() as pleo, postgres.running() as server:
        companies = [{"id": f"c{n:02}", "company_id": _uuid(n), "credential": "all"} for n in range(LOADED)]
        limits = {"runs": AT_ONCE, "runs_per_credential": AT_ONCE}
        options = {"discovery": {"interval": 30, "tick": 5}, "limits": limits}
        credentials = {"all": {"api_key": {"env": "ALL_KEY"}}}
        secrets = {"ALL_KEY": pleo.api_key}
        with new_rig(folder / "rig", server, pleo, companies, credentials, options, secrets) as rig:
            rig.start_all()
            # The daemon is up once it has asked about all of them.
            rig.wait(lambda: len(pleo.requests) >= LOADED, PATIENCE, "the first round")
            idle = rig.processor_seconds()
            jobs = [pleo.add_job(items=ITEMS, company_id=company["company_id"]) for company in companies]
            began = time.monotonic()
            seen: dict[str, float] = {}

            def loaded() -> bool:
                with server.connect(WAREHOUSE) as connection:
                    found = connection.execute("SELECT to_regclass('pleo.export_items')").fetchone()
                    if found and found[0]:
                        query = 'SELECT "jobId" FROM export_items GROUP BY 1 HAVING count(*) = %s'
                        for (job,) in connection.execute(query, (ITEMS,)):
                            seen.setdefault(job, time.monotonic() - began)
                return len(seen) == len(jobs)

            rig.wait(loaded, PATIENCE, "the loads")
            wall = time.monotonic() - began
            return {
                "median": statistics.median(seen.values()),
                "first": min(seen.values()),
                "worst": max(seen.values()),
                "runs_an_hour": LOADED / wall * 3600,
                "daemon_processor_at_start": idle,
            }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    function.__name__: function for function in (discovery, idle_runs, plain_runs, latency, latency_celery)
}


def main() -> int:
    """Measure and print; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.fleet", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    options = parser.parse_args()
    found = {}
    for name in options.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="bench-fleet-") as folder:
            found[name] = PARTS[name](Path(folder))
        print(name, json.dumps(found[name], indent=1), flush=True)
    kept = True
    if "discovery" in found:
        asked = found["discovery"]
        kept = asked["requests_a_round"] <= COMPANIES and asked["processor"] <= MAX_PROCESSOR_SECONDS
        kept = kept and not asked["failing"]
        if "idle_runs" in found:
            ratio = COMPANIES * found["idle_runs"]["processor"] / asked["processor"]
            print(f"1,000 runs take {ratio:.0f} times the processor time of asking 1,000 times")
            kept = kept and ratio >= MIN_RATIO
    for name in found.keys() & {"latency", "latency_celery"}:
        kept = kept and found[name]["median"] <= MAX_MEDIAN and found[name]["worst"] <= MAX_WORST
        kept = kept and found[name]["runs_an_hour"] >= MIN_RUNS_AN_HOUR
    print("All promises kept" if kept else "A promise is BROKEN")
    return 0 if kept else 1


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
