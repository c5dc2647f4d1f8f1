"""The variables of OCPP 2.x that a station's behaviour hangs on and 1.6 has no key for.

They are keys named `Component.Variable` (`Component[instance].Variable`). What 1.6 knows too is
1.6's key; the device model (`device_model.py`) shows both under their names in 2.x.
"""

from __future__ import annotations

from typing import Final

from simfleet.station.configuration_keys import Key
from simfleet.station.configuration_keys_energy import ENERGY_KEYS
from simfleet.station.configuration_keys_tariff import COST_KEYS
from simfleet.station.device_model_keys import DEVICE_KEYS
from simfleet.station.meter import EXPORTED, MEASURANDS, ONLY_16, REGISTER

START_POINT: Final = "TxCtrlr.TxStartPoint"
STOP_POINT: Final = "TxCtrlr.TxStopPoint"
POINTS: Final = frozenset(
    {
        "Authorized",
        "DataSigned",
        "EVConnected",
        "EnergyTransfer",
        "ParkingBayOccupancy",
        "PowerPathClosed",
    }
)
STARTED_MEASURANDS: Final = "SampledDataCtrlr.TxStartedMeasurands"
ENDED_MEASURANDS: Final = "SampledDataCtrlr.TxEndedMeasurands"
OFFLINE_THRESHOLD: Final = "OCPPCommCtrlr.OfflineThreshold"
BEFORE_ACCEPTED: Final = "TxCtrlr.TxBeforeAcceptedEnabled"
RESUMPTION: Final = "TxCtrlr.ResumptionTimeout"
MASTER_GROUP: Final = "AuthCtrlr.MasterPassGroupId"
ENDED_INTERVAL: Final = "SampledDataCtrlr.TxEndedInterval"
ALIGNED_ENDED_INTERVAL: Final = "AlignedDataCtrlr.TxEndedInterval"
ALIGNED_ENDED_MEASURANDS: Final = "AlignedDataCtrlr.TxEndedMeasurands"
DURING_IDLE: Final = "AlignedDataCtrlr.SendDuringIdle"
NEW_SESSIONS_DURING_UPDATE: Final = "ChargingStation.AllowNewSessionsPendingFirmwareUpdate"
DISPLAY_ENABLED: Final = "DisplayMessageCtrlr.Enabled"
DISPLAY_MAX: Final = "NumberOfDisplayMessagesMax"
DISPLAY_FORMATS: Final = "DisplayMessageCtrlr.SupportedFormats"
DISPLAY_PRIORITIES: Final = "DisplayMessageCtrlr.SupportedPriorities"
PNC_ENABLED: Final = "ISO15118Ctrlr.PnCEnabled"
CENTRAL_VALIDATION: Final = "ISO15118Ctrlr.CentralContractValidationAllowed"
OFFLINE_VALIDATION: Final = "ISO15118Ctrlr.ContractValidationOffline"
CONTRACT_INSTALLATION: Final = "ISO15118Ctrlr.ContractCertificateInstallationEnabled"
V2G_INSTALLATION: Final = "ISO15118Ctrlr.V2GCertificateInstallationEnabled"
_FORMATS: Final = frozenset({"ASCII", "HTML", "URI", "UTF8", "QRCODE"})
_PRIORITIES: Final = frozenset({"AlwaysFront", "InFront", "NormalCycle"})
_DAY_S: Final = 86_400
MEASURANDS_2: Final = (MEASURANDS - ONLY_16) | EXPORTED


def _seconds(name: str, default: int, *, high: int = 2**31 - 1) -> Key:
    return Key(name=name, type="int", default=str(default), high=high, unit="s")


KEYS_2: Final[tuple[Key, ...]] = (
    Key(name=START_POINT, type="csv", default="PowerPathClosed", members=POINTS),
    Key(name=STOP_POINT, type="csv", default="EVConnected,Authorized", members=POINTS),
    Key(name=STARTED_MEASURANDS, type="csv", default=REGISTER, members=MEASURANDS_2),
    Key(name=ENDED_MEASURANDS, type="csv", default=REGISTER, members=MEASURANDS_2),
    # Samples kept for the Ended event; 0: only the first and the last.
    _seconds(ENDED_INTERVAL, 0),
    _seconds(ALIGNED_ENDED_INTERVAL, 0, high=_DAY_S),
    Key(name=ALIGNED_ENDED_MEASURANDS, type="csv", default=REGISTER, members=MEASURANDS_2),
    Key(name=DURING_IDLE, type="bool", default="false"),
    _seconds(OFFLINE_THRESHOLD, 60),
    Key(name=BEFORE_ACCEPTED, type="bool", default="false"),
    # How long a transaction that a loss of power has cut off may still go on (2.1); 0: it ends.
    _seconds(RESUMPTION, 0),
    # One EVSE can be reset without the others.
    Key(name="EVSE.AllowReset", type="bool", default="true", readonly=True),
    Key(name="ReservationCtrlr.Enabled", type="bool", default="true"),
    # False: tags charge without anybody being asked about them.
    Key(name="AuthCtrlr.Enabled", type="bool", default="true"),
    # How long a tag stays in the cache of which the CSMS has not said so; 0: for ever.
    _seconds("AuthCacheCtrlr.LifeTime", 0),
    Key(name="AuthCacheCtrlr.DisablePostAuthorize", type="bool", default="false"),
    Key(name="LocalAuthListCtrlr.DisablePostAuthorize", type="bool", default="false"),
    Key(
        name=MASTER_GROUP,
        type="str",
        default="",
        pattern=r".{0,36}",
        accepts="a groupIdToken of at most 36 characters; empty: none",
    ),
    Key(name=NEW_SESSIONS_DURING_UPDATE, type="bool", default="false"),
    Key(name=DISPLAY_ENABLED, type="bool", default="true"),
    Key(name=DISPLAY_MAX, type="int", default="20", low=1, readonly=True),
    Key(
        name=DISPLAY_FORMATS,
        type="csv",
        default="ASCII,UTF8,URI",
        members=_FORMATS,
        readonly=True,
    ),
    Key(
        name=DISPLAY_PRIORITIES,
        type="csv",
        default="AlwaysFront,InFront,NormalCycle",
        members=_PRIORITIES,
        readonly=True,
    ),
    Key(name=PNC_ENABLED, type="bool", default="true"),
    Key(name=CENTRAL_VALIDATION, type="bool", default="true"),
    Key(name=OFFLINE_VALIDATION, type="bool", default="true"),
    Key(name=CONTRACT_INSTALLATION, type="bool", default="true"),
    Key(name=V2G_INSTALLATION, type="bool", default="true"),
    *ENERGY_KEYS,
    *DEVICE_KEYS,
    *COST_KEYS,
)
"""Added to the keys of a station that speaks 2.x."""
