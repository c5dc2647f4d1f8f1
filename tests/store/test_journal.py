from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import trio

from builders_store import NOW_S, a_row, a_store_at_work, let_the_file_grow
from simfleet.store import JournalLimits, LogRow, Store, journal, logs, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

QUICKLY = JournalLimits(retry_s=0.01)


def accounts_for_everything(store: Store) -> bool:
    counts = store.journal.counts()
    return counts.appended == (counts.stored + counts.queued + counts.dropped + counts.unstored)


def append_all(store: Store, rows: Iterable[LogRow]) -> list[int]:
    return [store.journal.append(row) for row in rows]


async def until(store: Store, **wanted: object) -> None:
    """Wait until the journal counts say so."""
    with trio.fail_after(20):
        while any(  # noqa: ASYNC110  # counts are polled by whoever reads them
            getattr(store.journal.counts(), name) != is_ for name, is_ in wanted.items()
        ):
            await trio.sleep(0.005)


# ── writing and reading ──────────────────────────────────────────────────────────────────────────


async def test_what_was_appended_can_be_read_at_once_newest_first(tmp_path: Path) -> None:
    async with a_store_at_work(tmp_path / "s.db") as store:
        rows = [a_row(frame=b"%d" % number, at_wall_s=NOW_S + number) for number in range(5)]
        assert append_all(store, rows) == [1, 2, 3, 4, 5]
        assert await store.logs(1) == rows[::-1]


async def test_rows_are_written_without_being_asked_for(tmp_path: Path) -> None:
    async with a_store_at_work(tmp_path / "s.db") as store:
        append_all(store, [a_row() for _ in range(3)])
        await until(store, stored=3)
        append_all(store, [a_row() for _ in range(2_500)])
        await until(store, stored=2_503, queued=0)


async def test_each_filter_keeps_what_it_names(tmp_path: Path) -> None:
    async with a_store_at_work(tmp_path / "s.db") as store:
        append_all(
            store,
            [
                a_row(),  # 1
                a_row(direction="received", message_type="CALLRESULT"),  # 2
                a_row(chargepoint_id="SIM-2"),  # 3
                a_row(action="BootNotification"),  # 4
                a_row(2),  # 5
                a_row(),  # 6
            ],
        )

        async def ids(user_id: int = 1, **filters: object) -> list[int]:
            return [row.id for row in await store.logs(user_id, **filters)]  # type: ignore[arg-type]

        assert await ids() == [6, 4, 3, 2, 1]
        assert await ids(2) == [5]
        assert await ids(3) == []
        assert await ids(chargepoint_id="SIM-1") == [6, 4, 2, 1]
        assert await ids(2, chargepoint_id="SIM-2") == []
        assert await ids(direction="sent") == [6, 4, 3, 1]
        assert await ids(message_type="CALLRESULT") == [2]
        assert await ids(action="BootNotification") == [4]
        assert await ids(since_id=2) == [6, 4, 3]
        assert await ids(before_id=4) == [3, 2, 1]
        assert await ids(since_id=1, before_id=6, limit=2) == [4, 3]
        assert await ids(since_id=10**30) == []
        assert await ids(before_id=10**30, limit=1) == [6]
        assert await ids(since_id=-(10**30), limit=10**30) == [6, 4, 3, 2, 1]
        assert await ids(limit=-1) == []


async def test_an_answer_holds_only_so_many_rows_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LIST_LIMIT_MAX", 4)
    monkeypatch.setattr(logs, "LOGS_BYTES_MAX", 100)
    async with a_store_at_work(tmp_path / "s.db") as store:
        append_all(store, [a_row(frame=b"x" * size) for size in (500, 60, 30, 3, 2, 1, 0)])
        assert [row.id for row in await store.logs(1, limit=100)] == [7, 6, 5, 4]
        assert [row.id for row in await store.logs(1, before_id=5)] == [4, 3, 2]
        assert [row.id for row in await store.logs(1, before_id=2)] == [
            1
        ]  # alone, though too large


@pytest.mark.parametrize(
    "filters",
    [{}, {"chargepoint_id": "A"}, {"since_id": 5}, {"chargepoint_id": "A", "before_id": 5}],
)
async def test_the_newest_rows_are_found_by_index(
    tmp_path: Path, filters: dict[str, object]
) -> None:
    async with open_store(tmp_path / "s.db") as store:
        asked: list[str] = []
        store._database._reader.set_trace_callback(asked.append)
        await store.logs(1, **filters)  # type: ignore[arg-type]
        (select,) = [statement for statement in asked if statement.startswith("SELECT")]
        plan = store._database._reader.execute(f"EXPLAIN QUERY PLAN {select}").fetchall()
    assert all(re.search(r"SEARCH logs USING INDEX logs_of_", step[3]) for step in plan), plan


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────


async def test_ids_go_on_after_an_orderly_restart(tmp_path: Path) -> None:
    for begin in (1, 4, 7):
        async with a_store_at_work(tmp_path / "s.db") as store:
            assert append_all(store, [a_row() for _ in range(3)]) == [begin, begin + 1, begin + 2]


async def test_ids_of_rows_that_were_never_stored_do_not_come_back(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:  # nobody writes
        append_all(store, [a_row() for _ in range(3)])
    async with open_store(tmp_path / "s.db") as store:
        assert store.journal.append(a_row()) == 4


async def test_ids_are_taken_anew_before_they_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "IDS_AHEAD", 10)
    async with a_store_at_work(tmp_path / "s.db") as store:
        for _ in range(30):
            last = store.journal.append(a_row())
            assert await store.journal.flush(within_s=10)
            (taken,) = store._database._reader.execute("SELECT next FROM log_ids").fetchone()
            assert taken > last


# ── limits ───────────────────────────────────────────────────────────────────────────────────────


async def test_rows_beyond_the_queue_are_dropped_and_counted(tmp_path: Path) -> None:
    limits = JournalLimits(queue_rows=10)
    async with a_store_at_work(tmp_path / "s.db", limits=limits) as store:
        ids = append_all(store, [a_row() for _ in range(15)])
        assert ids == list(range(1, 16))
        assert (store.journal.counts().dropped, store.journal.counts().queued) == (5, 10)
        assert [row.id for row in await store.logs(1)] == list(range(10, 0, -1))
        store.journal.append(a_row())
        assert [row.id for row in await store.logs(1, limit=1)] == [16]
        assert accounts_for_everything(store)


async def test_listeners_get_every_row_with_its_id_also_one_without_room(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db", journal=JournalLimits(queue_rows=1)) as store:
        heard: list[int] = []
        store.journal.listeners.append(lambda row: heard.append(row.id))
        assert append_all(store, [a_row() for _ in range(3)]) == heard
        assert store.journal.counts().dropped == 2


async def test_the_queue_is_bounded_in_bytes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "QUEUE_BYTES_MAX", 1_000)
    async with a_store_at_work(tmp_path / "s.db") as store:
        append_all(store, [a_row(frame=b"x" * 400) for _ in range(3)])
        assert store.journal.counts().dropped == 1
        assert await store.journal.flush(within_s=10)
        append_all(store, [a_row(frame=b"x" * 400) for _ in range(2)])
        assert store.journal.counts().dropped == 1


async def test_the_oldest_rows_beyond_the_number_kept_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FORGET_ROWS", 20)
    limits = JournalLimits(rows_max=100)
    path = tmp_path / "s.db"
    async with a_store_at_work(path, limits=limits) as store:
        for _ in range(10):
            append_all(store, [a_row() for _ in range(50)])
            assert await store.journal.flush(within_s=10)
        counts = store.journal.counts()
        assert 100 <= counts.rows <= 170  # one batch, and less than one step, beyond
        assert counts.forgotten == 500 - counts.rows
        kept = [row.id for row in await store.logs(1, limit=1_000)]
        assert kept == list(range(500, 500 - len(kept), -1))
    async with a_store_at_work(path, limits=JournalLimits(rows_max=10)) as store:
        store.journal.append(a_row())
        await until(store, rows=10)  # the first look goes all the way
        assert [row.id for row in await store.logs(1)] == list(range(501, 491, -1))


async def test_rows_beyond_their_age_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FORGET_ROWS", 7)
    path, limits = tmp_path / "s.db", JournalLimits(age_max_s=60.0)
    async with a_store_at_work(path, limits=limits) as store:
        append_all(store, [a_row(at_wall_s=NOW_S - 30 + number) for number in range(30)])
        assert store.journal.counts().forgotten == 0
    async with a_store_at_work(path, limits=limits, wall_s=NOW_S + 50) as store:
        store.journal.append(a_row(at_wall_s=NOW_S + 50))
        await until(store, forgotten=20)
        assert min(row.at_wall_s for row in await store.logs(1)) == NOW_S - 10


# ── trouble ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_full_disk_delays_rows_and_costs_those_that_no_longer_fit_the_queue(
    tmp_path: Path,
) -> None:
    limits = JournalLimits(queue_rows=300, retry_s=0.01)
    async with a_store_at_work(tmp_path / "s.db", limits=limits) as store:
        let_the_file_grow(store, pages=2)
        append_all(store, [a_row(frame=b"x" * 500) for _ in range(200)])
        await until(store, failing="database or disk is full")
        append_all(store, [a_row(frame=b"x" * 500) for _ in range(200)])
        counts = store.journal.counts()
        assert (counts.stored, counts.queued, counts.unstored, counts.dropped) == (0, 300, 100, 0)
        assert await store.logs(1) == []  # reading goes on
        let_the_file_grow(store, pages=None)
        await until(store, failing="", stored=300, queued=0)
        store.journal.append(a_row())
        assert [row.id for row in await store.logs(1, limit=2)] == [401, 300]
        assert accounts_for_everything(store)


async def test_rows_that_the_disk_refuses_to_the_end_are_counted_and_the_end_comes(
    tmp_path: Path,
) -> None:
    with trio.fail_after(20):
        async with a_store_at_work(tmp_path / "s.db", limits=QUICKLY) as store:
            let_the_file_grow(store, pages=2)
            append_all(store, [a_row(frame=b"x" * 500) for _ in range(200)])
            await until(store, failing="database or disk is full")
    counts = store.journal.counts()
    assert (counts.stored, counts.queued, counts.unstored) == (0, 0, 200)


async def test_somebody_elses_long_write_delays_rows_and_loses_none(tmp_path: Path) -> None:
    async with (
        a_store_at_work(tmp_path / "s.db", limits=QUICKLY) as store,
        open_store(tmp_path / "s.db", service=False) as other,
    ):
        store._database._writer.execute("PRAGMA busy_timeout = 10")
        other._database._writer.execute("BEGIN IMMEDIATE")
        append_all(store, [a_row() for _ in range(10)])
        await until(store, failing="database is locked")
        other._database._writer.execute("ROLLBACK")
        await until(store, failing="", stored=10)


async def test_a_row_that_no_database_can_hold_does_not_keep_the_others_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_store_at_work(tmp_path / "s.db") as store:
        append_all(store, [a_row(), a_row(action="\ud800"), a_row()])
        assert [row.id for row in await store.logs(1)] == [3, 1]
        assert store.journal.counts().unstored == 1
        assert accounts_for_everything(store)
    assert "cannot be stored" in caplog.text


async def test_everything_appended_is_written_when_the_writer_is_stopped(tmp_path: Path) -> None:
    async with a_store_at_work(tmp_path / "s.db") as store:
        append_all(store, [a_row() for _ in range(12_345)])
    assert (store.journal.counts().stored, store.journal.counts().queued) == (12_345, 0)
    async with open_store(tmp_path / "s.db") as store:
        assert store.journal.counts().rows == 12_345


async def test_without_a_writer_nothing_waits(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        store.journal.append(a_row())
        with trio.fail_after(5):
            assert not await store.journal.flush(within_s=60)


async def test_the_fault_that_sent_a_frame_is_kept_with_it(tmp_path: Path) -> None:
    async with a_store_at_work(tmp_path / "s.db") as store:
        store.journal.append(a_row())
        faulty = a_row()
        faulty.injected = "frozen_meter"
        store.journal.append(faulty)
        assert await store.journal.flush(within_s=5)
        assert [row.injected for row in await store.logs(1)] == ["frozen_meter", ""]
