"""tap | mapper | target as plain pipes, with the state read from the target's output as Meltano does."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tools.meltano import CHECKOUT, environment_without_settings
from tools.postgres import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from signal import Signals

    from sandbox import Sandbox

BIN = Path(sys.executable).parent
TARGET = CHECKOUT / ".meltano/loaders/target-postgres/venv/bin/target-postgres"
ANY_COMPANY = {"companyId": "*", "journal": "PLEO", "accounts": {"wallet": "1240", "outOfPocket": "2890"}}
PATIENCE_SECONDS = 4
RUN_SECONDS = 60


@dataclass
class Pipes:
    """A pipeline that runs repeatedly, each time from the last state that the target acknowledged."""

    folder: Path  # Where settings, state and logs go
    tap: Mapping[str, Any]  # The tap's settings
    database_url: str  # SQLAlchemy URL of the database
    mapped: bool = True  # Whether the mapper runs between tap and target
    # Whether there is a target; without one, the output goes to the file ``output``, and its last STATE is the state.
    loaded: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)  # Additional environment variables
    rows: int = 100  # Rows per batch of the target
    # The mapper's settings.
    mapping: Mapping[str, Any] = field(default_factory=lambda: {"configuration": [ANY_COMPANY]})
    state: dict[str, Any] | None = None  # The state that the target acknowledged; None before the first time
    # The processes of the current run: ``tap``, ``mapper``, ``target``.
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def output(self) -> Path:
        """The output of a pipeline without a target, in this run or the last."""
        return self.folder / "output"

    def start(self, *, watched: str | None = None) -> None:
        """Start the processes; the log of the `watched` one is a pipe for the caller to read, instead of a file."""
        source: IO[bytes] | None = None
        commands = self._commands()
        with (self.folder / "acknowledged").open("wb") as acknowledged, self.output.open("wb") as output:
            ends = acknowledged if self.loaded else output
            for number, (name, command) in enumerate(commands.items(), 1):
                # Files, so that no one has to read while the pipeline runs.
                with (self.folder / f"{name}.log").open("ab") as log:
                    process = subprocess.Popen(
                        command,
                        stdin=source or subprocess.DEVNULL,
                        stdout=ends if number == len(commands) else subprocess.PIPE,
                        stderr=subprocess.PIPE if name == watched else log,
                        env=environment_without_settings("LOGLEVEL") | dict(self.environment),
                    )
                if source:
                    source.close()
                source = process.stdout
                self.running[name] = process

    def signal(self, name: str, number: Signals) -> bool:
        """Send a signal to one of the processes; return whether it was running."""
        process = self.running.get(name)
        if process is None or process.poll() is not None:
            return False
        process.send_signal(number)
        return True

    def stop_target(self, number: Signals) -> None:
        """Signal the target and kill it if it hangs, as an operator would: SDK targets may hang on a signal."""
        target = self.running["target"]
        self.signal("target", number)
        try:
            if target.stderr:
                # Keep reading, or the target blocks on its log.
                target.communicate(timeout=PATIENCE_SECONDS)
            else:
                target.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            target.kill()

    def wait(self, seconds: float = RUN_SECONDS) -> dict[str, int]:
        """Wait for each process to end, at most this long, read the state, and return the exit codes."""
        try:
            codes = {name: process.wait(seconds) for name, process in self.running.items()}
        finally:
            self.close()
        if self.loaded:
            self.acknowledge((self.folder / "acknowledged").read_bytes())
        elif states := states_in(self.output.read_bytes()):
            self.state = states[-1]
        return codes

    def close(self) -> None:
        """Kill the processes that still run."""
        for process in self.running.values():
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
        self.running.clear()

    def run(self) -> dict[str, int]:
        """Run to the end and return the exit codes."""
        self.start()
        return self.wait()

    def acknowledge(self, output: bytes) -> None:
        """Use the last complete line of the target's output as the state."""
        whole = output.split(b"\n")[:-1]
        if whole:
            self.state = json.loads(whole[-1])

    def command(self, name: str, executable: Path, **files: object) -> list[str]:
        """Return a command line whose options are JSON files."""
        command = [str(executable)]
        for option, content in files.items():
            path = self.folder / f"{name}.{option}.json"
            path.write_text(json.dumps(content))
            command += [f"--{option}", str(path)]
        return command

    def target_command(self) -> list[str]:
        """Return the target's command line."""
        settings = {
            "sqlalchemy_url": self.database_url,
            "default_target_schema": SCHEMA,
            "use_copy": True,
            "validate_records": False,
            "batch_size_rows": self.rows,
        }
        return self.command("target", TARGET, config=settings)

    def tap_command(self) -> list[str]:
        """Return the tap's command line, with the last acknowledged state."""
        state = {} if self.state is None else {"state": self.state}
        return self.command("tap", BIN / "tap-pleo-export", config=self.tap, **state)

    def _commands(self) -> dict[str, list[str]]:
        commands = {"tap": self.tap_command()}
        if self.mapped:
            commands["mapper"] = self.command("mapper", BIN / "map-pleo-validation", config=self.mapping)
        if self.loaded:
            commands["target"] = self.target_command()
        return commands


def states_in(output: bytes) -> list[dict[str, Any]]:
    """Return the values of the STATE messages in a tap's output; a torn last line does not count."""
    lines = output.split(b"\n")[:-1]
    return [json.loads(line)["value"] for line in lines if line.startswith(b'{"type":"STATE"')]


def tap_settings(pleo: Sandbox, **more: object) -> dict[str, Any]:
    """Return settings with which the tap reads a sandbox and gives up soon."""
    return {"api_url": pleo.url, "api_key": pleo.api_key, "max_retries": 1, **more}
