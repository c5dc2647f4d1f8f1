"""Logs of OCPP 2.0.1 and 2.1 (use case N01), and DataTransfer (block P)."""

from __future__ import annotations

from typing import Any

import pytest

from builders_maintenance2 import a_scene2
from builders_station2 import versions


@versions
def test_a_log_is_uploaded_under_its_request_id(version: str) -> None:
    """N01.FR.01 to .05: Accepted with filename, Uploading, Uploaded."""
    scene = a_scene2(version)
    answer = scene.get_log(request_id=12)
    assert answer.status == "Accepted"
    assert answer.payload["filename"] == scene.uploads[0].file_name
    assert "identity = CP-1" in scene.put()
    assert scene.log_statuses() == [("Uploading", 12), ("Uploaded", 12)]


@versions
def test_a_second_log_cancels_the_first_which_is_told_under_its_own_request(version: str) -> None:
    """N01.FR.12 and .20: AcceptedCanceled in the answer, and as the status of the old requestId."""
    scene = a_scene2(version)
    scene.get_log(request_id=1)
    assert scene.get_log(request_id=2).status == "AcceptedCanceled"
    scene.put()
    assert scene.log_statuses() == [
        ("Uploading", 1),
        ("AcceptedCanceled", 1),
        ("Uploading", 2),
        ("Uploaded", 2),
    ]
    assert len(scene.cancelled) == 1


@versions
@pytest.mark.parametrize(
    ("kind", "status"), [("permission", "PermissionDenied"), ("tcp", "UploadFailure")]
)
def test_why_an_upload_failed_is_told(version: str, kind: str, status: str) -> None:
    """UploadLogStatusEnumType."""
    scene = a_scene2(version)
    scene.get_log(request_id=3)
    scene.not_put(kind)
    assert scene.log_statuses() == [("Uploading", 3), (status, 3)]


@versions
def test_an_upload_is_tried_again_as_often_as_asked(version: str) -> None:
    """N01.FR.18: retries, retryInterval."""
    scene = a_scene2(version)
    scene.get_log(retries=1, retryInterval=30)
    scene.not_put()
    scene.run(for_s=31)
    scene.put()
    assert [status for status, _ in scene.log_statuses()] == ["Uploading", "Uploaded"]


@versions
def test_a_log_to_nowhere_is_a_bad_message(version: str) -> None:
    """UploadLogStatusEnumType BadMessage: the location is no URL."""
    scene = a_scene2(version)
    assert scene.get_log("nowhere", request_id=3).status == "Accepted"
    assert scene.log_statuses() == [("BadMessage", 3)]


@versions
def test_nothing_to_upload_is_rejected(version: str) -> None:
    """GetLog Rejected: no log in that stretch of time."""
    scene = a_scene2(version)
    answer = scene.get_log(oldest="2001-01-01T00:00:00Z", latest="2001-01-02T00:00:00Z")
    assert answer.status == "Rejected"
    assert "filename" not in answer.payload


@versions
def test_the_security_log_tells_of_security(version: str) -> None:
    """N01: logType SecurityLog."""
    scene = a_scene2(version)
    scene.call("InstallCertificate", certificateType="CSMSRootCertificate", certificate="none")
    assert scene.get_log(log_type="SecurityLog").status == "Accepted"
    assert scene.put().startswith("security log of CP-1")


def test_there_is_no_data_collector() -> None:
    """2.1 logType DataCollectorLog: no such log here."""
    scene = a_scene2("ocpp2.1")
    assert scene.get_log(log_type="DataCollectorLog").status == "Rejected"


@versions
@pytest.mark.parametrize(
    ("vendor", "status"), [("SimFleet", "UnknownMessageId"), ("Other", "UnknownVendorId")]
)
def test_data_transfer_knows_no_other_extensions(version: str, vendor: str, status: str) -> None:
    """P01: UnknownVendorId, or UnknownMessageId for the station's own vendor."""
    scene = a_scene2(version)
    assert scene.call("DataTransfer", vendorId=vendor, messageId="x", data={}).status == status


@versions
@pytest.mark.parametrize("data", [None, "text", {"list": [1, {"deep": True}]}])
def test_the_echo_of_its_own_vendor_comes_back(version: str, data: object) -> None:
    """P02: a message of the station's own vendor is understood, whatever JSON is in it."""
    scene = a_scene2(version)
    said: dict[str, Any] = {} if data is None else {"data": data}
    answer = scene.call("DataTransfer", vendorId="SimFleet", messageId="Echo", **said)
    assert answer.status == "Accepted"
    (echo,) = scene.sent("DataTransfer")
    assert (echo["vendorId"], echo["messageId"]) == ("SimFleet", "Echo")
    assert echo.payload.get("data") == data


@versions
def test_the_diagnostics_name_the_transaction_that_runs(version: str) -> None:
    """N01: the file is true: a transaction has the id that the CSMS knows it by."""
    scene = a_scene2(version)
    scene.charge()
    scene.get_log()
    assert f"transaction = 1 (id {scene.transaction})" in scene.put()
