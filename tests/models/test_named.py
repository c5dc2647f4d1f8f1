"""Named chargers of a model, through restarts of SimFleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from builders_named import ANNA, Sites, a_registry
from simfleet.csms.behaviour import Behaviour
from simfleet.models.catalogue import Catalogue

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from trio.testing import MockClock

OWN = "schema: 1\nextends: norrvik/hem-22\nnameplate: {vendor: Acme, model: Wall 22}\n"


async def test_a_charger_of_a_model_comes_back_as_it_was(autojump_clock: MockClock) -> None:
    sites = Sites()
    async with a_registry(sites) as world:
        charger = await world.create("CP-1", mode="manual", model="norrvik/hem-22")
        await charger.change_configuration({"StandbyLight": "off"})
        world.kill()
    async with a_registry(sites) as world:
        await trio.sleep(2)
        (charger,) = world.registry.of(ANNA)
        assert charger.station is not None
        assert charger.station.spec.model == "Hem 22"
        assert charger.configuration()["StandbyLight"] == "off"
        first, second = (one.payload for one in world.sent("CP-1", "BootNotification"))
        assert first == second
        assert first["chargePointModel"] == "Hem 22"


async def test_a_charger_whose_model_is_gone_is_left_alone_and_keeps_its_name(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    sites = Sites()
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "wall.yaml").write_text(OWN)
    async with a_registry(sites, models=Catalogue(tmp_path)) as world:
        await world.create("CP-1", model="acme/wall")
        world.kill()
    async with a_registry(sites) as world:
        assert world.registry.of(ANNA) == []
        assert "CP-1 cannot be read: no charger model is called 'acme/wall'" in caplog.text
        assert "CP-1" in world.registry._taken
        world.kill()
    async with a_registry(sites, models=Catalogue(tmp_path)) as world:
        assert [one.identity for one in world.registry.of(ANNA)] == ["CP-1"]


async def test_fewer_connectors_than_the_model_has_are_kept(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create(
            "CP-1", model="tavoltis/tria-50", charger_type="DC", max_power_kw=50.0
        )
        assert charger.state().num_connectors == 3
        await charger.set_num_connectors(2)
        await charger.set_mode("manual")
        assert charger.station is not None
        assert [one.meter.spec.kind for one in charger.station.connectors] == ["DC", "DC"]


async def test_a_session_on_the_ac_socket_of_a_fast_charger(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create(
            "CP-1", mode="manual", model="tavoltis/tria-50", charger_type="DC", max_power_kw=50.0
        )
        await charger.start(1.0, connector_id=3)
        await world.until(lambda: world.csms.ledger()["stops"] == 1)
        (stop,) = world.sent("CP-1", "StopTransaction")
        (start,) = world.sent("CP-1", "StartTransaction")
        assert start.payload["connectorId"] == 3
        assert abs(stop.payload["meterStop"] - 1_000) <= 1


async def test_a_model_that_keeps_its_own_interval_is_not_told_another(
    autojump_clock: MockClock,
) -> None:
    async with a_registry(behaviour=Behaviour(heartbeat_interval_s=0)) as world:
        charger = await world.create("CP-1", mode="manual", model="pelandra/easy-7")
        await trio.sleep(5)
        assert charger.configuration()["HeartbeatInterval"] == "30"
