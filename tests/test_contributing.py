"""CONTRIBUTING.md, followed to the letter in a copy of the checkout, adds a stream."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.conftest import CHECKOUT, Outputs, Run, finish

_BLOCK = re.compile(
    r"^<!-- (?P<verb>\w+): (?P<file>[\w/.]+)(?:, \w+: (?P<line>.+?))? -->\n```\w+\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def apply(verb: str, file: Path, line: str | None, text: str) -> None:
    """Apply a block of CONTRIBUTING.md to a file; ``line`` is how the line that it speaks of begins."""
    if verb == "create":
        assert not file.exists()
        file.write_text(text, "utf-8")
        return
    content = file.read_text("utf-8").splitlines(keepends=True)
    (number,) = [number for number, found in enumerate(content) if line and found.startswith(line)]
    content[number : number + (verb == "replace")] = [text] if verb == "replace" else [text, "\n\n"]
    file.write_text("".join(content), "utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, with the stream that CONTRIBUTING.md adds."""
    copy = tmp_path / "copy"
    for folder in ("tap_pleo_export", "schemas"):
        shutil.copytree(CHECKOUT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    blocks = list(_BLOCK.finditer((CHECKOUT / "CONTRIBUTING.md").read_text("utf-8")))
    assert [block["verb"] for block in blocks] == ["create", "insert", "replace"]
    for block in blocks:
        apply(block["verb"], copy / block["file"], block["line"], block["text"])
    return copy


def run(copy: Path, *arguments: str, environment: dict[str, str], outputs: Outputs) -> Run:
    process = subprocess.Popen(
        [sys.executable, "-m", "tap_pleo_export", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | {"PYTHONPATH": str(copy)},
        cwd=copy,
    )
    return finish(process, outputs)


def test_a_stream_more_is_one_class_and_one_file(
    copy: Path, pleo: Sandbox, config: dict[str, Any], environment: dict[str, str], outputs: Outputs
) -> None:
    job = pleo.add_job(items=2)
    (copy / "config.json").write_text(json.dumps(config))

    done = run(copy, "--config", "config.json", environment=environment, outputs=outputs)

    assert (done.returncode, done.errors) == (0, [])
    companies = done.records("companies")
    assert [company["id"] for company in companies] == [job.record["companyId"]]
    assert all(company["name"] for company in companies)
    assert len(done.records("export_items")) == 2


def test_it_is_discovered_like_the_others(copy: Path, environment: dict[str, str], outputs: Outputs) -> None:
    catalog = json.loads(run(copy, "--discover", environment=environment, outputs=outputs).stdout)

    stream = catalog["streams"][-1]
    assert (stream["tap_stream_id"], stream["key_properties"]) == ("companies", ["id"])
    assert stream["schema"]["required"] == ["id"]
