"""Rows of the fault matrix, their faults, and running the tap against them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox import Fault, Job, Sandbox
from tests.conftest import BIN, Outputs, Run, finish

JOBS = "/v3/export-jobs"
ITEMS = "/v3/export-items"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the matrix.

    Attributes:
        id: The fault.
        setup: Causes it; given Pleo and the older job.
        sees: A phrase of each ERROR and WARNING line, in order.
        exit: The exit code.
        requests: Numbers of requests, see :func:`play`.
        items: Number of export items that arrive, of 11.
        settings: Further settings.
    """

    id: str
    setup: Callable[[Sandbox, Job], object]
    sees: tuple[str, ...] = ()
    exit: int = 1
    requests: Mapping[str, int] = field(default_factory=dict)
    items: int = 11
    settings: Mapping[str, Any] = field(default_factory=dict)


def on_items(**fault: Any) -> Callable[[Sandbox, Job], object]:
    """Return a fault of the older job's data layer."""
    return lambda pleo, job: pleo.add_fault(Fault(path=ITEMS, query={"job_id": job.id}, **fault))


def on_control(**fault: Any) -> Callable[[Sandbox, Job], object]:
    """Return a fault of the older job's control layer."""
    return lambda pleo, job: pleo.add_fault(Fault(path=f"{JOBS}/{job.id}/items", **fault))


def on(path: str, **fault: Any) -> Callable[[Sandbox, Job], object]:
    """Return a fault of an endpoint."""
    return lambda pleo, _: pleo.add_fault(Fault(path=path, **fault))


def having(**behaviour: Any) -> Callable[[Sandbox, Job], object]:
    """Return a trait of Pleo as a whole."""

    def setup(pleo: Sandbox, _: Job) -> None:
        for name, value in behaviour.items():
            setattr(pleo, name, value)

    return setup


def ending(status: str, *, nth: int) -> Callable[[Sandbox, Job], object]:
    """Let the older job end just before a request for its items."""

    def setup(pleo: Sandbox, job: Job) -> None:
        end = on_items(kind="callback", nth=nth, callback=lambda pleo: job.finish(status, pleo.now()))
        end(pleo, job)

    return setup


def one_after_the_other(*statuses: int) -> Callable[[Sandbox, Job], object]:
    """Return a series of statuses on the second page of the older job."""

    def setup(pleo: Sandbox, job: Job) -> None:
        for number, status in enumerate(statuses, 2):
            on_items(status=status, headers={"Retry-After": "0"}, nth=number)(pleo, job)

    return setup


def members(**changed: Any) -> Callable[[Any], Any]:
    """Return a rewrite of a page's members; None removes one."""
    return lambda page: {name: value for name, value in (page | changed).items() if value is not None}


def pagination(**changed: Any) -> Callable[[Any], Any]:
    """Return a rewrite of a page's pagination; None removes a member."""
    return lambda page: page | {"pagination": members(**changed)(page["pagination"])}


def swapped_pages(pleo: Sandbox, job: Job) -> None:
    """Let each of the first two pages carry the other's items."""
    for number, rows in ((1, job.items[3:6]), (2, job.items[:3])):
        on_items(kind="rewrite", nth=number, rewrite=members(data=rows))(pleo, job)


def item_of_the_page_before(pleo: Sandbox, job: Job) -> None:
    """Let the second page begin with the first page's last item."""
    on_items(kind="rewrite", nth=2, rewrite=lambda page: page | {"data": [job.items[2], *page["data"]]})(pleo, job)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a row: the run, the names that its phrases use, and the requests."""

    run: Run
    names: dict[str, str]
    requests: dict[str, int]


def play(row: Row, folder: Path, environment: dict[str, str], outputs: Outputs) -> Outcome:
    """Run the tap against a row's fault."""
    folder.mkdir()
    with Sandbox() as pleo:
        outputs.secrets.add(pleo.api_key)
        now = datetime.now(UTC)
        job = pleo.add_job(items=7, created_at=now - timedelta(minutes=9))
        other = pleo.add_job(items=4, created_at=now - timedelta(minutes=2))
        names = {"job": job.id, "other": other.id, "lost": job.items[5]["accountingEntryId"]}
        settings = {
            "api_url": pleo.url,
            "api_key": pleo.api_key,
            "page_size": 3,
            "max_retries": 1,
            "max_concurrent_requests": 1,
            **row.settings,
        }
        if "job_ids" in settings:
            settings["job_ids"] = [names[name] for name in settings["job_ids"]]
        config = folder / "config.json"
        config.write_text(json.dumps(settings))
        row.setup(pleo, job)
        command = [str(BIN / "tap-pleo-export"), "--config", str(config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=folder)
        run = finish(process, outputs)
        data = [request.query["job_id"][0] for request in pleo.requests_to(ITEMS)]
        paths = [request.path for request in pleo.requests]
    return Outcome(
        run,
        names,
        {
            "list": paths.count(JOBS),
            "record": paths.count(f"{JOBS}/{job.id}"),
            "control": paths.count(f"{JOBS}/{job.id}/items"),
            "items": data.count(job.id),
            "other": data.count(other.id),
            "all": len(paths),
        },
    )
