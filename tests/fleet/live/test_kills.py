"""One machine: daemon, code server, workers and Meltano are killed at once, and the daemon starts again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tools.expectation import loaded_keys
from tools.fleet import WAREHOUSE, FleetRig
from tools.postgres import Postgres

pytestmark = pytest.mark.timeout(600)
SECONDS = 240
ITEMS, PAGE_SIZE = 60, 20


def test_a_company_loads_again_after_everything_was_killed(server: Postgres, tmp_path: Path) -> None:
    with Sandbox() as pleo:
        job = pleo.add_job(items=ITEMS)
        companies: list[dict[str, Any]] = [{"id": "acme", "company_id": job.record["companyId"]}]
        credentials = {"acme": {"api_key": {"env": "ACME_KEY"}}}
        options = {"settings": {"api_url": pleo.url, "max_retries": 1, "page_size": PAGE_SIZE}}
        secrets = {"ACME_KEY": pleo.api_key}
        rig = FleetRig(tmp_path / "home", server, pleo, companies, credentials, options, secrets, prefix="kills_")
        killed = threading.Event()

        def kill(_: Sandbox) -> None:
            rig.kill()
            killed.set()

        pleo.add_fault(Fault(path="/v3/export-items", query={"job_id": job.id}, nth=2, kind="callback", callback=kill))
        with rig:
            rig.start_daemon()
            rig.wait(killed.is_set, SECONDS, "the kill in the middle of a load")
            left = [text for place, text in rig.texts().items() if place.startswith(str(rig.scratch))]
            restarted = time.time()
            rig.start_daemon()
            rig.wait(rig.settled(["acme"]), SECONDS, "the load after the restart")
            runs = rig.runs()
            rig.stop()
            after = [text for place, text in rig.texts().items() if place.startswith(str(rig.scratch))]

    assert [run["status"] for run in runs] == ["FAILURE", "SUCCESS"]
    assert runs[0]["end"] - restarted < 60
    assert runs[1]["start"] - restarted < 120
    # A lost run does not count as an attempt, so the next one does not wait.
    assert [run["tags"]["pleo/attempt"] for run in runs] == ["1", "1"]
    with server.connect("kills_" + WAREHOUSE) as connection:
        loaded = loaded_keys(connection, "export_items")
    assert loaded == Counter((job.id, item["accountingEntryId"]) for item in job.items)
    secret = pleo.api_key.encode()
    assert any(secret in text for text in left)
    assert not any(secret in text for text in after)
