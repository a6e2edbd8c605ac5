"""Scenarios that end in PostgreSQL: the whole pipeline, and the target's settings."""

from __future__ import annotations

from contextlib import contextmanager
from string import Template
from typing import TYPE_CHECKING, NamedTuple

from tools.bench.contenders import BENCH
from tools.bench.environments import LeftOutError
from tools.bench.feeds import Feed
from tools.bench.process import RunFailedError, measure, serving
from tools.bench.results import Promise, Result
from tools.bench.rounds import Rounds, cpu, peak, wall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.bench.process import Measure
    from tools.bench.rounds import Bench
    from tools.postgres import Postgres

ITEMS = 15_000
SETTINGS_ITEMS = 5_000
TARGET = "target-postgres"


class Settings(NamedTuple):
    """Settings of target-postgres that decide its speed."""

    use_copy: bool = True
    validate_records: bool = False
    batch_size_rows: int = 10_000

    @property
    def told(self) -> str:
        """As ``meltano.yml`` would have them."""
        return ", ".join(f"`{name}: {str(value).lower()}`" for name, value in self._asdict().items())


SHIPPED = Settings()
OTHERS = (Settings(batch_size_rows=1_000), Settings(use_copy=False, validate_records=True))


class Loader:
    """The target, loading into one new database after the other.

    Args:
        bench: The run.
        postgres: The server of the databases.
    """

    def __init__(self, bench: Bench, postgres: Postgres) -> None:
        self._bench = bench
        self._postgres = postgres
        self._program = bench.environments.programs("target_postgres") / TARGET
        self._databases = 0

    def load(self, source: Feed | Path, settings: Settings, items: int) -> Measure:
        """Load what a feed or a file holds, so many export items; return the target's measure.

        Raises:
            RunFailedError: A process failed, or rows are missing.
        """
        self._databases += 1
        database = f"bench{self._databases}"
        self._postgres.create_database(database)
        folder = self._bench.folder()
        values = {name: str(value).lower() for name, value in settings._asdict().items()}
        config = Template((BENCH / "pipeline" / "target.json").read_text())
        (folder / "target.json").write_text(config.substitute(values, database=self._postgres.url(database)))
        with source.flowing() if isinstance(source, Feed) else source.open("rb") as messages:
            found = measure(
                [str(self._program), "--config", "target.json"],
                env=self._bench.environment(folder),
                cwd=folder,
                mark=b"bookmarks",
                stdin=messages,
            )
        with self._postgres.connect(database) as connection:
            row = connection.execute("SELECT count(*) FROM pleo.export_items").fetchone()
        if row != (items,):
            raise RunFailedError(f"{TARGET}: {row} rows in the database instead of {items}")
        return found


def pipeline(bench: Bench) -> Result:
    """Measure the target fed by the tap, and the mapper, against the target fed from a file."""
    with _loader(bench) as loader, serving(ITEMS) as server:
        feed = Feed(bench, server, mapped=True)
        sources: dict[str, Feed | Path] = {f"{TARGET} from a file": feed.recorded(), f"{feed.name}, {TARGET}": feed}
        rounds = Rounds({name: [] for name in sources})
        for turn in bench.turns(3):
            # Every other round the other way about, so that a machine that becomes slower favours neither.
            for name, source in list(sources.items())[:: -1 if turn % 2 else 1]:
                rounds.measures[name].append(loader.load(source, SHIPPED, ITEMS))
    result = Result(
        "Pipeline",
        f"{ITEMS:,} export items, all three streams, into a new database of a local PostgreSQL server, with "
        f"{SHIPPED.told}. The file holds what the processes in front of the target write. {rounds.told}",
        ("", "wall ratio", "wall s", "target's CPU s"),
        rounds.rows(ratios=(wall,), medians=(wall, cpu)),
        notes=[]
        if feed.mapped
        else ["The mapper is not installed here: the promise, which includes it, is not shown."],
    )
    chain = f"{feed.name}, {TARGET}"
    what = f"Wall time of {chain} in a row to that of {TARGET} from a file"
    if feed.mapped:
        result.promises.append(Promise(what, 1.1, rounds.ratios(chain, wall)))
    return result


def loader_settings(bench: Bench) -> Result:
    """Measure the target's settings, fed from a file."""
    rounds = Rounds({settings.told: [] for settings in (SHIPPED, *OTHERS)})
    with _loader(bench) as loader:
        with serving(SETTINGS_ITEMS) as server:
            file = Feed(bench, server, mapped=False).recorded()
        for _ in bench.turns(1):
            for settings in (SHIPPED, *OTHERS):
                rounds.measures[settings.told].append(loader.load(file, settings, SETTINGS_ITEMS))
    return Result(
        "Loader settings",
        f"{TARGET} from a file of what the tap writes for {SETTINGS_ITEMS:,} export items, by its settings. "
        f"{rounds.told}",
        ("", "wall ratio", "wall s", "CPU s", "peak MiB"),
        rounds.rows(ratios=(wall,), medians=(wall, cpu), whole=(peak,)),
    )


@contextmanager
def _loader(bench: Bench) -> Iterator[Loader]:
    """Run a PostgreSQL server while the block lasts."""
    try:
        # Heavy, and its memory would count as the floor of what is measured before.
        from tools.postgres import PostgresError, running  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise LeftOutError(f"the package {error.name} is not installed here") from None
    try:
        with running() as postgres:
            yield Loader(bench, postgres)
    except PostgresError as error:
        raise LeftOutError(str(error)) from None
