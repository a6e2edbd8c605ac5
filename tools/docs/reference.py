"""Reference tables of checks, models, programs and state."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tap_pleo_export.tap.bookmarks import Bookmarks
from tap_pleo_export.tap.completeness import JobProgress
from tap_pleo_export.validation.checks import builtin_checks
from tap_pleo_export.validation.settings import Settings, settings_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
# Programs of the fleet and of the sandbox are modules of the checkout here.
MODULES = {"dagster-pleo-export": "dagster_pleo_export", "python -m sandbox": "sandbox"}
WIDTH = 100
EXAMPLE_JOB = "8eb648ab-464b-42a0-ba17-eda703657e33"


def checks() -> Iterator[tuple[str, ...]]:
    """Yield the built-in checks: id, severity, the setting that enables it, the members that it reads."""
    lists = settings_schema()["properties"]["references"]["properties"]
    enabled = {
        check.id: f"with `references.{name}`" for name in lists for check in builtin_checks(_with_references(name))
    }
    enabled |= {check.id: "always" for check in builtin_checks(Settings())}
    for check in builtin_checks(_with_references(*lists)):
        members = ", ".join(f"`{member}`" for member in sorted(check.reads))
        yield f"[`{check.id}`](#{check.id})", check.severity, enabled[check.id], members


def models() -> str:
    """Return a section for each model of `transform/`: description, key, and a row for each column."""
    found = yaml.safe_load((CHECKOUT / "transform/models/marts/schema.yml").read_text("utf-8"))["models"]
    return "\n\n".join("\n".join(_model(model)) for model in found)


def programs() -> str:
    """Return what each program prints with `--help`."""
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    return "\n\n".join(f"## {name}\n\n```text\n{_help(name)}\n```" for name in (*scripts, *MODULES))


def state() -> str:
    """Return a state of the tap as it writes it, and the meaning of a bookmark's members."""
    bookmarks = Bookmarks({})
    bookmarks.set(EXAMPLE_JOB, JobProgress(page_size=100, page=3, cursor="MFRGGZDF", items=300, digest=0x6BBA7091))
    written = bookmarks.to_state()
    (entry,) = written["bookmarks"]["export_items"]["partitions"]
    documented = dict(re.findall(r"^ {8}(\w+): (.*)$", JobProgress.__doc__ or "", re.MULTILINE))
    meanings = {"context": "Id of the export job."} | documented
    rows = "\n".join(f"| `{name}` | {_plain(meanings[name])} |" for name in entry)
    example = json.dumps(written, indent=1)
    return f"```json\n{example}\n```\n\n| member | meaning |\n| --- | --- |\n{rows}"


def _with_references(*names: str) -> Settings:
    return Settings(references=dict.fromkeys(names, frozenset[str]()))


def _model(model: dict[str, Any]) -> Iterator[str]:
    yield f"## {model['name']}\n\n{_cell(model['description'])}\n"
    yield "| column | type | meaning |\n| --- | --- | --- |"
    for column in model["columns"]:
        yield f"| `{column['name']}` | {column['data_type']} | {_cell(column['description'])} |"


def _plain(docstring: str) -> str:
    """Return a line of a docstring as Markdown, without references and Python's names."""
    return docstring.partition(", see :")[0].rstrip(".").replace("``", "`").replace("None", "null") + "."


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", r"\|").replace("<", "&lt;")


def _help(name: str) -> str:
    """Return a program's help at a fixed width, without colours."""
    command = [sys.executable, "-m", MODULES[name]] if name in MODULES else [Path(sys.executable).with_name(name)]
    environment = os.environ | {"COLUMNS": str(WIDTH), "PYTHONPATH": str(CHECKOUT / "fleet"), "NO_COLOR": "1"}
    done = subprocess.run(
        [*command, "--help"], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip()
