"""/api/chargers and what is below it, as the reference document of the simulator has it.

Where the document is silent: creating answers 201 with the charger, every other POST on a charger
200 with the charger, DELETE 200 with ``{"success": true}``; a body is judged before the state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_api import DC, NEW, assert_charger, assert_error, until

if TYPE_CHECKING:
    from builders_api import Lab

ERROR_CODES = (
    "NoError",
    "GroundFailure",
    "OverCurrentFailure",
    "EVCommunicationError",
    "InternalError",
    "ConnectorLockFailure",
    "HighTemperature",
    "UnderVoltage",
    "OverVoltage",
)

POSTS: dict[str, dict[str, Any]] = {
    "mode": {"mode": "on"},
    "start": {"energy_kwh": 1},
    "stop": {},
    "free-charging": {"free_charging": True},
    "error": {"error_code": "GroundFailure"},
    "ocpp-version": {"ocpp_version": "1.6"},
    "name": {"charger_name": "Wallbox"},
    "chargepoint-id": {"chargepoint_id": "OTHER"},
    "rfid": {"rfid_tag": "AABB"},
    "auth-config": {"auth_mode": "rfid"},
    "backend-url": {"backend_url": "ws://127.0.0.1:9"},
    "num-connectors": {"num_connectors": 2},
}
"""A good body for every POST on a charger."""


# ── list, create, get ───────────────────────────────────────────────────────────────────────────


async def test_nobody_has_chargers_at_first(lab: Lab) -> None:
    answer = await lab.alice.get("/api/chargers")
    assert (answer.status, answer.body) == (200, [])


async def test_a_new_charger_is_off_and_answered_with_all_fields(lab: Lab) -> None:
    answer = await lab.alice.post("/api/chargers", NEW)
    assert answer.status == 201
    assert_charger(answer.body)
    assert answer.body == {
        "chargepoint_id": "SIM-AC-001",
        "charger_type": "AC",
        "mode": "off",
        "status": "Unavailable",
        "availability": "Operative",
        "current_power_kw": 0.0,
        "energy_delivered_wh": 0.0,
        "max_power_kw": 22.0,
        "transaction_id": None,
        "connected": False,
        "free_charging": False,
        "num_connectors": 1,
        "backend_url": "",
        "rfid_tag": "",
        "auth_mode": "rfid",
        "pnc_emaid": "",
        "pnc_pcid": "",
        "pnc_certificate_hash": "",
        "ocpp_version": "1.6",
        "charger_name": "",
        "error_code": "NoError",
        "session_start": None,
        "session_energy_wh": 0.0,
        "target_energy_wh": 0.0,
        "session_id_tag": "",
        "remote_start": False,
        "heartbeat_interval": 300,
        "connector_status": {"1": "Unavailable"},
    }


async def test_a_list_and_a_single_charger_show_the_same(lab: Lab) -> None:
    created = (await lab.alice.post("/api/chargers", NEW)).body
    one = await lab.alice.get("/api/chargers/SIM-AC-001")
    every = await lab.alice.get("/api/chargers")
    assert (one.status, every.status) == (200, 200)
    assert one.body == created
    assert every.body == [created]


async def test_connectors_are_shown_by_number_as_text(lab: Lab) -> None:
    answer = await lab.alice.post("/api/chargers", {**NEW, "num_connectors": 3})
    assert answer.status == 201
    assert answer.body["num_connectors"] == 3
    assert list(answer.body["connector_status"]) == ["1", "2", "3"]


@pytest.mark.parametrize("key", ["chargepoint_id", "charger_type", "max_power_kw"])
async def test_creating_needs_the_required_parameters(lab: Lab, key: str) -> None:
    incomplete = {name: value for name, value in NEW.items() if name != key}
    answer = await lab.alice.post("/api/chargers", incomplete)
    assert_error(answer, 400, mentions=key)
    assert (await lab.alice.get("/api/chargers")).body == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("chargepoint_id", ""),
        ("chargepoint_id", 7),
        ("chargepoint_id", "with space"),
        ("chargepoint_id", "a/b"),
        ("chargepoint_id", "a~b"),
        ("chargepoint_id", "x" * 49),
        ("chargepoint_id", "SIM-{n}"),
        ("charger_type", "ac"),
        ("charger_type", "XY"),
        ("max_power_kw", 0),
        ("max_power_kw", -1),
        ("max_power_kw", "22"),
        ("max_power_kw", True),
        ("num_connectors", 0),
        ("num_connectors", 6),
        ("num_connectors", 1.5),
        ("num_connectors", "1"),
        ("ocpp_version", "1.5"),
        ("ocpp_version", 1.6),
        ("auth_mode", "pin"),
        ("backend_url", "http://127.0.0.1"),
        ("backend_url", "no url"),
        ("charger_name", 5),
        ("configuration", ["HeartbeatInterval"]),
        ("configuration", {"NoSuchKey": "1"}),
        ("unheard_of", 1),
    ],
)
async def test_a_value_that_cannot_be_is_named_and_nothing_is_created(
    lab: Lab, key: str, value: object
) -> None:
    answer = await lab.alice.post("/api/chargers", {**NEW, key: value})
    assert_error(answer, 400)
    assert (await lab.alice.get("/api/chargers")).body == []


@pytest.mark.parametrize("length", [1, 48])
async def test_ids_of_one_to_48_identifier_characters_work(lab: Lab, length: int) -> None:
    chargepoint_id = "aZ0*_=:+|@.-"[-length:].ljust(length, "x")
    answer = await lab.alice.post("/api/chargers", {**NEW, "chargepoint_id": chargepoint_id})
    assert answer.status == 201, answer.body
    got = await lab.alice.get(f"/api/chargers/{chargepoint_id}")
    assert got.body["chargepoint_id"] == chargepoint_id


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_charger_of_a_later_version_is_made(lab: Lab, version: str) -> None:
    answer = await lab.alice.post("/api/chargers", {**NEW, "ocpp_version": version})
    assert answer.status == 201, answer.body
    assert answer.body["ocpp_version"] == version


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_plug_and_charge_forces_2_0_1_and_gets_an_emaid(lab: Lab, version: str) -> None:
    new = {**NEW, "ocpp_version": version, "auth_mode": "plug_and_charge"}
    answer = await lab.alice.post("/api/chargers", new)
    assert answer.status == 201, answer.body
    assert answer.body["ocpp_version"] == "2.0.1"
    assert answer.body["auth_mode"] == "plug_and_charge"
    assert answer.body["pnc_emaid"] == "DE*PIP*SIMAC001"


async def test_auth_config_generates_an_emaid_and_keeps_the_version(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    path = "/api/chargers/SIM-AC-001/auth-config"
    answer = await lab.alice.post(path, {"auth_mode": "plug_and_charge", "pnc_pcid": "P1"})
    assert answer.status == 200, answer.body
    assert (answer.body["pnc_emaid"], answer.body["pnc_pcid"]) == ("DE*PIP*SIMAC001", "P1")
    assert answer.body["ocpp_version"] == "1.6"


async def test_an_id_is_taken_once(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    assert_error(await lab.alice.post("/api/chargers", NEW), 409, mentions="SIM-AC-001")


async def test_an_id_is_taken_for_everybody(lab: Lab) -> None:
    # The CSMS knows stations by their identity alone, whoever simulates them.
    await lab.alice.post("/api/chargers", NEW)
    assert_error(await lab.bob.post("/api/chargers", NEW), 409)


async def test_creating_takes_name_backend_and_configuration(lab: Lab) -> None:
    more = {
        "charger_name": "Wallbox Garage",
        "backend_url": "ws://127.0.0.1:9/ocpp",
        "configuration": {"MeterValueSampleInterval": "7"},
    }
    answer = await lab.alice.post("/api/chargers", {**NEW, **more})
    assert answer.status == 201, answer.body
    assert answer.body["charger_name"] == "Wallbox Garage"
    assert answer.body["backend_url"] == "ws://127.0.0.1:9/ocpp"
    configuration = await lab.alice.get("/api/chargers/SIM-AC-001/configuration")
    assert configuration.body["configuration"]["MeterValueSampleInterval"] == "7"


# ── many at once ────────────────────────────────────────────────────────────────────────────────


async def test_a_count_creates_chargers_by_a_pattern(lab: Lab) -> None:
    many = {**NEW, "chargepoint_id": "SIM-{n:04}", "count": 3}
    answer = await lab.alice.post("/api/chargers", many)
    assert answer.status == 200, "a report about several"
    assert list(answer.body) == ["created", "failed"]
    ids = [charger["chargepoint_id"] for charger in answer.body["created"]]
    assert ids == ["SIM-0001", "SIM-0002", "SIM-0003"]
    assert answer.body["failed"] == []
    for charger in answer.body["created"]:
        assert_charger(charger)
    listed = (await lab.alice.get("/api/chargers")).body
    assert [charger["chargepoint_id"] for charger in listed] == ids


async def test_each_charger_of_a_count_succeeds_or_fails_alone(lab: Lab) -> None:
    await lab.bob.post("/api/chargers", {**NEW, "chargepoint_id": "SIM-2"})
    many = {**NEW, "chargepoint_id": "SIM-{n}", "count": 3}
    answer = await lab.alice.post("/api/chargers", many)
    assert answer.status == 200
    assert [charger["chargepoint_id"] for charger in answer.body["created"]] == ["SIM-1", "SIM-3"]
    (failure,) = answer.body["failed"]
    assert list(failure) == ["chargepoint_id", "error", "code"]
    assert failure["chargepoint_id"] == "SIM-2"
    again = await lab.alice.post("/api/chargers", many)
    assert (again.body["created"], len(again.body["failed"])) == ([], 3)


@pytest.mark.parametrize(
    "wrong",
    [{"backend_url": "http://x"}, {"configuration": {"NoSuchKey": "1"}}, {"ocpp_version": "2.2"}],
)
async def test_what_is_wrong_for_all_of_a_count_is_400(lab: Lab, wrong: dict[str, Any]) -> None:
    many = {**NEW, "chargepoint_id": "SIM-{n}", "count": 3, **wrong}
    assert_error(await lab.alice.post("/api/chargers", many), 400)
    assert (await lab.alice.get("/api/chargers")).body == []


@pytest.mark.parametrize("count", [0, -1, 1001, "3", 1.5])
async def test_a_count_is_1_to_1000(lab: Lab, count: object) -> None:
    many = {**NEW, "chargepoint_id": "SIM-{n}", "count": count}
    assert_error(await lab.alice.post("/api/chargers", many), 400)


async def test_a_count_needs_a_pattern_that_tells_chargers_apart(lab: Lab) -> None:
    assert_error(await lab.alice.post("/api/chargers", {**NEW, "count": 2}), 400, mentions="{n")


# ── unknown chargers, other users ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("action", POSTS)
async def test_an_unknown_charger_is_404_everywhere(lab: Lab, action: str) -> None:
    answer = await lab.alice.post(f"/api/chargers/NOBODY/{action}", POSTS[action])
    assert_error(answer, 404, code="CHARGER_NOT_FOUND", mentions="NOBODY")


async def test_an_unknown_charger_cannot_be_got_or_deleted(lab: Lab) -> None:
    assert_error(await lab.alice.get("/api/chargers/NOBODY"), 404, code="CHARGER_NOT_FOUND")
    assert_error(await lab.alice.delete("/api/chargers/NOBODY"), 404, code="CHARGER_NOT_FOUND")


async def test_users_do_not_see_each_others_chargers(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    assert (await lab.bob.get("/api/chargers")).body == []
    path = "/api/chargers/SIM-AC-001"
    assert_error(await lab.bob.get(path), 404, code="CHARGER_NOT_FOUND")
    assert_error(await lab.bob.delete(path), 404)
    for action, body in POSTS.items():
        assert_error(await lab.bob.post(f"{path}/{action}", body), 404)
    assert_error(await lab.bob.get(f"{path}/configuration"), 404)
    assert_error(await lab.bob.put(f"{path}/configuration", {"configuration": {}}), 404)
    assert_error(await lab.bob.post(f"{path}/actions", {"action": "plug_in"}), 404)
    assert (await lab.alice.get(path)).body["mode"] == "off"


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("action", [action for action, body in POSTS.items() if body])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"unheard_of": 1}'])
async def test_a_bad_body_is_400_whatever_the_state(lab: Lab, action: str, body: bytes) -> None:
    await lab.alice.post("/api/chargers", NEW)
    answer = await lab.alice.post_bytes(f"/api/chargers/SIM-AC-001/{action}", body)
    assert_error(answer, 400)


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("mode", {"mode": "sleep"}),
        ("mode", {"mode": None}),
        ("mode", {}),
        ("start", {}),
        ("start", {"energy_kwh": 0}),
        ("start", {"energy_kwh": -1}),
        ("start", {"energy_kwh": "20"}),
        ("start", {"energy_kwh": 20, "rfid_tag": 5}),
        ("start", {"energy_kwh": 20, "rfid_tag": "x" * 21}),
        ("start", {"energy_kwh": 20, "connector_id": 0}),
        ("start", {"energy_kwh": 20, "connector_id": 2}),
        ("free-charging", {"free_charging": "true"}),
        ("free-charging", {"free_charging": 1}),
        ("free-charging", {}),
        ("error", {"error_code": "OtherError"}),
        ("error", {"error_code": ""}),
        ("error", {}),
        ("ocpp-version", {"ocpp_version": "1.5"}),
        ("ocpp-version", {"ocpp_version": "2.0"}),
        ("ocpp-version", {}),
        ("name", {}),
        ("name", {"charger_name": None}),
        ("chargepoint-id", {"chargepoint_id": "a b"}),
        ("chargepoint-id", {"chargepoint_id": ""}),
        ("chargepoint-id", {}),
        ("rfid", {"rfid_tag": "x" * 21}),
        ("rfid", {}),
        ("auth-config", {}),
        ("auth-config", {"auth_mode": "pin"}),
        ("auth-config", {"auth_mode": "plug_and_charge", "pnc_emaid": "DE PIP"}),
        ("backend-url", {"backend_url": "http://127.0.0.1"}),
        ("backend-url", {}),
        ("num-connectors", {"num_connectors": 0}),
        ("num-connectors", {"num_connectors": 6}),
        ("num-connectors", {"num_connectors": "2"}),
        ("num-connectors", {}),
    ],
)
@pytest.mark.parametrize("mode", ["off", "on"])
async def test_a_bad_value_is_400_before_the_state_is_looked_at(
    lab: Lab, action: str, body: dict[str, Any], mode: str
) -> None:
    await lab.alice.post("/api/chargers", NEW)
    await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": mode})
    before = (await lab.alice.get("/api/chargers/SIM-AC-001")).body["mode"]
    assert_error(await lab.alice.post(f"/api/chargers/SIM-AC-001/{action}", body), 400)
    assert (await lab.alice.get("/api/chargers/SIM-AC-001")).body["mode"] == before == mode


# ── mode ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["on", "autopilot", "manual"])
async def test_a_charger_that_is_not_off_connects(lab: Lab, mode: str) -> None:
    await lab.alice.post("/api/chargers", NEW)
    answer = await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": mode})
    assert answer.status == 200
    assert_charger(answer.body)
    assert answer.body["mode"] == mode
    charger = await lab.alice.charger_when("SIM-AC-001", connected=True)
    assert charger["mode"] == mode
    assert charger["status"] in {"Available", "Preparing", "Charging"}
    await until(lambda: lab.csms.connected == 1)


async def test_a_charger_that_is_turned_off_closes_its_socket(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    answer = await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": "off"})
    assert (answer.status, answer.body["mode"]) == (200, "off")
    charger = await lab.alice.charger_when("SIM-AC-001", connected=False)
    assert charger["status"] == "Unavailable"
    assert charger["connector_status"] == {"1": "Unavailable"}
    await until(lambda: lab.csms.connected == 0)


async def test_on_and_off_may_be_said_twice(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    for mode in ("off", "on", "on", "off", "off"):
        answer = await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": mode})
        assert (answer.status, answer.body["mode"]) == (200, mode)


# ── start, stop, free charging, error ───────────────────────────────────────────────────────────


async def test_starting_a_charger_that_is_off_is_409(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    answer = await lab.alice.post("/api/chargers/SIM-AC-001/start", {"energy_kwh": 1})
    assert_error(answer, 409)


async def test_a_started_session_shows_in_the_charger_until_it_is_stopped(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    body = {"energy_kwh": 20, "rfid_tag": "CAFE01"}
    answer = await lab.alice.post("/api/chargers/SIM-AC-001/start", body)
    assert answer.status == 200
    assert_charger(answer.body)
    charger = await lab.alice.charger_when("SIM-AC-001", status="Charging")
    charger = await lab.alice.charger_when(
        "SIM-AC-001", transaction_id=lambda it: it is not None, current_power_kw=lambda it: it > 0
    )
    assert_charger(charger)
    assert charger["session_id_tag"] == "CAFE01"
    assert charger["target_energy_wh"] == 20_000.0
    assert charger["connector_status"] == {"1": "Charging"}
    assert charger["remote_start"] is False
    assert isinstance(charger["transaction_id"], int)
    date, _, clock = charger["session_start"].partition("T")
    assert (len(date), len(clock)) == (10, 8), "2026-04-09T14:30:00, no zone, no fraction"
    again = await lab.alice.post("/api/chargers/SIM-AC-001/start", body)
    assert_error(again, 409)
    stopped = await lab.alice.post("/api/chargers/SIM-AC-001/stop", {})
    assert stopped.status == 200
    assert_charger(stopped.body)
    idle = await lab.alice.charger_when("SIM-AC-001", status="Available", transaction_id=None)
    assert (idle["session_start"], idle["session_energy_wh"]) == (None, 0.0)
    assert (idle["target_energy_wh"], idle["session_id_tag"]) == (0.0, "")
    assert idle["energy_delivered_wh"] >= 0.0


async def test_stop_needs_no_body(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    await lab.alice.post("/api/chargers/SIM-AC-001/start", {"energy_kwh": 20})
    await lab.alice.charger_when("SIM-AC-001", transaction_id=lambda it: it is not None)
    answer = await lab.alice.post_bytes("/api/chargers/SIM-AC-001/stop", b"", content_type=None)
    assert answer.status == 200, answer.body


async def test_stopping_without_a_session_is_409(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    assert_error(await lab.alice.post("/api/chargers/SIM-AC-001/stop", {}), 409)


async def test_the_tag_is_the_given_one_else_the_chargers_else_the_global_one(lab: Lab) -> None:
    await lab.alice.post("/api/settings", {"rfid_card_id": "GLOBAL"})
    await lab.charger_on("SIM-AC-001", mode="manual")
    tags = []
    for rfid, body in (("", {}), ("MINE", {}), ("MINE", {"rfid_tag": "GIVEN"})):
        await lab.alice.post("/api/chargers/SIM-AC-001/rfid", {"rfid_tag": rfid})
        start = {"energy_kwh": 20, **body}
        answer = await lab.alice.post("/api/chargers/SIM-AC-001/start", start)
        assert answer.status == 200, answer.body
        charger = await lab.alice.charger_when(
            "SIM-AC-001", transaction_id=lambda it: it is not None
        )
        tags.append(charger["session_id_tag"])
        await lab.alice.post("/api/chargers/SIM-AC-001/stop", {})
        await lab.alice.charger_when("SIM-AC-001", status="Available", transaction_id=None)
    assert tags == ["GLOBAL", "MINE", "GIVEN"]


async def test_free_charging_sends_no_authorize(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    answer = await lab.alice.post("/api/chargers/SIM-AC-001/free-charging", {"free_charging": True})
    assert (answer.status, answer.body["free_charging"]) == (200, True)
    await lab.alice.post("/api/chargers/SIM-AC-001/start", {"energy_kwh": 20})
    await lab.alice.charger_when("SIM-AC-001", transaction_id=lambda it: it is not None)
    assert await lab.alice.logged("SIM-AC-001", "StartTransaction")
    assert not await lab.alice.logged("SIM-AC-001", "Authorize")
    await lab.alice.post("/api/chargers/SIM-AC-001/stop", {})
    await lab.alice.charger_when("SIM-AC-001", status="Available", transaction_id=None)
    off = await lab.alice.post("/api/chargers/SIM-AC-001/free-charging", {"free_charging": False})
    assert (off.status, off.body["free_charging"]) == (200, False)
    await lab.alice.post("/api/chargers/SIM-AC-001/start", {"energy_kwh": 20})
    await lab.alice.charger_when("SIM-AC-001", transaction_id=lambda it: it is not None)
    assert await lab.alice.logged("SIM-AC-001", "Authorize")


@pytest.mark.parametrize("error_code", ERROR_CODES[1:])
async def test_an_error_reaches_the_csms_and_goes_away_again(lab: Lab, error_code: str) -> None:
    await lab.charger_on("SIM-AC-001")
    path = "/api/chargers/SIM-AC-001/error"
    answer = await lab.alice.post(path, {"error_code": error_code})
    assert answer.status == 200
    assert_charger(answer.body)
    charger = await lab.alice.charger_when("SIM-AC-001", status="Faulted")
    assert charger["error_code"] == error_code
    await lab.alice.until_logged(
        "SIM-AC-001", "StatusNotification", status="Faulted", errorCode=error_code
    )
    cleared = await lab.alice.post(path, {"error_code": "NoError"})
    assert cleared.status == 200
    charger = await lab.alice.charger_when("SIM-AC-001", status="Available")
    assert charger["error_code"] == "NoError"


async def test_an_error_ends_the_session_and_forbids_the_next(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    await lab.alice.post("/api/chargers/SIM-AC-001/start", {"energy_kwh": 20})
    await lab.alice.charger_when("SIM-AC-001", transaction_id=lambda it: it is not None)
    await lab.alice.post("/api/chargers/SIM-AC-001/error", {"error_code": "GroundFailure"})
    await lab.alice.charger_when("SIM-AC-001", status="Faulted", transaction_id=None)
    await lab.alice.until_logged("SIM-AC-001", "StopTransaction")
    answer = await lab.alice.post("/api/chargers/SIM-AC-001/start", {"energy_kwh": 1})
    assert_error(answer, 409)


async def test_an_error_of_a_charger_that_is_off_is_409(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    body = {"error_code": "GroundFailure"}
    assert_error(await lab.alice.post("/api/chargers/SIM-AC-001/error", body), 409)


# ── only while off ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("action", ["ocpp-version", "chargepoint-id", "num-connectors"])
async def test_what_needs_a_charger_that_is_off_says_so(lab: Lab, action: str) -> None:
    await lab.charger_on("SIM-AC-001")
    answer = await lab.alice.post(f"/api/chargers/SIM-AC-001/{action}", POSTS[action])
    assert_error(answer, 409, code="CHARGER_NOT_OFF")
    assert answer.body["error"] == "Charger must be turned off"
    assert (await lab.alice.get("/api/chargers/SIM-AC-001")).body["num_connectors"] == 1


async def test_a_version_can_be_set_while_off(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    path = "/api/chargers/SIM-AC-001/ocpp-version"
    answer = await lab.alice.post(path, {"ocpp_version": "1.6"})
    assert (answer.status, answer.body["ocpp_version"]) == (200, "1.6")


@pytest.mark.parametrize("num_connectors", [1, 5])
async def test_the_number_of_connectors_can_be_set_while_off(lab: Lab, num_connectors: int) -> None:
    await lab.alice.post("/api/chargers", NEW)
    path = "/api/chargers/SIM-AC-001/num-connectors"
    answer = await lab.alice.post(path, {"num_connectors": num_connectors})
    assert answer.status == 200
    assert answer.body["num_connectors"] == num_connectors
    assert len(answer.body["connector_status"]) == num_connectors


async def test_a_renamed_charger_is_found_under_its_new_id_only(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": "off"})
    await lab.alice.charger_when("SIM-AC-001", connected=False)
    path = "/api/chargers/SIM-AC-001/chargepoint-id"
    answer = await lab.alice.post(path, {"chargepoint_id": "GARAGE"})
    assert (answer.status, answer.body["chargepoint_id"]) == (200, "GARAGE")
    assert (await lab.alice.get("/api/chargers/GARAGE")).status == 200
    assert_error(await lab.alice.get("/api/chargers/SIM-AC-001"), 404)
    logs = (await lab.alice.get("/api/logs", chargepoint_id="GARAGE")).body
    assert any(entry["message_type"] == "BootNotification" for entry in logs), "its logs came along"
    assert (await lab.alice.get("/api/logs", chargepoint_id="SIM-AC-001")).body == []


async def test_a_charger_cannot_take_an_id_that_exists(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    await lab.alice.post("/api/chargers", {**NEW, "chargepoint_id": "B"})
    answer = await lab.alice.post("/api/chargers/B/chargepoint-id", NEW_ID)
    assert_error(answer, 409)
    assert (await lab.alice.get("/api/chargers/B")).status == 200


NEW_ID = {"chargepoint_id": "SIM-AC-001"}


# ── name, delete ────────────────────────────────────────────────────────────────────────────────


async def test_a_name_is_set_and_cleared_in_any_mode(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    for name in ("Wallbox Garage", "Wöhrd ⚡", ""):
        answer = await lab.alice.post("/api/chargers/SIM-AC-001/name", {"charger_name": name})
        assert (answer.status, answer.body["charger_name"]) == (200, name)
    assert answer.body["connected"] is True


async def test_a_charger_that_is_off_can_be_deleted(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    answer = await lab.alice.delete("/api/chargers/SIM-AC-001")
    assert (answer.status, answer.body) == (200, {"success": True})
    assert (await lab.alice.get("/api/chargers")).body == []
    assert (await lab.alice.post("/api/chargers", NEW)).status == 201, "the id is free again"


async def test_a_charger_that_is_not_off_cannot_be_deleted(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    answer = await lab.alice.delete("/api/chargers/SIM-AC-001")
    assert_error(answer, 409, code="CHARGER_NOT_OFF")
    assert (await lab.alice.get("/api/chargers/SIM-AC-001")).body["connected"] is True


# ── several at the same moment ──────────────────────────────────────────────────────────────────


async def test_one_of_many_creations_with_the_same_id_wins(lab: Lab) -> None:
    statuses: list[int] = []

    async def create() -> None:
        statuses.append((await lab.alice.post("/api/chargers", NEW)).status)

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(create)
    assert sorted(statuses) == [201, *[409] * 7]


async def test_one_of_many_starts_wins(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    statuses: list[int] = []

    async def start() -> None:
        answer = await lab.alice.post("/api/chargers/SIM-AC-001/start", {"energy_kwh": 20})
        statuses.append(answer.status)

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(start)
    assert sorted(statuses) == [200, *[409] * 5]
    await lab.alice.charger_when("SIM-AC-001", transaction_id=lambda it: it is not None)
    starts = await lab.alice.logged("SIM-AC-001", "StartTransaction", direction="sent")
    assert len(starts) == 1


async def test_modes_of_many_requests_leave_one_of_them(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    modes = ["on", "off", "manual", "autopilot", "off", "on", "manual", "off"]

    async def set_mode(mode: str) -> None:
        answer = await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": mode})
        assert answer.status == 200

    async with trio.open_nursery() as nursery:
        for mode in modes:
            nursery.start_soon(set_mode, mode)
    await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": "on"})
    charger = await lab.alice.charger_when("SIM-AC-001", connected=True, status="Available")
    assert charger["mode"] == "on"


async def test_a_dc_charger_is_one_too(lab: Lab) -> None:
    answer = await lab.alice.post("/api/chargers", DC)
    assert (answer.status, answer.body["charger_type"]) == (201, "DC")
    assert answer.body["max_power_kw"] == DC["max_power_kw"]
