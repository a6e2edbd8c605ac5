"""Files that cannot be stored are reported in their record and counted, and affect nothing else."""

from __future__ import annotations

import resource
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from sandbox.files import ServedFile
from tests.helpers.attachments import archive, folder, items_schema, run, run_here, start, stored, with_files
from tests.helpers.mapper import Output, check_protocol, item, line, record, schema, state

PICTURE = "/files/picture.png"
REMEDY = "links live for 24 hours, so run within 24 hours of reading the item"


@pytest.mark.parametrize(("on_failure", "code", "level"), [("warn", 0, "WARNING"), ("fail", 1, "ERROR")])
def test_failed_file_does_not_affect_others(
    pleo: Sandbox, config: dict[str, Any], destination: Path, tmp_path: Path, on_failure: str, code: int, level: str
) -> None:
    data = items_schema() + with_files(pleo, 1, "empty.pdf", "picture.png") + with_files(pleo, 2, "picture.png")

    done = run(data + state(1), config | {"on_failure": on_failure}, tmp_path)

    assert done.returncode == code
    check_protocol(done.output)
    assert done.files()[0] | {"url": ""} == {"url": "", "type": "application/pdf", "size": 0, "storeError": "is empty"}
    assert stored(destination) == [f"{folder()}/2.png", f"{folder(2)}/1.png"]
    assert done.log("WARNING")[0] == f"item {item(1)['accountingEntryId']}, file 1 is not stored: is empty"
    assert done.log(level)[-1] == "export_items: 2 items with files, 2 files stored (80000 bytes), 1 not stored"
    assert [kind for kind, _ in done.output.order] == ["SCHEMA", "RECORD", "RECORD", "STATE"]


def test_expired_link_is_reported_with_remedy(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    data = items_schema() + with_files(pleo, 1, "picture.png")
    now = pleo.now()
    pleo.clock = lambda: now + timedelta(hours=24, seconds=1)

    done = run_here(data, config | {"max_retries": 3})

    assert done.files()[0]["storeError"].startswith(f"HTTP 403: {REMEDY}")
    assert len(pleo.requests_to("/files")) == 1, "a permanent failure is not retried"
    assert stored(destination) == []


@pytest.mark.parametrize(
    ("name", "stated", "why"),
    [
        ("longer.jpg", 1_000, "has more bytes than the 1,000 that Pleo states"),
        ("picture.png", 50_000, "has 40,000 bytes, Pleo states 50,000"),
        ("large.pdf", 29_999_999, "has more bytes than the 29,999,999 that Pleo states"),
        ("large.pdf", 30_000_001, "has 30,000,000 bytes, Pleo states 30,000,001"),
    ],
)
def test_wrong_size_is_not_stored(
    pleo: Sandbox, config: dict[str, Any], destination: Path, name: str, stated: int, why: str
) -> None:
    done = archive(pleo, config, name, size=stated)

    assert done.files()[0]["storeError"] == why
    assert stored(destination) == []


@pytest.mark.parametrize(
    "size", [None, "12", "x", "NaN", "", True, False, -1, 0, 1.5, 1e30, 10**30, -(10**30), 2**63, 1e400, {}, []]
)
def test_invalid_size_is_ignored(pleo: Sandbox, config: dict[str, Any], size: Any) -> None:
    text = with_files(pleo, 1, "picture.png", size=size).replace(b"Infinity", b"1e400")

    done = run_here(items_schema() + text, config)

    assert done.files()[0]["storedBytes"] == 40_000


def test_broken_download_is_retried_and_leaves_nothing(
    pleo: Sandbox, config: dict[str, Any], destination: Path
) -> None:
    pleo.files.known["big and dying"] = ServedFile("application/pdf", 16_000_000, dies=True)
    data = items_schema() + with_files(pleo, 1, "dying.pdf") + with_files(pleo, 2, "big and dying")

    done = run_here(data, config | {"max_retries": 1})

    assert [done.files(number)[0]["storeError"] for number in (0, 1)] == [
        "a body that breaks off or is damaged (ProtocolError)"
    ] * 2
    assert len(pleo.requests_to("/files")) == 4
    assert stored(destination) == []


@pytest.mark.parametrize("kind", ["reset", "reset_body", "truncate"])
def test_temporary_failure_is_retried(pleo: Sandbox, config: dict[str, Any], destination: Path, kind: Any) -> None:
    pleo.add_fault(Fault(path=PICTURE, kind=kind))

    done = archive(pleo, config | {"max_retries": 1}, "picture.png")

    assert stored(destination) == [done.files()[0]["storedPath"]]


@pytest.mark.parametrize(
    ("status", "tries"), [(500, 2), (503, 2), (429, 2), (400, 1), (404, 1), (410, 1), (204, 1), (206, 1), (304, 1)]
)
def test_error_status_is_reported(pleo: Sandbox, config: dict[str, Any], status: int, tries: int) -> None:
    pleo.add_fault(Fault(path=PICTURE, nth=None, status=status, headers={"Retry-After": "1"}))

    done = archive(pleo, config | {"max_retries": 1}, "picture.png")

    assert done.files()[0]["storeError"].startswith(f"HTTP {status}")
    assert (REMEDY in done.files()[0]["storeError"]) == (status in {404, 410})
    assert len(pleo.requests_to("/files")) == tries


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"kind": "drip", "seconds": 0.05}, "no answer within 1 s"),
        ({"kind": "html"}, "is a web page, not a file"),
        (
            {"status": 200, "headers": {"Content-Encoding": "gzip", "Content-Type": "image/png"}, "body": b"\x1f\x8b"},
            "has a Content-Encoding that was not requested",
        ),
    ],
)
def test_unusable_content_is_not_stored(
    pleo: Sandbox, config: dict[str, Any], destination: Path, fault: dict[str, Any], why: str
) -> None:
    pleo.add_fault(Fault(path=PICTURE, nth=None, **fault))

    done = archive(pleo, config | ({"timeout": 1} if "seconds" in fault else {}), "picture.png", size=None)

    assert done.files()[0]["storeError"] == why
    assert stored(destination) == []


def test_file_beyond_the_limit_is_not_stored(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    done = archive(pleo, config | {"max_file_bytes": 40_000}, "large.pdf", "picture.png")

    assert done.files()[0]["storeError"] == "has more than 40,000 bytes (max_file_bytes)"
    assert stored(destination) == [f"{folder()}/2.png"]


def redirect(pleo: Sandbox, location: str, times: int = 1) -> None:
    pleo.add_fault(Fault(path=PICTURE, times=times, status=302, headers={"Location": location}))


def test_at_most_three_redirects_are_followed(pleo: Sandbox, config: dict[str, Any]) -> None:
    link = pleo.files.link("picture.png", pleo.now())
    redirect(pleo, link.partition(str(pleo.port))[2], times=3)
    followed = archive(pleo, config, "picture.png")
    redirect(pleo, link, times=4)
    not_followed = archive(pleo, config, "picture.png")

    assert followed.files()[0]["storedBytes"] == 40_000
    assert not_followed.files()[0]["storeError"] == "its link is redirected more than 3 times"


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("https://127.0.0.1/a", "its link leads to another scheme"),
        ("file:///etc/passwd", "its link is not a valid address"),
        ("http://169.254.169.254/latest", "its link is not https"),
        ("http://localhost:1/a", "its link leads into a private network"),
        ("//user:pw@127.0.0.1/a", "its link carries credentials"),
        ("http://[::1", "Pleo gave no link"),
        ("", "redirected more than 3 times"),
    ],
)
def test_redirect_target_is_checked_like_a_link(pleo: Sandbox, config: dict[str, Any], location: str, why: str) -> None:
    redirect(pleo, location, times=9)

    done = archive(pleo, config, "picture.png")

    assert why in done.files()[0]["storeError"]


def test_full_disk_fails_only_its_file_and_leaves_nothing(
    pleo: Sandbox, config: dict[str, Any], destination: Path, tmp_path: Path
) -> None:
    data = items_schema() + with_files(pleo, 1, "large.pdf", "picture.png", "document.pdf")
    # No file may grow beyond 64 KiB, which is as good as a full disk: the write fails.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    try:
        process = start(config, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    stdout, _ = process.communicate(data, 30)

    (record,) = Output(stdout).records()
    assert process.returncode == 0
    assert [file.get("storeError") for file in record["files"]] == [
        "could not be stored: file too large",
        None,
        "could not be stored: file too large",
    ]
    assert stored(destination) == [f"{folder()}/2.png"]


@pytest.mark.parametrize("odd", ["../../x", "", None, 7, "8eb648ab464b42a0ba17eda703657e33"])
@pytest.mark.parametrize("member", ["companyId", "accountingEntryId"])
def test_no_text_from_pleo_gets_into_a_path(
    pleo: Sandbox, config: dict[str, Any], destination: Path, member: str, odd: object
) -> None:
    entries = [pleo.files.entry("picture.png", pleo.now())]

    done = run_here(items_schema() + record(item(1, files=entries) | {member: odd}), config)

    assert "is not a UUID" in done.files()[0]["storeError"]
    assert stored(destination) == []
    assert pleo.requests_to("/files") == []


def test_failures_are_logged_up_to_a_limit_and_counted(config: dict[str, Any], tmp_path: Path) -> None:
    data = items_schema() + b"".join(record(item(n, files=[{"url": None}, {}])) for n in range(40))

    done = run(data, config, tmp_path)

    warnings = done.log("WARNING")
    assert len(warnings) == 52
    assert warnings[0].endswith("file 1 is not stored: Pleo gave no link for it")
    assert warnings[-2] == "30 more files are not stored"
    assert warnings[-1] == "export_items: 40 items with files, 0 files stored (0 bytes), 80 not stored"


@pytest.mark.parametrize("missing", ["companyId", "accountingEntryId", "files"])
def test_schema_without_required_members_is_refused(config: dict[str, Any], tmp_path: Path, missing: str) -> None:
    declared: dict[str, Any] = {
        "properties": {name: {} for name in ("companyId", "accountingEntryId", "files") if name != missing}
    }

    done = run(schema("export_jobs") + schema(schema=declared) + state(1), config, tmp_path)

    assert done.returncode == 1
    assert done.log("ERROR") == [
        f"line 2 of the input is a SCHEMA of export_items without '{missing}': select it in the tap under this name"
    ]
    assert done.output.order == [("SCHEMA", "export_jobs")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"type": "REC', "line 3 of the input is not a JSON object"),
        (line({"type": "BATCH", "stream": "export_items"}), "line 3 of the input is a BATCH of export_items"),
        (line({"type": "RECORD", "stream": "export_items", "record": 1}), "line 3 of the input has a record"),
        (line({"type": "RECORD", "stream": "export_items"}), "line 3 of the input has no record"),
    ],
)
def test_invalid_input_ends_the_run_after_earlier_output(
    pleo: Sandbox, config: dict[str, Any], tmp_path: Path, text: bytes, why: str
) -> None:
    done = run(items_schema() + with_files(pleo, 1, "picture.png") + text, config, tmp_path)

    assert done.returncode == 1
    assert done.log("ERROR")[0].startswith(why)
    assert "storedPath" in done.files()[0]


def test_missing_items_are_reported(config: dict[str, Any], tmp_path: Path) -> None:
    done = run(schema("export_jobs") + record({"id": 1}, "export_jobs"), config, tmp_path)

    assert done.log("WARNING")[0] == "No export_items received, so nothing was stored. Streams received: export_jobs"
