"""Every command, query and configuration of README.md and docs/ is read by a test that runs it as printed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.helpers import guides

NOT_RUN = {
    ("tryton.md", "Try it"): "installs Tryton and takes minutes; tests/ledger runs the adapter on a real Tryton",
    ("state.md", "state: rendered by tools/docs/tables.py"): "an example of data, rendered from the code",
    ("../README.md", "See it work"): "installs everything and takes minutes; tests/e2e runs the parts of `make demo`",
}
"""Why no test runs a block as printed."""


@pytest.mark.parametrize("page", guides.pages())
def test_blocks_have_a_language_and_one_name(page: str) -> None:
    names = Counter(block.name for block in guides.blocks(page) if block.language in guides.LANGUAGES)

    assert [block.name for block in guides.blocks(page) if not block.language] == []
    assert [name for name, count in names.items() if count > 1] == []


def test_every_block_is_read_by_a_test() -> None:
    read = guides.read_by_tests()
    unread = {
        (block.page, block.name)
        for page in guides.pages()
        for block in guides.blocks(page)
        if block.language in guides.LANGUAGES
        and not read & {("printed", page, block.name), ("all_printed", page, block.language)}
    }

    assert unread == NOT_RUN.keys()
