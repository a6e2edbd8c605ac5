"""Records with files, and the mapper of attachments run on them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import Sandbox
from tap_pleo_export.attachments.plugin import AttachmentsMapper
from tests.helpers.mapper import COMPANY, ITEM_SCHEMA, Output, item, record, schema
from tests.helpers.processes import read_until
from tools.meltano import environment_without_settings

COMMAND = [sys.executable, "-m", "tap_pleo_export.attachments.plugin"]
TIMEOUT = 60

FILE_SCHEMA = {
    "type": ["object", "null"],
    "properties": {
        "url": {"type": ["string", "null"]},
        "type": {"type": ["string", "null"]},
        "size": {"type": ["integer", "null"]},
    },
}
SCHEMA_WITH_FILES = ITEM_SCHEMA | {
    "properties": ITEM_SCHEMA["properties"] | {"files": {"type": ["array", "null"], "items": FILE_SCHEMA}}
}


def items_schema() -> bytes:
    return schema(schema=SCHEMA_WITH_FILES)


def folder(number: int = 1) -> str:
    """Return where the files of `item(number)` belong."""
    return f"{COMPANY}/{item(number)['accountingEntryId']}"


def with_files(pleo: Sandbox, number: int, *names: str, **changes: Any) -> bytes:
    """Return a record with files of the sandbox; `changes` replace members of each file."""
    entries = [pleo.files.entry(name, pleo.now()) | changes for name in names]
    return record(item(number, files=entries))


@dataclass
class Run:
    """Exit code, output and log of a run."""

    returncode: int
    output: Output
    stderr: str

    def files(self, number: int = 0) -> list[dict[str, Any]]:
        """Return the files of a record, by its place in the output."""
        files: list[dict[str, Any]] = self.output.records()[number]["files"]
        return files

    def log(self, level: str) -> list[str]:
        lines = [text.split(" | ", 3) for text in self.stderr.splitlines()]
        return [parts[3] for parts in lines if len(parts) == 4 and parts[1].strip() == level]


def start(config: Mapping[str, Any], tmp_path: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start the mapper, its three streams in pipes."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    return subprocess.Popen(
        [*COMMAND, "--config", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_without_settings("LOGLEVEL") | environment,
    )


def run(data: bytes, config: Mapping[str, Any], tmp_path: Path, **environment: str) -> Run:
    """Run the mapper to its end."""
    process = start(config, tmp_path, **environment)
    try:
        stdout, stderr = process.communicate(data, TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Run(process.returncode, Output(stdout), stderr.decode())


def run_here(data: bytes, config: Mapping[str, Any]) -> Run:
    """Run the mapper in this process, which is quicker but gives no exit code and no log."""
    out = io.BytesIO()
    mapper = AttachmentsMapper(config=dict(config), output=out)
    mapper.listen(io.BytesIO(data))  # type: ignore[arg-type] # bytes, as the mapper reads them
    mapper.flush()
    return Run(0, Output(out.getvalue()), "")


def archive(pleo: Sandbox, config: Mapping[str, Any], *names: str, **changes: Any) -> Run:
    """Run the mapper in this process on one record, `with_files` of the sandbox."""
    return run_here(items_schema() + with_files(pleo, 1, *names, **changes), config)


def start_until_state(
    data: bytes, config: Mapping[str, Any], tmp_path: Path, **environment: str
) -> tuple[subprocess.Popen[bytes], bytes]:
    """Start the mapper, leave its input open, and return it with its output up to a STATE."""
    process = start(config, tmp_path, **environment)
    assert process.stdin
    process.stdin.write(data)
    process.stdin.flush()
    return process, read_until(process.stdout, b'"STATE"')


def stored(destination: Path) -> list[str]:
    """Return the paths of all files below a folder."""
    return sorted(str(path.relative_to(destination)) for path in destination.rglob("*") if path.is_file())
