"""Files are stored completely, under names from their ids, and described in their records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sandbox import Sandbox
from tests.helpers.attachments import archive, folder, items_schema, run, run_here, stored, with_files
from tests.helpers.mapper import check_protocol, item, line, record, schema, state


def test_files_are_stored_and_described_in_their_record(
    pleo: Sandbox, config: dict[str, Any], destination: Path, tmp_path: Path
) -> None:
    data = items_schema() + with_files(pleo, 1, "picture.png", "document.pdf") + state(1)

    done = run(data, config, tmp_path)

    assert done.returncode == 0, done.stderr
    check_protocol(done.output)
    first, second = done.files()
    content = pleo.files.known["picture.png"].content("picture.png")
    assert first["storedPath"] == f"{folder()}/1.png"
    assert (destination / first["storedPath"]).read_bytes() == content
    assert first["sha256"] == hashlib.sha256(content).hexdigest()
    assert first["storedBytes"] == first["size"] == len(content)
    assert first["storedAt"].endswith("Z")
    assert second["storedPath"] == f"{folder()}/2.pdf"
    assert stored(destination) == [first["storedPath"], second["storedPath"]]
    assert "storeError" not in first
    summary, metric = done.log("INFO")[-2:]
    assert summary == "export_items: 1 items with files, 2 files stored (160000 bytes), 0 not stored"
    tags = json.loads(metric.removeprefix("METRIC: "))["tags"]
    assert [tags[name] for name in ("items", "stored", "failed", "exit_code")] == [1, 2, 0, 0]


def test_large_file_is_stored_completely(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    done = archive(pleo, config, "large.pdf")

    (file,) = done.files()
    assert (destination / file["storedPath"]).stat().st_size == file["storedBytes"] == 30_000_000
    assert file["sha256"] == hashlib.sha256(pleo.files.known["large.pdf"].content("large.pdf")).hexdigest()


def test_next_run_stores_the_same_names_and_bytes(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    first = archive(pleo, config, "picture.png")
    second = archive(pleo, config, "picture.png")

    (one,), (two,) = first.files(), second.files()
    assert (one["storedPath"], one["sha256"]) == (two["storedPath"], two["sha256"])
    assert stored(destination) == [one["storedPath"]]


def test_all_other_bytes_are_unchanged(pleo: Sandbox, config: dict[str, Any]) -> None:
    entry = json.dumps(pleo.files.entry("picture.png", pleo.now()) | {"note": "caf\u00e9"})
    text = (
        '{"type": "RECORD", "stream": "export_items", "time_extracted": "2025-01-01T00:00:00Z", "record": '
        f'{{"companyId" : "{item()["companyId"]}", "accountingEntryId":"{item()["accountingEntryId"]}", '
        f'"amount": 12345678901234567890.10, "files": [null, {entry}], "new": {{"a":  1e400, "\\u00e9": [ ]}}}}}}'
    )

    done = run_here(items_schema() + text.encode() + b"\n", config)

    before, _, after = text.partition("[null")
    out = done.output.lines[-1].decode()
    assert out.startswith(f"{before}[null,{{")
    assert out.endswith(after.partition("}]")[2])
    assert '"note":"caf\\u00e9"' in out


def test_other_messages_pass_unchanged(config: dict[str, Any], tmp_path: Path) -> None:
    others = [
        schema("export_jobs"),
        record({"id": 1, "files": [{"url": "https://files.example/x"}]}, "export_jobs"),
        record(item(1, files=[])),
        record(item(2, files=None)),
        record(item(3)),
        record(item(4, files=[None])),
        line({"type": "ACTIVATE_VERSION", "stream": "export_items", "version": 1}),
        line({"type": "SOMETHING", "of": "tomorrow"}),
        state(7),
    ]

    done = run(items_schema() + b"".join(others), config, tmp_path)

    assert done.output.data.endswith(b"".join(others))
    assert done.returncode == 0


def test_positions_count_nulls(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    files = [None, pleo.files.entry("document.pdf", pleo.now())]

    done = run_here(items_schema() + record(item(1, files=files)), config)

    assert done.files()[0] is None
    assert stored(destination) == [f"{folder()}/2.pdf"]


def test_same_bytes_in_an_earlier_member_stay(pleo: Sandbox, config: dict[str, Any]) -> None:
    files = [pleo.files.entry("picture.png", pleo.now())]
    changed = {"copyOfFiles": files} | item(1, files=files)

    done = run_here(items_schema() + record(changed), config)

    (line_,) = done.output.records()
    assert line_["copyOfFiles"] == files
    assert "storedPath" in line_["files"][0]


def test_keep_urls_false_drops_links(pleo: Sandbox, config: dict[str, Any]) -> None:
    done = archive(pleo, config | {"keep_urls": False}, "picture.png", "empty.pdf")

    check_protocol(done.output)
    (declared,) = done.output.schemas()
    assert "url" not in declared["properties"]["files"]["items"]["properties"]
    assert all("url" not in file for file in done.files())
    assert b"signature" not in done.output.data


def test_second_run_replaces_earlier_outcomes(pleo: Sandbox, config: dict[str, Any]) -> None:
    first = archive(pleo, config, "empty.pdf", "picture.png")
    again = first.output.records()[0]
    again["files"][0] |= {"url": pleo.files.link("document.pdf", pleo.now()), "size": None}

    second = run_here(first.output.data.split(b"\n")[0] + b"\n" + record(again), config)

    assert "storeError" in first.files()[0]
    assert "storeError" not in second.files()[0]
    assert second.files()[0]["storedPath"] == f"{folder()}/1.pdf"
    check_protocol(second.output)
