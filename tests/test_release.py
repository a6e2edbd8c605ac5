"""Archives, notes and tags of a release; and, in `make release`, the files that it made in the folder RELEASE."""

from __future__ import annotations

import json
import os
import re
import tarfile
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tools import release

MADE = Path(os.environ.get("RELEASE", "dist"))
NUMBER = release.version()


def test_the_dbt_archive_depends_on_the_commit_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = release.dbt_archive(tmp_path)
    bytes_before = first.read_bytes()
    (CHECKOUT / "transform" / "README.md").touch()

    assert release.dbt_archive(tmp_path).read_bytes() == bytes_before
    with tarfile.open(first) as archive:
        members = archive.getmembers()
    assert {member.name.partition("/")[0] for member in members} == {f"pleo_export-{NUMBER}"}
    names = {member.name.partition("/")[2] for member in members}
    assert {"LICENSE", "dbt_project.yml", "models/marts/schema.yml", "seeds/pleo_currencies.csv"} <= names
    assert not any(name.startswith("integration_tests") for name in names)
    assert {(m.mtime, m.uid, m.uname, m.mode) for m in members} == {(1700000000, 0, "", 0o644)}


def test_notes_are_the_entries_of_the_version() -> None:
    changelog = (
        "# Changelog\n\n## 2.0.0 (unreleased)\n\nSoon\n\n## 1.0.0 (2026-12-01)\n\n### Added\n\n* One\n\n## 0.9.0 (x)\n"
    )

    assert release.entries(changelog, "1.0.0") == ("2026-12-01", "### Added\n\n* One\n")
    assert release.entries((CHECKOUT / "CHANGELOG.md").read_text("utf-8"), NUMBER)[1]


@pytest.mark.parametrize(
    ("changelog", "tag", "message"),
    [
        (f"## {NUMBER} (2026-12-01)\n", "v9.9.9", f"The tag is v9.9.9, the version in pyproject.toml {NUMBER}: change"),
        (f"## {NUMBER} (unreleased)\n", f"v{NUMBER}", f"CHANGELOG.md has 'unreleased' for {NUMBER}: write the date"),
        ("## 0.0.1 (2026-12-01)\n", f"v{NUMBER}", f"CHANGELOG.md has no section for {NUMBER}: add"),
    ],
)
def test_a_wrong_tag_is_refused(changelog: str, tag: str, message: str) -> None:
    with pytest.raises(release.ReleaseError, match=re.escape(message)):
        release.check_tag(tag, changelog)


def test_the_tag_of_the_version_is_accepted() -> None:
    release.check_tag(f"v{NUMBER}", f"## {NUMBER} (2026-12-01)\n")


def test_nothing_is_installed_by_a_name_that_is_not_published() -> None:
    by_name = re.compile(r"(pip install|pipx install|uv add|uvx)( -\S+)* ['\"]?(tap|dagster)-pleo-export")
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "fleet").glob("*.md")]
    sources = (CHECKOUT / "tap_pleo_export").rglob("*.py")

    assert [path for path in [*pages, *sources] if by_name.search(path.read_text("utf-8"))] == []


@pytest.mark.skipif("RELEASE" not in os.environ, reason="make release")
def test_a_release_is_complete() -> None:
    python = [f"{name}_pleo_export-{NUMBER}" for name in ("dagster", "tap")]
    made = {f"python/{name}{end}" for name in python for end in ("-py3-none-any.whl", ".tar.gz")}
    made |= {f"{name}-pleo-export-{NUMBER}.cdx.json" for name in ("dagster", "tap")}
    made |= {f"pleo_export-{NUMBER}.tar.gz", "notes.md"}

    assert {str(path.relative_to(MADE)) for path in MADE.rglob("*") if path.is_file()} == made


@pytest.mark.skipif("RELEASE" not in os.environ, reason="make release")
@pytest.mark.parametrize(
    ("project", "some"),
    [("tap-pleo-export", {"singer-sdk", "obstore"}), ("dagster-pleo-export", {"dagster", "tap-pleo-export"})],
)
def test_the_bill_of_materials_has_the_dependencies_and_nothing_else(project: str, some: set[str]) -> None:
    text = (MADE / f"{project}-{NUMBER}.cdx.json").read_text("utf-8")
    bill = json.loads(text)
    components = {component["name"]: component["version"] for component in bill["components"]}

    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", project)
    assert bill["metadata"]["component"]["version"] == NUMBER
    assert some <= set(components)
    assert not {"pip", "pytest", "ruff", "meltano"} & set(components)
    # No path of the machine that made it.
    assert "file:" not in text
