"""Standard output of any kind: a pipe that does not block loses nothing."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from typing import TYPE_CHECKING

from tests.conftest import BIN

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox

SMALLEST_PIPE = 4096


def test_a_pipe_that_does_not_block_and_is_full_is_waited_for(
    pleo: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    pleo.add_job(items=100)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_url": pleo.url, "api_key": pleo.api_key}))
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    os.set_blocking(writing, False)

    with subprocess.Popen(
        [str(BIN / "tap-pleo-export"), "--config", str(config)],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    ) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as output:
            lines = output.read().splitlines()
        _, stderr = process.communicate(timeout=60)

    assert process.returncode == 0, stderr.decode()
    assert sum(json.loads(line)["type"] == "RECORD" for line in lines) == 1 + 100 + 100
