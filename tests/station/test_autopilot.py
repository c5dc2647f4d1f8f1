from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from builders_station import SILENCE, Error, Scene
from simfleet.station.behaviour import FIRST_TRANSACTION_MAX_S
from simfleet.station.chance import Span
from simfleet.station.effects import TransactionClosed
from simfleet.station.events import EvPaused, Failed, FaultCleared, Retired
from simfleet.station.spec import Habits

QUICK = Habits(
    think_time_s=Span(1, 3),
    pause_s=Span(10, 20),
    energy_wh=Span(500, 1000),
    soc=Span(0.2, 0.4),
)
SESSION = ["Preparing", "Charging", "Finishing", "Available"]


def a_scene(
    *, habits: Habits = QUICK, connectors: int = 1, seed: int = 1, **keys: str | int
) -> Scene:
    return Scene(
        connectors=connectors, habits=habits, autopilot=True, seed=seed, configuration=keys
    )


def test_drivers_come_one_after_the_other_and_leave() -> None:
    scene = a_scene()
    scene.boot()
    scene.mark()
    scene.run(for_s=3600)
    statuses = scene.statuses()
    sessions = len(scene.sent("StopTransaction"))
    assert sessions >= 5
    assert statuses[: 4 * sessions] == SESSION * sessions


def test_each_driver_takes_what_was_wanted() -> None:
    scene = a_scene()
    scene.boot()
    scene.run(for_s=3600)
    energies = [closed.energy_wh for closed in scene.seen(TransactionClosed)]
    assert all(500 <= energy <= 1001 for energy in energies)
    assert len(set(energies)) == len(energies)
    assert {closed.reason for closed in scene.seen(TransactionClosed)} == {"Local"}


def test_the_first_transaction_begins_soon_after_the_registration() -> None:
    scene = a_scene(habits=Habits(think_time_s=Span(5000, 9000)))
    scene.run(for_s=1000)
    assert scene.log == []
    scene.boot()
    scene.run(for_s=FIRST_TRANSACTION_MAX_S + 0.001)
    assert scene.statuses() == ["Available", "Preparing", "Charging"]


def test_the_same_seed_gives_the_same_sessions() -> None:
    runs = []
    for seed in (7, 7, 8):
        scene = a_scene(seed=seed, connectors=2)
        scene.boot()
        scene.run(for_s=2000)
        runs.append([(one.at_s, one.action, one.payload) for one in scene.log])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_driver_whose_tag_is_refused_unplugs_and_the_next_one_comes() -> None:
    scene = a_scene()
    scene.boot()
    scene.mark()
    scene.on(
        "Authorize", {"idTagInfo": {"status": "Blocked"}}, {"idTagInfo": {"status": "Accepted"}}
    )
    scene.run(for_s=600)
    assert scene.statuses()[:4] == ["Preparing", "Available", "Preparing", "Charging"]


@pytest.mark.parametrize("reply", [SILENCE, Error()], ids=["silence", "CALLERROR"])
def test_a_csms_that_does_not_answer_about_tags_stops_no_driver_for_ever(reply: object) -> None:
    scene = a_scene()
    scene.boot()
    scene.on("Authorize", reply, {"idTagInfo": {"status": "Accepted"}})  # type: ignore[arg-type]
    scene.run(for_s=600)
    assert scene.sent("StartTransaction")


def test_a_driver_whose_session_the_csms_ends_unplugs() -> None:
    scene = a_scene(habits=Habits(think_time_s=Span(1, 2), energy_wh=Span(9000, 9000)))
    scene.boot()
    scene.run(for_s=60)
    scene.mark()
    assert scene.call("RemoteStopTransaction", transactionId=701).status == "Accepted"
    scene.run(for_s=5)
    assert scene.statuses() == ["Finishing", "Available"]


def test_a_driver_whose_car_is_full_earlier_leaves_earlier() -> None:
    scene = a_scene(habits=Habits(energy_wh=Span(50_000, 50_000), soc=Span(0.99, 0.99)))
    scene.boot()
    scene.mark()
    scene.run(for_s=3000)
    assert scene.statuses()[:5] == [
        "Preparing",
        "Charging",
        "SuspendedEV",
        "Finishing",
        "Available",
    ]


def test_a_driver_whose_tag_turns_out_invalid_leaves() -> None:
    scene = a_scene(StopTransactionOnInvalidId="false")
    scene.boot()
    scene.mark()
    scene.on("StartTransaction", {"transactionId": 1, "idTagInfo": {"status": "Invalid"}})
    scene.run(for_s=60)
    assert scene.statuses()[:5] == [
        "Preparing",
        "Charging",
        "SuspendedEVSE",
        "Finishing",
        "Available",
    ]


def test_a_remote_start_finds_a_driver_with_a_cable() -> None:
    scene = a_scene(habits=Habits(Span(5, 5), Span(1000, 1000), Span(500, 500)))
    scene.boot()
    scene.call("RemoteStartTransaction", idTag="REMOTE", connectorId=1)
    scene.run(for_s=10)
    assert scene.sent("StartTransaction")[0]["idTag"] == "REMOTE"
    scene.run(for_s=300)
    assert scene.statuses()[-1] == "Available"


def test_sessions_go_on_without_a_link_where_tags_may_charge_offline() -> None:
    scene = a_scene(AllowOfflineTxForUnknownId="true")
    scene.boot()
    scene.run(for_s=100)
    scene.disconnect()
    scene.run(for_s=3600)
    scene.connect()
    scene.run(for_s=5)
    closed = scene.seen(TransactionClosed)
    assert len(closed) >= 5
    assert all(500 <= one.energy_wh <= 1001 for one in closed)


def test_after_a_reset_drivers_come_again() -> None:
    scene = a_scene()
    scene.boot()
    scene.run(for_s=100)
    for kind in ("Soft", "Hard"):
        scene.call("Reset", type=kind)
        scene.run(for_s=10)
        scene.mark()
        scene.run(for_s=900)
        assert len(scene.sent("StopTransaction")) >= 1


def test_after_a_fault_and_out_of_service_drivers_come_again() -> None:
    scene = a_scene()
    scene.boot()
    scene.run(for_s=40)
    scene.tell(Failed())
    scene.run(for_s=300)
    scene.tell(FaultCleared())
    scene.run(for_s=300)
    scene.call("ChangeAvailability", connectorId=1, type="Inoperative")
    scene.run(for_s=600)
    scene.mark()
    scene.run(for_s=600)
    assert scene.sent("StartTransaction") == []
    scene.call("ChangeAvailability", connectorId=1, type="Operative")
    scene.run(for_s=600)
    assert scene.sent("StartTransaction")


def test_a_car_that_pauses_is_taken_for_full() -> None:
    scene = a_scene(habits=Habits(think_time_s=Span(2, 2), energy_wh=Span(9000, 9000)))
    scene.boot()
    scene.run(for_s=60)
    scene.mark()
    scene.tell(EvPaused())
    scene.run(for_s=10)
    assert scene.statuses() == ["SuspendedEV", "Finishing", "Available"]


def test_a_disengaged_charger_gets_no_new_drivers() -> None:
    scene = a_scene()
    scene.boot()
    scene.run(for_s=60)
    scene.station.disengage(at_s=scene.now_s)
    scene.run(for_s=3600)
    assert len(scene.sent("StartTransaction")) == 1


def test_a_charger_can_be_engaged_while_it_runs() -> None:
    scene = Scene(habits=QUICK)
    scene.boot()
    scene.run(for_s=100)
    assert scene.sent("StartTransaction") == []
    scene.station.engage(at_s=scene.now_s)
    scene.run(for_s=100)
    assert len(scene.sent("StartTransaction")) == 1


def test_retiring_ends_the_session_and_brings_no_new_driver() -> None:
    scene = a_scene()
    scene.boot()
    scene.run(for_s=60)
    scene.tell(Retired())
    scene.mark()
    scene.run(for_s=3600)
    assert scene.sent("StartTransaction") == []
    assert scene.station.drained


@pytest.mark.parametrize("trouble", ["silence", "fault", "unavailable", "refused"])
def test_drivers_without_patience_do_not_stop_the_time(trouble: str) -> None:
    hasty = Habits(
        think_time_s=Span(0, 0), pause_s=Span(0, 0), energy_wh=Span(500, 1000), soc=Span(0.2, 0.4)
    )
    scene = a_scene(habits=hasty, MeterValueSampleInterval=0)
    match trouble:
        case "silence":
            scene.on("Authorize", SILENCE)
        case "refused":
            scene.on("Authorize", {"idTagInfo": {"status": "Blocked"}})
    scene.boot()
    if trouble == "fault":
        scene.tell(Failed())
    if trouble == "unavailable":
        scene.call("ChangeAvailability", connectorId=1, type="Inoperative")
    scene.run(for_s=100)


def test_a_quantity_of_nothing_does_not_stop_the_time() -> None:
    nothing = Habits(
        think_time_s=Span(0, 0), pause_s=Span(0, 0), energy_wh=Span(0, 0), soc=Span(0.5, 0.5)
    )
    scene = a_scene(habits=nothing)
    scene.boot()
    scene.run(for_s=0.2)


# ── dwell and tags ──────────────────────────────────────────────────────────────────────────────


def gaps(scene: Scene, before: str, after: str) -> list[float]:
    """How long one status lasted before another."""
    told = [one for one in scene.sent("StatusNotification") if one["connectorId"] == 1]
    return [
        b.at_s - a.at_s for a, b in pairwise(told) if (a["status"], b["status"]) == (before, after)
    ]


def test_a_car_stays_plugged_in_after_charging_for_as_long_as_it_dwells() -> None:
    scene = a_scene(habits=replace(QUICK, dwell_s=Span(600, 900)))
    scene.boot()
    scene.mark()
    scene.run(for_s=6 * 3600)
    lingered = gaps(scene, "Finishing", "Available")
    assert len(lingered) >= 5
    assert all(600 <= gap_s <= 903 for gap_s in lingered)
    assert scene.statuses()[:8] == SESSION * 2


def test_a_full_car_dwells_with_its_transaction_open_and_once_only() -> None:
    scene = a_scene(
        habits=replace(
            QUICK, energy_wh=Span(50_000, 50_000), soc=Span(0.99, 0.99), dwell_s=Span(900, 900)
        )
    )
    scene.boot()
    scene.mark()
    scene.run(for_s=3 * 3600)
    assert all(900 <= gap_s <= 903 for gap_s in gaps(scene, "SuspendedEV", "Finishing"))
    after = gaps(scene, "Finishing", "Available")
    assert after
    assert all(gap_s <= 3 for gap_s in after)


def test_a_car_dwells_after_the_csms_has_stopped_its_transaction() -> None:
    scene = a_scene(habits=replace(QUICK, energy_wh=Span(9e6, 9e6), dwell_s=Span(300, 300)))
    scene.boot()
    scene.run(for_s=60)
    scene.call("RemoteStopTransaction", transactionId=701)
    scene.run(for_s=290)
    assert scene.statuses()[-1] == "Finishing"
    scene.run(for_s=20)
    assert scene.statuses()[-1] == "Available"


def test_a_driver_whose_tag_is_refused_does_not_dwell() -> None:
    scene = a_scene(habits=replace(QUICK, dwell_s=Span(9000, 9000)))
    scene.boot()
    scene.mark()
    scene.on("Authorize", {"idTagInfo": {"status": "Blocked"}})
    scene.run(for_s=100)
    assert scene.statuses()[:2] == ["Preparing", "Available"]


def test_drivers_draw_their_tags_from_the_pool_and_keep_them_while_they_are_there() -> None:
    pool = ("A", "B", "C")
    scene = a_scene(habits=replace(QUICK, id_tags=pool), connectors=2)
    scene.boot()
    scene.run(for_s=4 * 3600)
    started = [one["idTag"] for one in scene.sent("StartTransaction")]
    assert set(started) == set(pool)
    asked = [one["idTag"] for one in scene.sent("Authorize")]
    assert len(asked) == len(started)
    assert sorted(asked) == sorted(started)
    stopped = [one["idTag"] for one in scene.sent("StopTransaction")]
    assert set(stopped) <= set(pool)


def test_the_same_seed_draws_the_same_tags() -> None:
    tags = []
    for seed in (7, 7, 8):
        scene = a_scene(habits=replace(QUICK, id_tags=tuple("ABCDEFGH")), seed=seed)
        scene.boot()
        scene.run(for_s=2 * 3600)
        tags.append([one["idTag"] for one in scene.sent("Authorize")])
    assert tags[0] == tags[1]
    assert tags[0] != tags[2]
