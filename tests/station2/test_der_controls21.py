"""DER controls of OCPP 2.1 (block R): SetDERControl, GetDERControl, ClearDERControl, and what the
station says of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders_energy import GIVING_VAN, EnergyScene, a_profile, moment
from simfleet.errors import Refused
from simfleet.station.energy_events import GridFaulted

if TYPE_CHECKING:
    from builders_station2 import Answer


def scene_of(**options: Any) -> EnergyScene:
    return EnergyScene(version="ocpp2.1", vehicle=GIVING_VAN, **options)


def put(scene: EnergyScene, control_id: str, *, default: bool = False, **more: Any) -> Answer:
    """SetDERControl; by default a limit of discharging to 30 %."""
    if "controlType" not in more:
        limit = {"priority": 1, "pctMaxDischargePower": 30.0} | more.pop("limit", {})
        more = {"controlType": "LimitMaxDischarge", "limitMaxDischarge": limit}
    return scene.call("SetDERControl", controlId=control_id, isDefault=default, **more)


def volt_watt(priority: int = 0) -> dict[str, Any]:
    points = [{"x": 100.0, "y": 100.0}, {"x": 110.0, "y": 0.0}]
    return {
        "controlType": "VoltWatt",
        "curve": {"curveData": points, "priority": priority, "yUnit": "PctMaxW"},
    }


def reported(scene: EnergyScene) -> list[tuple[str, str]]:
    """Field and id of all controls in ReportDERControl since the mark."""
    return [
        (field, one["id"])
        for report in scene.sent("ReportDERControl")
        for field, entries in report.payload.items()
        if isinstance(entries, list)
        for one in entries
    ]


def test_a_limit_of_discharging_really_limits() -> None:
    """R04: LimitMaxDischarge, in per cent of the most that can be given back."""
    scene = scene_of()
    scene.charge(soc=0.8)
    period = {"operationMode": "CentralSetpoint", "setpoint": -9_000.0}
    scene.set(a_profile(period, purpose="TxProfile", transactionId=scene.transaction), evse=1)
    assert put(scene, "a", default=True).status == "Accepted"
    assert scene.power() == pytest.approx(-3_000, abs=1)
    assert scene.call("ClearDERControl", isDefault=True, controlId="a").status == "Accepted"
    assert scene.power() == pytest.approx(-9_000, abs=1)


def test_a_type_that_is_not_supported_is_not() -> None:
    """SetDERControl, GetDERControl, ClearDERControl: NotSupported."""
    scene = scene_of(configuration={"DCDERCtrlr.ModesSupported": "VoltWatt"})
    assert put(scene, "a").status == "NotSupported"
    kind: dict[str, Any] = {"controlType": "FreqDroop"}
    assert scene.call("GetDERControl", requestId=1, **kind).status == "NotSupported"
    assert scene.call("ClearDERControl", isDefault=True, **kind).status == "NotSupported"
    assert put(scene, "b", default=True, **volt_watt()).status == "Accepted"


@pytest.mark.parametrize(
    ("default", "more"),
    [
        (True, {"controlType": "VoltWatt"}),  # the curve is missing
        (True, volt_watt() | {"controlType": "FreqDroop"}),  # it is another's setting
        (True, {"limit": {"startTime": moment(60), "duration": 60.0}}),  # a default has no time
        (False, {"limit": {"startTime": moment(-120), "duration": 60.0}}),  # too late
    ],
)
def test_a_control_that_makes_no_sense_is_rejected(default: bool, more: dict[str, Any]) -> None:
    """SetDERControl: Rejected, and nothing is kept."""
    scene = scene_of()
    assert put(scene, "a", default=default, **more).status == "Rejected"
    assert scene.call("GetDERControl", requestId=1).status == "NotFound"


def test_the_lower_number_has_priority_and_supersedes() -> None:
    """R04: supersededIds; without the first the other counts again."""
    scene = scene_of()
    assert put(scene, "a", default=True, **volt_watt(priority=5)).status == "Accepted"
    answer = put(scene, "b", default=True, **volt_watt(priority=3))
    assert answer.payload["supersededIds"] == ["a"]
    scene.mark()
    scene.call("GetDERControl", requestId=1, controlId="a")
    (report,) = scene.sent("ReportDERControl")
    assert report["curve"][0]["isSuperseded"] is True
    scene.call("ClearDERControl", isDefault=True, controlId="b")
    scene.mark()
    scene.call("GetDERControl", requestId=2, controlId="a")
    (report,) = scene.sent("ReportDERControl")
    assert report["curve"][0]["isSuperseded"] is False


def test_a_scheduled_control_starts_and_ends() -> None:
    """R04: NotifyDERStartStop; it goes before the default of its type."""
    scene = scene_of()
    put(scene, "always", default=True, limit={"pctMaxDischargePower": 50.0})
    scene.mark()
    timed = {"startTime": moment(60), "duration": 100.0, "pctMaxDischargePower": 10.0}
    assert put(scene, "later", limit=timed).status == "Accepted"
    scene.run(for_s=59)
    assert not scene.sent("NotifyDERStartStop")
    scene.charge(soc=0.8)
    period = {"operationMode": "CentralSetpoint", "setpoint": -9_000.0}
    scene.set(a_profile(period, purpose="TxProfile", transactionId=scene.transaction), evse=1)
    assert scene.power() == pytest.approx(-5_000, abs=1)
    scene.mark()
    scene.run(for_s=2)
    (started,) = scene.sent("NotifyDERStartStop")
    assert (started["controlId"], started["started"]) == ("later", True)
    assert started["supersededIds"] == ["always"]
    assert scene.power() == pytest.approx(-1_000, abs=1)
    scene.mark()
    scene.run(for_s=100)
    (ended,) = scene.sent("NotifyDERStartStop")
    assert (ended["controlId"], ended["started"]) == ("later", False)
    assert scene.power() == pytest.approx(-5_000, abs=1)
    assert scene.call("GetDERControl", requestId=1, controlId="later").status == "NotFound"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [("limitMaxDischarge", "a"), ("curve", "b"), ("curve", "c")]),
        ({"isDefault": False}, [("curve", "c")]),
        ({"controlType": "VoltWatt"}, [("curve", "b"), ("curve", "c")]),
        ({"controlType": "VoltWatt", "isDefault": True}, [("curve", "b")]),
        ({"controlId": "a"}, [("limitMaxDischarge", "a")]),
        ({"controlId": "z"}, []),
    ],
)
def test_controls_are_found_and_reported(
    asked: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    """R06: GetDERControl Accepted -> ReportDERControl with the requestId; NotFound."""
    scene = scene_of()
    put(scene, "a", default=True)
    put(scene, "b", default=True, **volt_watt())
    put(scene, "c", **volt_watt())
    scene.mark()
    answer = scene.call("GetDERControl", requestId=8, **asked)
    assert answer.status == ("Accepted" if found else "NotFound")
    assert sorted(reported(scene)) == sorted(found)
    assert {one["requestId"] for one in scene.sent("ReportDERControl")} <= {8}


def test_many_controls_are_reported_in_parts() -> None:
    """R06: tbc in all parts but the last."""
    scene = scene_of()
    for number in range(23):
        put(scene, f"c{number}", default=True, **volt_watt())
    scene.mark()
    scene.call("GetDERControl", requestId=8)
    assert [one.payload.get("tbc", False) for one in scene.sent("ReportDERControl")] == [
        True,
        True,
        False,
    ]
    assert len(reported(scene)) == 23


def test_every_kind_of_setting_comes_back_as_it_was_sent() -> None:
    """R06: the setting of each control type."""
    settings: dict[str, tuple[str, dict[str, Any]]] = {
        "EnterService": (
            "enterService",
            {"priority": 0, "highVoltage": 1, "lowVoltage": 2, "highFreq": 3, "lowFreq": 4},
        ),
        "FixedPFAbsorb": (
            "fixedPFAbsorb",
            {"priority": 0, "displacement": 0.9, "excitation": True},
        ),
        "FixedPFInject": (
            "fixedPFInject",
            {"priority": 0, "displacement": 0.9, "excitation": False},
        ),
        "FixedVar": ("fixedVar", {"priority": 0, "setpoint": 5.0, "unit": "PctMaxVar"}),
        "FreqDroop": (
            "freqDroop",
            {
                "priority": 0,
                "overFreq": 50.2,
                "underFreq": 49.8,
                "overDroop": 1.0,
                "underDroop": 1.0,
                "responseTime": 2.0,
            },
        ),
        "Gradients": ("gradient", {"priority": 0, "gradient": 5.0, "softGradient": 2.0}),
    }
    scene = scene_of()
    for control_type, (field, setting) in settings.items():
        answer = put(
            scene, control_type, default=True, controlType=control_type, **{field: setting}
        )
        assert answer.status == "Accepted"
    scene.mark()
    scene.call("GetDERControl", requestId=1)
    (report,) = scene.sent("ReportDERControl")
    for control_type, (field, setting) in settings.items():
        (entry,) = report[field]
        assert entry["id"] == control_type
        assert setting in entry.values()


def test_controls_are_cleared_by_type_or_id() -> None:
    """R05: ClearDERControl; a default and a scheduled one are apart."""
    scene = scene_of()
    put(scene, "a", default=True, **volt_watt())
    put(scene, "b", **volt_watt())
    assert scene.call("ClearDERControl", isDefault=True, controlId="b").status == "NotFound"
    scene.mark()
    assert scene.call("ClearDERControl", isDefault=False).status == "Accepted"
    (ended,) = scene.sent("NotifyDERStartStop")
    assert (ended["controlId"], ended["started"]) == ("b", False)
    kind: dict[str, Any] = {"controlType": "VoltWatt"}
    assert scene.call("ClearDERControl", isDefault=True, **kind).status == "Accepted"
    assert scene.call("ClearDERControl", isDefault=True, **kind).status == "NotFound"


def test_an_alarm_of_the_grid_is_told_and_ends() -> None:
    """R07: NotifyDERAlarm."""
    scene = scene_of()
    scene.mark()
    scene.tell(GridFaulted("HVMustTrip", "OverVoltage"))
    scene.tell(GridFaulted("HVMustTrip", "OverVoltage", ended=True))
    began, ended = scene.sent("NotifyDERAlarm")
    assert (began["controlType"], began["gridEventFault"]) == ("HVMustTrip", "OverVoltage")
    assert "alarmEnded" not in began.payload
    assert ended["alarmEnded"] is True
    with pytest.raises(Refused):
        scene.tell(GridFaulted("Nonsense"))
    older = EnergyScene(version="ocpp2.0.1")
    with pytest.raises(Refused):
        older.tell(GridFaulted("HVMustTrip"))
