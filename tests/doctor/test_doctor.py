"""The doctor, as a process: in a Meltano project and outside of one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.conftest import BIN, CHECKOUT
from tools import postgres as pg
from tools.meltano import environment_without_settings

Doctor = Callable[..., subprocess.CompletedProcess[str]]
ACCOUNTS = {"wallet": "1240", "outOfPocket": "2890", "contra": "1910", "accountsPayable": "2440"}
PASSWORD = "hidden-pass-word"


@pytest.fixture
def doctor(pleo: Sandbox, tmp_path: Path) -> Doctor:
    """A function that runs the doctor in an empty folder, with variables that point it to the sandbox."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"TAP_PLEO_EXPORT_API_URL": pleo.url, "TAP_PLEO_EXPORT_API_KEY": pleo.api_key, "NO_PROXY": "127.0.0.1"}
        return subprocess.run(
            [BIN / "pleo-export-doctor", *arguments],
            cwd=tmp_path,
            env=environment_without_settings("PLEO_EXPORT", "TARGET_", "MELTANO_") | given | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def mapping(folder: Path, journal: str = "PLEO") -> str:
    content = {"configuration": [{"companyId": "*", "journal": journal, "accounts": ACCOUNTS}]}
    (folder / "mapping.json").write_text(json.dumps(content))
    return "mapping.json"


def test_good_settings(doctor: Doctor, pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_job(items=3)
    before = {path.name for path in tmp_path.iterdir()} | {"mapping.json"}

    done = doctor("--mapping", mapping(tmp_path))

    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"✓ Pleo: {pleo.url}: 1 open export jobs of 1 companies can be read",
        "✓ map-pleo-validation: 3 of 3 open items pass their checks",
    ]
    assert {path.name for path in tmp_path.iterdir()} == before
    assert [request.method for request in pleo.requests if request.method != "GET"] == []


def test_items_that_would_fail_are_counted_by_role(doctor: Doctor, pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_job(items=3)

    done = doctor("--json", "--mapping", mapping(tmp_path, journal=""))

    assert done.returncode == 0
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert {
        "check": "map-pleo-validation",
        "level": "warning",
        "text": "0 of 3 open items pass their checks",
    } in results
    assert any("required_configuration: journal" in result["text"] for result in results)


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"TAP_PLEO_EXPORT_API_KEY": "wrong"}, "✗ Pleo: Pleo rejected the credentials (401 on /v3/export-jobs)"),
        ({"TAP_PLEO_EXPORT_API_KEY": ""}, "✗ tap-pleo-export: No credentials"),
        ({"TAP_PLEO_EXPORT_API_URL": "http://127.0.0.1:1"}, "✗ Pleo: Pleo did not answer"),
        ({"TAP_PLEO_EXPORT_PAGE_SIZE": "many"}, "✗ tap-pleo-export: Environment variable TAP_PLEO_EXPORT_PAGE_SIZE"),
        ({"TAP_PLEO_EXPORT_TOKEN_FILE": "missing/tokens.json"}, "✗ token_file: the folder "),
        (
            {"TARGET_POSTGRES_SQLALCHEMY_URL": f"postgresql+psycopg://user:{PASSWORD}@127.0.0.1:1/db"},
            "✗ target-postgres: the database cannot be reached: connection",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_each_problem_is_one_line_with_its_remedy(doctor: Doctor, variables: dict[str, str], line: str) -> None:
    done = doctor(**variables)

    assert done.returncode == 1
    assert any(found.startswith(line) for found in done.stdout.splitlines()), done.stdout
    assert done.stderr == ""
    assert PASSWORD not in done.stdout


def test_database_without_an_encoding(doctor: Doctor) -> None:
    with pg.running() as server:
        with server.connect() as connection:
            connection.execute(
                "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
            )

        done = doctor(TARGET_POSTGRES_SQLALCHEMY_URL=server.url("ascii"))

    assert "✗ target-postgres: the database's encoding is SQL_ASCII: create one with ENCODING 'UTF8'\n" in done.stdout
    assert (done.returncode, done.stderr) == (1, "")


def test_a_missing_scope(doctor: Doctor, pleo: Sandbox) -> None:
    pleo.add_job(items=1)
    pleo.scopes = {"export-jobs:read"}

    done = doctor()

    assert done.returncode == 1
    assert "✗ Pleo: Pleo refused access (403 on /v3/export-items)" in done.stdout


PROJECT = """
plugins:
  extractors:
  - name: tap-pleo-export
    settings: [{name: api_url}, {name: api_key}, {name: page_size, kind: integer, value: 50}]
    config: {company: x}
  mappers:
  - name: map-pleo-validation
    mappings:
    - name: pleo-validate
      config: {configuration: [{companyId: '*', journal: PLEO, accounts: {wallet: '$WALLET'}}]}
  loaders:
  - {name: target-postgres, settings: [{name: load_method}], config: {load_method: overwrite}}
  - {name: target-jsonl}
"""


def test_a_meltano_project(doctor: Doctor, pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_job(items=3)
    (tmp_path / "meltano.yml").write_text(PROJECT)

    done = doctor(WALLET="1240", TAP_PLEO_EXPORT_MAX_RETRIES="3", TAP_PLEO_EXPORT__LOAD_SCHEMA="x")

    found = dict(line[2:].split(": ", 1)[::-1] for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert [
        what for what, plugin in found.items() if what.startswith("Meltano ignores") and plugin == "tap-pleo-export"
    ] == [
        f"Meltano ignores {name!r}, which the block does not declare: copy the block of docs/meltano.md whole"
        for name in ("company", "max_retries")
    ]
    assert "✓ Pleo: " in done.stdout
    assert "! pleo-validate: " in done.stdout
    assert "✗ target-postgres: load_method: overwrite" in done.stdout
    assert "! target-jsonl: appends or overwrites" in done.stdout
    assert f"✓ state: kept in {tmp_path}/.meltano/meltano.db" in done.stdout
    assert doctor(MELTANO_STATE_BACKEND_URI="s3://bucket").stdout.count("! state: ") == 1


def test_invalid_project_is_named(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "meltano.yml").write_text("plugins: [")

    done = doctor()

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"pleo-export-doctor: {tmp_path}/meltano.yml is not a Meltano project with plugins\n"


def test_ascii_terminals(doctor: Doctor, pleo: Sandbox) -> None:
    pleo.add_job(items=1)

    done = doctor(PYTHONIOENCODING="ascii", LANG="C")

    assert done.stdout.startswith("+ Pleo: ")


def test_the_shipped_project_is_good(doctor: Doctor, pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_job(items=3)
    (tmp_path / "meltano.yml").write_text((CHECKOUT / "image" / "meltano.yml").read_text())

    done = doctor()

    assert [line for line in done.stdout.splitlines() if line.startswith("✗")] == []
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["meltano.yml"]
