"""Faults on purpose by REST: of one charger, and of the mass fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders_api import assert_error, until
from simfleet.api.parts import figures_of
from simfleet.api.system import exposition
from simfleet.load.generator import Generator

if TYPE_CHECKING:
    from builders_api import Lab

PATH = "/api/chargers/SIM-AC-001/faults"
MASS = "/api/mass-charger/faults"


async def faults(lab: Lab) -> list[dict[str, Any]]:
    answer = await lab.alice.get(PATH)
    assert answer.status == 200
    assert isinstance(answer.body, list)
    return answer.body


async def give(lab: Lab, **fault: object) -> list[dict[str, Any]]:
    answer = await lab.alice.post(PATH, fault)
    assert answer.status == 200, answer.body
    assert isinstance(answer.body, list)
    return answer.body


async def logs(lab: Lab, **query: object) -> list[dict[str, Any]]:
    answer = await lab.alice.get("/api/logs", chargepoint_id="SIM-AC-001", **query)
    assert isinstance(answer.body, list)
    return answer.body


async def test_faults_are_given_listed_and_removed(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    assert await faults(lab) == []
    await give(lab, kind="frozen_meter", for_s=60)
    two = await give(lab, kind="missing_stop", count=1)
    assert two == await faults(lab)
    assert [one["id"] for one in two] == [1, 2]
    assert two[0]["fault"] == {"kind": "frozen_meter", "for_s": 60.0}
    assert (two[0]["acted"], two[1]["ends_at"]) == (0, None)
    assert two[0]["began_at"] < two[0]["ends_at"]
    left = await lab.alice.delete(f"{PATH}?kind=frozen_meter")
    assert [one["fault"]["kind"] for one in left.body] == ["missing_stop"]
    assert (await lab.alice.delete(PATH)).body == []


async def test_what_a_fault_sends_is_labelled_in_the_logs_and_nothing_else(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    await give(lab, kind="error_code", error_code="HighTemperature", info="inlet")
    await lab.alice.charger_when("SIM-AC-001", status="Faulted")
    entries = await logs(lab)
    (told,) = [one for one in entries if "injected" in one]
    assert told["injected"] == "error_code"
    assert told["payload"]["errorCode"] == "HighTemperature"
    (fault,) = await faults(lab)
    assert fault["acted"] == 1
    await lab.alice.delete(PATH)
    await lab.alice.charger_when("SIM-AC-001", status="Available")
    assert len([one for one in await logs(lab) if "injected" in one]) == 1


async def test_a_csms_is_answered_as_the_fault_says(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    await give(lab, kind="response_override", actions=["ClearCache"], error_code="GenericError")
    outcome = await lab.csms_asks("SIM-AC-001", "ClearCache", {})
    assert outcome.failure == "GenericError"
    (answer,) = await logs(lab, message_type="CALLERROR")
    assert answer["injected"] == "response_override"


async def test_metrics_count_faults_by_kind(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    services = lab.services
    figures = figures_of(services.store, None, services.registry, Generator())
    assert not any(name.startswith("simfleet_faults_injected_total") for name in figures())
    await give(lab, kind="register_jump", wh=5000)
    name = 'simfleet_faults_injected_total{kind="register_jump"}'
    await until(lambda: figures().get(name) == 1)
    assert f"{name} 1\n".encode() in exposition(figures())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({}, "kind"),
        ({"kind": "tired"}, "tired"),
        ({"kind": "frozen_meter", "for": 3}, "unknown field"),
        ({"kind": "frozen_meter", "connector_id": 4}, "there is connector 1"),
        ({"kind": "missing_stop", "share": 2}, "share"),
        ({"kind": "error_code", "error_code": "NoError"}, "NoError is no fault"),
        ({"kind": "malformed_frame", "actions": ["Reset"]}, "not a CALL of a charger"),
        ({"kind": "response_override"}, "nothing is overridden"),
    ],
)
async def test_what_is_no_fault_is_400_whatever_the_charger_does(
    lab: Lab, fault: dict[str, Any], words: str
) -> None:
    await lab.charger_on("SIM-AC-001")
    answer = await lab.alice.post(PATH, fault)
    assert_error(answer, 400)
    assert words in answer.body["error"]


async def test_a_charger_that_is_off_has_no_faults_and_takes_none(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    await give(lab, kind="missing_stop")
    await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": "off"})
    assert await faults(lab) == []
    assert_error(await lab.alice.post(PATH, {"kind": "missing_stop"}), 409)
    assert (await lab.alice.delete(PATH)).status == 200
    await lab.alice.post("/api/chargers/SIM-AC-001/mode", {"mode": "on"})
    assert await faults(lab) == []


async def test_another_users_charger_is_none(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    assert_error(await lab.bob.get(PATH), 404)
    assert_error(await lab.bob.post(PATH, {"kind": "missing_stop"}), 404)
    assert_error(await lab.bob.delete(PATH), 404)


async def test_set_error_works_beside_faults(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    await give(lab, kind="error_code", error_code="WeakSignal", for_s=600)
    await lab.alice.charger_when("SIM-AC-001", status="Faulted")
    answer = await lab.alice.post("/api/chargers/SIM-AC-001/error", {"error_code": "NoError"})
    assert answer.status == 200
    await lab.alice.charger_when("SIM-AC-001", status="Available")
    assert await faults(lab) == []


# ── the mass fleet ──────────────────────────────────────────────────────────────────────────────


async def test_a_share_of_the_mass_fleet_goes_wrong(lab: Lab) -> None:
    assert_error(await lab.alice.post(MASS, {"fault": {"kind": "missing_stop"}}), 409)
    assert_error(await lab.alice.delete(MASS), 409)
    await lab.alice.post("/api/mass-charger/apply", {"target": 8, "mode": "connect"})
    await until(lambda: lab.csms.connected == 8)
    fault = {"kind": "error_code", "error_code": "OtherError"}
    answer = await lab.alice.post(MASS, {"fault": fault, "share": 0.25})
    assert answer.body == {"chargers": 2}

    async def injected() -> dict[str, int]:
        found: dict[str, int] = (await lab.alice.get("/api/mass-charger/stats")).body["injected"]
        return found

    with_fault = [
        name
        for name, record in lab.csms.book.stations.items()
        if record.connectors[1].error_code == "OtherError"
    ]
    assert await injected() == {"error_code": 2}
    assert len(with_fault) == 2
    assert (await lab.alice.delete(f"{MASS}?kind=error_code")).body == {"chargers": 8}
    connectors = [record.connectors[1] for record in lab.csms.book.stations.values()]
    await until(lambda: all(one.error_code == "NoError" for one in connectors))
    assert_error(await lab.bob.post(MASS, {"fault": fault}), 409)


async def test_what_mass_chargers_cannot_have_is_400(lab: Lab) -> None:
    await lab.alice.post("/api/mass-charger/apply", {"target": 1, "mode": "connect"})
    for body in (
        {"fault": {"kind": "frozen_meter", "connector_id": 2}},
        {"fault": {"kind": "missing_stop"}, "share": 0},
        {"fault": {"kind": "missing_stop"}, "shares": 1},
        {},
    ):
        assert_error(await lab.alice.post(MASS, body), 400)
