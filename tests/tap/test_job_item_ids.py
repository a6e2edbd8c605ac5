"""The compact set of a job's ids against a plain dictionary."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.tap import job_item_ids as ids
from tap_pleo_export.tap.job_item_ids import DIGEST_MODULUS, JobItemIds, digest_of, unlisted

UUIDS = st.uuids().map(str)
IDS = UUIDS | UUIDS.map(str.upper) | st.text(min_size=1, max_size=40)
STATUSES = st.sampled_from([None, "pending", "in_progress", "successful", "status of tomorrow"])


@given(listed=st.lists(st.tuples(IDS, STATUSES)), shown=st.lists(IDS), data=st.data())
def test_it_behaves_as_a_dictionary_by_key(
    listed: list[tuple[str, str | None]], shown: list[str], data: st.DataObject
) -> None:
    compact = JobItemIds()
    plain: dict[bytes, tuple[str, str | None]] = {}
    for id_, status in listed:
        assert compact.expect(id_, status) is (key_of(id_) not in plain)
        plain.setdefault(key_of(id_), (id_, status))
    if listed:
        shown += data.draw(st.lists(st.sampled_from([id_ for id_, _ in listed])))
    seen = set()
    for id_ in shown:
        key = key_of(id_)
        assert compact.see(key, id_) == (key not in seen, plain.get(key, ("", None))[1])
        seen.add(key)

    assert len(compact) == len(plain)
    assert compact.all_seen == (seen == plain.keys())
    assert sorted(map(key_of, compact.missing())) == sorted(plain.keys() - seen)
    assert {key_of(id_) for id_ in compact.unexpected} == seen - plain.keys()
    assert compact.digest() == sum(map(digest_of, plain)) % DIGEST_MODULUS


@given(UUIDS)
def test_a_uuid_is_the_same_id_in_any_case(id_: str) -> None:
    assert key_of(id_) == key_of(id_.upper()) == UUID(id_).bytes


@pytest.mark.parametrize(
    "written",
    ["no uuid", "0fa07a3f2e294065afa231e959acdd98", "{0fa07a3f-2e29-4065-afa2-31e959acd}", "0fa07a3f-2e29-4065-afa2"],
)
def test_an_id_of_another_spelling_is_named_as_pleo_wrote_it(written: str) -> None:
    compact = JobItemIds()
    compact.expect(written, "pending")

    assert list(compact.missing()) == [written]


def test_a_key_that_only_straddles_two_entries_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "BUCKETS", 1)
    compact = JobItemIds()
    for letter in ("a", "b"):
        compact.expect(str(UUID(letter * 32)), "pending")
    # The last 15 bytes of the first entry's key and its status byte.
    straddling = bytes.fromhex("aa" * 15 + "00")

    assert compact.see(straddling, "straddling") == (True, None)


NIL = str(UUID(int=0))
# The key of REAL is the last 15 bytes of both others and their status byte.
REAL, *STRADDLED = (str(UUID(text)) for text in ("aa" * 15 + "00", "aa" * 16, "bb" + "aa" * 15))


@pytest.mark.parametrize(
    ("written", "real"),
    [
        ([REAL, *STRADDLED], REAL),
        ([*STRADDLED, REAL], REAL),
        ([STRADDLED[0], REAL, STRADDLED[1]], REAL),
        ([STRADDLED[0], NIL], NIL),
    ],
)
def test_a_straddling_key_hides_no_real_one(written: list[str], real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "BUCKETS", 1)
    compact = JobItemIds()
    for id_ in written:
        compact.expect(id_, "pending")

    assert not compact.expect(real, "pending")
    assert compact.see(key_of(real), real) == (True, "pending")
    assert set(compact.missing()) == {*written} - {real}


def test_ids_of_one_bucket_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "BUCKETS", 1)
    compact = JobItemIds()
    # More statuses than an entry has numbers for.
    written = [f"id {number}" for number in range(300)]
    for id_ in written:
        assert compact.expect(id_, id_)

    assert [compact.see(key_of(id_), id_) for id_ in written] == [(True, id_) for id_ in written]
    assert [compact.see(key_of(id_), id_) for id_ in written] == [(False, id_) for id_ in written]
    assert compact.all_seen


def test_an_id_takes_about_twenty_bytes() -> None:
    compact = JobItemIds()
    for number in range(50_000):
        compact.expect(str(UUID(int=number * 2**96 + number)), "pending")

    size = sum(bucket.__sizeof__() for bucket in compact._buckets.values())
    assert size / 50_000 < 24
    assert not compact._rare_statuses


def test_digests_match_those_in_existing_states() -> None:
    assert digest_of(bytes(range(16))) == 0xF9477B91722FE719F946834577E0E8A2
    assert key_of("no uuid") == bytes.fromhex("ce6974bf63c943faaeff53e0db111786")
    assert key_of("no uuid") != key_of("NO UUID")


def test_all_seen_means_every_expected_id_and_no_other() -> None:
    compact = JobItemIds()
    assert (compact.all_seen, compact.unusable, compact.matched_late) == (True, 0, [])
    for id_ in ("a", "b", "c"):
        compact.expect(id_, None)

    seen = []
    for id_ in ("a", "b", "b", "c", "d"):
        compact.see(key_of(id_), id_)
        seen.append(compact.all_seen)

    assert seen == [False, False, False, True, False]


def expecting(*written: str) -> JobItemIds:
    compact = JobItemIds()
    for id_ in written:
        compact.expect(id_, f"status of {id_}")
    return compact


def show(compact: JobItemIds, *shown: str) -> JobItemIds:
    for id_ in shown:
        compact.see(key_of(id_), id_)
    return compact


def test_merged_ids_stay_seen() -> None:
    earlier = show(expecting("kept", "gone", "seen by neither"), "kept", "gone", "early", "foreign", "foreign")
    now = expecting("kept", "seen by neither", "early", "new")

    now.merge_seen(earlier)

    assert now.matched_late == ["early"]
    assert set(now.missing()) == {"seen by neither", "new"}
    assert {key_of(id_) for id_ in now.unexpected} == {key_of("gone"), key_of("foreign")}
    assert now.unexpected == ["gone", "foreign"]
    assert now.see(key_of("early"), "early") == (False, "status of early")
    assert now.see(key_of("new"), "new") == (True, "status of new")


@given(before=st.lists(IDS), now=st.lists(IDS), shown=st.lists(IDS), common=st.lists(IDS))
def test_merging_equals_expecting_all_at_once(
    before: list[str], now: list[str], shown: list[str], common: list[str]
) -> None:
    earlier = show(expecting(*before, *common), *shown, *common[::2])
    at_once = show(expecting(*now, *common), *shown, *common[::2])
    later = expecting(*now, *common)

    later.merge_seen(earlier)

    assert sorted(map(key_of, later.missing())) == sorted(map(key_of, at_once.missing()))
    assert {*map(key_of, later.unexpected)} == {*map(key_of, at_once.unexpected)}
    assert later.all_seen == at_once.all_seen
    assert {*map(key_of, later.matched_late)} == {*map(key_of, [*shown, *common[::2]])} & {
        *map(key_of, [*now, *common])
    } - {*map(key_of, [*before, *common])}


def test_reset_ids_are_still_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "BUCKETS", 1)
    written = [f"id {number}" for number in range(200)]
    later = expecting(*written, "early")
    later.merge_seen(show(expecting(*written), *written[:150], "early", "foreign"))

    later.reset_seen()
    again = later

    assert (again.matched_late, again.unexpected, len(again)) == ([], [], 201)
    assert {*again.missing()} == {*written, "early"}
    assert not again.all_seen
    assert [again.see(key_of(id_), id_) for id_ in written] == [(True, f"status of {id_}") for id_ in written]
    assert again.see(key_of("early"), "early")[0]
    assert again.all_seen


@given(listed=st.lists(IDS), others=st.lists(IDS))
def test_expected_ids_are_listed_seen_or_not(listed: list[str], others: list[str]) -> None:
    compact = JobItemIds()
    for id_ in listed:
        compact.expect(id_, None)
    for id_ in others:
        compact.see(key_of(id_), id_)
    assert all(compact.lists(key_of(id_)) for id_ in listed)
    assert {key_of(id_) for id_ in others if compact.lists(key_of(id_))} <= set(map(key_of, listed))


@given(id_=IDS)
def test_unlisted_item_key_is_stable_and_unique(id_: str) -> None:
    key = unlisted(key_of(id_))
    # Written into a state by an earlier version is compared with it.
    assert key == b"?" + key_of(id_)
    assert len(key) != len(key_of(id_))


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        ("8eb648ab-464b-42a0-ba17-eda703657e33", "8eb648ab-464b-42a0-ba17-eda703657e33"),
        ("8EB648AB-464B-42A0-BA17-EDA703657E33", "8eb648ab-464b-42a0-ba17-eda703657e33"),
        ("an identifier that has the same length"[:36], "an identifier that has the same length"[:36]),
    ],
)
def test_ids_seen_before_keep_their_names(listed: str, named: str) -> None:
    earlier, now = JobItemIds(), JobItemIds()
    earlier.expect(listed, "pending")
    earlier.see(key_of(listed), listed)
    now.merge_seen(earlier)

    assert now.unexpected == [named]
