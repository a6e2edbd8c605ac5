"""``make image``: build the container image and load a local Pleo with it; only its volume is writable."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox import Sandbox
from tools.expectation import expected_items
from tools.meltano import CHECKOUT

NAME = "tap-pleo-export"
BUILD = ("--file", "image/Dockerfile", "--tag", NAME)
RUN = ("run", "tap-pleo-export", "pleo-validate", "target-jsonl")
USER = 10001


def docker(arguments: list[str]) -> list[str]:
    """Build with docker; return the start of a command that runs the image on the host's network."""
    subprocess.run(["docker", "build", *BUILD, *arguments, "."], cwd=CHECKOUT, check=True)
    return ["docker", "run", "--rm", "--network=host", "--read-only", "--tmpfs=/tmp"]


def buildah(arguments: list[str]) -> list[str]:
    """The same with buildah, whose chroot isolation uses the host's network and has no read-only root."""
    subprocess.run(["buildah", "bud", *BUILD, *arguments, "."], cwd=CHECKOUT, check=True)
    made = subprocess.run(["buildah", "from", NAME], check=True, capture_output=True, text=True)
    return ["buildah", "run", made.stdout.strip()]


def engine() -> str | None:
    """Return which of them works on this machine."""
    if shutil.which("docker") and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "docker"
    return "buildah" if shutil.which("buildah") else None


def load(begin: list[str], image: str, state: Path) -> bool:
    """Run the image's pipeline against a sandbox and return whether every item arrived once."""
    with Sandbox.demo() as pleo:
        settings = {
            "TAP_PLEO_EXPORT_API_URL": pleo.url,
            "TAP_PLEO_EXPORT_API_KEY": pleo.api_key,
            "TARGET_JSONL_DESTINATION_PATH": "/state",
            "NO_PROXY": "127.0.0.1",
        }
        options = [f"--env={name}={value}" for name, value in settings.items()] + [f"--volume={state}:/state"]
        if begin[0] == "docker":
            command = [*begin, *options, image, *RUN]
        else:
            # Options come before the container, and the entry point is not used.
            command = [*begin[:2], f"--user={USER}", *options, begin[2], "--", "entrypoint", *RUN]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        expected = {(job.lower(), entry.lower()) for job, entry in expected_items(pleo)}
    if done.returncode:
        print(done.stdout.decode(errors="replace"), f"The image's run ended with exit code {done.returncode}", sep="\n")
        return False
    lines = [json.loads(line) for line in (state / "export_items.jsonl").read_bytes().splitlines()]
    arrived = {(line["jobId"].lower(), line["accountingEntryId"].lower()) for line in lines}
    print(f"{len(lines)} items arrived, {len(expected)} expected; state in {sorted(p.name for p in state.iterdir())}")
    return len(lines) == len(expected) and arrived == expected


def main() -> int:
    """Build and run; arguments are passed to the build."""
    kind = engine()
    if kind is None:
        print("Neither docker nor buildah works here: the image is not built (Debian: apt install buildah crun)")
        return 1
    os.environ.setdefault("BUILDAH_ISOLATION", "chroot")
    os.environ.setdefault("STORAGE_DRIVER", "vfs")
    begin = docker(sys.argv[1:]) if kind == "docker" else buildah(sys.argv[1:])
    try:
        with tempfile.TemporaryDirectory(prefix="pleo-image-") as folder:
            state = Path(folder)
            # For any user that the image runs as.
            state.chmod(0o777)
            loaded = load(begin, NAME, state)
    finally:
        if kind == "buildah":
            subprocess.run(["buildah", "rm", begin[2]], check=False, capture_output=True)
    return 0 if loaded else 1


if __name__ == "__main__":
    sys.exit(main())
