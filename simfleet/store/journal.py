"""Takes a log row per frame without waiting, and writes them in batches while the loop goes on.

`append` costs a microsecond and never fails. What is appended waits in a bounded queue for the
writer, `run`, which stores up to 1,000 rows at a time, at the latest 100 ms after they came. Every
row has its fate counted: appended = stored + queued + dropped + unstored.

When the disk is full or broken the rows wait while the writer tries again, so that a short trouble
costs nothing; what no longer fits into the queue meanwhile is counted as unstored. The service
goes on, and `counts()` says what is the matter.

Ids rise and never come back, also after `kill -9`, so that a client's "since id" always works: the
database says up to where ids may have been handed out, some way ahead of the rows, and the next
process begins there.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from simfleet.clock import real_wall_s
from simfleet.errors import StoreFailed
from simfleet.settings import DAY_S, MIB, MINUTE_S
from simfleet.store import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simfleet.store.database import Database
    from simfleet.store.logs import LogRow

BATCH_ROWS: Final = 1_000
BATCH_AGE_S: Final = 0.1
"""How long a row may wait for others to be written with."""
QUEUE_BYTES_MAX: Final = 64 * MIB
"""Frames in the queue, whatever the number of rows."""
IDS_AHEAD: Final = 100_000
"""Ids taken at a time; at most as many are skipped after a crash."""
FORGET_ROWS: Final = 5_000
"""Old rows removed in one transaction (10 ms or so); others get their turn in between."""
FORGET_EVERY_S: Final = 1.0 * MINUTE_S
"""How often rows are looked at for their age."""
LAST_FLUSH_S: Final = 5.0
"""How long the writer may go on storing after it was told to stop."""

_log = logging.getLogger(__name__)
_NOT_STORABLE = (sqlite3.Error, OverflowError, UnicodeError)


class JournalLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows may wait, and how many and how old ones are kept."""

    queue_rows: int = 50_000
    rows_max: int = 1_000_000
    """For a moment there may be FORGET_ROWS more."""
    age_max_s: float = 7.0 * DAY_S
    retry_s: float = 1.0
    """Between two attempts to write to a disk that took nothing."""


class JournalCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of every row since the service started."""

    appended: int
    stored: int
    queued: int
    dropped: int
    """Rows that came faster than they could be written."""
    unstored: int
    """Rows lost to a disk that took nothing, and rows that no database could hold."""
    forgotten: int
    """Rows removed because there were too many, or because of their age."""
    rows: int
    """Rows in the database now."""
    failing: str
    """Why nothing can be stored just now; "" when all is well."""


class Journal:
    """The queue, its writer and retention. Made by `open_store`; `run` must run for it to write."""

    def __init__(
        self,
        database: Database,
        *,
        limits: JournalLimits,
        next_id: int,
        rows: int,
        wall_s: Callable[[], float] = real_wall_s,
    ) -> None:
        self._database = database
        self._limits = limits
        self._wall_s = wall_s
        self._queue: deque[LogRow] = deque()
        self._queue_bytes = 0
        self.next_id = next_id
        """What the next row gets."""
        self._ids_until = next_id + IDS_AHEAD
        self._rows = rows
        self._appended = self._stored = self._dropped = self._unstored = self._forgotten = 0
        self._failing = ""
        self._running = False
        self._some, self._enough, self._settled = trio.Event(), trio.Event(), trio.Event()
        self._next_look_s = 0.0
        self.listeners: list[Callable[[LogRow], None]] = []
        """Called with every row as it is appended, also one that finds no room; must be quick."""

    def append(self, row: LogRow) -> int:
        """Take a row and give it its id, which is also returned. Never blocks, never fails.

        Without room in the queue the row is counted as lost; it has its id all the same.
        """
        row.id = self.next_id
        self.next_id += 1
        self._appended += 1
        for listener in self.listeners:
            listener(row)
        queue, size = self._queue, len(row.frame)
        if len(queue) >= self._limits.queue_rows or self._queue_bytes + size > QUEUE_BYTES_MAX:
            if self._failing:
                self._unstored += 1
            else:
                self._dropped += 1
            return row.id
        queue.append(row)
        self._queue_bytes += size
        if len(queue) == 1:
            self._some.set()
        elif len(queue) == BATCH_ROWS:
            self._enough.set()
        return row.id

    def counts(self) -> JournalCounts:
        """What has become of the rows so far."""
        return JournalCounts(
            appended=self._appended,
            stored=self._stored,
            queued=len(self._queue),
            dropped=self._dropped,
            unstored=self._unstored,
            forgotten=self._forgotten,
            rows=self._rows,
            failing=self._failing,
        )

    async def flush(self, *, within_s: float = 0.5) -> bool:
        """Have what was appended so far written now; whether it was, `within_s` seconds."""
        wanted = self.next_id
        with trio.move_on_after(within_s):
            while self._running and not self._failing and self._lags(wanted):
                self._enough.set()
                await self._settled.wait()
        return not self._lags(wanted)

    def _lags(self, wanted: int) -> bool:
        return bool(self._queue) and self._queue[0].id < wanted

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what is appended until cancelled, then what is left (for up to 5 s)."""
        self._running = True
        task_status.started()
        try:
            while True:
                with trio.move_on_after(FORGET_EVERY_S):
                    await self._some.wait()
                if self._queue:
                    with trio.move_on_after(BATCH_AGE_S):
                        await self._enough.wait()
                if not await self._store_queued():
                    await trio.sleep(self._limits.retry_s)
                await self._forget()
        finally:
            self._running = False
            with trio.CancelScope(shield=True, deadline=trio.current_time() + LAST_FLUSH_S):
                await self._store_all()
            self._give_up_queued()

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    async def _store_queued(self) -> bool:
        """Write one batch; False when the disk would not take it, and everything still waits."""
        batch = list(islice(self._queue, BATCH_ROWS))
        if not batch:
            return True
        try:
            await self._insert(batch)
        except StoreFailed as failed:
            self._fails(str(failed.detail))
            return False
        except _NOT_STORABLE:
            return await self._store_one_by_one(batch)
        self._settle(len(batch), stored=len(batch))
        return True

    async def _store_one_by_one(self, batch: Sequence[LogRow]) -> bool:
        """One row in the batch is such that no database could hold it: store the others."""
        refused = 0
        for row in batch:
            try:
                await self._insert([row])
            except StoreFailed as failed:
                self._fails(str(failed.detail))
                return False
            except _NOT_STORABLE:
                if not refused:  # one traceback a batch says enough
                    _log.exception("a log row of %r cannot be stored", row.chargepoint_id)
                refused += 1
                self._settle(1, stored=0)
            else:
                self._settle(1, stored=1)
        return True

    async def _insert(self, batch: Sequence[LogRow]) -> None:
        # Half of what was taken ahead is left when more is: rows that are still queued have ids,
        # too, which somebody may have seen.
        ids_until = self._ids_until
        if self.next_id + IDS_AHEAD // 2 > ids_until:
            ids_until = self.next_id + IDS_AHEAD
        await self._database.write(logs.insert, batch, ids_until=ids_until)
        self._ids_until = ids_until

    def _settle(self, rows: int, *, stored: int) -> None:
        """Take `rows` from the front of the queue; so many of them were stored."""
        for _ in range(rows):
            self._queue_bytes -= len(self._queue.popleft().frame)
        self._stored += stored
        self._rows += stored
        self._unstored += rows - stored
        if self._failing:
            _log.warning("the journal stores again; %d rows could not be kept", self._unstored)
            self._failing = ""
        if not self._queue:
            self._some = trio.Event()
        if len(self._queue) < BATCH_ROWS:
            self._enough = trio.Event()
        self._wake_flushers()

    def _fails(self, detail: str) -> None:
        if not self._failing:
            _log.error("the journal stores nothing for now: %s", detail)
        self._failing = detail
        self._wake_flushers()

    def _wake_flushers(self) -> None:
        self._settled.set()
        self._settled = trio.Event()

    async def _store_all(self) -> None:
        while self._queue and await self._store_queued():
            pass

    def _give_up_queued(self) -> None:
        """Nobody writes any more: what still waits is lost."""
        if self._queue:
            _log.error("%d log rows could not be stored", len(self._queue))
        self._unstored += len(self._queue)
        self._queue.clear()
        self._queue_bytes = 0

    # ── retention ────────────────────────────────────────────────────────────────────────────────

    async def _forget(self) -> None:
        """Remove rows that are too many, and once a minute those that are too old."""
        try:
            step = min(FORGET_ROWS, max(1, self._limits.rows_max))
            while self._rows >= self._limits.rows_max + step:
                self._forgot(await self._database.write(logs.forget_oldest, step))
            if trio.current_time() >= self._next_look_s:
                await self._forget_by_age()
                self._next_look_s = trio.current_time() + FORGET_EVERY_S
        except StoreFailed as failed:
            self._fails(failed.detail)

    async def _forget_by_age(self) -> None:
        oldest_s = self._wall_s() - self._limits.age_max_s
        while True:
            gone = await self._database.write(logs.forget_before, oldest_s, at_most=FORGET_ROWS)
            self._forgot(gone)
            excess = self._rows - self._limits.rows_max
            if excess > 0:
                self._forgot(
                    await self._database.write(logs.forget_oldest, min(excess, FORGET_ROWS))
                )
            if gone < FORGET_ROWS and self._rows <= self._limits.rows_max:
                return
            if len(self._queue) >= BATCH_ROWS and not await self._store_queued():
                return

    def _forgot(self, rows: int) -> None:
        self._forgotten += rows
        self._rows -= rows
