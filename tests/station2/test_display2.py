"""Messages on the display and costs of OCPP 2.0.1 and 2.1 (blocks I, O)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_station2 import Scene2, versions
from simfleet.station import display
from simfleet.station.chance import Chance
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.station import Station


def a_scene(version: str, **more: Any) -> Scene2:
    scene = Scene2(version=version, **more)
    scene.boot()
    scene.mark()
    return scene


def moment(scene: Scene2, after_s: float) -> str:
    return datetime.fromtimestamp(scene.wall_s + after_s, UTC).isoformat().replace("+00:00", "Z")


def a_message(number: int = 1, **more: Any) -> dict[str, Any]:
    text = {"format": "UTF8", "content": f"message {number}", "language": "en"}
    return {"id": number, "priority": "NormalCycle", "message": text} | more


def put(scene: Scene2, number: int = 1, **more: Any) -> str:
    return scene.call("SetDisplayMessage", message=a_message(number, **more)).status


def got(scene: Scene2, **criteria: Any) -> list[dict[str, Any]]:
    """All that NotifyDisplayMessages says, having checked its pages."""
    scene.mark()
    answer = scene.call("GetDisplayMessages", requestId=9, **criteria)
    scene.tick()
    pages = scene.sent("NotifyDisplayMessages")
    assert (answer.status == "Accepted") == bool(pages)
    assert all(page["requestId"] == 9 for page in pages)
    assert [page.payload.get("tbc", False) for page in pages[:-1]] == [True] * len(pages[:-1])
    assert not (pages and pages[-1].payload.get("tbc", False))
    return [one for page in pages for one in page["messageInfo"]]


def shown(scene: Scene2) -> list[int]:
    at = display.shown(scene.station, 1, at_s=scene.now_s)
    return [one.id for one in at]


# ── setting and getting ───────────────────────────────────────────────────────────────────────────


@versions
def test_what_is_set_is_got_as_it_was_set(version: str) -> None:
    """O01, O03: every field comes back."""
    scene = a_scene(version)
    message = a_message(
        4,
        priority="InFront",
        state="Charging",
        startDateTime=moment(scene, 10),
        endDateTime=moment(scene, 1000),
        display={"name": "Display", "instance": "left", "evse": {"id": 1, "connectorId": 1}},
    )
    if version == "ocpp2.1":
        message["messageExtra"] = [{"format": "ASCII", "content": "Hallo", "language": "de"}]
    assert scene.call("SetDisplayMessage", message=message).status == "Accepted"
    assert got(scene) == [message]


@versions
def test_the_same_id_replaces(version: str) -> None:
    """O06.FR.01."""
    scene = a_scene(version)
    put(scene, 1)
    put(scene, 1, priority="InFront")
    assert [one["priority"] for one in got(scene)] == ["InFront"]


@versions
def test_there_is_one_message_that_is_always_in_front(version: str) -> None:
    """MessagePriorityEnumType AlwaysFront: a newer one replaces it."""
    scene = a_scene(version)
    put(scene, 1, priority="AlwaysFront")
    put(scene, 2)
    put(scene, 3, priority="AlwaysFront")
    assert [one["id"] for one in got(scene)] == [2, 3]


@versions
def test_messages_are_got_by_id_priority_and_state(version: str) -> None:
    """O04.FR.01 to .05: all criteria must hold; Unknown where none does."""
    scene = a_scene(version)
    put(scene, 1)
    put(scene, 2, priority="InFront", state="Idle")
    put(scene, 3, priority="InFront")
    assert [one["id"] for one in got(scene, id=[1, 3, 99])] == [1, 3]
    assert [one["id"] for one in got(scene, priority="InFront")] == [2, 3]
    assert [one["id"] for one in got(scene, state="Idle")] == [2]
    assert got(scene, id=[3], state="Idle") == []
    assert got(scene, id=[99]) == []


@versions
def test_many_messages_come_in_pages(version: str) -> None:
    """O03.FR.06: tbc on all but the last."""
    scene = a_scene(version)
    for number in range(20):
        assert put(scene, number) == "Accepted"
    assert [one["id"] for one in got(scene)] == list(range(20))
    assert len(scene.sent("NotifyDisplayMessages")) == 3


@versions
def test_a_display_that_is_full_takes_no_more(version: str) -> None:
    """NumberOfDisplayMessages: Rejected, but for what replaces."""
    scene = a_scene(version)
    for number in range(20):
        put(scene, number)
    assert put(scene, 20) == "Rejected"
    assert put(scene, 7, priority="InFront") == "Accepted"


@versions
def test_clearing(version: str) -> None:
    """O05: Accepted, then Unknown."""
    scene = a_scene(version)
    put(scene, 1)
    assert scene.call("ClearDisplayMessage", id=1).status == "Accepted"
    assert scene.call("ClearDisplayMessage", id=1).status == "Unknown"
    assert got(scene) == []


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────


@versions
def test_a_format_that_the_display_cannot_show(version: str) -> None:
    """O01.FR.04: NotSupportedMessageFormat."""
    scene = a_scene(version)
    html = {"format": "HTML", "content": "<b>"}
    assert put(scene, message=html) == "NotSupportedMessageFormat"


@versions
def test_a_priority_that_the_display_does_not_know(version: str) -> None:
    """O01.FR.03: NotSupportedPriority."""
    scene = a_scene(
        version, configuration={"DisplayMessageCtrlr.SupportedPriorities": "NormalCycle"}
    )
    assert put(scene, priority="AlwaysFront") == "NotSupportedPriority"


@versions
def test_a_message_of_no_transaction_that_runs(version: str) -> None:
    """O02.FR.01: UnknownTransaction."""
    assert put(a_scene(version), transactionId="none") == "UnknownTransaction"


@versions
def test_a_message_that_is_over_before_it_begins(version: str) -> None:
    """endDateTime in the past, or before startDateTime: Rejected."""
    scene = a_scene(version)
    assert put(scene, endDateTime=moment(scene, -1)) == "Rejected"
    begins, ends = moment(scene, 100), moment(scene, 50)
    assert put(scene, startDateTime=begins, endDateTime=ends) == "Rejected"


@versions
def test_a_display_that_is_switched_off(version: str) -> None:
    """DisplayMessageCtrlr.Enabled false: Rejected."""
    scene = a_scene(version, configuration={"DisplayMessageCtrlr.Enabled": "false"})
    assert put(scene) == "Rejected"


@pytest.mark.parametrize(("language", "status"), [("tlh", "LanguageNotSupported"), ("de-AT", None)])
def test_a_language_that_the_display_cannot_write(language: str, status: str | None) -> None:
    """2.1 DisplayMessageStatusEnumType LanguageNotSupported; 2.0.1 has no such word."""
    text = {"format": "UTF8", "content": "x", "language": language}
    assert put(a_scene("ocpp2.1"), message=text) == (status or "Accepted")
    assert put(a_scene("ocpp2.0.1"), message=text) == "Accepted"


# ── what is over goes away ────────────────────────────────────────────────────────────────────────


@versions
def test_a_message_goes_at_its_end(version: str) -> None:
    """O01: removed after endDateTime, without a word."""
    scene = a_scene(version)
    put(scene, endDateTime=moment(scene, 60))
    scene.run(for_s=59)
    assert len(got(scene)) == 1
    scene.run(for_s=2)
    assert got(scene) == []
    assert scene.call("ClearDisplayMessage", id=1).status == "Unknown"


@versions
def test_a_message_of_a_transaction_goes_with_it(version: str) -> None:
    """O02.FR.02: removed at the end of the transaction."""
    scene = a_scene(version)
    scene.charge()
    assert put(scene, transactionId=scene.transaction) == "Accepted"
    assert shown(scene) == [1]
    scene.present_tag()
    scene.unplug()
    assert got(scene) == []


@versions
def test_messages_outlive_a_reboot_and_a_new_life(version: str) -> None:
    """They are kept where power does not matter."""
    scene = a_scene(version)
    put(scene, 1, state="Idle", endDateTime=moment(scene, 5000))
    scene.cycle_power(for_s=60)
    assert [one["id"] for one in got(scene)] == [1]
    before = display.messages(scene.station, at_s=scene.now_s)
    kept = decode_kept(encode_kept(remember(scene.station)))
    station = scene.station
    again = Station(
        "CP-1", station.spec, station.configuration, chance=Chance.of(2, 1), wall_offset_s=0.0
    )
    recall(again, kept, at_s=0.0)
    assert display.messages(again, at_s=0.0) == before


# ── what the driver sees ──────────────────────────────────────────────────────────────────────────


@versions
def test_what_is_in_front_is_shown_instead_of_the_cycle(version: str) -> None:
    """MessagePriorityEnumType: AlwaysFront, else all InFront, else the normal cycle."""
    scene = a_scene(version)
    put(scene, 1)
    put(scene, 2)
    assert shown(scene) == [1, 2]
    put(scene, 3, priority="InFront")
    put(scene, 4, priority="InFront")
    assert shown(scene) == [3, 4]
    put(scene, 5, priority="AlwaysFront")
    assert shown(scene) == [5]


@versions
def test_a_message_is_shown_in_its_state_and_from_its_start(version: str) -> None:
    """O01: state and startDateTime."""
    scene = a_scene(version)
    put(scene, 1, state="Charging")
    put(scene, 2, startDateTime=moment(scene, 30))
    assert shown(scene) == []
    scene.run(for_s=31)
    assert shown(scene) == [2]
    scene.charge()
    assert shown(scene) == [1, 2]


# ── costs ─────────────────────────────────────────────────────────────────────────────────────────


@versions
def test_the_cost_of_a_transaction_is_shown_until_it_ends(version: str) -> None:
    """I02: CostUpdated {} and the newest cost on the display."""
    scene = a_scene(version)
    scene.charge()
    transaction = scene.transaction
    for cost in (1.5, 2.25):
        answer = scene.call("CostUpdated", transactionId=transaction, totalCost=cost)
        assert answer.payload == {}
    assert display.cost_of(scene.station, transaction) == 2.25
    scene.present_tag()
    scene.unplug()
    assert display.cost_of(scene.station, transaction) is None


@versions
def test_the_cost_of_an_unknown_transaction_is_taken_without_a_word(version: str) -> None:
    """I02: {} all the same."""
    scene = a_scene(version)
    answer = scene.call("CostUpdated", transactionId="none", totalCost=3.0)
    assert (answer.error, answer.payload) == (None, {})
    assert scene.station.display is None


@versions
def test_the_device_model_counts_the_messages(version: str) -> None:
    """DisplayMessageCtrlr.NumberOfDisplayMessages: how many there are, and may be."""
    scene = a_scene(version)
    put(scene, 1)
    put(scene, 2)
    wanted = {
        "component": {"name": "DisplayMessageCtrlr"},
        "variable": {"name": "NumberOfDisplayMessages"},
    }
    answer = scene.call("GetVariables", getVariableData=[wanted])
    (result,) = answer.payload["getVariableResult"]
    assert (result["attributeStatus"], result["attributeValue"]) == ("Accepted", "2")


# ── whatever is set ───────────────────────────────────────────────────────────────────────────────

PRIORITIES = ("AlwaysFront", "InFront", "NormalCycle")
STATES = (None, "Charging", "Idle", "Faulted")
STEP = st.one_of(
    st.tuples(st.integers(0, 12), st.sampled_from(PRIORITIES), st.sampled_from(STATES)),
    st.integers(0, 12),
)


@given(steps=st.lists(STEP, max_size=25), priority=st.sampled_from((None, *PRIORITIES)))
@settings(max_examples=40, deadline=None)
def test_reports_are_complete_and_hold_what_was_set_last(
    steps: list[tuple[int, str, str | None] | int], priority: str | None
) -> None:
    """O01, O03 to O06 together: a dictionary behaves the same."""
    scene = a_scene("ocpp2.1")
    model: dict[int, tuple[str, str | None]] = {}
    for step in steps:
        if isinstance(step, int):
            status = scene.call("ClearDisplayMessage", id=step).status
            assert (status == "Accepted") == (model.pop(step, None) is not None)
            continue
        number, kind, state = step
        assert put(scene, number, priority=kind, **({"state": state} if state else {}))
        model.pop(number, None)
        if kind == "AlwaysFront":
            model = {key: one for key, one in model.items() if one[0] != kind}
        model[number] = (kind, state)
    found = got(scene, **({"priority": priority} if priority else {}))
    assert [(one["id"], (one["priority"], one.get("state"))) for one in found] == [
        (key, one) for key, one in model.items() if priority in (None, one[0])
    ]
