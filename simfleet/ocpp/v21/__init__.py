"""OCPP 2.1 (edition 1): 91 messages. What 2.0.1 has is taken from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.ocpp.catalog import Catalog, actions_of
from simfleet.ocpp.v21 import messages
from simfleet.ocpp.v201 import CSMS, STATION

if TYPE_CHECKING:
    from collections.abc import Mapping

# What 2.1 adds to the functional blocks of 2.0.1, part 2; who sends what.
_STATION: Final[Mapping[str, str]] = {
    "Authorization": "NotifySettlement VatNumberValidation",
    "SmartCharging": "NotifyPriorityCharging PullDynamicScheduleUpdate",
    "ISO15118Certificates": "GetCertificateChainStatus",
    "Diagnostics": "ClosePeriodicEventStream NotifyPeriodicEventStream OpenPeriodicEventStream",
    "DER": "NotifyDERAlarm NotifyDERStartStop ReportDERControl",
    "BatterySwap": "BatterySwap",
}
_CSMS: Final[Mapping[str, str]] = {
    "Authorization": "NotifyWebPaymentStarted",
    "TariffAndCost": "ChangeTransactionTariff ClearTariffs GetTariffs SetDefaultTariff",
    "SmartCharging": "UpdateDynamicSchedule UsePriorityCharging",
    "Diagnostics": "AdjustPeriodicEventStream GetPeriodicEventStream",
    "BidirectionalPowerTransfer": "AFRRSignal NotifyAllowedEnergyTransfer",
    "DER": "ClearDERControl GetDERControl SetDERControl",
    "BatterySwap": "RequestBatterySwap",
}


def _with(blocks: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    names = dict.fromkeys((*blocks, *more))
    return {block: f"{blocks.get(block, '')} {more.get(block, '')}".strip() for block in names}


V21: Final = Catalog(
    "ocpp2.1",
    actions_of(
        "ocpp2.1",
        messages,
        station=_with(STATION, _STATION),
        csms=_with(CSMS, _CSMS),
    ),
)
"""Every message of OCPP 2.1."""
