"""What some chargers do differently from OCPP, or from all others: data, shared by all of a model.

A station whose spec has no quirks knows nothing of this: `dialects.dialect_of` gives it the plain
dialect. One that has gets `dialects/v16_quirks.py` or `dialects/v2x_quirks.py`, which do
almost all of it on the wire.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

EnergyUnit = Literal["", "kWh", "Wh", "none"]
Timestamps = Literal["", "whole_seconds", "local_time", "no_zone"]
Tags = Literal["", "upper_case", "lower_case", "reversed_bytes"]


class Quirks(Struct, frozen=True, kw_only=True):
    """The quirks of a kind of charger; a default is what OCPP says. docs/models.md explains them.

    Actions, keys and statuses are spelled as OCPP spells them.
    """

    status_connector_zero_only: bool = False
    """StatusNotification for connector 0, never for a connector."""
    no_connector_zero_status: bool = False
    """StatusNotification for connectors, never for connector 0."""
    skipped_statuses: frozenset[str] = frozenset()
    """Statuses of connectors that are never reported."""
    boots_on_reconnect: bool = False
    """BootNotification after every new connection, not only after a boot."""
    own_heartbeat_interval: bool = False
    """The interval in the answer to BootNotification is passed over."""
    ignored_keys: frozenset[str] = frozenset()
    """ChangeConfiguration of these is Accepted and changes nothing; in lower case."""
    lacking_actions: frozenset[str] = frozenset()
    """CALLs that are answered NotImplemented."""
    remote_start_needs_connector: bool = False
    """RemoteStartTransaction without a connectorId is Rejected."""
    remote_start_needs_cable: bool = False
    """RemoteStartTransaction is Rejected while no cable is in."""
    energy_in_kwh: EnergyUnit = ""
    """Energy in meter values is a number of kWh, and its unit says so, says Wh, or says nothing."""
    defaults_left_out: bool = False
    """Sampled values have no measurand, context, unit and location where OCPP has a default."""
    register_from_zero: bool = False
    """meterStart is 0 and everything else of the transaction counts from there."""
    meter_values_without_transaction: bool = False
    """MeterValues never have a transactionId."""
    no_transaction_data: bool = False
    """StopTransaction never has transactionData."""
    no_stop_reason: bool = False
    """StopTransaction never has a reason."""
    no_stop_tag: bool = False
    """StopTransaction never has an idTag."""
    tags: Tags = ""
    """How tags look on the wire, wherever they came from."""
    timestamps: Timestamps = ""
    """How moments look: whole seconds; local time with its zone; UTC without a zone (no date-time
    of RFC 3339, so strict readers refuse it).
    """
    utc_offset_min: int = 0
    """The zone of `local_time`."""
    seq_no_from_one: bool = False
    """The first TransactionEvent has seqNo 1 (2.x)."""
    no_charging_state: bool = False
    """TransactionEvent never has a chargingState (2.x)."""
    no_offline_flag: bool = False
    """TransactionEvent never says that it happened offline (2.x)."""

    @property
    def registers_mislead(self) -> bool:
        """Whether a CSMS that takes numbers at their word sees the energy register go down."""
        return self.register_from_zero or self.energy_in_kwh in ("Wh", "none")

    @property
    def energy_understated(self) -> bool:
        """Whether a CSMS of 2.x, which knows energy from meter values alone, sees less of it: the
        last ones are missing, or their numbers are too small.
        """
        return self.no_transaction_data or self.energy_in_kwh in ("Wh", "none")
