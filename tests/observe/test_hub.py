from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from simfleet.clock import WallClock
from simfleet.observe import hub as hub_module
from simfleet.observe.hub import RECENT_RECORDS, RECENT_RECORDS_MAX_BYTES, Hub
from simfleet.observe.records import RecordFilter

if TYPE_CHECKING:
    from simfleet.observe.hub import Tap
    from simfleet.observe.records import Record

HEARTBEAT = b'[2,"a","Heartbeat",{}]'


def a_hub() -> Hub:
    return Hub(WallClock(0.0, wall_s=1_700_000_000.0))


def publish(hub: Hub, n: int, *, charger_id: str = "SIM-1") -> None:
    for _ in range(n):
        hub.publish(charger_id, "sent", HEARTBEAT, 0.0)


def ids(records: list[Record]) -> list[int]:
    return [record.id for record in records]


def drain(tap: Tap) -> list[int]:
    return ids([tap._queue.popleft() for _ in range(len(tap))])


# ── the ring ────────────────────────────────────────────────────────────────────────────────────


def test_a_published_frame_is_kept_with_an_id_and_its_wall_time() -> None:
    hub = a_hub()
    hub.publish("SIM-1", "sent", HEARTBEAT, 2.5)
    hub.publish("SIM-2", "received", b'[3,"a",{}]', 3.0, "Heartbeat")
    first, second = hub.recent()
    assert (first.id, first.at_wall_s, first.charger_id) == (1, 1_700_000_002.5, "SIM-1")
    assert (first.direction, first.frame, first.action) == ("sent", HEARTBEAT, "Heartbeat")
    assert (second.id, second.charger_id, second.action) == (2, "SIM-2", "Heartbeat")


def test_the_ring_keeps_the_newest_records() -> None:
    hub = a_hub()
    publish(hub, RECENT_RECORDS + 5)
    assert ids(hub.recent()) == list(range(6, RECENT_RECORDS + 6))
    assert hub.snapshot()["recent_bytes"] == RECENT_RECORDS * len(HEARTBEAT)


def test_the_ring_is_bounded_in_bytes_too() -> None:
    hub = a_hub()
    big = b"x" * (1024 * 1024)
    for _ in range(40):
        hub.publish("SIM-1", "received", big, 0.0)
    assert len(hub.recent()) == RECENT_RECORDS_MAX_BYTES // len(big)
    assert hub.snapshot()["recent_bytes"] <= RECENT_RECORDS_MAX_BYTES
    hub.publish("SIM-1", "received", b"x" * (RECENT_RECORDS_MAX_BYTES + 1), 0.0)
    assert hub.recent() == []
    assert hub.snapshot()["recent_bytes"] == 0


def test_recent_takes_the_newest_that_fit_and_are_wanted_oldest_first() -> None:
    hub = a_hub()
    for charger_id in ("A", "B", "A", "B", "A"):
        publish(hub, 1, charger_id=charger_id)
    assert ids(hub.recent(limit=2)) == [4, 5]
    assert ids(hub.recent(after_id=3)) == [4, 5]
    assert ids(hub.recent(wanted=RecordFilter(charger_ids=frozenset("A")))) == [1, 3, 5]
    assert ids(hub.recent(limit=2, wanted=RecordFilter(charger_ids=frozenset("A")))) == [3, 5]
    assert hub.recent(limit=0) == hub.recent(after_id=5) == []


# ── taps ────────────────────────────────────────────────────────────────────────────────────────


async def test_every_tap_gets_what_it_wants_from_when_it_was_opened() -> None:
    hub = a_hub()
    publish(hub, 1)
    with hub.tap() as everything, hub.tap(RecordFilter(charger_ids=frozenset("B"))) as only_b:
        publish(hub, 1, charger_id="A")
        publish(hub, 1, charger_id="B")
        assert [(await everything.receive()).id for _ in range(2)] == [2, 3]
        assert (await only_b.receive()).id == 3
        assert len(everything) == len(only_b) == 0


async def test_a_waiting_listener_wakes_with_the_record(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hub = a_hub()
    got: list[tuple[float, int]] = []

    async def listen(tap: Tap) -> None:
        got.extend([(trio.current_time(), record.id) async for record in tap])

    start_s = trio.current_time()
    with hub.tap() as tap:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, tap)
            await trio.sleep(1)
            publish(hub, 1)
            await trio.sleep(1)
            publish(hub, 2)
            await trio.sleep(1)
            hub.close()
    assert got == [(start_s + 1, 1), (start_s + 2, 2), (start_s + 2, 3)]


async def test_a_slow_listener_loses_the_oldest_and_is_told_how_many() -> None:
    hub = a_hub()
    with hub.tap(depth=3) as slow, hub.tap() as quick:
        publish(hub, 5)
        batch = await slow.receive_batch()
        assert (ids(batch.records), batch.missed) == ([3, 4, 5], 2)
        publish(hub, 4)
        batch = await slow.receive_batch()
        assert (ids(batch.records), batch.missed) == ([7, 8, 9], 1)
        assert (slow.missed, slow.take_missed()) == (3, 0)
        assert (ids((await quick.receive_batch()).records), quick.missed) == ([*range(1, 10)], 0)
    assert hub.snapshot()["missed"] == 3, "listeners that left are counted too"


async def test_records_that_are_not_wanted_displace_nothing() -> None:
    hub = a_hub()
    with hub.tap(RecordFilter(charger_ids=frozenset("A")), depth=1) as tap:
        publish(hub, 1, charger_id="A")
        publish(hub, 10, charger_id="B")
        assert (drain(tap), tap.missed) == ([1], 0)


async def test_a_batch_takes_no_more_than_asked_for() -> None:
    hub = a_hub()
    with hub.tap() as tap:
        publish(hub, 5)
        assert ids((await tap.receive_batch(3)).records) == [1, 2, 3]
        assert ids((await tap.receive_batch(3)).records) == [4, 5]


@given(
    st.lists(
        st.one_of(st.tuples(st.just("publish"), st.integers(1, 9)), st.just(("take", 0))),
        max_size=30,
    ),
    st.integers(1, 10),
)
def test_received_and_missed_always_add_up_to_published(
    steps: list[tuple[str, int]], depth: int
) -> None:
    hub, received = a_hub(), list[int]()
    with hub.tap(depth=depth) as tap:
        for what, n in steps:
            if what == "publish":
                publish(hub, n)
            else:
                received += drain(tap)
            assert len(tap) <= depth
        received += drain(tap)
        assert received == sorted(set(received))
        assert len(received) + tap.missed == hub.published


async def test_a_cancelled_receive_loses_nothing() -> None:
    hub = a_hub()
    with hub.tap() as tap:
        received = []
        for n in range(200):
            with trio.CancelScope() as scope:
                if n % 2:
                    scope.cancel()
                else:
                    publish(hub, 1)
                received.append((await tap.receive()).id)
        assert received + drain(tap) == list(range(1, 101))


async def test_a_receive_cancelled_while_waiting_leaves_the_record_to_the_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hub = a_hub()
    with hub.tap() as tap:
        with trio.move_on_after(1):
            await tap.receive()
        publish(hub, 1)
        assert (await tap.receive()).id == 1


async def test_receive_is_a_checkpoint_even_when_records_are_waiting() -> None:
    hub = a_hub()
    with hub.tap() as tap:
        publish(hub, 2)
        with trio.testing.assert_checkpoints():
            await tap.receive()
        with trio.testing.assert_checkpoints():
            await tap.receive_batch()


# ── joining late, going on ──────────────────────────────────────────────────────────────────────


async def test_a_listener_that_was_cut_off_goes_on_without_a_gap() -> None:
    hub = a_hub()
    publish(hub, 5)
    with hub.tap(after_id=2) as tap:
        publish(hub, 1)
        batch = await tap.receive_batch()
        assert (ids(batch.records), batch.missed) == ([3, 4, 5, 6], 0)


@pytest.mark.parametrize(
    ("after_id", "depth", "queued", "missed"),
    [
        (0, 100, [4, 5, 6], 3),  # 1 to 3 have left the ring
        (2, 100, [4, 5, 6], 1),
        (3, 100, [4, 5, 6], 0),
        (6, 100, [], 0),
        (0, 2, [5, 6], 4),  # and 4 does not fit into the queue
        (99, 100, [], 0),  # an id of an earlier hub
        (None, 100, [], 0),
    ],
)
async def test_what_a_late_joiner_cannot_get_any_more_is_counted_as_missed(
    monkeypatch: pytest.MonkeyPatch,
    after_id: int | None,
    depth: int,
    queued: list[int],
    missed: int,
) -> None:
    monkeypatch.setattr(hub_module, "RECENT_RECORDS", 3)
    hub = a_hub()
    publish(hub, 6)
    with hub.tap(depth=depth, after_id=after_id) as tap:
        assert (drain(tap), tap.missed) == (queued, missed)


async def test_a_late_joiner_gets_only_what_it_wants_from_the_ring() -> None:
    hub = a_hub()
    for charger_id in ("A", "B", "A"):
        publish(hub, 1, charger_id=charger_id)
    with hub.tap(RecordFilter(charger_ids=frozenset("A")), after_id=0) as tap:
        assert (drain(tap), tap.missed) == ([1, 3], 0)


# ── the end ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_tap_leaves_the_hub_with_its_block() -> None:
    hub = a_hub()
    with hub.tap() as tap:
        assert hub.snapshot()["taps"] == 1
        publish(hub, 1)
    assert hub.snapshot()["taps"] == 0
    publish(hub, 1)
    assert len(tap) == 0
    with pytest.raises(trio.ClosedResourceError):
        await tap.receive()


async def test_a_closed_hub_gives_the_rest_and_then_the_end() -> None:
    hub = a_hub()
    with hub.tap() as tap:
        publish(hub, 2)
        hub.close()
        assert [record.id async for record in tap] == [1, 2]
        with pytest.raises(trio.EndOfChannel):
            await tap.receive()
    with hub.tap(after_id=0) as late:
        assert [record.id async for record in late] == [1, 2]


async def test_a_failing_filter_hurts_its_listener_and_nobody_else() -> None:
    hub = a_hub()

    def wanted(record: Record) -> bool:
        raise LookupError(record.id)

    async def listen_badly() -> None:
        with hub.tap(wanted) as tap, pytest.raises(LookupError, match="1"):
            await tap.receive()

    with hub.tap() as good:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen_badly)
            await trio.testing.wait_all_tasks_blocked()
            publish(hub, 3)
        assert ids((await good.receive_batch()).records) == [1, 2, 3]
    assert hub.snapshot()["taps"] == 0


async def test_a_tap_may_end_while_a_record_is_being_handed_out() -> None:
    hub = a_hub()
    with hub.tap() as first:

        def wanted(record: Record) -> bool:
            hub._remove(first)
            return True

        with hub.tap(wanted) as second, hub.tap() as third:
            publish(hub, 1)
            assert (len(second), len(third)) == (1, 1)


def test_a_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"), a_hub().tap(depth=0):
        pass
