"""What all chargers of one kind share. Ten thousand stations refer to one of these, so it is
immutable.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from simfleet.ocpp.rpc import CALL_TIMEOUT_S
from simfleet.station.chance import Span
from simfleet.station.distributions import Distribution
from simfleet.station.meter import ElectricalSpec
from simfleet.station.quirks import Quirks
from simfleet.station.vehicle import VehicleSpec

DOWNLOAD_S = 5.0
"""How long a simulated download of firmware takes."""
UPLOAD_S = 2.0
"""How long a simulated upload of diagnostics or of a log takes."""
INSTALL_S = 10.0
"""How long the installation of firmware takes, before the reboot."""
BOOT_RETRY_S = 60.0
"""Pause before the next BootNotification when the CSMS gave none (error, no answer, interval 0)."""
REBOOT_S = 5.0
"""How long a charger is dark when it reboots."""
SOFT_RESET_MAX_S = 30.0
"""How long a soft reset waits for the stop of its transactions to be delivered."""
LEAVING_RETRY_S = 1.0
"""TransactionMessageRetryInterval of a charger that leaves for good, if its own is longer."""


class Habits(Struct, frozen=True):
    """How the drivers of an autopilot behave."""

    think_time_s: Distribution = Span(5.0, 20.0)
    """Each step of a human: tag after cable, stop after the car is full, cable after stop."""
    pause_s: Distribution = Span(10.0, 60.0)
    """From the end of a session until the next car comes."""
    energy_wh: Distribution = Span(5_000.0, 40_000.0)
    """What a driver wants; a car that is full earlier leaves earlier."""
    soc: Span = Span(0.1, 0.6)
    """State of charge on arrival, 0 to 1."""
    dwell_s: Distribution | None = None
    """How long a car that takes no more stays plugged in before its driver is back."""
    id_tags: tuple[str, ...] = ()
    """Tags that drivers draw theirs from; empty: all of a charger's drivers have its own tag."""


class StationSpec(Struct, frozen=True):
    """Model, wiring and habits of a kind of charger."""

    electrical: ElectricalSpec
    vehicles: tuple[VehicleSpec, ...]
    version: Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"] = "ocpp1.6"
    vendor: str = "SimFleet"
    model: str = "SF-22"
    firmware_version: str = "1.0.0"
    connectors: int = 1
    habits: Habits = Habits()
    station_max_power_w: float | None = None
    """What all connectors have together (the grid connection); None: enough for all."""
    min_current_a: float = 6.0
    """The least an AC outlet can offer in each phase (IEC 61851-1); less means nothing. 0: no
    such limit."""
    free_charging: bool = False
    """Starts transactions without asking the CSMS about the tag."""
    fixed_cable: bool = False
    """The station has cables of its own (DC always has): there is no lock to open."""
    transfers: Literal["real", "simulated"] = "real"
    """Whether files really go to and come from where the CSMS says. Simulated: nothing is opened,
    every URL of a supported scheme works, and firmware has a pretend content.
    """
    download_s: float = DOWNLOAD_S
    upload_s: float = UPLOAD_S
    install_s: float = INSTALL_S
    call_timeout_s: float = CALL_TIMEOUT_S
    boot_retry_s: float = BOOT_RETRY_S
    reboot_s: float = REBOOT_S
    security_events: bool = False
    """Tells of security events at security profile 0 too, see `security`."""
    serial_number: str = ""
    """Pattern of chargePointSerialNumber, see `nameplate`; empty: the identity."""
    iccid: str = ""
    imsi: str = ""
    meter_type: str = ""
    meter_serial_number: str = ""
    """Patterns as well; empty: a charger that has no such thing."""
    outlets: tuple[ElectricalSpec, ...] = ()
    """One per connector, where they differ; empty: all are as `electrical`."""
    swaps_batteries: bool = False
    """A battery swap station: every EVSE is a slot (2.1), see `battery_swap`."""
    quirks: Quirks | None = None
    """What this kind of charger does differently; None: nothing."""

    def outlet(self, connector_id: int) -> ElectricalSpec:
        """The electrical side of a connector, counted from 1."""
        if connector_id <= len(self.outlets):
            return self.outlets[connector_id - 1]
        return self.electrical
