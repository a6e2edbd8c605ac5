"""Records with files, and the mapper of attachments run on them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_pleo_export.attachments.plugin import AttachmentsMapper
from tests.helpers.mapper import COMPANY, ITEM_SCHEMA, KEYS, Output, item, record, schema
from tools.meltano import environment_without_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox import Sandbox

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
    """What a run of the mapper did."""

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
    """Run the mapper in this process, which is quicker; there are neither an exit code nor messages."""
    out = io.BytesIO()
    mapper = AttachmentsMapper(config=dict(config), output=out)
    mapper.listen(io.BytesIO(data))  # type: ignore[arg-type] # bytes, as the mapper reads them
    mapper.flush()
    return Run(0, Output(out.getvalue()), "")


def stored(destination: Path) -> list[str]:
    """Return the paths of all files below a folder, whatever made them."""
    return sorted(str(path.relative_to(destination)) for path in destination.rglob("*") if path.is_file())


__all__ = ["COMPANY", "KEYS", "Run", "folder", "items_schema", "run", "run_here", "start", "stored", "with_files"]
