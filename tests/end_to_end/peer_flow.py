"""A charger of a real `simfleet run` that the foreign CSMS commands, step by step."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from end_to_end.peer_process import Peer, peer
from end_to_end.semantic_check import Expected, examine
from end_to_end.simfleet_process import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from end_to_end.peer_log import Exchange, History
    from end_to_end.simfleet_process import Ended

IDENTITY = "FLOW-1"
WAIT_S = 10.0
SCENARIO = """\
schema: 1
name: flow
seed: 5
fleet:
  - {{name: all, count: 1, id: {identity}, connectors: {connectors}, type: AC, max_power_kw: 22,
     reboot_time: 300ms, install_time: 300ms, vendor: SimFleet, configuration: {{{configuration}}}}}
behaviour: {{think_time: 100ms..200ms, energy_kwh: 20..40, pause: {pause}}}
stages: [{{do: ramp, to: 1, over: 0s, mode: {mode}}}, {{do: hold, for: 5m}}]
"""


class Flow:
    """One charger and the CSMS that commands it. `mark` forgets what came until now."""

    def __init__(self, one: Peer) -> None:
        self.peer = one
        self._seen = 0

    @property
    def history(self) -> History:
        return self.peer.histories()[IDENTITY]

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """A CALL of the CSMS; the answer, in the package's spelling. Raises `CallFailed`."""
        self._seen = self._count()
        return self.peer.ask(IDENTITY, action, **fields)

    def status_of(self, action: str, **fields: Any) -> str:
        """The status that a CALL is answered with; what follows is looked for from here on."""
        status: str = self.ask(action, **fields)["status"]
        return status

    def mark(self) -> None:
        """Look only at what comes from now on."""
        self._seen = self._count()

    def _count(self) -> int:
        return len(self.peer.calls())

    def came(self, action: str, **fields: Any) -> list[Exchange]:
        """CALLs of the station since the last mark, of this action and with these fields."""
        calls = self.history.calls[self._seen :]
        return [
            call
            for call in calls
            if call.action == action
            and all(call.payload.get(name) == value for name, value in fields.items())
        ]

    def wait_for(self, action: str, *, timeout_s: float = WAIT_S, **fields: Any) -> Exchange:
        """The first such CALL since the last mark, once it is answered."""
        give_up_s = time.monotonic() + timeout_s
        while True:
            found = [call for call in self.came(action, **fields) if call.answered]
            if found:
                return found[0]
            if time.monotonic() > give_up_s:
                since = [(c.action, c.payload) for c in self.history.calls[self._seen :]][-12:]
                raise AssertionError(f"no {action} with {fields} in {timeout_s:g} s; came: {since}")
            time.sleep(0.02)

    def wait_for_status(self, status: str, connector: int = 1) -> Exchange:
        """A StatusNotification since the last mark."""
        return self.wait_for("StatusNotification", connectorId=connector, status=status)

    def wait_for_start(self, connector: int = 1) -> int:
        """A StartTransaction since the last mark; the id that it got."""
        start = self.wait_for("StartTransaction", connectorId=connector)
        assert start.answer is not None
        return int(start.answer["transactionId"])


@contextmanager
def commanded(
    folder: Path,
    *,
    connectors: int = 1,
    mode: str = "charging",
    pause: str = "1m..2m",
    configuration: str = "MeterValueSampleInterval: 1",
    clean: bool = True,
) -> Iterator[Flow]:
    """A charger that has booted, until the block ends; then it leaves, and all that it said is
    examined, unless it is not `clean` on purpose.
    """
    scenario = folder / "flow.yaml"
    scenario.write_text(
        SCENARIO.format(
            identity=IDENTITY,
            connectors=connectors,
            mode=mode,
            pause=pause,
            configuration=configuration,
        ),
        encoding="utf-8",
    )
    with peer(folder, "normal", "--obey-stdin") as one, running(scenario, target=one.url) as run:
        one.wait_until(lambda peer: len(peer.calls("StatusNotification")) > connectors)
        flow = Flow(one)
        yield flow
        run.signal(signal.SIGINT)
        ended = run.wait()
        _examine(ended, one, connectors=connectors, clean=clean)


def _examine(ended: Ended, one: Peer, *, connectors: int, clean: bool) -> None:
    assert ended.summary["verdict"]["result"] == "interrupted", str(ended)
    assert ended.summary["ledger"]["balanced"] is True, ended.summary["ledger"]["checks"]
    assert ended.summary["violations"] == []
    if clean:
        assert examine(one.histories(), Expected(connectors=connectors)) == []


def moment(offset_s: float = 0.0) -> str:
    """A date-time around now, as OCPP writes it."""
    at = datetime.now(UTC) + timedelta(seconds=offset_s)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
