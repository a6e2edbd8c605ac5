"""The SDK's standard tests of a target, as far as they apply.

The files of the SDK contain other streams than the two that this target accepts, so it must refuse each of them.
"""

from __future__ import annotations

from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_target_test_class
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import TargetCliPrintsTest
from singer_sdk.testing.templates import TargetFileTestTemplate

from tap_pleo_export.singer.message_reader import InputError
from tap_pleo_export.target.plugin import TargetPleoExport

CONFIG: dict[str, Any] = {"api_url": "http://127.0.0.1:1", "api_key": "key"}
FILES: list[type[TargetFileTestTemplate]] = [
    test for test in target_tests.tests if issubclass(test, TargetFileTestTemplate)
]
SUITE: SingerTestSuite[Any] = SingerTestSuite(kind="target", tests=[TargetCliPrintsTest])
TestTarget = get_target_test_class(
    TargetPleoExport,
    config=CONFIG,
    suite_config=SuiteConfig(),
    include_target_tests=False,
    custom_suites=[SUITE],
    parse_env_config=False,
)


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.name)
def test_other_streams_are_refused(kind: type[TargetFileTestTemplate]) -> None:
    target = TargetPleoExport(config=dict(CONFIG))

    with (
        kind().singer_filepath.open("rb") as file,
        pytest.raises(InputError, match="line 1 of the input has the stream"),
    ):
        target.process_lines(file)  # type: ignore[arg-type] # bytes, as our reader wants them
