"""What hardware keeps: taken out at any moment and put into a new station, the books balance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_station import EPOCH_S, SILENCE, TAG, VAN, Error, Scene, Sent, samples_of
from simfleet.csms.behaviour import GOOD
from simfleet.csms.book import Book
from simfleet.csms.session import Session
from simfleet.errors import Refused, UsageWrong
from simfleet.station import events
from simfleet.station.chance import Chance, Span
from simfleet.station.configuration import Configuration, for_station
from simfleet.station.effects import TransactionClosed
from simfleet.station.memory import MESSAGE_IDS_SKIPPED, decode_kept, encode_kept, recall, remember
from simfleet.station.meter import ElectricalSpec
from simfleet.station.phase import Phase
from simfleet.station.spec import Habits, StationSpec
from simfleet.station.station import Station

if TYPE_CHECKING:
    from simfleet.station.memory import Kept


def reborn(scene: Scene, *, connectors: int | None = None, seed: int = 99) -> Station:
    """SimFleet is killed, and a station of the same name is made from what was stored."""
    kept = decode_kept(encode_kept(remember(scene.station)))
    old = scene.station
    count = connectors or len(old.connectors)
    station = Station(
        old.identity,
        StationSpec(old.spec.electrical, old.spec.vehicles, connectors=count),
        for_station(count, {}) if connectors else Configuration(old.configuration.factory),
        chance=Chance.of(seed, 1),
        wall_offset_s=scene.epoch_s - scene.began_s,
        id_tag=TAG,
    )
    recall(station, kept, at_s=scene.now_s)
    scene.witness.connection_changed()
    scene.connection += 1
    scene.station = station
    scene.restart_s = float("inf")
    scene.powered = True
    return station


def charging(**scene: Any) -> Scene:
    """A scene in which a session has begun."""
    scene.setdefault("configuration", {"MeterValueSampleInterval": 60})
    made = Scene(**scene)
    made.boot()
    made.charge()
    return made


def test_configuration_availability_faults_registers_and_tags_are_kept() -> None:
    scene = Scene(connectors=3, configuration={"AuthorizationCacheEnabled": "true"})
    scene.boot()
    scene.charge()
    scene.run(for_s=600)
    scene.tell(events.StopRequested(1))
    scene.call("ChangeConfiguration", key="MeterValueSampleInterval", value="7")
    scene.call("ChangeAvailability", connectorId=2, type="Inoperative")
    scene.tell(events.Failed(3, "ReaderFailure", "dirty"))
    before = remember(scene.station)
    meter = scene.station.connectors[0].meter
    register_wh, integral_wh = meter.energy_wh, meter.integral_wh
    station = reborn(scene)
    first, second, third = station.connectors
    assert station.configuration.seconds("MeterValueSampleInterval") == 7
    assert (first.meter.energy_wh, first.meter.integral_wh) == (register_wh, integral_wh)
    assert first.phase is Phase.AVAILABLE
    assert (second.inoperative, second.phase) == (True, Phase.UNAVAILABLE)
    assert (third.error_code, third.error_info, third.phase) == (
        "ReaderFailure",
        "dirty",
        Phase.FAULTED,
    )
    assert station.tokens.find(TAG, wall_s=scene.wall_s) is not None
    assert station.transactions == 1
    again = remember(station)
    assert again.message_id_count == before.message_id_count + MESSAGE_IDS_SKIPPED
    assert again.connectors[0].delivered_wh == before.connectors[0].delivered_wh
    scene.mark()
    scene.boot()
    assert [scene.statuses(n) for n in (1, 2, 3)] == [["Available"], ["Unavailable"], ["Faulted"]]


def test_remembering_changes_nothing() -> None:
    scene = charging()
    scene.run(for_s=90)
    first = encode_kept(remember(scene.station))
    assert encode_kept(remember(scene.station)) == first
    scene.run(for_s=90)
    assert len(scene.sent("MeterValues")) == 3


def test_an_open_transaction_ends_with_power_loss_at_the_register_last_known_exactly_once() -> None:
    scene = charging()
    scene.run(for_s=150)
    known_s = scene.began_s + 120
    register_wh = samples_of(scene.sent("MeterValues")[-1]["meterValue"][0])
    scene.mark()
    station = reborn(scene)
    scene.run(for_s=1000)
    closed = [e for e in station.take_effects() if isinstance(e, TransactionClosed)]
    assert [effect.reason for effect in closed] == ["PowerLoss"]
    scene.boot()
    (stop,) = scene.sent("StopTransaction")
    assert stop["reason"] == "PowerLoss"
    assert stop["transactionId"] == scene.transaction_id
    assert stop["meterStop"] == register_wh["Energy.Active.Import.Register"]
    assert stop.wall_s == pytest.approx(EPOCH_S + known_s - scene.began_s)
    assert "idTag" not in stop.payload
    scene.mark()
    reborn(scene)
    scene.boot()
    assert not scene.sent("StopTransaction")


def test_a_start_that_was_never_answered_stays_first_and_the_stop_carries_its_id() -> None:
    scene = Scene(configuration={"MeterValueSampleInterval": 60, "LocalAuthorizeOffline": "true"})
    scene.boot()
    scene.disconnect()
    scene.station.configuration.store("AllowOfflineTxForUnknownId", "true")
    scene.charge()
    scene.run(for_s=130)
    scene.mark()
    reborn(scene)
    scene.boot()
    told = [one.action for one in scene.sent("StartTransaction", "MeterValues", "StopTransaction")]
    assert told == ["StartTransaction", "MeterValues", "MeterValues", "StopTransaction"]
    for one in scene.sent("MeterValues", "StopTransaction"):
        assert one["transactionId"] == scene.transaction_id


def test_readings_kept_for_the_stop_survive_and_get_their_end() -> None:
    scene = charging(
        configuration={
            "MeterValueSampleInterval": 60,
            "StopTxnSampledData": "Energy.Active.Import.Register",
        }
    )
    scene.run(for_s=125)
    scene.mark()
    reborn(scene)
    scene.boot()
    (stop,) = scene.sent("StopTransaction")
    contexts = [one["sampledValue"][0]["context"] for one in stop["transactionData"]]
    assert contexts == [
        "Transaction.Begin",
        "Sample.Periodic",
        "Sample.Periodic",
        "Transaction.End",
    ]
    values = [int(one["sampledValue"][0]["value"]) for one in stop["transactionData"]]
    assert values == sorted(values)
    assert values[-1] == stop["meterStop"]


def test_attempts_already_made_count() -> None:
    scene = Scene(configuration={"TransactionMessageAttempts": 3})
    scene.boot()
    scene.on("StartTransaction", Error("InternalError"))
    scene.charge()
    scene.run(for_s=61)
    assert scene.station.outbox.durable[0].attempts == 2
    station = reborn(scene)
    assert station.outbox.durable[0].attempts == 2
    scene.mark()
    scene.boot()
    scene.run(for_s=300)
    assert len(scene.sent("StartTransaction")) == 1
    assert ("StartTransaction", "attempts_used_up") in scene.dropped()


def test_a_station_with_fewer_connectors_tells_all_the_same_what_is_owed() -> None:
    scene = Scene(connectors=2, configuration={"MeterValueSampleInterval": 60})
    scene.boot()
    scene.charge(2)
    scene.run(for_s=61)
    station = reborn(scene, connectors=1)
    assert len(station.connectors) == 1
    scene.mark()
    scene.boot()
    (stop,) = scene.sent("StopTransaction")
    assert stop["reason"] == "PowerLoss"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"version":1}'])
def test_what_was_not_written_by_us_is_refused(data: bytes) -> None:
    with pytest.raises(UsageWrong, match="cannot be read"):
        decode_kept(data)


def test_a_later_version_is_refused() -> None:
    kept: Kept = remember(Scene().station)
    newer = encode_kept(kept).replace(b'"configuration"', b'"version":2,"configuration"', 1)
    with pytest.raises(UsageWrong, match="version 2"):
        decode_kept(newer)


# ── any life ────────────────────────────────────────────────────────────────────────────────────


class Life:
    """A station and the embedded CSMS's session, with a book that outlives both."""

    def __init__(self, *, connectors: int, seed: int, autopilot: bool) -> None:
        habits = Habits(
            think_time_s=Span(1.0, 5.0), pause_s=Span(1.0, 30.0), energy_wh=Span(50.0, 900.0)
        )
        self.spec = StationSpec(
            ElectricalSpec.of("AC", max_power_w=11_000),
            (VAN,),
            connectors=connectors,
            habits=habits,
        )
        self.values = {"MeterValueSampleInterval": "20", "AllowOfflineTxForUnknownId": "true"}
        self.values |= {"StopTxnSampledData": "Energy.Active.Import.Register"}
        self.autopilot = autopilot
        self.at_s = 1000.0
        self.book = Book()
        self.session: Session | None = None
        self.seed = seed
        self.deaths = 0
        self.ids: set[bytes] = set()
        self.restart_s = float("inf")
        self.station = self._made(None)

    def _made(self, kept: Kept | None) -> Station:
        station = Station(
            "CP-1",
            self.spec,
            for_station(self.spec.connectors, self.values),
            chance=Chance.of(self.seed, self.deaths),
            wall_offset_s=EPOCH_S,
            id_tag=TAG,
        )
        if kept is not None:
            recall(station, kept, at_s=self.at_s)
        if self.autopilot:
            station.engage()
        return station

    def die(self) -> None:
        """SimFleet is killed and started again."""
        self.disconnect(tell=False)
        self.deaths += 1
        self.restart_s = float("inf")
        self.station = self._made(decode_kept(encode_kept(remember(self.station))))

    def connect(self) -> None:
        if self.session is None and not self.station.dark:
            self.session = Session(
                "CP-1", behaviour=GOOD, book=self.book, number=1, wall_offset_s=EPOCH_S
            )
            self.session.opened(at_s=self.at_s)
            self.station.link_opened(at_s=self.at_s)
            self.pump()

    def disconnect(self, *, tell: bool = True) -> None:
        if self.session is not None:
            self.session.closed(at_s=self.at_s)
            self.session = None
            if tell:
                self.station.link_closed(at_s=self.at_s)

    def pump(self, *, at_most: int = 10_000) -> None:
        """Carry frames back and forth until both are silent, or so many have gone."""
        gone = 0
        while self.session is not None and gone < at_most:
            frames = self.station.take_frames()
            for frame in frames:
                if frame.startswith(b"[2"):
                    message_id = frame.split(b'"')[1]
                    assert message_id not in self.ids, "a message id was used twice"
                    self.ids.add(message_id)
                self.session.receive(frame, at_s=self.at_s)
                gone += 1
            answers = self.session.take_frames() if gone < at_most else []
            for frame in answers:
                self.station.receive(frame, at_s=self.at_s)
            self.station.take_effects()
            if not frames and not answers:
                return

    def run(self, *, for_s: float) -> None:
        end_s = self.at_s + for_s
        while self.station.wake_at_s <= end_s:
            self.at_s = max(self.at_s, self.station.wake_at_s)
            self.station.tick(at_s=self.at_s)
            self.pump()
        self.at_s = end_s

    def tell(self, event: events.Event) -> None:
        try:
            self.station.tell(event, at_s=self.at_s)
        except Refused:
            return
        self.pump()


CONNECTORS = st.integers(1, 2)
STEPS = st.one_of(
    st.tuples(st.just("run"), st.floats(0.0, 200.0)),
    st.tuples(st.just("die"), st.just(0)),
    st.tuples(st.just("connect"), st.just(0)),
    st.tuples(st.just("disconnect"), st.just(0)),
    st.tuples(st.just("unanswered"), st.integers(0, 3)),
    st.tuples(st.just("start"), CONNECTORS),
    st.tuples(st.just("stop"), CONNECTORS),
    st.tuples(st.just("fail"), CONNECTORS),
    st.tuples(st.just("clear"), CONNECTORS),
    st.tuples(st.just("pause"), CONNECTORS),
)


def step(life: Life, what: str, value: Any) -> None:
    life.run(for_s=0.25)  # two starts at one instant would be one to a CSMS, told twice
    match what:
        case "run":
            life.run(for_s=value)
        case "die":
            life.die()
        case "connect":
            life.connect()
        case "disconnect":
            life.disconnect()
        case "unanswered":  # frames that left, and died with the link before they were answered
            life.station.take_frames()
            life.disconnect()
        case "start":
            life.tell(events.StartRequested(value, energy_wh=500.0))
        case "stop":
            life.tell(events.StopRequested(value))
        case "fail":
            life.tell(events.Failed(value))
        case "clear":
            life.tell(events.FaultCleared(value))
        case "pause":
            life.tell(events.EvPaused(value))


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40), CONNECTORS, st.integers(0, 5), st.booleans())
def test_killed_at_any_moments_of_any_life_the_books_of_the_csms_balance(
    steps: list[tuple[str, Any]], connectors: int, seed: int, autopilot: bool
) -> None:
    life = Life(connectors=connectors, seed=seed, autopilot=autopilot)
    life.connect()
    for what, value in steps:
        step(life, what, value)
    registers = [connector.meter.energy_wh for connector in life.station.connectors]
    life.autopilot = False
    life.die()
    assert [c.meter.energy_wh for c in life.station.connectors] == registers
    life.connect()
    life.run(for_s=1.0)
    books = life.book.ledger()
    assert books["starts"] == books["stops"] == life.station.transactions
    for name in (
        "transactions_open",
        "stop_unknown",
        "stopped_twice",
        "duplicate_starts",
        "register_decreases",
        "meter_values_unknown",
        "violations",
        "overlapping_calls",
    ):
        assert books[name] == 0, (name, books)
    assert not life.station.outbox.durable


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS.filter(lambda step: step[0] != "die"), max_size=30), st.integers(0, 5))
def test_what_was_remembered_is_remembered_again(steps: list[tuple[str, Any]], seed: int) -> None:
    """Apart from the message ids that are skipped, and the transaction that ends."""
    life = Life(connectors=2, seed=seed, autopilot=False)
    for what, value in steps:
        step(life, what, value)
    life.die()
    first = remember(life.station)
    life.die()
    second = remember(life.station)
    assert second.message_id_count == first.message_id_count + MESSAGE_IDS_SKIPPED
    for name in ("configuration", "transactions", "outbox", "tokens", "transaction_count"):
        assert getattr(second, name) == getattr(first, name), name
    for before, after in zip(first.connectors, second.connectors, strict=True):
        assert before.running is after.running is None
        assert after.delivered_wh == before.delivered_wh
        assert (after.error_code, after.inoperative) == (before.error_code, before.inoperative)


def test_the_scene_is_reborn_with_a_life_of_its_own() -> None:
    scene = charging()
    scene.run(for_s=100)
    ids = {sent.id for sent in scene.log}
    reborn(scene)
    scene.boot()
    scene.charge()
    scene.run(for_s=100)
    scene.tell(events.StopRequested(1))
    after: list[Sent] = [sent for sent in scene.log if sent.id not in ids]
    starts = [sent for sent in after if sent.action == "StartTransaction"]
    stops = [sent for sent in after if sent.action == "StopTransaction"]
    assert [len(starts), len(stops)] == [1, 2]
    assert starts[0]["meterStart"] == stops[0]["meterStop"]


def test_reservations_and_the_local_list_are_kept_over_a_restart_of_simfleet() -> None:
    scene = Scene(connectors=2, configuration={"LocalPreAuthorize": "true"})
    scene.boot()
    entry = {"idTag": "LISTED", "idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}}
    scene.call("SendLocalList", listVersion=4, updateType="Full", localAuthorizationList=[entry])
    held = {"idTag": "LISTED", "expiryDate": "2026-03-01T12:10:00Z"}
    scene.call("ReserveNow", reservationId=6, connectorId=2, **held)
    scene.call("ReserveNow", reservationId=7, connectorId=0, **held)
    reborn(scene)
    scene.mark()
    scene.boot()
    assert [scene.statuses(n) for n in (1, 2)] == [["Reserved"], ["Reserved"]]
    scene.charge(2, tag="LISTED")
    assert scene.sent("Authorize") == []
    assert scene.sent("StartTransaction")[0]["reservationId"] == 6
    assert scene.call("GetLocalListVersion").payload == {"listVersion": 4}
    scene.run(for_s=700)
    assert scene.statuses(1) == ["Reserved", "Available"]


def test_reservations_that_expired_meanwhile_or_whose_connector_is_gone_are_not_kept() -> None:
    scene = Scene(connectors=3)
    scene.boot()
    held = {"idTag": TAG, "expiryDate": "2026-03-01T12:10:00Z"}
    scene.call("ReserveNow", reservationId=1, connectorId=1, **held)
    scene.call(
        "ReserveNow",
        reservationId=2,
        connectorId=3,
        **held | {"expiryDate": "2027-01-01T00:00:00Z"},
    )
    scene.now_s += 1000
    station = reborn(scene, connectors=2)
    assert station.reservations is None
    scene.mark()
    scene.boot()
    assert [scene.statuses(n) for n in (1, 2)] == [["Available"], ["Available"]]


def test_the_reservation_of_a_start_that_waits_is_kept() -> None:
    scene = Scene()
    scene.boot()
    scene.call(
        "ReserveNow",
        reservationId=9,
        connectorId=1,
        idTag=TAG,
        expiryDate="2026-03-02T00:00:00Z",
    )
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    reborn(scene)
    scene.mark()
    scene.on("StartTransaction")
    scene.boot()
    assert scene.sent("StartTransaction")[0]["reservationId"] == 9
