"""The controller components of OCPP 2.x and their variables (2.0.1 part 2, referenced components
and variables), one row per variable; see `device_model.Row`.

What 1.6 knows under another name is that key. Keys that are called as variables are
(`TxCtrlr.TxStartPoint`) need no row. What a station is made of is in `device_model_hardware.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from simfleet.station import display, monitors, network_profiles, tariffs
from simfleet.station.configuration_keys2 import DISPLAY_MAX
from simfleet.station.configuration_keys_energy import DER_MODES
from simfleet.station.device_model import Place, Row
from simfleet.station.device_model_hardware import HARDWARE
from simfleet.station.tokens import CACHE_MAX

if TYPE_CHECKING:
    from simfleet.station.configuration import FactorySettings
    from simfleet.station.station import Station


def _of(component: str) -> Any:
    """Makes the rows of a component."""

    def row(variable: str, key: str = "", **fields: Any) -> Row:
        return Row(component=component, variable=variable, key=key, **fields)

    return row


def _present(variable: str, component: str, **fields: Any) -> Row:
    """A capability that is there and on."""
    return Row(
        component=component, variable=variable, constant="true", data_type="boolean", **fields
    )


# ── values ────────────────────────────────────────────────────────────────────────────────────────


def _messages_shown(station: Station, _: Place, at_s: float) -> str:
    return str(len(display.messages(station, at_s=at_s)))


def _now(station: Station, _: Place, at_s: float) -> str:
    return monitors.written(station.wall_s(at_s))


def _identity(station: Station, _: Place, __: float) -> str:
    return station.identity


def _call_timeout(station: Station, _: Place, __: float) -> str:
    return str(round(station.spec.call_timeout_s))


def _listed(station: Station, _: Place, __: float) -> str:
    return "0" if station.local_list is None else str(len(station.local_list))


def _installed_profiles(station: Station, _: Place, __: float) -> str:
    return "0" if station.profiles is None else str(len(station.profiles))


def _displayed(station: Station, _: Place, __: float) -> str:
    return "0" if station.display is None else str(len(station.display.messages))


def _certificates(station: Station, _: Place, __: float) -> str:
    state = station.security
    return "0" if state is None else str(len(state.roots) + len(state.own))


def _most_w(station: Station, place: Place, _: float) -> str:
    return str(round(station.spec.outlet(place.evse_id).max_power_w))


def _password_of(text: str) -> str:
    """The hexadecimal form in which the key holds a password."""
    return text.encode().hex()


def _rate_units(value: str) -> str:
    return value.replace("Current", "A").replace("Power", "W")


def _has(profile: str) -> Any:
    def only(factory: FactorySettings) -> bool:
        return profile in factory.values["SupportedFeatureProfiles"].split(",")

    return only


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────

_auth = _of("AuthCtrlr")
_cache = _of("AuthCacheCtrlr")
_list = _of("LocalAuthListCtrlr")
_tx = _of("TxCtrlr")
_sampled = _of("SampledDataCtrlr")
_aligned = _of("AlignedDataCtrlr")
_comm = _of("OCPPCommCtrlr")
_monitoring = _of("MonitoringCtrlr")
_security = _of("SecurityCtrlr")
_smart = _of("SmartChargingCtrlr")
_clock = _of("ClockCtrlr")
_INTEGER: Final[dict[str, Any]] = {"data_type": "integer"}
_BOOLEAN: Final[dict[str, Any]] = {"data_type": "boolean"}
_TRANSFERS: Final[tuple[tuple[Literal["AC", "DC"], str], ...]] = (
    ("AC", "AC_single_phase,AC_three_phase,AC_BPT"),
    ("DC", "DC,DC_BPT"),
)
_LISTED: Final[dict[str, Any]] = {"only": _has("LocalAuthListManagement")}
_SMART: Final[dict[str, Any]] = {"only": _has("SmartCharging")}
_RESERVES: Final[dict[str, Any]] = {"only": _has("Reservation")}

_AUTHORIZATION: Final[tuple[Row, ...]] = (
    _auth("Enabled", "AuthCtrlr.Enabled"),
    _auth("AuthorizeRemoteStart", "AuthorizeRemoteTxRequests"),
    _auth("LocalAuthorizeOffline", "LocalAuthorizeOffline"),
    _auth("LocalPreAuthorize", "LocalPreAuthorize"),
    _auth("OfflineTxForUnknownIdEnabled", "AllowOfflineTxForUnknownId"),
    _auth("AdditionalInfoItemsPerMessage", constant="1", **_INTEGER),
    _present("Available", "AuthCacheCtrlr"),
    _cache("Enabled", "AuthorizationCacheEnabled"),
    _cache("LifeTime", "AuthCacheCtrlr.LifeTime"),
    _cache("DisablePostAuthorize", "AuthCacheCtrlr.DisablePostAuthorize"),
    _cache(
        "Policy", constant="FIFO", data_type="OptionList", values=("CUSTOM", "FIFO", "LFU", "LRU")
    ),
    _cache(
        "Storage",
        live=lambda station, *_: str(len(station.tokens)),
        high=float(CACHE_MAX),
        persistent=False,
        monitored=True,
        **_INTEGER,
    ),
    _present("Available", "LocalAuthListCtrlr", **_LISTED),
    _list("Enabled", "LocalAuthListEnabled"),
    _list("DisablePostAuthorize", "LocalAuthListCtrlr.DisablePostAuthorize", **_LISTED),
    _list(
        "Entries",
        live=_listed,
        high_key="LocalAuthListMaxLength",
        monitored=True,
        **_LISTED,
        **_INTEGER,
    ),
    _list("ItemsPerMessage", "SendLocalListMaxLength"),
    _list("BytesPerMessage", constant="65000", **_LISTED, **_INTEGER),
    _present("SupportsExpiryDateTime", "LocalAuthListCtrlr", **_LISTED),
)
_TRANSACTIONS: Final[tuple[Row, ...]] = (
    _tx("EVConnectionTimeOut", "ConnectionTimeOut"),
    _tx("MaxEnergyOnInvalidId", "MaxEnergyOnInvalidId"),
    _tx("StopTxOnEVSideDisconnect", "StopTransactionOnEVSideDisconnect"),
    _tx("StopTxOnInvalidId", "StopTransactionOnInvalidId"),
    _present("Available", "SampledDataCtrlr"),
    _present("Enabled", "SampledDataCtrlr"),
    _sampled("TxUpdatedInterval", "MeterValueSampleInterval"),
    _sampled("TxUpdatedMeasurands", "MeterValuesSampledData"),
    _present("Available", "AlignedDataCtrlr"),
    _present("Enabled", "AlignedDataCtrlr"),
    _aligned("Interval", "ClockAlignedDataInterval"),
    _aligned("Measurands", "MeterValuesAlignedData"),
)
_COMMUNICATION: Final[tuple[Row, ...]] = (
    _comm("HeartbeatInterval", "HeartbeatInterval", monitored=True),
    _comm("WebSocketPingInterval", "WebSocketPingInterval"),
    _comm("ResetRetries", "ResetRetries"),
    _comm("UnlockOnEVSideDisconnect", "UnlockConnectorOnEVSideDisconnect"),
    _comm("MessageAttempts", "TransactionMessageAttempts", instance="TransactionEvent"),
    _comm("MessageAttemptInterval", "TransactionMessageRetryInterval", instance="TransactionEvent"),
    _comm("MessageTimeout", instance="Default", live=_call_timeout, unit="s", **_INTEGER),
    _comm("FileTransferProtocols", "SupportedFileTransferProtocols"),
    _comm("ActiveNetworkProfile", live=network_profiles.active, **_INTEGER),
    _comm(
        "NetworkConfigurationPriority",
        network_profiles.PRIORITY,
        data_type="SequenceList",
        put=network_profiles.set_priority,
    ),
)
_MONITORING: Final[tuple[Row, ...]] = (
    _present("Available", "MonitoringCtrlr"),
    _monitoring("Enabled", monitors.ENABLED, after=monitors.settings_changed),
    _monitoring(
        "ActiveMonitoringBase",
        live=monitors.active_base,
        data_type="OptionList",
        values=("All", "FactoryDefault", "HardWiredOnly"),
    ),
    _monitoring("ActiveMonitoringLevel", live=monitors.active_level, low=0.0, high=9.0, **_INTEGER),
)
_CONTROL: Final[tuple[Row, ...]] = (
    _present("Available", "ReservationCtrlr", **_RESERVES),
    Row(
        component="ReservationCtrlr",
        variable="Enabled",
        key="ReservationCtrlr.Enabled",
        **_RESERVES,
    ),
    Row(
        component="ReservationCtrlr",
        variable="NonEvseSpecific",
        key="ReserveConnectorZeroSupported",
    ),
    _present("Available", "SmartChargingCtrlr", **_SMART),
    _smart("Enabled", "SmartChargingCtrlr.Enabled", **_SMART),
    _smart("ExternalControlSignalsEnabled", constant="true", **_SMART, **_BOOLEAN),
    *(
        _smart(f"Supports{what}", constant=does, since="ocpp2.1", **_SMART, **_BOOLEAN)
        for what, does in (
            ("DynamicProfiles", "true"),
            ("EvseSleep", "false"),
            ("LimitAtSoC", "false"),
            ("RandomizedDelay", "false"),
            ("UseLocalTime", "false"),
        )
    ),
    _smart("ProfileStackLevel", "ChargeProfileMaxStackLevel"),
    _smart("PeriodsPerSchedule", "ChargingScheduleMaxPeriods"),
    _smart(
        "RateUnit",
        "ChargingScheduleAllowedChargingRateUnit",
        shown=_rate_units,
        values=("A", "W"),
    ),
    _smart("Phases3to1", "ConnectorSwitch3to1PhaseSupported"),
    _smart(
        "Entries",
        instance="ChargingProfiles",
        live=_installed_profiles,
        high_key="MaxChargingProfilesInstalled",
        monitored=True,
        **_SMART,
        **_INTEGER,
    ),
)
_BOTH_WAYS: Final[tuple[Row, ...]] = (
    _present("Available", "V2XChargingCtrlr", level="evse", since="ocpp2.1"),
    *(
        Row(
            component="V2XChargingCtrlr",
            variable="SupportedEnergyTransferModes",
            level="evse",
            kind=kind,
            constant=modes,
            data_type="MemberList",
            values=tuple(modes.split(",")),
            since="ocpp2.1",
        )
        for kind, modes in _TRANSFERS
    ),
    # The vehicle's inverter at an AC outlet, the station's own at a DC outlet.
    _present("Available", "ACDERCtrlr", level="evse", kind="AC", since="ocpp2.1"),
    Row(
        component="ACDERCtrlr",
        variable="ModesSupported",
        key=DER_MODES,
        level="evse",
        kind="AC",
        since="ocpp2.1",
    ),
    _present("Available", "DCDERCtrlr", level="evse", kind="DC", since="ocpp2.1"),
    _present("Enabled", "DCDERCtrlr", level="evse", kind="DC", since="ocpp2.1"),
    Row(
        component="DCDERCtrlr",
        variable="MaxW",
        level="evse",
        kind="DC",
        live=_most_w,
        data_type="decimal",
        unit="W",
        since="ocpp2.1",
    ),
)
_COSTS: Final[tuple[Row, ...]] = (
    _present("Available", "TariffCostCtrlr", instance="Cost"),
    _present("Available", "TariffCostCtrlr", instance="Tariff"),
    Row(
        component="TariffCostCtrlr",
        variable="Problem",
        live=tariffs.had_problem,
        data_type="boolean",
        persistent=False,
        since="ocpp2.1",
    ),
)
_DISPLAY: Final = Row(
    component="DisplayMessageCtrlr",
    variable="DisplayMessages",
    live=_displayed,
    high_key=DISPLAY_MAX,
    monitored=True,
    **_INTEGER,
)
_IDENTITY: Final[tuple[Row, ...]] = (
    # In 2.x the password is a text, in 1.6 its hexadecimal form.
    _security("BasicAuthPassword", "AuthorizationKey", stored=_password_of, high=40.0),
    _security("Identity", live=_identity, high=48.0),
    _security("OrganizationName", "CpoName"),
    # Changed by SetNetworkProfile and NetworkConfigurationPriority.
    _security("SecurityProfile", "SecurityProfile", mutability="ReadOnly"),
    _security("AdditionalRootCertificateCheck", "AdditionalRootCertificateCheck"),
    _security("MaxCertificateChainSize", "CertificateSignedMaxChainSize"),
    _security("CertSigningWaitMinimum", "CertSigningWaitMinimum"),
    _security("CertSigningRepeatTimes", "CertSigningRepeatTimes"),
    _security(
        "CertificateEntries",
        live=_certificates,
        high_key="CertificateStoreMaxLength",
        monitored=True,
        **_INTEGER,
    ),
    _clock("DateTime", live=_now, data_type="dateTime", persistent=False),
    _clock(
        "TimeSource",
        constant="Heartbeat",
        data_type="SequenceList",
        values=(
            "GPS",
            "Heartbeat",
            "MobileNetwork",
            "NTP",
            "RadioTimeTransmitter",
            "RealTimeClock",
        ),
    ),
    _present("Available", "DisplayMessageCtrlr"),
    Row(
        component="DisplayMessageCtrlr",
        variable="NumberOfDisplayMessages",
        live=_messages_shown,
        high_key=DISPLAY_MAX,
        monitored=True,
        **_INTEGER,
    ),
    Row(
        component="DisplayMessageCtrlr",
        variable="SupportedStates",
        constant=",".join(sorted(display.STATES_21)),
        data_type="MemberList",
        values=tuple(sorted(display.STATES_21)),
        since="ocpp2.1",
    ),
    Row(
        component="DisplayMessageCtrlr",
        variable="Language",
        constant="en",
        data_type="OptionList",
        values=tuple(sorted(display.LANGUAGES)),
        since="ocpp2.1",
    ),
    _present("Available", "ISO15118Ctrlr"),
    _present("Enabled", "ISO15118Ctrlr"),
    Row(
        component="CustomizationCtrlr",
        variable="CustomImplementationEnabled",
        instance="SimFleet",
        constant="false",
        data_type="boolean",
    ),
)

ROWS: Final[tuple[Row, ...]] = (
    *HARDWARE,
    *_AUTHORIZATION,
    *_TRANSACTIONS,
    *_COMMUNICATION,
    *_MONITORING,
    *_CONTROL,
    *_BOTH_WAYS,
    *_COSTS,
    _DISPLAY,
    *_IDENTITY,
)
"""All rows, in the order of reports; a later row replaces an earlier one of the same name."""
