"""The file that stores rotated tokens."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tap_pleo_export.api.errors import TokenFileUnusable
from tap_pleo_export.api.token_file import TokenFile, Tokens, fingerprint

ROOT = fingerprint("configured")


def tokens(generation: int) -> Tokens:
    return Tokens(f"refresh-{generation}", f"access-{generation}", 1e9, ROOT)


def keep(file: TokenFile, generation: int) -> None:
    with file.locked(), file.replacement() as commit:
        commit(tokens(generation))


def test_tokens_are_read_for_their_refresh_token_only(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    assert file.read(ROOT) is None

    keep(file, 1)

    assert file.read(ROOT) == tokens(1)
    assert file.read(fingerprint("another")) is None


def test_uncommitted_replacement_changes_nothing(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    keep(file, 1)

    with pytest.raises(KeyError), file.replacement():
        raise KeyError

    assert file.read(ROOT) == tokens(1)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["tokens.json"]


def test_successor_left_behind_is_replaced_and_a_link_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    file = TokenFile(tmp_path / "tokens.json")
    (tmp_path / "tokens.json.new").symlink_to(victim)
    keep(file, 1)
    assert victim.read_text() == "precious"

    (tmp_path / "tokens.json.new").write_text("half")
    keep(file, 2)
    assert file.read(ROOT) == tokens(2)


def test_failure_after_the_rotation_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "pwrite", fail)

    with pytest.raises(TokenFileUnusable, match=r"after Pleo rotated the tokens.*Authorise the connector again"):
        keep(TokenFile(tmp_path / "tokens.json"), 1)


def test_target_of_a_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "tokens.json")
    (tmp_path / "folder").symlink_to(tmp_path / "real")

    keep(TokenFile(tmp_path / "link.json"), 1)
    keep(TokenFile(tmp_path / "folder" / "tokens.json"), 2)

    assert (tmp_path / "link.json").is_symlink()
    assert TokenFile(tmp_path / "link.json").read(ROOT) == tokens(2)
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["tokens.json", "tokens.json.lock"]


def test_all_names_of_a_file_share_one_lock(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("tokens.json")
    other = TokenFile(tmp_path / "link.json", patience=0)

    def lock() -> None:
        with other.locked():
            pass

    with TokenFile(tmp_path / "tokens.json").locked(), ThreadPoolExecutor() as pool:
        error = pool.submit(lock).exception()

    assert "has been locked by another process for over 0 s. Let that run end" in str(error)
    lock()


def test_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    keep(TokenFile(type(tmp_path)("~/tokens.json")), 1)

    assert (tmp_path / "tokens.json").exists()


def circle(path: Path) -> None:
    path.symlink_to(path)


def second_name(path: Path) -> None:
    path.write_bytes(b"")
    path.with_name("second").hardlink_to(path)


def nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("name", "make", "what"),
    [
        ("f", os.mkfifo, "a FIFO"),
        ("f", os.mkdir, "Is a directory"),
        ("f", second_name, "has more names"),
        ("f", circle, "cannot be resolved"),
        ("missing/f", nothing, "its folder does not exist"),
        ("/dev/null", nothing, "a device"),
        ("~nobody-of-that-name/f", nothing, "cannot be resolved|its folder does not exist"),
        ("a\0b", nothing, "cannot be resolved"),
    ],
)
def test_unusable_path_is_refused_before_any_rotation(tmp_path: Path, name: str, make: Any, what: str) -> None:
    path = type(tmp_path)(name) if name.startswith(("/", "~")) else tmp_path / name
    make(path)

    with pytest.raises(TokenFileUnusable, match=what), TokenFile(path).locked():
        pytest.fail("it was locked")


@pytest.mark.parametrize(
    "content",
    [b'{"x":' + b"[" * 100_000, b"[]", b"{}", b'{"refresh_token": 5}', b" " * 5_000_000],
    ids=["deep", "a list", "empty", "a number", "long"],
)
def test_other_content_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokens.json").write_bytes(content)

    with pytest.raises(TokenFileUnusable, match="is not a token file of this connector"):
        TokenFile(tmp_path / "tokens.json").read(ROOT)


def test_reader_sees_the_old_tokens_during_a_replacement(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    keep(file, 1)

    with file.path.open() as old:
        keep(file, 2)
        assert "refresh-1" in old.read()

    assert file.read(ROOT) == tokens(2)


def test_tokens_are_on_disk_before_and_after_the_replacement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    done: list[str] = []

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        what = "folder" if stat.S_ISDIR(found.st_mode) else str(found.st_size)
        done.append(f"{what}{' in place' if file.path.exists() else ''}")
        real(descriptor)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", fsync)
    keep(file, 1)

    # The room, the tokens, the folder.
    assert done == [str(16 * 1024), str(file.path.stat().st_size), "folder in place"]


def test_only_the_owner_can_read_the_files_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []

    def opened(path: Any, flags: int, mode: int = 0o777) -> int:
        descriptor = real(path, flags, mode)
        if str(path).endswith(".new"):
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    real = os.open
    monkeypatch.setattr(os, "open", opened)
    before = os.umask(0)
    try:
        keep(TokenFile(tmp_path / "tokens.json"), 1)
    finally:
        os.umask(before)

    assert modes == [0o600]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
