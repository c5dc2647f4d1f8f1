"""Faults on purpose in the transactions of OCPP 2.0.1 and 2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders_station2 import Scene2, samples_of, versions
from simfleet.station.effects import Excused, Injected, TransactionClosed
from simfleet.station.events import FaultInjected, FaultRemoved
from simfleet.station.fault_kinds import (
    DuplicateStart,
    ErrorCodeFault,
    FrozenMeter,
    MissingStop,
    RegisterJump,
    WrongTransactionId,
)

if TYPE_CHECKING:
    from simfleet.station.fault_kinds import Fault

pytestmark = versions
REGISTER = "Energy.Active.Import.Register"


def scene_with(version: str, *faults: Fault, **configuration: str) -> Scene2:
    scene = Scene2(
        version=version, configuration={"MeterValueSampleInterval": "0", **configuration}
    )
    scene.boot()
    scene.witness.gaps_allowed = True
    for fault in faults:
        scene.tell(FaultInjected(fault))
    scene.mark()
    return scene


def test_an_end_that_is_never_told_is_excused(version: str) -> None:
    """missing_stop: no Ended event, and the books know why."""
    scene = scene_with(version, MissingStop(count=1))
    scene.charge()
    scene.run(for_s=600)
    scene.present_tag()
    assert scene.events("Ended") == []
    (closed,) = scene.seen(TransactionClosed)
    (excused,) = scene.seen(Excused)
    assert (excused.what, excused.number) == ("stop_lost", closed.number)
    assert excused.energy_wh == pytest.approx(closed.energy_wh)
    assert [one.action for one in scene.seen(Injected)] == ["TransactionEvent"]


def test_a_start_may_be_told_twice(version: str) -> None:
    """duplicate_start: the Started event again, with its seqNo."""
    scene = scene_with(version, DuplicateStart(count=1))
    scene.charge()
    started = scene.events("Started")
    assert [one["seqNo"] for one in started] == [0, 0]
    assert started[0].payload == started[1].payload


def test_events_may_name_a_transaction_that_never_was(version: str) -> None:
    """wrong_transaction_id: of Updated and Ended events; the end is excused."""
    scene = scene_with(version, WrongTransactionId())
    scene.charge()
    scene.present_tag()
    right, *wrong = [one["transactionInfo"]["transactionId"] for one in scene.events()]
    assert len(set(wrong)) == 1
    assert wrong[0] != right
    assert "stop_misnamed" in [one.what for one in scene.seen(Excused)]


def test_only_the_end_may_be_misnamed(version: str) -> None:
    """wrong_transaction_id with `messages`: StopTransaction means Ended here."""
    scene = scene_with(version, WrongTransactionId(messages="StopTransaction"))
    scene.charge()
    scene.present_tag()
    first, second, third = [one["transactionInfo"]["transactionId"] for one in scene.events()]
    assert first == second != third


def test_a_frozen_meter_stands_still_in_the_events(version: str) -> None:
    """frozen_meter: the readings, and what the CSMS was told apart from the truth."""
    scene = scene_with(version, FrozenMeter(connector_id=1))
    scene.charge()
    scene.run(for_s=600)
    scene.present_tag()
    told = [
        samples_of(value)[REGISTER]
        for one in scene.events()
        for value in one.payload.get("meterValue", [])
    ]
    assert set(told) == {0.0}
    (closed,) = scene.seen(TransactionClosed)
    (excused,) = [one for one in scene.seen(Excused) if one.what == "told_apart"]
    assert excused.number == closed.number
    assert excused.energy_wh == pytest.approx(-closed.energy_wh)


def test_a_register_that_jumps_is_excused_for_the_transaction_of_the_books(version: str) -> None:
    """register_jump: the number is the one that TransactionClosed has."""
    scene = scene_with(version)
    scene.charge()
    scene.run(for_s=600)
    scene.tell(FaultInjected(RegisterJump(connector_id=1, wh=5000.0)))
    scene.present_tag()
    (closed,) = scene.seen(TransactionClosed)
    (excused,) = scene.seen(Excused)
    assert (excused.what, excused.number) == ("jumped", closed.number)
    assert closed.energy_wh - closed.integral_wh == pytest.approx(5000.0, abs=1.0)


def test_an_error_code_that_leaves_the_session_is_no_status_here(version: str) -> None:
    """error_code without stop: 2.x has no error codes, the connector stays Occupied."""
    scene = scene_with(version)
    scene.charge()
    scene.mark()
    scene.tell(FaultInjected(ErrorCodeFault(error_code="WeakSignal", stop_transaction=False)))
    scene.tell(FaultRemoved(None))
    assert scene.statuses() == []
    assert scene.events() == []
