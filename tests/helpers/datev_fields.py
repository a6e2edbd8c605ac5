"""DATEV's field patterns for a Buchungsstapel of version 13, as a table: what its pages say of each field.

Sources: https://developer.datev.de/datev/platform/de/dtvf/formate/header and …/formate/buchungsstapel. The expressions
are ours, after the pages' own. They do not know accounts, keys or cost centres of a client.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

_DAY = r"(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])"
_YEAR_FIRST = r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"


def _text(length: int, characters: str = r'[^"\x00-\x1f]|""') -> str:
    return f'"({characters}){{0,{length}}}"'


HEADER = {
    1: ("Kennzeichen", '"EXTF"'),
    2: ("Versionsnummer", "700"),
    3: ("Formatkategorie", "21"),
    4: ("Formatname", '"Buchungsstapel"'),
    5: ("Formatversion", "13"),
    6: ("Erzeugt am", _YEAR_FIRST + r"([01]\d|2[0-3])[0-5]\d[0-5]\d\d{3}"),
    7: ("Importiert: must be empty", ""),
    8: ("Herkunft", r'"\w{0,2}"'),
    9: ("Exportiert von", r'"\w{0,25}"'),
    10: ("Importiert von: must be empty", '""'),
    11: ("Berater", r"(100[1-9]|10[1-9]\d|1[1-9]\d\d|[2-9]\d{3}|\d{5,7})"),
    12: ("Mandant", r"[1-9]\d{0,4}"),
    13: ("WJ-Beginn", _YEAR_FIRST),
    14: ("Sachkontenlänge", "[4-8]"),
    15: ("Datum von", _YEAR_FIRST),
    16: ("Datum bis", _YEAR_FIRST),
    17: ("Bezeichnung", r'"[\w.\-/ ]{0,30}"'),
    18: ("Diktatkürzel", '"([A-Z]{2})?"'),
    19: ("Buchungstyp: 1 is Finanzbuchführung", "[12]"),
    20: ("Rechnungslegungszweck", "(0|30|40|50|64)"),
    21: ("Festschreibung", "[01]"),
    22: ("WKZ", '"[A-Z]{3}"'),
    23: ("reserved", ""),
    24: ("Derivatskennzeichen", '""'),
    25: ("reserved", ""),
    26: ("reserved", ""),
    27: ("Sachkontenrahmen", r'"(\d{2})?"'),
    28: ("ID der Branchenlösung", ""),
    29: ("reserved", ""),
    30: ("reserved", '""'),
    31: ("Anwendungsinformation", _text(16)),
}
FIELDS = {
    1: ("Umsatz: positive, decimal comma", r"\d{1,10},\d{2}"),
    2: ("Soll/Haben, of field 7", '"(S|H)"'),
    3: ("WKZ Umsatz: ISO code", '"[A-Z]{3}"'),
    7: ("Konto", r"\d{1,9}"),
    8: ("Gegenkonto", r"\d{1,9}"),
    9: ("BU-Schlüssel", r'"(\d{4})?"'),
    10: ("Belegdatum: TTMM", _DAY),
    11: ("Belegfeld 1", r'"[A-Za-z0-9$&%*+\-/]{0,36}"'),
    14: ("Buchungstext", _text(60)),
    20: ("Beleglink", _text(210)),
    **{place: ("Beleginfo - Art", _text(20)) for place in range(21, 37, 2)},
    **{place: ("Beleginfo - Inhalt", _text(210)) for place in range(22, 37, 2)},
    37: ("KOST1", r'"[\w ]{0,36}"'),
    38: ("KOST2", r'"[\w ]{0,36}"'),
    114: ("Festschreibung", "[01]"),
    117: ("Fälligkeit: TTMMJJJJ", rf"({_DAY}20\d\d)?"),
    118: ("Generalumkehr", '"[01]?"'),
}
"""Every other field stays empty."""
COLUMNS = 125


def check(content: bytes) -> list[list[str]]:
    """Check a file, and return its rows, unquoted.

    Raises:
        AssertionError: Naming line, field and text of the first violation.
    """
    text = content.decode("cp1252")
    assert text.endswith("\r\n")
    header, names, *rows = [_split(line) for line in text.removesuffix("\r\n").split("\r\n")]
    _match(header, HEADER, "header")
    assert len(header) == len(HEADER)
    assert len(names) == COLUMNS
    _check_period(header)
    for number, row in enumerate(rows, 3):
        assert len(row) == COLUMNS, f"line {number}: {len(row)} fields"
        _match(row, FIELDS, f"line {number}")
        assert Decimal(row[0].replace(",", ".")) > 0, f"line {number}: Umsatz is zero"
        for place in (7, 8):
            assert len(row[place - 1]) <= int(header[13]) + 1, f"line {number}: account {row[place - 1]}"
        day = datetime.strptime(row[9] + header[14][:4], "%d%m%Y").strftime("%Y%m%d")  # noqa: DTZ007 - a day
        assert header[14] <= day <= header[15], f"line {number}: Belegdatum {row[9]}"
    return [[field[1:-1].replace('""', '"') if field.startswith('"') else field for field in row] for row in rows]


def _check_period(header: list[str]) -> None:
    assert header[12] <= header[14] <= header[15]
    assert header[14][:4] == header[15][:4], "two years: TTMM would be ambiguous"


def _split(line: str) -> list[str]:
    """Return the fields as written, with their quotes."""
    assert "\n" not in line
    return re.findall(r'(?:^|(?<=;))("(?:[^"]|"")*"|[^";]*)(?=;|$)', line)


def _match(fields: list[str], table: dict[int, tuple[str, str]], place: str) -> None:
    for number, field in enumerate(fields, 1):
        name, expression = table.get(number, ("not used", '("")?'))
        assert re.fullmatch(expression, field), f"{place}, field {number} ({name}): {field}"
