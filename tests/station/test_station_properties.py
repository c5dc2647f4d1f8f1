"""Whatever the CSMS, the drivers and the clock do, in any order, the rules hold.

The machine is the worst CSMS there is: it answers late, twice, wrongly or not at all, calls every
action with valid and invalid payloads, and throws bytes. `Witness` judges the wire; what is checked
here besides is the state behind it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from builders_station import (
    OTHER_TAG,
    STEPS_AT_ONE_TIME_MAX,
    TAG,
    Error,
    Garbage,
    Payload,
    Reply,
    Scene,
    Sent,
)
from schemas_ocpp import MESSAGES, messages_of
from simfleet.errors import Refused
from simfleet.station import events
from simfleet.station.chance import Span
from simfleet.station.effects import TransactionClosed, TransactionDelivered, TransactionOpened
from simfleet.station.outbox import DURABLE_MAX, ORDINARY_MAX
from simfleet.station.phase import ENERGIZED, Phase
from simfleet.station.spec import Habits
from simfleet.station.tokens import CACHE_MAX

if TYPE_CHECKING:
    from simfleet.station.effects import Effect

STEPS = settings(max_examples=150, stateful_step_count=50, deadline=None)

# ── what a CSMS may say ─────────────────────────────────────────────────────────────────────────

STATUSES = st.sampled_from(["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"])
MOSTLY_ACCEPTED = st.just("Accepted") | STATUSES
TAGS = st.sampled_from([TAG, OTHER_TAG, "T", "X" * 20])
CONNECTORS = st.integers(-1, 3)
TIMES = st.sampled_from(
    ["2026-03-01T12:00:00Z", "2031-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"]
)
ID_TAG_INFOS = st.fixed_dictionaries(
    {"status": MOSTLY_ACCEPTED},
    optional={"parentIdTag": st.sampled_from(["A", "B"]), "expiryDate": TIMES},
)
INTERVALS = st.sampled_from([0, 5, 60, 300, -7])
NOTHING: st.SearchStrategy[Payload] = st.just({})
REPLIES: dict[str, st.SearchStrategy[Payload]] = {
    "BootNotification": st.fixed_dictionaries(
        {
            "status": st.sampled_from(["Accepted", "Accepted", "Accepted", "Pending", "Rejected"]),
            "currentTime": st.just("2026-03-01T12:00:00Z") | TIMES,
            "interval": INTERVALS,
        }
    ),
    "Heartbeat": st.fixed_dictionaries({"currentTime": TIMES}),
    "Authorize": st.fixed_dictionaries({"idTagInfo": ID_TAG_INFOS}),
    "StartTransaction": st.fixed_dictionaries({"idTagInfo": ID_TAG_INFOS}),
    "StopTransaction": st.fixed_dictionaries({}, optional={"idTagInfo": ID_TAG_INFOS}),
    "SignCertificate": st.sampled_from([{"status": "Accepted"}, {"status": "Rejected"}]),
    **dict.fromkeys(
        (
            "DiagnosticsStatusNotification",
            "FirmwareStatusNotification",
            "LogStatusNotification",
            "MeterValues",
            "SecurityEventNotification",
            "SignedFirmwareStatusNotification",
            "StatusNotification",
        ),
        NOTHING,
    ),
}
UNREADABLE = st.sampled_from([{"status": 7}, {"idTagInfo": None, "transactionId": []}, {"x": []}])
ERRORS = st.builds(
    Error, st.sampled_from(["InternalError", "GenericError", "", "Made up"]), st.text(max_size=9)
)
BROKEN = st.binary(max_size=60) | st.sampled_from(
    [b'[2,"x"]', b'[3,"x",{}]', b'[4,"x"]', b"[9]", b'[2,"y","Reset",{"type":"Soft"', b"[[]]"]
)

KEYS_AND_VALUES = {
    "HeartbeatInterval": ["0", "20", "60", "-1"],
    "MeterValueSampleInterval": ["0", "7", "60", "x"],
    "ClockAlignedDataInterval": ["0", "60", "900"],
    "ConnectionTimeOut": ["0", "5", "60"],
    "TransactionMessageAttempts": ["1", "3"],
    "TransactionMessageRetryInterval": ["0", "5", "60"],
    "MaxEnergyOnInvalidId": ["0", "100"],
    "MeterValuesSampledData": ["", "Power.Active.Import,SoC", "Nonsense"],
    "StopTxnSampledData": ["", "Energy.Active.Import.Register"],
    "StopTxnAlignedData": ["", "Voltage"],
    "NumberOfConnectors": ["5"],
    **{
        name: ["true", "false"]
        for name in (
            "AllowOfflineTxForUnknownId",
            "AuthorizationCacheEnabled",
            "AuthorizeRemoteTxRequests",
            "LocalAuthorizeOffline",
            "LocalPreAuthorize",
            "StopTransactionOnEVSideDisconnect",
            "StopTransactionOnInvalidId",
            "UnlockConnectorOnEVSideDisconnect",
        )
    },
    "MinimumStatusDuration": ["0", "1", "30"],
}
CHANGES = st.sampled_from(
    [{"key": key, "value": value} for key, values in KEYS_AND_VALUES.items() for value in values]
)
TRIGGERS = ["BootNotification", "Heartbeat", "StatusNotification", "MeterValues"]
COMMANDS = st.one_of(
    st.tuples(
        st.just("RemoteStartTransaction"),
        st.fixed_dictionaries({"idTag": TAGS}, optional={"connectorId": CONNECTORS}),
    ),
    st.tuples(
        st.just("RemoteStopTransaction"),
        st.fixed_dictionaries({"transactionId": st.integers(1, 6)}),
    ),
    st.tuples(
        st.just("ChangeAvailability"),
        st.fixed_dictionaries(
            {"connectorId": CONNECTORS, "type": st.sampled_from(["Operative", "Inoperative"])}
        ),
    ),
    st.tuples(st.just("ChangeConfiguration"), CHANGES),
    st.tuples(
        st.just("ReserveNow"),
        st.fixed_dictionaries(
            {
                "reservationId": st.integers(1, 3),
                "connectorId": CONNECTORS,
                "idTag": TAGS,
                "expiryDate": st.sampled_from(["2026-03-01T12:01:00Z", "2031-01-01T00:00:00Z"]),
            },
            optional={"parentIdTag": st.sampled_from(["A", "B"])},
        ),
    ),
    st.tuples(
        st.just("CancelReservation"),
        st.fixed_dictionaries({"reservationId": st.integers(1, 3)}),
    ),
    st.tuples(
        st.just("SendLocalList"),
        st.fixed_dictionaries(
            {
                "listVersion": st.integers(0, 5),
                "updateType": st.sampled_from(["Full", "Differential"]),
                "localAuthorizationList": st.lists(
                    st.fixed_dictionaries({"idTag": TAGS}, optional={"idTagInfo": ID_TAG_INFOS}),
                    max_size=3,
                ),
            }
        ),
    ),
    st.tuples(
        st.just("TriggerMessage"),
        st.fixed_dictionaries(
            {"requestedMessage": st.sampled_from(TRIGGERS)}, optional={"connectorId": CONNECTORS}
        ),
    ),
    st.tuples(st.just("UnlockConnector"), st.fixed_dictionaries({"connectorId": CONNECTORS})),
    st.sampled_from(
        [("ClearCache", {}), ("GetConfiguration", {}), ("DataTransfer", {"vendorId": "V"})]
    ),
)
RESETS = st.sampled_from([("Reset", {"type": "Soft"}), ("Reset", {"type": "Hard"})])
ANY_COMMAND = st.sampled_from(
    [m for m in MESSAGES if m.kind == "request" and "csms" in m.action.sent_by]
).flatmap(
    lambda m: st.tuples(
        st.just(m.action.name),
        messages_of(m.struct, m.schema).map(lambda one: json.loads(msgspec.json.encode(one))),
    )
)
BAD_COMMANDS = st.sampled_from(
    [
        ("Reset", {"type": "Gentle"}),
        ("Reset", {}),
        ("RemoteStopTransaction", {"transactionId": "1"}),
        ("ChangeConfiguration", {"key": "x" * 51, "value": ""}),
        ("StartTransaction", {}),
        ("Nothing", {}),
        ("", {}),
    ]
)

# ── what may happen to a charger ────────────────────────────────────────────────────────────────

NUMBERS = st.integers(0, 3)
FAULTS = st.sampled_from(["GroundFailure", "OtherError", "HighTemperature"])
EVENTS = st.one_of(
    st.builds(events.PluggedIn, NUMBERS, st.none(), st.sampled_from([0.0, 0.5, 0.98, 1.0])),
    st.builds(events.Unplugged, NUMBERS),
    st.builds(events.TokenPresented, NUMBERS, TAGS),
    st.builds(events.StartRequested, NUMBERS, TAGS, st.sampled_from([None, 0.0, 50.0])),
    st.builds(events.StopRequested, NUMBERS, st.booleans()),
    st.builds(events.EvPaused, NUMBERS),
    st.builds(events.EvResumed, NUMBERS),
    st.builds(events.LockFailed, NUMBERS, st.booleans()),
    st.builds(events.TakeSample, NUMBERS),
    st.builds(events.ResetWillFail, NUMBERS),
)
FAULT_EVENTS = st.builds(events.Failed, NUMBERS, FAULTS, st.text(max_size=60)) | st.builds(
    events.FaultCleared, NUMBERS
)
LUCK = st.integers(0, 5)
"""How often a disaster happens when it could: else nothing would last long enough to go wrong."""
CALM = st.sampled_from([0.0, 0.5, 3.0, 10.0, 31.0, 100.0])

HASTY = Habits(Span(0.0, 2.0), Span(0.0, 5.0), Span(10.0, 100.0), Span(0.2, 0.99))


class WatchedScene(Scene):
    """Knows from the wire alone whether the station may speak."""

    def __init__(self, **options: Any) -> None:
        super().__init__(scripted=False, **options)
        self.registered = "unknown"
        self.triggered: set[str] = set()
        self.stops_answered: dict[int, int] = {}
        self.starts_answered = 0

    @property
    def open_call(self) -> Sent | None:
        """The CALL the station waits for."""
        if self.witness.open_call is None or not self.station.online:
            return None
        last = self.log[-1]
        waited_s = self.now_s - last.at_s
        assert last.id == self.witness.open_call[0]
        return last if waited_s < self.witness.call_timeout_s else None

    def _restart(self) -> None:
        self.registered = "unknown"
        self.triggered.clear()
        super()._restart()

    def _read(self, frame: bytes) -> Sent | None:
        sent = super()._read(frame)
        if sent is not None and sent.action != "BootNotification":
            allowed = self.registered == "Accepted" or (
                self.registered == "Pending" and sent.action in self.triggered
            )
            assert allowed, f"{sent.action} while {self.registered}"
        return sent

    def reply(self, sent: Sent, reply: Reply) -> None:
        """Answer a CALL, and remember what the station may do from here on."""
        is_open = self.open_call is not None and self.open_call.id == sent.id
        if is_open and isinstance(reply, dict):
            if sent.action == "StartTransaction":
                self.starts_answered += 1
                reply = {**reply, "transactionId": self.starts_answered}
            if sent.action == "BootNotification" and "interval" in reply:
                self.registered = reply["status"]
            if sent.action == "StopTransaction" and reply.keys() <= {"idTagInfo"}:
                number = sent["transactionId"]
                self.stops_answered[number] = self.stops_answered.get(number, 0) + 1
        super().reply(sent, reply)


class StationMachine(RuleBasedStateMachine):
    """See the module."""

    @initialize(
        connectors=st.integers(1, 2),
        autopilot=st.booleans(),
        offline_ok=st.booleans(),
        seed=st.integers(0, 99),
        began_s=st.sampled_from([0.0, 1234.5, 1e6 + 1 / 3]),
        first=st.sampled_from(["Accepted", "Accepted", "Accepted", "Pending", "Rejected", None]),
    )
    def begin(
        self,
        connectors: int,
        autopilot: bool,
        offline_ok: bool,
        seed: int,
        began_s: float,
        first: str | None,
    ) -> None:
        self.scene = WatchedScene(
            connectors=connectors,
            autopilot=autopilot,
            habits=HASTY,
            seed=seed,
            began_s=began_s,
            configuration={
                "MeterValueSampleInterval": 30,
                "AllowOfflineTxForUnknownId": str(offline_ok).lower(),
                "TransactionMessageRetryInterval": 5,
            },
        )
        self.registers = [0.0] * connectors
        self.seen = 0
        self.opened: set[int] = set()
        self.closed: set[int] = set()
        self.delivered: set[tuple[int, str]] = set()
        if first is not None:
            self.scene.connect()
            (boot,) = self.scene.log
            self.scene.reply(boot, self.scene.usual_reply(boot) | {"status": first})

    @property
    def alive(self) -> bool:
        return not self.scene.station.dark

    # ── link and time ──

    @rule()
    @precondition(lambda self: not self.scene.station.online and self.alive)
    def connect(self) -> None:
        self.scene.connect()

    @rule(luck=LUCK)
    @precondition(lambda self: self.scene.station.online)
    def disconnect(self, luck: int) -> None:
        if luck == 0:
            self.scene.disconnect()

    @rule(for_s=CALM)
    def time_passes(self, for_s: float) -> None:
        self.scene.run(for_s=for_s)

    @rule(for_s=st.sampled_from([1.0, 35.0, 400.0, 2000.0]))
    @precondition(lambda self: self.scene.restart_s == float("inf"))
    def the_generator_lags(self, for_s: float) -> None:
        self.scene.sleep(for_s=for_s)

    @rule(for_s=st.sampled_from([50.0, 2000.0]), data=st.data())
    @precondition(lambda self: self.scene.station.online)
    def a_friendly_while(self, for_s: float, data: st.DataObject) -> None:
        """The CSMS answers all there is, and time passes."""
        self._answer_all()
        self.scene.run(for_s=data.draw(st.sampled_from([1.0, for_s])))

    @rule(number=st.integers(1, 2), soc=st.sampled_from([0.2, 0.9, 0.999]), data=st.data())
    @precondition(lambda self: self.scene.station.online and self.alive)
    def a_driver_charges(self, number: int, soc: float, data: st.DataObject) -> None:
        self._answer_all()
        if data.draw(st.booleans()):
            self._tell(events.PluggedIn(number, None, soc))
            self._tell(events.TokenPresented(number))
        else:
            self._tell(events.TokenPresented(number))
            self._tell(events.PluggedIn(number, None, soc))
        self._answer_all()

    def _answer_all(self) -> None:
        for _ in range(300):
            sent = self.scene.open_call
            if sent is None:
                break
            self.scene.reply(sent, self.scene.usual_reply(sent))

    # ── replies ──

    @rule(data=st.data())
    @precondition(lambda self: self.scene.open_call is not None)
    def reply(self, data: st.DataObject) -> None:
        sent = self.scene.open_call
        assert sent is not None
        self.scene.reply(sent, data.draw(REPLIES[sent.action]))

    @rule(reply=ERRORS | UNREADABLE)
    @precondition(lambda self: self.scene.open_call is not None)
    def reply_badly(self, reply: Reply) -> None:
        sent = self.scene.open_call
        assert sent is not None
        if sent.action == "StopTransaction" or REPLIES[sent.action] is NOTHING:
            return  # `{"x": []}` is readable there: a field too many is ignored
        self.scene.reply(sent, reply)

    @rule(error=ERRORS)
    @precondition(lambda self: self.scene.open_call is not None)
    def reply_with_an_error(self, error: Error) -> None:
        sent = self.scene.open_call
        assert sent is not None
        self.scene.reply(sent, error)

    @rule(data=st.data())
    @precondition(lambda self: self.scene.station.online and self.scene.log)
    def reply_again_or_too_late(self, data: st.DataObject) -> None:
        open_call = self.scene.open_call
        sent = data.draw(st.sampled_from(self.scene.log[-20:]))
        if open_call is not None and sent.id == open_call.id:
            return
        payload = data.draw(REPLIES[sent.action])
        outcomes = len(self.scene.effects)
        self.scene.receive(json.dumps([3, sent.id, payload]).encode())
        assert len(self.scene.effects) == outcomes  # it changed nothing

    @rule(data=BROKEN)
    @precondition(lambda self: self.scene.station.online)
    def throw_bytes(self, data: bytes) -> None:
        self.scene.receive(Garbage(data).data)

    # ── CALLs ──

    @rule(command=COMMANDS | ANY_COMMAND)
    @precondition(lambda self: self.scene.station.online or not self.alive)
    def call(self, command: tuple[str, Payload]) -> None:
        self._call(*command)

    @rule(command=RESETS, luck=LUCK)
    @precondition(lambda self: self.scene.station.online)
    def reset(self, command: tuple[str, Payload], luck: int) -> None:
        if luck == 0:
            self._call(*command)

    def _call(self, action: str, payload: Payload) -> None:
        scene = self.scene
        silent = scene.registered == "Rejected" or scene.station.dark
        if action in ("TriggerMessage", "ExtendedTriggerMessage"):
            asked = payload["requestedMessage"]
            scene.triggered |= {asked, f"Signed{asked}"}
            if asked == "SignChargePointCertificate":
                scene.triggered.add("SignCertificate")
        message_id = scene.call_without_answer(action, **payload)
        assert (message_id in scene.answers) is not silent
        answer = scene.answers.get(message_id)
        if scene.registered != "Accepted" and answer is not None and "Remote" in action:
            assert answer.status == "Rejected"

    @rule(command=BAD_COMMANDS)
    @precondition(lambda self: self.scene.station.online)
    def call_badly(self, command: tuple[str, Payload]) -> None:
        message_id = self.scene.call_without_answer(command[0], **command[1])
        if self.scene.registered == "Rejected" or self.scene.station.dark:
            assert message_id not in self.scene.answers
        else:
            assert self.scene.answers[message_id].error

    # ── the world ──

    @rule(event=EVENTS)
    def something_happens(self, event: events.Event) -> None:
        self._tell(event)

    @rule(event=FAULT_EVENTS, luck=LUCK)
    def something_breaks(self, event: events.Event, luck: int) -> None:
        if luck <= 1:
            self._tell(event)

    @rule(luck=LUCK)
    def the_mains_fail(self, luck: int) -> None:
        if luck == 0:
            self._tell(events.PowerLost())

    @rule()
    @precondition(lambda self: not self.scene.powered)
    def the_mains_return(self) -> None:
        self._tell(events.PowerRestored())

    @rule(engaged=st.booleans())
    @precondition(lambda self: self.alive)
    def drivers_come_or_stay_away(self, engaged: bool) -> None:
        station = self.scene.station
        if engaged:
            station.engage(at_s=self.scene.now_s)
        else:
            station.disengage(at_s=self.scene.now_s)
        self.scene.pump()

    def _tell(self, event: events.Event) -> None:
        before = self._state()
        try:
            self.scene.tell(event)
        except Refused:
            assert self._state() == before, f"{event} was refused and changed something"

    def _state(self) -> list[object]:
        return [
            (c.phase, c.plugged, c.vehicle, c.transaction, c.authorized_tag, c.tag_pending)
            for c in self.scene.station.connectors
        ]

    # ── what always holds ──

    @invariant()
    def the_station_lets_time_pass(self) -> None:
        for _ in range(STEPS_AT_ONE_TIME_MAX):
            if not self.alive or self.scene.station.wake_at_s > self.scene.now_s:
                return
            self.scene.tick()
        raise AssertionError("the station does not let time pass")

    @invariant()
    def a_transaction_is_open_where_energy_may_flow_and_nowhere_else(self) -> None:
        for connector in self.scene.station.connectors:
            assert (connector.transaction is not None) is (connector.phase in ENERGIZED)
            assert not (self.scene.station.dark and connector.transaction)

    @invariant()
    def registers_never_go_down_and_equal_the_integral(self) -> None:
        connectors = self.scene.station.connectors
        registers = [connector.meter.energy_wh for connector in connectors]
        assert all(now >= before for now, before in zip(registers, self.registers, strict=True))
        self.registers = registers
        for connector in connectors:
            meter = connector.meter
            assert abs(meter.energy_wh - meter.integral_wh) <= 1e-3 + 1e-6 * meter.energy_wh

    @invariant()
    def every_transaction_opens_closes_and_is_delivered_once(self) -> None:
        new: list[Effect] = self.scene.effects[self.seen :]
        self.seen = len(self.scene.effects)
        for effect in new:
            match effect:
                case TransactionOpened(number, _):
                    assert number not in self.opened
                    self.opened.add(number)
                case TransactionClosed(number, energy_wh, integral_wh, reason):
                    assert number in self.opened - self.closed
                    self.closed.add(number)
                    assert reason
                    assert abs(energy_wh - integral_wh) <= 1e-3 + 1e-6 * energy_wh
                case TransactionDelivered(number, what):
                    assert (number, what) not in self.delivered
                    assert what == "start" or (number, "start") in self.delivered
                    self.delivered.add((number, what))
        assert all(count == 1 for count in self.scene.stops_answered.values())

    @invariant()
    def connectors_are_reserved_for_somebody_and_otherwise_not(self) -> None:
        station = self.scene.station
        held = station.reservations.held if station.reservations is not None else ()
        connectors = station.connectors
        reserved = [one.id for one in connectors if one.phase is Phase.RESERVED]
        own = {one.connector_id for one in held}
        assert len(held) <= len(connectors)
        assert held or not reserved
        assert 0 in own or own.issuperset(reserved)
        if self.alive:
            assert not own & {one.id for one in connectors if one.phase is Phase.AVAILABLE}
            # A boot answer may set the clock past an expiry: that is seen by a tick, due at once.
            wall_s = station.wall_s(self.scene.now_s)
            unseen = any(one.expires_wall_s < wall_s for one in held)
            assert not unseen or station.wake_at_s <= self.scene.now_s

    @invariant()
    def queues_stay_bounded(self) -> None:
        station = self.scene.station
        connectors = len(station.connectors)
        assert len(station.outbox.ordinary) <= ORDINARY_MAX + connectors + 1
        assert len(station.outbox.durable) <= DURABLE_MAX + 2 * station.transactions
        assert len(station.tokens) <= CACHE_MAX
        assert not station.conversation.take_frames()
        assert not station.take_effects()

    def teardown(self) -> None:
        """At the end everything calms down: whatever happened, the books can be closed."""
        if not hasattr(self, "scene"):
            return
        scene = self.scene
        if not scene.powered:
            scene.restore_power()
        scene.run(for_s=10.0)
        station = scene.station
        if not station.online and not station.dark:
            scene.connect()
        scene.scripted = True
        self._tell(events.Retired())
        scene.run(for_s=35.0)  # the CALL that is open now is not answered any more
        if scene.registered == "Rejected":
            scene.run(for_s=300.0)
        scene.call("ChangeConfiguration", key="HeartbeatInterval", value="0")
        scene.run(for_s=400.0)
        self.every_transaction_opens_closes_and_is_delivered_once()
        assert self.opened == self.closed
        assert not station.outbox.durable


def test_in_any_order_of_frames_events_and_time_the_rules_hold() -> None:
    run_state_machine_as_test(StationMachine, settings=STEPS)
