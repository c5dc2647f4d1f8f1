"""The mass fleet as a service offers it: retargeted live, by its owner, one at a time."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest
import trio

from builders_service import ANN, BOB, URL, Wishes, a_mass_lab
from simfleet.errors import Invalid, PreflightFailed
from simfleet.fleet.garbage import calm_garbage
from simfleet.fleet.orders import Mode
from simfleet.load.generator import TIDY_AFTER_S, GeneratorBusy
from simfleet.load.mass_figures import ERRORS_MAX, MassStats
from simfleet.load.mass_fleet import (
    COSTLY_EVERY_S,
    STOP_DRAIN_S,
    STOP_GRACE_S,
    TARGET_MAX,
)
from simfleet.load.mass_service import SHUTDOWN_S, NoBackend, OtherVersion

if TYPE_CHECKING:
    from trio.testing import MockClock


def ids(count: int) -> list[str]:
    return [f"MASS{n:06}" for n in range(1, count + 1)]


# ── live retarget ────────────────────────────────────────────────────────────────────────────────


async def test_there_is_no_fleet_at_first(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        assert lab.mass.stats(ANN) == MassStats()
        assert lab.mass.errors(ANN) == []
        await lab.mass.stop(ANN)
        lab.mass.clear_errors(ANN)
        assert lab.mass.stats(ANN) == MassStats()


async def test_a_fleet_grows_and_shrinks_newest_first_without_reconnecting_the_rest(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        await lab.settle(8)
        assert lab.connected == ids(8)
        await lab.settle(12)
        assert lab.connected == ids(12)
        stats = await lab.settle(5)
        assert lab.connected == ids(5)
        await trio.sleep(COSTLY_EVERY_S)
        assert lab.mass.stats(ANN).actions["BootNotification"].count == 12
        assert (stats.target, stats.mode, stats.chargers) == (5, Mode.CONNECT, 5)
        assert stats.errors == 0


async def test_a_change_of_mode_keeps_the_links(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        await lab.settle(4)
        await lab.mass.apply(ANN, 4, Mode.CHARGING)
        stats = await lab.until(lambda stats: stats.charging == 4, within_s=30)
        assert stats.sessions == 4
        assert stats.actions["BootNotification"].count == 4
        await lab.mass.apply(ANN, 4, Mode.CONNECT)
        stats = await lab.until(lambda stats: stats.charging == 0)
        assert stats.connected == 4
        await lab.mass.apply(ANN, 4, Mode.IDLE)
        stats = await lab.until(lambda stats: stats.connected == 0)
        assert (stats.chargers, stats.mode) == (4, Mode.IDLE)
        assert lab.connected == []


async def test_charging_chargers_present_the_tag_of_the_settings_and_send_values_every_10_s(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        lab.settings[ANN.id] = Wishes(rfid_card_id="CAFE01", heartbeat_interval=77)
        await lab.mass.apply(ANN, 1, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 1)
        before = lab.mass.stats(ANN).actions.get("MeterValues")
        await trio.sleep(100)
        after = lab.mass.stats(ANN).actions["MeterValues"]
        assert after.count - (before.count if before else 0) in (9, 10)
        started = [r.frame for r in lab.hub.recent() if b"StartTransaction" in r.frame]
        assert b'"idTag":"CAFE01"' in started[0]


async def test_a_batch_a_second_is_the_pace(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        lab.settings[ANN.id] = Wishes(mass_batch_size=10)
        await lab.mass.apply(ANN, 40, Mode.CONNECT)
        for second in (1, 2, 3):
            await trio.sleep(1)
            assert lab.mass.stats(ANN).chargers == pytest.approx(10 * second, abs=1)
        await lab.until(lambda stats: stats.connected == 40, within_s=2)


async def test_racing_applies_end_with_the_one_that_came_last(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        async with trio.open_nursery() as nursery:
            for target in (9, 0, 30, 4, 17):
                nursery.start_soon(lab.mass.apply, ANN, target, Mode.CONNECT)
        await lab.settle(6)
        assert lab.connected == ids(6)
        assert lab.mass.stats(ANN).target == 6


async def test_an_apply_overtakes_a_ramp(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        lab.settings[ANN.id] = Wishes(mass_batch_size=10)
        await lab.mass.apply(ANN, 1000, Mode.CONNECT)
        await trio.sleep(5)
        await lab.settle(20)
        assert lab.connected == ids(20)


@pytest.mark.parametrize("target", [-1, TARGET_MAX + 1])
async def test_a_target_outside_0_to_10000_changes_nothing(
    target: int, autojump_clock: MockClock
) -> None:
    async with a_mass_lab() as lab:
        await lab.settle(2)
        with pytest.raises(Invalid, match="write a number from 0 to 10000"):
            await lab.mass.apply(ANN, target, Mode.CONNECT)
        assert lab.mass.stats(ANN).target == 2


async def test_without_a_backend_nothing_starts(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        lab.settings[ANN.id] = Wishes(ocpp_backend_url="")
        with pytest.raises(NoBackend, match="ocpp_backend_url"):
            await lab.mass.apply(ANN, 1, Mode.CONNECT)
        assert lab.generator.hold is None


async def test_an_apply_moves_the_fleet_to_another_backend_and_its_sessions_go_on(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        other = await lab.another_csms()
        lab.settings[ANN.id] = Wishes(mass_batch_size=10)
        await lab.mass.apply(ANN, 20, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 20)
        lab.settings[ANN.id] = Wishes(mass_batch_size=10, ocpp_backend_url="ws://other")
        await lab.mass.apply(ANN, 20, Mode.CHARGING)
        await trio.sleep(0.5)
        assert len(lab.connected) == 10  # a batch a second
        await trio.sleep(2)
        assert lab.connected == []
        assert other.connected == 20
        stats = lab.mass.stats(ANN)
        assert (stats.connected, stats.errors, stats.sessions) == (20, 0, 20)
        assert stats.backend_url == "ws://other"
        await lab.settle(25, Mode.CHARGING)
        assert other.connected == 25


# ── stopping ─────────────────────────────────────────────────────────────────────────────────────


async def test_stop_ends_every_session_and_closes_every_socket(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        await lab.mass.apply(ANN, 20, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 20)
        began_s = trio.current_time()
        assert (await lab.mass.stop(ANN)).target == 0
        await lab.until(lambda stats: stats.connected == 0, within_s=STOP_DRAIN_S)
        assert trio.current_time() - began_s < 5
        await trio.sleep(1)
        assert lab.connected == []
        assert lab.generator.hold is None
        stats = lab.mass.stats(ANN)
        assert (stats.chargers, stats.leaving, stats.charging) == (0, 0, 0)
        books = lab.csms.ledger()
        assert books["starts"] == books["stops"] == stats.sessions
        assert stats.energy_kwh > 0


async def test_a_target_of_zero_is_a_stop(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        await lab.settle(3)
        await lab.mass.apply(ANN, 0, Mode.CHARGING)
        await trio.sleep(2)
        assert lab.connected == []
        assert lab.generator.hold is None


async def test_a_stop_with_a_dead_csms_is_over_within_a_bound(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        await lab.mass.apply(ANN, 20, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 20)
        lab.csms_down()
        await lab.mass.stop(ANN)
        await lab.mass.stop(ANN)  # asking again does not make it longer
        await trio.sleep(STOP_DRAIN_S + STOP_GRACE_S + 2)
        assert lab.generator.hold is None
        assert lab.mass.stats(ANN).leaving == 0


async def test_an_apply_during_the_stop_calls_the_fleet_back(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        await lab.mass.apply(ANN, 10, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 10)
        lab.csms_down()
        await lab.mass.stop(ANN)
        await trio.sleep(5)
        assert lab.mass.stats(ANN).leaving == 10
        await lab.csms_up()
        await lab.settle(10)
        assert lab.connected == ids(10)


async def test_a_stop_again_and_again_with_an_apply_in_between(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        for _ in range(5):
            await lab.mass.apply(ANN, 7, Mode.CHARGING)
            await trio.sleep(0.5)
            await lab.mass.stop(ANN)
        await lab.until(lambda stats: stats.chargers == stats.leaving == 0)
        await trio.sleep(1)
        assert lab.connected == []
        assert lab.csms.ledger()["transactions_open"] == 0


async def test_a_meter_goes_on_where_the_last_fleet_left_it(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        for _ in range(2):
            await lab.mass.apply(ANN, 3, Mode.CHARGING)
            await lab.until(lambda stats: stats.charging == 3)
            await trio.sleep(120)
            await lab.mass.stop(ANN)
            await trio.sleep(10)
            assert lab.generator.hold is None
        assert lab.csms.ledger()["register_decreases"] == 0


async def test_the_end_of_the_service_sends_everybody_home_in_seconds(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        await lab.mass.apply(ANN, 20, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 20)
        with trio.fail_after(SHUTDOWN_S):
            await lab.mass.close()
        assert lab.connected == []
        assert lab.csms.ledger()["transactions_open"] == 0


async def test_the_end_of_the_service_does_not_wait_for_a_dead_csms(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        await lab.mass.apply(ANN, 20, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 20)
        lab.csms_down()
        with trio.fail_after(SHUTDOWN_S + 1):
            await lab.mass.close()
        assert lab.generator.hold is None


# ── trouble ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_csms_that_dies_makes_errors_and_everybody_comes_back(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        await lab.mass.apply(ANN, 30, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 30)
        assert lab.mass.stats(ANN).errors == 0
        lab.csms_down()
        await lab.until(lambda stats: stats.connected == 0)
        await trio.sleep(20)
        errors = lab.mass.stats(ANN).errors
        assert errors > 60  # lost once, refused at least once each
        assert {"link:reset", "connect:refused"} >= {e.type for e in lab.mass.errors(ANN)} - {
            "link:eof",
            "link:closed",
        }
        await lab.csms_up()
        stats = await lab.until(lambda stats: stats.connected == 30)
        assert stats.chargers == 30
        assert not [e for e in lab.mass.errors(ANN) if e.type == "crash"]


async def test_500_errors_are_kept_newest_first_and_all_are_counted(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        lab.csms_down()
        await lab.mass.apply(ANN, 600, Mode.CONNECT)
        stats = await lab.until(lambda stats: stats.errors > 700)
        errors = lab.mass.errors(ANN)
        assert len(errors) == ERRORS_MAX
        assert [e.id for e in errors] == list(range(errors[0].id, errors[0].id - ERRORS_MAX, -1))
        assert errors[0].id >= stats.errors
        assert errors[0].timestamp >= errors[-1].timestamp >= "2026-03-01T12:00:00.000000"
        assert errors[0].type == "connect:refused"
        assert errors[0].chargepoint_id.startswith("MASS")
        assert lab.mass.errors(ANN, limit=3) == lab.mass.errors(ANN)[:3]


async def test_clearing_forgets_errors_and_counts_anew(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        lab.csms_down()
        await lab.mass.apply(ANN, 20, Mode.CONNECT)
        await lab.until(lambda stats: stats.errors >= 20)
        last_id = lab.mass.errors(ANN)[0].id
        lab.mass.clear_errors(ANN)
        assert lab.mass.errors(ANN) == []
        assert lab.mass.stats(ANN).errors == 0
        stats = await lab.until(lambda stats: stats.errors >= 5)
        ids_now = [e.id for e in lab.mass.errors(ANN)]
        assert ids_now == list(range(last_id + stats.errors, last_id, -1))


async def test_errors_outlive_the_fleet_until_they_are_cleared(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        lab.csms_down()
        await lab.mass.apply(ANN, 3, Mode.CONNECT)
        await lab.until(lambda stats: stats.errors >= 3)
        await lab.mass.stop(ANN)
        await trio.sleep(60)
        assert lab.generator.hold is None
        assert lab.mass.stats(ANN).errors == len(lab.mass.errors(ANN)) >= 3
        lab.mass.clear_errors(ANN)
        assert lab.mass.stats(ANN).errors == 0


# ── one at a time, and each user's own ───────────────────────────────────────────────────────────


async def test_a_second_user_is_told_who_has_the_generator(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        await lab.settle(3)
        with pytest.raises(GeneratorBusy, match="the mass fleet of 'ann'"):
            await lab.mass.apply(BOB, 5, Mode.CONNECT)
        assert lab.mass.stats(BOB) == MassStats()
        await lab.mass.stop(BOB)  # stops nothing of ann's
        assert lab.connected == ids(3)
        await lab.mass.stop(ANN)
        await trio.sleep(2)
        await lab.mass.apply(BOB, 5, Mode.CONNECT)
        await lab.until(lambda stats: stats.connected == 5, of=BOB)
        assert lab.mass.stats(ANN).target == 0


async def test_a_run_that_has_the_generator_is_named(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        hold = lab.generator.take(ANN, "run 1 (smoke)")
        with pytest.raises(GeneratorBusy, match=r"run 1 \(smoke\) of 'ann'"):
            await lab.mass.apply(ANN, 5, Mode.CONNECT)
        lab.generator.release(hold)
        await lab.settle(5)


async def test_frames_belong_to_whoever_had_the_fleet_when_they_were_sent(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        await lab.settle(2)
        await lab.mass.stop(ANN)
        await trio.sleep(2)
        anns = lab.hub.published
        await lab.mass.apply(BOB, 2, Mode.CONNECT)
        await lab.until(lambda stats: stats.connected == 2, of=BOB)
        lab.hub.publish("NAMED-1", "sent", b"[]", trio.current_time())
        for record in lab.hub.recent():
            mass = record.charger_id.startswith("MASS")
            assert lab.mass.owns(ANN, record) == (mass and record.id <= anns)
            assert lab.mass.owns(BOB, record) == (mass and record.id > anns)


async def test_a_fleet_that_is_over_leaves_nothing_in_memory(autojump_clock: MockClock) -> None:
    with calm_garbage():
        async with a_mass_lab() as lab:
            await lab.mass.apply(ANN, 3, Mode.CHARGING)
            await lab.until(lambda stats: stats.charging == 3)
            assert lab.mass._live is not None
            fleet = weakref.ref(lab.mass._live)
            await lab.mass.stop(ANN)
            await trio.sleep(STOP_DRAIN_S + TIDY_AFTER_S)
            assert fleet() is None


# ── figures ──────────────────────────────────────────────────────────────────────────────────────


async def test_stats_count_what_the_csms_saw(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        await lab.mass.apply(ANN, 10, Mode.CHARGING)
        await lab.until(lambda stats: stats.charging == 10)
        await trio.sleep(60.5)
        stats = lab.mass.stats(ANN)
        calls = lab.csms.ledger()["calls"]
        assert isinstance(calls, dict)
        assert {action: figures.count for action, figures in stats.actions.items()} == calls
        assert stats.messages == 2 * sum(calls.values())
        assert stats.messages_per_s == stats.sent_per_s + stats.received_per_s
        assert stats.booted == 10
        assert stats.backend_url == "ws://csms"
        assert stats.started_at is not None
        assert stats.started_at.startswith("2026-03-01T12:00:00")
        assert stats.generator.level in ("VALID", "SUSPECT", "INVALID")


async def test_percentiles_are_found_once_a_second_at_most(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        await lab.settle(4)
        first = lab.mass.stats(ANN)
        assert lab.mass.stats(ANN).actions is first.actions
        await trio.sleep(COSTLY_EVERY_S)
        assert lab.mass.stats(ANN).actions is not first.actions


async def test_the_generator_is_judged_anew_once_the_fleet_is_as_wished(
    autojump_clock: MockClock,
) -> None:
    async with a_mass_lab() as lab:
        lab.settings[ANN.id] = Wishes(mass_batch_size=10)
        await lab.mass.apply(ANN, 50, Mode.CONNECT)
        await trio.sleep(3)
        fleet = lab.mass._live
        assert fleet is not None
        assert fleet._health.evidence(trio.current_time()).load_s > 2
        await trio.sleep(4)
        assert fleet._health.evidence(trio.current_time()).load_s < 3


async def test_chargers_on_the_csms_of_this_process_need_two_descriptors_each(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    async with a_mass_lab() as lab:
        lab.mass._own_csms_url = URL
        monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 1000))
        await lab.settle(400)
        with pytest.raises(PreflightFailed, match="500 chargers need 1200 open files"):
            await lab.mass.apply(ANN, 500, Mode.CONNECT)
        assert lab.mass.stats(ANN).target == 400
        lab.settings[ANN.id] = Wishes(ocpp_backend_url="ws://other")
        await lab.mass.apply(ANN, 500, Mode.IDLE)


# ── versions ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_fleet_speaks_the_version_it_began_with(
    version: str, autojump_clock: MockClock
) -> None:
    async with a_mass_lab() as lab:
        await lab.mass.apply(ANN, 3, Mode.CHARGING, ocpp_version=version)
        await trio.sleep(60)
        stats = lab.mass.stats(ANN)
        assert (stats.ocpp_version, stats.connected) == (version, 3)
        assert "TransactionEvent" in stats.actions
        await lab.mass.apply(ANN, 4, Mode.CHARGING)  # without a word, it stays what it is
        with pytest.raises(OtherVersion, match=version):
            await lab.mass.apply(ANN, 4, Mode.CHARGING, ocpp_version="1.6")


async def test_a_version_that_there_is_not_starts_nothing(autojump_clock: MockClock) -> None:
    async with a_mass_lab() as lab:
        with pytest.raises(Invalid, match=r"1\.6, 2\.0\.1, 2\.1"):
            await lab.mass.apply(ANN, 3, Mode.CHARGING, ocpp_version="1.5")
        assert lab.mass.stats(ANN).chargers == 0
