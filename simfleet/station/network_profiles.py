"""Where a station of OCPP 2.x connects to: the slots that SetNetworkProfile fills, and which of
them is in use (2.0.1 part 2, B09, B10, A05).

Slot 1 is what the installer left. A slot is tried after the next boot, when
NetworkConfigurationPriority names it first; after NetworkProfileConnectionAttempts failures the
next one of the list has its turn. A station whose CSMS has never set a profile has no `Network`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.station import commands, credentials
from simfleet.station.configuration_keys import items_of
from simfleet.station.device_model import Place, Refusal
from simfleet.station.security import TLS, profile

if TYPE_CHECKING:
    from simfleet.station.device_model import SetStatus
    from simfleet.station.station import Station

PRIORITY: Final = "OCPPCommCtrlr.NetworkConfigurationPriority"
ATTEMPTS: Final = "OCPPCommCtrlr.NetworkProfileConnectionAttempts"
SLOTS: Final = (1, 2, 3)
INSTALLED: Final = 1
"""The slot of what the installer left."""


class NetworkProfile(Struct, frozen=True, gc=False):
    """One way to a CSMS. An empty `url` is the installer's. `details` are what the station keeps
    and does not need: interface, APN, VPN, as JSON.
    """

    url: str
    security_profile: int
    version: str = "OCPP20"
    transport: str = "JSON"
    message_timeout_s: int = 30
    password: str = ""
    details: str = ""


class Network(Struct, gc=False):
    """The slots of one station. `failures` are those in a row of the active one."""

    slots: dict[int, NetworkProfile]
    active: int = INSTALLED
    failures: int = 0


def _of(station: Station) -> Network:
    if station.network is None:
        station.network = Network({INSTALLED: NetworkProfile("", profile(station))})
    return station.network


def active(station: Station, _: Place, __: float) -> str:
    """ActiveNetworkProfile."""
    return str(INSTALLED if station.network is None else station.network.active)


def put(station: Station, slot: int, wanted: NetworkProfile, *, at_s: float) -> Refusal | None:
    """Fill a slot; it is not used before NetworkConfigurationPriority says so. Returns why not."""
    why_not = _why_not(station, slot, wanted, at_s=at_s)
    if why_not is None:
        _of(station).slots[slot] = wanted
    return why_not


def _why_not(station: Station, slot: int, wanted: NetworkProfile, *, at_s: float) -> Refusal | None:
    if slot not in SLOTS:
        return Refusal("InvalidNetworkConf", f"slots are {', '.join(map(str, SLOTS))}")
    if slot == (INSTALLED if station.network is None else station.network.active):
        return Refusal("PriorityNetworkConf", f"slot {slot} is in use")
    if wanted.transport != "JSON" or wanted.version not in ("OCPP20", "OCPP201", "OCPP21"):
        return Refusal("InvalidNetworkConf", "this station speaks OCPP 2.x over JSON")
    if wanted.security_profile not in (0, 1, 2, 3):
        return Refusal("InvalidNetworkConf", "security profiles are 0 to 3")
    if wanted.security_profile < profile(station):
        return Refusal("NoSecurityDowngrade", f"the security profile is {profile(station)} already")
    scheme = "wss://" if wanted.security_profile >= TLS else "ws://"
    if not wanted.url.startswith(scheme):
        return Refusal("InvalidNetworkConf", f"the URL must begin with {scheme}")
    if wanted.security_profile > 0:
        lacks = credentials.missing(station, wanted.security_profile, at_s=at_s)
        if lacks is not None and not (wanted.password and "AuthorizationKey" in lacks):
            return Refusal("InvalidNetworkConf", f"this station needs {lacks} first")
    return None


def set_priority(station: Station, _: Place, value: str, at_s: float) -> SetStatus | Refusal:
    """NetworkConfigurationPriority: only slots that are filled and not below what is in use."""
    filled = {INSTALLED: None} if station.network is None else station.network.slots
    slots = [int(item) for item in items_of(value)]
    empty = [str(slot) for slot in slots if slot not in filled]
    if not slots or empty:
        return Refusal("InvalidNetworkConf", f"no profile in slot {', '.join(empty) or 'none'}")
    if station.network is not None and any(
        station.network.slots[slot].security_profile < profile(station) for slot in slots
    ):
        return Refusal("NoSecurityDowngrade", f"security profile {profile(station)} is in use")
    status = commands.change_configuration(station, PRIORITY, value, at_s=at_s)
    return "RebootRequired" if status == "RebootRequired" else "Accepted"


# ── connecting ────────────────────────────────────────────────────────────────────────────────────


def url(station: Station) -> str:
    """Where to connect; empty: where the installer said."""
    network = station.network
    return "" if network is None else network.slots[network.active].url


def rebooted(station: Station) -> None:
    """The first slot of the priority has its turn."""
    if station.network is not None:
        _activate(station, _order(station)[0])


def connected(station: Station) -> None:
    """The active slot works: what is less secure is not gone back to (A05.FR.05 to .07)."""
    network = station.network
    if network is None:
        return
    network.failures = 0
    level = network.slots[network.active].security_profile
    order = [slot for slot in _order(station) if network.slots[slot].security_profile >= level]
    station.configuration.store(PRIORITY, ",".join(map(str, order)))


def connect_failed(station: Station) -> None:
    """After so many attempts the next slot is tried, and after the last one the first."""
    network = station.network
    if network is None:
        return
    network.failures += 1
    if network.failures < station.configuration.whole(ATTEMPTS):
        return
    order = _order(station)
    place = order.index(network.active) if network.active in order else -1
    _activate(station, order[(place + 1) % len(order)])


def _order(station: Station) -> list[int]:
    network = _of(station)
    named = items_of(station.configuration.get(PRIORITY) or "")
    return [slot for slot in map(int, named) if slot in network.slots] or [network.active]


def _activate(station: Station, slot: int) -> None:
    network = _of(station)
    network.failures = 0
    if slot == network.active:
        return
    network.active = slot
    chosen = network.slots[slot]
    station.configuration.store("SecurityProfile", str(chosen.security_profile))
    if chosen.password:
        station.configuration.store("AuthorizationKey", chosen.password.encode().hex())
