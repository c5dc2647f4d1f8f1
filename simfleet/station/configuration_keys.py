"""The configuration keys of OCPP 1.6: chapter 9 and the security whitepaper, one row per key."""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from simfleet.station.meter import MEASURANDS, REGISTER

if TYPE_CHECKING:
    from collections.abc import Mapping

KeyType = Literal["int", "bool", "csv", "str", "enum"]

VALUE_MAX_CHARS = 500  # CiString500Type
NAME_MAX_CHARS = 50  # CiString50Type
_INT_MAX = 2**31 - 1
_DAY_S = 86_400

FEATURE_PROFILES = frozenset(
    {
        "Core",
        "FirmwareManagement",
        "LocalAuthListManagement",
        "Reservation",
        "SmartCharging",
        "RemoteTrigger",
    }
)

_WHOLE = re.compile(r"-?[0-9]{1,10}")


class Key(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One configuration key: what it accepts and who may see it."""

    name: str
    type: KeyType
    default: str
    low: int = 0  # int: least value
    high: int = _INT_MAX  # int: greatest value
    unit: str = ""  # "s", "Wh", "%"; int only
    members: frozenset[str] = frozenset()  # csv, enum: what may stand there; empty: anything
    max_items_key: str = ""  # csv: the key that says how many items are allowed
    pattern: str = ""  # str, and each item of a csv: a regular expression for the whole
    accepts: str = ""  # what the pattern means, for people
    readonly: bool = False
    writeonly: bool = False
    reboot: bool = False  # a change takes effect at the next boot
    profile: str = ""  # only in stations that support this feature profile; "": in all

    def expects(self) -> str:
        """What would be accepted, in words."""
        if self.accepts:
            return self.accepts
        match self.type:
            case "int":
                unit = f" {self.unit}" if self.unit else ""
                return f"a whole number from {self.low} to {self.high}{unit}"
            case "bool":
                return "true or false"
            case "enum":
                return f"one of {', '.join(sorted(self.members))}"
            case "csv":
                of = f" out of {', '.join(sorted(self.members))}" if self.members else ""
                return f"a comma-separated list{of}"
            case "str":
                return f"a text of at most {VALUE_MAX_CHARS} characters"

    def normal(self, value: str) -> str | None:
        """`value` as it is stored, or None when this key does not accept it."""
        if len(value) > VALUE_MAX_CHARS:
            return None
        match self.type:
            case "int":
                allowed = bool(_WHOLE.fullmatch(value)) and self.low <= int(value) <= self.high
                return str(int(value)) if allowed else None
            case "bool":
                folded = value.lower()
                return folded if folded in ("true", "false") else None
            case "enum":
                return value if value in self.members else None
            case "csv":
                return value if all(self._allows(item) for item in items_of(value)) else None
            case "str":
                return value if self._allows(value) else None

    def _allows(self, item: str) -> bool:
        if self.members and item not in self.members:
            return False
        return not self.pattern or re.fullmatch(self.pattern, item) is not None


def _seconds(name: str, default: int, *, low: int = 0, high: int = _INT_MAX) -> Key:
    return Key(name=name, type="int", default=str(default), low=low, high=high, unit="s")


def _whole(name: str, default: int, *, unit: str = "", low: int = 0, high: int = _INT_MAX) -> Key:
    return Key(name=name, type="int", default=str(default), low=low, high=high, unit=unit)


def _fixed(name: str, default: int, *, profile: str = "", low: int = 0) -> Key:
    return Key(name=name, type="int", default=str(default), low=low, readonly=True, profile=profile)


def _flag(
    name: str, default: Literal["true", "false"], *, readonly: bool = False, profile: str = ""
) -> Key:
    return Key(name=name, type="bool", default=default, readonly=readonly, profile=profile)


def _measurands(name: str, default: str) -> tuple[Key, Key]:
    """A list of measurands and the key that says how long it may be."""
    limit = f"{name}MaxLength"
    return (
        Key(name=name, type="csv", default=default, members=MEASURANDS, max_items_key=limit),
        _fixed(limit, len(MEASURANDS)),
    )


# Intervals: 0 switches the thing off. Where OCPP names no default, ours is that of common hardware.
_TABLE: tuple[Key, ...] = (
    # 9.1 Core
    _flag("AllowOfflineTxForUnknownId", "false"),
    _flag("AuthorizationCacheEnabled", "false"),
    _flag("AuthorizeRemoteTxRequests", "false"),
    _whole("BlinkRepeat", 0),
    _seconds("ClockAlignedDataInterval", 0, high=_DAY_S),
    _seconds("ConnectionTimeOut", 60),
    Key(
        name="ConnectorPhaseRotation",
        type="csv",
        default="",
        max_items_key="ConnectorPhaseRotationMaxLength",
        pattern=r"(?:[0-9]{1,4}\.)?(?:NotApplicable|Unknown|RST|RTS|SRT|STR|TRS|TSR)",
        accepts="a list such as 0.RST,1.RTS: connector, dot, and NotApplicable, Unknown, RST, RTS, "
        "SRT, STR, TRS or TSR",
    ),
    _fixed("ConnectorPhaseRotationMaxLength", 16),
    _fixed("GetConfigurationMaxKeys", 100, low=1),
    _seconds("HeartbeatInterval", 300),
    _whole("LightIntensity", 100, unit="%", high=100),
    _flag("LocalAuthorizeOffline", "true"),
    _flag("LocalPreAuthorize", "false"),
    _whole("MaxEnergyOnInvalidId", 0, unit="Wh"),
    *_measurands("MeterValuesAlignedData", REGISTER),
    *_measurands(
        "MeterValuesSampledData", f"{REGISTER},Power.Active.Import,Current.Import,Voltage"
    ),
    _seconds("MeterValueSampleInterval", 60),
    _seconds("MinimumStatusDuration", 0),
    _fixed("NumberOfConnectors", 1, low=1),
    _whole("ResetRetries", 3),
    _flag("StopTransactionOnEVSideDisconnect", "true"),
    _flag("StopTransactionOnInvalidId", "true"),
    *_measurands("StopTxnAlignedData", ""),
    *_measurands("StopTxnSampledData", ""),
    Key(
        name="SupportedFeatureProfiles",
        type="csv",
        default="Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,"
        "RemoteTrigger",
        members=FEATURE_PROFILES,
        max_items_key="SupportedFeatureProfilesMaxLength",
        readonly=True,
    ),
    _fixed("SupportedFeatureProfilesMaxLength", len(FEATURE_PROFILES)),
    # No attempt at all would lose transactions.
    _whole("TransactionMessageAttempts", 3, low=1),
    _seconds("TransactionMessageRetryInterval", 60),
    _flag("UnlockConnectorOnEVSideDisconnect", "true"),
    # Off: ten thousand pings an interval say nothing under load that MeterValues and Heartbeats do
    # not. A new value holds from the next connection on.
    _seconds("WebSocketPingInterval", 0),
    # Security whitepaper. `credentials` has the rules for AuthorizationKey and SecurityProfile.
    Key(
        name="AuthorizationKey",
        type="str",
        default="",
        pattern=r"(?:[0-9A-Fa-f]{2}){16,20}",
        accepts="32 to 40 hexadecimal digits, an even number of them",
        writeonly=True,
    ),
    _whole("SecurityProfile", 0, high=3),
    _flag("AdditionalRootCertificateCheck", "false", readonly=True),
    _fixed("CertificateSignedMaxChainSize", 10_000),
    _fixed("CertificateStoreMaxLength", 10, low=1),
    # Pause before a CSR that nobody answered is sent again, doubling each time; and how often.
    _seconds("CertSigningWaitMinimum", 30, low=1, high=_DAY_S),
    _whole("CertSigningRepeatTimes", 3),
    Key(
        name="CpoName",
        type="str",
        default="",
        pattern=r"[^\x00-\x1f\x7f]{0,50}",
        accepts="a name of at most 50 characters",
    ),
    Key(
        name="SupportedFileTransferProtocols",
        type="csv",
        default="HTTP,HTTPS,FTP,FTPS",
        members=frozenset({"FTP", "FTPS", "HTTP", "HTTPS", "SFTP"}),
        readonly=True,
        profile="FirmwareManagement",
    ),
    # 9.2 Local Auth List Management
    _flag("LocalAuthListEnabled", "true", profile="LocalAuthListManagement"),
    _fixed("LocalAuthListMaxLength", 1000, profile="LocalAuthListManagement"),
    _fixed("SendLocalListMaxLength", 100, profile="LocalAuthListManagement"),
    # 9.3 Reservation
    _flag("ReserveConnectorZeroSupported", "true", readonly=True, profile="Reservation"),
    # 9.4 Smart Charging
    _fixed("ChargeProfileMaxStackLevel", 10, profile="SmartCharging"),
    Key(
        name="ChargingScheduleAllowedChargingRateUnit",
        type="csv",
        default="Current,Power",
        members=frozenset({"Current", "Power"}),
        readonly=True,
        profile="SmartCharging",
    ),
    _fixed("ChargingScheduleMaxPeriods", 24, low=1, profile="SmartCharging"),
    _flag("ConnectorSwitch3to1PhaseSupported", "false", readonly=True, profile="SmartCharging"),
    _fixed("MaxChargingProfilesInstalled", 20, low=1, profile="SmartCharging"),
)

KEYS: Final[Mapping[str, Key]] = MappingProxyType({key.name: key for key in _TABLE})
"""All standard keys by name, in the order in which they are reported."""


@lru_cache(maxsize=1024)
def items_of(value: str) -> tuple[str, ...]:
    """The items of a comma-separated list, trimmed, each once; equal lists are one object."""
    if not value.strip():
        return ()
    return tuple(dict.fromkeys(item.strip() for item in value.split(",")))
