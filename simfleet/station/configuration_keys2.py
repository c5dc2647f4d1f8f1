"""The variables of OCPP 2.x that a station's behaviour hangs on and 1.6 has no key for.

They are keys named `Component.Variable` (`Component[instance].Variable`). What 1.6 knows too is
1.6's key; the device model (`device_model.py`) shows both under their names in 2.x.
"""

from __future__ import annotations

from typing import Final

from simfleet.station.configuration_keys import Key
from simfleet.station.meter import MEASURANDS, REGISTER

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
_DAY_S: Final = 86_400


def _seconds(name: str, default: int, *, high: int = 2**31 - 1) -> Key:
    return Key(name=name, type="int", default=str(default), high=high, unit="s")


KEYS_2: Final[tuple[Key, ...]] = (
    Key(name=START_POINT, type="csv", default="PowerPathClosed", members=POINTS),
    Key(name=STOP_POINT, type="csv", default="EVConnected,Authorized", members=POINTS),
    Key(name=STARTED_MEASURANDS, type="csv", default=REGISTER, members=MEASURANDS),
    Key(name=ENDED_MEASURANDS, type="csv", default=REGISTER, members=MEASURANDS),
    # Samples kept for the Ended event; 0: only the first and the last.
    _seconds(ENDED_INTERVAL, 0),
    _seconds(ALIGNED_ENDED_INTERVAL, 0, high=_DAY_S),
    Key(name=ALIGNED_ENDED_MEASURANDS, type="csv", default=REGISTER, members=MEASURANDS),
    Key(name=DURING_IDLE, type="bool", default="false"),
    _seconds(OFFLINE_THRESHOLD, 60),
    Key(name=BEFORE_ACCEPTED, type="bool", default="false"),
    # How long a transaction that a loss of power has cut off may still go on (2.1); 0: it ends.
    _seconds(RESUMPTION, 0),
    Key(
        name=MASTER_GROUP,
        type="str",
        default="",
        pattern=r".{0,36}",
        accepts="a groupIdToken of at most 36 characters; empty: none",
    ),
)
"""Added to the keys of a station that speaks 2.x."""
