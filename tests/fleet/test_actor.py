"""One charger's task: its connection, its moods, and its end."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
import trio

from builders_fleet import (
    HOUR_S,
    SlowHandshakes,
    a_fleet,
    answer_for_ever,
    answer_of,
)
from builders_load import on_dialling
from simfleet.csms.behaviour import Behaviour
from simfleet.errors import ConnectFailed, ConnectReason, LinkClosed
from simfleet.fleet.backoff import BACK_OFF, CALM_S
from simfleet.fleet.orders import Leave, Mode
from simfleet.fleet.turns import CHAT_S, MAILBOX_MAX
from simfleet.link.link import DEFAULT_OPTIONS
from simfleet.ocpp.v16.messages import GetConfigurationRequest, ResetRequest
from simfleet.station.events import (
    Failed,
    PluggedIn,
    PowerLost,
    PowerRestored,
    StartRequested,
    Unplugged,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from trio.testing import MockClock

    from builders_fleet import Fleet
    from simfleet.link.link import Dialer, Link, LinkOptions, ServerLink

SESSION = ("StartTransaction", "StopTransaction")


def durable_calls(fleet: Fleet) -> list[str]:
    return [call.action for call in fleet.wire.of("CP-0000", *SESSION)]


async def charging(fleet: Fleet) -> None:
    """Until the first charger's transaction is running and known to the CSMS."""
    fleet.mass.apply(1, Mode.CHARGING)
    await fleet.until(lambda: fleet.ledger.delivered_starts > 0)


# ── the ordinary life ───────────────────────────────────────────────────────────────────────────


async def test_a_charger_connects_boots_charges_by_autopilot_and_stops(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        fleet.mass.apply(1, Mode.CHARGING)
        await trio.sleep(2 * HOUR_S)
        await fleet.stop()
        actions = [call.action for call in fleet.wire.calls]
        assert actions[:3] == ["BootNotification", "StatusNotification", "StatusNotification"]
        assert actions.count("BootNotification") == 1
        assert actions.count("StartTransaction") == actions.count("StopTransaction") > 2
        assert actions.count("MeterValues") > 10
        assert len(fleet.wire.opened) == 1
        fleet.assert_balanced()
        assert fleet.recorder.counters.disconnects.snapshot() == {"ended": 1}


async def test_an_idle_charger_has_no_socket_and_leaves_at_once(autojump_clock: MockClock) -> None:
    async with a_fleet() as fleet:
        await fleet.settle(1, Mode.IDLE, for_s=HOUR_S)
        assert fleet.wire.opened == []
        assert not fleet.charger().online
        at_s = trio.current_time()
        await fleet.stop()
        assert trio.current_time() == at_s


async def test_the_mode_changes_live_from_idle_over_connect_and_charging_back_to_idle(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await fleet.settle(1, Mode.IDLE)
        assert fleet.wire.calls == []
        await fleet.settle(1, Mode.CONNECT, for_s=HOUR_S)
        assert fleet.charger().online
        assert fleet.wire.count("Heartbeat") >= 11
        assert fleet.wire.count("StartTransaction") == 0
        fleet.mass.apply(1, Mode.CHARGING)
        await fleet.until(lambda: fleet.ledger.delivered_starts == 1, within_s=60)
        assert fleet.charger().mode is Mode.CHARGING
        await fleet.settle(1, Mode.IDLE)
        assert not fleet.charger().online
        assert fleet.ledger.delivered_stops == 1
        assert fleet.wire.count("BootNotification") == 1
        await fleet.settle(1, Mode.CHARGING, for_s=HOUR_S)
        assert fleet.wire.count("BootNotification") == 1  # it was never without power
        assert fleet.ledger.opened > 1
        await fleet.stop()
        fleet.assert_balanced()


async def test_a_charger_told_to_connect_only_ends_its_session_and_stays_online(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        await fleet.settle(1, Mode.CONNECT, for_s=HOUR_S)
        assert fleet.charger().online
        assert durable_calls(fleet) == ["StartTransaction", "StopTransaction"]
        fleet.assert_balanced()


async def test_drivers_sent_away_during_a_reboot_do_not_come_back_with_the_lights(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        await fleet.csms.command("CP-0000", ResetRequest(type="Hard"))
        await trio.sleep(1)
        assert fleet.charger().station.dark
        await fleet.settle(1, Mode.CONNECT, for_s=HOUR_S)
        assert fleet.charger().online
        assert fleet.ledger.opened == 1
        await fleet.stop()
        fleet.assert_balanced()


# ── leaving ─────────────────────────────────────────────────────────────────────────────────────


async def test_who_leaves_stops_its_session_once_delivers_everything_and_ends(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        at_s = trio.current_time()
        await fleet.stop()
        assert trio.current_time() - at_s < 1
        assert durable_calls(fleet) == ["StartTransaction", "StopTransaction"]
        last = fleet.wire.of("CP-0000")[-1]
        assert (last.action, last.payload["status"]) == ("StatusNotification", "Available")
        fleet.assert_balanced()
        assert fleet.supervisor.chargers == {}


async def test_who_leaves_with_the_csms_gone_ends_at_the_deadline_and_owns_up(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        fleet.csms_down()
        await trio.sleep(1)
        at_s = trio.current_time()
        fleet.mass.apply(0, Mode.CHARGING, drain_s=45.0)
        await fleet.supervisor.wait_empty()
        assert trio.current_time() - at_s == pytest.approx(45.0)
        assert fleet.ledger.opened == fleet.ledger.closed == 1
        assert fleet.ledger.undelivered == 1
        assert "CP-0000 left with 1 transaction messages undelivered" in fleet.ledger.faults


async def test_who_leaves_while_the_csms_is_restarted_delivers_in_the_time_it_has(
    autojump_clock: MockClock,
) -> None:
    """Long pauses of the outage before do not eat the time to say goodbye."""
    for seed in range(5):
        async with a_fleet(seed=seed) as fleet:
            await charging(fleet)
            fleet.csms_down()
            await trio.sleep(HOUR_S)
            fleet.mass.apply(0, Mode.CHARGING, drain_s=30.0)
            await trio.sleep(5)
            await fleet.csms_up()
            await fleet.supervisor.wait_empty()
            fleet.assert_balanced()


async def test_who_leaves_during_a_stuck_handshake_still_ends_in_time(
    autojump_clock: MockClock,
) -> None:
    dialers: list[SlowHandshakes] = []

    def slow(dial: Dialer) -> Dialer:
        dialers.append(SlowHandshakes(dial, takes_s=1e9))
        return dialers[0]

    async with a_fleet(dial=slow) as fleet:
        await fleet.settle(1, Mode.CONNECT, for_s=1)
        at_s = trio.current_time()
        fleet.charger().post(Leave(at_s + 60))
        await fleet.supervisor.wait_empty()
        assert trio.current_time() - at_s <= fleet.surroundings.options.connect_timeout_s
    async with a_fleet() as fleet:
        await charging(fleet)
        fleet.surroundings.dial = SlowHandshakes(fleet.network.dial, takes_s=1e9)
        fleet.cut("CP-0000")
        await trio.sleep(20)
        at_s = trio.current_time()
        fleet.charger().post(Leave(at_s + 14))  # some handshakes begin near the end
        await fleet.supervisor.wait_empty()
        assert trio.current_time() - at_s == pytest.approx(14)


async def test_who_leaves_a_csms_that_never_answers_ends_at_the_deadline(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        fleet.csms.freeze(HOUR_S)
        at_s = trio.current_time()
        fleet.mass.apply(0, Mode.CHARGING, drain_s=10.0)
        await fleet.supervisor.wait_empty()
        assert trio.current_time() - at_s == pytest.approx(10.0)
        assert fleet.ledger.undelivered == 1


async def test_who_leaves_and_owes_nothing_does_not_wait_long_for_idle_answers(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        fleet.mass.apply(1, Mode.CONNECT)
        await trio.sleep(60)
        fleet.csms.freeze(HOUR_S)
        fleet.charger().post(Failed(1, "GroundFailure"))  # its status will never be answered
        await trio.sleep(1)
        at_s = trio.current_time()
        fleet.mass.apply(0, Mode.CONNECT, drain_s=600.0)
        await fleet.supervisor.wait_empty()
        # The closing handshake with a frozen CSMS has a bound of its own.
        assert CHAT_S <= trio.current_time() - at_s <= CHAT_S + 4
        assert fleet.ledger.undelivered == 0


async def test_who_leaves_while_queueing_for_a_handshake_ends_at_once(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(
        chargers=2, handshakes=1, dial=lambda dial: SlowHandshakes(dial, takes_s=9.0)
    ) as fleet:
        await fleet.settle(2, Mode.CONNECT, for_s=1)
        fleet.mass.apply(1, Mode.CONNECT)
        await trio.sleep(0.1)
        assert list(fleet.supervisor.chargers) == ["CP-0000"]
        await trio.sleep(20)
        assert [identity for _, identity in fleet.wire.opened] == ["CP-0000"]


async def test_who_is_called_back_before_it_has_gone_stays_and_charges_again(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        charger = fleet.charger()
        fleet.csms.freeze(20)
        charger.post(Leave(trio.current_time() + 60))
        await trio.sleep(5)
        assert charger.leaving
        charger.post(Mode.CHARGING)
        await trio.sleep(HOUR_S)
        assert fleet.charger() is charger
        assert not fleet.charger().leaving
        assert fleet.ledger.opened > 1
        assert len(fleet.wire.opened) == 1
        await fleet.stop()
        fleet.assert_balanced()


async def test_a_session_that_is_begun_by_hand_while_leaving_is_ended_too(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        charger = fleet.charger()
        fleet.csms.freeze(20)
        fleet.mass.apply(0, Mode.CHARGING)
        await trio.sleep(5)
        charger.post(StartRequested(1))
        await fleet.supervisor.wait_empty()
        fleet.assert_balanced()


# ── the link is lost ────────────────────────────────────────────────────────────────────────────


async def test_a_link_lost_in_a_transaction_comes_back_without_a_boot_and_in_order(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        before = len(fleet.wire.calls)
        fleet.csms_down()
        await trio.sleep(600)  # samples are taken, the session ends, and perhaps another begins
        assert len(fleet.wire.calls) == before
        assert len(fleet.charger().station.outbox.durable) >= 5
        await fleet.csms_up()
        await fleet.until(lambda: fleet.charger().online, within_s=BACK_OFF.longest_s + 1)
        await trio.sleep(1)
        late = fleet.wire.calls[before:]
        actions = [call.action for call in late]
        assert actions[:2] == ["StatusNotification", "StatusNotification"]
        assert "BootNotification" not in actions
        told = [
            call.payload["meterValue"][0]["timestamp"]
            if call.action == "MeterValues"
            else call.payload["timestamp"]
            for call in late
            if call.action in ("MeterValues", *SESSION)
        ]
        assert len(told) >= 5
        assert told == sorted(told)
        await fleet.stop()
        fleet.assert_balanced()


@pytest.mark.parametrize(
    ("configured", "pings_s"), [({}, 0.0), ({"WebSocketPingInterval": "7"}, 7)]
)
async def test_a_link_pings_as_the_charger_is_configured(
    configured: dict[str, str], pings_s: float, autojump_clock: MockClock
) -> None:
    asked: list[float] = []

    def noting(dial: Dialer) -> Dialer:
        def note(
            url: str, *, identity: str, subprotocol: str, options: LinkOptions = DEFAULT_OPTIONS
        ) -> AbstractAsyncContextManager[Link]:
            asked.append(options.ping_interval_s)
            return dial(url, identity=identity, subprotocol=subprotocol, options=options)

        return note

    async with a_fleet(dial=noting, configuration=configured) as fleet:
        await charging(fleet)
        await fleet.stop()
    assert asked == [pings_s]


class FailsOnce:
    """A link that is found broken by the first message that falls due while its task waits."""

    failures: ClassVar[list[float]]

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting = False

    def send_nowait(self, frames: Sequence[bytes]) -> bool:
        if not self.failures and self._waiting:
            self.failures.append(trio.current_time())
            self._link.abort()  # so that the waiting task finds out, too
            raise LinkClosed("stalled", "on purpose")
        return self._link.send_nowait(frames)

    async def receive(self) -> bytes:
        with trio.CancelScope(shield=not self.failures):  # the broken link is noticed first
            self._waiting = True
            try:
                frame = await self._link.receive()
            finally:
                self._waiting = False
        return frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)


async def test_a_link_found_broken_by_two_is_lost_once(autojump_clock: MockClock) -> None:
    FailsOnce.failures = []

    def failing(dial: Dialer) -> Dialer:
        return on_dialling(dial, after=lambda _, link: cast("Link", FailsOnce(link)))

    async with a_fleet(dial=failing) as fleet:
        await charging(fleet)
        await trio.sleep(HOUR_S)
        assert len(FailsOnce.failures) == 1
        await fleet.stop()
        fleet.assert_balanced()
        assert fleet.recorder.counters.disconnects.snapshot() == {"closed": 1, "ended": 1}


async def test_while_connecting_is_refused_pauses_grow_to_the_cap_and_the_station_lives(
    autojump_clock: MockClock,
) -> None:
    attempts: list[tuple[float, str]] = []

    def refusing(dial: Dialer) -> Dialer:
        def note(
            url: str, *, identity: str, subprotocol: str, options: LinkOptions = DEFAULT_OPTIONS
        ) -> AbstractAsyncContextManager[Link]:
            if not fleets or fleets[0].network.refusal is not None:
                attempts.append((trio.current_time(), identity))
            return dial(url, identity=identity, subprotocol=subprotocol, options=options)

        return note

    fleets: list[Fleet] = []
    cached = {"AuthorizationCacheEnabled": "true"}
    async with a_fleet(chargers=60, dial=refusing, configuration=cached) as fleet:
        fleets.append(fleet)
        await fleet.settle(60, Mode.CHARGING, for_s=40)
        fleet.network.refusal = ConnectFailed(ConnectReason.REFUSED, "for an hour")
        lost_s = trio.current_time()
        opened = fleet.ledger.opened
        fleet.csms_down()
        await fleet.csms_up()
        await trio.sleep(HOUR_S)
        by_charger: dict[str, list[float]] = {}
        for at_s, identity in attempts:
            by_charger.setdefault(identity, []).append(at_s)
        assert len(by_charger) == 60
        pauses = [
            after - before
            for times in by_charger.values()
            for before, after in zip([lost_s, *times], times, strict=False)
        ]
        assert max(pauses) <= BACK_OFF.longest_s + 1e-6
        first = [times[0] - lost_s for times in by_charger.values()]
        assert min(first) >= BACK_OFF.wait_minimum_s
        assert max(first) <= BACK_OFF.wait_minimum_s + BACK_OFF.random_range_s
        assert max(first) - min(first) > 0.8 * BACK_OFF.random_range_s  # not all at once
        for times in by_charger.values():
            waits = _gaps([lost_s, *times])
            doubling = BACK_OFF.repeat_times + 1
            for before, after in itertools.pairwise(waits[:doubling]):
                assert 0 <= after - 2 * before <= BACK_OFF.random_range_s
            assert waits[doubling:] == pytest.approx([waits[doubling - 1]] * len(waits[doubling:]))
            assert len(waits) > HOUR_S / BACK_OFF.longest_s
        per_s = [int(at_s) for at_s, _ in attempts if at_s > lost_s + 300]
        assert max(map(per_s.count, set(per_s))) <= 12  # 60 chargers, 45 s apart: 1.3 a second
        assert fleet.ledger.opened > opened + 60  # drivers known from before still charge
        assert fleet.recorder.counters.connect.failures.snapshot() == {"refused": len(attempts)}
        fleet.network.refusal = None
        await trio.sleep(BACK_OFF.longest_s + 30)
        assert fleet.recorder.counters.connect.connected == 60
        assert fleet.wire.count("BootNotification") == 60
        await fleet.stop()
        fleet.assert_balanced()


def _gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


async def test_mail_does_not_cut_a_pause_short(autojump_clock: MockClock) -> None:
    async with a_fleet(up=False) as fleet:
        await fleet.settle(1, Mode.CONNECT, for_s=HOUR_S)
        attempts = fleet.recorder.counters.connect.attempts
        for n in range(50):
            fleet.charger().post(PluggedIn() if n % 2 == 0 else Unplugged())
            await trio.sleep(0.01)
        assert fleet.recorder.counters.connect.attempts - attempts <= 1


async def test_failures_are_forgotten_after_a_calm_minute(autojump_clock: MockClock) -> None:
    async with a_fleet() as fleet:
        await fleet.settle(1, Mode.CONNECT)
        fleet.csms_down()
        await trio.sleep(HOUR_S)
        await fleet.csms_up()
        await fleet.until(lambda: fleet.charger().online, within_s=BACK_OFF.longest_s + 1)
        await trio.sleep(CALM_S + 1)
        fleet.cut("CP-0000")
        await trio.sleep(0.001)
        assert not fleet.charger().online
        await trio.sleep(BACK_OFF.wait_minimum_s + BACK_OFF.random_range_s)
        assert fleet.charger().online


async def test_failures_count_on_when_connections_do_not_last(autojump_clock: MockClock) -> None:
    async def hang_up(link: ServerLink) -> None:
        await trio.sleep(1)
        await link.close()

    async with a_fleet(handler=hang_up) as fleet:
        await fleet.settle(1, Mode.CONNECT, for_s=HOUR_S)
        gaps = _gaps([at_s for at_s, _ in fleet.wire.opened])
        assert len(gaps) < HOUR_S / (8 * BACK_OFF.wait_minimum_s) + BACK_OFF.repeat_times + 1
        assert max(gaps) == pytest.approx(gaps[-1])  # the longest, from then on


async def test_a_lost_link_does_not_change_what_the_drivers_want(autojump_clock: MockClock) -> None:
    """The pauses are drawn from a stream of their own."""
    energies = []
    for lose in (False, True):
        async with a_fleet(configuration={"MeterValueSampleInterval": "0"}) as fleet:
            await charging(fleet)
            if lose:
                fleet.csms_down()
                await trio.sleep(0.5)
                await fleet.csms_up()
            await trio.sleep(2 * HOUR_S)
            stops = fleet.wire.of("CP-0000", "StopTransaction")
            energies.append([call.payload["meterStop"] for call in stops][:3])
    assert len(energies[0]) == 3
    assert energies[0] == energies[1]


# ── the handshake ───────────────────────────────────────────────────────────────────────────────


async def test_no_more_handshakes_than_the_bound_are_under_way(autojump_clock: MockClock) -> None:
    dialers: list[SlowHandshakes] = []

    def slow(dial: Dialer) -> Dialer:
        dialers.append(SlowHandshakes(dial, takes_s=2.0))
        return dialers[0]

    async with a_fleet(chargers=50, handshakes=7, dial=slow) as fleet:
        fleet.mass.apply(50, Mode.CONNECT)
        await fleet.until(lambda: fleet.recorder.counters.connect.connected == 50, within_s=17)
        assert dialers[0].most == 7


async def test_a_charger_lives_on_while_it_queues_for_a_handshake(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=6, handshakes=1) as fleet:
        await fleet.settle(6, Mode.CHARGING, for_s=60)
        assert fleet.ledger.delivered_starts == 6
        fleet.surroundings.dial = SlowHandshakes(fleet.network.dial, takes_s=1e9)
        fleet.csms_down()
        for _ in range(600):
            await trio.sleep(1)
            at_s = trio.current_time()
            late = [n for n in range(6) if fleet.charger(n).station.wake_at_s < at_s]
            assert len(late) <= 1  # the one that shakes hands
        assert 50 < fleet.recorder.counters.connect.attempts - 6 < 70  # ten seconds each
        assert all(fleet.charger(n).station.outbox.durable for n in range(6))


async def test_a_slow_handshake_is_no_sign_that_the_generator_is_slow(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        fleet.surroundings.dial = SlowHandshakes(fleet.network.dial, takes_s=8.0)
        for _ in range(20):
            fleet.cut("CP-0000")
            await trio.sleep(100)
        lag = fleet.recorder._schedule_lag.histogram
        assert lag.get_percentile_to_value_dict([100.0])[100.0] < 10_000  # microseconds


async def test_mail_that_comes_during_the_handshake_is_read_as_soon_as_it_is_over(
    autojump_clock: MockClock,
) -> None:
    async def mute(link: ServerLink) -> None:
        while True:
            await link.receive()

    async with a_fleet(handler=mute, dial=lambda dial: SlowHandshakes(dial, takes_s=5.0)) as fleet:
        await fleet.settle(1, Mode.CONNECT, for_s=1)
        fleet.charger().post(PluggedIn())
        await trio.sleep(4.5)
        assert fleet.charger().online
        assert fleet.charger().station.connectors[0].plugged
        fleet.charger().post(Leave(trio.current_time() + 3))
        await trio.sleep(3.1)
        assert fleet.supervisor.chargers == {}


# ── resets and mains ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["Hard", "Soft"])
async def test_a_reset_closes_the_link_and_boots_again_after_the_dark(
    autojump_clock: MockClock, kind: str
) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        outcome = await fleet.csms.command("CP-0000", ResetRequest(type=kind))  # type: ignore[arg-type]
        assert outcome.failure is None
        at_s = trio.current_time()
        await fleet.until(lambda: len(fleet.wire.closed) == 1, within_s=5)
        closed_s = fleet.wire.closed[0][0]
        assert closed_s - at_s < 1
        reboot_s = fleet.plans[0].spec.reboot_s
        await trio.sleep(reboot_s - 1)
        assert not fleet.charger().online
        await trio.sleep(3)
        assert len(fleet.wire.opened) == 2
        assert fleet.wire.opened[1][0] - closed_s == pytest.approx(reboot_s, abs=0.01)
        assert fleet.wire.count("BootNotification") == 2
        (stop,) = fleet.wire.of("CP-0000", "StopTransaction")
        assert stop.payload["reason"] == f"{kind}Reset"
        boot = fleet.wire.of("CP-0000", "BootNotification")[1]
        assert (stop.at_s < boot.at_s) is (kind == "Soft")
        await trio.sleep(HOUR_S)
        await fleet.stop()
        assert fleet.ledger.opened > 1
        fleet.assert_balanced()


async def test_without_mains_the_link_breaks_without_a_word_and_with_them_it_boots(
    autojump_clock: MockClock,
) -> None:
    ends: list[str] = []

    async with a_fleet() as fleet:
        serve = fleet._handler

        async def note(link: ServerLink) -> None:
            try:
                await serve(link)
            finally:
                try:
                    link.take_ready()
                except Exception as error:
                    ends.append(getattr(error, "kind", "?"))

        fleet._handler = note
        await charging(fleet)
        charger = fleet.charger()
        charger.post(PowerLost())
        await trio.sleep(HOUR_S)
        assert ends == ["eof"]
        assert durable_calls(fleet) == ["StartTransaction"]
        assert fleet.ledger.still_open == 0
        charger.post(PowerRestored())
        at_s = trio.current_time()
        await trio.sleep(HOUR_S)
        assert fleet.wire.opened[1][0] - at_s == pytest.approx(charger.station.spec.reboot_s)
        stop = fleet.wire.of("CP-0000", "StopTransaction")[0]
        assert stop.payload["reason"] == "PowerLoss"
        await fleet.stop()
        assert fleet.wire.count("BootNotification") == 2
        fleet.assert_balanced()


async def test_a_charger_without_mains_leaves_at_its_deadline(autojump_clock: MockClock) -> None:
    async with a_fleet() as fleet:
        await charging(fleet)
        fleet.charger().post(PowerLost())
        await trio.sleep(1)
        at_s = trio.current_time()
        fleet.mass.apply(0, Mode.CHARGING, drain_s=20)
        await fleet.supervisor.wait_empty()
        assert trio.current_time() - at_s == pytest.approx(20)
        assert fleet.ledger.undelivered == 1


async def test_an_event_that_cannot_happen_is_reported_and_harms_nobody(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await fleet.settle(1, Mode.CONNECT)
        fleet.charger().post(Unplugged())
        await trio.sleep(1)
        assert fleet.charger().online
        (problem,) = fleet.recorder.problems
        assert (problem.charger_id, problem.kind) == ("CP-0000", "refused:Unplugged")


async def test_a_full_mailbox_takes_no_more_events_but_always_an_order(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet() as fleet:
        await fleet.settle(1, Mode.CONNECT)
        charger = fleet.charger()
        taken = [charger.post(PluggedIn()) for _ in range(MAILBOX_MAX + 10)]
        assert taken == [True] * MAILBOX_MAX + [False] * 10
        assert charger.post(Leave(trio.current_time() + 60))
        await trio.sleep(1)
        assert fleet.supervisor.chargers == {}


# ── peers that misbehave ────────────────────────────────────────────────────────────────────────


def flood(n: int) -> list[bytes]:
    """CALLs, each of which wants an answer."""
    return [json.dumps([2, f"x{i}", "GetConfiguration", {"key": ["A"]}]).encode() for i in range(n)]


async def spill(link: ServerLink, frames: list[bytes]) -> None:
    """Put everything before the peer without waiting for it to be read."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await link.send(frames)


async def test_a_csms_that_floods_one_charger_does_not_stop_the_others(
    autojump_clock: MockClock,
) -> None:
    stray = [b'[3,"nobody-asked",{}]'] * 5000  # needs no answer, so nothing makes the charger wait
    progress: list[int] = []

    async def handler(link: ServerLink) -> None:
        if link.identity == "CP-0000":
            await spill(link, stray)
        while True:
            answer = answer_of(await link.receive())
            if link.identity == "CP-0001":
                received = fleets[0].recorder.counters.frames_received
                progress.append(received.total)
            if answer is not None:
                await link.send([answer])

    fleets: list[Fleet] = []
    async with a_fleet(chargers=2, handler=handler) as fleet:
        fleets.append(fleet)
        fleet.mass.apply(2, Mode.CONNECT, over_s=0.0)
        await trio.sleep(30)
        assert fleet.recorder.counters.frames_received.total > len(stray)
        assert progress[2] < len(stray) / 2  # the other booted and reported in the midst of it
        assert fleet.recorder.booted == {"CP-0000", "CP-0001"}


async def test_a_flooded_charger_notices_cancellation(autojump_clock: MockClock) -> None:
    async def handler(link: ServerLink) -> None:
        await spill(link, [b'[3,"nobody-asked",{}]'] * 5000)
        await answer_for_ever(link)

    async with a_fleet(handler=handler) as fleet:
        fleet.mass.apply(1, Mode.CONNECT)
        received = fleet.recorder.counters.frames_received
        while not received.total:
            await trio.lowlevel.checkpoint()
    assert received.total < 1000


async def test_a_charger_and_a_csms_that_both_only_send_do_not_wait_for_each_other(
    autojump_clock: MockClock,
) -> None:
    calls = 1000

    async def handler(link: ServerLink) -> None:
        await link.send(flood(calls))  # reads nothing before all of it is taken
        await answer_for_ever(link)

    async with a_fleet(handler=handler) as fleet:
        await fleet.settle(1, Mode.CONNECT, for_s=20)
        commands = fleet.recorder.counters.snapshot()["commands"]
        assert commands["GetConfiguration"]["count"] == calls
        assert fleet.recorder.booted == {"CP-0000"}


async def test_a_csms_that_stops_reading_is_timed_out_and_can_be_left(
    autojump_clock: MockClock,
) -> None:
    async def handler(link: ServerLink) -> None:
        with trio.move_on_after(60):
            await answer_for_ever(link)
        await spill(link, flood(500))  # answers to these fill every buffer
        await trio.sleep_forever()

    async with a_fleet(handler=handler) as fleet:
        await charging(fleet)
        await trio.sleep(300)
        latencies = fleet.recorder.latencies
        assert latencies.timeouts("MeterValues") >= 2
        assert fleet.charger().online
        at_s = trio.current_time()
        fleet.mass.apply(0, Mode.CHARGING, drain_s=15)
        await fleet.supervisor.wait_empty()
        assert trio.current_time() - at_s == pytest.approx(15)


async def test_an_open_call_ends_at_its_deadline_and_the_next_one_goes_out(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(behaviour=Behaviour(never_answer=frozenset({"Heartbeat"}))) as fleet:
        await fleet.settle(1, Mode.CONNECT, for_s=HOUR_S)
        latencies = fleet.recorder.latencies
        assert latencies.timeouts("Heartbeat") >= 10
        assert fleet.charger().online
        assert fleet.wire.overlaps == []
        assert fleet.ledger.overlapping_calls == 0


async def test_commands_of_the_csms_are_answered_while_a_call_of_the_charger_waits(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(behaviour=Behaviour(never_answer=frozenset({"Heartbeat"}))) as fleet:
        await fleet.settle(1, Mode.CONNECT)
        await fleet.until(lambda: fleet.wire.count("Heartbeat") == 1, within_s=301)
        at_s = trio.current_time()
        outcome = await fleet.csms.command("CP-0000", GetConfigurationRequest())
        assert outcome.failure is None
        assert trio.current_time() - at_s < 1
