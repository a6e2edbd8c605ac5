"""A store that does not work ends the run before a STATE passes; one that fails for a file costs that file."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tap_pleo_export.attachments.breaker import MAX_IN_A_ROW
from tap_pleo_export.attachments.errors import StoreFailed
from tap_pleo_export.attachments.folder import Folder
from tap_pleo_export.attachments.store import Store
from tests.helpers.attachments import Run, folder, items_schema, run, start_until_state, stored, with_files
from tests.helpers.mapper import state

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIASANDBOX", "AWS_SECRET_ACCESS_KEY": "hushhush"}
STORED: dict[str, Any] = {"status": 200, "headers": {"ETag": '"1"'}, "body": b""}


@pytest.fixture
def bucket(pleo: Sandbox, config: dict[str, Any]) -> dict[str, Any]:
    """Settings for a bucket that the sandbox answers for, by its faults; files arrive one by one."""
    one = {"max_concurrent_downloads": 1, "timeout": 5}
    return config | one | {"destination": "s3://bucket/pleo", "endpoint": pleo.url}


def records(pleo: Sandbox, count: int) -> bytes:
    """Return records of one file each, with a STATE after each."""
    return items_schema() + b"".join(with_files(pleo, n, "picture.png") + state(n) for n in range(1, count + 1))


def kinds(done: Run) -> list[str]:
    return [kind for kind, _ in done.output.order]


@pytest.mark.parametrize(
    ("fault", "why", "on_failure"),
    [
        ({"status": 500}, "the store answers HTTP 500", "fail"),
        ({"status": 503}, "the store answers HTTP 503", "warn"),
        ({"status": 301, "headers": {"Location": "https://elsewhere.example/"}}, "the store answers HTTP 301", "warn"),
        ({"status": 401}, "the credentials were refused", "warn"),
        ({"status": 403}, "permission to write was denied", "warn"),
        ({"status": 404}, "the bucket, container or folder does not exist", "warn"),
        ({"kind": "html"}, "something else than a store answers there (GenericError)", "warn"),
        ({"kind": "reset"}, "the store cannot be reached", "warn"),
    ],
)
def test_store_that_never_worked_ends_the_run(
    pleo: Sandbox, bucket: dict[str, Any], tmp_path: Path, fault: dict[str, Any], why: str, on_failure: str
) -> None:
    pleo.add_fault(Fault(path="/bucket", nth=None, **fault))

    done = run(records(pleo, 10), bucket | {"on_failure": on_failure}, tmp_path, **CREDENTIALS)

    assert done.returncode == 1
    assert done.log("ERROR") == [f"Setting 'destination': {why}. Nothing was stored; check it and its credentials"]
    assert kinds(done) == ["SCHEMA"]


def test_store_without_credentials_ends_the_run(pleo: Sandbox, bucket: dict[str, Any], tmp_path: Path) -> None:
    # Within a cloud this address hands out credentials; nothing listens here.
    metadata = {"AWS_METADATA_ENDPOINT": "http://127.0.0.1:9/metadata/"}

    done = run(records(pleo, 3), bucket, tmp_path, **metadata)

    assert done.returncode == 1
    (error,) = done.log("ERROR")
    assert error.startswith("Setting 'destination': the environment has no credentials for it. Nothing was stored")
    assert kinds(done) == ["SCHEMA"]


def test_store_that_fails_in_a_row_ends_the_run_before_the_first_failure(
    pleo: Sandbox, bucket: dict[str, Any], tmp_path: Path
) -> None:
    pleo.add_fault(Fault(path="/bucket", times=2, **STORED))
    pleo.add_fault(Fault(path="/bucket", nth=3, times=99, status=500))

    done = run(records(pleo, 20), bucket, tmp_path, **CREDENTIALS)

    assert done.returncode == 1
    (error,) = done.log("ERROR")
    assert error.startswith("Setting 'destination': the store answers HTTP 500, for 4 files in a row after 2 stored")
    assert kinds(done) == ["SCHEMA", "RECORD", "STATE", "RECORD", "STATE"], "stored files are acknowledged"


@pytest.mark.parametrize("failures", [1, MAX_IN_A_ROW - 1])
def test_store_that_works_again_costs_only_the_failed_files(
    pleo: Sandbox, bucket: dict[str, Any], tmp_path: Path, failures: int
) -> None:
    for first in (1, failures + 2):
        pleo.add_fault(Fault(path="/bucket", nth=first, **STORED))
    pleo.add_fault(Fault(path="/bucket", nth=2, times=failures, status=403))

    done = run(records(pleo, failures + 2), bucket, tmp_path, **CREDENTIALS)

    assert done.returncode == 0
    errors = [done.files(number)[0].get("storeError") for number in range(failures + 2)]
    assert errors == [None, *["could not be stored: permission to write was denied"] * failures, None]
    assert kinds(done) == ["SCHEMA", *["RECORD", "STATE"] * (failures + 2)]


def test_single_failure_at_the_end_is_reported_in_its_record(
    pleo: Sandbox, bucket: dict[str, Any], tmp_path: Path
) -> None:
    pleo.add_fault(Fault(path="/bucket", **STORED))
    pleo.add_fault(Fault(path="/bucket", nth=2, status=403))

    done = run(records(pleo, 2), bucket, tmp_path, **CREDENTIALS)

    assert done.returncode == 0
    assert done.files(1)[0]["storeError"] == "could not be stored: permission to write was denied"
    assert kinds(done)[-1] == "STATE"


def test_failure_is_not_acknowledged_while_more_input_may_come(
    pleo: Sandbox, bucket: dict[str, Any], tmp_path: Path
) -> None:
    pleo.add_fault(Fault(path="/bucket", **STORED))
    pleo.add_fault(Fault(path="/bucket", nth=2, times=99, status=500))
    process, seen = start_until_state(records(pleo, 2), bucket, tmp_path, **CREDENTIALS)
    rest = b"".join(with_files(pleo, n, "picture.png") + state(n) for n in range(3, 9))
    stdout, _ = process.communicate(rest, timeout=30)

    assert process.returncode == 1
    assert (seen + stdout).count(b'"STATE"') == 1


def test_folder_that_refuses_files_ends_the_run(
    pleo: Sandbox, config: dict[str, Any], destination: Path, tmp_path: Path
) -> None:
    destination.mkdir()
    # A file in the place of the company's folder: root may write everywhere else.
    (destination / folder().partition("/")[0]).write_text("in the way")

    done = run(records(pleo, 6), config, tmp_path)

    assert done.returncode == 1
    assert done.log("ERROR") == ["Setting 'destination': file exists. Nothing was stored; check it and its credentials"]
    assert kinds(done) == ["SCHEMA"]


def test_full_disk_ends_the_run(pleo: Sandbox, config: dict[str, Any], tmp_path: Path) -> None:
    """The disk fills up after the first file."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {disk} 2>/dev/null"):  # noqa: S605 - a path of ours
        pytest.skip("may not mount a small disk")
    try:
        done = run(records(pleo, 8), config | {"destination": str(disk), "max_concurrent_downloads": 1}, tmp_path)
    finally:
        os.system(f"umount {disk}")  # noqa: S605 - likewise

    assert done.returncode == 1
    (error,) = done.log("ERROR")
    assert error.startswith("Setting 'destination': no space left on device, for 4 files in a row after 1 stored ones")
    assert kinds(done) == ["SCHEMA", "RECORD", "STATE"]


def test_stored_file_is_on_the_disk_and_only_its_owner_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    folder_ = Folder(str(tmp_path / "receipts"))
    monkeypatch.setattr(os, "fsync", fsync)
    folder_.put("company/item/1.pdf", [b"one", b"two"])

    file = tmp_path / "receipts" / "company" / "item" / "1.pdf"
    assert file.read_bytes() == b"onetwo"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Its bytes, the new folders, and its name.
    assert [name for name in synced if not name.startswith(".unfinished-")] == ["receipts", "company", "item"]
    assert synced[0].startswith(".unfinished-")


def test_replaced_file_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "1.pdf").write_bytes(b"old")
    (tmp_path / "1.pdf").chmod(0o644)

    Folder(str(tmp_path)).put("1.pdf", b"new")

    assert (tmp_path / "1.pdf").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "1.pdf").stat().st_mode) == 0o600


def test_next_run_removes_the_leftovers_of_a_kill(
    pleo: Sandbox, config: dict[str, Any], destination: Path, tmp_path: Path
) -> None:
    process, _ = start_until_state(records(pleo, 1), config, tmp_path)
    # As a kill in mid-file leaves it.
    left = destination / ".unfinished-abc.part"
    left.write_bytes(b"half")
    run(items_schema(), config, tmp_path)
    kept = left.exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()

    run(items_schema(), config, tmp_path)

    assert kept, "it may belong to the run that was writing"
    assert stored(destination) == [f"{folder()}/1.png"]


def test_failed_content_leaves_nothing(tmp_path: Path) -> None:
    def content() -> Any:
        yield b"half"
        raise OSError(28, "No space left on device")

    store = Store(str(tmp_path), endpoint=None, timeout=1, retries=0)

    with pytest.raises(StoreFailed, match="no space left on device"):
        store.put("a/1.pdf", content())

    assert stored(tmp_path) == []
