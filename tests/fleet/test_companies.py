from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_pleo_export import companies, limits, runtime, secrets
from dagster_pleo_export.companies import FleetError
from dagster_pleo_export.secrets import SecretMissing
from tap_pleo_export.singer.redaction import SECRETS

UUID = "8eb648ab-464b-42a0-ba17-eda703657e33"
KEY = {"api_key": {"env": "ACME_KEY"}}


def written(folder: Path, companies: Any, credentials: dict[str, Any], **more: Any) -> Path:
    path = folder / "fleet.yml"
    path.write_text(yaml.safe_dump({"companies": companies, "credentials": credentials, **more}))
    return path


def problems(folder: Path, companies_: Any, credentials: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(FleetError) as refused:
        companies.read(written(folder, companies_, credentials, **more))
    return str(refused.value).splitlines()


def test_a_company_uses_the_credential_with_its_name_or_the_pattern(tmp_path: Path) -> None:
    pattern = {"api_key": {"file": "keys/{credential}"}}
    fleet = companies.read(written(tmp_path, [{"id": "acme"}, {"id": "beta"}], {"*": pattern, "acme": KEY}))

    assert fleet.credential_of(fleet.companies["acme"]).secrets()["api_key"].env == "ACME_KEY"
    assert fleet.credential_of(fleet.companies["beta"]).secrets()["api_key"].file == "keys/beta"


def test_company_settings_override_fleet_settings(tmp_path: Path) -> None:
    listed = [{"id": "acme", "company_id": UUID, "settings": {"page_size": 7}}]
    fleet = companies.read(written(tmp_path, listed, {"acme": KEY}, settings={"page_size": 5, "max_retries": 2}))

    assert fleet.settings_of(fleet.companies["acme"]) == {"page_size": 7, "max_retries": 2, "company_id": UUID}


@pytest.mark.parametrize(
    ("of_all", "of_one", "reports"), [(True, None, True), (True, False, False), (False, True, True)]
)
def test_a_company_can_override_report(tmp_path: Path, of_all: bool, of_one: bool | None, reports: bool) -> None:
    listed = [{"id": "acme", "report": of_one}, {"id": "beta"}]
    fleet = companies.read(written(tmp_path, listed, {"acme": KEY, "beta": KEY}, report=of_all))

    found = {name: fleet.reports(company) for name, company in fleet.companies.items()}
    assert found == {"acme": reports, "beta": of_all}
    assert fleet.file.may_report


def test_companies_can_come_from_a_table(tmp_path: Path) -> None:
    table = {"url": {"env": "DATABASE"}, "query": "SELECT id, company_id, credential FROM companies"}
    path = written(tmp_path, table, {"partner": KEY})
    fleet = companies.read(path, [{"id": 12, "company_id": UUID, "credential": "partner", "settings": None}])

    assert fleet.companies["12"].company_id == UUID
    assert fleet.sharing == {"partner": 1}


def test_a_table_is_read_again_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"sqlite:///{tmp_path}/companies.db"
    table = {"url": {"env": "DATABASE"}, "query": "SELECT id, company_id, credential FROM companies"}
    monkeypatch.setenv("PLEO_FLEET", str(written(tmp_path, table, {"partner": KEY})))
    monkeypatch.setenv("DATABASE", address)
    with contextlib.closing(sqlite3.connect(tmp_path / "companies.db")) as database:
        database.execute("CREATE TABLE companies (id TEXT, company_id TEXT, credential TEXT)")
        for name in ("acme", "beta"):
            database.execute("INSERT INTO companies VALUES (?, ?, 'partner')", (name, UUID))
            database.commit()
            assert name in runtime.fleet().companies

    monkeypatch.setenv("DATABASE", "sqlite:////nowhere/planted.db")
    with pytest.raises(FleetError, match="cannot be read: OperationalError") as refused:
        runtime.fleet()
    assert "planted" not in str(refused.value)


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    listed = [
        {"id": "acme", "company_id": "no uuid"},
        {"id": "../etc"},
        {"id": "beta", "settings": {"page_sise": 1}},
        {"id": "gamma", "settings": {"api_key": "in plain sight"}},
        {"id": "delta", "credential": "unknown"},
        {"id": "twice", "credential": "acme"},
        {"id": "twice", "credential": "acme"},
    ]
    found = problems(tmp_path, listed, dict.fromkeys(("acme", "beta", "gamma"), KEY) | {"both": {"api_key": {}}})

    names = ("'../etc'", "'acme'", "'beta'", "'delta'", "'gamma'", "'twice' is listed more than once")
    assert sorted(line.split(":")[0] for line in found) == [
        *(f"Company {name}" for name in names),
        "Credential 'both', api_key",
    ]
    assert any("did you mean 'page_size'" in line for line in found)
    assert not any("plain sight" in line for line in found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"credentials": {"acme": {"api_key": "in plain sight"}}}, "got `str` - at `$.credentials[...].api_key`"),
        ({"companys": []}, "unknown field `companys`"),
        ({"limits": {"runs": 0}}, "limits.runs must be at least 1"),
        ({"credentials": {"*": KEY}}, "must contain '{credential}'"),
    ],
)
def test_an_unusable_file_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = {"companies": [{"id": "acme"}], "credentials": {"acme": KEY}} | change
    (tmp_path / "fleet.yml").write_text(yaml.safe_dump(file))

    with pytest.raises(FleetError) as refused:
        companies.read(tmp_path / "fleet.yml")
    assert said in str(refused.value)
    assert "plain sight" not in str(refused.value)


def test_settings_are_checked_by_the_taps_rules(tmp_path: Path) -> None:
    oauth = {name: {"env": name.upper()} for name in ("client_id", "client_secret", "refresh_token")}

    (line,) = problems(tmp_path, [{"id": "acme"}], {"acme": oauth})

    assert "token_file" in line


def test_secrets_come_from_environment_and_files_and_are_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beta.key").write_text("planted-in-a-file\n")
    monkeypatch.setenv("ACME_KEY", "planted-in-the-environment")
    credentials = {"acme": KEY, "beta": {"api_key": {"file": "beta.key"}}}
    fleet = companies.read(written(tmp_path, [{"id": "acme"}, {"id": "beta"}], credentials))

    found = [secrets.look_up_all(fleet.credential_of(company), fleet.folder) for company in fleet.companies.values()]

    assert found == [{"api_key": "planted-in-the-environment"}, {"api_key": "planted-in-a-file"}]
    assert SECRETS.mask("planted-in-the-environment planted-in-a-file") == "*** ***"
    assert secrets.variables(fleet) == {"ACME_KEY"}


def test_a_missing_secret_is_reported_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME_KEY", raising=False)
    fleet = companies.read(written(tmp_path, [{"id": "acme"}], {"acme": KEY}))

    with pytest.raises(SecretMissing, match="ACME_KEY is not set"):
        secrets.look_up_all(fleet.credential_of(fleet.companies["acme"]), fleet.folder)


@pytest.mark.parametrize("per_minute", [1, 2, 60, 500])
@pytest.mark.parametrize("companies_", [1, 40, 5000])
@pytest.mark.parametrize("runs", [1, 2, 7])
def test_discovery_and_runs_together_stay_within_the_budget(per_minute: int, companies_: int, runs: int) -> None:
    budget = limits.divide(per_minute, companies_, 120, runs)

    assert min(budget) >= 1
    assert budget.discovery + runs * budget.run <= max(per_minute, 1 + runs)
    assert sum(limits.share_with_target(budget.run)) <= max(budget.run, 2)
