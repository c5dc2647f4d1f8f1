"""One connector: its phase, cable, tag, vehicle, meter and transaction, and when it next needs
attention.

It knows nothing of the wire. `charging.py` decides what happens to it; this class keeps the facts
consistent: the phase moves only along the table, and the meter is always advanced with the power
that was on offer before anything changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station.phase import ENERGIZED, Move, Phase, next_phase

if TYPE_CHECKING:
    from simfleet.station.behaviour import Autopilot
    from simfleet.station.charging_profiles import Profile
    from simfleet.station.cost_account import Account
    from simfleet.station.meter import Meter, Reading
    from simfleet.station.transaction import Transaction
    from simfleet.station.vehicle import Vehicle
    from simfleet.station.visit import Visit

NEVER_S: Final = float("inf")
NO_ERROR: Final = "NoError"
STEP_MIN_S: Final = 0.001
"""The shortest time ahead at which a connector asks to be attended to for the sake of energy."""


class Connector:
    """Connector number `id`, from 1. All times are monotonic seconds."""

    __slots__ = (
        "account",
        "aligned_wh",
        "authorized_tag",
        "autopilot",
        "change_due_s",
        "error_code",
        "error_info",
        "ev_paused",
        "held",
        "id",
        "inoperative",
        "limit_wh",
        "lock_fails",
        "meter",
        "metered_s",
        "offered_w",
        "parent_id_tag",
        "phase",
        "plug_deadline_s",
        "plugged",
        "remote_start",
        "remote_start_id",
        "reported",
        "reserved_wall_s",
        "sample_due_s",
        "sampled_wh",
        "start_profile",
        "status_due_s",
        "tag_pending",
        "target_wh",
        "transaction",
        "unreported",
        "vehicle",
        "visit",
        "withheld",
    )

    def __init__(self, connector_id: int, meter: Meter) -> None:
        self.id = connector_id
        self.meter = meter
        self.phase = Phase.AVAILABLE
        self.plugged = False
        self.vehicle: Vehicle | None = None
        self.ev_paused = False
        self.withheld = False
        """The station offers nothing (an invalid tag kept its transaction,
        StopTransactionOnInvalidId false).
        """
        self.authorized_tag: str | None = None
        """The tag that may start the next transaction here."""
        self.parent_id_tag: str | None = None
        self.tag_pending: str | None = None
        """The tag the CSMS has been asked about."""
        self.remote_start = False
        self.start_profile: tuple[str, Profile] | None = None
        """The tag that a RemoteStart was for, and the limits that came with it."""
        self.remote_start_id: int | None = None
        """The CSMS's number of the start that it has asked for (2.x)."""
        self.visit: Visit | None = None
        """The transaction that the CSMS knows of (2.x; in 1.6 it is `transaction`)."""
        self.transaction: Transaction | None = None
        self.held: Transaction | None = None
        """The one whose cable is still locked in at the station, though its vehicle is gone
        (UnlockConnectorOnEVSideDisconnect false).
        """
        self.target_wh: float | None = None
        """Register at which the driver has what was wanted."""
        self.limit_wh: float | None = None
        """Register at which the station stops giving (MaxEnergyOnInvalidId)."""
        self.inoperative = False
        """Out of service is wanted; applied when no session is in the way."""
        self.error_code = NO_ERROR
        self.error_info = ""
        self.lock_fails = False
        self.offered_w = 0.0
        self.metered_s = 0.0
        self.sampled_wh: float | None = None
        self.aligned_wh: float | None = None
        self.plug_deadline_s = NEVER_S
        """ConnectionTimeOut of a tag without a cable."""
        self.sample_due_s = NEVER_S
        self.change_due_s = NEVER_S
        """When the vehicle will be full, or a target or limit reached."""
        self.status_due_s = NEVER_S
        """MinimumStatusDuration of a status not reported yet."""
        self.reported: tuple[Phase, str] | None = None
        self.unreported: Phase | None = None
        """A status that has not lasted long enough to be reported."""
        self.autopilot: Autopilot | None = None
        self.account: Account | None = None
        """What the transaction costs (2.1), where the station calculates it."""
        self.reserved_wall_s: float | None = None
        """When the reservation was made that the session has used up."""

    def wake_at_s(self) -> float:
        """The first of the connector's own times. Asked for after every frame, hence unrolled."""
        wake_s = self.sample_due_s
        if self.change_due_s < wake_s:
            wake_s = self.change_due_s
        if self.plug_deadline_s < wake_s:
            wake_s = self.plug_deadline_s
        if self.status_due_s < wake_s:
            wake_s = self.status_due_s
        if self.autopilot is not None and self.autopilot.due_s < wake_s:
            wake_s = self.autopilot.due_s
        return wake_s

    def move(self, move: Move) -> None:
        """Change the phase, or raise `IllegalTransition` and change nothing."""
        self.phase = next_phase(self.phase, move)

    def meter_to(self, at_s: float) -> None:
        """Advance meter and vehicle to this moment with what was on offer since the last time."""
        if self.account is not None:
            self.account.advance(self, at_s)
        if self.vehicle is not None and self.phase is Phase.CHARGING:
            self.meter.advance(
                at_s - self.metered_s, vehicle=self.vehicle, offered_w=self.offered_w
            )
        self.metered_s = at_s

    def offer(self, power_w: float, *, at_s: float) -> None:
        """Change the power on offer, and find when it will next matter. Meter first."""
        self.offered_w = power_w
        self.change_due_s = NEVER_S
        vehicle, meter = self.vehicle, self.meter
        if vehicle is None or self.phase is not Phase.CHARGING:
            return
        if power_w < 0.0:
            spent_s = vehicle.seconds_until_spent(-meter.spec.usable_w(power_w, vehicle))
            if self.account is not None:
                spent_s = min(spent_s, self.account.seconds_until_spent(self))
            self.change_due_s = at_s + max(spent_s, STEP_MIN_S)
            return
        due_s = meter.seconds_until_full(vehicle=vehicle, offered_w=power_w)
        for register_wh in (self.target_wh, self.limit_wh):
            if register_wh is not None:
                missing_wh = max(0.0, register_wh - meter.energy_wh)
                due_s = min(
                    due_s, meter.seconds_until(missing_wh, vehicle=vehicle, offered_w=power_w)
                )
        if self.account is not None:
            due_s = min(due_s, self.account.seconds_until_spent(self))
        # Rounding can leave a rest that takes less time than the clock can tell apart: without a
        # step that the clock shows, the moment would come again and again.
        self.change_due_s = at_s + max(due_s, STEP_MIN_S)

    def wanted_move(self) -> Move:
        """How energy flows in a transaction as things stand."""
        if self.withheld or (self.account is not None and self.account.spent):
            return Move.EVSE_WITHHELD
        if self.ev_paused or not self.plugged or self.vehicle is None or self.vehicle.full:
            return Move.EV_PAUSED
        return Move.ENERGY_ON

    def move_to_give(self) -> Move:
        """How energy flows out of the vehicle, if the station wants it to (2.1)."""
        if self.withheld or (self.account is not None and self.account.spent):
            return Move.EVSE_WITHHELD
        vehicle = self.vehicle
        if self.ev_paused or vehicle is None or vehicle.spare_wh <= 1e-6:
            return Move.EV_PAUSED
        return Move.ENERGY_ON

    def reading(self, *, since_wh: float | None = None) -> Reading:
        """What the meter shows; `meter_to` first."""
        offered_w = self.offered_w if self.phase is Phase.CHARGING else 0.0
        return self.meter.reading(vehicle=self.vehicle, offered_w=offered_w, since_wh=since_wh)

    @property
    def free(self) -> bool:
        """Whether a new session can begin here."""
        return self.phase in (Phase.AVAILABLE, Phase.PREPARING) and not self.inoperative

    @property
    def charging(self) -> bool:
        """Whether a transaction runs here."""
        return self.phase in ENERGIZED

    def unplug(self) -> None:
        """Take the cable out and forget the vehicle."""
        self.plugged = False
        self.vehicle = None
        self.ev_paused = False

    def forget_tag(self) -> None:
        """No tag waits here any more, nor is any needed to unlock a cable."""
        self.authorized_tag = self.parent_id_tag = self.tag_pending = self.held = None
        self.remote_start = False
        self.remote_start_id = None
        self.start_profile = None
        self.plug_deadline_s = NEVER_S
