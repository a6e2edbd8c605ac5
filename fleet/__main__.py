"""``python -m fleet``: check the fleet file, write Dagster's limits, receive webhooks, show the fleet."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING

import yaml

from fleet import installation, limits, secrets
from fleet.companies import FleetError
from fleet.secrets import SecretMissing
from tap_pleo_export.singer.redaction import guard_logs

if TYPE_CHECKING:
    from collections.abc import Callable


def check(_: argparse.Namespace) -> int:
    """Read the fleet file, and look whether every secret is there; nothing is sent to Pleo."""
    fleet = installation.fleet()
    problems = []
    for name in sorted(fleet.sharing):
        try:
            secrets.look_up_all(fleet.credential(name), fleet.folder)
        except SecretMissing as missing:
            problems.append(f"Credential '{name}': {missing}")
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    print(f"{len(fleet.companies)} companies, {len(fleet.sharing)} credentials, {len(problems)} problems")
    return 1 if problems else 0


def instance(_: argparse.Namespace) -> int:
    """Print what DAGSTER_HOME/dagster.yaml must say for the limits of the fleet file to hold."""
    print(yaml.safe_dump(limits.instance(installation.fleet().file), sort_keys=False), end="")
    return 0


def webhook(options: argparse.Namespace) -> int:
    """Receive Pleo's webhooks until SIGTERM."""
    import dagster as dg  # noqa: PLC0415 - the other commands need not wait for it

    from fleet.webhook import Receiver, Server  # noqa: PLC0415

    logging.basicConfig(format="%(asctime)s | %(levelname)s | %(message)s", level=logging.INFO)
    guard_logs()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with dg.DagsterInstance.get() as dagster, Server(options.host, options.port, Receiver(dagster)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"Listening on http://{options.host}:{server.server_port}", flush=True)
        stop.wait()
        server.shutdown()
    return 0


def status(options: argparse.Namespace) -> int:
    """Show what became of each company."""
    import dagster as dg  # noqa: PLC0415 - the other commands need not wait for it

    from fleet import status as table  # noqa: PLC0415

    with dg.DagsterInstance.get() as dagster:
        rows = table.rows(dagster, installation.fleet())
    if options.json:
        print(json.dumps(rows))
        return 0
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in table.COLUMNS}
    for row in [dict(zip(table.COLUMNS, table.COLUMNS, strict=True)), *rows]:
        print("  ".join(str(row[name]).ljust(widths[name]) for name in table.COLUMNS).rstrip())
    return 0


def main() -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m fleet", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (check, instance, webhook, status):
        one = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        one.set_defaults(run=command)
        if command is webhook:
            one.add_argument("--host", default="127.0.0.1")
            one.add_argument("--port", type=int, default=8900, help="0 for a free one")
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
