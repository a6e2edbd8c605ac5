"""A PUT passes at most 12 of our frames between the reader's loop and the HTTP library."""

from __future__ import annotations

import io
from pathlib import Path
from traceback import walk_stack
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

import tap_pleo_export
from sandbox import Sandbox
from tap_pleo_export.target.plugin import TargetPleoExport
from tests.helpers.target import SCHEMAS, settings_of, sizes, update, updates

MAX_FRAMES = 12
PACKAGE = str(Path(tap_pleo_export.__file__).parent)


@pytest.mark.parametrize("as_file", [False, True], ids=["descriptor", "object"])
def test_put_is_at_most_twelve_frames_deep(
    pleo: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, as_file: bool
) -> None:
    """PUTs of a full batch, of halves after a refusal, of a second try, and of the rest at the end."""
    job = pleo.add_job(items=5, status="in_progress")
    job.locked.add(list(job.item_statuses)[1])
    depths: list[list[str]] = []
    send = HTTPAdapter.send

    def measure(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "PUT":
            functions = [frame.f_code for frame, _ in walk_stack(None) if frame.f_code.co_filename.startswith(PACKAGE)]
            names = [code.co_qualname if hasattr(code, "co_qualname") else code.co_name for code in functions]
            # Count from the reader's loop, or from the method that the SDK calls at the end of the input.
            start = next(n for n, name in enumerate(names) if name.endswith(("process_lines", "process_endofpipe")))
            depths.append(names[: start + 1])
        return send(adapter, request, *args, **kwargs)

    monkeypatch.setattr(HTTPAdapter, "send", measure)
    broken = update(job, 3, externalId="\ud800")
    messages = SCHEMAS + updates(job, (0, 1)) + broken + updates(job, (2, 4))
    path = tmp_path / "input.jsonl"
    path.write_bytes(messages)
    target = TargetPleoExport(config=settings_of(pleo, batch_size=3))

    with path.open("rb") as file:
        target.listen(io.BytesIO(messages) if as_file else file)  # type: ignore[arg-type] # bytes, as our reader wants
    target.close()

    assert len(depths) == len(sizes(pleo)) > 3
    deepest = max(depths, key=len)
    assert len(deepest) <= MAX_FRAMES, deepest
