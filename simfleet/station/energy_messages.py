"""What a station of 2.x has to say about charging profiles, limits and energy, see `messages`."""

from __future__ import annotations

from msgspec import Struct

from simfleet.station.charging_profiles import Profile
from simfleet.station.energy import Control
from simfleet.station.limits import Composite


class _Message(Struct, frozen=True, gc=False):
    """Base of the messages."""


class ProfilesTold(_Message, frozen=True):
    """One part of the profiles that were asked for: those of an EVSE (0: the station) and a
    source.
    """

    request_id: int
    connector_id: int
    source: str
    profiles: tuple[Profile, ...]
    transaction_id: str | None
    more: bool


class LimitTold(_Message, frozen=True):
    """Somebody other than the CSMS limits the power. `profile` is told when asked for in the
    configuration.
    """

    connector_id: int
    source: str
    profile: Profile | None
    grid_critical: bool | None
    local_generation: bool | None


class LimitLifted(_Message, frozen=True):
    """The limit of that source is gone."""

    connector_id: int
    source: str


class NeedsTold(_Message, frozen=True):
    """What the vehicle (ISO 15118) wants."""

    connector_id: int
    transfer: str
    dc: bool
    energy_wh: float
    max_a: float
    least_a: float
    max_v: float
    max_w: float
    battery_wh: float
    soc: float
    give_w: float
    wall_s: float
    transaction: int


class ScheduleChosen(_Message, frozen=True):
    """How the vehicle (ISO 15118) will charge."""

    connector_id: int
    composite: Composite
    schedule_id: int


class PriorityTold(_Message, frozen=True):
    """A transaction charges with priority, or no more, because somebody at the site wanted so."""

    transaction_id: str
    activated: bool


class UpdateWanted(_Message, frozen=True):
    """Has anything changed in this dynamic profile?"""

    profile_id: int


class ControlsTold(_Message, frozen=True):
    """One part of the DER controls that were asked for."""

    request_id: int
    controls: tuple[Control, ...]
    more: bool


class DerAlarmTold(_Message, frozen=True):
    """The grid is out of bounds, or is not any more."""

    control_type: str
    fault: str | None
    ended: bool
    wall_s: float
    info: str | None


class ControlMoved(_Message, frozen=True):
    """A scheduled DER control has started or ended."""

    control_id: str
    started: bool
    superseded: tuple[str, ...]
    wall_s: float


EnergyMessage = (
    ProfilesTold
    | LimitTold
    | LimitLifted
    | NeedsTold
    | ScheduleChosen
    | PriorityTold
    | UpdateWanted
    | ControlsTold
    | DerAlarmTold
    | ControlMoved
)
