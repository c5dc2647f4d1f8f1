"""The tariffs that a station has (OCPP 2.1 part 2, block I): the default ones of its EVSEs, and
those of drivers, which come with the answers to Authorize.

A default tariff may begin later; then the one before it goes on until that moment. A transaction
keeps the tariff that it began with, whatever is set or cleared meanwhile. A tariffId names one
tariff on the station: it cannot be set a second time while it is installed. Default tariffs outlive
a loss of power.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from simfleet.station.configuration_keys_tariff import (
    CONDITIONS_SUPPORTED,
    ELEMENTS_MAX,
    FAILED_TARIFF,
    TARIFFS_ENABLED,
)
from simfleet.station.tariff import Tariff, is_sound
from simfleet.station.tokens import TokenInfo, folded, typed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.station.station import Station

DRIVERS_MAX: Final = 100
"""Tariffs of drivers that a station remembers; the oldest goes first."""
ALL_EVSES: Final = 0

Problem = Literal["", "Rejected", "TooManyElements", "ConditionNotSupported"]
SetStatus = Literal[
    "Accepted", "Rejected", "TooManyElements", "ConditionNotSupported", "DuplicateTariffId"
]
ClearStatus = Literal["Accepted", "NoTariff"]


class Installed(Struct, frozen=True, omit_defaults=True):
    """A default tariff at one EVSE, from a moment on."""

    evse_id: int
    starts_wall_s: float
    tariff: Tariff


class Assignment(NamedTuple):
    """Where, or for whom, a tariff is."""

    tariff_id: str
    kind: Literal["DefaultTariff", "DriverTariff"]
    valid_from_wall_s: float | None
    evse_ids: tuple[int, ...]
    id_tokens: tuple[str, ...]


class Tariffs:
    """See the module; None at a station that never had one."""

    __slots__ = ("central", "drivers", "installed", "problem")

    def __init__(self) -> None:
        self.installed: list[Installed] = []
        self.drivers: dict[str, tuple[str, Tariff]] = {}
        """By the tag as tags are compared: the tag as it is, and its tariff."""
        self.central: set[str] = set()
        """Tags whose costs the CSMS calculates, as their tariff is too much for the station."""
        self.problem = False
        """The last tariff of a driver could not be used."""


def of(station: Station) -> Tariffs:
    """The tariffs of a station, which is to have some from now on."""
    if station.tariffs is None:
        station.tariffs = Tariffs()
    return station.tariffs


def enabled(station: Station) -> bool:
    """Whether the station calculates costs itself."""
    return station.configuration.get(TARIFFS_ENABLED) == "true"


# ── default tariffs ───────────────────────────────────────────────────────────────────────────────


def set_default(
    station: Station, evse_id: int, tariff: Tariff, *, at_s: float
) -> tuple[SetStatus, str]:
    """SetDefaultTariff: the status, and the reason for a refusal (a standardized code or "")."""
    if evse_id > len(station.connectors):
        return "Rejected", "UnknownEvse"
    wrong = unusable(station, tariff)
    if wrong:
        return wrong, "InvalidValue" if wrong == "Rejected" else ""
    tariffs = of(station)
    wall_s = station.wall_s(at_s)
    _tidy(tariffs, wall_s)
    if any(one.tariff.tariff_id == tariff.tariff_id for one in tariffs.installed):
        return "DuplicateTariffId", ""
    starts_wall_s = wall_s if tariff.valid_from_wall_s is None else tariff.valid_from_wall_s
    for number in _evses(station, evse_id):
        tariffs.installed = [
            one
            for one in tariffs.installed
            if one.evse_id != number or one.starts_wall_s != starts_wall_s
        ]
        tariffs.installed.append(Installed(number, starts_wall_s, tariff))
    _tidy(tariffs, wall_s)
    return "Accepted", ""


def unusable(station: Station, tariff: Tariff) -> Problem:
    """Why the station cannot use a tariff; empty: it can."""
    if not is_sound(tariff):
        return "Rejected"
    most = station.configuration.whole(ELEMENTS_MAX)
    if any(len(prices.prices) > most for prices in tariff.parts()):
        return "TooManyElements"
    if not station.configuration.flag(CONDITIONS_SUPPORTED) and any(tariff.conditions()):
        return "ConditionNotSupported"
    return ""


def default_of(station: Station, evse_id: int, *, at_s: float) -> Tariff | None:
    """The default tariff that is valid at an EVSE now."""
    tariffs = station.tariffs
    if tariffs is None:
        return None
    wall_s = station.wall_s(at_s)
    _tidy(tariffs, wall_s)
    for one in tariffs.installed:
        if one.evse_id == evse_id and one.starts_wall_s <= wall_s:
            return one.tariff
    return None


def clear(
    station: Station, tariff_ids: Iterable[str] | None, evse_id: int | None, *, at_s: float
) -> list[tuple[str | None, ClearStatus]]:
    """ClearTariffs: what has become of each tariff; of none at all, NoTariff."""
    tariffs = station.tariffs
    if tariffs is not None:
        _tidy(tariffs, station.wall_s(at_s))
    there = [] if tariffs is None else tariffs.installed
    evses = _evses(station, evse_id or ALL_EVSES)
    wanted = None if tariff_ids is None else list(dict.fromkeys(tariff_ids))
    gone = [
        one
        for one in there
        if one.evse_id in evses and (wanted is None or one.tariff.tariff_id in wanted)
    ]
    if tariffs is None or not gone:
        return [(None, "NoTariff")]
    tariffs.installed = [one for one in there if one not in gone]
    cleared = dict.fromkeys(one.tariff.tariff_id for one in gone)
    if wanted is None:
        return [(tariff_id, "Accepted") for tariff_id in cleared]
    return [(tariff_id, "Accepted" if tariff_id in cleared else "NoTariff") for tariff_id in wanted]


def assignments(station: Station, evse_id: int, *, at_s: float) -> list[Assignment]:
    """GetTariffs: the tariffs at an EVSE, or (0) of all and of the drivers known."""
    tariffs = station.tariffs
    if tariffs is None:
        return []
    _tidy(tariffs, station.wall_s(at_s))
    evses = _evses(station, evse_id)
    found: dict[str, Assignment] = {}
    for one in tariffs.installed:
        if one.evse_id not in evses:
            continue
        tariff_id, since_s = one.tariff.tariff_id, one.tariff.valid_from_wall_s
        before = found.get(tariff_id)
        places = () if before is None else before.evse_ids
        found[tariff_id] = Assignment(
            tariff_id, "DefaultTariff", since_s, (*places, one.evse_id), ()
        )
    return [*found.values(), *_of_drivers(station, tariffs, evse_id, found)]


def _of_drivers(
    station: Station, tariffs: Tariffs, evse_id: int, defaults: Iterable[str]
) -> list[Assignment]:
    """Those of drivers, and those that transactions were changed to."""
    used: dict[str, tuple[list[int], list[str]]] = {}
    for tag, tariff in tariffs.drivers.values():
        used.setdefault(tariff.tariff_id, ([], []))[1].append(typed(tag)[1])
    for connector in station.connectors:
        account, visit = connector.account, connector.visit
        if account is None or visit is None or account.from_default:
            continue
        tariff_id = account.tariff.tariff_id
        if tariff_id in defaults and tariff_id not in used:
            continue
        places, tokens = used.setdefault(tariff_id, ([], []))
        places.append(connector.id)
        text = None if visit.id_tag is None else typed(visit.id_tag)[1]
        if text is not None and text not in tokens:
            tokens.append(text)
    return [
        Assignment(tariff_id, "DriverTariff", None, tuple(places), tuple(tokens))
        for tariff_id, (places, tokens) in used.items()
        if evse_id == ALL_EVSES or evse_id in places
    ]


def _evses(station: Station, evse_id: int) -> range:
    if evse_id == ALL_EVSES:
        return range(1, len(station.connectors) + 1)
    return range(evse_id, evse_id + 1)


def _tidy(tariffs: Tariffs, wall_s: float) -> None:
    """Take away what another tariff has replaced."""
    begun: dict[int, float] = {}
    for one in tariffs.installed:
        if one.starts_wall_s <= wall_s:
            begun[one.evse_id] = max(one.starts_wall_s, begun.get(one.evse_id, one.starts_wall_s))
    tariffs.installed = [
        one
        for one in tariffs.installed
        if one.starts_wall_s >= begun.get(one.evse_id, one.starts_wall_s)
    ]


# ── tariffs of drivers ────────────────────────────────────────────────────────────────────────────


def learn_driver(
    station: Station, id_tag: str, tariff: Tariff | None, info: TokenInfo
) -> TokenInfo:
    """The CSMS has judged a tag, and said what its driver pays (None: nothing special). Returns the
    judgement as it has to be taken (I08).
    """
    if tariff is None and station.tariffs is None:
        return info
    tariffs, tag = of(station), folded(id_tag)
    tariffs.drivers.pop(tag, None)
    tariffs.central.discard(tag)
    if tariff is None or info.status != "Accepted" or not enabled(station):
        return info
    tariffs.problem = bool(unusable(station, tariff))
    if not tariffs.problem:
        while len(tariffs.drivers) >= DRIVERS_MAX:
            del tariffs.drivers[next(iter(tariffs.drivers))]
        tariffs.drivers[tag] = (id_tag, replace(tariff, valid_from_wall_s=None))
        return info
    match station.configuration.get(FAILED_TARIFF):
        case "Deauthorize":
            return info._replace(status="Invalid")
        case "CentralCost":
            tariffs.central.add(tag)
    return info


def for_tag(
    station: Station, id_tag: str, evse_id: int, *, at_s: float
) -> tuple[Tariff | None, bool]:
    """What a tag pays at an EVSE (None: the station does not know), and whether that is the default
    tariff.
    """
    tariffs = station.tariffs
    if tariffs is None or not enabled(station) or folded(id_tag) in tariffs.central:
        return None, False
    own = tariffs.drivers.get(folded(id_tag))
    if own is not None:
        return own[1], False
    return default_of(station, evse_id, at_s=at_s), True


def transaction_over(station: Station, id_tag: str) -> None:
    """The tariff of a driver is of no more use, unless the cache keeps the tag, or the tag charges
    at another EVSE.
    """
    tariffs = station.tariffs
    if tariffs is None or station.configuration.flag("AuthorizationCacheEnabled"):
        return
    tag = folded(id_tag)
    for connector in station.connectors:
        visit = connector.visit
        if visit is not None and visit.id_tag is not None and folded(visit.id_tag) == tag:
            return
    tariffs.drivers.pop(tag, None)
    tariffs.central.discard(tag)


def cache_cleared(station: Station) -> None:
    """Tags are forgotten, and what their drivers pay with them."""
    if station.tariffs is not None:
        station.tariffs.drivers.clear()
        station.tariffs.central.clear()


def had_problem(station: Station, *_: object) -> str:
    """TariffCostCtrlr.Problem: whether the last tariff of a driver could not be used."""
    return "true" if station.tariffs is not None and station.tariffs.problem else "false"


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


def remembered(station: Station) -> list[Installed]:
    """What survives a loss of power."""
    return [] if station.tariffs is None else list(station.tariffs.installed)


def restore(station: Station, known: list[Installed]) -> None:
    """Put it into a station that is made anew; EVSEs that it does not have are forgotten."""
    there = [one for one in known if one.evse_id <= len(station.connectors)]
    if there:
        of(station).installed = there
