"""Runs every loader three times on the same items and writes the table of docs/loaders.md: ``make loaders``.

First run: all items, after an empty state. Second: from the state of the first, so nothing is new. Third: all items
once more, as after a lost state or a crash. What is stored is compared with the sandbox after each.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from sandbox import Sandbox
from tools import postgres
from tools.docs.tables import table
from tools.expectation import expected_items
from tools.loaders.kinds import BUCKET, LOADERS, Loader, Place
from tools.loaders.rows import Stored
from tools.meltano import CHECKOUT, environment_without_settings
from tools.pipes import ANY_COMPANY, BIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.expectation import Key
    from tools.loaders.rows import Amount

HOME = CHECKOUT / ".loaders"
PAGE = CHECKOUT / "docs" / "loaders.md"
MOTO = "moto[server]==5.2.5"
# None of them is a sum of powers of two, or fits into a double.
AMOUNTS = [12345678901234567, Decimal("0.1"), Decimal("1999.95"), Decimal("12345678901234567.89")]
PATIENCE_SECONDS = 900
HEAD = (
    "loader",
    "version",
    "first run",
    "amounts",
    "arrays and objects",
    "a run with nothing new",
    "the same items again",
    "settings",
    "trouble",
)
RENDERED = re.compile(r"(<!-- loaders: [^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass
class Input:
    """What loaders read: files of Singer messages, and the truth about them."""

    first: Path
    nothing_new: Path
    items: int
    amounts: dict[Key, Amount]


def installed(package: str) -> Path:
    """Return the Python of a virtual environment that holds a package, made where it is missing."""
    folder = HOME / re.sub(r"[^\w.=-]", "_", package)
    python = folder / "bin" / "python"
    if not (folder / ".done").exists():
        print(f"Installing {package} ...", flush=True)
        uv = str(BIN / "uv")
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", python, package], check=True)
        (folder / ".done").touch()
    return python


def produce(folder: Path, items: int) -> Input:
    """Read a sandbox with so many items through tap and mapper, twice."""
    with Sandbox() as pleo:
        job = pleo.add_job(items=items)
        for item, value in zip(job.items, AMOUNTS, strict=False):
            item["amount"]["inWalletCurrency"]["value"] = value
        expected = expected_items(pleo)
        settings = {"api_url": pleo.url, "api_key": pleo.api_key, "page_size": 500}
        amounts = {}
        for (job_id, entry_id), item in expected.items():
            amount = item["amount"]["inWalletCurrency"]
            amounts[job_id.lower(), entry_id.lower()] = (amount["currency"], Decimal(str(amount["value"])))
        made = Input(folder / "first", folder / "second", len(expected), amounts)
        _pipe(folder, settings, {}, made.first)
        lines = made.first.read_bytes().splitlines()
        state = next(json.loads(line)["value"] for line in reversed(lines) if line.startswith(b'{"type":"STATE"'))
        _pipe(folder, settings, state, made.nothing_new)
    return made


def _pipe(folder: Path, settings: dict[str, Any], state: dict[str, Any], output: Path) -> None:
    commands = []
    for name, files in {
        "tap-pleo-export": {"config": settings, "state": state},
        "map-pleo-validation": {"config": {"configuration": [ANY_COMPANY]}},
    }.items():
        command = [str(BIN / name)]
        for option, content in files.items():
            path = folder / f"{name}.{option}.json"
            path.write_text(json.dumps(content))
            command += [f"--{option}", str(path)]
        commands.append(command)
    with (
        output.open("wb") as out,
        subprocess.Popen(commands[0], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment()) as tap,
    ):
        subprocess.run(
            commands[1], stdin=tap.stdout, stdout=out, stderr=subprocess.DEVNULL, check=True, env=_environment()
        )


def _environment() -> dict[str, str]:
    return environment_without_settings("LOGLEVEL") | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Run a local S3 server and yield its address."""
    server = installed(MOTO).parent / "moto_server"
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen([server, "-H", "127.0.0.1", "-p", "0"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", (folder / "s3.log").read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the S3 server did not start, see {folder / 's3.log'}")
            time.sleep(0.1)
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def trial(loader: Loader, place: Place, given: Input) -> tuple[str, ...]:
    """Run a loader three times and return its row of the table."""
    config = place.folder / "config.json"
    config.write_text(json.dumps({**loader.settings, **loader.place(place)}))
    command = [str(place.python.parent / loader.executable), "--config", str(config)]
    stored: list[Stored] = []
    trouble: list[str] = []
    began = time.monotonic()
    for run in (given.first, given.nothing_new, given.first):
        with run.open("rb") as messages:
            done = subprocess.run(
                command,
                stdin=messages,
                capture_output=True,
                cwd=place.folder,
                check=False,
                timeout=PATIENCE_SECONDS,
                env=_environment(),
            )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            print("\n".join(lines[-15:]), file=sys.stderr)
            trouble.append(f"run {len(stored) + 1} ends with exit code {done.returncode}")
            break
        stored.append(Stored.of(loader.rows(place, "export_items"), loader.rows(place, "export_job_items")))
    print(f"{loader.title}: {time.monotonic() - began:.0f} s, {[s.keys.total() for s in stored]} {trouble}", flush=True)
    return (
        loader.title,
        loader.package.partition("==")[2],
        *_told(stored, given),
        _settings(loader),
        "; ".join([*trouble, *filter(None, [loader.known])]),
    )


def _told(stored: list[Stored], given: Input) -> tuple[str, ...]:
    if not stored:
        return ("nothing", "", "", "", "")
    first, *more = stored
    count = f"{len(first.keys):,} of {given.items:,}"
    arrived = count if len(first.keys) == given.items else f"**{count}: rows are lost**"
    if first.job_items != given.items:
        arrived += f"; **{first.job_items:,} of {given.items:,} job items**"
    nested = f"{first.nested}; {first.columns} columns"
    after = [_afterwards(first, now) for now in more]
    return (arrived, first.exactness(given.amounts), nested, *after, *[""] * (2 - len(after)))


def _afterwards(first: Stored, now: Stored) -> str:
    """Say what became of the items of the first run."""
    if len(now.keys) < len(first.keys):
        return f"**overwrites: {len(now.keys):,} rows left**"
    if now.keys.total() > first.keys.total():
        return f"appends: {now.keys.total():,} rows"
    return "each item once"


def _settings(loader: Loader) -> str:
    return ", ".join(f"`{name}: {json.dumps(value)}`" for name, value in loader.settings.items())


def main() -> int:
    """Try all loaders, or those whose title has a text in it."""
    parser = argparse.ArgumentParser(prog="python -m tools.loaders", description=main.__doc__)
    parser.add_argument("--only", default="", help="a part of the title; the document is left alone then")
    only = parser.parse_args().only
    rows = []
    inputs: dict[int, Input] = {}
    HOME.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pleo-loaders-") as folder, postgres.running() as server:
        base = Path(folder)
        with s3_server(base) as endpoint:
            for number, loader in enumerate(one for one in LOADERS if only in one.title):
                own = base / str(number)
                own.mkdir()
                if loader.items not in inputs:
                    place = base / f"items-{loader.items}"
                    place.mkdir()
                    inputs[loader.items] = produce(place, loader.items)
                server.create_database(f"loader_{number}")
                with urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")):  # noqa: S310 - loopback
                    pass
                with urlopen(Request(f"{endpoint}/{BUCKET}", method="PUT")):  # noqa: S310 - loopback
                    pass
                python = installed(loader.package)
                rows.append(
                    trial(loader, Place(own, server, f"loader_{number}", endpoint, python), inputs[loader.items])
                )
                shutil.rmtree(own)
    text = table(HEAD, rows)
    if only:
        print(text)
    else:
        page = PAGE.read_text("utf-8")
        PAGE.write_text(RENDERED.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
