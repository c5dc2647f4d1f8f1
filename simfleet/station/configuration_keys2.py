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

KEYS_2: Final[tuple[Key, ...]] = (
    Key(name=START_POINT, type="csv", default="PowerPathClosed", members=POINTS),
    Key(name=STOP_POINT, type="csv", default="EVConnected,Authorized", members=POINTS),
    Key(name=STARTED_MEASURANDS, type="csv", default=REGISTER, members=MEASURANDS),
    Key(name=ENDED_MEASURANDS, type="csv", default=REGISTER, members=MEASURANDS),
)
"""Added to the keys of a station that speaks 2.x."""
