"""Cost of the validation mapper, beside `cat` and a mapper on the SDK's own reader and writer, in one run.

    python bench/mapper_cost.py [--items 20000] [--rounds 5] [--check]

Rounds are interleaved and medians reported, so that a busy machine weighs on all alike. Times are CPU seconds of the
process (user and system), its start subtracted. With `--check`, a missed bar is an error. Takes under a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1]))

from tap_pleo_export.singer.exact_json import decode  # noqa: E402
from tap_pleo_export.validation import Validator, parse_settings  # noqa: E402
from tests.helpers.mapper import ITEM_SCHEMA, item, record, schema, state  # noqa: E402 - found by the line above

CONFIG = {
    "configuration": [
        {
            "companyId": "*",
            "journal": "J1",
            "accounts": {"wallet": {"GBP": "1240", "*": "1250"}, "outOfPocket": "2890", "contra": "1910"},
        },
    ],
    "references": {"gl_accounts": ["6100"], "tax_codes": ["T1"], "tags": ["PRJ-7"], "vendors": ["V1"]},
    "checks": [
        {
            "id": "note_given",
            "schema": {"required": ["note"], "properties": {"note": {"type": "string", "minLength": 3}}},
            "failureReasonType": "validation_failure",
            "failureReason": "Note missing",
        },
    ],
}
CHECKS_BAR_US = 10
HOP_BAR = 40_000
MEMORY_BAR_KB = 8_192

SDK_MAPPER = """
from singer_sdk import InlineMapper
from singer_sdk.singerlib import Message, RecordMessage, SchemaMessage, StateMessage
class Plain(InlineMapper):
    '''Passes everything on through the SDK's default reader and writer.'''
    name = "plain"
    capabilities = []
    def map_schema_message(self, d): yield SchemaMessage.from_dict(d)
    def map_record_message(self, d): yield RecordMessage.from_dict(d)
    def map_state_message(self, d): yield StateMessage.from_dict(d)
    def map_activate_version_message(self, d): return ()
Plain.cli()
"""


@dataclass(frozen=True)
class Cost:
    """CPU seconds and peak memory (KB) of a process."""

    seconds: float
    memory: int


def cost(command: list[str], data: Path) -> Cost:
    """Run a command on input from a file, its output thrown away."""
    with data.open("rb") as source, Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(command, stdin=source, stdout=nowhere, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed with {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def items_of(count: int) -> list[bytes]:
    """Return RECORD lines of about 2.6 KB with one or two lines a piece, all passing."""
    money = item()["amount"]
    line = item()["accountingEntryLines"][0] | {"netAmount": money}
    line["tax"] = line["tax"] | {
        "id": "5c1a9b7d-2e4f-4a6b-8c9d-0e1f2a3b4c5d",
        "type": "exclusive",
        "amount": money,
    }
    more = {
        "user": {"id": "6b71f6bd-e83d-4d49-88ee-2b8cda2d57cf", "name": "Luke Richardson", "code": None},
        "team": {"id": "747aaf60-56c6-4b46-ad92-f8a0cb59cf8b", "name": "Engineering", "code": "5678"},
        "files": [{"url": "https://files.example/" + "x" * 120, "type": "image/jpeg", "size": 13010}] * 2,
        "servicePeriod": {"from": "2025-01-01T00:00:00Z", "to": "2025-01-31T00:00:00Z"},
    }
    records = []
    for number in range(count):
        note = "Printer ink and paper. " * (16 if number % 2 else 1)
        records.append(record(item(number, accountingEntryLines=[line] * (2 - number % 2), note=note, **more)))
    return records


def write_input(path: Path, records: list[bytes]) -> None:
    """Write SCHEMA, records, and a STATE per hundred of them."""
    with path.open("wb") as file:
        file.write(schema(schema=ITEM_SCHEMA))
        for number, line in enumerate(records, 1):
            file.write(line)
            if number % 100 == 0:
                file.write(state(number))


def checks_alone(records: list[bytes]) -> float:
    """Return microseconds an item for all checks together, on decoded items."""
    validator = Validator(parse_settings(CONFIG))
    # Few enough to stay in the processor's cache, where a mapper finds the item that it has just decoded.
    items = [decode(line)["record"] for line in records[:100]] * 50
    rounds = []
    for _ in range(9):
        start = process_time()
        for value in items:
            validator.judge(value)
        rounds.append((process_time() - start) / len(items) * 1e6)
    return median(rounds)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="fail if a bar is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, tenth, nothing = (Path(folder, name) for name in ("whole", "tenth", "nothing"))
        records = items_of(options.items)
        write_input(whole, records)
        write_input(tenth, records[: options.items // 10])
        nothing.touch()
        config, plain = Path(folder, "config.json"), Path(folder, "plain.py")
        config.write_text(json.dumps(CONFIG))
        plain.write_text(SDK_MAPPER)
        commands = {
            "cat": ["cat"],
            "SDK reader and writer": [sys.executable, str(plain)],
            "map-pleo-validation": [sys.executable, "-m", "tap_pleo_export.validation.plugin", "--config", str(config)],
        }
        net: dict[str, list[float]] = {name: [] for name in commands}
        growth = []
        for _ in range(options.rounds):
            for name, command in commands.items():
                run = cost(command, whole)
                net[name].append(run.seconds - cost(command, nothing).seconds)
            growth.append(run.memory - cost(command, tenth).memory)
        size = whole.stat().st_size / options.items
    report(
        options.items,
        size,
        {name: median(values) for name, values in net.items()},
        checks_alone(records),
        median(growth),
        check=options.check,
    )


def report(  # noqa: PLR0913 - a figure each
    items: int, size: float, net: dict[str, float], checks: float, growth: float, *, check: bool
) -> None:
    """Print a table, and say which bars are met."""
    print(f"{items} items of {size:.0f} bytes; CPU seconds net of start, medians")
    ours = net["map-pleo-validation"]
    for name, seconds in net.items():
        rate = items / max(seconds, 1e-4)
        print(f"  {name:22} {seconds:7.3f} s {rate:11,.0f} items/s   mapper is {ours / max(seconds, 1e-4):6.2f} x this")
    bars = {
        f"checks alone {checks:.1f} µs an item (bar {CHECKS_BAR_US})": checks <= CHECKS_BAR_US,
        f"whole hop {items / ours:,.0f} items/s per core (bar {HOP_BAR:,})": items / ours >= HOP_BAR,
        f"memory grows {growth:,.0f} KB on ten times the items (bar {MEMORY_BAR_KB:,})": growth <= MEMORY_BAR_KB,
    }
    for text, met in bars.items():
        print(f"  {'met   ' if met else 'MISSED'} {text}")
    if check and not all(bars.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
