"""A request passes at most twelve functions of the package from the stream to the socket."""

from __future__ import annotations

import sys
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import pytest
from requests.adapters import HTTPAdapter

import tap_pleo_export
from sandbox import Sandbox
from tap_pleo_export.tap.plugin import TapPleoExport

PACKAGE = str(Path(tap_pleo_export.__file__).parent)
MAX_FRAMES = 12
LISTS = {"/v3/export-jobs", "/v3/export-jobs/{job}/items", "/v3/export-items"}


def our_frames(frame: FrameType) -> list[str]:
    """Return the functions of the package between the stream's sync, or the start of a thread, and a frame."""
    names: list[str] = []
    for caller, _ in traceback.walk_stack(frame):
        if caller.f_code.co_filename.startswith(PACKAGE):
            names.append(caller.f_code.co_qualname)
        if caller.f_code.co_name == "_sync_records":
            break
    return names


@pytest.mark.parametrize(
    "selected", [["export_jobs", "export_job_items", "export_items"], ["export_items"]], ids=["all", "items"]
)
def test_at_most_twelve_frames_lead_to_the_socket(
    pleo: Sandbox, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, selected: list[str]
) -> None:
    pleo.max_limit = 10
    job = pleo.add_job(items=45)
    deepest: dict[tuple[str, bool], list[str]] = {}
    send = HTTPAdapter.send

    def measured(adapter: HTTPAdapter, request: Any, *args: Any, **kwargs: Any) -> Any:
        path = urlsplit(request.url).path.replace(job.id, "{job}")
        key = path, threading.current_thread() is threading.main_thread()
        deepest[key] = max(deepest.get(key, []), our_frames(sys._getframe()), key=len)
        return send(adapter, request, *args, **kwargs)

    monkeypatch.setattr(HTTPAdapter, "send", measured)
    tap = TapPleoExport(config=config | {"page_size": 10})
    for name, stream in tap.streams.items():
        stream.metadata.root.selected = name in selected

    tap.sync_all()
    tap.close()

    assert {path for path, _ in deepest} == LISTS
    assert any(not main for _, main in deepest)
    too_deep = {key: frames for key, frames in deepest.items() if len(frames) > MAX_FRAMES}
    assert too_deep == {}
