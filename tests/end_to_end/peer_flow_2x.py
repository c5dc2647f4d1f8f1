"""A charger of OCPP 2.0.1 or 2.1 of a real `simfleet run` that the foreign CSMS commands."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from end_to_end.peer_flow import IDENTITY, WAIT_S, Flow
from end_to_end.peer_process import peer
from end_to_end.simfleet_process import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from end_to_end.peer_log import Exchange

PROGRAM = Path(__file__).with_name("peer_csms_2x.py")
SEND = 6
SCENARIO = """\
schema: 1
name: flow
seed: 5
fleet:
  - {{name: all, count: 1, id: {identity}, version: {version}, connectors: 2, type: AC,
     max_power_kw: 22, reboot_time: 300ms, install_time: 300ms, vendor: SimFleet,
     configuration: {{SampledDataCtrlr.TxUpdatedInterval: 1}}}}
behaviour: {{think_time: 100ms..200ms, energy_kwh: 20..40, pause: 1m..2m}}
stages: [{{do: ramp, to: 1, over: 0s, mode: charging}}, {{do: hold, for: 5m}}]
"""


class Flow2(Flow):
    """As `Flow`, in the words of 2.x."""

    version = "ocpp2.0.1"

    def transaction_id(self, evse_id: int, **fields: Any) -> str:
        """The id of the newest transaction of an EVSE that has Started, once there is one, or of
        one whose Started event has these fields in its transactionInfo.
        """
        give_up_s = time.monotonic() + WAIT_S
        while time.monotonic() < give_up_s:
            for event in reversed(self.history.of("TransactionEvent")):
                told = event.payload
                info = told["transactionInfo"]
                if (
                    told["eventType"] == "Started"
                    and told.get("evse", {}).get("id") == evse_id
                    and all(info.get(name) == value for name, value in fields.items())
                ):
                    return str(info["transactionId"])
            time.sleep(0.02)
        raise AssertionError(f"no transaction has started on EVSE {evse_id} with {fields}")

    def wait_for_connector(self, status: str, evse_id: int = 1) -> Exchange:
        """A StatusNotification since the last mark."""
        return self.wait_for("StatusNotification", evseId=evse_id, connectorStatus=status)

    def sends(self) -> list[list[Any]]:
        """The SEND frames so far: they have no answer, and the package has no word for them."""
        frames = [entry.get("frame") for entry in self.peer.entries("received")]
        return [frame for frame in frames if isinstance(frame, list) and frame[:1] == [SEND]]

    def wait_for_send(self, action: str, **fields: Any) -> dict[str, Any]:
        """The payload of the first such SEND."""
        give_up_s = time.monotonic() + WAIT_S
        while time.monotonic() < give_up_s:
            for _, _, said, payload in self.sends():
                if said == action and all(payload.get(name) == fields[name] for name in fields):
                    return dict(payload)
            time.sleep(0.02)
        raise AssertionError(f"no {action} with {fields} came")


@contextmanager
def commanded_2x(folder: Path, version: str) -> Iterator[Flow2]:
    """A charger with two EVSEs that has booted, until the block ends; then it leaves. The package
    has refused none of its CALLs.
    """
    scenario = folder / "flow.yaml"
    scenario.write_text(SCENARIO.format(identity=IDENTITY, version=version), encoding="utf-8")
    with (
        peer(folder, "normal", "--obey-stdin", program=PROGRAM) as one,
        running(scenario, target=one.url) as run,
    ):
        one.wait_until(lambda peer: len(peer.calls("StatusNotification")) >= 2)
        flow = Flow2(one)
        flow.version = version
        yield flow
        run.signal(signal.SIGINT)
        ended = run.wait()
        assert ended.summary["verdict"]["result"] == "interrupted", str(ended)
        assert ended.summary["ledger"]["balanced"] is True, ended.summary["ledger"]["checks"]
        assert ended.summary["violations"] == []
        assert {entry["subprotocol"] for entry in one.entries("opened")} == {version}
        refused = [entry["frame"] for entry in one.entries("sent") if entry["frame"][0] == 4]
        assert refused == []
