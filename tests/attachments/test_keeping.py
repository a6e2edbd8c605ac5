"""Files of records stored in a folder: under names that say where they belong, whole, and told in the record."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tests.helpers.attachments import folder, items_schema, run, run_here, stored, with_files
from tests.helpers.mapper import check_protocol, item, line, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox


def test_files_are_stored_and_told_in_their_record(
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
    assert done.log("INFO")[-2] == "export_items: 1 items with files, 2 files stored (160000 bytes), 0 not stored"


def test_a_large_file_is_stored_whole(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    done = run_here(items_schema() + with_files(pleo, 1, "large.pdf"), config)

    (file,) = done.files()
    assert (destination / file["storedPath"]).stat().st_size == file["storedBytes"] == 30_000_000
    assert file["sha256"] == hashlib.sha256(pleo.files.known["large.pdf"].content("large.pdf")).hexdigest()


def test_the_next_run_has_the_same_names_and_bytes(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    first = run_here(items_schema() + with_files(pleo, 1, "picture.png"), config)
    second = run_here(items_schema() + with_files(pleo, 1, "picture.png"), config)

    (one,), (two,) = first.files(), second.files()
    assert (one["storedPath"], one["sha256"]) == (two["storedPath"], two["sha256"])
    assert stored(destination) == [one["storedPath"]]


def test_ids_in_capitals_have_the_same_folder(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    entries = [pleo.files.entry("picture.png", pleo.now())]
    shouted = item(1, files=entries, companyId=item()["companyId"].upper())

    run_here(items_schema() + record(shouted), config)

    assert stored(destination) == [f"{folder()}/1.png"]


def test_every_other_byte_stays_as_it_came(pleo: Sandbox, config: dict[str, Any]) -> None:
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


def test_what_has_no_files_and_what_is_no_item_passes_unchanged(config: dict[str, Any], tmp_path: Path) -> None:
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


def test_links_are_dropped_where_they_are_not_to_be_kept(pleo: Sandbox, config: dict[str, Any]) -> None:
    data = items_schema() + with_files(pleo, 1, "picture.png", "empty.pdf")

    done = run_here(data, config | {"keep_urls": False})

    check_protocol(done.output)
    (declared,) = done.output.schemas()
    assert "url" not in declared["properties"]["files"]["items"]["properties"]
    assert all("url" not in file for file in done.files())
    assert b"signature" not in done.output.data


def test_a_second_run_over_its_own_records_replaces_what_the_first_said(pleo: Sandbox, config: dict[str, Any]) -> None:
    first = run_here(items_schema() + with_files(pleo, 1, "empty.pdf", "picture.png"), config)
    again = first.output.records()[0]
    again["files"][0] |= {"url": pleo.files.link("document.pdf", pleo.now()), "size": None}

    second = run_here(first.output.data.split(b"\n")[0] + b"\n" + record(again), config)

    assert "storeError" in first.files()[0]
    assert "storeError" not in second.files()[0]
    assert second.files()[0]["storedPath"] == f"{folder()}/1.pdf"
    check_protocol(second.output)
