"""JSON Lines files contain everything that the sandbox serves."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from sandbox import Sandbox
from tools.expectation import expected_items

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.meltano import MeltanoProject


def test_files_contain_every_record_once(tmp_path: Path, new_project: Callable[..., MeltanoProject]) -> None:
    with Sandbox.demo() as sandbox:
        project = new_project(sandbox, TARGET_JSONL_DESTINATION_PATH=str(tmp_path))
        log = project.run("run", "tap-pleo-export", "target-jsonl")
        running = [job for job in sandbox.jobs.values() if job.running]
        items = expected_items(sandbox)
    assert project.returncode == 0, "".join(line.raw for line in log)

    def keys(stream: str, *names: str) -> Counter[tuple[str, ...]]:
        records = map(json.loads, (tmp_path / f"{stream}.jsonl").read_bytes().splitlines())
        return Counter(tuple(record[name] for name in names) for record in records)

    assert keys("export_jobs", "id") == Counter((job.id,) for job in running)
    listed = Counter((job.id, entry) for job in running for entry in job.item_statuses)
    assert keys("export_job_items", "exportJobId", "accountingEntryId") == listed
    assert keys("export_items", "jobId", "accountingEntryId") == Counter(items.keys())
