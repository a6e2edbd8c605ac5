"""When a page is done and when a job is complete."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.api.paging import Page, PageInfo
from tap_pleo_export.tap.completeness import ChangeDetector, JobProgress, StallDetector, some
from tap_pleo_export.tap.job_item_ids import JobItemIds

ITEMS = st.lists(st.uuids().map(str), unique=True, max_size=30)


def listed(items: list[str]) -> JobItemIds:
    ids = JobItemIds()
    for id_ in items:
        ids.expect(id_, "pending")
    return ids


def read(items: list[str], cuts: list[int], ids: JobItemIds) -> JobProgress:
    """Read items in pages that end at the cuts; some pages are empty."""
    progress = JobProgress(page_size=10)
    bounds = [0, *sorted(min(cut, len(items)) for cut in cuts), len(items)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        keys = [key for key in map(key_of, items[start:end]) if ids.see(key, f"seen {number}")[0]]
        progress = progress.after_page(f"cursor {number}", keys)
    return progress


@given(items=ITEMS, cuts=st.lists(st.integers(0, 30)), random=st.randoms())
def test_a_job_is_complete_however_its_items_come_in_pages(items: list[str], cuts: list[int], random: Random) -> None:
    ids = listed(items)
    in_another_order = list(items)
    random.shuffle(in_another_order)

    progress = read(in_another_order, cuts, ids)

    assert progress.disagreement(ids) is None
    assert (progress.page, progress.items) == (len(cuts) + 1, len(items))


@given(control=ITEMS, data=ITEMS, common=ITEMS, cuts=st.lists(st.integers(0, 30)))
def test_it_is_complete_only_if_both_layers_list_the_same_items(
    control: list[str], data: list[str], common: list[str], cuts: list[int]
) -> None:
    ids = listed([*dict.fromkeys(control + common)])
    shown = [*dict.fromkeys(common + data)]

    what = read(shown, cuts, ids).disagreement(ids)

    assert (what is None) == ({*control, *common} == {*data, *common})
    if what:
        missing, unknown = {*control} - {*shown}, {*data} - {*control, *common}
        assert sum(id_ in what for id_ in missing) == min(10, len(missing))
        assert (f"{len(unknown)} without a job item" in what) == bool(unknown)


@given(items=ITEMS, cut=st.integers(0, 30))
def test_pages_read_in_an_earlier_run_count(items: list[str], cut: int) -> None:
    earlier = listed(items)
    before = JobProgress(page_size=10).after_page("c", [key_of(id_) for id_ in items[:cut]])
    ids = listed(items)

    after = before.after_page(None, [key for key in map(key_of, items[cut:]) if ids.see(key, "")[0]])

    assert after.disagreement(ids) is None
    assert after.digest == earlier.digest()
    assert (before.cursor, after.cursor) == ("c", None)


def test_a_restart_forgets_all_but_the_page_size() -> None:
    progress = JobProgress(page_size=7, page=3, cursor="c", items=21, digest=5, complete=True)

    assert progress.restarted() == JobProgress(page_size=7)


def test_completion_changes_nothing_else() -> None:
    progress = JobProgress(page_size=7, page=3, cursor="c", items=21, digest=5)

    assert not progress.complete
    assert progress.completed() == JobProgress(page_size=7, page=3, cursor="c", items=21, digest=5, complete=True)


def test_a_disagreement_lists_the_known_ids() -> None:
    ids = listed(["both", "listed twice", "listed once"])
    ids.unusable = 2

    what = read(["both", "shown twice", "shown once"], [], ids).disagreement(ids)

    assert what == (
        "3 job items, 3 export items; 2 of the job items unusable; 2 without an export item: "
        "listed once, listed twice; 2 without a job item: seen 0, seen 0"
    )


def test_unusable_job_items_alone_are_a_disagreement() -> None:
    ids = listed(["a"])
    ids.unusable = 1

    assert read(["a"], [], ids).disagreement(ids) == "1 job items, 1 export items; 1 of the job items unusable"


def test_as_many_items_as_expected_but_others_are_a_disagreement() -> None:
    ids = listed(["a"])
    earlier = JobProgress(page_size=10).after_page("c", [key_of("b")])

    assert earlier.disagreement(ids) == "1 job items, 1 export items; 1 without an export item: a"


@pytest.mark.parametrize(
    ("count", "named"),
    [(0, ""), (1, "0"), (10, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"), (11, "0, 1, 10, 2, 3, 4, 5, 6, 7, 8, …")],
)
def test_at_most_ten_ids_are_named(count: int, named: str) -> None:
    assert some([str(number) for number in range(count)]) == named


def test_an_id_of_any_length_is_named_on_one_line_and_cut() -> None:
    named = some(["a\nforged \x1b[31m", "b" * 1_000_000])

    assert named.startswith(r"a forged \x1b[31m, bbb")
    assert named.isprintable()
    assert len(named) < 350


def page_with(total: object) -> Page[str]:
    return Page([], PageInfo(has_next_page=True, total=total))


@pytest.mark.parametrize(
    ("pages", "hinted"),
    [
        ([("export items", 3, 0), ("export items", 3, 0), ("job items", 4, 0)], False),
        ([("export items", 3, 0), ("export items", None, 0), ("export items", 3, 0)], False),
        ([("export items", 3, 0), ("export items", 4, 0), ("export items", 4, 0)], True),
        ([("export items", None, 1), ("export items", None, 0)], True),
    ],
    ids=["one total for each list", "pages without a total", "another total", "a repeated row"],
)
def test_changes_are_noticed(pages: list[tuple[str, object, int]], hinted: bool) -> None:
    changes = ChangeDetector()
    for listing, total, repeated in pages:
        changes.after_page(listing, page_with(total), repeated)

    assert changes.hinted is hinted


def test_a_hundred_pages_without_anything_new_are_too_many() -> None:
    stall = StallDetector()

    assert not any(stall.after_page(new) for new in [0] * 99 + [1] + [0] * 99)
    assert stall.after_page(0)
