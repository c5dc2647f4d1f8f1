"""/api/settings: numbers are written as integers and read as text, as in the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders_api import NEW, assert_error, until

if TYPE_CHECKING:
    from builders_api import Lab

SETTINGS = ["ocpp_backend_url", "rfid_card_id", "heartbeat_interval", "mass_batch_size"]
CHARGER = [
    "chargepoint_id",
    "charger_type",
    "mode",
    "num_connectors",
    "backend_url",
    "rfid_tag",
    "auth_mode",
    "pnc_emaid",
    "pnc_pcid",
    "pnc_certificate_hash",
]


async def test_settings_are_text_and_come_with_the_chargers(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    answer = await lab.alice.get("/api/settings")
    assert answer.status == 200
    assert list(answer.body) == ["settings", "chargers"]
    assert list(answer.body["settings"]) == SETTINGS
    assert answer.body["settings"]["ocpp_backend_url"] == lab.url
    assert answer.body["settings"]["heartbeat_interval"] == "300"
    assert answer.body["settings"]["mass_batch_size"] == "50"
    assert isinstance(answer.body["settings"]["rfid_card_id"], str)
    (charger,) = answer.body["chargers"]
    assert list(charger) == CHARGER
    full = (await lab.alice.get("/api/chargers/SIM-AC-001")).body
    assert charger == {key: full[key] for key in CHARGER}


async def test_only_what_is_given_changes(lab: Lab) -> None:
    before = (await lab.alice.get("/api/settings")).body["settings"]
    answer = await lab.alice.post("/api/settings", {"heartbeat_interval": 120})
    assert answer.status == 200
    assert list(answer.body) == ["settings", "chargers"]
    assert answer.body["settings"] == {**before, "heartbeat_interval": "120"}
    assert (await lab.alice.get("/api/settings")).body == answer.body
    assert (await lab.alice.post("/api/settings", {})).body == answer.body


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"heartbeat_interval": 10}, {"heartbeat_interval": "10"}),
        ({"heartbeat_interval": 3600}, {"heartbeat_interval": "3600"}),
        ({"heartbeat_interval": "120"}, {"heartbeat_interval": "120"}),
        ({"mass_batch_size": 10}, {"mass_batch_size": "10"}),
        ({"mass_batch_size": 2500}, {"mass_batch_size": "2500"}),
        ({"mass_batch_size": "75"}, {"mass_batch_size": "75"}),
        ({"rfid_card_id": "CAFE"}, {"rfid_card_id": "CAFE"}),
        (
            {"ocpp_backend_url": "ws://new-backend:8080"},
            {"ocpp_backend_url": "ws://new-backend:8080"},
        ),
    ],
)
async def test_good_values_are_taken(
    lab: Lab, given: dict[str, Any], shown: dict[str, str]
) -> None:
    answer = await lab.alice.post("/api/settings", given)
    assert answer.status == 200, answer.body
    ((key, value),) = shown.items()
    assert answer.body["settings"][key] == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("heartbeat_interval", 9),
        ("heartbeat_interval", 3601),
        ("heartbeat_interval", 60.5),
        ("heartbeat_interval", "soon"),
        ("heartbeat_interval", "9"),
        ("heartbeat_interval", None),
        ("heartbeat_interval", True),
        ("mass_batch_size", 9),
        ("mass_batch_size", 2501),
        ("mass_batch_size", "2501"),
        ("ocpp_backend_url", "http://x"),
        ("ocpp_backend_url", 5),
        ("rfid_card_id", "x" * 21),
        ("unheard_of", 1),
    ],
)
async def test_one_bad_value_leaves_all_settings_as_they_were(
    lab: Lab, key: str, value: object
) -> None:
    before = (await lab.alice.get("/api/settings")).body
    good = {"mass_batch_size": 77, "heartbeat_interval": 77, "rfid_card_id": "GOOD"}
    answer = await lab.alice.post("/api/settings", {**good, key: value})
    assert_error(answer, 400, mentions=key)
    assert (await lab.alice.get("/api/settings")).body == before


async def test_each_user_has_settings_of_their_own(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    await lab.alice.post("/api/settings", {"rfid_card_id": "ALICE"})
    settings = (await lab.bob.get("/api/settings")).body
    assert settings["settings"]["rfid_card_id"] != "ALICE"
    assert settings["chargers"] == []


async def test_a_new_default_backend_moves_the_chargers_that_use_it(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    elsewhere = await lab.another_csms()
    answer = await lab.alice.post("/api/settings", {"ocpp_backend_url": elsewhere.url})
    assert answer.status == 200
    await until(lambda: elsewhere.csms.connected == 1)
    await until(lambda: lab.csms.connected == 0)


async def test_a_heartbeat_interval_shows_in_the_chargers(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", NEW)
    await lab.alice.post("/api/settings", {"heartbeat_interval": 45})
    assert (await lab.alice.get("/api/chargers/SIM-AC-001")).body["heartbeat_interval"] == 45
