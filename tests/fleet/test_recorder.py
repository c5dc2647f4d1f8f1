"""Reports of chargers, put where they belong."""

from __future__ import annotations

import pytest

from builders_fleet import EPOCH_S, a_plan, a_recorder
from simfleet.clock import WallClock
from simfleet.errors import ConnectFailed, ConnectReason, Refused
from simfleet.fleet.labels import LABELS_MAX, Labels
from simfleet.fleet.recorder import PROBLEMS_MAX, Problem, Recorder
from simfleet.observe.hub import Hub
from simfleet.observe.lag import ScheduleLag
from simfleet.ocpp.results import LINK_LOST, TIMED_OUT, VIOLATED, Outcome, Violation
from simfleet.ocpp.v16 import V16
from simfleet.ocpp.v16.messages import HeartbeatRequest
from simfleet.station.effects import (
    CommandHandled,
    Dropped,
    Injected,
    Registered,
    TransactionClosed,
    TransactionDelivered,
    TransactionOpened,
)
from simfleet.station.events import Unplugged
from simfleet.station.messages import TransactionEnded
from simfleet.station.transaction import Transaction

ONE = "CP-1"
CALL = b'[2,"a1","Heartbeat",{}]'
ANSWER = b'[3,"c1",{}]'


def outcome(
    failure: str | None = None,
    *,
    due_s: float = 10.0,
    sent_s: float | None = 11.0,
    done_s: float = 13.0,
) -> Outcome:
    return Outcome(
        V16.actions["Heartbeat"],
        HeartbeatRequest(),
        None,
        failure,
        "because",
        due_s,
        sent_s,
        done_s,
        None,
    )


def kinds(recorder: Recorder) -> list[str]:
    return [problem.kind for problem in recorder.problems]


def test_response_time_counts_from_when_it_was_due_and_service_time_from_when_it_was_sent() -> None:
    recorder = a_recorder()
    recorder.effect(ONE, outcome(), 13.0)
    latencies = recorder.latencies
    assert latencies.summary_ms("Heartbeat", "response")["max"] == pytest.approx(3000, rel=0.01)
    assert latencies.summary_ms("Heartbeat", "service")["max"] == pytest.approx(2000, rel=0.01)
    assert recorder.problems == []


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (TIMED_OUT, "timeout:Heartbeat"),
        (VIOLATED, f"callerror:Heartbeat:{VIOLATED}"),
        ("InternalError", "callerror:Heartbeat:InternalError"),
    ],
)
def test_a_call_that_failed_is_counted_and_explained(failure: str, kind: str) -> None:
    recorder = a_recorder()
    recorder.effect(ONE, outcome(failure), 13.0)
    assert recorder.problems == [Problem(EPOCH_S + 13.0, ONE, kind, "because")]
    latencies = recorder.latencies
    assert latencies.timeouts("Heartbeat") == (failure == TIMED_OUT)
    assert sum(latencies.errors("Heartbeat").values()) == (failure != TIMED_OUT)


def test_a_call_lost_with_its_link_is_neither_a_timeout_nor_an_error() -> None:
    recorder = a_recorder()
    recorder.effect(ONE, outcome(LINK_LOST), 13.0)
    recorder.effect(ONE, outcome(LINK_LOST, sent_s=None), 13.0)
    latencies = recorder.latencies
    assert latencies.lost("Heartbeat") == 2
    assert latencies.timeouts() == 0
    assert latencies.errors("Heartbeat") == {}


def test_a_second_call_before_the_first_has_ended_is_an_overlap() -> None:
    recorder = a_recorder()
    recorder.sent(ONE, [CALL], 1.0)
    recorder.sent(ONE, [ANSWER, ANSWER], 1.5)
    recorder.sent("CP-2", [CALL], 1.5)
    assert recorder.ledger.overlapping_calls == 0
    recorder.sent(ONE, [CALL], 2.0)
    assert recorder.ledger.overlapping_calls == 1


def test_two_calls_in_one_write_are_an_overlap() -> None:
    recorder = a_recorder()
    recorder.sent(ONE, [ANSWER, CALL, CALL], 1.0)
    assert recorder.ledger.overlapping_calls == 1


def test_a_call_after_an_outcome_or_a_lost_link_is_no_overlap() -> None:
    recorder = a_recorder()
    for failure in (None, TIMED_OUT, "InternalError"):
        recorder.sent(ONE, [CALL], 1.0)
        recorder.effect(ONE, outcome(failure), 2.0)
    recorder.sent(ONE, [CALL], 3.0)
    recorder.disconnected(ONE, "eof", "", at_s=4.0)
    recorder.sent(ONE, [CALL], 5.0)
    assert recorder.ledger.overlapping_calls == 0


def test_frames_reach_the_hub_in_both_directions() -> None:
    clock = WallClock(0.0, wall_s=EPOCH_S)
    hub = Hub(clock)
    recorder = Recorder(clock, hub=hub, schedule_lag=ScheduleLag())
    recorder.sent(ONE, [ANSWER, CALL], 1.0)
    recorder.received(ONE, ANSWER, 2.0)
    assert [(record.direction, record.frame) for record in hub.recent()] == [
        ("sent", ANSWER),
        ("sent", CALL),
        ("received", ANSWER),
    ]
    counters = recorder.counters
    assert (counters.frames_sent.total, counters.frames_received.total) == (2, 1)


def test_connections_are_counted_with_the_reason_of_every_failure() -> None:
    recorder = a_recorder()
    for _ in range(3):
        recorder.connecting(1.0)
    failure = ConnectFailed(ConnectReason.HTTP_STATUS, "503 from the proxy", status=503)
    recorder.connect_failed(ONE, failure, at_s=1.0)
    for kind in ("ended", "reset"):
        recorder.connected(at_s=2.0)
        recorder.disconnected(ONE, kind, "by the peer", at_s=3.0)
    connect = recorder.counters.connect.snapshot()
    assert (connect["attempts"], connect["opened"], connect["connected"]) == (3, 2, 0)
    assert connect["failures"] == {"http_status": 1}
    assert recorder.counters.disconnects.snapshot() == {"ended": 1, "reset": 1}
    assert [(p.kind, p.detail) for p in recorder.problems] == [
        ("connect:http_status", "503 from the proxy"),
        ("link:reset", "by the peer"),
    ]


def test_registration_is_counted_and_refusals_are_explained() -> None:
    recorder = a_recorder()
    recorder.effect(ONE, Registered("Pending", 30.0), 1.0)
    assert recorder.booted == set()
    recorder.effect(ONE, Registered("Accepted", 300.0), 2.0)
    recorder.effect(ONE, Registered("Accepted", 300.0), 3.0)
    assert recorder.booted == {ONE}
    assert recorder.counters.boot.snapshot() == {"accepted": 2, "pending": 1, "rejected": 0}
    assert [problem.detail for problem in recorder.problems] == ["Pending, again in 30 s"]


def test_transactions_reach_the_ledger() -> None:
    recorder = a_recorder()
    recorder.effect(ONE, TransactionOpened(1, 1), 1.0)
    recorder.effect(ONE, TransactionDelivered(1, "start"), 1.0)
    recorder.effect(ONE, TransactionClosed(1, 5.0, 5.0, "Local"), 2.0)
    recorder.effect(ONE, TransactionDelivered(1, "stop"), 2.0)
    books = recorder.ledger.snapshot()
    assert books["transactions_opened"] == books["stops_delivered"] == 1
    assert books["faults"] == []


def test_violations_commands_and_drops_are_counted() -> None:
    recorder = a_recorder()
    recorder.effect(ONE, Violation("malformed", "", "GenericError", "no JSON", "", b"{"), 1.0)
    recorder.effect(ONE, CommandHandled("Reset", None, "Accepted"), 1.0)
    recorder.effect(ONE, CommandHandled("GetLog", "NotImplemented"), 1.0)
    recorder.effect(ONE, Dropped("MeterValues", "queue_full"), 1.0)
    counted = recorder.counters.snapshot()
    assert counted["violations"]["total"] == counted["malformed_frames"] == 1
    assert counted["commands"]["Reset"] == {"count": 1, "errors": {}}
    assert counted["commands"]["GetLog"] == {"count": 1, "errors": {"NotImplemented": 1}}
    assert counted["dropped"] == {"MeterValues:queue_full": 1}
    assert kinds(recorder) == ["violation:malformed:", "dropped:MeterValues"]


def test_a_crash_keeps_its_traceback() -> None:
    recorder = a_recorder()
    try:
        raise ZeroDivisionError("of all things")
    except ZeroDivisionError as error:
        recorder.crashed(ONE, error, at_s=1.0)
    (kept,) = recorder.counters.crashes.kept
    assert kept["charger"] == ONE
    assert "test_recorder.py" in kept["traceback"]
    assert recorder.problems[0].detail == "ZeroDivisionError: of all things"


def test_a_refused_event_is_named() -> None:
    recorder = a_recorder()
    recorder.refused(ONE, Unplugged(), Refused("no cable"), at_s=1.0)
    assert kinds(recorder) == ["refused:Unplugged"]


def test_who_departs_leaves_its_counts_and_its_debts() -> None:
    recorder = a_recorder()
    station = a_plan().build(wall_offset_s=EPOCH_S)
    station.conversation.late_replies = 2
    station.conversation.unknown_replies = 3
    transaction = Transaction(
        number=1, connector_id=1, id_tag="A", start_wh=0.0, start_integral_wh=0.0, wall_s=0.0
    )
    station.say(TransactionEnded(transaction), due_s=0.0)
    recorder.departed(station)
    replies = recorder.counters.snapshot()["replies"]
    assert replies == {"late": 2, "unknown": 3, "duplicate": 0}
    assert recorder.ledger.undelivered == 1


def test_problems_are_kept_up_to_a_bound_counted_beyond_and_all_passed_on() -> None:
    recorder = a_recorder()
    passed_on: list[Problem] = []
    for n in range(PROBLEMS_MAX + 10):
        if n == PROBLEMS_MAX + 5:
            recorder.on_problem = passed_on.append
        recorder.effect(ONE, Dropped("MeterValues", "link_lost"), float(n))
    assert len(recorder.problems) == PROBLEMS_MAX
    assert recorder.problems_total == PROBLEMS_MAX + 10
    assert len(passed_on) == 5


def test_lateness_is_the_generators_schedule_lag() -> None:
    lag = ScheduleLag()
    recorder = Recorder(WallClock(0.0, wall_s=EPOCH_S), hub=None, schedule_lag=lag)
    recorder.late(0.25)
    assert lag.histogram.get_mean_value() == pytest.approx(250_000, rel=0.01)


# ── faults on purpose ───────────────────────────────────────────────────────────────────────────


def test_a_frame_that_a_fault_sent_is_labelled_once_and_the_others_are_not() -> None:
    hub = Hub(WallClock(0.0, wall_s=EPOCH_S))
    recorder = Recorder(WallClock(0.0, wall_s=EPOCH_S), hub=hub, schedule_lag=ScheduleLag())
    recorder.effect(ONE, Injected("frozen_meter", "Heartbeat", "why", CALL), 1.0)
    recorder.sent("CP-2", [CALL], 1.0)
    recorder.sent(ONE, [ANSWER, CALL], 1.0)
    recorder.disconnected(ONE, "ended", "", at_s=2.0)
    recorder.sent(ONE, [CALL], 3.0)
    assert [record.injected for record in hub.recent()] == ["", "", "frozen_meter", ""]
    assert b'"injected":"frozen_meter"' in hub.recent()[2].as_json()
    assert b"injected" not in hub.recent()[3].as_json()
    assert recorder.counters.injected.snapshot() == {"frozen_meter": 1}


def test_a_label_is_forgotten_with_the_link_that_its_frame_was_to_go_over() -> None:
    hub = Hub(WallClock(0.0, wall_s=EPOCH_S))
    recorder = Recorder(WallClock(0.0, wall_s=EPOCH_S), hub=hub, schedule_lag=ScheduleLag())
    recorder.effect(ONE, Injected("missing_stop", "", ""), 1.0)
    recorder.effect(ONE, Injected("clock_skew", "Heartbeat", "", CALL), 1.0)
    recorder.disconnected(ONE, "ended", "", at_s=2.0)
    recorder.sent(ONE, [CALL], 3.0)
    assert [record.injected for record in hub.recent()] == [""]


def test_spoilt_frames_are_counted_for_the_books_of_the_csms() -> None:
    recorder = a_recorder()
    for kind in ("malformed_frame", "schema_invalid", "clock_skew"):
        recorder.effect(ONE, Injected(kind, "Heartbeat", "", CALL), 1.0)
    assert recorder.ledger.snapshot()["excused"]["spoilt_frames"] == 2


def test_labels_that_nobody_takes_are_bounded() -> None:
    labels = Labels()
    for number in range(LABELS_MAX + 5):
        labels.put(ONE, b"%d" % number, "clock_skew")
    assert labels.take(ONE, b"4") == ""
    assert labels.take(ONE, b"5") == "clock_skew"
