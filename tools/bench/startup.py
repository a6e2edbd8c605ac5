"""Scenario: how long the tap takes to do next to nothing, against importing the SDK it stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench.environments import OWN
from tools.bench.process import measure
from tools.bench.results import Promise, Result
from tools.bench.rounds import Rounds, cpu, wall

if TYPE_CHECKING:
    from tools.bench.rounds import Bench

ROUNDS = 7
LIMIT = 1.3
IMPORT = "import singer_sdk"
# Name, command, exit code.
COMMANDS = (
    (f'python -c "{IMPORT}"', ("python", "-c", IMPORT), 0),
    ("tap-pleo-export --version", ("tap-pleo-export", "--version"), 0),
    ("tap-pleo-export --discover", ("tap-pleo-export", "--discover"), 0),
    ("tap-pleo-export, settings refused", ("tap-pleo-export", "--config", "config.json"), 1),
)


def startup(bench: Bench) -> Result:
    """Measure commands that read nothing from Pleo."""
    folder = bench.folder()
    (folder / "config.json").write_text("{}")
    rounds = Rounds({name: [] for name, _, _ in COMMANDS})
    for _ in bench.turns(ROUNDS):
        for name, (program, *arguments), code in COMMANDS:
            command = [str(OWN / program), *arguments]
            rounds.measures[name].append(
                measure(command, env=bench.environment(folder), cwd=folder, mark=b"\n\n", exit_code=code)
            )
    return Result(
        "Startup",
        f"Commands that make no request. {rounds.told}",
        ("", "wall ratio", "CPU ratio", "wall s", "CPU s"),
        rounds.rows(ratios=(wall, cpu), medians=(wall, cpu)),
        [
            Promise(f"Wall time of {name} to that of importing the SDK", LIMIT, rounds.ratios(name, wall))
            for name, _, _ in COMMANDS[1:]
        ],
    )
