"""The SDK's standard tests of a tap, on the demo world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from sandbox import Fault, Sandbox
from tap_pleo_export.tap.plugin import TapPleoExport

_SANDBOX = Sandbox.demo()
# The SDK makes a tap while tests are collected; the sandbox's address is known once it runs.
_CONFIG: dict[str, Any] = {"api_url": "http://127.0.0.1:1", "api_key": _SANDBOX.api_key}


def _with_a_new_field(page: dict[str, Any]) -> dict[str, Any]:
    return page | {"data": [row | {"newField": {"of": "tomorrow"}} for row in page["data"]]}


# The SDK wants a value for every declared property, `additionalFields` too.
_SANDBOX.add_fault(Fault(path="/v3", kind="rewrite", rewrite=_with_a_new_field, nth=None))


@pytest.fixture(scope="module", autouse=True)
def pleo() -> Iterator[None]:
    with _SANDBOX:
        _CONFIG["api_url"] = _SANDBOX.url
        yield


TestTap = get_tap_test_class(TapPleoExport, config=_CONFIG, suite_config=SuiteConfig(max_records_limit=200))
