"""Block B of OCPP 2.x in sequences: boot, variables, reports, networks, resets."""

from __future__ import annotations

import pytest

from builders_device import get, report, set_to, value
from builders_station2 import OTHER_TAG, SILENCE, Error, Scene2, id_token, versions
from simfleet.errors import Refused
from simfleet.station.events import Failed, FaultCleared

pytestmark = versions
BOOT = {"status": "Pending", "currentTime": "2026-03-01T12:00:00Z", "interval": 30}


def scene_of(version: str, **more: object) -> Scene2:
    configuration = more.pop("configuration", {})
    scene = Scene2(
        version=version,
        configuration={"MeterValueSampleInterval": "0", **configuration},  # type: ignore[dict-item]
        **more,
    )
    scene.boot()
    scene.mark()
    return scene


def pending(version: str, **more: object) -> Scene2:
    scene = Scene2(version=version, **more)
    scene.on("BootNotification", {**BOOT})
    scene.boot()
    scene.mark()
    return scene


def test_a_report_is_told_while_pending_and_nothing_else_is(version: str) -> None:
    """B02.FR.02, B02.FR.09, TC_B_02: NotifyReport for a report asked for, no status, no
    heartbeat, no event.
    """
    scene = pending(version)
    scene.plug_in()
    assert report(scene, request_id=9)
    scene.tell(Failed(1, "InternalError"))
    scene.run(for_s=29)
    assert set(scene.actions()) == {"NotifyReport"}
    scene.run(for_s=2)
    assert scene.actions()[-1] == "BootNotification"


def test_what_is_set_while_pending_holds_once_accepted(version: str) -> None:
    """B02.FR.01, B05: variables may be set before the acceptance; statuses follow it."""
    scene = pending(version)
    assert set_to(scene, "TxCtrlr.TxStartPoint", "EVConnected")["attributeStatus"] == "Accepted"
    scene.on("BootNotification", {**BOOT, "status": "Accepted", "interval": 300})
    scene.run(for_s=31)
    assert scene.statuses() == ["Available"]
    scene.plug_in()
    assert scene.triggers() == ["CablePluggedIn"]


def test_pending_then_rejected_then_accepted(version: str) -> None:
    """B02, B03: each answer counts until the next."""
    scene = pending(version)
    scene.on(
        "BootNotification",
        {**BOOT, "status": "Rejected", "interval": 40},
        {**BOOT, "status": "Accepted"},
    )
    scene.run(for_s=31)
    assert scene.call("GetBaseReport", requestId=1, reportBase="FullInventory").error == (
        "SecurityError"
    )
    scene.run(for_s=38)
    assert scene.actions() == ["BootNotification"]
    scene.run(for_s=3)
    assert scene.actions() == ["BootNotification", "BootNotification", "StatusNotification"]
    assert scene.call("GetBaseReport", requestId=1, reportBase="FullInventory").status == "Accepted"


def test_a_session_offline_before_the_first_boot_is_told_never_or_after_it(version: str) -> None:
    """B01.FR.02, B04: no message before the BootNotification is accepted."""
    scene = Scene2(version=version)
    scene.plug_in()
    scene.present_tag()
    scene.run(for_s=100)
    scene.boot()
    actions = scene.actions()
    assert actions[0] == "BootNotification"
    assert scene.statuses() == ["Occupied"]


def test_a_link_lost_during_the_boot_boots_again(version: str) -> None:
    """B01: without an answer to BootNotification it is sent on the next link too."""
    scene = Scene2(version=version)
    scene.on("BootNotification", SILENCE)
    scene.boot()
    scene.disconnect()
    scene.on("BootNotification", {**BOOT, "status": "Accepted"})
    scene.connect()
    scene.run(for_s=100)
    assert scene.actions()[:3] == ["BootNotification", "BootNotification", "StatusNotification"]


def test_an_accepted_station_does_not_boot_on_a_new_link(version: str) -> None:
    """B04: a reconnect is no boot."""
    scene = scene_of(version)
    scene.disconnect()
    scene.run(for_s=1000)
    scene.connect()
    assert "BootNotification" not in scene.actions()
    assert scene.statuses() == ["Available"]


def test_a_status_that_came_back_while_offline_is_not_told_after_a_short_time(
    version: str,
) -> None:
    """B04.FR.02: within OfflineThreshold only connectors whose status changed."""
    scene = scene_of(version, connectors=2)
    scene.disconnect()
    scene.plug_in()
    scene.unplug()
    scene.plug_in(2)
    scene.run(for_s=10)
    scene.connect()
    assert scene.statuses(1) == []
    assert scene.statuses(2) == ["Occupied"]


def test_what_was_set_is_told_in_a_report(version: str) -> None:
    """B05, B07, TC_B_13: set, get and report say the same."""
    scene = scene_of(version)
    set_to(scene, "SampledDataCtrlr.TxUpdatedInterval", "17")
    assert value(scene, "SampledDataCtrlr.TxUpdatedInterval") == "17"
    (row,) = [
        one
        for one in report(scene)
        if one["component"]["name"] == "SampledDataCtrlr"
        and one["variable"]["name"] == "TxUpdatedInterval"
    ]
    actual = [one for one in row["variableAttribute"] if one.get("type", "Actual") == "Actual"]
    assert actual[0]["value"] == "17"


@pytest.mark.parametrize(
    "path",
    [
        "AlignedDataCtrlr.Interval",
        "AlignedDataCtrlr.Measurands",
        "AlignedDataCtrlr.TxEndedInterval",
        "AlignedDataCtrlr.TxEndedMeasurands",
        "AuthCtrlr.AuthorizeRemoteStart",
        "AuthCtrlr.LocalAuthorizeOffline",
        "AuthCtrlr.LocalPreAuthorize",
        "ClockCtrlr.DateTime",
        "ClockCtrlr.TimeSource",
        "DeviceDataCtrlr.BytesPerMessage[GetReport]",
        "DeviceDataCtrlr.BytesPerMessage[GetVariables]",
        "DeviceDataCtrlr.BytesPerMessage[SetVariables]",
        "DeviceDataCtrlr.ItemsPerMessage[GetReport]",
        "DeviceDataCtrlr.ItemsPerMessage[GetVariables]",
        "DeviceDataCtrlr.ItemsPerMessage[SetVariables]",
        "OCPPCommCtrlr.FileTransferProtocols",
        "OCPPCommCtrlr.HeartbeatInterval",
        "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]",
        "OCPPCommCtrlr.MessageAttempts[TransactionEvent]",
        "OCPPCommCtrlr.MessageTimeout[Default]",
        "OCPPCommCtrlr.NetworkConfigurationPriority",
        "OCPPCommCtrlr.NetworkProfileConnectionAttempts",
        "OCPPCommCtrlr.OfflineThreshold",
        "OCPPCommCtrlr.ResetRetries",
        "OCPPCommCtrlr.RetryBackOffRandomRange",
        "OCPPCommCtrlr.RetryBackOffRepeatTimes",
        "OCPPCommCtrlr.RetryBackOffWaitMinimum",
        "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
        "OCPPCommCtrlr.WebSocketPingInterval",
        "SampledDataCtrlr.TxEndedInterval",
        "SampledDataCtrlr.TxEndedMeasurands",
        "SampledDataCtrlr.TxStartedMeasurands",
        "SampledDataCtrlr.TxUpdatedInterval",
        "SampledDataCtrlr.TxUpdatedMeasurands",
        "SecurityCtrlr.CertificateEntries",
        "SecurityCtrlr.OrganizationName",
        "SecurityCtrlr.SecurityProfile",
        "TxCtrlr.EVConnectionTimeOut",
        "TxCtrlr.StopTxOnEVSideDisconnect",
        "TxCtrlr.StopTxOnInvalidId",
        "TxCtrlr.TxStartPoint",
        "TxCtrlr.TxStopPoint",
        "LocalAuthListCtrlr.Entries",
        "LocalAuthListCtrlr.ItemsPerMessage",
        "LocalAuthListCtrlr.BytesPerMessage",
        "SmartChargingCtrlr.Entries[ChargingProfiles]",
        "SmartChargingCtrlr.LimitChangeSignificance",
        "SmartChargingCtrlr.PeriodsPerSchedule",
        "SmartChargingCtrlr.ProfileStackLevel",
        "SmartChargingCtrlr.RateUnit",
        "MonitoringCtrlr.ItemsPerMessage[SetVariableMonitoring]",
        "MonitoringCtrlr.BytesPerMessage[SetVariableMonitoring]",
        "DisplayMessageCtrlr.NumberOfDisplayMessages",
        "DisplayMessageCtrlr.SupportedFormats",
        "DisplayMessageCtrlr.SupportedPriorities",
        "ChargingStation.AvailabilityState",
        "ChargingStation.SupplyPhases",
    ],
)
def test_every_required_variable_can_be_read(version: str, path: str) -> None:
    """Part 2 chapter 2 (referenced components and variables), TC_B_53: required ones exist."""
    scene = scene_of(version)
    assert get(scene, path)["attributeStatus"] == "Accepted"


@pytest.mark.parametrize("variable", ["AvailabilityState", "Available", "SupplyPhases"])
def test_every_evse_and_connector_has_its_variables(version: str, variable: str) -> None:
    """Part 2 chapter 2: AvailabilityState, Available, SupplyPhases of EVSE and Connector."""
    scene = scene_of(version, connectors=2)
    for evse in (1, 2):
        assert value(scene, f"EVSE.{variable}", evse=evse)
        assert value(scene, f"Connector.{variable}", evse=evse, connector=1)


def test_the_availability_in_the_model_follows_the_status(version: str) -> None:
    """G01, B06: AvailabilityState of a connector is what StatusNotification says."""
    scene = scene_of(version)
    seen = [value(scene, "Connector.AvailabilityState", evse=1, connector=1)]
    scene.plug_in()
    seen.append(value(scene, "Connector.AvailabilityState", evse=1, connector=1))
    scene.tell(Failed(1, "GroundFailure"))
    seen.append(value(scene, "Connector.AvailabilityState", evse=1, connector=1))
    scene.tell(FaultCleared(1))
    scene.unplug()
    scene.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1})
    seen.append(value(scene, "Connector.AvailabilityState", evse=1, connector=1))
    assert seen == ["Available", "Occupied", "Faulted", "Unavailable"]


def test_a_second_report_while_one_is_told_is_rejected_and_the_first_goes_on(
    version: str,
) -> None:
    """Section 5: a second GetBaseReport during one is Rejected, and no part is lost."""
    scene = scene_of(version)
    scene.on("NotifyReport", SILENCE)
    scene.mark()
    assert scene.call("GetBaseReport", requestId=1, reportBase="FullInventory").status == "Accepted"
    again = scene.call("GetBaseReport", requestId=2, reportBase="FullInventory")
    assert again.status == "Rejected"
    scene.on("NotifyReport", {})
    scene.run(for_s=200)
    parts = scene.sent("NotifyReport")
    assert {part["requestId"] for part in parts} == {1}
    assert not parts[-1].payload.get("tbc", False)
    scene.mark()
    assert report(scene, request_id=2)


def test_a_report_goes_on_past_an_error(version: str) -> None:
    """B07: a part that the CSMS cannot take does not hold up the others or the station."""
    scene = scene_of(version)
    scene.on("NotifyReport", Error(), {})
    scene.call("GetBaseReport", requestId=1, reportBase="FullInventory")
    scene.run(for_s=100)
    assert not scene.sent("NotifyReport")[-1].payload.get("tbc", False)
    assert scene.call("GetBaseReport", requestId=2, reportBase="FullInventory").status == "Accepted"


# ── reset ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_immediate_reset_ends_transactions_before_the_boot(version: str) -> None:
    """B12.FR.02, TC_B_22: Ended (ResetCommand, ImmediateReset), then boot with RemoteReset, then
    the statuses of what is there.
    """
    scene = scene_of(version)
    scene.charge()
    scene.mark()
    assert scene.call("Reset", type="Immediate").status == "Accepted"
    scene.run(for_s=60)
    ended = scene.events()[-1]
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "ResetCommand")
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    boot = scene.sent("BootNotification")[0]
    assert boot["reason"] == "RemoteReset"
    assert ended.at_s <= boot.at_s
    assert scene.statuses()[-1] == "Occupied"


def test_a_reset_on_idle_waits_until_the_transaction_is_over(version: str) -> None:
    """B12.FR.01, TC_B_21: Scheduled, nothing happens to the transaction, then ScheduledReset."""
    scene = scene_of(version)
    scene.charge()
    scene.mark()
    assert scene.call("Reset", type="OnIdle").status == "Scheduled"
    scene.run(for_s=600)
    assert set(scene.actions()) <= {"Heartbeat"}
    scene.present_tag()
    scene.unplug()
    scene.run(for_s=60)
    assert scene.sent("BootNotification")[0]["reason"] == "ScheduledReset"
    assert scene.statuses()[-1] == "Available"
    scene.charge()
    assert scene.events("Started")


def test_an_immediate_reset_overtakes_a_scheduled_one(version: str) -> None:
    """B12: Immediate while OnIdle waits; there is one boot."""
    scene = scene_of(version)
    scene.charge()
    scene.call("Reset", type="OnIdle")
    assert scene.call("Reset", type="Immediate").status == "Accepted"
    scene.run(for_s=600)
    assert len(scene.sent("BootNotification")) == 1
    scene.run(for_s=600)
    assert len(scene.sent("BootNotification")) == 1


def test_no_transaction_starts_while_a_reset_waits(version: str) -> None:
    """B12: neither by tag nor from remote at another EVSE."""
    scene = scene_of(version, connectors=2)
    scene.charge()
    scene.call("Reset", type="OnIdle")
    scene.mark()
    answer = scene.call(
        "RequestStartTransaction", idToken=id_token(OTHER_TAG), remoteStartId=1, evseId=2
    )
    assert answer.status == "Rejected"
    scene.plug_in(2)
    with pytest.raises(Refused):
        scene.present_tag(OTHER_TAG, 2)
    assert not scene.events("Started")


def test_a_reset_of_an_evse_leaves_the_other_charging(version: str) -> None:
    """B11.FR.08, B12, TC_B_27: only its own transaction ends; no boot."""
    scene = scene_of(version, connectors=2)
    scene.charge(1)
    scene.charge(2, tag=OTHER_TAG)
    scene.mark()
    assert scene.call("Reset", type="Immediate", evseId=1).status == "Accepted"
    scene.run(for_s=60)
    (ended,) = scene.events("Ended")
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    assert "BootNotification" not in scene.actions()
    assert scene.station.connectors[1].visit is not None


def test_a_reset_of_an_evse_on_idle_waits_for_its_own_transaction_alone(version: str) -> None:
    """B12, TC_B_26."""
    scene = scene_of(version, connectors=2)
    scene.charge(1)
    assert scene.call("Reset", type="OnIdle", evseId=2).status == "Accepted"
    assert scene.call("Reset", type="OnIdle", evseId=1).status == "Scheduled"
    scene.run(for_s=60)
    assert scene.station.connectors[0].visit is not None


def test_a_reset_of_an_evse_that_is_not_there_is_rejected(version: str) -> None:
    """B11, B12: unknown EVSE."""
    assert scene_of(version).call("Reset", type="Immediate", evseId=3).status == "Rejected"


def test_a_reset_while_offline_events_wait_sends_them_after_the_boot_in_order(
    version: str,
) -> None:
    """Section 5: the queue survives a reset; boot first, then what waited, with seqNo in order."""
    scene = scene_of(version)
    scene.on("TransactionEvent", SILENCE)
    scene.charge()
    scene.call("Reset", type="Immediate")
    scene.run(for_s=100)
    scene.on("TransactionEvent", {})
    scene.run(for_s=600)
    told = list(dict.fromkeys(one["seqNo"] for one in scene.events()))
    assert told == list(range(len(told)))
    assert scene.events()[-1]["eventType"] == "Ended"
