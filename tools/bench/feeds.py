"""What stands in front of a target: the tap, and the mapper if it is installed, as one stream of Singer messages."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from tools.bench.contenders import BENCH, TAP
from tools.bench.environments import OWN
from tools.bench.process import LONGEST_RUN_SECONDS, RunFailedError
from tools.bench.rounds import JOB_ID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.bench.process import Server
    from tools.bench.rounds import Bench

MAPPER = OWN / "map-pleo-validation"


class Feed:
    """A way of the server's items to a target.

    Args:
        bench: The run.
        server: Where the tap reads.
        mapped: Whether the mapper, if installed, comes behind the tap.
    """

    def __init__(self, bench: Bench, server: Server, *, mapped: bool) -> None:
        self._bench = bench
        self._server = server
        self.mapped = mapped and MAPPER.exists()

    @property
    def name(self) -> str:
        """The programs, in their order."""
        return "tap-pleo-export, map-pleo-validation" if self.mapped else "tap-pleo-export"

    def recorded(self) -> Path:
        """Run it into a file and return that."""
        file = self._bench.folder() / "messages.jsonl"
        with self.flowing() as messages, file.open("wb") as copy:
            shutil.copyfileobj(messages, copy)
        return file

    @contextmanager
    def flowing(self) -> Iterator[IO[bytes]]:
        """Run it while the block lasts and yield what comes out.

        Raises:
            RunFailedError: One of its programs failed.
        """
        folder = self._bench.folder()
        environment = self._bench.environment(folder)
        commands = [TAP.prepare(folder, {"programs": str(OWN), "url": self._server.url, "job_id": JOB_ID})]
        if self.mapped:
            commands.append(mapper_command(folder))
        processes: list[subprocess.Popen[bytes]] = []
        upstream: IO[bytes] | None = None
        with (folder / "stderr").open("wb") as stderr:
            for command in commands:
                process = subprocess.Popen(
                    command,
                    stdin=upstream or subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env=environment,
                    cwd=folder,
                )
                if upstream:
                    # The process behind holds it now; were it open here too, its end would not be seen.
                    upstream.close()
                upstream = process.stdout
                processes.append(process)
        assert upstream is not None  # noqa: S101 - a pipe was asked for
        try:
            with upstream:
                yield upstream
        finally:
            codes = [process.wait(LONGEST_RUN_SECONDS) for process in processes]
        if any(codes):
            raise RunFailedError(f"{self.name}: exit codes {codes}")


def mapper_command(folder: Path) -> list[str]:
    """Return the mapper's command and write its settings into a folder."""
    shutil.copy(BENCH / "pipeline" / "mapper.json", folder)
    return [str(MAPPER), "--config", "mapper.json"]
