"""A bad network on purpose: what each impairment does to messages, in memory and on sockets."""

from __future__ import annotations

import json
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_link import a_server
from simfleet.errors import ConnectFailed, ConnectReason, LinkClosed
from simfleet.link.bad_link import TCP_GIVES_UP_S
from simfleet.link.faults import HELD_OPEN_MAX, BadNetwork
from simfleet.link.impairments import (
    Corrupt,
    Duplicate,
    HalfOpen,
    Impairment,
    Latency,
    Refuse,
    Reset,
    Slow,
    Stall,
    problem,
)
from simfleet.link.lanes import LANE_MAX, Touch
from simfleet.link.link import Link, LinkOptions, Transport
from simfleet.link.memory import MemoryNetwork
from simfleet.link.opening import open_link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simfleet.link.link import Dialer, ServerLink

CANCELLATIONS = 3000
MockClock = trio.testing.MockClock


def call(number: int, action: str = "Heartbeat", filler: int = 0) -> bytes:
    return json.dumps([2, f"m{number}", action, {"x": "y" * filler}]).encode()


def result(number: int) -> bytes:
    return json.dumps([3, f"m{number}", {}]).encode()


class Ends:
    """Both ends of one connection through a bad network, and what was told of it."""

    def __init__(self, network: BadNetwork, link: Link, theirs: Any, told: list[Touch]) -> None:
        self.network, self.link, self.theirs, self.told = network, link, theirs, told

    @property
    def kinds(self) -> list[str]:
        return [touch.kind for touch in self.told]


@asynccontextmanager
async def through(
    *impairments: Impairment,
    seed: int = 1,
    dial: Dialer | None = None,
    url: str = "ws://memory/ocpp",
    options: LinkOptions | None = None,
) -> AsyncIterator[Ends]:
    """A connection through a network with these impairments; the server's end is `theirs`."""
    told: list[Touch] = []
    memory = MemoryNetwork()
    ends: list[ServerLink] = []
    over, accepted = trio.Event(), trio.Event()

    async def handler(link: ServerLink) -> None:
        ends.append(link)
        accepted.set()
        await over.wait()

    bad = BadNetwork(
        dial or memory.dial, seed=seed, tell=lambda identity, touch: told.append(touch)
    )
    for place, impairment in enumerate(impairments):
        bad.give("CP", impairment, place=str(place))
    refused: ConnectFailed | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(memory.serve, handler)
        dialled = bad.dial(
            url, identity="CP", subprotocol="ocpp1.6", options=options or LinkOptions()
        )
        try:
            async with dialled as link:
                if dial is None:
                    await accepted.wait()
                yield Ends(bad, link, ends[0] if ends else None, told)
        except LinkClosed:
            pass
        except ConnectFailed as failed:
            refused = failed
        over.set()
        nursery.cancel_scope.cancel()
    if refused is not None:
        raise refused  # where no nursery wraps it


async def owning(link: Link, into: list[tuple[float, bytes]]) -> None:
    """Do what a charger's task does all the time: wait for frames."""
    while True:
        frame = await link.receive()
        into.append((trio.current_time(), frame))


async def test_latency_is_what_was_asked_for_each_way(autojump_clock: MockClock) -> None:
    came: list[tuple[float, bytes]] = []
    async with through(Latency(delay_s=0.25)) as ends, trio.open_nursery() as nursery:
        nursery.start_soon(owning, ends.link, came)
        began_s = trio.current_time()
        ends.link.send_nowait([call(1)])
        assert await ends.theirs.receive() == call(1)
        assert trio.current_time() - began_s == pytest.approx(0.25)
        await ends.theirs.send([result(1)])
        await trio.sleep(1)
        [(at_s, message)] = came
        assert at_s - began_s == pytest.approx(0.5)
        assert message == result(1)
        nursery.cancel_scope.cancel()


async def test_impairments_may_change_while_a_slow_handshake_goes_on(
    autojump_clock: MockClock,
) -> None:
    memory = MemoryNetwork()
    bad = BadNetwork(memory.dial, seed=1, tell=lambda identity, touch: None)
    bad.give("CP", Latency(delay_s=0.5), place="slice")
    taken = bad.give("CP", Latency(delay_s=0.5), place="first stage")

    async def next_stage_begins() -> None:
        await trio.sleep(0.1)
        bad.take("CP", taken)
        bad.give("CP", Latency(delay_s=2), place="second stage")

    async def handler(link: ServerLink) -> None:
        assert await link.receive() == call(1)
        assert trio.current_time() - sent_s == pytest.approx(2.5)  # the slice and the second stage
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        await nursery.start(memory.serve, handler)
        nursery.start_soon(next_stage_begins)
        async with bad.dial("ws://memory/ocpp", identity="CP", subprotocol="ocpp1.6") as link:
            sent_s = trio.current_time()
            link.send_nowait([call(1)])
            await link.receive()


async def test_one_direction_and_one_action_are_told_apart(autojump_clock: MockClock) -> None:
    slow_answers = Latency(delay_s=1, direction="from_csms", actions=("Authorize",))
    came: list[tuple[float, bytes]] = []
    async with through(slow_answers) as ends, trio.open_nursery() as nursery:
        nursery.start_soon(owning, ends.link, came)
        began_s = trio.current_time()
        for number, action in enumerate(["Heartbeat", "Authorize"]):
            ends.link.send_nowait([call(number, action)])
            await ends.theirs.receive()
            await ends.theirs.send([result(number)])
        assert trio.current_time() == pytest.approx(began_s)
        await trio.sleep(2)
        assert [at_s - began_s for at_s, _ in came] == [pytest.approx(0), pytest.approx(1)]
        nursery.cancel_scope.cancel()


async def test_jitter_never_lets_a_message_overtake_another(autojump_clock: MockClock) -> None:
    async with through(Latency(delay_s=0.01, jitter_s=0.5)) as ends, trio.open_nursery() as nursery:
        nursery.start_soon(owning, ends.link, [])
        for number in range(50):
            ends.link.send_nowait([call(number)])
        times = []
        for number in range(50):
            assert await ends.theirs.receive() == call(number)
            times.append(trio.current_time())
        assert times[-1] - times[0] < 0.51
        nursery.cancel_scope.cancel()


async def test_little_bandwidth_is_shared_by_the_messages(autojump_clock: MockClock) -> None:
    async with through(Slow(bytes_per_s=100)) as ends, trio.open_nursery() as nursery:
        nursery.start_soon(owning, ends.link, [])
        began_s = trio.current_time()
        message = call(1, filler=200)
        ends.link.send_nowait([message, message])
        await ends.theirs.receive()
        assert trio.current_time() - began_s == pytest.approx(len(message) / 100)
        await ends.theirs.receive()
        assert trio.current_time() - began_s == pytest.approx(2 * len(message) / 100)
        nursery.cancel_scope.cancel()


async def test_a_stall_holds_everything_and_then_lets_it_go(autojump_clock: MockClock) -> None:
    stall = Stall(for_s=5, probability=1, count=1, direction="to_csms")
    async with through(stall) as ends, trio.open_nursery() as nursery:
        nursery.start_soon(owning, ends.link, [])
        began_s = trio.current_time()
        for number in range(3):
            ends.link.send_nowait([call(number)])
            await trio.sleep(1)
        for number in range(3):
            assert await ends.theirs.receive() == call(number)
        assert trio.current_time() - began_s == pytest.approx(5)
        assert "stall" in ends.kinds
        nursery.cancel_scope.cancel()


async def test_a_reset_loses_the_message_and_the_connection(autojump_clock: MockClock) -> None:
    async with through(Reset(probability=1, direction="from_csms")) as ends:
        ends.link.send_nowait([call(1)])
        await ends.theirs.receive()
        await ends.theirs.send([result(1)])
        with pytest.raises(LinkClosed) as caught:
            await ends.link.receive()
        assert caught.value.kind == "reset"
        with pytest.raises(LinkClosed):
            await ends.theirs.receive()
        assert [(touch.kind, touch.frame, touch.lost) for touch in ends.told] == [
            ("reset", result(1), True)
        ]


async def test_resets_come_at_a_rate_whatever_is_said(autojump_clock: MockClock) -> None:
    lived_s = []
    for seed in range(200):
        async with through(Reset(every_s=60), seed=seed) as ends:
            began_s = trio.current_time()
            with pytest.raises(LinkClosed):
                await ends.link.receive()
            lived_s.append(trio.current_time() - began_s)
    assert 50 < sum(lived_s) / len(lived_s) < 70  # four standard errors of an exponential


async def test_on_a_half_open_connection_nobody_hears_anything(autojump_clock: MockClock) -> None:
    async with through(HalfOpen(probability=1, count=1)) as ends, trio.open_nursery() as nursery:
        began_s = trio.current_time()
        ends.link.send_nowait([call(1)])
        ends.link.send_nowait([call(2)])

        async def hear() -> None:
            await ends.theirs.receive()
            raise AssertionError("the CSMS heard of it")

        nursery.start_soon(hear)
        with pytest.raises(LinkClosed) as caught:
            await ends.link.receive()
        assert caught.value.kind == "reset"
        assert trio.current_time() - began_s == pytest.approx(TCP_GIVES_UP_S)
        nursery.cancel_scope.cancel()
    assert [touch.lost for touch in ends.told] == [True, True]


async def test_a_half_open_connection_is_reset_when_the_path_is_back(
    autojump_clock: MockClock,
) -> None:
    async with through(HalfOpen(probability=1)) as ends, trio.open_nursery() as nursery:
        ends.link.send_nowait([call(1)])

        async def mend() -> None:
            await trio.sleep(30)
            ends.network.take("CP", 1)

        nursery.start_soon(mend)
        began_s = trio.current_time()
        with pytest.raises(LinkClosed) as caught:
            await ends.link.receive()
        assert caught.value.kind == "reset"
        assert trio.current_time() - began_s == pytest.approx(30)
        ends.network.release()
        with pytest.raises(LinkClosed):
            await ends.theirs.receive()


async def test_a_duplicate_arrives_twice_and_is_told_once(autojump_clock: MockClock) -> None:
    async with through(Duplicate(actions=("StartTransaction",))) as ends:
        ends.link.send_nowait([call(1, "StartTransaction"), call(2)])
        assert [await ends.theirs.receive() for _ in range(3)] == [
            call(1, "StartTransaction"),
            call(1, "StartTransaction"),
            call(2),
        ]
        assert [(touch.kind, touch.call_id) for touch in ends.told] == [("duplicate", "m1")]


async def test_a_corrupted_message_is_no_json(autojump_clock: MockClock) -> None:
    for seed in range(50):
        async with through(Corrupt(), seed=seed) as ends:
            ends.link.send_nowait([call(1, "BootNotification", filler=30)])
            came = await ends.theirs.receive()
            came.decode()  # the WebSocket itself stays whole
            with pytest.raises(json.JSONDecodeError):
                json.loads(came)
            assert [(touch.kind, touch.frame) for touch in ends.told] == [("corrupt", came)]


async def test_the_copy_of_a_corrupted_message_is_another_corrupted_one(
    autojump_clock: MockClock,
) -> None:
    """The CSMS counts two violations, so the books need two excuses."""
    async with through(Corrupt(), Duplicate()) as ends:
        ends.link.send_nowait([call(1)])
        came = [await ends.theirs.receive() for _ in range(2)]
        assert came[0] == came[1] != call(1)
        assert [(touch.kind, touch.frame) for touch in ends.told] == [("corrupt", came[0])] * 2


async def test_a_corrupted_message_may_be_well_formed_with_another_id(
    autojump_clock: MockClock,
) -> None:
    async with through(Corrupt(form="wrong_id")) as ends:
        ends.link.send_nowait([call(1)])
        kind, message_id, action, payload = json.loads(await ends.theirs.receive())
        assert (kind, action, payload) == (2, "Heartbeat", {"x": ""})
        assert message_id != "m1"
        assert len(message_id) == 2


async def test_complaints_about_broken_frames_pass(autojump_clock: MockClock) -> None:
    """Else two parties that cannot read each other would complain for ever."""
    complaint = json.dumps([4, "-1", "FormationViolation", "", {}]).encode()
    async with through(Corrupt(), Duplicate()) as ends:
        ends.link.send_nowait([complaint])
        assert await ends.theirs.receive() == complaint
        assert ends.theirs.take_ready() is None


async def test_refusing_is_a_refused_connection(autojump_clock: MockClock) -> None:
    with pytest.raises(ConnectFailed) as caught:
        async with through(Refuse()):
            pass
    assert caught.value.reason is ConnectReason.REFUSED


async def test_connecting_takes_its_round_trips(autojump_clock: MockClock) -> None:
    began_s = trio.current_time()
    async with through(Latency(delay_s=0.1)):
        assert trio.current_time() - began_s == pytest.approx(0.4)  # TCP, then HTTP
    with pytest.raises(ConnectFailed) as caught:
        async with through(Latency(delay_s=20)):
            pass
    assert caught.value.reason is ConnectReason.TIMED_OUT


async def test_what_is_on_its_way_arrives_before_the_close(autojump_clock: MockClock) -> None:
    async with through(Latency(delay_s=0.2)) as ends:
        ends.link.send_nowait([call(1)])
        await ends.link.close()
        assert await ends.theirs.receive() == call(1)
        with pytest.raises(LinkClosed) as caught:
            await ends.theirs.receive()
        assert (caught.value.kind, caught.value.code_ws) == ("closed", 1000)


async def test_what_came_before_the_end_is_still_received(autojump_clock: MockClock) -> None:
    async with through(Latency(delay_s=0.2)) as ends:
        await ends.theirs.send([call(1)])
        await ends.theirs.close(1001, "bye")
        assert await ends.link.receive() == call(1)
        with pytest.raises(LinkClosed) as caught:
            await ends.link.receive()
        assert caught.value.code_ws == 1001


async def test_a_flood_waits_with_its_sender(autojump_clock: MockClock) -> None:
    async with through(Latency(delay_s=2, direction="from_csms")) as ends:
        await ends.theirs.send([call(number) for number in range(3 * LANE_MAX)])
        for number in range(3 * LANE_MAX):
            assert await ends.link.receive() == call(number)


async def test_the_same_seed_and_connection_give_the_same_chances(
    autojump_clock: MockClock,
) -> None:
    async def fate(seed: int) -> list[bytes]:
        came = []
        async with through(Duplicate(probability=0.5), seed=seed) as ends:
            ends.link.send_nowait([call(number) for number in range(30)])
            while (message := ends.theirs.take_ready()) is not None:
                came.append(message)
        return came

    assert await fate(4) == await fate(4) != await fate(5)


async def test_a_charger_without_impairment_pays_nothing(autojump_clock: MockClock) -> None:
    async with through() as ends:
        assert type(ends.link).__name__ == "MemoryLink"


async def test_a_count_is_kept_over_connections(autojump_clock: MockClock) -> None:
    memory, told = MemoryNetwork(), []
    bad = BadNetwork(memory.dial, seed=1, tell=lambda _, touch: told.append(touch))
    bad.give("CP", Refuse(count=2), place="0")

    async def idle(link: ServerLink) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(memory.serve, idle)
        for _ in range(2):
            with pytest.raises(ConnectFailed):
                async with bad.dial("ws://memory", identity="CP", subprotocol="ocpp1.6"):
                    pass
        async with bad.dial("ws://memory", identity="CP", subprotocol="ocpp1.6"):
            nursery.cancel_scope.cancel()
    assert len(told) == 2


def test_held_open_sockets_are_bounded_and_the_rest_is_counted() -> None:
    released = []
    bad = BadNetwork(MemoryNetwork().dial, seed=1, tell=lambda _, touch: None)
    for number in range(HELD_OPEN_MAX + 3):
        bad.hold_open(lambda number=number: released.append(number))  # type: ignore[misc]
    assert released == [0, 1, 2]
    assert bad.held_open_cut == 3
    bad.release()
    assert len(released) == HELD_OPEN_MAX + 3


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Stall(for_s=1), "probability"),
        (Reset(probability=0.1, every_s=5), "probability"),
        (HalfOpen(every_s=5, actions=("Heartbeat",)), "actions"),
        (Latency(delay_s=0), "delay_s"),
    ],
)
def test_an_impairment_that_means_nothing_is_a_mistake(wrong: Impairment, field: str) -> None:
    found = problem(wrong)
    assert found is not None
    assert found[0] == field


# ── cancelled all the time, as chargers do ──────────────────────────────────────────────────────


async def cancelled_thousands_of_times(ends: Ends, theirs: Any, *, seed: int) -> None:
    """Send and receive under deadlines that hit at any moment; count both ways."""
    rng = random.Random(seed)
    heard: list[bytes] = []

    async def peer() -> None:
        answered = 0
        while True:
            heard.append(await theirs.receive())
            await theirs.send([result(answered)])
            answered += 1

    sent = received = cancelled = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer)
        with trio.fail_after(120):
            while cancelled < CANCELLATIONS or received < sent:
                if cancelled < CANCELLATIONS and sent - received < 10 and rng.random() < 0.5:
                    ends.link.send_nowait([call(sent)])
                    sent += 1
                got = None
                wait_s = rng.choice([0, 0, 1e-5, 1e-3, 5e-3])
                with trio.move_on_after(wait_s) as scope:
                    got = await ends.link.receive()
                cancelled += scope.cancelled_caught
                if got is not None:
                    assert got == result(received)
                    received += 1
        nursery.cancel_scope.cancel()
    assert heard == [call(number) for number in range(sent)]
    assert sent > 50


async def test_cancelled_receives_lose_nothing_in_memory(autojump_clock: MockClock) -> None:
    async with through(Latency(delay_s=0.001, jitter_s=0.004), Slow(bytes_per_s=100_000)) as ends:
        await cancelled_thousands_of_times(ends, ends.theirs, seed=7)


@pytest.mark.parametrize("transport", ["websockets", "trio-websocket"])
async def test_cancelled_receives_lose_nothing_on_sockets(transport: Transport) -> None:
    served: list[Any] = []
    accepted, over = trio.Event(), trio.Event()

    async def handler(link: Any) -> None:
        served.append(link)
        accepted.set()
        await over.wait()

    async with a_server(handler) as port:
        async with through(
            Latency(delay_s=0.0005, jitter_s=0.002),
            dial=open_link,
            url=f"ws://127.0.0.1:{port}",
            options=LinkOptions(transport=transport),
        ) as ends:
            await accepted.wait()
            await cancelled_thousands_of_times(ends, served[0], seed=8)
        over.set()


async def ticking(link: Link) -> None:
    """Wait for frames, and do what is due meanwhile, as a charger does."""
    while True:
        with trio.move_on_at(link.wake_at_s):
            await link.receive()
        await link.tick(at_s=trio.current_time())


@pytest.mark.parametrize("transport", ["websockets", "trio-websocket"])
async def test_a_half_open_socket_stays_open_for_the_csms_until_it_is_released(
    transport: Transport,
) -> None:
    served: list[Any] = []
    accepted, over = trio.Event(), trio.Event()

    async def handler(link: Any) -> None:
        served.append(link)
        accepted.set()
        await over.wait()

    async with a_server(handler) as port:
        async with through(
            HalfOpen(probability=1),
            dial=open_link,
            url=f"ws://127.0.0.1:{port}",
            options=LinkOptions(transport=transport, ping_interval_s=0.05, pong_timeout_s=0.1),
        ) as ends:
            await accepted.wait()
            ends.link.send_nowait([call(1)])
            with pytest.raises(LinkClosed) as caught, trio.fail_after(5):
                await ticking(ends.link)
            assert caught.value.kind == "pong_timeout"
        with trio.move_on_after(0.2) as silence:
            await served[0].receive()
        assert silence.cancelled_caught  # neither the message nor an end
        ends.network.release()
        with pytest.raises(LinkClosed), trio.fail_after(5):
            await served[0].receive()
        over.set()
