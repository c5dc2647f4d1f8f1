from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simfleet.errors import ConnectReason, ProtocolViolation
from simfleet.observe.counters import (
    CRASHES_MAX,
    TRACEBACK_MAX_CHARS,
    VIOLATION_FRAME_MAX_BYTES,
    VIOLATIONS_MAX,
    Counters,
    CrashLog,
    ViolationLog,
)
from simfleet.observe.rates import RatePerSecond
from simfleet.observe.tally import TALLY_KEY_MAX_CHARS, TALLY_KEYS_MAX, TALLY_OTHER, Tally

SOME_WALL_S = 1_700_000_000.125


# ── Tally ───────────────────────────────────────────────────────────────────────────────────────


def test_a_tally_counts_by_name_and_shows_names_in_order() -> None:
    tally = Tally("never")
    tally.add("b")
    tally.add("a", 2)
    tally.add("b")
    assert list(tally.snapshot().items()) == [("a", 2), ("b", 2), ("never", 0)]
    assert (tally["a"], tally["unheard of"], tally.total) == (2, 0, 4)


def test_a_tally_of_names_a_peer_made_up_stays_bounded_and_loses_no_count() -> None:
    tally = Tally()
    for n in range(1000):
        tally.add(f"name{n}")
    tally.add("name0")
    assert len(tally) == TALLY_KEYS_MAX + 1
    assert tally["name0"] == 2
    assert tally[TALLY_OTHER] == 1000 - TALLY_KEYS_MAX
    assert tally.total == 1001


def test_a_name_of_any_length_is_cut() -> None:
    tally = Tally()
    tally.add("x" * 100_000)
    tally.add("x" * 200_000)
    assert tally.snapshot() == {"x" * TALLY_KEY_MAX_CHARS: 2}


# ── RatePerSecond ───────────────────────────────────────────────────────────────────────────────


def test_the_peak_is_the_busiest_whole_second() -> None:
    rate = RatePerSecond()
    for at_s in (0.0, 0.5, 0.999, 1.0, 1.5, 7.2, 7.3, 7.4, 7.5, 8.0):
        rate.add(at_s)
    assert (rate.peak, rate.total) == (4, 10)


def test_the_peak_counts_the_second_at_hand() -> None:
    rate = RatePerSecond()
    rate.add(5.0, 3)
    assert rate.peak == 3


def test_current_is_the_last_complete_second() -> None:
    rate = RatePerSecond()
    rate.add(10.1)
    rate.add(10.2)
    assert rate.current(10.9) == 0, "second 10 is not over, and nothing happened in second 9"
    assert rate.current(11.5) == 2
    rate.add(11.7)
    assert rate.current(11.9) == 2
    assert rate.current(12.0) == 1
    assert rate.current(13.0) == 0
    rate.add(20.0)
    assert rate.current(20.5) == 0


@given(st.lists(st.floats(0, 20), max_size=100))
def test_total_and_peak_agree_with_counting_every_second(times_s: list[float]) -> None:
    rate, by_second = RatePerSecond(), Counter(int(at_s) for at_s in times_s)
    for at_s in sorted(times_s):
        rate.add(at_s)
    assert rate.total == len(times_s)
    assert rate.peak == max(by_second.values(), default=0)
    for second in range(int(max(times_s, default=0)), 23):
        assert rate.current(second + 0.5) == by_second[second - 1]


# ── connections ─────────────────────────────────────────────────────────────────────────────────


def test_connections_are_counted_from_attempt_to_end() -> None:
    counters = Counters()
    for at_s in (1.0, 1.1, 1.2, 2.0):
        counters.connect.attempt(at_s)
    counters.connect.open(1.5)
    counters.connect.open(1.6)
    counters.connect.fail(ConnectReason.REFUSED)
    counters.disconnect("eof")
    counters.connect.open(2.5)
    assert counters.connect.snapshot() == {
        "attempts": 4,
        "failures": {"refused": 1},
        "opened": 3,
        "per_s_peak": 2,
        "connected": 2,
        "connected_peak": 2,
    }
    assert counters.snapshot()["disconnects"] == {"eof": 1}
    assert counters.connect.first_at_s == 1.0


# ── what peers did ──────────────────────────────────────────────────────────────────────────────


def test_boot_answers_are_counted_by_status_and_all_three_are_shown() -> None:
    counters = Counters()
    assert counters.snapshot()["boot"] == {"accepted": 0, "pending": 0, "rejected": 0}
    for status in ("Pending", "Accepted", "Accepted"):
        counters.boot_answered(status)
    assert counters.snapshot()["boot"] == {"accepted": 2, "pending": 1, "rejected": 0}


def test_commands_are_counted_by_action_with_the_errors_we_answered() -> None:
    counters = Counters()
    counters.command("Reset")
    counters.command("GetLog", "NotImplemented")
    counters.command("GetLog", "NotImplemented")
    counters.command("Reset", "FormationViolation")
    assert counters.snapshot()["commands"] == {
        "GetLog": {"count": 2, "errors": {"NotImplemented": 2}},
        "Reset": {"count": 2, "errors": {"FormationViolation": 1}},
    }


def test_commands_with_made_up_names_stay_bounded_and_lose_no_count() -> None:
    counters = Counters()
    for n in range(1000):
        counters.command(f"Nonsense{n}", "NotImplemented")
    counters.command("y" * 10_000)
    commands = counters.snapshot()["commands"]
    assert len(commands) == TALLY_KEYS_MAX + 1
    assert sum(command["count"] for command in commands.values()) == 1001
    assert max(map(len, commands)) <= TALLY_KEY_MAX_CHARS


def a_violation(**more: str) -> ProtocolViolation:
    return ProtocolViolation("TypeConstraintViolation", "1 is not a string", **more)


def test_a_violation_is_kept_with_its_frame() -> None:
    log = ViolationLog()
    log.add(
        a_violation(path="/idTag", message_id="77"),
        charger_id="SIM-1",
        frame=b'[2,"77","RemoteStartTransaction",{"idTag":1}]',
        at_wall_s=SOME_WALL_S,
    )
    assert log.snapshot() == {
        "total": 1,
        "not_kept": 0,
        "kept": [
            {
                "at": "2023-11-14T22:13:20.125Z",
                "charger": "SIM-1",
                "kind": "schema",
                "action": "",
                "error_code": "TypeConstraintViolation",
                "description": "1 is not a string",
                "path": "/idTag",
                "message_id": "77",
                "frame": '[2,"77","RemoteStartTransaction",{"idTag":1}]',
                "frame_bytes": 45,
            }
        ],
    }


def test_violations_beyond_the_limit_are_counted_and_not_kept() -> None:
    log = ViolationLog()
    for n in range(VIOLATIONS_MAX + 25):
        log.add(
            a_violation(message_id=str(n)), charger_id="SIM-1", frame=b"[]", at_wall_s=SOME_WALL_S
        )
    snapshot = log.snapshot()
    assert (snapshot["total"], snapshot["not_kept"]) == (VIOLATIONS_MAX + 25, 25)
    assert [kept["message_id"] for kept in snapshot["kept"]] == [
        str(n) for n in range(VIOLATIONS_MAX)
    ]


@pytest.mark.parametrize("frame", [b"\xff\xfe\x00", "ü".encode() * 5000, b"x" * 1_000_000])
def test_any_offending_frame_is_cut_and_still_goes_into_json(frame: bytes) -> None:
    log = ViolationLog()
    log.add(a_violation(), charger_id="SIM-1", frame=frame, at_wall_s=SOME_WALL_S)
    (kept,) = log.kept
    assert kept["frame_bytes"] == len(frame)
    assert len(kept["frame"]) <= VIOLATION_FRAME_MAX_BYTES * 4  # \\xff takes four characters
    assert json.loads(json.dumps(log.snapshot())) == log.snapshot()


def test_a_crash_is_kept_with_its_traceback() -> None:
    log = CrashLog()
    try:
        json.loads("{}")["nothing here"]
    except KeyError as error:
        log.add(error, charger_id="SIM-1", at_wall_s=SOME_WALL_S)
    (crash,) = log.kept
    assert crash["error"] == "KeyError: 'nothing here'"
    assert crash["charger"] == "SIM-1"
    assert "test_a_crash_is_kept_with_its_traceback" in crash["traceback"]
    assert crash["traceback"].endswith("KeyError: 'nothing here'\n")


def test_crashes_are_bounded_in_number_and_length() -> None:
    log = CrashLog()
    for _ in range(CRASHES_MAX + 3):
        log.add(RuntimeError("long " * 100_000), charger_id="SIM-1", at_wall_s=SOME_WALL_S)
    assert (log.total, len(log.kept), log.snapshot()["not_kept"]) == (
        CRASHES_MAX + 3,
        CRASHES_MAX,
        3,
    )
    assert max(len(crash["traceback"]) for crash in log.kept) == TRACEBACK_MAX_CHARS
    assert max(len(crash["error"]) for crash in log.kept) <= TRACEBACK_MAX_CHARS


def test_every_counter_is_visible_in_the_snapshot() -> None:
    counters = Counters()
    counters.drop("offline_queue_full")
    counters.drop("mailbox_full", 4)
    counters.late_replies += 1
    counters.unknown_replies += 2
    counters.duplicate_replies += 3
    counters.malformed_frames += 4
    counters.frames_sent.add(0.5, 7)
    counters.frames_received.add(0.5, 6)
    counters.frames_received.add(1.5, 1)
    counters.violations.add(a_violation(), charger_id="S", frame=b"[]", at_wall_s=SOME_WALL_S)
    counters.crashes.add(ValueError("x"), charger_id="S", at_wall_s=SOME_WALL_S)
    snapshot = counters.snapshot()
    assert snapshot["dropped"] == {"mailbox_full": 4, "offline_queue_full": 1}
    assert snapshot["replies"] == {"late": 1, "unknown": 2, "duplicate": 3}
    assert snapshot["malformed_frames"] == 4
    assert snapshot["frames"] == {
        "sent": 7,
        "sent_per_s_peak": 7,
        "received": 7,
        "received_per_s_peak": 6,
    }
    assert (snapshot["violations"]["total"], snapshot["crashes"]["total"]) == (1, 1)
    assert json.loads(json.dumps(snapshot)) == snapshot


def test_a_snapshot_does_not_change_afterwards() -> None:
    counters = Counters()
    counters.violations.add(a_violation(), charger_id="S", frame=b"[]", at_wall_s=SOME_WALL_S)
    before = counters.snapshot()
    text = json.dumps(before)
    counters.violations.add(a_violation(), charger_id="S", frame=b"[]", at_wall_s=SOME_WALL_S)
    counters.drop("mailbox_full")
    counters.command("Reset")
    assert json.dumps(before) == text
