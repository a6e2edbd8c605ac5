"""Runs a sandbox in the foreground: ``python -m sandbox``."""

from __future__ import annotations

import argparse
import signal
import threading

from sandbox.server import Sandbox
from sandbox.worlds import WORLDS

SETTINGS = ("api_key", "access_token", "client_id", "client_secret", "refresh_token")


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local Pleo with fake data.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 (default) takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="seed of ids, data and credentials")
    parser.add_argument("--world", choices=sorted(WORLDS), default="demo", help="what it holds")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox.holding(options.world, port=options.port, seed=options.seed) as pleo:
        settings = [f"api_url={pleo.url}", f"auth_url={pleo.auth_url}"]
        settings += [f"{name}={getattr(pleo, name)}" for name in SETTINGS]
        print("Pleo sandbox, fake credentials:", *settings, flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
