"""Reservations and the local authorization list, commanded by a CSMS that is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from end_to_end.peer_flow import Flow, commanded, moment

if TYPE_CHECKING:
    from pathlib import Path

SHORT_PAUSE = "300ms..500ms"


def reserved(
    flow: Flow,
    number: int,
    *,
    connector: int = 1,
    tag: str = "CAFE0001",
    ends_s: float = 3600,
    parent: str | None = None,
) -> str:
    return flow.status_of(
        "ReserveNow",
        connector_id=connector,
        expiry_date=moment(ends_s),
        id_tag=tag,
        reservation_id=number,
        parent_id_tag=parent,
    )


# ── reservations ────────────────────────────────────────────────────────────────────────────────


def test_a_reservation_is_taken_replaced_cancelled_and_expires(tmp_path: Path) -> None:
    with commanded(tmp_path, mode="connect") as flow:
        assert reserved(flow, 1, ends_s=-60) == "Rejected"
        assert reserved(flow, 1, connector=8) == "Rejected"
        assert reserved(flow, 1) == "Accepted"
        flow.wait_for_status("Reserved")
        assert reserved(flow, 2) == "Occupied"
        assert reserved(flow, 1, tag="CAFE0002") == "Accepted"
        assert flow.status_of("CancelReservation", reservation_id=2) == "Rejected"
        assert flow.status_of("CancelReservation", reservation_id=1) == "Accepted"
        flow.wait_for_status("Available")
        assert flow.status_of("CancelReservation", reservation_id=1) == "Rejected"

        assert reserved(flow, 3, ends_s=2) == "Accepted"
        flow.wait_for_status("Reserved")
        flow.wait_for_status("Available")
        assert flow.status_of("CancelReservation", reservation_id=3) == "Rejected"

        flow.ask("ChangeAvailability", connector_id=1, type="Inoperative")
        flow.wait_for_status("Unavailable")
        assert reserved(flow, 4) == "Unavailable"


def test_only_the_owner_of_a_reservation_gets_to_charge(tmp_path: Path) -> None:
    with commanded(tmp_path) as flow:
        first = flow.wait_for_start()
        assert reserved(flow, 5) == "Occupied"
        flow.ask("RemoteStopTransaction", transaction_id=first)
        flow.wait_for_status("Available")
        assert reserved(flow, 5) == "Accepted"
        flow.wait_for_status("Reserved")
        start = {"connector_id": 1}
        assert flow.status_of("RemoteStartTransaction", id_tag="CAFE0009", **start) == "Rejected"
        assert flow.status_of("RemoteStartTransaction", id_tag="CAFE0001", **start) == "Accepted"
        started = flow.wait_for("StartTransaction").payload
        assert (started["idTag"], started["reservationId"]) == ("CAFE0001", 5)
        flow.wait_for_status("Charging")
        assert flow.status_of("CancelReservation", reservation_id=5) == "Rejected"  # used up


def test_a_reservation_may_be_used_by_a_tag_of_the_same_parent(tmp_path: Path) -> None:
    with commanded(tmp_path, configuration="AuthorizeRemoteTxRequests: true") as flow:
        first = flow.wait_for_start()
        flow.ask("RemoteStopTransaction", transaction_id=first)
        flow.wait_for_status("Available")
        assert reserved(flow, 6, tag="FAM00001", parent="FAMILY") == "Accepted"
        flow.wait_for_status("Reserved")
        asked = flow.status_of("RemoteStartTransaction", id_tag="FAM00002", connector_id=1)
        assert asked == "Accepted"
        flow.wait_for("Authorize", idTag="FAM00002")
        started = flow.wait_for("StartTransaction").payload
        assert (started["idTag"], started["reservationId"]) == ("FAM00002", 6)


# ── the local list ──────────────────────────────────────────────────────────────────────────────


def listed(flow: Flow, version: int, *tags: dict[str, object], full: bool = False) -> str:
    return flow.status_of(
        "SendLocalList",
        list_version=version,
        update_type="Full" if full else "Differential",
        local_authorization_list=list(tags),
    )


def entry(tag: str, status: str = "Accepted") -> dict[str, object]:
    return {"id_tag": tag, "id_tag_info": {"status": status, "expiry_date": moment(3600)}}


def test_the_list_has_versions(tmp_path: Path) -> None:
    with commanded(tmp_path, mode="connect") as flow:
        assert flow.ask("GetLocalListVersion") == {"list_version": 0}
        assert listed(flow, 1, entry("CAFE0001"), entry("CAFE0002"), full=True) == "Accepted"
        assert flow.ask("GetLocalListVersion") == {"list_version": 1}
        assert listed(flow, 1, entry("CAFE0003")) == "VersionMismatch"
        assert listed(flow, 4, entry("CAFE0003"), {"id_tag": "CAFE0001"}) == "Accepted"
        assert flow.ask("GetLocalListVersion") == {"list_version": 4}
        assert listed(flow, 9, entry("CAFE0004"), entry("cafe0004"), full=True) == "Failed"
        many = [entry(f"CAFE{n:04}") for n in range(300)]
        assert listed(flow, 9, *many, full=True) in ("Failed", "Accepted")
        assert listed(flow, 10, full=True) == "Accepted"
        assert flow.ask("GetLocalListVersion") == {"list_version": 0}


def test_who_is_in_the_list_charges_without_being_asked_about(tmp_path: Path) -> None:
    """The driver of this charger comes again and again with the same tag."""
    with commanded(tmp_path, pause=SHORT_PAUSE) as flow:
        first = flow.wait_for_start()
        tag = flow.came("StartTransaction")[0].payload["idTag"]
        assert flow.came("Authorize", idTag=tag)
        assert listed(flow, 1, entry(tag), full=True) == "Accepted"
        change = {"key": "LocalPreAuthorize", "value": "true"}
        assert flow.status_of("ChangeConfiguration", **change) == "Accepted"
        flow.ask("RemoteStopTransaction", transaction_id=first)
        second = flow.wait_for_start()
        assert flow.came("Authorize") == []

        assert listed(flow, 2, {"id_tag": tag}) == "Accepted"
        flow.ask("RemoteStopTransaction", transaction_id=second)
        flow.wait_for_start()
        assert flow.came("Authorize", idTag=tag)
