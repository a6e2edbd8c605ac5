"""The adapter that docs/accounting-systems.md shows, as printed, against a server with the API that it imagines."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from types import FunctionType
from typing import Any

import flask
import pytest
from werkzeug.serving import make_server

from tap_pleo_export.ledger.adapter import Ledger, LedgerUnavailable
from tap_pleo_export.ledger.configuration import Configuration, ConfigurationError
from tap_pleo_export.ledger.contract import LedgerContract
from tests.helpers.guides import all_printed, printed
from tests.ledger.reference import ACCOUNTS, CLOSED_UNTIL

Line = dict[str, str]


class Acme:
    """The accounting system: drafts that are checked when they are posted."""

    def __init__(self) -> None:
        self.records: dict[int, dict[str, Any]] = {}
        self.fault = ""
        self.patience = threading.Event()
        self.app = flask.Flask("acme")
        self.app.before_request(self.fail)
        self.app.get("/vouchers")(self.search)
        self.app.post("/vouchers")(self.create)
        self.app.put("/vouchers/<int:number>/files/<name>")(self.attach)
        self.app.post("/vouchers/<int:number>/post")(self.post)
        self.app.delete("/vouchers/<int:number>")(self.delete)

    def fail(self) -> Any:
        if self.fault == "slow":
            self.patience.wait(5)
        is_post = flask.request.path.endswith("/post")
        if self.fault == "down" or (self.fault == "no post" and is_post):
            return "<html>", 503
        if self.fault == "answer lost" and is_post:
            self.post(int(flask.request.path.split("/")[2]))
            return "<html>", 502
        return "<html>" if self.fault == "broken" else None

    def search(self) -> Any:
        return [record for record in self.records.values() if record["reference"] == flask.request.args["reference"]]

    def create(self) -> Any:
        number = len(self.records) + 1
        self.records[number] = flask.request.get_json() | {"id": number, "number": None, "files": {}}
        return {"id": number}

    def attach(self, number: int, name: str) -> Any:
        self.records[number]["files"][name] = flask.request.get_data().decode("latin-1")
        return {}

    def post(self, number: int) -> Any:
        record = self.records[number]
        if reason := objection(record["day"], record["lines"]):
            return {"message": reason}, 422
        record["number"] = f"A-{number}"
        return {"number": record["number"]}

    def delete(self, number: int) -> Any:
        self.records[number] = {"reference": "deleted", "number": None}
        return {}


def objection(day: str, lines: list[Line]) -> str | None:
    amounts = [Decimal(line["amount"]) for line in lines]
    if sum(amounts):
        return "Not balanced"
    if day <= CLOSED_UNTIL:
        return "The period is closed"
    if any(amount != round(amount, 2) for amount in amounts):
        return "Too many decimals"
    unknown = [line["account"] for line in lines if line["account"] not in ACCOUNTS]
    missing = [line for line in lines if line["account"] == "2440" and not line["party"]]
    return f"No account {unknown[0]}" if unknown else "No vendor" if missing else None


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page's adapter, as a module."""
    path = tmp_path_factory.mktemp("adapter") / "acme_books.py"
    path.write_text(printed("accounting-systems.md", "acme_books.py"))
    spec = importlib.util.spec_from_file_location("acme_books", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class TestAcme(LedgerContract):
    @pytest.fixture(autouse=True)
    def _server(self, module: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("ACME_KEY", "k")
        self.acme, self.module = Acme(), module
        self.opened: list[Ledger] = []
        server = make_server("127.0.0.1", 0, self.acme.app, threaded=True)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        for ledger in self.opened:
            ledger.close()
        server.shutdown()
        thread.join()
        server.server_close()

    def open(self) -> Ledger:
        ledger: Ledger = self.module.Acme("Test company", self.receipts, url=self.url, timeout=0.5)
        self.opened.append(ledger)
        return ledger

    def posted(self, key: str) -> list[dict[str, Decimal]]:
        found = []
        for record in self.records(key):
            sums: dict[str, Decimal] = {}
            for line in record["lines"]:
                sums[line["account"]] = sums.get(line["account"], Decimal(0)) + Decimal(line["amount"])
            found.append({account: amount for account, amount in sums.items() if amount})
        return found

    def attached(self, key: str) -> list[bytes]:
        return [content.encode("latin-1") for record in self.records(key) for content in record["files"].values()]

    def records(self, key: str) -> list[dict[str, Any]]:
        return [r for r in self.acme.records.values() if r["reference"] == key and r["number"]]

    @contextlib.contextmanager
    def dying(self, ledger: Ledger) -> Iterator[None]:
        with self.fault("no post"), contextlib.suppress(LedgerUnavailable):
            yield

    def faults(self, ledger: Ledger) -> Iterator[tuple[str, AbstractContextManager[object]]]:
        for name in ("down", "slow", "broken", "answer lost"):
            yield name, self.fault(name)

    @contextlib.contextmanager
    def fault(self, name: str) -> Iterator[None]:
        self.acme.fault = name
        yield
        self.acme.fault = ""
        self.acme.patience.set()


def test_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config,) = all_printed("accounting-systems.md", "toml")
    (tmp_path / "acme_books.py").write_text(printed("accounting-systems.md", "acme_books.py"))
    (tmp_path / "receipts").mkdir()
    path = tmp_path / "books.toml"
    path.write_text(config.replace('"tryton"', '"acme_books:Acme"').replace("/srv/pleo/receipts", "receipts"))
    read = Configuration.read(path)
    (company,) = read.companies

    monkeypatch.delenv("ACME_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"books.toml: \[options\]: ACME_KEY is not set: create a key"):
        read.open(company)
    monkeypatch.setenv("ACME_KEY", "k")
    ledger = read.open(company)
    assert (ledger.company, ledger.receipts) == ("Nordlys ApS", tmp_path / "receipts")
    ledger.close()


def test_the_page_fills_in_the_whole_contract() -> None:
    namespace: dict[str, Any] = {}
    exec(compile(printed("accounting-systems.md", "Test it"), "Test it", "exec"), namespace)  # noqa: S102 - the page's
    methods = {name for name, member in vars(namespace["TestAcme"]).items() if callable(member)}

    assert issubclass(namespace["TestAcme"], LedgerContract)
    assert methods == {
        name
        for name, member in vars(LedgerContract).items()
        if isinstance(member, FunctionType) and "NotImplementedError" in member.__code__.co_names
    }
