"""Texts of the source that docs/messages.md lists: those with a row by hand, and errors that state their remedy."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "tap_pleo_export"
PROGRAMS = {
    "tap": "tap-pleo-export",
    "target": "target-pleo-export",
    "validation": "map-pleo-validation",
    "attachments": "map-pleo-attachments",
    "blocked_report": "pleo-export-report",
    "doctor": "pleo-export-doctor",
    "ledger": "pleo-export-book",
    "import_files": "pleo-export-files",
    "books": "pleo-export-book, pleo-export-files",
}
"""By folder; the other folders' messages are those of tap, mappers and target."""
RAISED = re.compile(
    r"click\.ClickException|InputError|OutputError|ProjectError|ReportError|_LineError|BooksError|FileError"
    r"|ConfigurationError|LedgerUnavailable|StoreUnusable|Unsuitable"
)
"""Exceptions that end as a line for the user."""
MIN_LENGTH = 12
"""Texts shorter than this between two values are too common to search for."""
ADVICE = ("Run again", "run again", "report it", "Report it")
"""Advice that many messages end with."""


class Message(NamedTuple):
    """A text of the source, with `…` for each value."""

    path: Path
    line: int
    text: str

    @property
    def clauses(self) -> tuple[str, ...]:
        """The parts by which the text is found in the page."""
        pieces = (piece.strip() for piece in re.split(r"[….,;:]", self.text))
        return tuple(
            piece.strip(" ('") for piece in pieces if len(piece) >= MIN_LENGTH and not piece.startswith(ADVICE)
        )

    @property
    def program(self) -> str:
        """The programs that write it."""
        return PROGRAMS.get(self.path.relative_to(PACKAGE).parts[0], "tap, mappers, target")


def logged() -> Iterator[Message]:
    """Yield every WARNING and ERROR that is logged, and the texts of `errors.py`."""
    for path, node in _calls():
        name = ast.unparse(node.func)
        if name.endswith((".warning", ".error")) and node.args:
            yield Message(path, node.lineno, text(node.args[0]))
        elif path.name == "errors.py" and name == "super().__init__" and node.args:
            yield Message(path, node.lineno, text(node.args[-1]))


def raised() -> Iterator[Message]:
    """Yield the texts of the exceptions that end as a line for the user."""
    for path, node in _calls():
        if RAISED.fullmatch(ast.unparse(node.func)) and node.args:
            yield Message(path, node.lineno, text(node.args[-1]))


def text(node: ast.expr) -> str:
    """Return a text with `…` for each value."""
    if isinstance(node, ast.Constant):
        found = re.sub(r"%[\d.]*[a-z]", "…", str(node.value))
    elif isinstance(node, ast.JoinedStr):
        found = "".join(map(text, node.values))
    elif isinstance(node, ast.BinOp):
        found = text(node.left) + text(node.right)
    else:
        found = "…"
    return re.sub(r"…{2,}", "…", found)


def rows(page: str) -> str:
    """Return the rows of the page that are written by hand."""
    by_hand = re.sub(r"<!-- errors: .*?<!-- end -->", "", page, flags=re.DOTALL)
    return "\n".join(line for line in by_hand.splitlines() if line.startswith("| `"))


def without_row(page: str) -> Iterator[tuple[str, str]]:
    """Yield text and program of each raised error that no row by hand contains."""
    by_hand, seen = rows(page), set()
    for message in sorted(raised(), key=lambda message: (message.program, message.text)):
        if message.clauses and not any(clause in by_hand for clause in message.clauses) and message.text not in seen:
            seen.add(message.text)
            yield f"`{message.text.replace('`', chr(39))}`", message.program


def constants() -> Iterator[str]:
    """Yield every text of the source, in which the rows by hand must be found."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"%[\d.]*[a-z]", "…", node.value)


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node
