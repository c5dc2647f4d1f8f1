"""Every setting that the station has is a variable of its device model (2.0.1 part 2, block B)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from builders_device import get, path_of, report, set_to, value
from builders_station2 import Scene2, versions
from simfleet.station.configuration_keys import KEYS
from simfleet.station.configuration_keys2 import KEYS_2
from simfleet.station.configuration_keys_energy import ENERGY_KEYS_21
from simfleet.station.configuration_keys_tariff import TARIFF_KEYS
from simfleet.station.device_model import model_of

if TYPE_CHECKING:
    from simfleet.station.configuration_keys import Key

ONLY_IN_1_6: Final = frozenset(
    {
        "BlinkRepeat",
        "ConnectorPhaseRotation",
        "ConnectorPhaseRotationMaxLength",
        "GetConfigurationMaxKeys",
        "LightIntensity",
        "MeterValuesAlignedDataMaxLength",
        "MeterValuesSampledDataMaxLength",
        "MinimumStatusDuration",
        "NumberOfConnectors",
        "StopTxnAlignedData",
        "StopTxnAlignedDataMaxLength",
        "StopTxnSampledData",
        "StopTxnSampledDataMaxLength",
        "SupportedFeatureProfiles",
        "SupportedFeatureProfilesMaxLength",
    }
)
"""What 2.x does not know, or says otherwise: by components, by TxEndedMeasurands."""


def a_scene(version: str, kind: Any = "AC") -> Scene2:
    scene = Scene2(version=version, kind=kind)
    scene.boot()
    return scene


def keys_shown(version: str) -> set[str]:
    """The keys behind a variable, or behind its greatest value, of AC or DC stations."""
    shown = set()
    for kind in ("AC", "DC"):
        for entry in model_of(a_scene(version, kind).station).entries:
            shown.add(entry.row.high_key)
            if entry.configured is not None:
                shown.add(entry.configured.name)
    return shown


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("ocpp2.0.1", KEYS_2),
        ("ocpp2.1", (*KEYS_2, *TARIFF_KEYS, *ENERGY_KEYS_21)),
    ],
)
def test_every_key_of_2_x_is_a_variable(version: str, keys: tuple[Key, ...]) -> None:
    """Rows of configuration_keys2.py, _energy.py, _tariff.py and device_model_keys.py."""
    assert {key.name for key in keys} - keys_shown(version) == set()


@versions
def test_every_key_of_1_6_that_2_x_knows_is_a_variable(version: str) -> None:
    """Rows of configuration_keys.py; the others are listed above, and no more than those."""
    assert set(KEYS) - keys_shown(version) == ONLY_IN_1_6


@versions
@pytest.mark.parametrize("kind", ["AC", "DC"])
def test_a_full_report_has_every_variable_once(version: str, kind: Any) -> None:
    """B07: FullInventory; a variable of the model that no report shows would be lost."""
    scene = a_scene(version, kind)
    paths = [path_of(one) for one in report(scene)]
    assert len(paths) == len(set(paths))
    assert len(paths) == len(model_of(scene.station).entries)


def test_what_2_1_adds_stands_at_the_evse() -> None:
    """2.1 appendix: V2XChargingCtrlr and DCDERCtrlr are components of an EVSE; an AC outlet has an
    ACDERCtrlr instead.
    """
    ac, dc = a_scene("ocpp2.1"), a_scene("ocpp2.1", "DC")
    for scene, mode in ((ac, "AC_BPT"), (dc, "DC_BPT")):
        assert value(scene, "V2XChargingCtrlr.Enabled", evse=1) == "true"
        modes = value(scene, "V2XChargingCtrlr.SupportedOperationModes", evse=1)
        assert "CentralSetpoint" in modes.split(",")
        transfers = value(scene, "V2XChargingCtrlr.SupportedEnergyTransferModes", evse=1)
        assert mode in transfers.split(",")
        assert get(scene, "V2XChargingCtrlr.Enabled")["attributeStatus"] == "UnknownComponent"
    assert "FreqDroop" in value(ac, "ACDERCtrlr.ModesSupported", evse=1)
    assert "FreqDroop" in value(dc, "DCDERCtrlr.ModesSupported", evse=1)
    assert float(value(dc, "DCDERCtrlr.MaxW", evse=1)) == dc.station.spec.outlet(1).max_power_w
    assert get(ac, "DCDERCtrlr.ModesSupported", evse=1)["attributeStatus"] == "UnknownComponent"
    assert get(dc, "ACDERCtrlr.ModesSupported", evse=1)["attributeStatus"] == "UnknownComponent"
    assert value(ac, "SmartChargingCtrlr.SupportsDynamicProfiles") == "true"
    assert value(ac, "SmartChargingCtrlr.SupportsLimitAtSoC") == "false"


def test_2_0_1_does_not_know_what_2_1_adds() -> None:
    """The appendix of 2.0.1."""
    components = {path_of(one).partition(".")[0] for one in report(a_scene("ocpp2.0.1"))}
    assert not components & {"V2XChargingCtrlr", "DCDERCtrlr", "ACDERCtrlr", "BatterySwapCtrlr"}


@versions
def test_smart_charging_can_be_switched_off_by_its_variable(version: str) -> None:
    """SmartChargingCtrlr.Enabled, LimitChangeSignificance."""
    scene = a_scene(version)
    assert set_to(scene, "SmartChargingCtrlr.Enabled", "false")["attributeStatus"] == "Accepted"
    assert value(scene, "SmartChargingCtrlr.Enabled") == "false"
    assert not scene.station.configuration.flag("SmartChargingCtrlr.Enabled")
    result = set_to(scene, "SmartChargingCtrlr.LimitChangeSignificance", "20")
    assert result["attributeStatus"] == "Accepted"


@versions
def test_a_station_without_smart_charging_shows_none_of_it(version: str) -> None:
    """Its feature profile is missing."""
    scene = Scene2(version=version, configuration={"SupportedFeatureProfiles": "Core"})
    scene.boot()
    model = model_of(scene.station)
    assert not [one for one in model.entries if one.row.component == "SmartChargingCtrlr"]
