"""The Core profile and RemoteTrigger, commanded by a CSMS that is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from end_to_end.peer_flow import commanded
from end_to_end.peer_process import CallFailed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_session_is_stopped_and_started_remotely(tmp_path: Path) -> None:
    with commanded(tmp_path) as flow:
        first = flow.wait_for_start()
        flow.wait_for_status("Charging")
        assert flow.status_of("RemoteStopTransaction", transaction_id=first + 999) == "Rejected"
        assert flow.status_of("RemoteStopTransaction", transaction_id=first) == "Accepted"
        stop = flow.wait_for("StopTransaction", transactionId=first)
        assert stop.payload["reason"] == "Remote"
        assert "idTag" not in stop.payload
        flow.wait_for_status("Available")

        tag = "CAFE0001"
        assert flow.status_of("RemoteStartTransaction", id_tag=tag, connector_id=7) == "Rejected"
        assert flow.status_of("RemoteStartTransaction", id_tag=tag, connector_id=1) == "Accepted"
        flow.wait_for_status("Preparing")
        second = flow.wait_for_start()
        assert flow.came("StartTransaction")[0].payload["idTag"] == tag
        flow.wait_for_status("Charging")
        assert flow.status_of("RemoteStartTransaction", id_tag=tag, connector_id=1) == "Rejected"

        assert flow.status_of("UnlockConnector", connector_id=1) == "Unlocked"
        stop = flow.wait_for("StopTransaction", transactionId=second)
        assert stop.payload["reason"] == "UnlockCommand"
        assert flow.status_of("UnlockConnector", connector_id=5) == "NotSupported"


def test_a_tag_that_the_csms_refuses_is_not_charged(tmp_path: Path) -> None:
    with commanded(tmp_path, configuration="AuthorizeRemoteTxRequests: true") as flow:
        first = flow.wait_for_start()
        flow.ask("RemoteStopTransaction", transaction_id=first)
        flow.wait_for_status("Available")
        asked = flow.status_of("RemoteStartTransaction", id_tag="BAD00001", connector_id=1)
        assert asked == "Accepted"
        flow.wait_for("Authorize", idTag="BAD00001")
        flow.ask("GetConfiguration", key=["HeartbeatInterval"])
        assert flow.came("StartTransaction") == []


def test_availability_waits_for_the_session(tmp_path: Path) -> None:
    with commanded(tmp_path, connectors=2) as flow:
        transaction = flow.wait_for_start(1)
        flow.wait_for_status("Charging", 2)
        change = {"connector_id": 1, "type": "Inoperative"}
        assert flow.status_of("ChangeAvailability", **change) == "Scheduled"
        assert flow.status_of("ChangeAvailability", connector_id=9, type="Operative") == "Rejected"
        assert flow.status_of("RemoteStopTransaction", transaction_id=transaction) == "Accepted"
        flow.wait_for_status("Unavailable", 1)
        assert flow.came("StatusNotification", connectorId=1, status="Available") == []
        change = {"connector_id": 1, "type": "Operative"}
        assert flow.status_of("ChangeAvailability", **change) == "Accepted"
        flow.wait_for("StatusNotification", connectorId=1)
        status = flow.came("StatusNotification", connectorId=1)[0].payload["status"]
        assert status in ("Preparing", "Available")  # the driver may not have unplugged yet


def test_configuration_is_read_and_written(tmp_path: Path) -> None:
    with commanded(tmp_path, mode="connect") as flow:
        everything = flow.ask("GetConfiguration")["configuration_key"]
        names = {entry["key"] for entry in everything}
        assert {"HeartbeatInterval", "NumberOfConnectors", "SupportedFeatureProfiles"} <= names
        assert "AuthorizationKey" not in {e["key"] for e in everything if "value" in e}
        some = flow.ask("GetConfiguration", key=["NumberOfConnectors", "NoSuchKey"])
        assert some["unknown_key"] == ["NoSuchKey"]
        assert some["configuration_key"] == [
            {"key": "NumberOfConnectors", "readonly": True, "value": "1"}
        ]
        for key, value, status in (
            ("NoSuchKey", "1", "NotSupported"),
            ("NumberOfConnectors", "9", "Rejected"),
            ("MeterValueSampleInterval", "-1", "Rejected"),
            ("MeterValuesSampledData", "Nonsense", "Rejected"),
            ("HeartbeatInterval", "1", "Accepted"),
        ):
            assert flow.status_of("ChangeConfiguration", key=key, value=value) == status, key
        flow.wait_for("Heartbeat", timeout_s=3)
        assert flow.status_of("ChangeConfiguration", key="HeartbeatInterval", value="0")
        assert flow.status_of("ClearCache") == "Rejected"  # there is none
        cache = {"key": "AuthorizationCacheEnabled", "value": "true"}
        assert flow.status_of("ChangeConfiguration", **cache) == "Accepted"
        assert flow.status_of("ClearCache") == "Accepted"


def test_messages_come_when_they_are_triggered(tmp_path: Path) -> None:
    with commanded(tmp_path, connectors=2, mode="connect") as flow:
        for message in ("BootNotification", "Heartbeat"):
            assert flow.status_of("TriggerMessage", requested_message=message) == "Accepted"
            flow.wait_for(message)
        status = "StatusNotification"
        assert flow.status_of("TriggerMessage", requested_message=status) == "Accepted"
        for connector in (0, 1, 2):
            flow.wait_for(status, connectorId=connector)
        wanted = {"requested_message": "MeterValues", "connector_id": 2}
        assert flow.status_of("TriggerMessage", **wanted) == "Accepted"
        values = flow.wait_for("MeterValues", connectorId=2).payload
        samples = values["meterValue"][0]["sampledValue"]
        assert {sample["context"] for sample in samples} == {"Trigger"}
        assert flow.came("MeterValues", connectorId=1) == []
        wanted["connector_id"] = 9
        assert flow.status_of("TriggerMessage", **wanted) == "Rejected"


def test_data_is_echoed_only_if_it_is_for_this_vendor(tmp_path: Path) -> None:
    with commanded(tmp_path, mode="connect") as flow:
        assert flow.status_of("DataTransfer", vendor_id="Nobody") == "UnknownVendorId"
        assert flow.status_of("DataTransfer", vendor_id="SimFleet") == "UnknownMessageId"
        data = {"vendor_id": "SimFleet", "message_id": "Echo", "data": "öäü ✓"}
        assert flow.status_of("DataTransfer", **data) == "Accepted"
        assert flow.wait_for("DataTransfer").payload["data"] == "öäü ✓"


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
def test_a_reset_ends_the_session_and_boots(tmp_path: Path, kind: str, reason: str) -> None:
    with commanded(tmp_path) as flow:
        transaction = flow.wait_for_start()
        flow.wait_for_status("Charging")
        assert flow.status_of("Reset", type=kind) == "Accepted"
        stop = flow.wait_for("StopTransaction", transactionId=transaction)
        assert stop.payload["reason"] == reason
        flow.wait_for("BootNotification")
        flow.wait_for("StatusNotification", connectorId=0, status="Available")
        flow.wait_for("StatusNotification", connectorId=1)


def test_a_profile_that_is_switched_off_is_not_supported(tmp_path: Path) -> None:
    with commanded(
        tmp_path, mode="connect", configuration="SupportedFeatureProfiles: Core"
    ) as flow:
        for action, fields in (
            ("TriggerMessage", {"requested_message": "Heartbeat"}),
            ("ClearChargingProfile", {}),
            ("CancelReservation", {"reservation_id": 1}),
            ("GetDiagnostics", {"location": "http://127.0.0.1/"}),
        ):
            with pytest.raises(CallFailed) as refused:
                flow.ask(action, **fields)
            assert refused.value.code == "NotSupported", action
        assert flow.ask("GetLocalListVersion")["list_version"] == -1
        sent = {"list_version": 1, "update_type": "Full"}
        assert flow.status_of("SendLocalList", **sent) == "NotSupported"
