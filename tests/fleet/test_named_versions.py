"""Named chargers of OCPP 2.0.1 and 2.1, and Plug & Charge in all versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders_named import ANNA, a_registry
from simfleet.errors import Invalid
from simfleet.fleet.charger_refusals import ChargerNotOff
from simfleet.fleet.plug_and_charge import generated_emaid, id_tag_of

if TYPE_CHECKING:
    from trio.testing import MockClock

LATER = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


@LATER
async def test_a_charger_of_a_later_version_charges_as_any_other(
    version: str, autojump_clock: MockClock
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", ocpp_version=version)
        assert charger.state().ocpp_version == version
        await charger.set_mode("on")
        await charger.start(0.5)
        await world.until(lambda: charger.state().status == "Charging")
        state = charger.state()
        assert state.connected
        assert state.transaction_id == 1  # a number, as the API has it, though OCPP has a text
        assert state.session_id_tag == "AABBCCDD"
        assert state.connector_status == {"1": "Charging"}  # one of the nine words, not Occupied
        await world.until(lambda: charger.state().status == "Available")
        kinds = [call.payload["eventType"] for call in world.sent("CP-1", "TransactionEvent")]
        assert (kinds[0], kinds[-1]) == ("Started", "Ended")
        assert charger.state().transaction_id is None


@LATER
async def test_plug_and_charge_forces_2_0_1_and_makes_an_emaid(
    version: str, autojump_clock: MockClock
) -> None:
    async with a_registry() as world:
        charger = await world.create(
            "SIM-AC-001", ocpp_version=version, auth_mode="plug_and_charge"
        )
        state = charger.state()
        assert (state.ocpp_version, state.auth_mode) == ("2.0.1", "plug_and_charge")
        assert state.pnc_emaid == "DE*PIP*SIMAC001"


async def test_an_emaid_that_is_given_is_kept(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", auth_mode="plug_and_charge", pnc_emaid="DE-ABC-1")
        assert charger.state().pnc_emaid == "DE-ABC-1"


@LATER
async def test_the_contract_is_presented_as_an_emaid_whatever_tag_is_given(
    version: str, autojump_clock: MockClock
) -> None:
    async with a_registry() as world:
        charger = await world.create("SIM-AC-001", auth_mode="plug_and_charge")
        await charger.set_version(version)
        await charger.set_mode("on")
        await charger.start(0.5, "OTHERTAG")
        await world.until(lambda: charger.state().status == "Charging")
        asked = world.sent("SIM-AC-001", "Authorize")[0].payload["idToken"]
        assert asked == {"idToken": "DE*PIP*SIMAC001", "type": "eMAID"}
        assert charger.state().session_id_tag == "DE*PIP*SIMAC001"


async def test_in_1_6_the_contract_is_an_id_tag_of_at_most_20_characters(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("STATION-NUMBER-000001")
        await charger.set_auth("plug_and_charge")
        state = charger.state()
        assert state.ocpp_version == "1.6"  # only the making of a charger forces the version
        assert state.pnc_emaid == "DE*PIP*STATIONNUMBER000001"
        await charger.set_mode("on")
        await charger.start(0.5)
        await world.until(lambda: charger.state().status == "Charging")
        asked = world.sent("STATION-NUMBER-000001", "Authorize")[0].payload
        assert asked["idTag"] == id_tag_of(state.pnc_emaid)
        assert len(asked["idTag"]) == 20
        assert asked["idTag"].endswith("000001")


@pytest.mark.parametrize(
    ("contract", "id_tag"),
    [
        ("DE*PIP*SIMAC001", "DE*PIP*SIMAC001"),
        ("DE*PIP*STATIONNUMBER000001", "DE*PIP*NNUMBER000001"),
        ("DE*PIP*STATIONNUMBER000002", "DE*PIP*NNUMBER000002"),
    ],
)
def test_an_emaid_becomes_an_id_tag_by_its_end(contract: str, id_tag: str) -> None:
    assert id_tag_of(contract) == id_tag


def test_a_generated_emaid_fits_into_an_id_token() -> None:
    assert generated_emaid("x" * 48) == "DE*PIP*" + "X" * 29
    assert generated_emaid("***") == "DE*PIP*0"


async def test_an_emptied_emaid_is_made_again_and_rfid_keeps_it(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1")
        await charger.set_auth("plug_and_charge", pnc_emaid="DE-ABC-1")
        await charger.set_auth("plug_and_charge", pnc_emaid="")
        assert charger.state().pnc_emaid == "DE*PIP*CP1"
        await charger.set_auth("rfid", pnc_emaid="DE*PIP*CP1")
        assert charger.tag == "AABBCCDD"


async def test_a_generated_emaid_follows_a_new_name_and_one_of_the_users_does_not(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        made = await world.create("CP-1", auth_mode="plug_and_charge")
        given = await world.create("CP-2", auth_mode="plug_and_charge", pnc_emaid="DE-ABC-1")
        await world.registry.rename(ANNA, "CP-1", "CP-11")
        await world.registry.rename(ANNA, "CP-2", "CP-22")
        assert made.state().pnc_emaid == "DE*PIP*CP11"
        assert given.state().pnc_emaid == "DE-ABC-1"
        assert b"DE*PIP*CP11" in world.store.rows["CP-11"].made


async def test_the_version_changes_while_off_and_meters_go_on(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        await charger.start(0.5)
        await world.until(lambda: charger.state().status == "Available")
        delivered_wh = charger.state().energy_delivered_wh
        with pytest.raises(ChargerNotOff):
            await charger.set_version("2.1")
        await charger.set_mode("off")
        await charger.set_version("2.1")
        await charger.set_mode("on")
        assert charger.state().energy_delivered_wh == delivered_wh > 0
        await charger.start(0.5)
        await world.until(lambda: charger.state().status == "Charging")
        assert world.sent("CP-1", "TransactionEvent")[0].payload["eventType"] == "Started"


async def test_keys_of_2_x_keep_a_charger_from_going_back_to_1_6(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create(
            "CP-1", ocpp_version="2.1", configuration={"TxCtrlr.TxStartPoint": "EVConnected"}
        )
        assert charger.configuration()["TxCtrlr.TxStartPoint"] == "EVConnected"
        with pytest.raises(Invalid, match="TxStartPoint"):
            await charger.set_version("1.6")
        await charger.change_configuration({"TxCtrlr.TxStartPoint": "Authorized"})
        assert charger.configuration()["TxCtrlr.TxStartPoint"] == "Authorized"


async def test_tokens_of_2_x_may_have_a_type_and_36_characters(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", ocpp_version="2.0.1", mode="on")
        with pytest.raises(Invalid, match="36"):
            await charger.start(0.5, "x" * 37)
        await charger.start(0.5, "KeyCode:1234")
        await world.until(lambda: charger.state().status == "Charging")
        assert world.sent("CP-1", "Authorize")[0].payload["idToken"] == {
            "idToken": "1234",
            "type": "KeyCode",
        }
        old = await world.create("CP-2", mode="on")
        with pytest.raises(Invalid, match="20"):
            await old.start(0.5, "x" * 21)
