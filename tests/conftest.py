"""Fixtures for all tests: a local Pleo, and the real executables run as processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import Phase, settings

from sandbox import Sandbox
from tools import release
from tools.meltano import environment_without_settings

BIN = Path(sys.executable).parent
CHECKOUT = Path(__file__).parent.parent
TIMEOUT = 60

# Each run draws the same examples, so a failure can be repeated. For other examples:
# `--hypothesis-profile=search --hypothesis-seed=1`; a failure prints the seed, or a decorator for the test.
settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("same")
# For `make mutants`: the same examples on each run, and no search for the smallest one that fails.
settings.register_profile("mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))


@dataclass
class Run:
    """The result of a process."""

    returncode: int
    stdout: bytes
    stderr: str
    messages: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        # Only whole lines count; split on line feeds alone: U+2028 is legal inside JSON.
        lines = self.stdout.split(b"\n")[:-1]
        self.messages = [json.loads(line, parse_float=Decimal) for line in lines if line.startswith(b'{"type"')]

    def records(self, stream: str = "export_items") -> list[dict[str, Any]]:
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        return self.states[-1]

    def bookmark(self, job_id: str) -> dict[str, Any]:
        (entry,) = [e for e in partitions(self.state) if e["context"]["jobId"] == job_id]
        return entry

    def log(self, level: str) -> list[str]:
        """Messages of a level, without METRIC lines."""
        lines = [line.split(" | ", 3) for line in self.stderr.splitlines()]
        return [parts[3] for parts in lines if len(parts) == 4 and parts[1].strip() == level]

    @property
    def errors(self) -> list[str]:
        return self.log("ERROR")

    @property
    def warnings(self) -> list[str]:
        return self.log("WARNING")


def partitions(state: dict[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = state["bookmarks"]["export_items"]["partitions"]
    return entries


class Outputs:
    """Everything that the processes of the suite print or store, and the secrets that must not be in it."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.captured: list[tuple[str, bytes]] = []

    def add(self, what: str, *contents: bytes) -> None:
        self.captured += [(what, content) for content in contents]

    def leaks(self) -> list[str]:
        return [
            f"{what}: …{content[max(0, content.find(secret) - 60) : content.find(secret)].decode(errors='replace')}"
            for what, content in self.captured
            for secret in (s.encode() for s in self.secrets)
            if secret in content
        ]


@pytest.fixture(scope="session")
def outputs() -> Iterator[Outputs]:
    outputs = Outputs()
    yield outputs
    assert outputs.leaks() == []


def built(project: str, folders: pytest.TempPathFactory) -> Path:
    """Return the wheel that `make release` made, or one built from the checkout."""
    if made := os.environ.get("RELEASE"):
        folder = Path(made) / "python"
    else:
        folder = folders.mktemp("wheel")
        release.build(project, folder, "--wheel")
    (wheel,) = folder.glob(f"{project.replace('-', '_')}-*.whl")
    return wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's wheel."""
    return built("tap-pleo-export", tmp_path_factory)


@pytest.fixture(scope="session")
def fleet_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fleet's wheel."""
    return built("dagster-pleo-export", tmp_path_factory)


@pytest.fixture
def pleo(outputs: Outputs) -> Iterator[Sandbox]:
    """A local Pleo without jobs."""
    with Sandbox() as sandbox:
        outputs.secrets |= {sandbox.api_key, sandbox.access_token, sandbox.client_secret, sandbox.refresh_token}
        yield sandbox


@pytest.fixture
def config(pleo: Sandbox) -> dict[str, Any]:
    """Settings for the local Pleo, with one retry."""
    return {"api_url": pleo.url, "api_key": pleo.api_key, "max_retries": 1}


@pytest.fixture
def environment() -> dict[str, str]:
    """The developer's environment without settings of the plugins."""
    return environment_without_settings("LOGLEVEL")


@pytest.fixture
def start_tap(
    config: dict[str, Any], environment: dict[str, str], tmp_path: Path, outputs: Outputs
) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the tap as a process; keywords override `config`, None removes a setting.

    With another `stdout` than a pipe, `Run.stdout` is empty.
    """

    def start(
        *arguments: str,
        state: dict[str, Any] | None = None,
        catalog: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        stdout: int | IO[bytes] = subprocess.PIPE,
        **settings: Any,
    ) -> subprocess.Popen[bytes]:
        files = {"config": {k: v for k, v in (config | settings).items() if v is not None}}
        files |= {name: value for name, value in (("state", state), ("catalog", catalog)) if value is not None}
        command = [str(BIN / "tap-pleo-export"), *arguments]
        for name, content in files.items():
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(content))
            command += [f"--{name}", str(path)]
        outputs.add("process arguments", " ".join(command).encode())
        return subprocess.Popen(
            command, stdout=stdout, stderr=subprocess.PIPE, env=environment | (env or {}), cwd=tmp_path
        )

    return start


@pytest.fixture
def run_tap(start_tap: Callable[..., subprocess.Popen[bytes]], outputs: Outputs) -> Callable[..., Run]:
    """Run the tap to its end."""

    def run(*arguments: str, **options: Any) -> Run:
        return finish(start_tap(*arguments, **options), outputs)

    return run


def finish(process: subprocess.Popen[bytes], outputs: Outputs) -> Run:
    """Wait for a process and record its output."""
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        raise
    # None if the test passed another stdout.
    stdout = stdout or b""
    outputs.add("stdout", stdout)
    outputs.add("stderr", stderr)
    return Run(process.returncode, stdout, stderr.decode())


def keys(records: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(record[name] for name in names) for record in records]
