"""Files stored in a real S3 server, run by these tests."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import obstore
import pytest
from obstore.store import S3Store

from sandbox import Fault, Sandbox
from sandbox.files import ServedFile
from tests.conftest import CHECKOUT
from tests.helpers.attachments import folder, items_schema, run, start_until_state, with_files
from tests.helpers.mapper import Output, state
from tests.helpers.processes import read_until

MOTO = CHECKOUT / ".meltano" / "moto" / "bin" / "moto_server"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIASANDBOX",
    "AWS_SECRET_ACCESS_KEY": "hushhush",
    "AWS_EC2_METADATA_DISABLED": "true",
}

pytestmark = pytest.mark.skipif(not MOTO.exists(), reason="no S3 server: `make test` installs it into .meltano/moto")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server's address; it keeps everything in memory."""
    command = [str(MOTO), "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            said = read_until(process.stderr, b"CTRL+C").decode()
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found, said
            yield found[0]
        finally:
            process.kill()


@pytest.fixture
def bucket(server: str, request: pytest.FixtureRequest) -> str:
    """An empty bucket's name."""
    name = "b-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    ask(f"{server}/{name}", "PUT")
    return name


@pytest.fixture
def config(config: dict[str, Any], server: str, bucket: str) -> dict[str, Any]:
    return config | {"destination": f"s3://{bucket}/pleo", "endpoint": server}


def ask(url: str, method: str = "GET") -> str:
    with urlopen(Request(url, method=method), timeout=20) as answer:  # noqa: S310 - a server of ours
        return str(answer.read(), "utf-8")


def names(server: str, bucket: str) -> list[str]:
    return re.findall(r"<Key>(.*?)</Key>", ask(f"{server}/{bucket}"))


def uploads(server: str, bucket: str) -> list[str]:
    return re.findall(r"<UploadId>(.*?)</UploadId>", ask(f"{server}/{bucket}?uploads"))


def test_objects_have_media_type_and_attachment_disposition(
    pleo: Sandbox, config: dict[str, Any], server: str, bucket: str, tmp_path: Path
) -> None:
    pleo.files.known["twelve.pdf"] = ServedFile("application/pdf", 12_000_000)

    done = run(items_schema() + with_files(pleo, 1, "picture.png", "twelve.pdf"), config, tmp_path, **CREDENTIALS)

    assert done.returncode == 0, done.stderr
    options: dict[str, Any] = {"access_key_id": "AKIASANDBOX", "secret_access_key": "hushhush", "region": "us-east-1"}
    reader = S3Store(bucket, prefix="pleo", endpoint=server, client_options={"allow_http": True}, **options)
    assert names(server, bucket) == [f"pleo/{folder()}/1.png", f"pleo/{folder()}/2.pdf"]
    for file, name, kind in zip(
        done.files(), ("picture.png", "twelve.pdf"), ("image/png", "application/pdf"), strict=True
    ):
        found = obstore.get(reader, file["storedPath"])
        content = bytes(found.bytes())
        assert content == pleo.files.known[name].content(name)
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert found.attributes == {"Content-Type": kind, "Content-Disposition": "attachment"}
    assert "hushhush" not in done.stderr


def test_broken_download_leaves_no_object_and_no_upload(
    pleo: Sandbox, config: dict[str, Any], server: str, bucket: str, tmp_path: Path
) -> None:
    pleo.files.known["big and dying"] = ServedFile("application/pdf", 24_000_000, dies=True)

    done = run(items_schema() + with_files(pleo, 1, "big and dying"), config, tmp_path, **CREDENTIALS)

    assert done.files()[0]["storeError"] == "a body that breaks off or is damaged (ProtocolError)"
    assert (names(server, bucket), uploads(server, bucket)) == ([], [])


def test_kill_leaves_no_object_and_next_run_stores_it(
    pleo: Sandbox, config: dict[str, Any], server: str, bucket: str, tmp_path: Path
) -> None:
    pleo.add_fault(Fault(path="/files/document.pdf", kind="drip", seconds=0.2))
    data = (
        items_schema() + with_files(pleo, 1, "picture.png") + state(1) + with_files(pleo, 2, "document.pdf") + state(2)
    )
    process, seen = start_until_state(data, config, tmp_path, **CREDENTIALS)
    process.send_signal(signal.SIGKILL)
    seen += process.communicate()[0]
    left = names(server, bucket)

    again = run(data, config, tmp_path, **CREDENTIALS)

    assert [m["type"] for m in Output(seen).messages] == ["SCHEMA", "RECORD", "STATE"]
    assert left == [f"pleo/{folder()}/1.png"]
    assert names(server, bucket) == [f"pleo/{folder()}/1.png", f"pleo/{folder(2)}/1.pdf"]
    assert again.files(1)[0]["storedBytes"] == 120_000


def test_missing_bucket_ends_the_run_without_state(pleo: Sandbox, config: dict[str, Any], tmp_path: Path) -> None:
    data = items_schema() + state(0) + with_files(pleo, 1, "picture.png") + state(1)

    done = run(data, config | {"destination": "s3://never-made"}, tmp_path, **CREDENTIALS)

    assert done.returncode == 1
    (error,) = done.log("ERROR")
    assert error.startswith("Setting 'destination': the bucket, container or folder does not exist. Nothing was stored")
    assert done.output.order == [("SCHEMA", "export_items"), ("STATE", None)]


def test_unreachable_store_ends_the_run_without_state(pleo: Sandbox, config: dict[str, Any], tmp_path: Path) -> None:
    data = items_schema() + with_files(pleo, 1, "picture.png") + state(1)

    # The port of discard, where nothing listens.
    done = run(data, config | {"endpoint": "http://127.0.0.1:9", "timeout": 5}, tmp_path, **CREDENTIALS)

    assert done.returncode == 1
    (error,) = done.log("ERROR")
    assert error.startswith("Setting 'destination': the store cannot be reached. Nothing was stored")
    assert done.output.order == [("SCHEMA", "export_items")]
    assert "127.0.0.1" not in done.stderr
