"""The file that keeps rotated tokens."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tap_pleo_export.pleo.errors import TokenFileUnusable
from tap_pleo_export.pleo.token_file import TokenFile, Tokens, fingerprint

if TYPE_CHECKING:
    from pathlib import Path

ROOT = fingerprint("configured")


def tokens(generation: int) -> Tokens:
    return Tokens(f"refresh-{generation}", f"access-{generation}", 1e9, ROOT)


def keep(file: TokenFile, generation: int) -> None:
    with file.locked(), file.replacement() as replacement:
        replacement.commit(tokens(generation))


def test_what_was_kept_comes_back_to_its_own_lineage_only(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "a" / "b" / "tokens.json")
    assert file.read(ROOT) is None

    keep(file, 1)

    assert file.read(ROOT) == tokens(1)
    assert file.read(fingerprint("another")) is None


def test_a_replacement_that_is_not_committed_changes_nothing(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    keep(file, 1)

    with pytest.raises(KeyError), file.replacement():
        raise KeyError

    assert file.read(ROOT) == tokens(1)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["tokens.json"]


def test_a_successor_left_by_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    (tmp_path / "tokens.json.new").write_text("half")

    keep(file, 2)

    assert file.read(ROOT) == tokens(2)


def test_a_successor_planted_as_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "tokens.json.new").symlink_to(victim)

    keep(TokenFile(tmp_path / "tokens.json"), 1)

    assert victim.read_text() == "precious"


def test_a_disk_that_takes_only_a_part_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = [1000]

    def write(descriptor: int, content: bytes) -> int:
        taken = min(room[0], len(content))
        if not taken:
            raise OSError(28, os.strerror(28))
        room[0] -= taken
        return real(descriptor, content[:taken])

    real = os.write
    monkeypatch.setattr(os, "write", write)

    with pytest.raises(TokenFileUnusable, match=r"No space left on device.*no token was rotated"):
        keep(TokenFile(tmp_path / "tokens.json"), 1)


def test_a_failure_after_the_rotation_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "pwrite", fail)

    with pytest.raises(TokenFileUnusable, match=r"after Pleo rotated the tokens.*Authorise the connector again"):
        keep(TokenFile(tmp_path / "tokens.json"), 1)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keep(TokenFile(tmp_path / "tokens.json"), 1)
    finally:
        os.umask(before)

    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_tokens_do_not_show_in_their_representation() -> None:
    assert "refresh-1" not in repr(tokens(1))
    assert "access-1" not in repr(tokens(1))
