"""Files that cannot be stored: told in their record, counted, and in nobody's way."""

from __future__ import annotations

import resource
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Fault
from sandbox.files import ServedFile
from tests.helpers.attachments import folder, items_schema, run, run_here, start, stored, with_files
from tests.helpers.mapper import Output, check_protocol, item, line, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox

PICTURE = "/files/picture.png"
REMEDY = "links live for 24 hours, so run within 24 hours of reading the item"


def test_a_file_that_fails_is_in_no_ones_way(
    pleo: Sandbox, config: dict[str, Any], destination: Path, tmp_path: Path
) -> None:
    data = items_schema() + with_files(pleo, 1, "empty.pdf", "picture.png") + with_files(pleo, 2, "picture.png")

    done = run(data + state(1), config, tmp_path)

    assert done.returncode == 0
    check_protocol(done.output)
    assert done.files()[0] | {"url": ""} == {"url": "", "type": "application/pdf", "size": 0, "storeError": "is empty"}
    assert stored(destination) == [f"{folder()}/2.png", f"{folder(2)}/1.png"]
    assert done.log("WARNING") == [
        f"item {item(1)['accountingEntryId']}, file 1 is not stored: is empty",
        "export_items: 2 items with files, 2 files stored (80000 bytes), 1 not stored",
    ]
    assert done.output.messages[-1]["type"] == "STATE"


def test_with_fail_it_ends_with_an_error_after_everything_was_passed_on(
    pleo: Sandbox, config: dict[str, Any], tmp_path: Path
) -> None:
    data = items_schema() + with_files(pleo, 1, "empty.pdf") + with_files(pleo, 2, "picture.png") + state(1)

    done = run(data, config | {"on_failure": "fail"}, tmp_path)

    assert done.returncode == 1
    assert [kind for kind, _ in done.output.order] == ["SCHEMA", "RECORD", "RECORD", "STATE"]
    assert "storedPath" in done.files(1)[0]
    assert done.log("ERROR") == ["export_items: 2 items with files, 1 files stored (40000 bytes), 1 not stored"]


def test_a_link_that_has_expired_says_what_to_do(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    data = items_schema() + with_files(pleo, 1, "picture.png")
    now = pleo.now()
    pleo.clock = lambda: now + timedelta(hours=24, seconds=1)

    done = run_here(data, config | {"max_retries": 3})

    assert done.files()[0]["storeError"].startswith(f"HTTP 403: {REMEDY}")
    assert len(pleo.requests_to("/files")) == 1, "what will not pass is not tried again"
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
def test_a_file_of_another_size_than_stated_is_not_kept(
    pleo: Sandbox, config: dict[str, Any], destination: Path, name: str, stated: int, why: str
) -> None:
    done = run_here(items_schema() + with_files(pleo, 1, name, size=stated), config)

    assert done.files()[0]["storeError"] == why
    assert stored(destination) == []


@pytest.mark.parametrize("size", [None, "12", True, 1e400, {}])
def test_a_size_that_is_none_is_not_compared(pleo: Sandbox, config: dict[str, Any], size: Any) -> None:
    text = with_files(pleo, 1, "picture.png", size=size).replace(b"Infinity", b"1e400")

    done = run_here(items_schema() + text, config)

    assert done.files()[0]["storedBytes"] == 40_000


def test_a_file_that_dies_is_tried_again_and_leaves_nothing(
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
def test_what_passes_is_got_over(pleo: Sandbox, config: dict[str, Any], destination: Path, kind: Any) -> None:
    pleo.add_fault(Fault(path=PICTURE, kind=kind))

    done = run_here(items_schema() + with_files(pleo, 1, "picture.png"), config | {"max_retries": 1})

    assert stored(destination) == [done.files()[0]["storedPath"]]


@pytest.mark.parametrize(
    ("status", "tries"), [(500, 2), (503, 2), (429, 2), (400, 1), (404, 1), (410, 1), (204, 1), (206, 1), (304, 1)]
)
def test_other_answers_are_no_file(pleo: Sandbox, config: dict[str, Any], status: int, tries: int) -> None:
    pleo.add_fault(Fault(path=PICTURE, nth=None, status=status, headers={"Retry-After": "1"}))

    done = run_here(items_schema() + with_files(pleo, 1, "picture.png"), config | {"max_retries": 1})

    assert done.files()[0]["storeError"].startswith(f"HTTP {status}")
    assert (REMEDY in done.files()[0]["storeError"]) == (status in {404, 410})
    assert len(pleo.requests_to("/files")) == tries


def test_a_slow_server_ends_at_the_files_time(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    pleo.add_fault(Fault(path=PICTURE, nth=None, kind="drip", seconds=0.05))

    done = run_here(items_schema() + with_files(pleo, 1, "picture.png"), config | {"timeout": 1})

    assert done.files()[0]["storeError"] == "no answer within 1 s"
    assert stored(destination) == []


def test_a_file_beyond_the_limit_is_not_read(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    data = items_schema() + with_files(pleo, 1, "large.pdf", "picture.png")

    done = run_here(data, config | {"max_file_bytes": 40_000})

    assert done.files()[0]["storeError"] == "has more than 40,000 bytes (max_file_bytes)"
    assert stored(destination) == [f"{folder()}/2.png"]


def test_a_web_page_in_place_of_a_picture_is_not_kept(pleo: Sandbox, config: dict[str, Any], destination: Path) -> None:
    pleo.add_fault(Fault(path=PICTURE, nth=None, kind="html"))

    done = run_here(items_schema() + with_files(pleo, 1, "picture.png", size=None), config)

    assert done.files()[0]["storeError"] == "is a web page, not a file"
    assert stored(destination) == []


def test_what_is_packed_is_not_unpacked(pleo: Sandbox, config: dict[str, Any]) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "image/png"}
    pleo.add_fault(Fault(path=PICTURE, status=200, headers=headers, body=b"\x1f\x8b" + b"\0" * 100))

    done = run_here(items_schema() + with_files(pleo, 1, "picture.png"), config)

    assert done.files()[0]["storeError"] == "has a Content-Encoding that was not requested"


def redirect(pleo: Sandbox, location: str, times: int = 1) -> None:
    pleo.add_fault(Fault(path=PICTURE, times=times, status=302, headers={"Location": location}))


def test_three_redirects_are_followed_and_no_more(pleo: Sandbox, config: dict[str, Any]) -> None:
    link = pleo.files.link("picture.png", pleo.now())
    redirect(pleo, link.partition(str(pleo.port))[2], times=3)
    data = items_schema() + with_files(pleo, 1, "picture.png")

    followed = run_here(data, config)
    redirect(pleo, link, times=4)
    not_followed = run_here(data, config)

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
def test_a_redirect_is_judged_as_a_link_is(pleo: Sandbox, config: dict[str, Any], location: str, why: str) -> None:
    redirect(pleo, location, times=9)

    done = run_here(items_schema() + with_files(pleo, 1, "picture.png"), config)

    assert why in done.files()[0]["storeError"]


def test_a_full_disk_fails_its_file_only_and_leaves_nothing(
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
def test_nothing_of_pleos_text_gets_into_a_path(
    pleo: Sandbox, config: dict[str, Any], destination: Path, member: str, odd: object
) -> None:
    entries = [pleo.files.entry("picture.png", pleo.now())]

    done = run_here(items_schema() + record(item(1, files=entries) | {member: odd}), config)

    assert "is not a UUID" in done.files()[0]["storeError"]
    assert stored(destination) == []
    assert pleo.requests_to("/files") == []


def test_many_failures_are_named_up_to_a_number_and_counted(config: dict[str, Any], tmp_path: Path) -> None:
    data = items_schema() + b"".join(record(item(n, files=[{"url": None}, {}])) for n in range(40))

    done = run(data, config, tmp_path)

    warnings = done.log("WARNING")
    assert len(warnings) == 52
    assert warnings[0].endswith("file 1 is not stored: Pleo gave no link for it")
    assert warnings[-2] == "30 more files are not stored"
    assert warnings[-1] == "export_items: 40 items with files, 0 files stored (0 bytes), 80 not stored"


@pytest.mark.parametrize("missing", ["companyId", "accountingEntryId", "files"])
def test_a_schema_without_what_is_read_is_refused(config: dict[str, Any], tmp_path: Path, missing: str) -> None:
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
def test_input_that_is_none_ends_the_run_after_what_came_before_it(
    pleo: Sandbox, config: dict[str, Any], tmp_path: Path, text: bytes, why: str
) -> None:
    done = run(items_schema() + with_files(pleo, 1, "picture.png") + text, config, tmp_path)

    assert done.returncode == 1
    assert done.log("ERROR")[0].startswith(why)
    assert "storedPath" in done.files()[0]


def test_a_run_without_items_says_so(config: dict[str, Any], tmp_path: Path) -> None:
    done = run(schema("export_jobs") + record({"id": 1}, "export_jobs"), config, tmp_path)

    assert done.log("WARNING")[0] == "No export_items received, so nothing was stored. Streams received: export_jobs"
