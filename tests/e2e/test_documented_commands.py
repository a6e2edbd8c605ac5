"""The commands of the documents, run as printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from sandbox.kinds import KINDS
from tests.conftest import BIN, CHECKOUT
from tests.e2e.test_reporting import writing
from tests.e2e.test_result_files import report
from tests.helpers.guides import all_printed, printed, shell
from tools.expectation import expected_items, loaded_keys
from tools.meltano import MELTANO, PLUGIN_KINDS, MeltanoProject
from tools.pipes import ANY_COMPANY, TARGET
from tools.postgres import Postgres, binary


def moved(script: str, folder: Path) -> str:
    return script.replace("/srv/pleo", str(folder))


def cron(script: Path) -> str:
    """Return the command that a script's crontab line runs every ten minutes."""
    (line,) = re.findall(r"^# (.* flock .*)$", script.read_text("utf-8"), re.MULTILINE)
    *times, command = line.split(" ", 5)
    assert times == ["*/10", *"****"]
    return str(command)


def link_executables(folder: Path) -> None:
    """Give a folder an environment with Meltano."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    for executable in (MELTANO, sys.executable):
        (folder / ".venv" / "bin" / Path(executable).name.rstrip("0123456789.")).symlink_to(executable)


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    """A file with what was mailed; `mail` is in the folder `bin`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mail").write_text(f'#!/bin/sh\n{{ echo "$@"; cat; }} >> {tmp_path / "mails"}\n')
    (tmp_path / "bin" / "mail").chmod(0o755)
    return tmp_path / "mails"


INSTALLING = [
    "python3 -m venv .venv",
    '.venv/bin/pip install -c "$PLEO/constraints.txt" meltano',
    ".venv/bin/meltano install tap-pleo-export map-pleo-validation target-postgres",
]


UPGRADING = [
    'git -C "$PLEO" pull',
    '.venv/bin/pip install -c "$PLEO/constraints.txt" meltano',
    ".venv/bin/meltano install --clean tap-pleo-export map-pleo-validation target-postgres",
]


def without_installation(script: str, expected: list[str]) -> str:
    """Return a script without the lines that need the network: what they install is linked from the checkout."""
    lines = script.splitlines()
    found = [line for line in lines if re.search(r"(?<!no-)install |venv .venv$|^git ", line)]
    assert found == expected
    return "\n".join(line for line in lines if line not in expected)


def test_the_set_up_works_in_an_empty_folder(tmp_path: Path, mails: Path, postgres: Postgres, database: str) -> None:
    folder = tmp_path / "srv"
    setup = moved(printed("operating.md", "setup.sh"), folder).replace("/path/to/tap-pleo-export", str(CHECKOUT))
    setup = without_installation(setup, INSTALLING)
    link_executables(folder)
    (folder / ".meltano").mkdir()
    for kind in PLUGIN_KINDS:
        (folder / ".meltano" / kind).symlink_to(CHECKOUT / ".meltano" / kind)
    with Sandbox.demo() as pleo:
        setup = setup.replace("TAP_PLEO_EXPORT_API_KEY='...'", f"TAP_PLEO_EXPORT_API_KEY='{pleo.api_key}'")
        setup = setup.replace("postgresql+psycopg://user:password@host/database", postgres.url(database))
        done = shell(f"set -e\n{setup}", tmp_path, TAP_PLEO_EXPORT_API_URL=pleo.url)
        assert done.returncode == 0, done.stdout + done.stderr
        expected = expected_items(pleo)
        bin_first = {"PATH": f"{BIN}:{os.environ['PATH']}", "TAP_PLEO_EXPORT_API_URL": pleo.url}
        done = shell(printed("operating.md", "Check before the first run"), folder, **bin_first)
        assert (done.returncode, "✗" in done.stdout) == (0, False), done.stdout + done.stderr
        (folder / "alerts.py").write_text(printed("operating.md", "alerts.py"))
        (folder / "run.sh").write_text(moved(printed("operating.md", "run.sh"), folder))
        path = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "TAP_PLEO_EXPORT_API_URL": pleo.url}
        assert shell(cron(folder / "run.sh"), tmp_path, **path).returncode == 0
        assert not mails.exists()

        upgrade = without_installation(moved(printed("operating.md", "upgrade.sh"), folder), UPGRADING)
        done = shell(f"set -e\nPLEO='{CHECKOUT}'\n{upgrade}", folder, TAP_PLEO_EXPORT_API_URL=pleo.url)
        assert done.returncode == 0, done.stdout + done.stderr
        oauth = moved(printed("operating.md", "oauth.sh"), folder)
        for value in (pleo.client_id, pleo.client_secret, pleo.refresh_token):
            oauth = oauth.replace("'...'", f"'{value}'", 1)
        urls = {"TAP_PLEO_EXPORT_API_URL": pleo.url, "TAP_PLEO_EXPORT_AUTH_URL": pleo.auth_url}
        done = shell(f"set -e\n{oauth}", folder, **urls)
        assert "Connected to" in done.stderr, done.stdout + done.stderr
        assert (folder / "pleo-tokens.json").stat().st_mode & 0o777 == 0o600

    assert {path.name for path in (folder / "backup").iterdir()} == {"meltano.yml", "meltano.db"}
    with postgres.connect(database) as connection:
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected, 1)


@pytest.fixture
def project(
    new_project: Callable[..., MeltanoProject], postgres: Postgres, database: str, pleo: Sandbox
) -> MeltanoProject:
    """A project with the scripts of docs/operating.md and docs/fleet.md."""
    project = new_project(pleo, TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database))
    link_executables(project.root)
    (project.root / "logs").mkdir()
    (project.root / "alerts.py").write_text(printed("operating.md", "alerts.py"))
    (project.root / "run.sh").write_text(moved(printed("operating.md", "run.sh"), project.root))
    (project.root / "load.sh").write_text(printed("fleet.md", "load.sh"))
    return project


def test_cron_mails_only_if_something_needs_attention(
    pleo: Sandbox, project: MeltanoProject, mails: Path, tmp_path: Path
) -> None:
    environment = project.environment | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    pleo.add_job(items=2)
    assert shell("bash run.sh", project.root, **environment).returncode == 0
    assert not mails.exists()

    pleo.add_job(items=len(KINDS))
    shell("bash run.sh", project.root, **environment)
    assert "map-pleo-validation: failed 3" in mails.read_text().splitlines()

    mails.unlink()
    pleo.add_fault(Fault(path="/v3/export-jobs", nth=None, status=401))
    shell("bash run.sh", project.root, **environment)
    assert "tap-pleo-export: Pleo rejected the credentials (401 on /v3/export-jobs)" in mails.read_text()


def test_companies_load_at_the_same_time(
    pleo: Sandbox, project: MeltanoProject, postgres: Postgres, database: str
) -> None:
    jobs = [pleo.add_job(items=20) for _ in range(3)]
    (project.root / "keys").mkdir()
    for number, job in enumerate(jobs):
        (project.root / "keys" / f"c{number}").write_text(f"{pleo.api_key}\n")
        with (project.root / "companies.txt").open("a") as companies:
            companies.write(f"c{number} {job.record['companyId']}\n")
    environment = project.environment | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    del environment["TAP_PLEO_EXPORT_API_KEY"]

    for _ in range(2):
        done = shell(printed("fleet.md", "load-all.sh"), project.root, **environment)
        assert done.returncode == 0, done.stdout + done.stderr

    with postgres.connect(database) as connection:
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected_items(pleo), 1)
    # The second run found the state of the first.
    assert len(pleo.requests_to("/v3/export-items")) == len(jobs)


def test_a_plain_pipe_continues_from_its_state(
    pleo: Sandbox, tmp_path: Path, postgres: Postgres, database: str
) -> None:
    pleo.add_job(items=250)
    files = {
        "tap": {"api_url": pleo.url, "api_key": pleo.api_key, "max_retries": 0},
        "mapping": {"configuration": [ANY_COMPANY]},
        "target": {
            "sqlalchemy_url": postgres.url(database),
            "default_target_schema": "pleo",
            "use_copy": True,
            "validate_records": False,
        },
    }
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "pipe.sh").write_text(moved(printed("operating.md", "pipe.sh"), tmp_path))
    script, path = cron(tmp_path / "pipe.sh"), {"PATH": "/usr/bin:/bin"}
    for name, environment in {".venv": CHECKOUT / ".venv", ".venv-postgres": TARGET.parent.parent}.items():
        (tmp_path / name).symlink_to(environment)

    pleo.add_fault(Fault(path="/v3/export-items", nth=2, status=500, times=9))
    assert shell(script, tmp_path, **path).returncode != 0
    pleo.faults.clear()
    assert shell(script, tmp_path, **path).returncode == 0
    requests = len(pleo.requests_to("/v3/export-items"))
    assert shell(script, tmp_path, **path).returncode == 0

    assert len(pleo.requests_to("/v3/export-items")) == requests
    assert json.loads((tmp_path / "state.json").read_text())["bookmarks"]
    with postgres.connect(database) as connection:
        assert loaded_keys(connection, "export_items") == dict.fromkeys(expected_items(pleo), 1)


def test_receipts_are_stored_and_checked(
    pleo: Sandbox, new_project: Callable[..., MeltanoProject], postgres: Postgres, database: str, tmp_path: Path
) -> None:
    pleo.serve_files = True
    pleo.add_job(items=4)
    pleo.add_fault(Fault(path="/files/*", status=404))
    (query,) = all_printed("receipts.md", "sql")
    project = new_project(
        pleo,
        TARGET_POSTGRES_SQLALCHEMY_URL=postgres.url(database),
        MAP_PLEO_ATTACHMENTS_ALLOW_HOSTS='["127.0.0.1"]',
        MAP_PLEO_ATTACHMENTS_MAX_RETRIES="0",
        PGHOST=str(postgres.socket),
        PGUSER="postgres",
        PGDATABASE=database,
    )
    path = {"PATH": f"{BIN}:{Path(binary('psql')).parent}:{os.environ['PATH']}"}

    for script in all_printed("receipts.md", "sh"):
        moved_script = script.replace("/srv/receipts", str(tmp_path / "receipts"))
        done = shell(f"set -e\n{moved_script}", project.root, **project.environment | path)
        assert done.returncode == 0, done.stdout + done.stderr

    assert (tmp_path / "receipts" / "receipts.sha256").read_text().count("\n") > 0
    with postgres.connect(database) as connection:
        rows = connection.execute(query).fetchall()
    assert [re.sub(r":.*", "", str(why)) for *_, why in rows] == ["HTTP 404"]


def test_updates_of_separated_items_are_reported_from_a_file(
    pleo: Sandbox, new_project: Callable[..., MeltanoProject]
) -> None:
    job = pleo.add_job(items=len(KINDS), status="in_progress")
    project = new_project(pleo, **writing(pleo))
    file = project.root / "meltano.yml"
    mapping = "- name: pleo-validate\n      config:\n"
    text = file.read_text("utf-8")
    assert mapping in text
    file.write_text(
        text.replace(mapping, f"{mapping}        on_failure: separate\n        emit_updates: true\n"), "utf-8"
    )
    (project.root / "output").mkdir()
    (project.root / "results").mkdir()

    log = project.run("run", "tap-pleo-export", "pleo-validate", "target-jsonl")
    assert project.returncode == 0, "".join(line.raw for line in log)
    failed = (project.root / "output" / "export_items_failed.jsonl").read_text().splitlines()
    (project.root / "output" / "export_job_item_updates.jsonl").rename(project.root / "results" / "updates.jsonl")
    code, words, _ = report(project)

    assert (code, words[0].partition(";")[0]) == (0, "3 accepted, 0 already reported, 0 refused, 0 unsent")
    assert {json.loads(line)["accountingEntryId"] for line in failed} == set(job.outcomes)


@pytest.mark.warehouse
@pytest.mark.timeout(900)
def test_duckdb_works_without_meltano(pleo: Sandbox, tmp_path: Path) -> None:
    pleo.add_job(items=len(KINDS))
    # Tests have no network: what these install is linked from the checkout.
    installed = {
        ".venv": CHECKOUT / ".venv",
        ".venv-jsonl": CHECKOUT / ".meltano" / "loaders" / "target-jsonl" / "venv",
        ".venv-dbt": CHECKOUT / ".meltano" / "utilities" / "dbt-duckdb" / "venv",
    }
    for name, environment in installed.items():
        (tmp_path / name).symlink_to(environment)
    script, count = re.subn(
        r"^(python3 -m venv|\S+/pip install) .*\n", "", printed("warehouse.md", "duckdb.sh"), flags=re.MULTILINE
    )
    script = script.replace("/path/to/tap-pleo-export", str(CHECKOUT)).replace("=...", f"={pleo.api_key}")

    parquet = f'import duckdb; duckdb.sql("""{printed("loaders.md", "parquet.sql")}""")'

    done = shell(f"set -e\n{script}", tmp_path, TAP_PLEO_EXPORT_API_URL=pleo.url)
    subprocess.run([tmp_path / ".venv-dbt" / "bin" / "python", "-c", parquet], cwd=tmp_path, check=True)

    assert (tmp_path / "export_items.parquet").read_bytes().startswith(b"PAR1")
    assert (count, done.returncode) == (2 * len(installed), 0), done.stdout + done.stderr
    assert re.search(r"EUR +│ expense ", done.stdout), done.stdout
