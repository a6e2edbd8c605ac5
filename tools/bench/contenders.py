"""Who is measured, as declarations: commands, the files they need, and how their items are counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from tools.bench.environments import PEERS

if TYPE_CHECKING:
    from collections.abc import Mapping

BENCH = Path(__file__).parent
MARK = b'"accountingEntryId":"'
"""What an item's line holds once, whoever writes it."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that reads export items.

    Attributes:
        name: As the tables say it.
        command: Program and arguments; ``${programs}``, ``${url}``, ``${job_id}`` and ``${bench}`` are filled in.
        environment: Its environment under ``bench/peers``; None: our own.
        package: The package whose version matters.
        files: Folder whose JSON and YAML files it needs, filled in likewise, in its working directory.
        concurrency: Requests in flight at most, where it can have several.
        marks_per_item: How often ``MARK`` stands in its output for each item: the tap writes an id as job item, too.
    """

    name: str
    command: tuple[str, ...]
    package: str
    environment: str | None = None
    files: Path | None = None
    marks_per_item: int = 1
    concurrency: int = 4

    def prepare(self, folder: Path, values: Mapping[str, str]) -> list[str]:
        """Write its files into a folder and return its command."""
        values = {**values, "concurrency": str(self.concurrency)}
        if self.files:
            for source in (*self.files.glob("*.json"), *self.files.glob("*.yaml")):
                (folder / source.name).write_text(Template(source.read_text()).safe_substitute(values))
        return [Template(part).substitute(values) for part in self.command]


RAW_LOOP = Contender(
    name="hand-written loop (requests + orjson)",
    command=("${programs}/python", "${bench}/raw_loop.py", "${url}", "${job_id}"),
    package="orjson",
)
RAW_LOOP_ALL = replace(
    RAW_LOOP,
    name="hand-written loop, all three streams",
    command=(*RAW_LOOP.command, "--all-streams"),
    marks_per_item=2,
)
TAP = Contender(
    name="tap-pleo-export",
    command=("${programs}/tap-pleo-export", "--config", "config.json"),
    package="tap-pleo-export",
    files=BENCH / "tap",
    marks_per_item=2,
)
TAP_IN_TURN = replace(TAP, name="tap-pleo-export, `max_concurrent_requests: 1`", concurrency=1)
SDK_PEERS = tuple(
    Contender(
        name=f"Singer SDK tap, {told}",
        command=("${programs}/python", "${bench}/peers/sdk/taps.py", which, "--config", "config.json"),
        package="singer-sdk",
        files=PEERS / "sdk",
    )
    for told, which in (("switches thrown", "tuned"), ("idiomatic", "idiomatic"))
)
DLT = Contender(
    name="dlt REST source, extract only",
    command=("${programs}/python", "${bench}/peers/dlt/pipeline.py", "config.json"),
    package="dlt",
    environment="dlt",
    files=PEERS / "dlt",
)
DLT_NORMALIZED = replace(DLT, name="dlt REST source, extract and normalize", command=(*DLT.command, "--normalize"))
REST_API_MSDK = Contender(
    name="tap-rest-api-msdk",
    command=("${programs}/tap-rest-api-msdk", "--config", "config.json"),
    package="tap-rest-api-msdk",
    environment="rest_api_msdk",
    files=PEERS / "rest_api_msdk",
)
AIRBYTE = Contender(
    name="Airbyte declarative CDK",
    command=(
        "${programs}/source-declarative-manifest", "read", "--config", "config.json", "--catalog", "catalog.json",
        "--manifest-path", "manifest.yaml",
    ),
    package="airbyte-cdk",
    environment="airbyte",
    files=PEERS / "airbyte",
)  # fmt: skip
PEER_CONTENDERS = (*SDK_PEERS, DLT, DLT_NORMALIZED, REST_API_MSDK, AIRBYTE)
