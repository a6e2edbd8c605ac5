"""Reads reference lists from files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

_FIRST_DELIMITER = re.compile(r'^(?:"(?:[^"]|"")*"|[^,;\t]*)([,;\t])')


class ReferenceListError(ValueError):
    """A reference list cannot be used; the message does not quote the file."""


def reference_list(source: list[str] | str) -> frozenset[str]:
    """Return the values of a reference list.

    Args:
        source: The values, or the path of a file: a JSON array of strings if it ends with `.json`, otherwise UTF-8
            text or the first column of a CSV.

    Raises:
        ReferenceListError: The file cannot be read or is not a list of strings.
    """
    values = source if isinstance(source, list) else _read(Path(source))
    return frozenset(filter(None, (value.strip() for value in values)))


def _read(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as problem:
        raise ReferenceListError(f"cannot read {str(path)!r}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ReferenceListError(f"{str(path)!r} is not UTF-8 text: save it as UTF-8") from None
    return _from_json(path, text) if path.suffix.lower() == ".json" else _from_csv(text)


def _from_json(path: Path, text: str) -> list[str]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise ReferenceListError(f"{str(path)!r} is not JSON: expected an array of strings") from None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ReferenceListError(f'{str(path)!r} is not an array of strings: write codes in quotes, such as "0400"')
    return values


def _from_csv(text: str) -> list[str]:
    lines = text.splitlines()
    delimiter = next((found[1] for line in lines[:1] if (found := _FIRST_DELIMITER.match(line))), ",")
    return [row[0] for row in csv.reader(lines, delimiter=delimiter) if row]
