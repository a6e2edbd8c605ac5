"""What a reader needs of the streams that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tap_pleo_export.api.paging import Start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.api.paging import Lookahead
    from tap_pleo_export.singer.record_decoder import Page
    from tap_pleo_export.tap.completeness import JobProgress

Context = Mapping[str, Any]
"""A Singer context: ``{"jobId": …}``."""

FIRST_PAGE = Start()


class PageSource(Protocol):
    """A stream, as far as its pages go."""

    def pages(
        self, context: Context | None = None, start: Start = FIRST_PAGE, lookahead: Lookahead | None = None
    ) -> Iterator[Page]:
        """Yield the pages, those of a context where there is one.

        Raises:
            JobError: They cannot be read to the end, with a context.
            FatalError: They cannot be read to the end.
        """

    def lookahead(self, context: Context, start: Start = FIRST_PAGE) -> Lookahead:
        """Return a way to have pages fetched before they are asked for."""


class JobSource(PageSource, Protocol):
    """The stream of export jobs."""

    def fetch_job(self, job_id: str) -> Any:  # noqa: ANN401 - a record type made at run time
        """Return one job's record.

        Raises:
            JobError: Pleo does not know it, or refuses.
        """


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are written together.

    Attributes:
        records: What to write.
        job_id: The export job that it moves on, if any.
        progress: That job's progress once the records have been written.
    """

    records: list[Any]
    job_id: str | None = None
    progress: JobProgress | None = None
