"""`schedule.csv`: every session of a virtual run, by charger, as it really happened.

Two virtual runs of one scenario give the same bytes. Rows are written as sessions end and sorted
when the run is over, so memory holds only the sessions that go on.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.station.effects import TransactionOpened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.load.run_folder import RunFolder
    from simfleet.load.stages.engine import Engine
    from simfleet.station.effects import TransactionClosed

SCHEDULE: Final = "schedule.csv"
COLUMNS: Final = "identity,session,start_s,end_s,tag,energy_wh,reason\n"
BUFFERED_MAX: Final = 500
"""Rows that are written together."""


class Schedule:
    """A companion of a virtual run: see the module."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._engine: Engine | None = None
        self._open: dict[tuple[str, int], tuple[float, str]] = {}
        self._sessions: dict[str, int] = {}
        """By identity: a charger that is made anew counts its transactions from 1 again."""
        self._rows: list[str] = []
        self._count = 0

    async def run(
        self, engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Note sessions until cancelled."""
        self._engine = engine
        engine.recorder.on_session = self._session
        self._folder.append(SCHEDULE, COLUMNS)
        task_status.started()
        await trio.sleep_forever()

    def _session(
        self, identity: str, effect: TransactionOpened | TransactionClosed, at_s: float
    ) -> None:
        if isinstance(effect, TransactionOpened):
            self._open[identity, effect.number] = (at_s, self._tag(identity, effect))
            return
        started = self._open.pop((identity, effect.number), None)
        if started is None:
            return
        assert self._engine is not None
        began_s = self._engine.timeline.began_s
        number = self._sessions[identity] = self._sessions.get(identity, 0) + 1
        self._count += 1
        self._rows.append(
            f"{identity},{number},{started[0] - began_s:.6f},{at_s - began_s:.6f},{started[1]},"
            f"{effect.energy_wh:.3f},{effect.reason}\n"
        )
        if len(self._rows) >= BUFFERED_MAX:
            self._flush()

    def _tag(self, identity: str, effect: TransactionOpened) -> str:
        assert self._engine is not None
        charger = self._engine.supervisor.chargers.get(identity)
        station = getattr(charger, "station", None)
        if station is None:
            return ""
        for connector in station.connectors:
            transaction = connector.transaction
            if transaction is not None and transaction.number == effect.number:
                return str(getattr(transaction, "id_tag", None) or station.id_tag)
        return str(station.id_tag)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        self._folder.append(SCHEDULE, "".join(rows))

    def figures(self) -> Mapping[str, Any]:
        """Sort the file; how many sessions are in it."""
        self._flush()
        with suppress(OSError):  # a file that could not be written is the folder's `damage`
            path = self._folder.path / SCHEDULE
            head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
            rows.sort(key=_order)
            path.write_text(head + "".join(rows), encoding="utf-8", newline="\n")
        return {"schedule": {"sessions": self._count}}


def _order(row: str) -> tuple[str, int]:
    identity, number, *_ = row.rsplit(",", 6)
    return identity, int(number)
