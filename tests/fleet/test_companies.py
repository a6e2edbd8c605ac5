from __future__ import annotations

import contextlib
import sqlite3
import sys
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_pleo_export import __main__, companies, fleet_yaml, limits, pipeline, runtime, secrets
from dagster_pleo_export.fleet_file import FleetError
from dagster_pleo_export.secrets import SecretMissing
from tap_pleo_export.singer.redaction import SECRETS

UUID = "8eb648ab-464b-42a0-ba17-eda703657e33"
OTHER_UUID = "12abc3d4-e567-890e-1234-abc56e78fabc"
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
        for name, company_id in (("acme", UUID), ("beta", OTHER_UUID)):
            database.execute("INSERT INTO companies VALUES (?, ?, 'partner')", (name, company_id))
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


def test_discovery_gets_its_rounds_and_some_spare_and_runs_share_the_rest() -> None:
    assert limits.divide(60, 40, 120, 2) == (30, 15)
    assert limits.divide(500, 1, 120, 7) == (11, 69)
    assert limits.divide(500, 40, 60, 2) == (50, 225)
    assert limits.divide(61, 40, 60, 1) == (30, 31)
    assert limits.share_with_target(15) == (12, 3)


GOOD = [{"id": "good"}, {"id": "fine"}]
GOOD_KEYS = {"good": KEY, "fine": KEY}


@pytest.mark.parametrize(
    ("bad", "credentials", "line"),
    [
        ({"id": "bad", "page_size": 1}, {"bad": KEY}, "Company 'bad': Object contains unknown field `page_size`"),
        ({"id": "bad", "company_id": "no uuid"}, {"bad": KEY}, "Company 'bad': company_id must be a UUID"),
        ({"id": "bad", "settings": {"page_size": 0}}, {"bad": KEY}, "Company 'bad': Setting 'page_size'"),
        ({"id": "bad", "credential": "x"}, {}, "Company 'bad': credential 'x' does not exist"),
        ({"id": "bad"}, {"bad": {"api_key": "in plain sight"}}, "Company 'bad': its credential 'bad' cannot be used"),
        ({"id": "bad"}, {"bad": {}, "*": {"api_key": {"env": "{credential}"}}}, "Company 'bad': No credentials"),
        ({"id": "bad"}, {"bad": KEY | {"requests_per_minute": 0}}, "Company 'bad': its credential 'bad' cannot"),
        ({"id": ["bad"]}, {}, "Company 'number 3': Expected `str`, got `array` - at `$.companies[2].id`"),
        ("bad", {}, "Company 'number 3': Expected `object`, got `str` - at `$.companies[2]`"),
        (None, {}, "Company 'number 3': Expected `object`, got `null`"),
    ],
)
def test_a_bad_entry_is_named_and_left_out_and_the_others_stay(
    tmp_path: Path, bad: Any, credentials: dict[str, Any], line: str
) -> None:
    fleet = companies.read(written(tmp_path, [*GOOD, bad], GOOD_KEYS | credentials))

    assert list(fleet.companies) == ["fine", "good"]
    assert fleet.sharing == {"fine": 1, "good": 1}
    (name,) = fleet.left_out
    assert fleet.left_out[name][0].startswith(line)
    assert fleet.problems[-1].startswith(line)
    assert "plain sight" not in str(fleet)


def test_a_company_with_an_unusable_credential_does_not_get_the_one_of_all_others(tmp_path: Path) -> None:
    pattern = {"api_key": {"file": "keys/{credential}"}}
    fleet = companies.read(written(tmp_path, [{"id": "acme"}, {"id": "beta"}], {"*": pattern, "acme": {"api_key": {}}}))

    assert list(fleet.companies) == ["beta"]


def test_a_bad_row_of_a_table_is_named_and_left_out(tmp_path: Path) -> None:
    table = {"url": {"env": "DATABASE"}, "query": "SELECT 1"}
    rows: list[dict[str, Any]] = [
        {"id": "good"},
        {"id": None},
        {"id": "bad", "settings": "{"},
        {"id": "odd", "report": "perhaps"},
    ]
    fleet = companies.read(written(tmp_path, table, GOOD_KEYS | {"bad": KEY, "odd": KEY}), rows)

    assert list(fleet.companies) == ["good"]
    assert fleet.problems == (
        "Company 'bad': Expected `object`, got `str` - at `row 3.settings`",
        "Company 'odd': Expected `bool | null`, got `str` - at `row 4.report`",
        "Company 'row 2': Object missing required field `id` - at `row 2`",
    )


@pytest.mark.parametrize(
    ("row", "member", "value"),
    [
        ({"company_id": uuid.UUID(UUID)}, "company_id", UUID),
        ({"company_id": uuid.UUID(UUID).bytes}, "company_id", UUID),
        ({"company_id": f"{UUID}    "}, "company_id", UUID),
        ({"company_id": ""}, "company_id", None),
        ({"id": 12}, "id", "12"),
        ({"id": Decimal(12)}, "id", "12"),
        ({"id": b"twelve"}, "id", "twelve"),
        ({"id": memoryview(b"twelve")}, "id", "twelve"),
        ({"company_id": memoryview(uuid.UUID(UUID).bytes)}, "company_id", UUID),
        ({"company_id": bytearray(uuid.UUID(UUID).bytes)}, "company_id", UUID),
        ({"report": memoryview(b"\1")}, "report", True),
        ({"settings": memoryview(b'{"page_size": 7}')}, "settings", {"page_size": 7}),
        ({"settings": "   "}, "settings", {}),
        ({"credential": "acme  "}, "credential", "acme"),
        *(({"report": true}, "report", True) for true in (True, 1, Decimal(1), 1.0, b"\1", "1", "t", "TRUE", "yes")),
        *(({"report": false}, "report", False) for false in (False, 0, Decimal(0), 0.0, b"\0", "0", "f", "No ")),
        ({"report": ""}, "report", None),
        ({"settings": '{"page_size": 7}'}, "settings", {"page_size": 7}),
        ({"settings": b'{"page_size": 7}'}, "settings", {"page_size": 7}),
        ({"settings": {"page_size": 7}}, "settings", {"page_size": 7}),
        *(({"settings": empty}, "settings", {}) for empty in (None, "", "null", "{}")),
    ],
)
def test_rows_may_have_the_types_of_database_drivers(
    tmp_path: Path, row: dict[str, Any], member: str, value: object
) -> None:
    table = {"url": {"env": "DATABASE"}, "query": "SELECT 1"}
    fleet = companies.read(written(tmp_path, table, {"acme": KEY}), [{"id": "one", "credential": "acme"} | row])

    (company,) = fleet.companies.values()
    assert getattr(company, member) == value


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"report": Decimal("sNaN")}, "Expected `bool | null`, got `str` - at `row 2.report`"),
        ({"id": 10**5000}, "its name must be 1 to 63 letters"),
        ({"id": 12.5}, "Expected `str`, got `float` - at `row 2.id`"),
        ({"id": "a...b"}, "its name must be 1 to 63 letters"),
        ({"company_id": Decimal("NaN")}, "company_id must be a UUID"),
    ],
)
def test_a_row_with_odd_values_leaves_the_others(tmp_path: Path, row: dict[str, Any], line: str) -> None:
    table = {"url": {"env": "DATABASE"}, "query": "SELECT 1"}
    rows: list[dict[str, Any]] = [{"id": "good"}, {"id": "bad", "credential": "good"} | row]
    fleet = companies.read(written(tmp_path, table, GOOD_KEYS), rows)

    assert list(fleet.companies) == ["good"]
    assert line in fleet.problems[0]
    assert "YAML" not in fleet.problems[0]


def test_while_the_table_cannot_be_read_the_last_known_companies_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"url": {"env": "DATABASE"}, "query": "SELECT 'good' AS id"}
    path = written(tmp_path, table, GOOD_KEYS)
    monkeypatch.setenv("PLEO_FLEET", str(path))
    monkeypatch.setenv("DATABASE", "sqlite://")
    assert runtime.last_known_fleet().problems == ()

    for broken in ("sqlite:////nowhere/planted.db", "", "nonsense"):
        monkeypatch.setenv("DATABASE", broken)
        fleet = runtime.last_known_fleet()
        assert list(fleet.companies) == ["good"]
        assert fleet.problems[0].endswith("; the companies that were read last are used")
        with pytest.raises((FleetError, SecretMissing)):
            runtime.fleet()
    path.write_text(path.read_text("utf-8") + "report: true\n")
    with pytest.raises(FleetError):
        runtime.last_known_fleet()


def test_settings_that_thousands_of_companies_share_are_checked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []

    def count(settings: object, _: object) -> list[str]:
        checked.append(settings)
        return []

    monkeypatch.setattr(companies, "problems", count)
    listed = [{"id": f"c{n}", "company_id": str(uuid.UUID(int=n)), "credential": "good"} for n in range(50)]

    assert len(companies.read(written(tmp_path, listed, GOOD_KEYS)).companies) == 50
    assert len(checked) == 1


def test_one_company_under_two_names_is_left_out(tmp_path: Path) -> None:
    listed = [
        {"id": "acme", "company_id": UUID, "credential": "good"},
        {"id": "beta", "company_id": UUID.upper(), "credential": "fine"},
        {"id": "gamma", "credential": "shared"},
        {"id": "delta", "credential": "shared"},
        {"id": "twice", "credential": "twice"},
        {"id": "twice", "company_id": OTHER_UUID, "credential": "fine"},
        *GOOD,
    ]
    fleet = companies.read(written(tmp_path, listed, GOOD_KEYS | {"shared": KEY, "twice": KEY}))

    assert list(fleet.companies) == ["fine", "good"]
    assert fleet.problems == (
        "Company 'acme': its company_id is also that of 'beta'",
        "Company 'beta': its company_id is also that of 'acme'",
        "Company 'delta': it has no company_id, like 'gamma', which share its credential shared",
        "Company 'gamma': it has no company_id, like 'delta', which share its credential shared",
        "Company 'twice' is listed more than once",
    )


def faults_of(folder: Path, text: str) -> list[str]:
    (folder / "fleet.yml").write_text(text)
    with pytest.raises(FleetError) as refused:
        companies.read(folder / "fleet.yml")
    return str(refused.value).splitlines()


def test_all_errors_of_form_are_listed(tmp_path: Path) -> None:
    lines = faults_of(
        tmp_path,
        """
        companies: [{id: 1, name: x, report: maybe}, 7, {}]
        credentials: {a: {api_key: x, tokenfile: y}, b: 3}
        limits: {runs: many, run: 1}
        discovery: 5
        alert: {}
        """,
    )

    assert [line.rpartition(" - at ")[2].split("`")[1] for line in lines] == [
        *("$", "$.discovery", "$.limits", "$.limits.runs"),
        *("$.credentials[...]", "$.credentials[...].api_key", "$.credentials[...]"),
        *("$.companies[0]", "$.companies[0].id", "$.companies[0].report", "$.companies[1]", "$.companies[2]"),
    ]
    assert "did you mean 'alerts'?" in lines[0]


@pytest.mark.parametrize("value", ["no", "On", "012", "1.5", "2026-11-29", "1_000", "0x1f"])
@pytest.mark.parametrize(
    "text",
    ["companies: [{id: %s}]\ncredentials: {}", "companies: [{id: acme, credential: %s}]\ncredentials: {}"],
)
def test_a_word_that_yaml_reads_as_another_type_gets_the_hint_to_quote_it(
    tmp_path: Path, text: str, value: str
) -> None:
    (line,) = faults_of(tmp_path, text % value)

    assert "put it in quotes" in line


def test_names_of_credentials_get_the_hint_too(tmp_path: Path) -> None:
    lines = faults_of(tmp_path, "companies: [{id: 'no'}]\ncredentials: {no: {api_key: {env: KEY}}}")

    assert lines[0] == f"Credential 'False': its name is not text{fleet_yaml.QUOTE_IT}"
    assert "put it in quotes" not in lines[1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "companies: [{id: acme}]\ncredentials: {acme: {api_key: {env: A}}, acme: {api_key: {env: B}}}",
            "Credential 'acme': It is given more than once - at `$.credentials[...]`",
        ),
        (
            "companies: [{id: acme}]\ncredentials: {acme: {api_key: {env: A, env: B}}}",
            "Credential 'acme': It is given more than once - at `$.credentials[...].api_key.env`",
        ),
        (
            "companies: [{id: acme, settings: {page_size: 1, page_size: 2}}]\ncredentials: {acme: {api_key: {env: A}}}",
            "Company 'acme': It is given more than once - at `$.companies[0].settings[...]`",
        ),
        (
            "companies: []\ncompanies: [{id: acme}]\ncredentials: {}",
            "The fleet file {path}: It is given more than once - at `$.companies`",
        ),
    ],
)
def test_a_key_that_is_given_twice_is_refused(tmp_path: Path, text: str, line: str) -> None:
    assert faults_of(tmp_path, text)[0] == line.replace("{path}", str(tmp_path / "fleet.yml"))


def test_merged_keys_of_yaml_may_repeat(tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").write_text(
        "companies: [&a {id: acme, credential: x}, {<<: *a, id: beta, company_id: " + UUID + "}]\n"
        "credentials: {x: {api_key: {env: A}}}"
    )

    assert list(companies.read(tmp_path / "fleet.yml").companies) == ["acme", "beta"]


@pytest.mark.parametrize(
    "text",
    ["", "- a", "companies: 2026-02-30", "a: [" * 5000, "id: " + "9" * 5000, "&a [*a]", "{[a]: b}", "!!python/x {}"],
)
def test_a_file_that_is_not_a_fleet_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (line,) = faults_of(tmp_path, text)

    assert line.startswith(f"The fleet file {tmp_path / 'fleet.yml'}")


def test_a_run_does_not_see_secrets_of_others_even_of_entries_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = KEY | {"webhook_secret": {"env": "ACME_HOOK"}}
    bad = {"api_key": {"env": "BAD_KEY"}, "unknown": 1}
    path = written(
        tmp_path,
        [{"id": "acme"}, {"id": "beta"}, {"id": "gone", "settings": 1}, {"id": "bad"}],
        {"acme": acme, "bad": bad, "*": {"api_key": {"env": "KEY_{credential}"}}},
        alerts={"url": {"env": "ALERT_URL"}},
    )
    fleet = companies.read(path)
    hidden = {"ACME_HOOK", "BAD_KEY", "KEY_gone", "KEY_beta", "ALERT_URL"}

    assert secrets.variables(fleet) >= {"ACME_KEY", *hidden}
    for name in ("ACME_KEY", "UNRELATED", *hidden):
        monkeypatch.setenv(name, f"planted-{name}")
    # Settings of the project's owner must not reach the runs of the fleet.
    for name in ("TAP_PLEO_EXPORT_ACCESS_TOKEN", "TARGET_PLEO_EXPORT_API_KEY", "TAP_PLEO_EXPORT_API_KEY"):
        monkeypatch.setenv(name, "planted-inherited")
    environment = pipeline.environment(fleet, fleet.companies["acme"])

    assert environment["UNRELATED"] == "planted-UNRELATED"
    assert environment["TAP_PLEO_EXPORT_API_KEY"] == "planted-ACME_KEY"
    assert not [name for name in environment if name in {"ACME_KEY", *hidden}]
    assert "planted-inherited" not in environment.values()


def test_the_address_of_the_table_is_a_secret_too(tmp_path: Path) -> None:
    table = {"url": {"env": "DATABASE"}, "query": "SELECT 1"}

    assert "DATABASE" in secrets.variables(companies.read(written(tmp_path, table, {}), []))


PASTED = ["sk_live_MfKQ9r8GKYqrTwjUPD8I", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "3F9A7C51D2E84B60", "pasted-secret"]


@pytest.mark.parametrize("pasted", PASTED)
def test_a_secret_pasted_where_its_variable_belongs_is_not_quoted(tmp_path: Path, pasted: str) -> None:
    fleet = companies.read(written(tmp_path, [{"id": "acme"}], {"acme": {"api_key": {"env": pasted}}}))

    with pytest.raises(SecretMissing, match=r"api_key: .*it may be the secret itself") as missing:
        secrets.look_up_all(fleet.credential("acme"), fleet.folder)
    assert pasted not in str(missing.value)


@pytest.mark.parametrize("pasted", [*PASTED[:3], "sk\0live", "x" * 5000])
def test_a_secret_pasted_where_its_file_belongs_is_not_quoted(tmp_path: Path, pasted: str) -> None:
    fleet = companies.read(written(tmp_path, [{"id": "acme"}], {"acme": {"api_key": {"file": pasted}}}))

    with pytest.raises(SecretMissing, match="cannot be read") as missing:
        secrets.look_up_all(fleet.credential("acme"), fleet.folder)
    assert pasted not in str(missing.value)


@pytest.mark.parametrize("url", ["http://[/x", "nonsense", "postgresql://h:port/d", "oracle+none://x", "nothing://x/y"])
def test_an_address_of_the_table_that_is_not_one_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    table = {"url": {"env": "DATABASE"}, "query": "SELECT 1"}
    monkeypatch.setenv("PLEO_FLEET", str(written(tmp_path, table, {})))
    monkeypatch.setenv("DATABASE", url)

    with pytest.raises(FleetError, match="The address of the table of companies cannot be used") as refused:
        runtime.fleet()
    assert url not in str(refused.value)


def checked(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str = "check"
) -> tuple[int, str, str]:
    monkeypatch.setenv("PLEO_FLEET", str(path))
    monkeypatch.setattr("sys.argv", ["dagster-pleo-export", command])
    code = __main__.main()
    return code, *capsys.readouterr()


@pytest.mark.parametrize("url", ["http://[/x", "http://", "hooks.example.com", "http://a:b/", "file:///x"])
def test_check_names_everything_in_a_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    (tmp_path / "meltano.yml").write_text("environments: [{name: dev}, {name: sandbox}]")
    monkeypatch.setenv("GOOD_KEY", "planted-key")
    monkeypatch.setenv("ALERT", url)
    monkeypatch.setenv("HOOK", "whsec_%")
    good = {"api_key": {"env": "GOOD_KEY"}, "webhook_secret": {"env": "HOOK"}}
    path = written(
        tmp_path,
        [{"id": "good"}, {"id": "fine", "settings": {"api_url": url}}, {"id": "gone"}, {"id": "bad", "company_id": 1}],
        {"good": good, "fine": KEY, "gone": {"api_key": {"env": "GONE_KEY"}}},
        alerts={"url": {"env": "ALERT"}},
        discovery={"time_limit": 50, "request_timeout": 10},
        meltano={"executable": "bin/meltano"},
    )

    code, out, error = checked(path, monkeypatch, capsys)

    assert [line.split(":")[0] for line in error.splitlines()] == [
        "Company 'bad'",
        "Company 'fine'",
        "Credential 'gone', api_key",
        "Credential 'good', webhook_secret",
        "alerts.url",
        "discovery",
        "meltano.environment",
        "meltano.executable",
    ]
    assert "has no environment 'production', only dev, sandbox" in error
    assert (code, out) == (1, "2 companies, 2 credentials, 8 problems\n")
    assert "whsec_%" not in error


def test_check_accepts_a_usable_fleet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meltano.yml").write_text("environments: [{name: production}]")
    monkeypatch.setenv("ACME_KEY", "planted-key")
    monkeypatch.setenv("ALERT", "https://hooks.example.com/planted")
    # Any program: the check does not run it.
    meltano = {"executable": sys.executable}
    path = written(tmp_path, [{"id": "acme"}], {"acme": KEY}, alerts={"url": {"env": "ALERT"}}, meltano=meltano)

    assert checked(path, monkeypatch, capsys) == (0, "1 companies, 1 credentials, 0 problems\n", "")


def test_instance_prints_dagsters_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, [{"id": "acme"}], {"acme": KEY}, limits={"runs": 7, "runs_per_credential": 3})
    code, out, _ = checked(path, monkeypatch, capsys, "instance")

    assert code == 0
    # One run of a company at a time, three of a credential, seven in all; runs without a process are ended.
    # The queue is looked at each second.
    assert yaml.safe_load(out) == {
        "run_launcher": {"module": "dagster_pleo_export.launchers", "class": "WatchedRunLauncher"},
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "concurrency": {
            "runs": {
                "max_concurrent_runs": 7,
                "tag_concurrency_limits": [
                    {"key": "pleo/credential", "value": {"applyLimitPerUniqueValue": True}, "limit": 3},
                    {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
                ],
            }
        },
        "run_coordinator": {
            "module": "dagster",
            "class": "QueuedRunCoordinator",
            "config": {"dequeue_interval_seconds": 1},
        },
        "run_retries": {"enabled": False},
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": 60,
            "poll_interval_seconds": 5,
            "max_resume_run_attempts": 0,
        },
    }


def test_a_fleet_on_celery_names_the_brokers_variable_and_hides_it_from_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = {"celery": {"broker": {"env": "BROKER_URL"}}}
    path = written(tmp_path, [{"id": "acme"}], {"acme": KEY}, engine=engine)
    monkeypatch.setenv("BROKER_URL", "redis://:fake-secret@localhost")
    code, out, _ = checked(path, monkeypatch, capsys, "instance")

    assert code == 0
    assert yaml.safe_load(out)["run_launcher"] == {
        "module": "dagster_pleo_export.celery_hosts",
        "class": "WatchedCeleryRunLauncher",
        "config": {"broker": {"env": "BROKER_URL"}, "default_queue": "dagster"},
    }
    assert "BROKER_URL" in companies.read(path).secret_variables
