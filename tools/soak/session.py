"""A whole world, from its making to the comparison of what has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import Sandbox
from tools.expectation import expected_items
from tools.pipes import Pipes
from tools.soak.arrived import compare_database, compare_output
from tools.soak.authorisation import Authorisation
from tools.soak.growth import Growth
from tools.soak.play import Play
from tools.soak.world import populate

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tools.postgres import Postgres
    from tools.soak.figures import Figures


def play(rng: Random, folder: Path, figures: Figures, server: Postgres | None = None, *, most: int = 6) -> str:
    """Play one world and return a line about it.

    Args:
        rng: Draws the world, its settings and its disturbances.
        folder: Where settings, states and logs are kept.
        figures: Where all is counted.
        server: Where a third of the worlds loads into a database; None for no database at all.
        most: How often it is disturbed at most.

    Raises:
        SoakError: The pipeline does not finish.
    """
    loaded = rng.choice((True, False, False)) and server is not None
    database = f"soak_{figures.worlds + 1}"
    if server and loaded:
        server.create_database(database)
    with Sandbox(seed=rng.getrandbits(32)) as pleo:
        populate(pleo, rng, loadable=loaded)
        by_oauth = rng.random() < 0.6  # noqa: PLR2004 - rather often
        authorisation = Authorisation(pleo, folder / "tokens.json", pleo.refresh_token) if by_oauth else None
        pipes = Pipes(
            folder,
            {
                "api_url": pleo.url,
                **(authorisation.settings() if authorisation else {"api_key": pleo.api_key}),
                **rng.choice(({}, {"item_statuses": []})),
                "page_size": rng.choice((7, 25, 100)),
                "max_concurrent_requests": rng.choice((1, 2, 4, 8)),
                "max_retries": 2,
                "max_requests_per_minute": 100_000,
            },
            server.url(database) if server and loaded else "",
            mapped=loaded,
            loaded=loaded,
            overheard=loaded,
            # A target at DEBUG logs its batch with each row: gigabytes.
            environment={"LOGLEVEL": "DEBUG"} if rng.choice((True, False)) and not loaded else {},
            rows=rng.choice((10, 100, 1000)),
        )
        world = Play(pleo, pipes, rng, figures, Growth(pleo, rng), authorisation)
        disturbances = rng.randint(1, most)
        for _ in range(disturbances):
            world.disturb()
        world.finish()
        figures.wrong += len(world.arrived.wrong)
        if server and loaded:
            with server.connect(database) as connection:
                compare_database(pleo, connection, world.statuses, figures)
        else:
            compare_output(pleo, world.arrived, world.statuses, figures)
        figures.worlds += 1
        items, where = len(expected_items(pleo, world.statuses)), "a database" if loaded else "a file"
        return f"{len(pleo.jobs)} jobs, {items} items, into {where}, disturbed {disturbances} times"
