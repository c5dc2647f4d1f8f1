"""`device_model:` of a charger model: what its stations have in 2.x."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from builders_station2 import versions
from simfleet.errors import ModelInvalid
from simfleet.models.catalogue import Catalogue, built_in
from simfleet.station.chance import Chance
from simfleet.station.configuration import Configuration
from simfleet.station.device_model import Entry, model_of
from simfleet.station.station import Station

if TYPE_CHECKING:
    from pathlib import Path

WALL = """\
schema: 1
nameplate: {vendor: Acme, model: WALL}
connectors: [{kind: AC, power_kw: 22}]
"""


def read(tmp_path: Path, text: str) -> Catalogue:
    """A catalogue with `acme/wall`, which says this as well."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "wall.yaml").write_text(WALL + text)
    return Catalogue(tmp_path)


def entry_of(models: Catalogue, name: str, component: str, variable: str, version: str) -> Entry:
    """A variable of a station of the model."""
    model = models.find(name)
    configuration = Configuration(model.factory(version=version))
    spec = replace(model.spec(), version=version)
    station = Station("CP-1", spec, configuration, chance=Chance.of(1, 1), wall_offset_s=0)
    found = model_of(station).find(component, variable)
    assert isinstance(found, Entry), found
    return found


@versions
def test_a_variable_that_every_station_has_is_changed(version: str, tmp_path: Path) -> None:
    models = read(
        tmp_path,
        "device_model:\n"
        "  OCPPCommCtrlr.OfflineThreshold: {default: 600, max: 3600, read_only: true}\n",
    )
    entry = entry_of(models, "acme/wall", "OCPPCommCtrlr", "OfflineThreshold", version)
    assert entry.configured is not None
    assert (entry.configured.default, entry.configured.high) == ("600", 3600)
    assert entry.mutability == "ReadOnly"


@versions
def test_a_variable_of_its_own_is_in_the_device_model(version: str) -> None:
    entry = entry_of(built_in(), "kestrel-grid/apex-400", "CoolingCtrlr", "PumpLevel", version)
    assert entry.configured is not None
    assert entry.configured.normal("101") is None
    assert (entry.data_type, entry.mutability) == ("integer", "ReadWrite")


@versions
def test_a_constant_of_a_standard_component_is_replaced(version: str, tmp_path: Path) -> None:
    models = read(
        tmp_path,
        "device_model:\n"
        "  AuthCacheCtrlr.Policy: {type: choice, default: LRU, choices: [LRU, FIFO]}\n",
    )
    entry = entry_of(models, "acme/wall", "AuthCacheCtrlr", "Policy", version)
    assert entry.configured is not None
    assert entry.configured.default == "LRU"


def test_in_1_6_there_is_nothing_of_it() -> None:
    model = built_in().find("kestrel-grid/apex-400")
    assert "CoolingCtrlr.PumpLevel" not in model.factory().keys
    assert "CoolingCtrlr.PumpLevel" in model.factory(version="ocpp2.1").keys


@versions
def test_what_the_meter_cannot_show_no_list_of_2_x_takes(version: str, tmp_path: Path) -> None:
    models = read(tmp_path, "measurands: [Energy.Active.Import.Register]\n")
    key = (
        models.find("acme/wall").factory(version=version).keys["SampledDataCtrlr.TxEndedMeasurands"]
    )
    assert key.normal("Voltage") is None
    assert key.normal("Energy.Active.Import.Register") is not None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("NoVariable: {default: 1}", "write Component.Variable"),
        ("MyCtrlr.Level: {default: 1}", "needs a type"),
        ("MyCtrlr.Level: {type: int, default: full}", "'full' is not"),
        ("MyCtrlr.Level: {type: choice, default: full}", "needs choices"),
        ("TxCtrlr.TxStartPoint: {default: Whenever}", "'Whenever' is not"),
        ("TxCtrlr.TxStartPoint: {type: text, default: Authorized}", "its type is known"),
        ("OCPPCommCtrlr.HeartbeatInterval: {default: 60}", "write its value in configuration"),
    ],
)
def test_a_mistake_is_told(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match=message):
        read(tmp_path, f"device_model:\n  {line}\n").find("acme/wall")
