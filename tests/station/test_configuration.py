from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp.v16.enums import ConfigurationKey  # type: ignore[import-untyped]

from simfleet.station.configuration import Configuration, FactorySettings, Reported, for_station
from simfleet.station.configuration_keys import KEYS, Key, items_of
from simfleet.station.meter import MEASURANDS, REGISTER

ALL_PROFILES = (
    "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
)


def a_configuration(connectors: int = 2, **initial: str) -> Configuration:
    return for_station(connectors, initial)


def one(configuration: Configuration, name: str) -> Reported:
    ((reported,), unknown, _) = configuration.report([name])
    assert unknown == []
    return reported


def an_answer_to(key: str, value: str, configuration: Configuration | None = None) -> str:
    return (configuration or a_configuration()).change(key, value)


# ── the table ───────────────────────────────────────────────────────────────────────────────────


def test_every_key_of_chapter_9_is_in_the_table() -> None:
    # The `ocpp` package lists chapter 9 first, then what later documents added.
    listed = [key.value for key in ConfigurationKey]
    chapter_9 = set(listed[: listed.index("CentralContractValidationAllowed")])
    assert chapter_9 < set(KEYS)
    later = set(KEYS) - chapter_9 - {"SupportedFileTransferProtocols"}  # errata of chapter 9
    assert later == set(listed) - chapter_9 - {
        "CentralContractValidationAllowed",
        "ContractValidationOffline",
        "ISO15118PnCEnabled",
    }


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_every_default_is_a_value_of_its_key(key: Key) -> None:
    assert key.writeonly or key.normal(key.default) == key.default
    assert key.expects()


def test_a_core_station_has_no_keys_of_profiles_it_does_not_support() -> None:
    plain = for_station(1, {"SupportedFeatureProfiles": "Core,RemoteTrigger"})
    core = {reported.key for reported in plain.report().known}
    everything = a_configuration()
    more = {reported.key for reported in everything.report().known}
    assert more - core == {
        "SupportedFileTransferProtocols",
        "LocalAuthListEnabled",
        "LocalAuthListMaxLength",
        "SendLocalListMaxLength",
        "ReserveConnectorZeroSupported",
        "ChargeProfileMaxStackLevel",
        "ChargingScheduleAllowedChargingRateUnit",
        "ChargingScheduleMaxPeriods",
        "ConnectorSwitch3to1PhaseSupported",
        "MaxChargingProfilesInstalled",
    }
    assert an_answer_to("LocalAuthListEnabled", "false", plain) == "NotSupported"
    assert an_answer_to("LocalAuthListEnabled", "false", everything) == "Accepted"
    assert everything.supports("SmartCharging")
    assert not plain.supports("SmartCharging")
    with pytest.raises(KeyError):
        plain.flag("LocalAuthListEnabled")


# ── ChangeConfiguration ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "value", "answer"),
    [
        ("NoSuchKey", "1", "NotSupported"),
        ("NumberOfConnectors", "4", "Rejected"),
        ("SupportedFeatureProfiles", "Core", "Rejected"),
        ("MeterValueSampleInterval", "-1", "Rejected"),
        ("MeterValueSampleInterval", "0", "Accepted"),
        ("MeterValueSampleInterval", "10.0", "Rejected"),
        ("MeterValueSampleInterval", " 10", "Rejected"),
        ("MeterValueSampleInterval", "", "Rejected"),
        ("MeterValueSampleInterval", "2147483648", "Rejected"),
        ("MeterValueSampleInterval", "1\n", "Rejected"),
        ("MeterValueSampleInterval", "٣", "Rejected"),
        ("ClockAlignedDataInterval", "86401", "Rejected"),
        ("LightIntensity", "101", "Rejected"),
        ("TransactionMessageAttempts", "0", "Rejected"),
        ("LocalPreAuthorize", "True", "Accepted"),
        ("LocalPreAuthorize", "1", "Rejected"),
        ("MeterValuesSampledData", "", "Accepted"),
        ("MeterValuesSampledData", "Voltage, Current.Import.L1", "Accepted"),
        ("MeterValuesSampledData", "Voltage,", "Rejected"),
        ("MeterValuesSampledData", "Voltage,Wattage", "Rejected"),
        ("MeterValuesSampledData", "voltage", "Rejected"),
        ("StopTxnSampledData", "Current.Import.L4", "Rejected"),
        ("ConnectorPhaseRotation", "0.RST, 1.Unknown,2.TSR", "Accepted"),
        ("ConnectorPhaseRotation", "NotApplicable", "Accepted"),
        ("ConnectorPhaseRotation", "3.RST", "Rejected"),
        ("ConnectorPhaseRotation", "1.RRT", "Rejected"),
        ("ConnectorPhaseRotation", ",".join(["1.RST"] * 100), "Rejected"),
        ("AuthorizationKey", "0123456789abcdefABCDEF0123456789", "Accepted"),
        ("AuthorizationKey", "0" * 31, "Rejected"),
        ("AuthorizationKey", "0" * 33, "Rejected"),
        ("AuthorizationKey", "0" * 42, "Rejected"),
        ("AuthorizationKey", "G" * 32, "Rejected"),
    ],
)
def test_a_change_is_judged_as_hardware_judges_it(key: str, value: str, answer: str) -> None:
    configuration = a_configuration()
    before = configuration.get(key)
    assert configuration.change(key, value) == answer
    if answer != "Accepted":
        assert configuration.get(key) == before
        assert configuration.changes() == {}


def test_accepted_changes_are_live_and_names_ignore_case() -> None:
    configuration = a_configuration()
    assert configuration.change("METERVALUESAMPLEINTERVAL", "007") == "Accepted"
    assert configuration.seconds("MeterValueSampleInterval") == 7
    assert configuration.get("metervaluesampleinterval") == "7"
    assert configuration.change("LocalPreAuthorize", "TRUE") == "Accepted"
    assert configuration.flag("LocalPreAuthorize")
    assert configuration.changes() == {"MeterValueSampleInterval": "7", "LocalPreAuthorize": "true"}


def test_a_value_longer_than_500_characters_is_rejected() -> None:
    configuration = for_station(1, {"VendorNote": ""})
    assert configuration.change("VendorNote", "x" * 500) == "Accepted"
    assert configuration.change("VendorNote", "x" * 501) == "Rejected"


def test_a_list_longer_than_its_max_length_key_is_rejected() -> None:
    configuration = a_configuration(
        MeterValuesSampledDataMaxLength="2", MeterValuesSampledData="Voltage"
    )
    assert configuration.change("MeterValuesSampledData", "Voltage,SoC") == "Accepted"
    assert configuration.change("MeterValuesSampledData", "Voltage,SoC,Frequency") == "Rejected"


def test_a_key_that_needs_a_reboot_takes_effect_at_the_boot() -> None:
    slow = Key(name="VendorMode", type="enum", default="a", members=frozenset("ab"), reboot=True)
    keys = {**KEYS, slow.name: slow}
    factory = FactorySettings(keys, {name: key.default for name, key in keys.items()})
    configuration = Configuration(factory)
    assert configuration.change("VendorMode", "c") == "Rejected"
    assert configuration.change("VendorMode", "b") == "RebootRequired"
    assert configuration.get("VendorMode") == "a"
    assert one(configuration, "VendorMode") == ("VendorMode", False, "b")
    assert configuration.changes() == {"VendorMode": "b"}
    configuration.apply_pending()
    assert configuration.get("VendorMode") == "b"
    configuration.apply_pending()
    assert configuration.get("VendorMode") == "b"


def test_the_station_may_set_what_a_csms_may_not() -> None:
    configuration = a_configuration()
    configuration.store("HeartbeatInterval", "30")
    configuration.store("SecurityProfile", "1")
    assert configuration.seconds("HeartbeatInterval") == 30
    assert configuration.whole("SecurityProfile") == 1
    with pytest.raises(ValueError, match='SecurityProfile: "4" is not a whole number from 0 to 3'):
        configuration.store("SecurityProfile", "4")
    with pytest.raises(KeyError):
        configuration.store("NoSuchKey", "1")


# ── GetConfiguration ────────────────────────────────────────────────────────────────────────────


def test_all_readable_keys_are_reported_when_none_is_asked_for() -> None:
    report = a_configuration(connectors=3).report()
    assert report == a_configuration(connectors=3).report([])
    names = [reported.key for reported in report.known]
    assert "AuthorizationKey" not in names
    assert len(names) == len(set(names)) <= report.max_keys == 100
    assert ("NumberOfConnectors", True, "3") in report.known
    assert ("HeartbeatInterval", False, "300") in report.known
    assert report.unknown == []


def test_asked_keys_are_answered_by_their_proper_names_and_unknown_ones_as_asked() -> None:
    asked = ["heartbeatinterval", "Foo", "HeartbeatInterval", "LOCALPREAUTHORIZE", "Foo", "foo"]
    known, unknown, _ = a_configuration().report(asked)
    assert known == [("HeartbeatInterval", False, "300"), ("LocalPreAuthorize", False, "false")]
    assert unknown == ["Foo", "foo"]


def test_the_authorization_key_is_never_read_back() -> None:
    configuration = a_configuration()
    secret = "A1" * 20
    assert configuration.change("AuthorizationKey", secret) == "Accepted"
    assert one(configuration, "AuthorizationKey") == ("AuthorizationKey", False, None)
    assert secret not in str(configuration.report())
    assert configuration.get("AuthorizationKey") == secret


# ── typed reading ───────────────────────────────────────────────────────────────────────────────


def test_an_empty_list_of_measurands_means_the_register_except_at_the_stop() -> None:
    configuration = a_configuration(MeterValuesSampledData="", MeterValuesAlignedData="")
    assert configuration.measurands("MeterValuesSampledData") == (REGISTER,)
    assert configuration.measurands("MeterValuesAlignedData") == (REGISTER,)
    assert configuration.measurands("StopTxnSampledData") == ()


def test_chargers_with_equal_lists_share_one_tuple() -> None:
    one_charger, other = a_configuration(), a_configuration()
    for charger in (one_charger, other):
        charger.change("MeterValuesSampledData", "Voltage , SoC,Voltage")
    measurands = one_charger.measurands("MeterValuesSampledData")
    assert measurands == ("Voltage", "SoC")
    assert measurands is other.measurands("MeterValuesSampledData")


def test_chargers_with_equal_changes_share_them() -> None:
    chargers = [a_configuration() for _ in range(3)]
    for charger in chargers[:2]:
        charger.store("HeartbeatInterval", "60")
        charger.store("MinimumStatusDuration", "2")
    assert chargers[0].factory is chargers[2].factory
    assert chargers[0]._overlay is chargers[1]._overlay
    assert chargers[2].seconds("HeartbeatInterval") == 300
    chargers[0].store("HeartbeatInterval", "300")
    chargers[0].store("MinimumStatusDuration", "0")
    assert chargers[0].changes() == {}
    assert chargers[0]._overlay is chargers[2]._overlay
    assert chargers[1].seconds("HeartbeatInterval") == 60


@given(st.text())
def test_the_items_of_any_text_are_trimmed_and_unique(text: str) -> None:
    items = items_of(text)
    assert len(items) == len(set(items))
    assert all(item == item.strip() and "," not in item for item in items)


# ── any order of changes ────────────────────────────────────────────────────────────────────────

plausible_values = st.one_of(
    st.integers(-5, 2**33).map(str),
    st.sampled_from(["true", "FALSE", "", "Core", "0.RST,1.RST", "Current", "AB" * 16]),
    st.lists(st.sampled_from(sorted(MEASURANDS)), max_size=30).map(",".join),
    st.text(max_size=600),
)
attempts = st.lists(
    st.tuples(st.one_of(st.sampled_from([*KEYS, "Vendor", "Slow"]), st.text()), plausible_values)
)


def a_charger_with_every_kind_of_key() -> Configuration:
    initial = {"SupportedFeatureProfiles": ALL_PROFILES, "Vendor": "x"}
    usual = for_station(2, initial).factory
    slow = Key(name="Slow", type="bool", default="false", reboot=True)
    return Configuration(
        FactorySettings({**usual.keys, "Slow": slow}, {**usual.values, "Slow": "false"})
    )


@given(attempts)
def test_no_order_of_changes_leaves_a_value_that_its_key_does_not_accept(
    wanted: list[tuple[str, str]],
) -> None:
    configuration = a_charger_with_every_kind_of_key()
    shown = {key: value for key, _, value in configuration.report().known}
    for name, value in wanted:
        answer = configuration.change(name, value)
        key = configuration.factory.keys.get(name)
        if key is not None and not key.writeonly and answer in ("Accepted", "RebootRequired"):
            assert not key.readonly
            assert (answer == "RebootRequired") == key.reboot
            stored = key.normal(value)
            assert stored is not None
            shown[name] = stored
        elif key is None and name.lower() not in configuration.factory.by_folded_name:
            assert answer == "NotSupported"
    assert {key: value for key, _, value in configuration.report().known} == shown
    for name, key in configuration.factory.keys.items():
        now = configuration.get(name)
        assert now is not None
        assert key.normal(now) == now or (key.writeonly and now == "")


@given(attempts)
def test_changes_survive_a_power_loss(wanted: list[tuple[str, str]]) -> None:
    before = a_charger_with_every_kind_of_key()
    for name, value in wanted:
        before.change(name, value)
    after = Configuration(before.factory)
    for name, value in before.changes().items():
        after.store(name, value)
    before.apply_pending()
    assert after.report() == before.report()
    assert after.changes() == before.changes()


@given(st.lists(st.text(max_size=50)))
def test_every_asked_key_is_answered_once(asked: list[str]) -> None:
    known, unknown, _ = a_configuration().report([*asked, "HeartbeatInterval"])
    names = {reported.key.lower() for reported in known}
    assert {name.lower() for name in asked} | {"heartbeatinterval"} == names | {
        name.lower() for name in unknown
    }
    assert len(set(unknown)) == len(unknown)


# ── factory settings ────────────────────────────────────────────────────────────────────────────


def test_the_defaults_are_those_of_common_hardware() -> None:
    ac, dc = for_station(1, {}), for_station(1, {}, kind="DC")
    assert ac.measurands("MeterValuesSampledData") == (
        REGISTER,
        "Power.Active.Import",
        "Current.Import",
        "Voltage",
    )
    assert dc.measurands("MeterValuesSampledData")[4:] == ("SoC",)
    assert (ac.seconds("HeartbeatInterval"), ac.seconds("ConnectionTimeOut")) == (300, 60)
    assert ac.seconds("WebSocketPingInterval") == 0
    assert ac.flag("StopTransactionOnInvalidId")
    assert not ac.flag("AllowOfflineTxForUnknownId")


def test_a_scenario_may_set_read_only_keys_and_name_keys_in_any_case() -> None:
    configuration = a_configuration(getconfigurationmaxkeys="7", meterValueSampleInterval="10")
    assert configuration.report().max_keys == 7
    assert configuration.seconds("MeterValueSampleInterval") == 10
    assert configuration.changes() == {}
    assert one(configuration, "GetConfigurationMaxKeys") == ("GetConfigurationMaxKeys", True, "7")


def test_an_unknown_name_becomes_a_vendor_key() -> None:
    configuration = for_station(1, {"Acme.LedColour": "blue"})
    assert one(configuration, "acme.ledcolour") == ("Acme.LedColour", False, "blue")
    assert configuration.change("ACME.LEDCOLOUR", "red") == "Accepted"
    assert configuration.get("Acme.LedColour") == "red"


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (
            {"MeterValueSampleInterval": "-1"},
            'MeterValueSampleInterval: "-1" is not a whole number from 0 to 2147483647 s',
        ),
        ({"LocalPreAuthorize": "yes"}, 'LocalPreAuthorize: "yes" is not true or false'),
        (
            {"ConnectorPhaseRotation": "9.RST"},
            'ConnectorPhaseRotation: "9.RST" is not a list such as 0.RST,1.RTS',
        ),
        ({"SupportedFeatureProfiles": "RemoteTrigger"}, "Core is missing"),
        (
            {"LocalAuthListEnabled": "true", "SupportedFeatureProfiles": "Core,RemoteTrigger"},
            "LocalAuthListEnabled: belongs to LocalAuthListManagement; add it to "
            "SupportedFeatureProfiles, now Core,RemoteTrigger",
        ),
        (
            {"NumberOfConnectors": "3"},
            'NumberOfConnectors: "3" is not the number of connectors, 2',
        ),
        ({"MeterValuesSampledDataMaxLength": "3"}, "at most 3 items"),
        ({"HeartbeatInterval": "1", "heartbeatinterval": "2"}, "given twice"),
        ({"x" * 51: "1"}, "at most 50 characters"),
        ({"": "1"}, "at most 50 characters"),
    ],
)
def test_a_wrong_factory_setting_is_named_with_what_would_be_accepted(
    initial: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        for_station(2, initial)


def test_all_wrong_factory_settings_are_named_at_once() -> None:
    with pytest.raises(ValueError, match="is not") as caught:
        a_configuration(BlinkRepeat="often", LightIntensity="101")
    assert len(str(caught.value).splitlines()) == 2
