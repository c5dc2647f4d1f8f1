"""A charging station on a table: a scripted CSMS drives one `Station` in memory, with a fake clock.

    scene = Scene(connectors=2, configuration={"MeterValueSampleInterval": "10"})
    scene.boot()
    scene.plug_in()
    scene.present_tag()
    scene.run(for_s=60)
    assert len(scene.sent("MeterValues")) == 6

The scene is the shell of the station (it ticks when asked to, reboots, cuts the link) and its CSMS.
Whatever leaves the station is checked against the rules that always hold: the official schema, one
open CALL, message ids, and the status matrix.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from schemas_ocpp import MESSAGES, oracle_for
from simfleet.ocpp.results import Outcome
from simfleet.station.chance import Chance, Span
from simfleet.station.configuration import for_station
from simfleet.station.effects import Dropped, PowerOff, PowerOn, Reboot
from simfleet.station.events import (
    PluggedIn,
    PowerLost,
    PowerRestored,
    TokenPresented,
    Unplugged,
)
from simfleet.station.meter import ElectricalSpec
from simfleet.station.spec import Habits, StationSpec
from simfleet.station.station import Station
from simfleet.station.vehicle import VehicleSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.station.effects import Effect
    from simfleet.station.events import Event

EPOCH_S: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()
"""What the clock of the CSMS shows when a scene begins."""
TAG: Final = "04A1B2C3"
OTHER_TAG: Final = "04FFFFFF"
STEPS_AT_ONE_TIME_MAX: Final = 50
"""Ticks a station may ask for without letting time pass."""

VAN: Final = VehicleSpec("test van", 60_000, 11_000, 100_000)
"""Takes 11 kW at any state of charge below 97 %."""

ILLEGAL_CHANGES: Final = frozenset(
    {
        ("Available", "Finishing"),
        ("Preparing", "Reserved"),
        ("Preparing", "Unavailable"),
        ("Charging", "Preparing"),
        ("Charging", "Reserved"),
        ("SuspendedEV", "Preparing"),
        ("SuspendedEV", "Reserved"),
        ("SuspendedEVSE", "Preparing"),
        ("SuspendedEVSE", "Reserved"),
        ("Finishing", "Charging"),
        ("Finishing", "SuspendedEV"),
        ("Finishing", "SuspendedEVSE"),
        ("Finishing", "Reserved"),
        ("Reserved", "Charging"),
        ("Reserved", "SuspendedEV"),
        ("Reserved", "SuspendedEVSE"),
        ("Reserved", "Finishing"),
        ("Unavailable", "Finishing"),
        ("Unavailable", "Reserved"),
    }
)
"""The empty cells of the status matrix of OCPP 1.6 section 4.9."""

_ORACLES: Final = {(m.action.name, m.kind): oracle_for(m) for m in MESSAGES}


# ── what a CSMS may answer ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Error:
    """A CALLERROR."""

    code: str = "InternalError"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something that is no reply to anything."""

    data: bytes = b"\xff{not json"


class Silence:
    """No answer at all."""


Payload = dict[str, Any]
Reply = Payload | Error | Garbage | Silence
Script = Reply | Callable[[Payload], Reply]
SILENCE: Final = Silence()


@dataclass(slots=True)
class Sent:
    """One CALL of the station as the CSMS saw it."""

    at_s: float
    id: str
    action: str
    payload: Payload
    connection: int
    reply: Reply | None = None

    def __getitem__(self, name: str) -> Any:
        return self.payload[name]

    @property
    def wall_s(self) -> float:
        """Its timestamp as Unix seconds."""
        return wall_of(self.payload["timestamp"])


@dataclass(frozen=True, slots=True)
class Answer:
    """The station's answer to a CALL of the CSMS."""

    payload: Payload
    error: str | None = None

    @property
    def status(self) -> str:
        return str(self.payload.get("status", ""))


def wall_of(timestamp: str) -> float:
    """Unix seconds of a date-time on the wire."""
    return datetime.fromisoformat(timestamp).timestamp()


def samples_of(meter_value: Payload) -> dict[str, float]:
    """Value by measurand (and phase, behind a dot) in one MeterValue."""
    return {
        sample.get("measurand", "Energy.Active.Import.Register")
        + (f".{sample['phase']}" if "phase" in sample else ""): float(sample["value"])
        for sample in meter_value["sampledValue"]
    }


def contexts_of(message: Sent) -> set[str]:
    """The reading contexts in one MeterValues."""
    return {
        sample.get("context", "Sample.Periodic")
        for value in message["meterValue"]
        for sample in value["sampledValue"]
    }


# ── the rules that always hold ──────────────────────────────────────────────────────────────────


@dataclass
class Witness:
    """Watches the wire and complains, knowing nothing of the station's insides."""

    call_timeout_s: float
    check_statuses: bool = True
    ids: set[str] = field(default_factory=set)
    open_call: tuple[str, float] | None = None
    last_status: dict[int, str] = field(default_factory=dict)

    def connection_changed(self) -> None:
        self.open_call = None
        self.last_status.clear()

    def replied(self, message_id: str) -> None:
        if self.open_call is not None and self.open_call[0] == message_id:
            self.open_call = None

    def called(self, sent: Sent, raw_payload: bytes) -> None:
        assert 0 < len(sent.id) <= 36
        assert sent.id not in self.ids, f"message id {sent.id} was used before"
        self.ids.add(sent.id)
        if self.open_call is not None:
            open_s = sent.at_s - self.open_call[1]
            assert open_s >= self.call_timeout_s - 1e-6, (
                f"{sent.action} was sent while {self.open_call[0]} was open for {open_s} s"
            )
        self.open_call = (sent.id, sent.at_s)
        assert _ORACLES[sent.action, "request"](raw_payload), f"{sent.action}: {raw_payload!r}"
        if sent.action == "StatusNotification":
            self._status(sent["connectorId"], sent["status"])

    def _status(self, connector_id: int, status: str) -> None:
        before = self.last_status.get(connector_id)
        self.last_status[connector_id] = status
        if connector_id == 0:
            assert not self.check_statuses or status in ("Available", "Unavailable", "Faulted")
        elif self.check_statuses and before is not None:
            assert (before, status) not in ILLEGAL_CHANGES, f"{before} -> {status}"

    def forget_statuses(self) -> None:
        """What comes next need not follow from what came before (a new boot, a gap)."""
        self.last_status.clear()


# ── the scene ───────────────────────────────────────────────────────────────────────────────────


class Scene:
    """A station, its CSMS and the time. `now_s` is monotonic; `wall_s` what the CSMS's clock
    shows.
    """

    def __init__(
        self,
        *,
        connectors: int = 1,
        configuration: Mapping[str, str | int] | None = None,
        kind: Literal["AC", "DC"] = "AC",
        max_power_w: float = 22_000.0,
        vehicle: VehicleSpec = VAN,
        habits: Habits | None = None,
        autopilot: bool = False,
        free_charging: bool = False,
        clock_error_s: float = 0.0,
        register_wh: float = 0.0,
        began_s: float = 1000.0,
        epoch_s: float = EPOCH_S,
        seed: int = 1,
        check_statuses: bool = True,
        scripted: bool = True,
        **spec_fields: Any,
    ) -> None:
        spec = StationSpec(
            ElectricalSpec.of(kind, max_power_w=max_power_w),
            (vehicle,),
            connectors=connectors,
            habits=habits or Habits(soc=Span(0.2, 0.2)),
            free_charging=free_charging,
            **spec_fields,
        )
        values = {name: str(value) for name, value in (configuration or {}).items()}
        self.began_s = self.now_s = began_s
        self.epoch_s = epoch_s
        self.station = Station(
            "CP-1",
            spec,
            for_station(connectors, values, kind=kind, version=spec.version),
            chance=Chance.of(seed, 1),
            wall_offset_s=epoch_s - began_s + clock_error_s,
            autopilot=autopilot,
            id_tag=TAG,
            register_wh=register_wh,
        )
        self.witness = Witness(spec.call_timeout_s, check_statuses=check_statuses)
        self.scripted = scripted
        self.log: list[Sent] = []
        self.effects: list[Effect] = []
        self.answers: dict[str, Answer] = {}
        self.connection = 0
        self.restart_s = float("inf")
        self.powered = True
        self._pumping = False
        self._marked = self._effects_marked = 0
        self._scripts: dict[str, list[Script]] = defaultdict(list)
        self._transaction_ids = 700
        self._commands = 0
        self._asked: dict[str, str] = {}

    # ── the time ──

    @property
    def wall_s(self) -> float:
        return self.epoch_s + self.now_s - self.began_s

    @property
    def clock(self) -> str:
        """The CSMS's clock, as OCPP writes it."""
        return datetime.fromtimestamp(self.wall_s, UTC).isoformat().replace("+00:00", "Z")

    def run(self, *, for_s: float) -> None:
        """Let time pass; the station is ticked when it asked to be."""
        end_s = self.now_s + for_s
        ticks = 0
        while (wake_s := min(self.station.wake_at_s, self.restart_s)) <= end_s:
            if wake_s > self.now_s:
                self.now_s, ticks = wake_s, 0
            ticks += 1
            assert ticks <= STEPS_AT_ONE_TIME_MAX, "the station does not let time pass"
            if self.restart_s <= self.now_s:
                self._restart()
            else:
                self.tick()
        self.now_s = end_s

    def sleep(self, *, for_s: float) -> None:
        """Let time pass without a tick, as in a generator that lags; then tick until quiet."""
        self.now_s += for_s
        for _ in range(STEPS_AT_ONE_TIME_MAX):
            self.tick()
            if self.station.wake_at_s > self.now_s:
                return
        raise AssertionError("the station does not let time pass")

    def tick(self) -> None:
        self.station.tick(at_s=self.now_s)
        self.pump()

    # ── the link ──

    def boot(self) -> None:
        """Connect; the CSMS answers as it was told to (by default: Accepted)."""
        self.connect()

    def connect(self) -> None:
        self.connection += 1
        self.witness.connection_changed()
        self.station.link_opened(at_s=self.now_s)
        self.pump()

    def disconnect(self) -> None:
        self.witness.connection_changed()
        self.station.link_closed(at_s=self.now_s)
        self.pump()

    def _restart(self) -> None:
        self.restart_s = float("inf")
        self.powered = True
        self.station.restarted(at_s=self.now_s)
        self.connect()

    # ── the driver and the world ──

    def tell(self, event: Event) -> None:
        self.station.tell(event, at_s=self.now_s)
        self.pump()

    def plug_in(self, connector_id: int = 1, *, soc: float | None = None) -> None:
        self.tell(PluggedIn(connector_id, soc=soc))

    def unplug(self, connector_id: int = 1) -> None:
        self.tell(Unplugged(connector_id))

    def present_tag(self, tag: str = TAG, connector_id: int = 1) -> None:
        self.tell(TokenPresented(connector_id, tag))

    def charge(self, connector_id: int = 1, *, tag: str = TAG, soc: float | None = None) -> None:
        """Cable first, then tag."""
        self.plug_in(connector_id, soc=soc)
        self.present_tag(tag, connector_id)

    def lose_power(self) -> None:
        self.tell(PowerLost())

    def restore_power(self) -> None:
        self.tell(PowerRestored())

    def cycle_power(self, *, for_s: float = 0.0) -> None:
        """The mains are gone for a while."""
        self.lose_power()
        self.run(for_s=for_s)
        self.restore_power()

    # ── the CSMS ──

    def on(self, action: str, *scripts: Script) -> None:
        """How to answer the next CALLs of that action, one script each; the last one stays."""
        self._scripts[action] = list(scripts)

    def call(self, action: str, **payload: Any) -> Answer:
        """The CSMS calls; returns the station's answer, which must be there at once."""
        message_id = self.call_without_answer(action, **payload)
        assert message_id in self.answers, f"the station did not answer {action}"
        return self.answers[message_id]

    def call_without_answer(self, action: str, **payload: Any) -> str:
        """The CSMS calls; returns the message id."""
        self._commands += 1
        message_id = f"csms-{self._commands}"
        self._asked[message_id] = action
        self.receive(json.dumps([2, message_id, action, payload]).encode())
        return message_id

    def receive(self, data: bytes) -> None:
        """Raw bytes from the CSMS."""
        self.station.receive(data, at_s=self.now_s)
        self.pump()

    def reply(self, sent: Sent, reply: Reply) -> None:
        """Answer a CALL of the station, however late."""
        sent.reply = reply
        match reply:
            case Silence():
                return
            case Garbage(data):
                self.receive(data)
            case Error(code, description):
                self.witness.replied(sent.id)
                self.receive(json.dumps([4, sent.id, code, description, {}]).encode())
            case _:
                self.witness.replied(sent.id)
                self.receive(json.dumps([3, sent.id, reply]).encode())

    def usual_reply(self, sent: Sent) -> Payload:
        """What a friendly CSMS answers."""
        match sent.action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": self.clock, "interval": 300}
            case "Heartbeat":
                return {"currentTime": self.clock}
            case "Authorize":
                return {"idTagInfo": {"status": "Accepted"}}
            case "StartTransaction":
                self._transaction_ids += 1
                return {
                    "transactionId": self._transaction_ids,
                    "idTagInfo": {"status": "Accepted"},
                }
            case "DataTransfer":
                return {"status": "Accepted"}
        return {}

    # ── what was seen ──

    def mark(self) -> None:
        """Look only at what comes from here on."""
        self._marked = len(self.log)
        self._effects_marked = len(self.effects)

    def sent(self, *actions: str) -> list[Sent]:
        """The CALLs of these actions (none: all) since the mark, in order."""
        return [one for one in self.log[self._marked :] if not actions or one.action in actions]

    def actions(self) -> list[str]:
        """The actions of all CALLs since the mark."""
        return [one.action for one in self.sent()]

    def statuses(self, connector_id: int = 1) -> list[str]:
        """What was said of a connector since the mark."""
        return [
            one["status"]
            for one in self.sent("StatusNotification")
            if one["connectorId"] == connector_id
        ]

    @property
    def transaction_id(self) -> int:
        """The id the CSMS gave to the transaction that began last."""
        return self._transaction_ids

    def seen(self, kind: type[Any]) -> list[Any]:
        """The effects of a kind since the mark."""
        return [one for one in self.effects[self._effects_marked :] if isinstance(one, kind)]

    def dropped(self) -> list[tuple[str, str]]:
        return [(one.kind, one.why) for one in self.seen(Dropped)]

    def outcomes(self, action: str) -> list[Outcome]:
        return [one for one in self.seen(Outcome) if one.action.name == action]

    # ── the shell's work ──

    def pump(self) -> None:
        """Write what the station has to say and do what it asks for, until it is quiet."""
        if self._pumping:
            return  # what an answer brings about is written by the loop that gave the answer
        self._pumping = True
        try:
            while self._write():
                pass
        finally:
            self._pumping = False

    def _write(self) -> bool:
        """One round; False when there was nothing to do."""
        frames = self.station.take_frames()
        effects = self.station.take_effects()
        calls = [sent for frame in frames if (sent := self._read(frame)) is not None]
        for effect in effects:
            self._carry_out(effect)
        for sent in calls:
            if self.scripted and sent.connection == self.connection and self.station.online:
                self.reply(sent, self._scripted_reply(sent))
        return bool(frames or effects)

    def _scripted_reply(self, sent: Sent) -> Reply:
        scripts = self._scripts[sent.action]
        if not scripts:
            return self.usual_reply(sent)
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(sent.payload) if callable(script) else script

    def _read(self, frame: bytes) -> Sent | None:
        items = json.loads(frame)
        if items[0] == 2:
            _, message_id, action, payload = items
            sent = Sent(self.now_s, message_id, action, payload, self.connection)
            self.log.append(sent)
            if action == "BootNotification":
                self.witness.forget_statuses()
            self.witness.called(sent, json.dumps(payload).encode())
            return sent
        if items[0] == 3:
            assert items[1] not in self.answers, f"{items[1]} was answered twice"
            self.answers[items[1]] = Answer(items[2])
            action = self._asked[items[1]]
            payload = json.dumps(items[2]).encode()
            assert _ORACLES[action, "response"](payload), f"{action}: {items[2]}"
        else:
            assert items[0] == 4
            if items[1] in self._asked:
                assert items[1] not in self.answers, f"{items[1]} was answered twice"
            self.answers[items[1]] = Answer({}, items[2])
        return None

    def _carry_out(self, effect: Effect) -> None:
        self.effects.append(effect)
        match effect:
            case Reboot(after_s):
                self.station.link_closed(at_s=self.now_s)
                self.restart_s = self.now_s + after_s
            case PowerOff():
                self.powered = False
                self.station.link_closed(at_s=self.now_s)
            case PowerOn():
                self._restart()
            case Dropped(_, "queue_full"):
                self.witness.forget_statuses()
