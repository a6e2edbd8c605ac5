"""The SDK's standard tests of a target, as far as they apply.

Its files are of invented streams with columns, nested values and keys to be stored. This target takes two streams of
fixed members and stores nothing, so of those files it must refuse each, naming the stream: arrays, camel case, encoded
strings, special characters, optional attributes, missing fields, schema and key updates, no keys, no properties, an
invalid schema, a missing key. What some of them ask for is asked here with the target's own streams: duplicates,
missing optional members, a missing key (refused in a line, not raised), a record before its SCHEMA (our own error, for
the SDK's has no line number). What the command line prints is tested as it is.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_target_test_class
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import TargetCliPrintsTest
from singer_sdk.testing.templates import TargetFileTestTemplate, TargetTestTemplate

from sandbox import Sandbox
from tap_pleo_export.singer.message_reader import InputError
from tap_pleo_export.target.plugin import TargetPleoExport
from tests.helpers.target import SCHEMAS, UPDATES, record, schema, sizes, state, update

if TYPE_CHECKING:
    from collections.abc import Iterator

_SANDBOX = Sandbox()
_JOB = _SANDBOX.add_job(items=3, status="in_progress")
# The SDK makes a target while tests are collected; the sandbox's address is known once it runs.
_CONFIG: dict[str, Any] = {"api_url": "http://127.0.0.1:1", "api_key": _SANDBOX.api_key}


@pytest.fixture(scope="module", autouse=True)
def pleo() -> Iterator[None]:
    with _SANDBOX:
        _CONFIG["api_url"] = _SANDBOX.url
        yield


class _Own(TargetTestTemplate):
    """A test with messages of the target's own streams."""

    messages = b""

    def test(self) -> None:
        _SANDBOX.requests.clear()
        self.runner.target_input = io.TextIOWrapper(io.BytesIO(self.messages), encoding="utf-8")
        self.runner.sync_all()


class DuplicateRecords(_Own):
    name = "duplicate_records_of_its_own"
    messages = SCHEMAS + update(_JOB, 0) * 3 + state({"n": 1})

    def validate(self) -> None:
        assert sizes(_SANDBOX) == [1]
        assert self.runner.state_messages == [{"n": 1}]


class MissingOptionalMembers(_Own):
    name = "missing_optional_members"
    messages = SCHEMAS + update(_JOB, 1) + update(_JOB, 2, "failed") + state({"n": 2})

    def validate(self) -> None:
        assert sizes(_SANDBOX) == [2]


class MissingKey(_Own):
    name = "missing_key"
    messages = SCHEMAS + record(UPDATES, jobId=_JOB.id, status="successful") + state({"n": 3})

    def validate(self) -> None:
        assert _SANDBOX.requests == []
        assert self.runner.state_messages == [{"n": 3}]


class RecordBeforeSchema(_Own):
    name = "record_before_schema_of_its_own"
    messages = schema("export_job_events") + update(_JOB, 0)

    def test(self) -> None:
        with pytest.raises(InputError, match="line 2 of the input is a record of 'export_job_item_updates' before"):
            super().test()


_FOREIGN: list[type[TargetFileTestTemplate]] = [
    test for test in target_tests.tests if issubclass(test, TargetFileTestTemplate)
]
_SUITE: SingerTestSuite[Any] = SingerTestSuite(
    kind="target",
    tests=[TargetCliPrintsTest, DuplicateRecords, MissingOptionalMembers, MissingKey, RecordBeforeSchema],
)
TestTarget = get_target_test_class(
    TargetPleoExport,
    config=_CONFIG,
    suite_config=SuiteConfig(),
    include_target_tests=False,
    custom_suites=[_SUITE],
    parse_env_config=False,
)


@pytest.mark.parametrize("kind", _FOREIGN, ids=lambda kind: kind.name)
def test_files_of_the_sdk_are_of_foreign_streams(kind: type[TargetFileTestTemplate]) -> None:
    target = TargetPleoExport(config=dict(_CONFIG))

    with (
        kind().singer_filepath.open("rb") as file,
        pytest.raises(InputError, match="line 1 of the input has the stream"),
    ):
        target.process_lines(file)  # type: ignore[arg-type] # bytes, as our reader wants them
