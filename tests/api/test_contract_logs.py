"""GET /api/logs: what was said on the wire, newest first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from builders_api import assert_error

if TYPE_CHECKING:
    from builders_api import Lab

ENTRY = {
    "id": int,
    "chargepoint_id": str,
    "direction": str,
    "message_type": str,
    "payload": dict,
    "timestamp": str,
}
NAIVE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
"""2026-04-09T15:07:41.368000: no zone, microseconds."""


def assert_entry(entry: dict[str, Any]) -> None:
    assert list(entry) == list(ENTRY)
    for key, kind in ENTRY.items():
        assert isinstance(entry[key], kind), (key, entry[key])
    assert entry["direction"] in {"sent", "received"}
    assert NAIVE.fullmatch(entry["timestamp"])


async def logs(lab: Lab, **query: object) -> list[dict[str, Any]]:
    answer = await lab.alice.get("/api/logs", **query)
    assert answer.status == 200, answer.body
    assert isinstance(answer.body, list)
    return answer.body


async def test_nothing_was_said_at_first(lab: Lab) -> None:
    assert await logs(lab) == []


async def test_entries_have_the_fields_of_the_document(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    entries = await logs(lab)
    for entry in entries:
        assert_entry(entry)
    boot = next(entry for entry in reversed(entries) if entry["message_type"] == "BootNotification")
    assert (boot["chargepoint_id"], boot["direction"]) == ("SIM-AC-001", "sent")
    assert {"chargePointVendor", "chargePointModel"} <= set(boot["payload"])


async def test_newest_come_first(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    ids = [entry["id"] for entry in await logs(lab)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == len(ids) > 4


async def test_an_answer_is_named_after_what_it_answers(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    entries = await logs(lab, message_type="BootNotification")
    assert [entry["direction"] for entry in entries] == ["received", "sent"]
    assert entries[0]["payload"]["status"] == "Accepted"


async def test_logs_of_one_charger(lab: Lab) -> None:
    await lab.charger_on("A")
    await lab.charger_on("B")
    assert {entry["chargepoint_id"] for entry in await logs(lab)} == {"A", "B"}
    assert {entry["chargepoint_id"] for entry in await logs(lab, chargepoint_id="A")} == {"A"}
    assert await logs(lab, chargepoint_id="NOBODY") == []


@pytest.mark.parametrize("direction", ["sent", "received"])
async def test_logs_of_one_direction(lab: Lab, direction: str) -> None:
    await lab.charger_on("A")
    found = await logs(lab, direction=direction)
    assert {entry["direction"] for entry in found} == {direction}
    every = await logs(lab)
    assert found == [entry for entry in every if entry["direction"] == direction]


async def test_calls_and_answers_can_be_told_apart_in_a_filter(lab: Lab) -> None:
    await lab.charger_on("A")
    every = await logs(lab)
    calls = await logs(lab, message_type="CALL")
    results = await logs(lab, message_type="CALLRESULT")
    assert calls
    assert results
    merged = sorted(calls + results, key=lambda entry: entry["id"], reverse=True)
    assert merged == every
    assert await logs(lab, message_type="NoSuchAction") == []


async def test_pages_by_id_meet_without_gap_or_overlap(lab: Lab) -> None:
    await lab.charger_on("A")
    every = await logs(lab)
    middle = every[len(every) // 2]["id"]
    newer = await logs(lab, since_id=middle)
    older = await logs(lab, before_id=middle)
    assert [entry["id"] for entry in newer] == [e["id"] for e in every if e["id"] > middle]
    assert [entry["id"] for entry in older] == [e["id"] for e in every if e["id"] < middle]
    assert await logs(lab, since_id=every[0]["id"]) == []
    assert await logs(lab, before_id=1) == []


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (2, 2), (0, 1), (-5, 1), (10**9, None)])
async def test_the_limit_is_clamped(lab: Lab, limit: int, expected: int | None) -> None:
    await lab.charger_on("A")
    every = await logs(lab, limit=1000)
    found = await logs(lab, limit=limit)
    assert found == every[: expected or len(every)]


async def test_200_entries_unless_asked_for_more_and_1000_at_most(lab: Lab) -> None:
    await lab.charger_on("A")
    await lab.fill_journal("A", 1200)
    assert len(await logs(lab)) == 200
    assert len(await logs(lab, limit=201)) == 201
    assert len(await logs(lab, limit=1001)) == 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "many"),
        ("limit", "1.5"),
        ("limit", ""),
        ("limit", "9" * 5000),
        ("since_id", "x"),
        ("since_id", "-1"),
        ("before_id", "x"),
        ("before_id", str(2**63)),
        ("direction", "up"),
        ("direction", ""),
    ],
)
async def test_a_query_that_cannot_be_is_400(lab: Lab, name: str, value: str) -> None:
    assert_error(await lab.alice.get("/api/logs", **{name: value}), 400, mentions=name)


async def test_users_do_not_see_each_others_logs(lab: Lab) -> None:
    await lab.charger_on("A")
    assert (await lab.bob.get("/api/logs")).body == []
    assert (await lab.bob.get("/api/logs", chargepoint_id="A")).body == []


async def test_an_error_reply_shows_code_and_description(lab: Lab) -> None:
    await lab.charger_on("A")
    await lab.csms_asks("A", "GetConfiguration", {"key": [f"Key{n}" for n in range(101)]})
    (reply, _) = await logs(lab, message_type="GetConfiguration")
    assert reply["direction"] == "sent"
    assert list(reply["payload"]) == ["errorCode", "errorDescription", "errorDetails"]
    assert reply["payload"]["errorCode"] == "OccurenceConstraintViolation"


async def test_a_message_that_is_no_ocpp_is_shown_as_it_was(lab: Lab) -> None:
    await lab.charger_on("A")
    action = {"action": "send_raw", "text": "hello?"}
    assert (await lab.alice.post("/api/chargers/A/actions", action)).status == 200
    entry = (await lab.alice.until_logged("A", "MALFORMED"))[0]
    assert_entry(entry)
    assert (entry["direction"], entry["payload"]) == ("sent", {"frame": "hello?"})
