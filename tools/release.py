"""``make release``: the files of a release in ``dist/``, the same bytes for the same commit.

* `python/`: wheels and source archives of both distributions, for a package index.
* `pleo_export-<version>.tar.gz`: the dbt package, which `dbt deps` takes as a `tarball`.
* `<distribution>-<version>.cdx.json`: software bills of materials (CycloneDX) with the tested dependencies.
* `notes.md`: the version's entries of CHANGELOG.md.

Usage: ``python -m tools.release [--tag v1.2.3]``, which compares the tag with version and CHANGELOG.md first.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from tools.meltano import CHECKOUT

DIST = CHECKOUT / "dist"
TOOLS = CHECKOUT / ".meltano" / "release" / "bin"
CONSTRAINTS = CHECKOUT / "constraints.txt"
PROJECTS = {"tap-pleo-export": CHECKOUT, "dagster-pleo-export": CHECKOUT / "fleet"}
# What users may install with the tap; the others are for developers.
EXTRAS = "[attachments,books,report]"
MODELS = "transform"
LEFT_OUT = "transform/integration_tests/"
_SECTION = re.compile(r"^## (\S+) \(([^)]*)\)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class ReleaseError(Exception):
    """The release cannot be made; the message is one line for the user."""


def version() -> str:
    """Return the version of both distributions, which only `pyproject.toml` states."""
    return str(tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def entries(changelog: str, number: str) -> tuple[str, str]:
    """Return the date (or `unreleased`) and the Markdown of a version's section."""
    for found, date, text in _SECTION.findall(changelog):
        if found == number:
            return date, f"{text.strip()}\n"
    raise ReleaseError(f"CHANGELOG.md has no section for {number}: add '## {number} (YYYY-MM-DD)'")


def check_tag(tag: str, changelog: str) -> None:
    """Refuse a tag that is not the version's, and a version without a date."""
    number = version()
    if tag != f"v{number}":
        raise ReleaseError(f"The tag is {tag}, the version in pyproject.toml {number}: change one of them")
    date, _ = entries(changelog, number)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise ReleaseError(f"CHANGELOG.md has '{date}' for {number}: write the date, YYYY-MM-DD")


def epoch() -> str:
    """Return the seconds since 1970 that archives state as their files' time: SOURCE_DATE_EPOCH, or the commit's."""
    return os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")


def build(project: str, folder: Path, *formats: str) -> None:
    """Build a distribution with the tested build backend: source archive, then the wheel from it, or some formats."""
    _run(sys.executable, "-m", "build", *formats, "--outdir", folder, PROJECTS[project])


def dbt_archive(folder: Path) -> Path:
    """Write the dbt package as an archive with a single folder, without anything of this machine; return its path."""
    name = f"pleo_export-{version()}"
    files = [file for file in _git("ls-files", MODELS).splitlines() if not file.startswith(LEFT_OUT)]
    path = folder / f"{name}.tar.gz"
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=int(epoch())) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for file in sorted([*files, "LICENSE"]):
            content = (CHECKOUT / file).read_bytes()
            member = tarfile.TarInfo(f"{name}/{file.removeprefix(f'{MODELS}/')}")
            member.size, member.mtime = len(content), int(epoch())
            archive.addfile(member, io.BytesIO(content))
    return path


def bill_of_materials(project: str, *packages: str) -> None:
    """Write what an environment with nothing but some wheels and their dependencies contains."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        _run(sys.executable, "-m", "venv", "--without-pip", folder)
        _run(sys.executable, "-m", "pip", "--python", python, "install", "-qq", "--no-compile", *packages)
        # pip's note of where a wheel was: a path of this machine.
        for note in Path(folder).glob("lib/*/site-packages/*pleo_export-*/direct_url.json"):
            note.unlink()
        output = DIST / f"{project}-{version()}.cdx.json"
        options = ("--output-reproducible", "--mc-type", "library", "--output-file", output)
        pyproject = PROJECTS[project] / "pyproject.toml"
        _run(TOOLS / "cyclonedx-py", "environment", python, "--pyproject", pyproject, *options)
    bill = json.loads(output.read_text("utf-8"))
    # It does not find a dynamic version.
    bill["metadata"]["component"]["version"] = version()
    output.write_text(json.dumps(bill, indent=2) + "\n", "utf-8")


def release(notes: str) -> None:
    """Write everything below `dist/`."""
    shutil.rmtree(DIST, ignore_errors=True)
    python = DIST / "python"
    python.mkdir(parents=True)
    for project in PROJECTS:
        build(project, python)
    _run(TOOLS / "twine", "check", "--strict", *sorted(python.iterdir()))
    dbt_archive(DIST)
    (DIST / "notes.md").write_text(notes, "utf-8")
    fleet, tap = sorted(map(str, python.glob("*.whl")))
    bill_of_materials("tap-pleo-export", f"{tap}{EXTRAS}")
    bill_of_materials("dagster-pleo-export", fleet, tap)


def main() -> int:
    """Make a release from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tag", help="the tag that is released, such as v1.2.3")
    tag = parser.parse_args().tag
    changelog = (CHECKOUT / "CHANGELOG.md").read_text("utf-8")
    try:
        if tag:
            check_tag(tag, changelog)
        release(entries(changelog, version())[1])
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    for path in sorted(path for path in DIST.rglob("*") if path.is_file()):
        print(f"{path.stat().st_size:>9,}  {path.relative_to(CHECKOUT)}")
    return 0


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.strip()


def _run(*command: str | Path) -> None:
    """Run a command; show its output if it fails."""
    fixed = {"SOURCE_DATE_EPOCH": epoch(), "PIP_CONSTRAINT": str(CONSTRAINTS)}
    done = subprocess.run(
        list(map(str, command)), env=os.environ | fixed, text=True, stdout=-1, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise ReleaseError(f"{Path(command[0]).name} ended with exit code {done.returncode}, see above")


if __name__ == "__main__":
    sys.exit(main())
