"""/api/models, and `model` of new chargers and of mass fleets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders_api import assert_error, until
from simfleet.models.catalogue import built_in

if TYPE_CHECKING:
    from builders_api import Lab


async def test_the_catalogue_is_listed_by_name(lab: Lab) -> None:
    answer = await lab.alice.get("/api/models")
    assert answer.status == 200
    assert [one["name"] for one in answer.body] == built_in().names
    assert {"vendor", "model", "charger_type", "max_power_kw", "quirks"} <= set(answer.body[0])


async def test_one_model_is_shown_in_full(lab: Lab) -> None:
    answer = await lab.alice.get("/api/models/tavoltis/tria-50")
    assert answer.status == 200
    assert [one["kind"] for one in answer.body["connectors"]] == ["DC", "DC", "AC"]
    assert answer.body["configuration"]["FanProfile"] == "quiet"
    (key, *_) = answer.body["vendor_keys"]
    assert (key["name"], key["reboot"]) == ("ChademoEnabled", True)
    assert {"name", "means", "why"} == set(answer.body["quirks_explained"][0])


async def test_a_model_that_nobody_has_is_missing(lab: Lab) -> None:
    answer = await lab.alice.get("/api/models/tavoltis/tria-51")
    assert_error(answer, 404, mentions="tavoltis/tria-75")
    assert answer.body["code"] == "MODEL_NOT_FOUND"


async def test_a_charger_of_a_model_needs_no_type_and_no_power(lab: Lab) -> None:
    new = {"chargepoint_id": "M-1", "model": "tavoltis/tria-50"}
    answer = await lab.alice.post("/api/chargers", new)
    assert answer.status == 201, answer.body
    state = answer.body
    assert (state["charger_type"], state["max_power_kw"], state["num_connectors"]) == ("DC", 50, 3)
    assert len(state) == 28
    keys = (await lab.alice.get("/api/chargers/M-1/configuration")).body
    assert "ChademoEnabled" in str(keys)


async def test_what_is_given_wins_over_the_model(lab: Lab) -> None:
    new = {
        "chargepoint_id": "M-1",
        "model": "tavoltis/tria-50",
        "max_power_kw": 60,
        "num_connectors": 1,
        "configuration": {"FanProfile": "full"},
    }
    answer = await lab.alice.post("/api/chargers", new)
    assert answer.status == 201, answer.body
    assert (answer.body["max_power_kw"], answer.body["num_connectors"]) == (60, 1)


@pytest.mark.parametrize(
    ("changes", "mentions"),
    [
        ({"model": "tavoltis/tria-51"}, "did you mean"),
        ({"model": "./file.yaml"}, "./file.yaml"),
        ({"model": 7}, "model"),
        ({"configuration": {"FanProfile": "loud"}}, "FanProfile"),
        ({"configuration": {"NoSuchKey": "1"}}, "NoSuchKey"),
    ],
)
async def test_a_model_that_cannot_be_is_named(
    lab: Lab, changes: dict[str, object], mentions: str
) -> None:
    new = {"chargepoint_id": "M-1", "model": "tavoltis/tria-50", **changes}
    assert_error(await lab.alice.post("/api/chargers", new), 400, mentions=mentions)
    assert (await lab.alice.get("/api/chargers")).body == []


async def test_a_charger_boots_as_its_model(lab: Lab) -> None:
    new = {"chargepoint_id": "M-1", "model": "norrvik/hem-22"}
    assert (await lab.alice.post("/api/chargers", new)).status == 201
    assert (await lab.alice.post("/api/chargers/M-1/mode", {"mode": "on"})).status == 200
    charger = lab.services.registry.find(1, "M-1")
    assert charger.station is not None
    assert (charger.station.spec.vendor, charger.station.spec.model) == ("Norrvik Energi", "Hem 22")
    assert charger.station.configuration.get("MaxCurrentFromMains") == "32"


async def test_a_mass_fleet_is_of_one_model_until_it_is_over(lab: Lab) -> None:
    body = {"target": 2, "mode": "connect", "model": "kestrel-grid/apex-400"}
    assert (await lab.alice.post("/api/mass-charger/apply", body)).status == 200
    fleet = lab.services.mass._live
    assert fleet is not None
    await until(lambda: len(fleet._supervisor.chargers) == 2)
    assert {len(plan.spec.outlets) for plan in fleet._mass._plans[:2]} == {4}
    other = await lab.alice.post(
        "/api/mass-charger/apply", {**body, "model": "kestrel-grid/apex-300"}
    )
    assert_error(other, 409, mentions="kestrel-grid/apex-400")
    again = await lab.alice.post("/api/mass-charger/apply", {"target": 3, "mode": "connect"})
    assert again.status == 200
    missing = await lab.alice.post("/api/mass-charger/apply", {**body, "model": "no/such"})
    assert_error(missing, 400, mentions="no/such")
    await lab.alice.post("/api/mass-charger/stop", {})
