"""Faults on purpose in the books: whole fleets against the embedded CSMS, in memory.

Each kind must show in the books (else the test proves nothing), must be explained by its excuses to
the last transaction, and must not hide a discrepancy of another making.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

from builders_fleet import HOUR_S, Fleet, a_fleet, a_plan
from builders_load import excuses
from simfleet.csms.behaviour import Behaviour
from simfleet.fleet.orders import Mode
from simfleet.load.audit import audit
from simfleet.station import fault_kinds as kinds
from simfleet.station.events import FaultInjected, FaultRemoved

if TYPE_CHECKING:
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.audit import Check
    from simfleet.station.fault_kinds import Fault

CHARGERS = 4
RETRY = {"TransactionMessageRetryInterval": "2", "TransactionMessageAttempts": "3"}

QUIET = [
    # faults that cannot show in the books: the CSMS is told nothing wrong that it counts
    kinds.DuplicateStart(),
    kinds.ClockSkew(seconds=-7200),
    kinds.ErrorCodeFault(error_code="GroundFailure", for_s=60),
    kinds.WrongTransactionId(messages="MeterValues"),
    kinds.FrozenMeter(for_s=900),  # what one session lacks, a later one has
]
LOUD = [
    kinds.MissingStop(),
    kinds.MissingStop(share=0.5),
    kinds.MissingStop(count=1),
    kinds.WrongTransactionId(share=0.5),
    kinds.FrozenMeter(),
    kinds.RegisterJump(wh=12_000),
    kinds.RegisterJump(wh=-400),
    kinds.MalformedFrame(share=0.1),
    kinds.MalformedFrame(form="unknown_action", actions=("StartTransaction",)),
    kinds.SchemaInvalid(share=0.2),
    kinds.SchemaInvalid(actions=("StopTransaction",)),
]


def some_plans() -> list[ChargerPlan]:
    return [a_plan(n, configuration=RETRY) for n in range(CHARGERS)]


async def lived(fleet: Fleet, *faults: Fault) -> None:
    """Half an hour of sessions, then two hours in which half of the chargers have the faults."""
    await fleet.settle(CHARGERS, Mode.CHARGING, for_s=HOUR_S / 2)
    for n in (0, 1):
        for fault in faults:
            assert fleet.charger(n).post(FaultInjected(fault))
    await trio.sleep(2 * HOUR_S)
    await fleet.stop()


def checks_of(fleet: Fleet, **tampered: Any) -> list[Check]:
    books = fleet.ledger.snapshot()
    csms = fleet.csms.ledger()
    for name, more in tampered.items():
        of = cast("dict[str, Any]", csms if name in csms else books)
        of[name] = of[name] + more
    return audit(books, csms, identities=CHARGERS, unique=CHARGERS)


def broken(checks: list[Check]) -> set[str]:
    return {f"{check.name}: {check.detail}" for check in checks if not check.holds}


@pytest.mark.parametrize("fault", [*QUIET, *LOUD], ids=str)
async def test_a_fault_is_excused_whatever_it_does_to_the_books(
    fault: Fault, autojump_clock: object
) -> None:
    async with a_fleet(plans=some_plans()) as fleet:
        await lived(fleet, fault)
        checks = checks_of(fleet)
        assert broken(checks) == set()
        assert fleet.recorder.counters.injected[fault.kind] > 0
        assert fleet.ledger.faults == []
        assert (sum(check.explained for check in checks) > 0) == (fault in LOUD)


@pytest.mark.parametrize("fault", LOUD, ids=str)
async def test_without_its_excuses_the_same_fault_breaks_the_books(
    fault: Fault, autojump_clock: object
) -> None:
    async with a_fleet(plans=some_plans()) as fleet:
        await lived(fleet, fault)
        books = {**fleet.ledger.snapshot(), "excused": excuses()}
        found = audit(books, fleet.csms.ledger(), identities=CHARGERS, unique=CHARGERS)
        assert broken(found)


@pytest.mark.parametrize(
    ("tampered", "name"),
    [
        ({"starts": -1}, "csms_starts"),
        ({"stops": -1}, "csms_stops"),
        ({"transactions_open": 1}, "csms_open"),
        ({"energy_wh": 5000}, "csms_energy"),
        ({"starts_delivered": -1}, "starts_delivered"),
        ({"stops_delivered": 1}, "stops_delivered"),
        ({"integral_wh": 50}, "energy_is_integral_of_power"),
        ({"violations": 1}, "csms_violations"),
        ({"stop_unknown": 1}, "csms_stop_unknown"),
    ],
)
async def test_what_no_fault_explains_is_an_accusation_beside_those_that_are_explained(
    tampered: dict[str, int], name: str, autojump_clock: object
) -> None:
    async with a_fleet(plans=some_plans()) as fleet:
        await lived(
            fleet,
            kinds.MissingStop(share=0.3),
            kinds.WrongTransactionId(share=0.3),
            kinds.FrozenMeter(for_s=600),
            kinds.SchemaInvalid(share=0.1, form="missing_field"),
            kinds.RegisterJump(wh=500),
        )
        assert broken(checks_of(fleet)) == set()
        assert {check.name for check in checks_of(fleet, **tampered) if not check.holds} == {name}


async def test_a_csms_that_loses_stops_is_accused_although_chargers_have_faults(
    autojump_clock: object,
) -> None:
    behaviour = Behaviour(never_answer=frozenset({"StopTransaction"}))
    async with a_fleet(plans=some_plans(), behaviour=behaviour) as fleet:
        await lived(fleet, kinds.MissingStop(share=0.5))
        names = {check.name for check in checks_of(fleet) if not check.holds}
        assert "stops_delivered" in names


async def test_a_charger_that_goes_with_spoilt_messages_is_excused(
    autojump_clock: object,
) -> None:
    async with a_fleet(plans=some_plans()) as fleet:
        await lived(fleet, kinds.MalformedFrame(form="not_json"))  # nothing gets through any more
        assert broken(checks_of(fleet)) == set()
        assert fleet.ledger.undelivered == 0


async def test_faults_that_are_removed_leave_nothing_behind(autojump_clock: object) -> None:
    async with a_fleet(plans=some_plans()) as fleet:
        await fleet.settle(CHARGERS, Mode.CHARGING, for_s=60)
        for fault in (kinds.MissingStop(), kinds.FrozenMeter(), kinds.SchemaInvalid()):
            fleet.charger(0).post(FaultInjected(fault))
        fleet.charger(0).post(FaultRemoved())
        await trio.sleep(HOUR_S)
        await fleet.stop()
        fleet.assert_balanced()
        assert fleet.recorder.counters.injected.total == 0
