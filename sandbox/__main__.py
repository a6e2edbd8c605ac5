"""Run a sandbox in the foreground: ``python -m sandbox``."""

from __future__ import annotations

import argparse
import shlex
import signal
import threading

from sandbox.server import Sandbox
from sandbox.worlds import WORLDS

OAUTH = ("auth_url", "client_id", "client_secret", "refresh_token")


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local Pleo with fake data.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 (default) takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="seed of ids, data and credentials")
    parser.add_argument("--world", choices=sorted(WORLDS), default="demo", help="which data it serves")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox.holding(options.world, port=options.port, seed=options.seed) as pleo:
        oauth = [f"TAP_PLEO_EXPORT_{name.upper()}={shlex.quote(getattr(pleo, name))}" for name in OAUTH]
        oauth.append("TAP_PLEO_EXPORT_TOKEN_FILE=tokens.json")
        print(
            "# A local Pleo with fake credentials. Paste these lines into a shell:",
            f"export TAP_PLEO_EXPORT_API_URL={pleo.url}",
            f"export TAP_PLEO_EXPORT_API_KEY={shlex.quote(pleo.api_key)}",
            "# For OAuth, instead of the API key:",
            f"# unset TAP_PLEO_EXPORT_API_KEY; export {' '.join(oauth)}",
            sep="\n",
            flush=True,
        )
        stop.wait()


if __name__ == "__main__":
    main()
