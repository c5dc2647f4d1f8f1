"""GetBaseReport and GetReport of OCPP 2.x (2.0.1 B07, B08; rows GetBaseReport, GetReport and
"NotifyEvent/Report ordering").
"""

from __future__ import annotations

import json
from typing import Any

from builders_device import component, names, path_of, report, told
from builders_station2 import SILENCE, Error, Scene2, versions
from simfleet.station.device_model import model_of
from simfleet.station.events import Failed


def a_scene(version: str, **configuration: str | int) -> Scene2:
    scene = Scene2(version=version, connectors=2, configuration=configuration)
    scene.boot()
    return scene


def get_report(scene: Scene2, **payload: Any) -> list[str]:
    """The variables in the report for a GetReport."""
    scene.mark()
    assert scene.call("GetReport", requestId=7, **payload).status == "Accepted"
    return [path_of(one) for one in told(scene, "NotifyReport", "reportData", 7)]


@versions
def test_a_full_inventory_has_every_variable_once(version: str) -> None:
    """B07: FullInventory, in parts."""
    scene = a_scene(version)
    paths = [path_of(one) for one in report(scene)]
    assert len(paths) == len(set(paths)) == len(model_of(scene.station).entries)
    assert "EVSE.AvailabilityState@2" in paths
    assert "Connector.ConnectorType@1.1" in paths
    assert len(scene.sent("NotifyReport")) > 1


@versions
def test_a_configuration_inventory_has_what_can_be_set(version: str) -> None:
    """B07.FR.07: ConfigurationInventory."""
    scene = a_scene(version)
    settable = {
        path_of(one)
        for one in report(scene)
        if any(each["mutability"] != "ReadOnly" for each in one["variableAttribute"])
    }
    assert {path_of(one) for one in report(scene, "ConfigurationInventory")} == settable
    assert "TxCtrlr.TxStartPoint" in settable
    assert "SecurityCtrlr.BasicAuthPassword" in settable
    assert "EVSE.Power@1" not in settable


@versions
def test_a_summary_says_whether_the_station_can_be_used(version: str) -> None:
    """B07.FR.09: SummaryInventory has availability and problems."""
    paths = {path_of(one) for one in report(a_scene(version), "SummaryInventory")}
    assert {"ChargingStation.AvailabilityState", "EVSE.Problem@1"} <= paths
    assert all(
        path.split(".")[1].split("@")[0] in ("AvailabilityState", "Problem") for path in paths
    )


@versions
def test_a_report_describes_type_limits_and_mutability(version: str) -> None:
    """Characteristics and attributes of a variable."""
    by_path = {path_of(one): one for one in report(a_scene(version))}
    power = by_path["EVSE.Power@1"]
    assert power["variableCharacteristics"] == {
        "dataType": "decimal",
        "supportsMonitoring": True,
        "unit": "W",
        "minLimit": 0.0,
    }
    assert [one["type"] for one in power["variableAttribute"]] == ["Actual", "Target", "MaxSet"]
    points = by_path["TxCtrlr.TxStartPoint"]
    assert points["variableCharacteristics"]["dataType"] == "MemberList"
    assert "EVConnected" in points["variableCharacteristics"]["valuesList"].split(",")
    updated = by_path["SampledDataCtrlr.TxUpdatedMeasurands"]["variableCharacteristics"]
    assert ("maxElements" in updated) is (version == "ocpp2.1")
    interval = by_path["OCPPCommCtrlr.HeartbeatInterval"]
    assert interval["variableCharacteristics"]["unit"] == "s"
    assert interval["variableAttribute"] == [
        {
            "type": "Actual",
            "value": "300",
            "mutability": "ReadWrite",
            "persistent": True,
            "constant": False,
        }
    ]
    password = by_path["SecurityCtrlr.BasicAuthPassword"]["variableAttribute"][0]
    assert password["mutability"] == "WriteOnly"
    assert "value" not in password


@versions
def test_a_part_has_no_more_items_than_allowed(version: str) -> None:
    """ItemsPerMessage[GetReport]."""
    scene = a_scene(version, **{"DeviceDataCtrlr.ItemsPerMessage[GetReport]": 7})
    count = len(report(scene))
    sizes = [len(part["reportData"]) for part in scene.sent("NotifyReport")]
    assert sum(sizes) == count
    assert set(sizes[:-1]) == {7}
    assert 0 < sizes[-1] <= 7


@versions
def test_a_part_is_no_longer_than_allowed(version: str) -> None:
    """BytesPerMessage[GetReport]."""
    scene = a_scene(version, **{"DeviceDataCtrlr.BytesPerMessage[GetReport]": 2000})
    assert len(report(scene)) == len(model_of(scene.station).entries)
    for part in scene.sent("NotifyReport"):
        packed = json.dumps(part["reportData"], separators=(",", ":"))
        assert len(packed) <= 2000 + 2


@versions
def test_a_second_report_during_one_is_rejected(version: str) -> None:
    """Row "NotifyEvent/Report ordering": and the first goes on as if nothing had been asked."""
    scene = a_scene(version)
    scene.on("NotifyReport", SILENCE)
    scene.mark()
    scene.call("GetBaseReport", requestId=1, reportBase="FullInventory")
    for action, payload in (
        ("GetBaseReport", {"reportBase": "SummaryInventory"}),
        ("GetReport", {"componentCriteria": ["Available"]}),
    ):
        assert scene.call(action, requestId=2, **payload).status == "Rejected"
    scene.on("NotifyReport", {})
    scene.reply(scene.sent("NotifyReport")[0], {})
    assert len(told(scene, "NotifyReport", "reportData", 1)) == len(model_of(scene.station).entries)
    assert len(report(scene, request_id=3)) > 0


@versions
def test_a_part_that_is_refused_does_not_end_the_report(version: str) -> None:
    """The parts after it come all the same."""
    scene = a_scene(version)
    scene.on("NotifyReport", Error(), {})
    report(scene)


@versions
def test_a_report_that_was_cut_off_does_not_block_the_next(version: str) -> None:
    """With the link goes the report: the CSMS asks again."""
    scene = a_scene(version)
    scene.on("NotifyReport", SILENCE)
    scene.call("GetBaseReport", requestId=1, reportBase="FullInventory")
    scene.disconnect()
    scene.on("NotifyReport", {})
    scene.connect()
    scene.mark()
    scene.run(for_s=120)
    assert scene.sent("NotifyReport") == []
    assert len(report(scene, request_id=2)) > 0


@versions
def test_a_station_that_is_pending_reports(version: str) -> None:
    """B02.FR.02, .09: NotifyReport may be sent while Pending."""
    scene = Scene2(version=version)
    scene.on("BootNotification", status="Pending", currentTime=scene.clock, interval=60)
    scene.boot()
    assert len(report(scene)) > 50


@versions
def test_a_report_can_be_for_some_components_or_variables(version: str) -> None:
    """B08.FR.02 to .06: what a ComponentVariable leaves out means all."""
    scene = a_scene(version)
    assert get_report(scene, componentVariable=[names("OCPPCommCtrlr.HeartbeatInterval")]) == [
        "OCPPCommCtrlr.HeartbeatInterval"
    ]
    assert get_report(scene, componentVariable=[names("EVSE.Power")]) == [
        "EVSE.Power@1",
        "EVSE.Power@2",
    ]
    assert get_report(scene, componentVariable=[names("EVSE.Power", evse=2)]) == ["EVSE.Power@2"]
    connectors = get_report(scene, componentVariable=[{"component": component("Connector")}])
    assert "Connector.ConnectorType@2.1" in connectors
    items = get_report(
        scene,
        componentVariable=[
            {"component": component("DeviceDataCtrlr"), "variable": {"name": "ItemsPerMessage"}}
        ],
    )
    assert len(items) == 3


@versions
def test_nothing_found_is_an_empty_result_set(version: str) -> None:
    """B08.FR.15: and nothing is sent."""
    scene = a_scene(version)
    scene.mark()
    answer = scene.call(
        "GetReport", requestId=1, componentVariable=[{"component": component("Nowhere")}]
    )
    assert answer.status == "EmptyResultSet"
    assert scene.sent("NotifyReport") == []


@versions
def test_criteria_select_components(version: str) -> None:
    """B08.FR.07 to .10: a component without the variable counts as active, available and enabled,
    but never as one with a problem.
    """
    scene = a_scene(version)
    available = get_report(scene, componentCriteria=["Available"])
    assert "EVSE.Power@1" in available
    assert "TxCtrlr.TxStartPoint" in available
    assert not any(path.startswith("ConnectedEV") for path in available)
    enabled = get_report(scene, componentCriteria=["Enabled"])
    assert not any(path.startswith("AuthCacheCtrlr") for path in enabled)
    answer = scene.call("GetReport", requestId=8, componentCriteria=["Problem"])
    assert answer.status == "EmptyResultSet"


@versions
def test_criteria_are_alternatives_and_components_a_condition_as_well(version: str) -> None:
    """componentCriteria OR-ed among themselves, AND componentVariable."""
    scene = a_scene(version)
    scene.tell(Failed(2, "GroundFailure"))
    problems = get_report(scene, componentCriteria=["Problem"])
    assert {path.partition("@")[2] for path in problems} == {"", "2", "2.1"}
    assert {path.partition(".")[0] for path in problems} == {"ChargingStation", "EVSE", "Connector"}
    both = get_report(
        scene,
        componentCriteria=["Problem", "Active"],
        componentVariable=[names("EVSE.Problem"), names("ConnectorPlugRetentionLock.Active")],
    )
    assert both == ["EVSE.Problem@1", "EVSE.Problem@2"]


@versions
def test_more_criteria_than_fit_are_refused(version: str) -> None:
    """At most ItemsPerMessage[GetReport] ComponentVariables."""
    scene = a_scene(version, **{"DeviceDataCtrlr.ItemsPerMessage[GetReport]": 1})
    answer = scene.call(
        "GetReport", requestId=1, componentVariable=[names("EVSE.Power"), names("EVSE.Problem")]
    )
    assert answer.error == "OccurrenceConstraintViolation"
