"""Charging profiles: what a CSMS may install, and the profiles that one station holds (OCPP 1.6
sections 3.13, 5.16).

The words belong to no version: dialects translate. Which limit follows from the profiles at an
instant is in `limits.py`; what a station does about it in `smart_charging.py`. Times are the
station's own clock, Unix seconds.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.station.configuration import Configuration

RateUnit = Literal["A", "W"]
UNLIMITED: Final = 1e12
"""The limit of a period that has none (2.1), in A and in W."""
PHASES_MAX: Final = 3
"""Also what a limit is about that names no number of phases (OCPP 1.6 section 7.14)."""


class Purpose(StrEnum):
    """What a profile limits."""

    STATION_MAX = "station max"  # all connectors together
    TX_DEFAULT = "transaction default"  # each transaction without a limit of its own
    TX = "transaction"  # one transaction
    EXTERNAL = "external constraints"  # set by something other than the CSMS (2.x)
    PRIORITY = "priority charging"  # a transaction that goes before others (2.1)
    GENERATION = "local generation"  # more for all, from the roof or a battery (2.1)


class Kind(StrEnum):
    """What the start of a schedule is counted from."""

    ABSOLUTE = "absolute"
    RECURRING = "recurring"
    RELATIVE = "relative"
    DYNAMIC = "dynamic"  # from its arrival; its one period is updated again and again (2.1)


class Recurrency(StrEnum):
    """How often a recurring schedule begins anew."""

    DAILY = "daily"
    WEEKLY = "weekly"

    @property
    def seconds(self) -> int:
        """The time from one beginning to the next; days of a UTC clock are equally long."""
        return 86_400 if self is Recurrency.DAILY else 604_800


Mode = Literal[
    "Idle",
    "ChargingOnly",
    "CentralSetpoint",
    "ExternalSetpoint",
    "ExternalLimits",
    "CentralFrequency",
    "LocalFrequency",
    "LocalLoadBalancing",
]
"""What decides over the power of a bidirectional transaction (OCPP 2.1, block Q)."""
MODES: Final[frozenset[str]] = frozenset(get_args(Mode))


class Flow(Struct, frozen=True, gc=False):
    """What OCPP 2.1 says in a period beyond a limit of charging: energy in both directions. All in
    the schedule's unit and the sum of all phases; less than 0 is out of the vehicle.
    """

    mode: Mode = "ChargingOnly"
    setpoint: float | None = None  # to be followed
    discharge_limit: float | None = None  # 0 or less
    baseline_w: float | None = None  # what the curves are added to
    frequency_curve: tuple[tuple[float, float], ...] = ()  # Hz, W
    signal_curve: tuple[tuple[float, float], ...] = ()  # signal of AFRRSignal, W


class Period(Struct, frozen=True, gc=False):
    """One step of a schedule, until the next one begins."""

    start_s: int  # since the start of the schedule
    limit: float  # A in each phase, or W in all, as the schedule's unit says
    phases: int | None = None  # that may be used; None: PHASES_MAX
    flow: Flow | None = None


class Schedule(Struct, frozen=True, gc=False):
    """Limits over time."""

    unit: RateUnit
    periods: tuple[Period, ...]
    duration_s: int | None = None  # None: the last period goes on
    start_wall_s: float | None = None  # None: the start of charging
    min_rate: float | None = None  # in `unit`; the vehicle has no use for less
    id: int = 0  # 2.x: by which a vehicle says which one it has chosen


class Profile(Struct, frozen=True, kw_only=True, gc=False):
    """A schedule, what it limits, and when it applies."""

    id: int
    connector_id: int  # 0: the station (STATION_MAX), or each connector (TX_DEFAULT)
    stack_level: int
    purpose: Purpose
    kind: Kind
    schedule: Schedule
    recurrency: Recurrency | None = None
    valid_from_wall_s: float | None = None
    valid_to_wall_s: float | None = None
    transaction_id: int | str | None = None  # the CSMS's name of it, if it gave one
    # What only 2.x has:
    others: tuple[Schedule, ...] = ()  # more schedules, that a vehicle could choose instead
    source: str = ""  # who sets the limit, other than the CSMS (EXTERNAL)
    update_s: int | None = None  # DYNAMIC: ask for an update this often
    offline_max_s: int | None = None  # it says nothing when the CSMS was away for longer
    offline_kills: bool = False  # and never again
    told: bytes | None = None  # as the CSMS wrote it (JSON): there is more in it than limits


class Refusal(Struct, frozen=True, gc=False):
    """Why a profile was not installed. `reason` is for machines, in OCPP 2.x's words where it has
    any; `detail` for people: what, and what would be accepted.
    """

    reason: Literal[
        "UnknownConnector",
        "InvalidProfile",
        "InvalidProfileId",
        "InvalidStackLevel",
        "InvalidSchedule",
        "DuplicateProfile",
        "MissingParam",
        "UnsupportedParam",
        "UnsupportedRateUnit",
        "TxNotFound",
        "NoStorage",
        "NotEnabled",
        "InvalidMessageSeq",
    ]
    detail: str


class Rules(Struct, frozen=True, gc=False):
    """The limits of a station on the profiles it takes (OCPP 1.6 section 9.4)."""

    connectors: int
    stack_level_max: int
    periods_max: int
    installed_max: int
    units: frozenset[str]

    @classmethod
    def of(cls, configuration: Configuration, *, connectors: int) -> Rules:
        """As the configuration keys of Smart Charging say. KeyError when the station has none."""
        allowed = configuration.items("ChargingScheduleAllowedChargingRateUnit")
        return cls(
            connectors,
            configuration.whole("ChargeProfileMaxStackLevel"),
            configuration.whole("ChargingScheduleMaxPeriods"),
            configuration.whole("MaxChargingProfilesInstalled"),
            frozenset({"Current": "A", "Power": "W"}[name] for name in allowed),
        )


# ── acceptance ────────────────────────────────────────────────────────────────────────────────────


def why_not(profile: Profile, rules: Rules) -> Refusal | None:
    """What speaks against a profile whatever the station is doing; None when nothing does."""
    if not 0 <= profile.connector_id <= rules.connectors:
        return Refusal(
            "UnknownConnector",
            f"there is no connector {profile.connector_id}, only 0 to {rules.connectors}",
        )
    refusal = _why_not_profile(profile, rules)
    for schedule in (profile.schedule, *profile.others):
        refusal = refusal or _why_not_schedule(schedule, rules)
    return refusal


def _why_not_profile(profile: Profile, rules: Rules) -> Refusal | None:
    detail = None
    purpose, kind = profile.purpose, profile.kind
    if purpose is Purpose.EXTERNAL:
        detail = "external constraints are not the CSMS's to set"
    elif purpose is Purpose.STATION_MAX and profile.connector_id != 0:
        detail = f"the limit of the whole station goes to connector 0, not {profile.connector_id}"
    elif purpose is Purpose.STATION_MAX and kind is Kind.RELATIVE:
        detail = "the whole station has no transaction that a relative schedule could start with"
    elif purpose is Purpose.STATION_MAX and kind is Kind.DYNAMIC:
        detail = "the limit of the whole station is not dynamic"
    elif purpose is Purpose.TX and profile.connector_id == 0:
        detail = "a transaction runs on a connector from 1, not on 0"
    elif not 0 <= profile.stack_level <= rules.stack_level_max:
        detail = f"stack level {profile.stack_level} is not within 0 to {rules.stack_level_max}"
    elif kind is Kind.RECURRING and profile.recurrency is None:
        detail = "a recurring profile says whether it is daily or weekly"
    elif kind is Kind.RECURRING and profile.schedule.start_wall_s is None:
        detail = "a recurring profile needs the start of its schedule to count days or weeks from"
    elif (
        profile.valid_from_wall_s is not None
        and profile.valid_to_wall_s is not None
        and profile.valid_to_wall_s <= profile.valid_from_wall_s
    ):
        detail = "the profile ends to be valid before it begins"
    return None if detail is None else Refusal("InvalidProfile", detail)


def _why_not_schedule(schedule: Schedule, rules: Rules) -> Refusal | None:
    detail = None
    periods = schedule.periods
    starts = [period.start_s for period in periods]
    if schedule.unit not in rules.units:
        detail = (
            f"limits in {schedule.unit} are not taken, only in {', '.join(sorted(rules.units))}"
        )
    elif not 1 <= len(periods) <= rules.periods_max:
        detail = f"{len(periods)} periods are not within 1 to {rules.periods_max}"
    elif starts[0] != 0:
        detail = f"the first period starts at 0 s, not at {starts[0]}"
    elif any(after <= before for before, after in pairwise(starts)):
        detail = "each period starts later than the one before"
    elif any(period.limit < 0 for period in periods):
        detail = "a limit is 0 or more"
    elif any(not 1 <= (period.phases or PHASES_MAX) <= PHASES_MAX for period in periods):
        detail = f"a period has 1 to {PHASES_MAX} phases"
    elif schedule.duration_s is not None and schedule.duration_s <= 0:
        detail = f"a schedule lasts longer than {schedule.duration_s} s"
    elif schedule.min_rate is not None and schedule.min_rate < 0:
        detail = "the least charging rate is 0 or more"
    return None if detail is None else Refusal("InvalidSchedule", detail)


# ── the store ─────────────────────────────────────────────────────────────────────────────────────


class Profiles:
    """The charging profiles of one station, and when what follows from them next changes.

    At most `Rules.installed_max` of them. What may be installed when is up to `smart_charging.py`.
    """

    __slots__ = ("_bound", "_installed", "applying", "due_s", "silent", "stale")

    def __init__(self) -> None:
        self._installed: tuple[Profile, ...] = ()
        self._bound: dict[int, int] = {}
        """Number of the transaction by profile id: it dies with it."""
        self.due_s = float("inf")
        """When a limit next changes by itself (monotonic seconds)."""
        self.applying = False
        """Limits are being put into effect right now..."""
        self.stale = False
        """... and something happened meanwhile, so that they must be found once more."""
        self.silent: frozenset[int] = frozenset()
        """Profiles that say nothing as long as the CSMS is away (2.1), by id."""

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._installed)

    def __len__(self) -> int:
        return len(self._installed)

    def transaction_of(self, profile: Profile) -> int | None:
        """Number of the transaction that a TX profile is for."""
        return self._bound.get(profile.id)

    def put(
        self,
        profile: Profile,
        *,
        rules: Rules | None = None,
        transaction: int | None = None,
        waiting: int = 0,
        supersedes: bool = True,
    ) -> Refusal | None:
        """Install a profile that has passed `why_not`. Without `rules` it has been promised a
        place; `waiting` is how many others have. `transaction` is the number of the one that it is
        for (TX only).

        It replaces the profile with its id, and if it `supersedes`, the one with its purpose, stack
        level and connector (OCPP 1.6 section 5.16.2; in 2.x such a profile is refused before).
        """
        kept = tuple(
            one
            for one in self._installed
            if one.id != profile.id and not (supersedes and _alike(one, profile))
        )
        if rules is not None and len(kept) + waiting >= rules.installed_max:
            return Refusal(
                "NoStorage",
                f"{rules.installed_max} profiles are installed already; clear one first",
            )
        self._keep(kept)
        self._installed = (*kept, profile)
        if transaction is not None:
            self._bound[profile.id] = transaction
        return None

    def clear(
        self,
        *,
        profile_id: int | None = None,
        connector_id: int | None = None,
        purpose: Purpose | None = None,
        stack_level: int | None = None,
    ) -> int:
        """Remove the profile with that id, or (no id) all that fit every other criterion given; how
        many there were.
        """

        def meant(profile: Profile) -> bool:
            if profile_id is not None:
                return profile.id == profile_id
            return (
                connector_id in (None, profile.connector_id)
                and purpose in (None, profile.purpose)
                and stack_level in (None, profile.stack_level)
            )

        before = len(self._installed)
        self._keep(tuple(profile for profile in self._installed if not meant(profile)))
        return before - len(self._installed)

    def exchange(self, profile: Profile) -> None:
        """Another version of an installed profile, for the same transaction."""
        self._installed = tuple(profile if one.id == profile.id else one for one in self._installed)

    def remove(self, ids: frozenset[int]) -> None:
        """Remove the profiles with these ids."""
        self._keep(tuple(one for one in self._installed if one.id not in ids))

    def of_id(self, profile_id: int) -> Profile | None:
        """The profile with that id."""
        return next((one for one in self._installed if one.id == profile_id), None)

    def transaction_over(self, number: int) -> None:
        """TX profiles end with their transaction."""
        if number in self._bound.values():
            self._keep(tuple(one for one in self._installed if self._bound.get(one.id) != number))

    def lasting(self) -> list[Profile]:
        """What survives a reboot and a loss of power: all but TX profiles, and but what others than
        the CSMS have set, who will do so again.
        """
        return [
            profile
            for profile in self._installed
            if profile.purpose not in (Purpose.TX, Purpose.EXTERNAL)
        ]

    def restore(self, profiles: list[Profile]) -> None:
        """Put back what `lasting` gave."""
        self._keep(tuple(profiles))

    def _keep(self, kept: tuple[Profile, ...]) -> None:
        self._installed = kept
        if self._bound:
            ids = {profile.id for profile in kept}
            self._bound = {id_: number for id_, number in self._bound.items() if id_ in ids}


def _alike(one: Profile, other: Profile) -> bool:
    return (
        one.purpose is other.purpose
        and one.stack_level == other.stack_level
        and one.connector_id == other.connector_id
    )


def anchored(profile: Profile, *, wall_s: float) -> Profile:
    """The profile with the start of its schedule fixed where only its arrival can be meant: a limit
    of the whole station without a start has no transaction to begin with.
    """
    of_all = profile.purpose in (Purpose.STATION_MAX, Purpose.GENERATION)
    arrives = of_all or profile.kind is Kind.DYNAMIC
    if arrives and profile.schedule.start_wall_s is None:
        return replace(profile, schedule=replace(profile.schedule, start_wall_s=wall_s))
    return profile
