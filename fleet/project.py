"""A working folder of its own for each run of the Meltano project.

Meltano writes a plugin's catalog and settings into one folder for all runs of a project: two runs at once would read
each other's half-written files, and the settings hold secrets. Plugins and, without another one, the system database
are the project's.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = ("extractors", "loaders", "mappers", "utilities", "meltano.db")


@contextmanager
def variables(project: Path) -> Iterator[dict[str, str]]:
    """Lend the environment variables that give Meltano the project, and a folder of mode 0700 in place of ``.meltano``.

    Args:
        project: The folder of ``meltano.yml``.
    """
    with tempfile.TemporaryDirectory(prefix="pleo-run-", ignore_cleanup_errors=True) as name:
        for shared in SHARED:
            (Path(name) / shared).symlink_to((project / ".meltano" / shared).resolve())
        yield {"MELTANO_PROJECT_ROOT": str(project.resolve()), "MELTANO_SYS_DIR_ROOT": name}
