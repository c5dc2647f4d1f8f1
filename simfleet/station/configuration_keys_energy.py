"""The variables of OCPP 2.x about smart charging and energy (blocks K, Q, R)."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from simfleet.station.charging_profiles import MODES
from simfleet.station.configuration_keys import KEYS, Key
from simfleet.station.meter import EXPORTED, MEASURANDS, ONLY_16

LIMIT_CHANGE: Final = "SmartChargingCtrlr.LimitChangeSignificance"
LIMIT_SCHEDULES: Final = "SmartChargingCtrlr.NotifyChargingLimitWithSchedules"
DER_MODES: Final = "DCDERCtrlr.ModesSupported"
_PURPOSES: Final = frozenset({"PriorityCharging", "LocalGeneration"})
_DER_TYPES: Final = (
    "EnterService,FixedPFAbsorb,FixedPFInject,FixedVar,FreqDroop,FreqWatt,Gradients,HFMayTrip,"
    "HFMustTrip,HVMayTrip,HVMomCess,HVMustTrip,LFMustTrip,LVMayTrip,LVMomCess,LVMustTrip,"
    "LimitMaxDischarge,PowerMonitoringMustTrip,VoltVar,VoltWatt,WattPF,WattVar"
)

ENERGY_KEYS: Final[tuple[Key, ...]] = (
    Key(name="SmartChargingCtrlr.Enabled", type="bool", default="true"),
    # Per cent that an outer limit has to change by to be told.
    Key(name=LIMIT_CHANGE, type="int", default="1", high=100, unit="%"),
    Key(name=LIMIT_SCHEDULES, type="bool", default="false"),
    # Ids up to this are not the CSMS's.
    Key(
        name="SmartChargingCtrlr.MaxExternalConstraintsId",
        type="int",
        default="-1",
        low=-(2**31),
        readonly=True,
    ),
)
"""Rows of `KEYS_2`."""

ENERGY_KEYS_21: Final[tuple[Key, ...]] = (
    Key(
        name="SmartChargingCtrlr.SupportedAdditionalPurposes",
        type="csv",
        default="PriorityCharging,LocalGeneration",
        members=_PURPOSES,
        readonly=True,
    ),
    Key(name="V2XChargingCtrlr.Enabled", type="bool", default="true"),
    Key(
        name="V2XChargingCtrlr.SupportedOperationModes",
        type="csv",
        default=",".join(sorted(MODES)),
        members=MODES,
        readonly=True,
    ),
    Key(
        name=DER_MODES,
        type="csv",
        default=_DER_TYPES,
        members=frozenset(_DER_TYPES.split(",")),
        readonly=True,
    ),
)
"""Keys of stations that speak 2.1."""

WIDENED: Final[tuple[Key, ...]] = tuple(
    replace(KEYS[name], members=(MEASURANDS - ONLY_16) | EXPORTED)
    for name in ("MeterValuesSampledData", "MeterValuesAlignedData")
)
"""Keys of 1.6 that take other words in 2.x, with the factory settings that they have."""
