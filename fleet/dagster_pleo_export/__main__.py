"""``dagster-pleo-export``: check the fleet file, write Dagster's settings, receive webhooks, run loads, show them."""

from __future__ import annotations

import argparse
import functools
import json
import logging
import signal
import sys
import time
from typing import TYPE_CHECKING

import yaml

from dagster_pleo_export import checkup, limits, runtime
from dagster_pleo_export.fleet_file import FleetError
from dagster_pleo_export.secrets import SecretMissing
from tap_pleo_export.singer.redaction import guard_logs

if TYPE_CHECKING:
    from collections.abc import Callable


def check(_: argparse.Namespace) -> int:
    """Check the fleet file, secrets and Meltano's environment; sends nothing to Pleo."""
    fleet = runtime.fleet()
    problems = list(checkup.problems(fleet))
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    print(f"{len(fleet.companies)} companies, {len(fleet.sharing)} credentials, {len(problems)} problems")
    return 1 if problems else 0


def instance(_: argparse.Namespace) -> int:
    """Print the content of DAGSTER_HOME/dagster.yaml that enforces the limits of the fleet file."""
    print(yaml.safe_dump(limits.instance(runtime.fleet().file), sort_keys=False), end="")
    return 0


def webhook(options: argparse.Namespace) -> int:
    """Receive Pleo's webhooks until SIGTERM."""
    import dagster as dg

    from dagster_pleo_export import run_history, webhook
    from dagster_pleo_export.delivery_log import DeliveryLog

    logging.basicConfig(format="%(asctime)s | %(levelname)s | %(message)s", level=logging.INFO)
    guard_logs()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server stops on its own handler, then raises the signal again for this one.
        signal.signal(number, lambda *_: None)
    with dg.DagsterInstance.get() as dagster:
        log = DeliveryLog(functools.partial(run_history.record_deliveries, dagster))
        webhook.serve(options.host, options.port, log.deliver)
    return 0


def worker(options: argparse.Namespace) -> int:
    """Execute the runs of a fleet on Celery on this host, until SIGTERM."""
    import dagster as dg

    from dagster_pleo_export import celery_hosts, scratch

    guard_logs()
    scratch.sweep()
    with dg.DagsterInstance.get() as dagster:
        celery_hosts.work(dagster, options.runs or runtime.fleet().file.limits.runs)
    return 0


def status(options: argparse.Namespace) -> int:
    """Show each company's state and counts."""
    import dagster as dg

    from dagster_pleo_export import run_history, status

    with dg.DagsterInstance.get() as dagster:
        for problem in status.problems(dagster, time.time()):
            print(problem, file=sys.stderr)
        rows = status.rows(dagster, runtime.fleet(), run_history.discovery_state(dagster))
    if options.json:
        print(json.dumps(rows))
        return 0
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in status.COLUMNS}
    for row in [dict(zip(status.COLUMNS, status.COLUMNS, strict=True)), *rows]:
        print("  ".join(str(row[name]).ljust(widths[name]) for name in status.COLUMNS).rstrip())
    return 0


def main() -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="dagster-pleo-export", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (check, instance, webhook, worker, status):
        one = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        one.set_defaults(run=command)
        if command is webhook:
            one.add_argument("--host", default="127.0.0.1")
            one.add_argument("--port", type=int, default=8900, help="0 for a free one")
        if command is worker:
            one.add_argument("--runs", type=int, help="how many at once; default: the fleet file's limits.runs")
        if command is status:
            one.add_argument("--json", action="store_true")
    options = parser.parse_args()
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (FleetError, SecretMissing) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
