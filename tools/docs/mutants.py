"""Compare the survivors of `make mutants` with the reasons in docs/mutants.md, and write the figures there."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

from mutmut.mutation.diff_apply import find_mutant, get_diff_for_mutant

from tools.docs.tables import DOCS, table

PAGE = DOCS / "mutants.md"
RESULTS = DOCS.parent / "mutants"
MIN_SHARE = 0.92
# pytest's exit code: 0 is a suite that passed, 33 (mutmut's) a function that no test calls.
SURVIVED = (0, 33)
_FIGURES = re.compile(r"(<!-- figures: [^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)


def outcomes() -> dict[str, dict[str, int]]:
    """Return the exit code of the tests, by module and mutant."""
    found: dict[str, dict[str, int]] = {}
    for path in sorted(RESULTS.rglob("*.meta")):
        tried = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        if None in tried.values():
            raise ValueError(f"{path.name} has untested mutants: make mutants")
        found[_module(path)] = tried
    return found


def figures(found: dict[str, dict[str, int]]) -> str:
    """Return the table of figures."""
    rows = [
        (f"`{module}`", len(tried), sum(code not in SURVIVED for code in tried.values()))
        for module, tried in found.items()
    ]
    rows.append(("all", sum(total for _, total, _ in rows), sum(killed for *_, killed in rows)))
    return table(
        ("module", "mutants", "killed", "share"),
        ((name, str(total), str(killed), f"{killed / total:.1%}") for name, total, killed in rows if total),
    )


def survivors(found: dict[str, dict[str, int]]) -> Counter[str]:
    """Return the first three cells of each survivor's row: function, line, mutated line."""
    cells = Counter[str]()
    for module, tried in found.items():
        for mutant in (name for name, code in tried.items() if code in SURVIVED):
            function = re.sub(r"^x[_ǁ]|__mutmut_\d+$", "", mutant.rpartition(".")[2]).replace("ǁ", ".")
            shown = get_diff_for_mutant(mutant, path=find_mutant(mutant).path)
            before, after = (
                _cell(re.findall(rf"^{sign}(?!{sign * 2})(.*)$", shown, re.MULTILINE)) for sign in ("-", r"\+")
            )
            cells[f"`{module}` {function} | {before} | {after}"] += 1
    return cells


def argued_in(text: str) -> Counter[str]:
    """Return the first three cells of each row that gives a reason."""
    rows = (
        line[2:-2].split(" | ") for line in text.partition("## Survivors")[2].splitlines() if line.startswith("| `")
    )
    return Counter(" | ".join(cells[:3]) for cells in rows if len(cells) == 4 and cells[3].strip())  # noqa: PLR2004 - where, instead of, survives, because


def main() -> int:
    """Write the figures; return 1 if a survivor has no reason, a reason no survivor, or too few are killed."""
    found = outcomes()
    text = PAGE.read_text("utf-8")
    PAGE.write_text(_FIGURES.sub(lambda marks: f"{marks[1]}{figures(found)}\n{marks[2]}", text), "utf-8")
    survived, argued = survivors(found), argued_in(text)
    for cells in (survived - argued).elements():
        print(f"survived, and docs/mutants.md has no reason:\n| {cells} | |")
    for cells in (argued - survived).elements():
        print(f"docs/mutants.md has a reason, but it was killed:\n| {cells} |")
    total = sum(map(len, found.values()))
    share = 1 - survived.total() / total
    print(f"{total - survived.total()} of {total} mutants killed ({share:.1%})")
    return int(survived != argued or share < MIN_SHARE)


def _module(path: Path) -> str:
    """Return a module's name in the tables: its path in the package, the fleet's below `fleet/`."""
    name = path.relative_to(RESULTS).as_posix().removesuffix(".meta")
    return name.removeprefix("tap_pleo_export/").replace("src/dagster_pleo_export/", "fleet/")


def _cell(lines: list[str]) -> str:
    code = " ".join(line.strip() for line in lines).replace("|", r"\|")
    return f"`{code}`" if code else "(none)"


if __name__ == "__main__":
    sys.exit(main())
