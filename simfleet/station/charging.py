"""Charging sessions: cable, tag, energy, and the end of it, on one connector of a station (OCPP 1.6
chapters 3, 4).

Cable and tag come in either order. The words for what happened go to the outbox; statuses are
reported from the edge of the phase, so no path can forget one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from simfleet.errors import Refused
from simfleet.station import plug_and_charge, reservations
from simfleet.station.allotment import allot
from simfleet.station.connector import NEVER_S
from simfleet.station.phase import ENERGIZED, Move, Phase
from simfleet.station.status import moved
from simfleet.station.timing import on_step
from simfleet.station.tokens import same_tag
from simfleet.station.transaction import Transaction
from simfleet.station.vehicle import Vehicle

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.vehicle import VehicleSpec

ROUNDS_MAX: Final = 10
"""How often limits are found anew for what happens while they are put into effect."""
CATCH_UP_MAX: Final = 100
"""Samples of one connector that one tick makes up for; a station that was further behind goes on at
the next tick.
"""


# ── cable ─────────────────────────────────────────────────────────────────────────────────────────


def plug_in(
    station: Station,
    connector: Connector,
    *,
    at_s: float,
    vehicle: VehicleSpec | None = None,
    soc: float | None = None,
) -> None:
    """A cable goes in. Raises `Refused` when there is one already, or the vehicle cannot charge
    here.
    """
    if connector.plugged:
        raise Refused(f"connector {connector.id} has a cable in already")
    spec = station.spec
    chance = station.chance
    vehicle_spec = vehicle if vehicle is not None else chance.choice(spec.vehicles)
    soc = spec.habits.soc.draw(chance) if soc is None else soc
    try:
        connector.vehicle = Vehicle(vehicle_spec, soc=soc, kind=connector.meter.spec.kind)
    except ValueError as error:
        raise Refused(f"connector {connector.id}: {error}") from None
    connector.plugged = True
    connector.ev_paused = False
    connector.held = None
    accounts = station.dialect.accounts
    if (
        connector.transaction is not None
    ):  # StopTransactionOnEVSideDisconnect false: the same session goes on
        flow(station, connector, at_s=at_s)
    elif connector.phase is Phase.AVAILABLE:  # Reserved stays so until the right tag comes
        connector.move(Move.OCCUPIED)
        moved(station, connector, at_s=at_s)
    accounts.plugged(station, connector, at_s=at_s)
    start_when_ready(station, connector, at_s=at_s)


def unplug(station: Station, connector: Connector, *, at_s: float) -> None:
    """The cable comes out. Raises `Refused` when there is none."""
    if not connector.plugged:
        raise Refused(f"connector {connector.id} has no cable in")
    if station.plug_and_charge is not None:
        plug_and_charge.unplugged(station, connector.id)
    connector.meter_to(at_s)
    if connector.transaction is not None:
        if station.dialect.accounts.ends_unplugged(station):
            end(station, connector, reason="EVDisconnected", at_s=at_s, cable_out=True)
        else:
            connector.unplug()
            flow(station, connector, at_s=at_s)
        station.dialect.accounts.unplugged(station, connector, at_s=at_s)
        return
    connector.unplug()
    connector.forget_tag()
    if connector.phase in (Phase.PREPARING, Phase.FINISHING):
        release(station, connector, at_s=at_s)
    station.dialect.accounts.unplugged(station, connector, at_s=at_s)


def let_go(station: Station, connector: Connector, *, at_s: float) -> None:
    """Unlock a cable that was held after its vehicle had gone, and have it taken away."""
    connector.held = None
    if connector.phase is Phase.FINISHING:
        release(station, connector, at_s=at_s)


def release(station: Station, connector: Connector, *, at_s: float) -> None:
    """Neither cable nor tag: Available, or out of service if that was waiting."""
    connector.forget_tag()
    connector.target_wh = None
    if connector.inoperative and connector.phase is Phase.FINISHING:
        connector.move(Move.WITHDRAWN)
    else:
        connector.move(Move.RELEASED)
        if connector.inoperative:
            moved(station, connector, at_s=at_s)
            connector.move(Move.WITHDRAWN)
    moved(station, connector, at_s=at_s)


# ── energy ────────────────────────────────────────────────────────────────────────────────────────


def start_when_ready(station: Station, connector: Connector, *, at_s: float) -> None:
    """Begin the transaction once there are both a tag and a cable."""
    tag = connector.authorized_tag
    if tag is None or not connector.plugged or connector.phase is not Phase.PREPARING:
        return
    station.transactions += 1
    connector.metered_s = at_s
    meter = connector.meter
    wall_s = station.wall_s(at_s)
    transaction = Transaction(
        number=station.transactions,
        connector_id=connector.id,
        id_tag=tag,
        start_wh=meter.energy_wh,
        start_integral_wh=meter.integral_wh,
        wall_s=wall_s,
        at_s=at_s,
    )
    transaction.parent_id_tag = connector.parent_id_tag
    transaction.remote_start = connector.remote_start
    transaction.remote_start_id = connector.remote_start_id
    transaction.remote_start_id = connector.remote_start_id
    if station.reservations is not None:
        transaction.reservation_id = station.reservations.use(
            station, connector, tag, connector.parent_id_tag
        )
    promised = connector.start_profile
    connector.forget_tag()
    connector.transaction = transaction
    if promised is not None and station.profiles is not None and same_tag(promised[0], tag):
        profile = replace(promised[1], connector_id=connector.id)
        station.profiles.put(profile, transaction=transaction.number)
    connector.withheld = False
    connector.limit_wh = None
    connector.sampled_wh = meter.energy_wh
    station.dialect.accounts.began(station, connector, at_s=at_s)
    if connector.visit is None:  # else it is sampled from its beginning
        interval_s = station.configuration.seconds("MeterValueSampleInterval")
        connector.sample_due_s = on_step(at_s + interval_s) if interval_s else NEVER_S
    flow(station, connector, at_s=at_s)
    if transaction.reservation_id is not None:
        reservations.settle(station, at_s=at_s)  # what was kept free for it is anybody's now


def flow(station: Station, connector: Connector, *, at_s: float) -> None:
    """Let energy flow, or not, as things stand; call after anything that may change it."""
    if station.profiles is not None:
        apply_limits(station, at_s=at_s)  # what one connector takes, others may have to give
        return
    connector.meter_to(at_s)
    _let_flow(station, connector, connector.meter.spec.max_power_w, at_s=at_s)


def apply_limits(station: Station, *, at_s: float) -> None:
    """Find anew what each connector may offer (charging profiles, the power that all have
    together), and let energy flow accordingly. Nothing happens where there are no limits.
    """
    profiles = station.profiles
    if profiles is None:
        return
    if profiles.applying:  # an autopilot or a full queue came back to us; the outer round goes on
        profiles.stale = True
        return
    profiles.applying = True
    try:
        for _ in range(ROUNDS_MAX):
            profiles.stale = False
            for connector, electrical, power_w in allot(station, profiles, at_s=at_s):
                # An event may have metered past a boundary that this is late for.
                since_s = max(at_s, connector.metered_s)
                connector.meter_to(since_s)
                connector.meter.spec = electrical
                _let_flow(station, connector, power_w, at_s=since_s)
                if profiles.stale:
                    break
            if not profiles.stale:
                break
    finally:
        profiles.applying = False


def _let_flow(station: Station, connector: Connector, offered_w: float, *, at_s: float) -> None:
    """Offer this much from now on; the meter is there already."""
    move = connector.wanted_move()
    if offered_w < 0.0:
        move = connector.move_to_give()
    elif move is Move.ENERGY_ON and offered_w <= 0.0:
        move = Move.EVSE_WITHHELD
    before = connector.phase
    wanted = {
        Move.ENERGY_ON: Phase.CHARGING,
        Move.EV_PAUSED: Phase.SUSPENDED_EV,
        Move.EVSE_WITHHELD: Phase.SUSPENDED_EVSE,
    }[move]
    if before is not wanted:
        connector.move(move)
    connector.offer(offered_w, at_s=at_s)
    if before is not wanted:
        station.dialect.accounts.flow_changed(station, connector, at_s=at_s)
        moved(station, connector, at_s=at_s)


def changes_due(station: Station, connector: Connector, *, at_s: float) -> None:
    """Changes of power take effect when they are due, also when this comes late for them."""
    while connector.change_due_s <= at_s:
        change_s = connector.change_due_s
        if connector.sample_due_s < change_s:
            take_samples(station, connector, at_s=change_s)
        power_changed(station, connector, at_s=max(change_s, connector.metered_s))


def power_changed(station: Station, connector: Connector, *, at_s: float) -> None:
    """The moment computed by `Connector.offer`: full, or a target or limit reached."""
    connector.change_due_s = NEVER_S
    connector.meter_to(at_s)
    register_wh = connector.meter.energy_wh
    if connector.limit_wh is not None and register_wh >= connector.limit_wh - 1e-6:
        connector.withheld = True
    if connector.account is not None and connector.account.spent:
        connector.withheld = True
    reached = connector.target_wh is not None and register_wh >= connector.target_wh - 1e-6
    if reached:
        connector.target_wh = None
    flow(station, connector, at_s=at_s)
    if reached and connector.autopilot is not None:
        connector.autopilot.satisfied(station, at_s=at_s)
    elif reached:
        stop_by_driver(station, connector, at_s=at_s, leave=True)


def want_energy(
    station: Station, connector: Connector, energy_wh: float | None, *, at_s: float
) -> None:
    """The driver wants this much more in the running transaction (None: until full)."""
    connector.meter_to(at_s)
    connector.target_wh = None if energy_wh is None else connector.meter.energy_wh + energy_wh
    connector.offer(connector.offered_w, at_s=at_s)


def take_samples(station: Station, connector: Connector, *, at_s: float) -> None:
    """The periodic samples that are due, each with its own time even if it comes late (OCPP 1.6
    section 3.16).
    """
    interval_s = station.configuration.sampling.interval_s
    if not interval_s or (connector.transaction is None and connector.visit is None):
        connector.sample_due_s = NEVER_S
        return
    for _ in range(CATCH_UP_MAX):
        due_s = connector.sample_due_s
        if due_s > at_s:
            break
        # What happened since may have metered past the due time; the register never goes back.
        sample(station, connector, due_s=due_s, context="Sample.Periodic")
        connector.sample_due_s = due_s + interval_s


def sample(
    station: Station,
    connector: Connector,
    *,
    due_s: float,
    context: str,
    measurands: tuple[str, ...] | None = None,
) -> None:
    """Queue one reading of the running transaction (in 2.x it may run without a session)."""
    if due_s > connector.metered_s:
        connector.meter_to(due_s)
    reading = connector.reading(since_wh=connector.sampled_wh)
    if context == "Sample.Periodic":
        connector.sampled_wh = reading.energy_wh
    if measurands is None:
        measurands = station.configuration.sampling.measurands
    station.dialect.accounts.sampled(
        station, connector, reading, context=context, measurands=measurands, due_s=due_s
    )


def restart_sampling(station: Station, *, at_s: float) -> None:
    """MeterValueSampleInterval was changed: it counts anew from now."""
    interval_s = station.configuration.seconds("MeterValueSampleInterval")
    for connector in station.connectors:
        if connector.transaction is not None or connector.visit is not None:
            connector.sample_due_s = on_step(at_s + interval_s) if interval_s else NEVER_S


# ── the end ───────────────────────────────────────────────────────────────────────────────────────


def stop_by_driver(
    station: Station, connector: Connector, *, at_s: float, leave: bool, reason: str = "Local"
) -> None:
    """The driver ends the session with the tag that began it (or something else does: `reason`),
    and may unplug at once.
    """
    if connector.transaction is None:
        raise Refused(f"no transaction runs on connector {connector.id}")
    id_tag = connector.transaction.id_tag if reason == "Local" else None
    end(station, connector, reason=reason, at_s=at_s, id_tag=id_tag)
    if leave and connector.plugged:
        unplug(station, connector, at_s=at_s)


def end(
    station: Station,
    connector: Connector,
    *,
    reason: str,
    at_s: float,
    id_tag: str | None = None,
    cable_out: bool = False,
    failed: bool = False,
) -> None:
    """End the transaction: final reading, StopTransaction, and the phase that follows. Raises
    `Refused` if none runs.
    """
    transaction = connector.transaction
    if transaction is None or connector.phase not in ENERGIZED:
        raise Refused(f"no transaction runs on connector {connector.id}")
    connector.meter_to(at_s)
    meter = connector.meter
    wall_s = station.wall_s(at_s)
    if station.keeps_samples:
        transaction.keep(
            wall_s, "Transaction.End", connector.reading(since_wh=connector.sampled_wh)
        )
    transaction.end(reason=reason, stop_wh=meter.energy_wh, wall_s=wall_s, id_tag=id_tag)
    connector.transaction = None
    connector.target_wh = connector.limit_wh = connector.sampled_wh = None
    connector.withheld = False
    connector.change_due_s = NEVER_S
    if connector.visit is None:
        connector.sample_due_s = NEVER_S
    connector.tag_pending = None
    connector.offered_w = 0.0
    if cable_out:
        connector.unplug()
    station.dialect.accounts.ended(station, connector, transaction, at_s=at_s)
    if failed:
        connector.move(Move.FAILED)
    elif connector.inoperative and connector.visit is None:
        connector.move(Move.WITHDRAWN)  # Unavailable without an Available in between
    else:
        if cable_out and _holds_cable(station, connector):
            connector.held = transaction
        in_the_way = connector.plugged or connector.held is not None
        connector.move(Move.ENDED if in_the_way else Move.LEFT)
    moved(station, connector, at_s=at_s)
    if station.profiles is not None:
        station.profiles.transaction_over(transaction.number)
        connector.meter.spec = station.spec.outlet(connector.id)
        apply_limits(station, at_s=at_s)


def _holds_cable(station: Station, connector: Connector) -> bool:
    """Whether the station's end of a cable stays locked when the vehicle's end comes out."""
    unlocks = station.configuration.flag("UnlockConnectorOnEVSideDisconnect")
    return has_lock(station, connector) and not unlocks


def has_lock(station: Station, connector: Connector) -> bool:
    """Whether there is a lock at the station: in a socket there is, not at a cable of its own."""
    outlet = connector.meter.spec
    return not station.spec.fixed_cable and outlet.kind == "AC" and not outlet.tethered


def started_answered(
    station: Station, transaction: Transaction, status: str, *, at_s: float
) -> None:
    """The CSMS has judged the tag of a running transaction (StartTransaction.conf)."""
    if status == "Accepted" or transaction.ended:
        return
    connector = station.connectors[transaction.connector_id - 1]
    if connector.transaction is not transaction:
        return
    transaction.deauthorized = True
    if station.configuration.flag("StopTransactionOnInvalidId"):
        end(station, connector, reason="DeAuthorized", at_s=at_s)
        return
    connector.meter_to(at_s)
    withhold(station, connector)
    flow(station, connector, at_s=at_s)


def withhold(station: Station, connector: Connector) -> None:
    """Give no more than MaxEnergyOnInvalidId in the session that runs; `flow` afterwards."""
    allowance_wh = float(station.configuration.whole("MaxEnergyOnInvalidId"))
    transaction = connector.transaction
    assert transaction is not None
    if allowance_wh > 0:
        connector.limit_wh = transaction.start_wh + allowance_wh
        if connector.meter.energy_wh >= connector.limit_wh:
            connector.withheld = True
    else:
        connector.withheld = True


def time_up(station: Station, connector_id: int, /, *, at_s: float) -> None:
    """A transaction has lasted as long as it may (2.1 E16): the job of the agenda."""
    connector = station.connectors[connector_id - 1]
    if connector.transaction is not None:
        connector.meter_to(at_s)
        connector.withheld = True
        flow(station, connector, at_s=at_s)
