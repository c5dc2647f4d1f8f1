"""The variables of OCPP 2.x about tariffs and costs (block I, TariffCostCtrlr), and what 2.1 adds
for them and for payment and battery swap (C, S).
"""

from __future__ import annotations

from typing import Final

from simfleet.station.configuration_keys import Key

CURRENCY: Final = "TariffCostCtrlr.Currency"
TARIFFS_ENABLED: Final = "TariffCostCtrlr.Enabled[Tariff]"
RUNNING_COST_ENABLED: Final = "TariffCostCtrlr.Enabled[RunningCost]"
COST_INTERVAL: Final = "TariffCostCtrlr.Interval[Cost]"
ELEMENTS_MAX: Final = "TariffCostCtrlr.MaxElements[Tariff]"
CONDITIONS_SUPPORTED: Final = "TariffCostCtrlr.ConditionsSupported[Tariff]"
FAILED_TARIFF: Final = "TariffCostCtrlr.HandleFailedTariff[Tariff]"
RECEIPT_BY_CSMS: Final = "PaymentCtrlr.ReceiptByCSMS"
SWAP_IN_TIMEOUT: Final = "BatterySwapCtrlr.BatterySwapInTimeout"
SWAP_OUT_TIMEOUT: Final = "BatterySwapCtrlr.BatterySwapOutTimeout"
SWAP_TARGET_SOC: Final = "BatterySwapCtrlr.BatterySwapTargetSoc"

_MESSAGE_MAX: Final = r"[\s\S]{0,255}"


def _message(name: str) -> Key:
    return Key(
        name=name,
        type="str",
        default="",
        pattern=_MESSAGE_MAX,
        accepts="a text of at most 255 characters",
    )


COST_KEYS: Final[tuple[Key, ...]] = (
    Key(
        name=CURRENCY,
        type="str",
        default="EUR",
        pattern=r"[A-Z]{3}",
        accepts="a currency of three letters (ISO 4217)",
    ),
    _message("TariffCostCtrlr.TariffFallbackMessage"),
    _message("TariffCostCtrlr.TotalCostFallbackMessage"),
    # Costs that the CSMS tells of are shown.
    Key(name="TariffCostCtrlr.Enabled[Cost]", type="bool", default="true"),
)
"""Rows of `KEYS_2`."""

TARIFF_KEYS: Final[tuple[Key, ...]] = (
    # The station calculates costs itself, by the tariffs that it has.
    Key(name=TARIFFS_ENABLED, type="bool", default="true"),
    Key(name=RUNNING_COST_ENABLED, type="bool", default="true"),
    # Seconds from one running cost to the next; 0: none but with other events.
    Key(name=COST_INTERVAL, type="int", default="60", high=86_400, unit="s"),
    # Prices in one field of a tariff.
    Key(name=ELEMENTS_MAX, type="int", default="20", low=1, readonly=True),
    Key(name=CONDITIONS_SUPPORTED, type="bool", default="true", readonly=True),
    Key(
        name=FAILED_TARIFF,
        type="enum",
        default="UseDefaultTariff",
        members=frozenset({"Deauthorize", "UseDefaultTariff", "CentralCost"}),
    ),
    # False: the payment terminal makes out the receipt.
    Key(name=RECEIPT_BY_CSMS, type="bool", default="true"),
    # How long a slot stays open for a battery, and one on offer may be left there.
    Key(name=SWAP_IN_TIMEOUT, type="int", default="60", high=86_400, unit="s"),
    Key(name=SWAP_OUT_TIMEOUT, type="int", default="60", high=86_400, unit="s"),
    # Batteries are given out from this state of charge on.
    Key(name=SWAP_TARGET_SOC, type="int", default="80", high=100, unit="%"),
)
"""Keys of stations that speak 2.1."""
