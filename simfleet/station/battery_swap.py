"""A battery swap station (OCPP 2.1 part 2, block S): every EVSE is a slot, the vehicle in it a
battery.

A swap is authorized by a tag (S01) or asked for by the CSMS (S02). Then as many batteries go in as
the driver brings, and as many charged ones are offered (S03, in the order In-Out). A slot that
stays empty ends the swap; a battery that is not taken is told of, and stays. Batteries in slots
charge as vehicles do, in transactions of nobody's (S04).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.errors import Refused
from simfleet.station import agenda, authorization, charging
from simfleet.station.agenda import Job
from simfleet.station.battery import CAPACITY_WH, Battery
from simfleet.station.configuration_keys_tariff import (
    SWAP_IN_TIMEOUT,
    SWAP_OUT_TIMEOUT,
    SWAP_TARGET_SOC,
)
from simfleet.station.payment_messages import SwapEvent, SwapNotice
from simfleet.station.phase import Move, Phase
from simfleet.station.tokens import tag_of
from simfleet.station.vehicle import Vehicle, VehicleSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.tokens import TokenInfo

NOBODY: Final = tag_of("NoAuthorization", "")
CHARGE_W: Final = 1_000.0
"""What a battery takes at most."""
NO_BATTERY: Final = "NoBatteryAvailable"


class Swap:
    """One that goes on. `offered` are the slots whose batteries may be taken."""

    __slots__ = ("id_tag", "offered", "request_id")

    def __init__(self, request_id: int, id_tag: str) -> None:
        self.request_id = request_id
        self.id_tag = id_tag
        self.offered: tuple[int, ...] = ()


class Swaps:
    """What a swap station knows of its batteries; None at other stations."""

    __slots__ = ("batteries", "last_id", "swap")

    def __init__(self) -> None:
        self.batteries: dict[int, Battery] = {}
        """By slot, as they were put in; how full they are is seen at the slot."""
        self.swap: Swap | None = None
        self.last_id = 0
        """The last requestId of our own."""


def stock(station: Station) -> None:
    """A new swap station has a charged battery in every slot but the last."""
    station.swaps = Swaps()
    for connector in station.connectors[:-1]:
        serial = f"{station.identity}-{connector.id}"[-50:]
        _place(station, connector, Battery(connector.id, serial, 100.0, 100.0, CAPACITY_WH))


def _swaps(station: Station) -> Swaps:
    if station.swaps is None:
        raise Refused(f"{station.identity} swaps no batteries")
    return station.swaps


def _vehicle(connector: Connector, battery: Battery) -> tuple[VehicleSpec, float]:
    """A battery as a vehicle, and its state of charge from 0 to 1."""
    spec = VehicleSpec(
        f"battery {battery.serial_number}", battery.capacity_wh, CHARGE_W, CHARGE_W, phases=1
    )
    return spec, battery.soc_percent / 100.0


def _place(station: Station, connector: Connector, battery: Battery) -> None:
    """A battery is in a slot, and was before the station knew."""
    spec, soc = _vehicle(connector, battery)
    connector.plugged = True
    connector.vehicle = Vehicle(spec, soc=soc, kind=connector.meter.spec.kind)
    if connector.phase is Phase.AVAILABLE:
        connector.move(Move.OCCUPIED)
    _swaps(station).batteries[connector.id] = battery


def batteries(station: Station, *, at_s: float) -> list[Battery]:
    """All batteries in slots as they are now, by slot."""
    swaps = _swaps(station)
    return [_seen(station, slot, at_s=at_s) for slot in sorted(swaps.batteries)]


def _seen(station: Station, slot: int, *, at_s: float) -> Battery:
    known = _swaps(station).batteries[slot]
    connector = station.connectors[slot - 1]
    if at_s > connector.metered_s:
        connector.meter_to(at_s)
    vehicle = connector.vehicle
    soc_percent = known.soc_percent if vehicle is None else round(100.0 * vehicle.soc, 1)
    return Battery(slot, known.serial_number, soc_percent, known.soh_percent, known.capacity_wh)


def charged(station: Station, *, at_s: float) -> list[Battery]:
    """The batteries that can be given out, the fullest first."""
    target = station.configuration.whole(SWAP_TARGET_SOC)
    full = [
        one
        for one in batteries(station, at_s=at_s)
        if one.soc_percent >= target and _works(station.connectors[one.slot - 1])
    ]
    return sorted(full, key=lambda one: -one.soc_percent)


def empty_slots(station: Station) -> list[int]:
    """The slots that can take a battery."""
    swaps = _swaps(station)
    return [
        connector.id
        for connector in station.connectors
        if connector.id not in swaps.batteries and _works(connector)
    ]


def _works(connector: Connector) -> bool:
    return connector.phase not in (Phase.FAULTED, Phase.UNAVAILABLE) and not connector.inoperative


# ── authorization ─────────────────────────────────────────────────────────────────────────────────


def requested(station: Station, request_id: int, id_tag: str, *, at_s: float) -> str:
    """RequestBatterySwap (S02): why not (a reason code), or nothing."""
    refusal = _why_not(station, at_s=at_s)
    if not refusal:
        _open(station, Swap(request_id, id_tag), at_s=at_s)
    return refusal


def present(station: Station, id_tag: str, *, at_s: float) -> None:
    """A driver wants to swap (S01): the CSMS is asked about the tag. Raises `Refused` when there is
    nothing to swap with.
    """
    _swaps(station)
    refusal = _why_not(station, at_s=at_s)
    if refusal:
        raise Refused(f"{station.identity} cannot swap now: {refusal}")
    if station.may_report:
        connector = station.connectors[empty_slots(station)[0] - 1]
        purpose = authorization.TO_SWAP
        authorization.ask(station, connector, id_tag, purpose=purpose, at_s=at_s)
    elif station.configuration.flag("LocalAuthorizeOffline"):
        known = authorization.known_of(station, id_tag, at_s=at_s)
        authorized(station, id_tag, known, at_s=at_s)


def authorized(station: Station, id_tag: str, info: TokenInfo | None, *, at_s: float) -> None:
    """The CSMS has spoken about the tag of a driver who wants to swap; None: it has not."""
    swaps = station.swaps
    if swaps is None or info is None or info.status != "Accepted":
        return
    if not _why_not(station, at_s=at_s):
        swaps.last_id += 1
        _open(station, Swap(swaps.last_id, id_tag), at_s=at_s)


def _why_not(station: Station, *, at_s: float) -> str:
    if _swaps(station).swap is not None:
        return "Occupied"
    return "" if charged(station, at_s=at_s) and empty_slots(station) else NO_BATTERY


def _open(station: Station, swap: Swap, *, at_s: float) -> None:
    """The empty slots open for a while."""
    _swaps(station).swap = swap
    timeout_s = station.configuration.seconds(SWAP_IN_TIMEOUT)
    agenda.at(station, Job.BATTERY_SWAP, at_s + timeout_s)


# ── in and out ────────────────────────────────────────────────────────────────────────────────────


def insert(station: Station, brought: Sequence[Battery], *, at_s: float) -> None:
    """The driver puts batteries in (S03), and as many charged ones are offered, if there are.
    Raises `Refused` when nobody is authorized, or a slot is not open.
    """
    swaps = _swaps(station)
    swap = swaps.swap
    if swap is None or swap.offered:
        raise Refused(f"the slots of {station.identity} are not open")
    slots = [one.slot for one in brought]
    free = empty_slots(station)
    if not slots or len(set(slots)) < len(slots) or not set(slots) <= set(free):
        raise Refused(f"the open slots are {', '.join(map(str, free))}, not {slots}")
    ready = charged(station, at_s=at_s)[: len(slots)]
    for one in brought:
        connector = station.connectors[one.slot - 1]
        spec, soc = _vehicle(connector, one)
        charging.plug_in(station, connector, at_s=at_s, vehicle=spec, soc=soc)
        swaps.batteries[one.slot] = one
        _charge(station, connector, at_s=at_s)
    _tell(station, "BatteryIn", swap, list(brought), at_s=at_s)
    swap.offered = tuple(one.slot for one in ready)
    timeout_s = station.configuration.seconds(SWAP_OUT_TIMEOUT)
    agenda.at(station, Job.BATTERY_SWAP, at_s + timeout_s)


def take(station: Station, *, at_s: float) -> None:
    """The driver takes the batteries that are offered. Raises `Refused` when there are none."""
    swaps = _swaps(station)
    swap = swaps.swap
    if swap is None or not swap.offered:
        raise Refused(f"{station.identity} offers no battery")
    taken = [_seen(station, slot, at_s=at_s) for slot in swap.offered]
    for slot in swap.offered:
        charging.unplug(station, station.connectors[slot - 1], at_s=at_s)
        del swaps.batteries[slot]
    _over(station)
    _tell(station, "BatteryOut", swap, taken, at_s=at_s)


def due(station: Station, _: int, /, *, at_s: float) -> None:
    """Nobody has put a battery in, or taken those that are offered: the job of the agenda."""
    swaps = station.swaps
    if swaps is None or swaps.swap is None:
        return
    swap = swaps.swap
    _over(station)
    if swap.offered:
        left = [_seen(station, slot, at_s=at_s) for slot in swap.offered]
        _tell(station, "BatteryOutTimeout", swap, left, at_s=at_s)


def _over(station: Station) -> None:
    _swaps(station).swap = None
    agenda.cancel(station, Job.BATTERY_SWAP)


def _tell(
    station: Station, kind: SwapEvent, swap: Swap, concerned: list[Battery], *, at_s: float
) -> None:
    notice = SwapNotice(kind, swap.request_id, swap.id_tag, tuple(concerned))
    station.say(notice, due_s=at_s)


def _charge(station: Station, connector: Connector, *, at_s: float) -> None:
    """A battery charges for nobody (S04)."""
    if connector.transaction is None and connector.phase is Phase.PREPARING:
        authorization.present_token(station, connector, NOBODY, at_s=at_s)


def resume(station: Station, *, at_s: float) -> None:
    """After a boot, batteries that are not full go on charging."""
    for slot in sorted(_swaps(station).batteries):
        connector = station.connectors[slot - 1]
        if connector.vehicle is not None and not connector.vehicle.full:
            _charge(station, connector, at_s=at_s)


def went_dark(station: Station) -> None:
    """A swap does not outlive a boot: whoever put a battery in has to ask for another."""
    _over(station)


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


def remembered(station: Station) -> list[Battery]:
    """The batteries that are in slots."""
    if station.swaps is None:
        return []
    return [_seen(station, slot, at_s=0.0) for slot in sorted(station.swaps.batteries)]


def restore(station: Station, known: list[Battery]) -> None:
    """Put them into a station that is made anew, instead of those it came with."""
    if station.swaps is None or not known:
        return
    for slot in tuple(station.swaps.batteries):
        connector = station.connectors[slot - 1]
        connector.unplug()
        if connector.phase is Phase.PREPARING:
            connector.move(Move.RELEASED)
    station.swaps.batteries.clear()
    for battery in known:
        if battery.slot <= len(station.connectors):
            _place(station, station.connectors[battery.slot - 1], battery)
