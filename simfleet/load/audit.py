"""Do the books balance? What must add up at the end of every run, whatever the load was.

Pure. Two books are compared: the one the chargers kept (`fleet/ledger.py`) and, when the target is
the embedded CSMS, the one the CSMS kept. Each check is a sentence with both figures, so a broken
ledger explains itself.

What faults on purpose have done (`fleet/excuses.py`) is reckoned with on both sides: a check holds
if they explain the difference to the last transaction, and says how much of it they explain.

What was sent and not answered may have reached the CSMS or not, and only then a check has room: as
much as those messages give it (`fleet/reckoning.py`), whoever was slow, on purpose or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WH_TOLERANCE_PER_TRANSACTION: Final = 1.0
"""OCPP reports whole watt-hours; start and stop are each cut by less than one."""


_KNOWN: Final[Mapping[str, int]] = dict.fromkeys(
    (
        *("starts", "stops", "starts_fewer", "starts_more", "stops_fewer", "open_more"),
        *("told_less_wh", "told_more_wh", "stray_stops"),
    ),
    0,
)
"""Where everything that was sent was answered."""


class Check(Struct, frozen=True):
    """One thing that must hold."""

    name: str
    holds: bool
    detail: str
    explained: int = 0
    """Discrepancies that faults on purpose, or messages of which nobody knows whether they
    arrived, explain; 1 for any amount of energy.
    """


def audit(
    fleet: Mapping[str, Any],
    csms: Mapping[str, Any] | None,
    *,
    identities: int,
    unique: int,
    crashed: int = 0,
    misleading: int = 0,
    understating: int = 0,
) -> list[Check]:
    """All checks of a finished run. `csms` is None when the target keeps no books for us.

    `crashed` chargers were ended by a bug of ours and made anew: whatever they had begun is lost,
    so a run with a crash never balances. `misleading` chargers are of models whose registers look
    as if they went down (quirks that say so), which is then no discrepancy. `understating` ones
    are of models that tell a CSMS of 2.x less energy than there was.
    """
    checks = list(_of_fleet(fleet, identities=identities, unique=unique))
    checks.append(_none("no_crashes", "chargers that a bug in SimFleet ended", crashed))
    if csms is not None:
        checks.extend(_against_csms(fleet, csms, misleading=misleading, understating=understating))
    return checks


def _equal(name: str, what: str, left: float, right: float, *, lacking: int = 0) -> Check:
    """`lacking` of the second figure are excused."""
    detail = f"{what}: {left} and {right}"
    if lacking:
        detail += f", {lacking} fewer by faults on purpose"
    return Check(name, left == right + lacking, detail, lacking)


def _between(
    name: str,
    what: str,
    left: int,
    right: int,
    *,
    lacking: int,
    fewer: int,
    more: int,
    unknown: int,
) -> Check:
    """`lacking` of the second figure are excused; beyond that it may be `fewer` or `more`, for so
    many messages are `unknown`: sent, and not answered.
    """
    if not fewer and not more:
        return _equal(name, what, left, right, lacking=lacking)
    detail = f"{what}: {left} and {right}"
    if lacking:
        detail += f", {lacking} fewer by faults on purpose"
    short = left - right - lacking
    detail += f", {_told(unknown)}: {-short:+d}, from {-fewer} to {more:+d} allowed"
    return Check(name, -more <= short <= fewer, detail, lacking + min(abs(short), fewer + more))


def _told(unknown: int) -> str:
    return f"{unknown} sent without an answer"


def _none(name: str, what: str, count: float) -> Check:
    return Check(name, count == 0, f"{what}: {count}")


def _excused(name: str, what: str, count: int, excused: int, *, exactly: bool = False) -> Check:
    """None but those that are excused; `exactly` as many where each is known by its transaction."""
    detail = f"{what}: {count}"
    if excused:
        detail += f", {excused} by faults on purpose"
    holds = count == excused if exactly else count <= excused
    return Check(name, holds, detail, min(count, excused))


def _at_most(name: str, what: str, count: int, excused: int) -> Check:
    """None but for what was not answered, or not to come once: nobody on this side knows how much
    of what was on its way had arrived, so that excuses up to a number.
    """
    detail = f"{what}: {count}"
    if excused:
        detail += f", up to {excused} by a bad network or CALLs without an answer"
    return Check(name, count <= excused, detail, min(count, excused))


def _of_fleet(fleet: Mapping[str, Any], *, identities: int, unique: int) -> Iterator[Check]:
    excused = fleet["excused"]
    yield _equal("identities_unique", "chargers and different identities", identities, unique)
    opened, closed = fleet["transactions_opened"], fleet["transactions_closed"]
    yield _equal("starts_equal_stops", "transactions started and stopped", opened, closed)
    yield _equal(
        "starts_delivered",
        "transactions started, and starts the CSMS answered",
        opened,
        fleet["starts_delivered"],
        lacking=excused["starts_lost"] + excused.get("starts_unanswered", 0),
    )
    yield _equal(
        "stops_delivered",
        "transactions stopped, and stops the CSMS answered",
        closed,
        fleet["stops_delivered"],
        lacking=excused["stops_lost"] + excused.get("stops_unanswered", 0),
    )
    yield _none("stopped_once", "transactions stopped twice", fleet["stopped_twice"])
    yield _none(
        "one_open_call",
        "CALLs sent while another of the same charger was open",
        fleet["overlapping_calls"],
    )
    left = excused.get("undelivered", 0)
    yield _excused(
        "queues_drained",
        "transaction messages never delivered",
        fleet["undelivered_messages"] + left,
        left,
        exactly=True,
    )
    yield _energy(
        "energy_is_integral_of_power",
        "registers {:.3f} Wh, integral of power {:.3f} Wh",
        fleet["energy_wh"],
        fleet["integral_wh"],
        excused_wh=-excused["jumped_wh"],
        allowed_wh=1e-3 + 1e-6 * abs(fleet["energy_wh"]),
    )
    faults = fleet["faults_total"]
    first = f", the first: {fleet['faults'][0]}" if fleet["faults"] else ""
    yield Check("no_faults", faults == 0, f"faults of single chargers: {faults}{first}")


def _energy(
    name: str,
    what: str,
    left_wh: float,
    right_wh: float,
    *,
    excused_wh: float,
    allowed_wh: float,
    understating: int = 0,
    less_wh: float = 0.0,
    more_wh: float = 0.0,
) -> Check:
    """The second figure may be apart from the first by `excused_wh`, give or take `allowed_wh`, and
    below that where so many chargers are `understating`; and by `less_wh` or `more_wh` for stops
    of which nobody knows whether they arrived.
    """
    detail = what.format(left_wh, right_wh)
    if excused_wh:
        detail += f", {excused_wh:+.3f} Wh by faults on purpose"
    apart_wh = right_wh - left_wh - excused_wh
    if understating:
        detail += f", quirks of {understating} chargers tell less"
    if less_wh or more_wh:
        detail += f", stops without an answer: from {-less_wh:.3f} to {more_wh:+.3f} Wh allowed"
    holds = apart_wh <= allowed_wh + more_wh
    holds = holds and (understating > 0 or apart_wh >= -allowed_wh - less_wh)
    explained = abs(excused_wh) > allowed_wh or abs(apart_wh) > allowed_wh
    return Check(name, holds, detail, int(explained and (holds or bool(excused_wh))))


def _registers(count: int, excused: int, misleading: int) -> Check:
    what = "registers that went down"
    if not misleading:
        return _excused("csms_registers", what, count, excused)
    detail = f"{what}: {count}, not judged: quirks of {misleading} chargers make them look so"
    return Check("csms_registers", True, detail)


def _transactions(fleet: Mapping[str, Any], csms: Mapping[str, Any]) -> Iterator[Check]:
    """Those of the chargers are those of the CSMS, each begun and ended once."""
    excused = fleet["excused"]
    unknown = excused.get("unknown", _KNOWN)
    yield _between(
        "csms_starts",
        "transactions the chargers started, and the CSMS knows",
        fleet["transactions_opened"],
        csms["starts"],
        lacking=excused["starts_lost"],
        fewer=unknown["starts_fewer"],
        more=unknown["starts_more"],
        unknown=unknown["starts"],
    )
    yield _between(
        "csms_stops",
        "transactions the chargers stopped, and the CSMS knows",
        fleet["transactions_closed"],
        csms["stops"],
        lacking=excused["stops_lost"] + excused["stops_misnamed"],
        fewer=unknown["stops_fewer"],
        more=0,
        unknown=unknown["stops"],
    )
    yield _open(csms["transactions_open"], excused["left_open"], unknown)
    yield _at_most(
        "csms_stopped_twice",
        "stopped twice at the CSMS",
        csms["stopped_twice"],
        excused.get("stops_repeated", 0),
    )
    yield _excused(
        "csms_stop_unknown",
        "stops of unknown transactions",
        csms["stop_unknown"],
        excused["stray_stops"] + unknown["stray_stops"],
    )


def _open(count: int, excused: int, unknown: Mapping[str, Any]) -> Check:
    what, more = "transactions open at the CSMS", unknown["open_more"]
    if not more:
        return _excused("csms_open", what, count, excused, exactly=True)
    detail = f"{what}: {count}, {excused} by faults on purpose"
    sent = unknown["starts"] + unknown["stops"]
    detail += f", {_told(sent)}: up to {more} more allowed"
    holds = excused <= count <= excused + more
    return Check("csms_open", holds, detail, min(count, excused + more))


def _against_csms(
    fleet: Mapping[str, Any], csms: Mapping[str, Any], *, misleading: int, understating: int
) -> Iterator[Check]:
    excused = fleet["excused"]
    unknown = excused.get("unknown", _KNOWN)
    yield from _transactions(fleet, csms)
    yield _at_most(
        "csms_identities",
        "identities connected twice at once",
        csms["duplicate_identities"],
        excused.get("identities_doubled", 0),
    )
    yield _at_most(
        "csms_one_open_call",
        "CALLs that came before an answer",
        csms["overlapping_calls"],
        excused.get("calls_overlapping", 0),
    )
    yield _registers(csms["register_decreases"], excused["registers_down"], misleading)
    yield _excused(
        "csms_violations",
        "schema violations of the chargers",
        csms["violations"],
        excused["spoilt_frames"],
    )
    yield _none(
        "csms_crashed", "connections that a bug in the embedded CSMS ended", csms["crashed"]
    )
    yield _energy(
        "csms_energy",
        "chargers delivered {:.0f} Wh, the CSMS was told {:.0f} Wh",
        fleet["energy_wh"],
        csms["energy_wh"],
        excused_wh=excused["told_apart_wh"],
        allowed_wh=WH_TOLERANCE_PER_TRANSACTION * max(1, fleet["transactions_closed"]),
        understating=understating,
        less_wh=unknown["told_less_wh"],
        more_wh=unknown["told_more_wh"],
    )
    yield from _exported(fleet, csms)


def _exported(fleet: Mapping[str, Any], csms: Mapping[str, Any]) -> Iterator[Check]:
    """What vehicles have given back (2.1), where the CSMS was told of any: never more than they
    gave, and all of it if every transaction told its register from beginning to end.
    """
    given_wh, told_wh = fleet.get("exported_wh", 0.0), csms.get("exported_wh", 0.0)
    if not told_wh:
        return
    closed = fleet["transactions_closed"]
    allowed_wh = WH_TOLERANCE_PER_TRANSACTION * max(1, closed)
    holds = told_wh <= given_wh + allowed_wh
    if csms["exports_whole"] == closed:
        holds = holds and told_wh >= given_wh - allowed_wh
    detail = f"vehicles gave back {given_wh:.0f} Wh, the CSMS was told {told_wh:.0f} Wh"
    yield Check("csms_exported", holds, detail)
