"""How many log rows a second the journal stores, and what the event loop feels of it.

The rows are MeterValues of 50 chargers. The floor is sqlite3's executemany alone: the same rows,
schema and batches, no Trio, no queue, no ids, no retention. The journal runs at the pace that is
asked for (20,000 a second, in ticks of 10 ms, as frames come in), and then as fast as it takes
rows. Loop lag is how late a task wakes that sleeps 5 ms at a time; its floor is the same feed with
nobody writing, so that what the machine itself is late by is seen.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trio

from bench import results
from bench.results import Row, say
from simfleet.store import JournalLimits, LogRow, open_store
from simfleet.store.migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.store import Journal

MEASURES = (
    "Log rows per second into SQLite (WAL, synchronous=NORMAL, two indexes, retention at work), "
    "and how late a task of the same event loop wakes meanwhile, beside plain executemany."
)
PACE_PER_S = 20_000
LAG_P99_MAX_MS = 10.0
TICK_S = 0.01
PROBE_S = 0.005
BATCH = 1_000
FRAME = (
    b'[2,"6f2c1b0e-3d84-4d0b-9a43-5c1f2f1a7a10","MeterValues",{"connectorId":1,"transactionId":4711,'
    b'"meterValue":[{"timestamp":"2026-11-20T08:33:00.125Z","sampledValue":[{"value":"10345","context"'
    b':"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"},{"value":"11000.0",'
    b'"measurand":"Power.Active.Import","unit":"W"},{"value":"16.0","measurand":"Current.Import",'
    b'"unit":"A"}]}]}]'
)


class Found(NamedTuple):
    """What one case gave."""

    rows_per_s: float
    lag_p99_ms: float
    lag_max_ms: float
    lost: int
    cpu_share: float


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Measure the floor, the pace that is asked for, and the most that there is."""
    lasts_s = 1.0 if quick else 15.0
    say("plain executemany ...")
    floor_per_s = _floor(lasts_s)
    say(f"the journal at {PACE_PER_S:,} rows/s ...")
    paced = trio.run(_journal, lasts_s, PACE_PER_S)
    say("the same feed with nobody writing ...")
    unwritten = trio.run(_journal, min(lasts_s, 5.0), PACE_PER_S, False)
    say("the journal as fast as it takes rows ...")
    most = trio.run(_journal, lasts_s, None)
    sustained = paced.rows_per_s >= 0.99 * PACE_PER_S and paced.lost == 0
    return [
        Row(
            case=f"{PACE_PER_S:,} rows/s asked for: stored",
            figure=paced.rows_per_s,
            unit="rows/s",
            beside="plain executemany, flat out",
            beside_figure=floor_per_s,
            ratio=paced.rows_per_s / floor_per_s,
            target=f"{PACE_PER_S:,} rows/s, none lost",
            reached=sustained,
            details={"rows lost": paced.lost, "CPU share": paced.cpu_share},
        ),
        Row(
            case=f"{PACE_PER_S:,} rows/s asked for: loop lag p99",
            figure=paced.lag_p99_ms,
            unit="ms",
            beside="nobody writes",
            beside_figure=unwritten.lag_p99_ms,
            target=f"under {LAG_P99_MAX_MS:g} ms",
            reached=paced.lag_p99_ms < LAG_P99_MAX_MS,
            details={
                "loop lag max, ms": paced.lag_max_ms,
                "nobody writes: loop lag max, ms": unwritten.lag_max_ms,
            },
        ),
        Row(
            case="flat out: stored",
            figure=most.rows_per_s,
            unit="rows/s",
            beside="plain executemany",
            beside_figure=floor_per_s,
            ratio=most.rows_per_s / floor_per_s,
            details={
                "loop lag p99, ms": most.lag_p99_ms,
                "loop lag max, ms": most.lag_max_ms,
                "CPU share": most.cpu_share,
            },
        ),
    ], []


def _rows() -> Iterator[LogRow]:
    number = 0
    while True:
        yield LogRow(
            user_id=1,
            chargepoint_id=f"SIM-{number % 50:04}",
            direction="sent",
            message_type="CALL",
            action="MeterValues",
            frame=FRAME,
            at_wall_s=time.time(),
        )
        number += 1


# ── the floor ────────────────────────────────────────────────────────────────────────────────────


def _floor(lasts_s: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        for statement in (statement for step in MIGRATIONS for statement in step):
            connection.execute(statement)
        rows, stored, began_s = _rows(), 0, time.perf_counter()
        while (took_s := time.perf_counter() - began_s) < lasts_s:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO logs (user_id, chargepoint_id, direction, message_type, action, frame,"
                " at_wall_s) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (1, row.chargepoint_id, "sent", "CALL", row.action, row.frame, row.at_wall_s)
                    for row in islice(rows, BATCH)
                ),
            )
            connection.execute("COMMIT")
            stored += BATCH
        connection.close()
    return stored / took_s


# ── the journal ──────────────────────────────────────────────────────────────────────────────────


async def _journal(lasts_s: float, per_s: int | None, writes: bool = True) -> Found:
    """Append for `lasts_s`, at a pace or as fast as rows are taken; a tenth is kept at most."""
    limits = JournalLimits(rows_max=int(lasts_s * PACE_PER_S / 10))  # so that retention works, too
    late_s: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_store(Path(folder) / "journal.db", journal=limits) as store,
            trio.open_nursery() as nursery,
        ):
            await store.create_user("bench")
            if writes:
                await nursery.start(store.journal.run)
            nursery.start_soon(_probe, late_s)
            cpu_s, began_s = time.process_time(), time.perf_counter()
            await _feed(store.journal, lasts_s, per_s)
            await store.journal.flush(within_s=60)
            took_s = time.perf_counter() - began_s
            cpu_share = (time.process_time() - cpu_s) / took_s
            nursery.cancel_scope.cancel()
    counts = store.journal.counts()
    late_s.sort()
    return Found(
        rows_per_s=counts.stored / took_s,
        lag_p99_ms=late_s[int(0.99 * len(late_s))] * 1e3,
        lag_max_ms=late_s[-1] * 1e3,
        lost=counts.appended - counts.stored,
        cpu_share=cpu_share,
    )


async def _feed(journal: Journal, lasts_s: float, per_s: int | None) -> None:
    rows, due_s = _rows(), trio.current_time()
    ends_s = due_s + lasts_s
    while due_s < ends_s:
        if per_s is not None:
            wanted = round(per_s * TICK_S)
            due_s += TICK_S
            await trio.sleep_until(due_s)
        else:  # keep two batches waiting
            wanted = max(0, 2 * BATCH - journal.counts().queued)
            await trio.sleep(0.001)
            due_s = trio.current_time()
        for row in islice(rows, wanted):
            journal.append(row)


async def _probe(late_s: list[float]) -> None:
    while True:
        due_s = trio.current_time() + PROBE_S
        await trio.sleep_until(due_s)
        late_s.append(trio.current_time() - due_s)


if __name__ == "__main__":
    sys.exit(results.main("bench_journal", MEASURES, measure))
