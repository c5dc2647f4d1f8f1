from __future__ import annotations

from itertools import pairwise

import pytest

from builders_station import SILENCE, Scene, Sent, contexts_of, samples_of, wall_of
from simfleet.station.effects import TransactionClosed
from simfleet.station.events import TakeSample

REGISTER = "Energy.Active.Import.Register"


def a_booted_scene(**keys: str | int) -> Scene:
    return a_scene_with(configuration=keys)


def a_scene_with(**options: object) -> Scene:
    scene = Scene(**options)  # type: ignore[arg-type]
    scene.boot()
    scene.mark()
    return scene


def times_of(messages: list[Sent]) -> list[float]:
    return [wall_of(value["timestamp"]) for one in messages for value in one["meterValue"]]


def gaps_of(messages: list[Sent]) -> set[float]:
    return {round(after - before, 3) for before, after in pairwise(times_of(messages))}


def of_context(scene: Scene, context: str) -> list[Sent]:
    return [one for one in scene.sent("MeterValues") if contexts_of(one) == {context}]


# ── sampled ─────────────────────────────────────────────────────────────────────────────────────


def test_samples_come_every_interval_from_the_start_of_the_transaction() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10)
    scene.run(for_s=3)
    scene.charge()
    began_s = scene.wall_s
    scene.run(for_s=60)
    sampled = of_context(scene, "Sample.Periodic")
    assert times_of(sampled) == [began_s + 10 * n for n in range(1, 7)]
    assert {one["transactionId"] for one in sampled} == {scene.transaction_id}
    assert {one["connectorId"] for one in sampled} == {1}


def test_no_samples_before_and_after_a_transaction() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10)
    scene.plug_in()
    scene.run(for_s=30)
    scene.present_tag()
    scene.run(for_s=20)
    scene.present_tag()
    scene.run(for_s=30)
    assert len(scene.sent("MeterValues")) == 2


def test_interval_0_means_no_samples() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=0)
    scene.charge()
    scene.run(for_s=1000)
    assert scene.sent("MeterValues") == []


def test_samples_sent_late_are_stamped_exactly_one_interval_apart() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10)
    scene.charge()
    scene.sleep(for_s=57)
    scene.run(for_s=3)
    assert len(scene.sent("MeterValues")) == 6
    assert gaps_of(scene.sent("MeterValues")) == {10.0}
    assert [outcome.due_s for outcome in scene.outcomes("MeterValues")] == [
        scene.began_s + 10 * n for n in range(1, 7)
    ]


def test_samples_behind_a_frozen_csms_are_stamped_when_they_were_taken() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10)
    scene.charge()
    scene.on("MeterValues", SILENCE)
    scene.run(for_s=39)
    scene.on("MeterValues", {})
    scene.reply(scene.sent("MeterValues")[0], {})
    scene.run(for_s=1)
    assert len(scene.sent("MeterValues")) == 4
    assert gaps_of(scene.sent("MeterValues")) == {10.0}


def test_samples_of_the_time_without_a_link_are_sent_later_with_their_own_times() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10)
    scene.charge()
    scene.run(for_s=15)
    scene.disconnect()
    scene.run(for_s=60)
    scene.connect()
    scene.run(for_s=15)
    assert len(scene.sent("MeterValues")) == 9
    assert gaps_of(scene.sent("MeterValues")) == {10.0}


def test_a_new_interval_counts_at_once() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=3600)
    scene.charge()
    scene.run(for_s=33)
    scene.call("ChangeConfiguration", key="MeterValueSampleInterval", value="10")
    changed_s = scene.wall_s
    scene.run(for_s=30)
    assert times_of(scene.sent("MeterValues")) == [changed_s + 10, changed_s + 20, changed_s + 30]
    scene.call("ChangeConfiguration", key="MeterValueSampleInterval", value="0")
    scene.run(for_s=3600)
    assert len(scene.sent("MeterValues")) == 3


def test_the_measurands_are_those_of_the_key_in_its_order() -> None:
    scene = a_booted_scene(
        MeterValueSampleInterval=10, MeterValuesSampledData="Voltage.L1,Power.Active.Import"
    )
    scene.charge()
    scene.run(for_s=10)
    assert list(samples_of(scene.sent("MeterValues")[0]["meterValue"][0])) == [
        "Voltage.L1",
        "Power.Active.Import",
    ]
    scene.call("ChangeConfiguration", key="MeterValuesSampledData", value="Power.Active.Import")
    scene.run(for_s=10)
    assert list(samples_of(scene.sent("MeterValues")[1]["meterValue"][0])) == [
        "Power.Active.Import"
    ]


@pytest.mark.parametrize("context", ["Sample.Periodic", "Sample.Clock"])
def test_an_empty_list_of_measurands_means_the_register(context: str) -> None:
    scene = a_booted_scene(
        MeterValueSampleInterval=10,
        MeterValuesSampledData="",
        MeterValuesAlignedData="",
        ClockAlignedDataInterval=900,
    )
    scene.charge()
    scene.run(for_s=900)
    for message in of_context(scene, context):
        assert list(samples_of(message["meterValue"][0])) == [REGISTER]
    assert of_context(scene, context)


def test_power_voltage_current_and_energy_agree() -> None:
    scene = a_booted_scene(
        MeterValueSampleInterval=60,
        MeterValuesSampledData=f"{REGISTER},Power.Active.Import,Current.Import,Voltage",
    )
    scene.charge()
    scene.run(for_s=600)
    before_wh = 0.0
    for message in scene.sent("MeterValues"):
        values = samples_of(message["meterValue"][0])
        assert values["Power.Active.Import"] == 11_000
        amperes_volts = 3 * values["Current.Import"] * values["Voltage"]  # in each phase
        assert amperes_volts == pytest.approx(11_000, rel=0.005)
        assert values[REGISTER] - before_wh == pytest.approx(11_000 / 60, abs=1)
        before_wh = values[REGISTER]


def test_a_dc_station_reports_the_state_of_charge() -> None:
    scene = a_scene_with(
        kind="DC", max_power_w=60_000, configuration={"MeterValueSampleInterval": 36}
    )
    scene.charge(soc=0.2)
    scene.run(for_s=36)
    values = samples_of(scene.sent("MeterValues")[0]["meterValue"][0])
    assert values[REGISTER] == pytest.approx(600, abs=1)
    assert values["SoC"] == pytest.approx(21, abs=0.1)


def test_a_sample_can_be_taken_now() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=0)
    scene.charge()
    scene.run(for_s=36)
    scene.tell(TakeSample())
    (message,) = scene.sent("MeterValues")
    assert samples_of(message["meterValue"][0])[REGISTER] == pytest.approx(110, abs=1)


# ── clock-aligned ───────────────────────────────────────────────────────────────────────────────


def test_aligned_values_come_at_multiples_since_midnight_for_every_connector_and_connector_0() -> (
    None
):
    scene = a_scene_with(connectors=2, configuration={"ClockAlignedDataInterval": 900})
    scene.run(for_s=100)
    scene.charge(2)
    scene.run(for_s=1700)
    aligned = of_context(scene, "Sample.Clock")
    assert [one["connectorId"] for one in aligned] == [0, 1, 2, 0, 1, 2]
    assert [time % 900 for time in times_of(aligned)] == [0.0] * 6
    assert sorted(set(times_of(aligned))) == [scene.epoch_s + 900, scene.epoch_s + 1800]
    assert [one.payload.get("transactionId") for one in aligned] == [
        None,
        None,
        scene.transaction_id,
    ] * 2


def test_connector_0_shows_the_sum_of_the_connectors() -> None:
    scene = a_scene_with(
        connectors=2,
        configuration={
            "ClockAlignedDataInterval": 900,
            "MeterValuesAlignedData": f"{REGISTER},Power.Active.Import",
        },
    )
    scene.charge(1)
    scene.charge(2)
    scene.run(for_s=900)
    station, first, second = (
        samples_of(one["meterValue"][0]) for one in of_context(scene, "Sample.Clock")
    )
    assert station[REGISTER] == pytest.approx(first[REGISTER] + second[REGISTER], abs=1)
    assert station["Power.Active.Import"] == 22_000


def test_aligned_interval_0_means_none() -> None:
    scene = a_booted_scene(ClockAlignedDataInterval=0)
    scene.run(for_s=90_000)
    assert scene.sent("MeterValues") == []


def test_a_new_aligned_interval_counts_at_once() -> None:
    scene = a_booted_scene(ClockAlignedDataInterval=0)
    scene.run(for_s=70)
    scene.call("ChangeConfiguration", key="ClockAlignedDataInterval", value="60")
    scene.run(for_s=55)
    assert times_of(scene.sent("MeterValues")) == [scene.epoch_s + 120] * 2


def test_an_interval_that_does_not_divide_the_day_starts_anew_at_midnight() -> None:
    scene = a_booted_scene(ClockAlignedDataInterval=50_000, HeartbeatInterval=0)
    scene.run(for_s=86_400 * 2)
    seconds = sorted({time % 86_400 for time in times_of(scene.sent("MeterValues"))})
    assert seconds == [0.0, 50_000.0]


@pytest.mark.parametrize("seed", range(30))
def test_no_aligned_value_comes_twice_or_is_missed_wherever_the_clocks_stand(seed: int) -> None:
    scene = Scene(
        configuration={"ClockAlignedDataInterval": 7 + seed, "HeartbeatInterval": 0},
        began_s=10.0**6 / (seed + 3),
        epoch_s=1_772_366_400.0 + seed / 7,
    )
    scene.boot()
    scene.run(for_s=60 * (7 + seed))
    times = [time for one in of_context(scene, "Sample.Clock") for time in times_of([one])]
    times = times[::2]  # connector 0 and 1
    assert len(times) == 60
    assert {after - before for before, after in pairwise(times)} == {7.0 + seed}


def test_aligned_values_of_idle_connectors_are_not_kept_for_later() -> None:
    scene = a_booted_scene(ClockAlignedDataInterval=60)
    scene.disconnect()
    scene.run(for_s=600)
    scene.connect()
    assert scene.sent("MeterValues") == []
    assert ("MeterValues", "link_lost") in scene.dropped()


def test_aligned_values_of_a_transaction_are_kept_for_later() -> None:
    scene = a_booted_scene(ClockAlignedDataInterval=60, MeterValueSampleInterval=0)
    scene.charge()
    scene.disconnect()
    scene.run(for_s=600)
    scene.connect()
    aligned = of_context(scene, "Sample.Clock")
    assert len(aligned) == 10
    assert {one["transactionId"] for one in aligned} == {scene.transaction_id}


# ── transactionData ─────────────────────────────────────────────────────────────────────────────


def test_the_stop_carries_begin_samples_and_end_of_the_transaction() -> None:
    scene = a_booted_scene(
        MeterValueSampleInterval=10, StopTxnSampledData=f"{REGISTER},Power.Active.Import"
    )
    scene.charge()
    scene.run(for_s=25)
    scene.present_tag()
    (stop,) = scene.sent("StopTransaction")
    data = stop["transactionData"]
    assert [value["sampledValue"][0]["context"] for value in data] == [
        "Transaction.Begin",
        "Sample.Periodic",
        "Sample.Periodic",
        "Transaction.End",
    ]
    assert [wall_of(value["timestamp"]) - scene.epoch_s for value in data] == [0, 10, 20, 25]
    assert [set(samples_of(value)) for value in data] == [{REGISTER, "Power.Active.Import"}] * 4
    assert samples_of(data[-1])[REGISTER] == pytest.approx(stop["meterStop"], abs=1)


def test_the_stop_carries_clock_aligned_values_where_the_key_says_so() -> None:
    scene = a_booted_scene(
        MeterValueSampleInterval=10,
        ClockAlignedDataInterval=60,
        StopTxnAlignedData="Voltage.L1",
    )
    scene.charge()
    scene.run(for_s=130)
    scene.present_tag()
    data = scene.sent("StopTransaction")[0]["transactionData"]
    assert [set(samples_of(value)) for value in data] == [{"Voltage.L1"}] * 2
    assert {value["sampledValue"][0]["context"] for value in data} == {"Sample.Clock"}


def test_without_the_keys_there_is_no_transaction_data() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10, ClockAlignedDataInterval=60)
    scene.charge()
    scene.run(for_s=130)
    scene.present_tag()
    assert "transactionData" not in scene.sent("StopTransaction")[0].payload


def test_transaction_data_stays_bounded_over_days() -> None:
    scene = a_booted_scene(
        MeterValueSampleInterval=60, StopTxnSampledData=REGISTER, HeartbeatInterval=0
    )
    scene.charge()
    scene.run(for_s=86_400)
    scene.present_tag()
    data = scene.sent("StopTransaction")[0]["transactionData"]
    assert len(data) <= 501
    contexts = [value["sampledValue"][0]["context"] for value in data]
    assert (contexts[0], contexts[-1]) == ("Transaction.Begin", "Transaction.End")
    times = [wall_of(value["timestamp"]) for value in data]
    assert times == sorted(times)


# ── the register ────────────────────────────────────────────────────────────────────────────────


def test_the_register_never_goes_down_over_sessions_resets_and_power_losses() -> None:
    scene = a_scene_with(
        connectors=1, register_wh=500.0, configuration={"MeterValueSampleInterval": 10}
    )
    shown = [500.0]
    for disturb in (
        lambda: scene.present_tag(),
        lambda: scene.call("Reset", type="Hard"),
        lambda: scene.cycle_power(),
        lambda: scene.unplug(),
    ):
        scene.charge()
        scene.run(for_s=35)
        disturb()
        scene.run(for_s=10)
        if scene.station.connectors[0].plugged:
            scene.unplug()
    for message in scene.sent("StartTransaction", "MeterValues", "StopTransaction"):
        match message.action:
            case "StartTransaction":
                shown.append(message["meterStart"])
            case "StopTransaction":
                shown.append(message["meterStop"])
            case _:
                shown.append(samples_of(message["meterValue"][0])[REGISTER])
    assert shown == sorted(shown)
    assert shown[-1] == pytest.approx(500 + 4 * 35 * 11_000 / 3600, abs=1)


@pytest.mark.parametrize("soc", [0.0, 0.5, 0.9, 0.969, 0.99])
def test_the_energy_of_a_transaction_is_the_integral_of_its_power(soc: float) -> None:
    scene = a_scene_with(kind="DC", max_power_w=150_000)
    scene.charge(soc=soc)
    scene.run(for_s=1800)
    scene.present_tag()
    (closed,) = scene.seen(TransactionClosed)
    assert closed.energy_wh > 0
    assert closed.energy_wh == pytest.approx(closed.integral_wh, rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("began_s", [0.0, 1e6, 1e9])
def test_a_vehicle_becomes_full_in_finite_steps_however_long_the_machine_is_up(
    began_s: float,
) -> None:
    for seed in range(15):
        scene = Scene(began_s=began_s + seed / 7, seed=seed)
        scene.boot()
        scene.charge(soc=0.95 + seed / 1000)
        scene.run(for_s=3 * 3600)
        assert scene.statuses()[-1] == "SuspendedEV"
