"""The configurations of docs/import-files.md are valid and complete."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec
import pytest

from tap_pleo_export.import_files.command import Config
from tests.conftest import CHECKOUT
from tests.helpers.guides import all_printed

PAGE = (CHECKOUT / "docs" / "import-files.md").read_text("utf-8")
BLOCKS = [tomllib.loads(block) for block in all_printed("import-files.md", "toml")]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: next(iter(block)))
def test_the_configurations_are_valid(block: dict[str, Any]) -> None:
    msgspec.convert(block, Config)


def test_the_page_names_every_setting() -> None:
    tables = msgspec.inspect.type_info(Config)
    assert isinstance(tables, msgspec.inspect.StructType)
    for table in tables.fields:
        types = table.type.types if isinstance(table.type, msgspec.inspect.UnionType) else (table.type,)
        (options,) = [each for each in types if isinstance(each, msgspec.inspect.StructType)]
        shown = {name for block in BLOCKS for name in block.get(table.name, {})} | set(re.findall(r"`(\w+) =", PAGE))
        assert {field.name for field in options.fields} - shown == set(), table.name
