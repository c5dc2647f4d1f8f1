"""GetVariables and SetVariables of OCPP 2.x (2.0.1 B05, B06; row GetVariables, SetVariables)."""

from __future__ import annotations

import pytest

from builders_device import component, get, names, reason, set_to, value
from builders_station2 import Scene2, id_token, versions
from simfleet.station.device_model import model_of


def a_scene(version: str, **configuration: str | int) -> Scene2:
    scene = Scene2(version=version, connectors=2, configuration=configuration)
    scene.boot()
    return scene


# ── GetVariables ──────────────────────────────────────────────────────────────────────────────────


@versions
def test_a_variable_is_read_by_component_and_name(version: str) -> None:
    """B06: Accepted with its value."""
    assert value(a_scene(version), "OCPPCommCtrlr.HeartbeatInterval") == "300"


@versions
def test_names_are_compared_without_regard_to_case(version: str) -> None:
    """Names of components and variables are case-insensitive."""
    assert value(a_scene(version), "ocppcommctrlr.HEARTBEATINTERVAL") == "300"


@versions
def test_each_item_has_its_own_result_in_the_order_of_the_request(version: str) -> None:
    """B06.FR.02: same order, same count; a component, a variable, an attribute may be unknown."""
    scene = a_scene(version)
    wanted = [
        names("Nowhere.Enabled"),
        names("TxCtrlr.Nothing"),
        names("TxCtrlr.EVConnectionTimeOut") | {"attributeType": "MinSet"},
        names("SecurityCtrlr.BasicAuthPassword"),
        names("TxCtrlr.EVConnectionTimeOut"),
        names("EVSE.Power", evse=9),
    ]
    results = scene.call("GetVariables", getVariableData=wanted).payload["getVariableResult"]
    assert [result["attributeStatus"] for result in results] == [
        "UnknownComponent",
        "UnknownVariable",
        "NotSupportedAttributeType",
        "Rejected",
        "Accepted",
        "UnknownComponent",
    ]
    assert [(one["component"], one["variable"]) for one in results] == [
        (one["component"], one["variable"]) for one in wanted
    ]


@versions
def test_the_attribute_asked_for_by_default_is_actual(version: str) -> None:
    """B06.FR.12: without attributeType it is Actual."""
    assert get(a_scene(version), "ClockCtrlr.TimeSource")["attributeType"] == "Actual"


@versions
def test_a_password_can_be_written_but_not_read(version: str) -> None:
    """B06: a WriteOnly variable is Rejected, and its value is in no report."""
    scene = a_scene(version)
    assert (
        set_to(scene, "SecurityCtrlr.BasicAuthPassword", "correct horse battery")["attributeStatus"]
        == "Accepted"
    )
    result = get(scene, "SecurityCtrlr.BasicAuthPassword")
    assert result["attributeStatus"] == "Rejected"
    assert reason(result) == "WriteOnly"
    assert "attributeValue" not in result
    kept = scene.station.configuration.get("AuthorizationKey")
    assert kept is not None
    assert bytes.fromhex(kept) == b"correct horse battery"


@versions
def test_a_password_that_is_too_short_is_refused(version: str) -> None:
    """The password of security profiles 1 and 2 has at least 16 characters."""
    result = set_to(a_scene(version), "SecurityCtrlr.BasicAuthPassword", "short")
    assert (result["attributeStatus"], reason(result)) == ("Rejected", "InvalidValue")


@versions
def test_more_items_than_fit_are_an_occurrence_constraint_violation(version: str) -> None:
    """B06.FR.16: at most ItemsPerMessage[GetVariables]."""
    scene = a_scene(version, **{"DeviceDataCtrlr.ItemsPerMessage[GetVariables]": 2})
    three = [names("OCPPCommCtrlr.HeartbeatInterval")] * 3
    answer = scene.call("GetVariables", getVariableData=three)
    assert answer.error == "OccurrenceConstraintViolation"
    assert scene.call("GetVariables", getVariableData=three[:2]).error is None


@versions
def test_a_message_longer_than_allowed_is_a_format_violation(version: str) -> None:
    """B06.FR.17: at most BytesPerMessage[GetVariables]."""
    scene = a_scene(version, **{"DeviceDataCtrlr.BytesPerMessage[GetVariables]": 100})
    answer = scene.call(
        "GetVariables", getVariableData=[names("OCPPCommCtrlr.HeartbeatInterval")] * 2
    )
    assert answer.error == "FormatViolation"


@versions
def test_live_values_are_those_of_the_moment(version: str) -> None:
    """Availability and power of an EVSE follow what happens there, and nothing else."""
    scene = a_scene(version)
    assert value(scene, "EVSE.AvailabilityState", evse=1) == "Available"
    scene.charge(1)
    scene.run(for_s=60)
    assert value(scene, "EVSE.AvailabilityState", evse=1) == "Occupied"
    assert value(scene, "Connector.AvailabilityState", evse=1, connector=1) == "Occupied"
    assert value(scene, "EVSE.AvailabilityState", evse=2) == "Available"
    assert value(scene, "EVSE.Power", evse=1) == "11000"
    assert value(scene, "EVSE.Power", evse=2) == "0"
    assert value(scene, "ConnectedEV.Available", evse=1, connector=1) == "true"
    assert get(scene, "EVSE.Power", evse=1, attribute="MaxSet")["attributeValue"] == "22000"


@versions
def test_the_register_goes_on_between_samples(version: str) -> None:
    """A metered value is read when it is asked for."""
    scene = a_scene(version)
    scene.charge(1)
    scene.run(for_s=90)
    first = int(value(scene, "FiscalMetering.EnergyImportRegister", evse=1))
    scene.run(for_s=36)
    assert int(value(scene, "FiscalMetering.EnergyImportRegister", evse=1)) - first == 110


@versions
def test_a_dc_outlet_has_the_state_of_charge_of_its_vehicle(version: str) -> None:
    """What an AC outlet cannot know is not in its model."""
    dc = Scene2(version=version, kind="DC", max_power_w=50_000.0)
    dc.boot()
    assert get(dc, "ConnectedEV.StateOfCharge", evse=1, connector=1)["attributeValue"] == ""
    dc.plug_in(soc=0.42)
    assert value(dc, "ConnectedEV.StateOfCharge", evse=1, connector=1) == "42.0"
    ac = a_scene(version)
    asked = get(ac, "ConnectedEV.StateOfCharge", evse=1, connector=1)
    assert asked["attributeStatus"] == "UnknownVariable"


# ── SetVariables ──────────────────────────────────────────────────────────────────────────────────


@versions
def test_what_is_set_takes_effect_at_once(version: str) -> None:
    """B05: TxUpdatedInterval is the interval of the samples from then on."""
    scene = a_scene(version, MeterValueSampleInterval=600)
    scene.charge()
    assert set_to(scene, "SampledDataCtrlr.TxUpdatedInterval", "10")["attributeStatus"] == (
        "Accepted"
    )
    scene.mark()
    scene.run(for_s=30.5)
    assert scene.triggers() == ["MeterValuePeriodic"] * 3


@versions
def test_each_set_has_its_own_result(version: str) -> None:
    """B05.FR.02: one that fails does not keep the others from being set."""
    scene = a_scene(version)
    wanted = [
        names("Nowhere.Enabled") | {"attributeValue": "true"},
        names("TxCtrlr.Nothing") | {"attributeValue": "true"},
        names("TxCtrlr.EVConnectionTimeOut") | {"attributeValue": "5", "attributeType": "MaxSet"},
        names("ClockCtrlr.TimeSource") | {"attributeValue": "NTP"},
        names("TxCtrlr.EVConnectionTimeOut") | {"attributeValue": "17"},
        names("OCPPCommCtrlr.NetworkConfigurationPriority") | {"attributeValue": "1"},
    ]
    results = scene.call("SetVariables", setVariableData=wanted).payload["setVariableResult"]
    assert [result["attributeStatus"] for result in results] == [
        "UnknownComponent",
        "UnknownVariable",
        "NotSupportedAttributeType",
        "Rejected",
        "Accepted",
        "RebootRequired",
    ]
    assert value(scene, "TxCtrlr.EVConnectionTimeOut") == "17"


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("ClockCtrlr.DateTime", "2026-01-01T00:00:00Z", "ReadOnly"),
        ("SecurityCtrlr.SecurityProfile", "2", "ReadOnly"),
        ("OCPPCommCtrlr.HeartbeatInterval", "-1", "ValuePositiveOnly"),
        ("MonitoringCtrlr.OfflineQueuingSeverity", "10", "ValueTooHigh"),
        ("OCPPCommCtrlr.NetworkProfileConnectionAttempts", "0", "ValueZeroNotAllowed"),
        ("OCPPCommCtrlr.HeartbeatInterval", "soon", "InvalidValue"),
        ("MonitoringCtrlr.Enabled", "perhaps", "InvalidValue"),
        ("TxCtrlr.TxStartPoint", "Sunrise", "InvalidValue"),
        ("SecurityCtrlr.OrganizationName", "x" * 901, "TooLargeElement"),
    ],
)
@versions
def test_a_refused_set_says_why_and_changes_nothing(
    version: str, path: str, text: str, why: str
) -> None:
    """B05.FR.05 to .08: ReadOnly, wrong type, out of range, too long are Rejected."""
    scene = a_scene(version, **{"DeviceDataCtrlr.ConfigurationValueSize": 900})
    before = get(scene, path)
    result = set_to(scene, path, text)
    assert (result["attributeStatus"], reason(result)) == ("Rejected", why)
    assert get(scene, path) == before


@versions
def test_other_attributes_cannot_be_set(version: str) -> None:
    """EVSE.Power has a Target and a MaxSet; both say what the station does by itself."""
    result = set_to(a_scene(version), "EVSE.Power", "1", attribute="Target", evse=1)
    assert (result["attributeStatus"], reason(result)) == ("Rejected", "ReadOnly")


@versions
def test_more_sets_than_fit_set_nothing(version: str) -> None:
    """B05.FR.11: at most ItemsPerMessage[SetVariables]."""
    scene = a_scene(version, **{"DeviceDataCtrlr.ItemsPerMessage[SetVariables]": 1})
    two = [
        names("OCPPCommCtrlr.HeartbeatInterval") | {"attributeValue": "77"},
        names("TxCtrlr.EVConnectionTimeOut") | {"attributeValue": "77"},
    ]
    assert scene.call("SetVariables", setVariableData=two).error == "OccurrenceConstraintViolation"
    assert value(scene, "OCPPCommCtrlr.HeartbeatInterval") == "300"


@versions
def test_a_persistent_variable_survives_a_loss_of_power(version: str) -> None:
    """B05.FR.10: it is as it was set after the next boot."""
    scene = a_scene(version)
    set_to(scene, "TxCtrlr.EVConnectionTimeOut", "23")
    scene.cycle_power(for_s=5)
    assert value(scene, "TxCtrlr.EVConnectionTimeOut") == "23"


@versions
def test_variables_can_be_read_and_set_while_pending(version: str) -> None:
    """B02.FR.05: a CSMS that has said Pending configures the station."""
    scene = Scene2(version=version)
    scene.on("BootNotification", status="Pending", currentTime=scene.clock, interval=60)
    scene.boot()
    assert set_to(scene, "TxCtrlr.EVConnectionTimeOut", "9")["attributeStatus"] == "Accepted"
    assert value(scene, "TxCtrlr.EVConnectionTimeOut") == "9"


@versions
def test_the_cache_shows_how_full_it_is(version: str) -> None:
    """A value that others count."""
    scene = a_scene(version, AuthorizationCacheEnabled="true")
    assert value(scene, "AuthCacheCtrlr.Storage") == "0"
    scene.present_tag()
    assert value(scene, "AuthCacheCtrlr.Storage") == "1"


@versions
def test_the_list_shows_how_many_entries_it_has(version: str) -> None:
    """LocalAuthListCtrlr.Entries."""
    scene = a_scene(version)
    scene.call(
        "SendLocalList",
        versionNumber=1,
        updateType="Full",
        localAuthorizationList=[{"idToken": id_token(), "idTokenInfo": {"status": "Accepted"}}],
    )
    assert value(scene, "LocalAuthListCtrlr.Entries") == "1"


@versions
def test_a_component_of_an_evse_is_not_found_without_it(version: str) -> None:
    """Components stand where they stand."""
    scene = a_scene(version)
    assert get(scene, "EVSE.Power")["attributeStatus"] == "UnknownComponent"
    wanted = {"component": component("TxCtrlr", evse=1), "variable": {"name": "TxStartPoint"}}
    (result,) = scene.call("GetVariables", getVariableData=[wanted]).payload["getVariableResult"]
    assert result["attributeStatus"] == "UnknownComponent"


def test_equal_stations_share_one_model() -> None:
    """Ten thousand stations must not have ten thousand device models."""
    one, other = a_scene("ocpp2.1"), a_scene("ocpp2.1")
    assert model_of(one.station) is model_of(other.station)
    assert one.station.monitors is None
    assert one.station.network is None


@versions
def test_every_variable_belongs_to_a_component_of_the_standard(version: str) -> None:
    """A key without a component would be a vendor's; this model has none."""
    components = {entry.row.component for entry in model_of(a_scene(version).station).entries}
    assert "VendorCtrlr" not in components
    assert {"ChargingStation", "EVSE", "Connector", "TxCtrlr", "DisplayMessageCtrlr"} <= components


@versions
def test_a_key_of_a_vendor_is_a_variable_too(version: str) -> None:
    """What a charger model adds can be read and set."""
    scene = a_scene(version, Colour="green")
    assert value(scene, "VendorCtrlr.Colour") == "green"
    assert set_to(scene, "VendorCtrlr.Colour", "blue")["attributeStatus"] == "Accepted"
    assert value(scene, "VendorCtrlr.Colour") == "blue"
