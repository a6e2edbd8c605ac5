"""What several files of the project say about it is the same in all of them."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.validation.plugin import ValidationMapper
from tests.conftest import CHECKOUT

PROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]

COMMANDS = ["make lint", "make test", "make test-meltano", "make test-warehouse", "make test-fleet"]


def load(path: str) -> Any:
    return yaml.safe_load((CHECKOUT / path).read_text("utf-8"))


def workflow_job() -> dict[str, Any]:
    (job,) = load(".github/workflows/ci.yml")["jobs"].values()
    return dict(job)


def ci_commands() -> list[str]:
    return [line for line in (CHECKOUT / ".ci" / "run").read_text("utf-8").splitlines() if line.startswith("make ")]


def test_the_workflow_runs_on_every_python_that_is_claimed_and_on_no_other() -> None:
    prefix = "Programming Language :: Python :: "
    claimed = [line.removeprefix(prefix) for line in PROJECT["classifiers"] if line.startswith(prefix)]

    assert workflow_job()["strategy"]["matrix"]["python"] == claimed
    assert PROJECT["requires-python"] == f">={claimed[0]}"


def test_the_workflow_runs_the_commands_that_a_developer_runs() -> None:
    assert [step["run"] for step in workflow_job()["steps"] if "run" in step] == COMMANDS
    assert ci_commands() == COMMANDS


def test_the_workflow_may_read_only_and_ends_by_itself() -> None:
    assert load(".github/workflows/ci.yml")["permissions"] == {"contents": "read"}
    assert workflow_job()["timeout-minutes"] <= 60
    assert all(re.fullmatch(r"[\w/-]+@(v\d+|[0-9a-f]{40})", s["uses"]) for s in workflow_job()["steps"] if "uses" in s)


def test_before_a_commit_runs_what_make_lint_runs() -> None:
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    (hook,) = repository["hooks"]

    assert repository["repo"] == "local"
    assert (hook["entry"], hook["pass_filenames"], hook["always_run"]) == ("make lint", False, True)


@pytest.mark.parametrize("plugin", [TapPleoExport, ValidationMapper])
def test_every_plugin_has_the_version_that_pyproject_states(plugin: type[TapPleoExport | ValidationMapper]) -> None:
    assert plugin.plugin_version == PROJECT["version"]


def test_the_changelog_begins_with_that_version() -> None:
    newest = re.search(r"^## (\S+)", (CHECKOUT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert newest
    assert newest[1] == PROJECT["version"]
