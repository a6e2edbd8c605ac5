"""Reference lists that a user keeps in files: the only I/O of the package."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

_FIRST_DELIMITER = re.compile(r'^(?:"(?:[^"]|"")*"|[^,;\t]*)([,;\t])')


class ReferenceListError(ValueError):
    """A reference list cannot be used; the message says why, without the file's content."""


def reference_list(source: list[str] | str) -> frozenset[str]:
    """Return the values of a reference list.

    Args:
        source: The values, or the path of a file: `.json` holds an array of strings, any other is read as
            UTF-8 text or CSV, of which the first column counts.

    Raises:
        ReferenceListError: The file cannot be read, or does not hold a list of strings.
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
