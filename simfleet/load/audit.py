"""Do the books balance? What must add up at the end of every run, whatever the load was.

Pure. Two books are compared: the one the chargers kept (`fleet/ledger.py`) and, when the target is
the embedded CSMS, the one the CSMS kept. Each check is a sentence with both figures, so a broken
ledger explains itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WH_TOLERANCE_PER_TRANSACTION: Final = 1.0
"""OCPP reports whole watt-hours; start and stop are each cut by less than one."""


class Check(Struct, frozen=True):
    """One thing that must hold."""

    name: str
    holds: bool
    detail: str


def audit(
    fleet: Mapping[str, Any],
    csms: Mapping[str, Any] | None,
    *,
    identities: int,
    unique: int,
    crashed: int = 0,
) -> list[Check]:
    """All checks of a finished run. `csms` is None when the target keeps no books for us.

    `crashed` chargers were ended by a bug of ours and made anew: whatever they had begun is lost,
    so a run with a crash never balances.
    """
    checks = list(_of_fleet(fleet, identities=identities, unique=unique))
    checks.append(_none("no_crashes", "chargers that a bug in SimFleet ended", crashed))
    if csms is not None:
        checks.extend(_against_csms(fleet, csms))
    return checks


def _equal(name: str, what: str, left: float, right: float) -> Check:
    return Check(name, left == right, f"{what}: {left} and {right}")


def _none(name: str, what: str, count: float) -> Check:
    return Check(name, count == 0, f"{what}: {count}")


def _of_fleet(fleet: Mapping[str, Any], *, identities: int, unique: int) -> Iterator[Check]:
    yield _equal("identities_unique", "chargers and different identities", identities, unique)
    opened, closed = fleet["transactions_opened"], fleet["transactions_closed"]
    yield _equal("starts_equal_stops", "transactions started and stopped", opened, closed)
    yield _equal(
        "starts_delivered",
        "transactions started, and starts the CSMS answered",
        opened,
        fleet["starts_delivered"],
    )
    yield _equal(
        "stops_delivered",
        "transactions stopped, and stops the CSMS answered",
        closed,
        fleet["stops_delivered"],
    )
    yield _none("stopped_once", "transactions stopped twice", fleet["stopped_twice"])
    yield _none(
        "one_open_call",
        "CALLs sent while another of the same charger was open",
        fleet["overlapping_calls"],
    )
    yield _none(
        "queues_drained", "transaction messages never delivered", fleet["undelivered_messages"]
    )
    energy_wh, integral_wh = fleet["energy_wh"], fleet["integral_wh"]
    tolerance_wh = 1e-3 + 1e-6 * energy_wh
    yield Check(
        "energy_is_integral_of_power",
        abs(energy_wh - integral_wh) <= tolerance_wh,
        f"registers {energy_wh:.3f} Wh, integral of power {integral_wh:.3f} Wh",
    )
    faults = fleet["faults_total"]
    first = f", the first: {fleet['faults'][0]}" if fleet["faults"] else ""
    yield Check("no_faults", faults == 0, f"faults of single chargers: {faults}{first}")


def _against_csms(fleet: Mapping[str, Any], csms: Mapping[str, Any]) -> Iterator[Check]:
    yield _equal(
        "csms_starts",
        "transactions the chargers started, and the CSMS knows",
        fleet["transactions_opened"],
        csms["starts"],
    )
    yield _equal(
        "csms_stops",
        "transactions the chargers stopped, and the CSMS knows",
        fleet["transactions_closed"],
        csms["stops"],
    )
    yield _none("csms_open", "transactions open at the CSMS", csms["transactions_open"])
    yield _none("csms_stopped_twice", "stopped twice at the CSMS", csms["stopped_twice"])
    yield _none("csms_stop_unknown", "stops of unknown transactions", csms["stop_unknown"])
    yield _none(
        "csms_identities", "identities connected twice at once", csms["duplicate_identities"]
    )
    yield _none("csms_one_open_call", "CALLs that came before an answer", csms["overlapping_calls"])
    yield _none("csms_registers", "registers that went down", csms["register_decreases"])
    yield _none("csms_violations", "schema violations of the chargers", csms["violations"])
    yield _none(
        "csms_crashed", "connections that a bug in the embedded CSMS ended", csms["crashed"]
    )
    apart_wh = abs(fleet["energy_wh"] - csms["energy_wh"])
    allowed_wh = WH_TOLERANCE_PER_TRANSACTION * max(1, fleet["transactions_closed"])
    yield Check(
        "csms_energy",
        apart_wh <= allowed_wh,
        f"chargers delivered {fleet['energy_wh']:.0f} Wh, the CSMS was told"
        f" {csms['energy_wh']:.0f} Wh",
    )
