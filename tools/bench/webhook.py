"""Deliveries of webhooks at a fixed rate: the real server with Dagster on PostgreSQL.

``python -m tools.bench.webhook [RATE [SECONDS]]`` prints the answers, their speed, Dagster's records, and the server's
memory and processor time. One delivery in a hundred has a wrong signature, one is sent twice. Fails if one is lost or
wrong, or if the server's memory grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psutil
from standardwebhooks import Webhook

from sandbox import Sandbox
from tools import postgres
from tools.fleet import DAGSTER, FleetRig
from tools.fleet_world import WEBHOOK_SECRET

COMPANIES = 500
CLIENTS = 64
ACCEPTED, REFUSED = 202, 401
# Numbers, modulo 100, of deliveries with a wrong signature and of those that are sent again.
WRONG, REPEATED = 50, 99
MAX_GROWTH_MIB = 8
RECORDED = """
    SELECT event::json #>> '{dagster_event,event_specific_data,asset_observation,metadata_entries}'
    FROM event_logs WHERE asset_key = '["webhook_deliveries"]'
"""


def uuid(number: int) -> str:
    """Return the id of a company."""
    return f"00000000-0000-4000-8000-{number:012}"


def delivery(number: int) -> tuple[bytes, int]:
    """Return a request and the status that it must get."""
    wrong, again = number % 100 == WRONG, number % 100 == REPEATED
    name = f"msg_{number - again}"
    body = json.dumps({"eventType": "v1.export-job.created", "data": {"companyId": uuid((number - again) % COMPANIES)}})
    now = datetime.now(UTC)
    signature = Webhook(WEBHOOK_SECRET).sign(name, now, body + " " * wrong)
    head = (
        f"POST /shared HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nwebhook-id: {name}\r\n"
        f"webhook-timestamp: {int(now.timestamp())}\r\nwebhook-signature: {signature}\r\n\r\n"
    )
    return (head + body).encode(), REFUSED if wrong else ACCEPTED


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def send_all(port: int, messages: list[tuple[bytes, int]], rate: int) -> tuple[Counter[str], list[float]]:
    """Send messages at a rate per second; return how many were answered how, and the seconds of each answer."""
    found: Counter[str] = Counter()
    seconds = []
    began = time.monotonic()
    waiting = iter(enumerate(messages))

    async def client() -> None:
        writer = None
        for number, (message, expected) in waiting:
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent = time.monotonic()
            status = 0
            with contextlib.suppress(OSError, EOFError):
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(message)
                answer = await reader.readuntil(b"\r\n\r\n")
                status = int(answer[9:12])
            seconds.append(time.monotonic() - sent)
            found["right" if status == expected else f"wrong: {status}" if status else "lost"] += 1
            # The server keeps a connection only after a delivery with a signature.
            if writer and status != ACCEPTED:
                await close(writer)
                writer = None
        if writer:
            await close(writer)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    found["seconds"] = round(time.monotonic() - began)
    return found, seconds


def main(rate: int, seconds: int) -> bool:
    """Measure; return whether nothing was lost or wrong and the memory is flat."""
    companies = [{"id": f"c{n}", "company_id": uuid(n), "credential": "shared"} for n in range(COMPANIES)]
    credentials = {"shared": {"api_key": {"env": "KEY"}, "webhook_secret": {"env": "HOOK"}}}
    secrets = {"KEY": "fake-key-of-the-bench", "HOOK": WEBHOOK_SECRET}
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.running() as server,
        Sandbox() as pleo,
        FleetRig(Path(folder) / "home", server, pleo, companies, credentials, secrets=secrets) as rig,
    ):
        port = int(rig.start_webhook().rpartition(":")[2])
        process = psutil.Process(rig.running["webhook"].pid)
        messages = [delivery(number) for number in range(rate * seconds)]
        for part in (messages[:rate], messages[rate:]):
            before, used = process.memory_info().rss, sum(process.cpu_times()[:2])
            found, latencies = asyncio.run(send_all(port, part, rate))
        growth = (process.memory_info().rss - before) / 2**20
        each = (sum(process.cpu_times()[:2]) - used) / len(part) * 1000
        cuts = statistics.quantiles(latencies, n=100)
        print(f"{len(part)} deliveries after a first second, {rate}/s wanted: {dict(found)}")
        print(f"median {cuts[49] * 1000:.0f} ms, 99 % within {cuts[98] * 1000:.0f} ms, all {max(latencies):.2f} s")
        print(f"resident {before / 2**20:.1f} MiB, {growth:+.1f} MiB; processor {each:.2f} ms per delivery")
        with server.connect(DAGSTER) as connection:
            rows = [json.loads(text) for (text,) in connection.execute(RECORDED)]
    entries = [{one["label"]: one["entry_data"] for one in row} for row in rows]
    recorded = sum(entry["deliveries"]["value"] for entry in entries)
    repeated = sum(number % 100 == REPEATED for number in range(len(messages)))
    expected = sum(status == ACCEPTED for _, status in messages) - repeated
    named = {name for entry in entries for name in entry["companies"]["data"]}
    print(f"Dagster has {recorded} deliveries of {expected}, {len(named)} companies, in {len(rows)} records")
    return found["right"] == len(part) and recorded == expected and growth <= MAX_GROWTH_MIB


if __name__ == "__main__":
    rate, seconds = (*map(int, sys.argv[1:]), *(1000, 10)[len(sys.argv) - 1 :])
    raise SystemExit(not main(rate, seconds))
