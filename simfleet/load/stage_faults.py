"""The faults of a stage, given to chargers when it begins and taken from them when it ends.

Which chargers is drawn from the scenario's seed, the place of the fault in the scenario, and the
charger's number: the same seed, the same chargers, however many others there are to draw.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simfleet.station.chance import Chance
from simfleet.station.events import FaultInjected, FaultRemoved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simfleet.fleet.mass import Mass
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.supervisor import Supervisor
    from simfleet.load.fault_fields import StageFault
    from simfleet.load.schema1 import Stage
    from simfleet.station.fault_kinds import Fault


def chosen(
    plans: Sequence[ChargerPlan], share: float, *, seed: int, place: str
) -> list[ChargerPlan]:
    """A share of the chargers, rounded up, in their order; `place` names what they are chosen
    for.
    """
    wanted = math.ceil(share * len(plans) - 1e-9)
    drawn = sorted(plans, key=lambda plan: Chance.of(f"{seed}:fault:{place}", plan.index).random())
    return sorted(drawn[:wanted], key=lambda plan: plan.index)


class StageFaults:
    """See the module. `note` is told of a charger that did not take a fault."""

    def __init__(
        self,
        plans: Sequence[ChargerPlan],
        *,
        seed: int,
        note: Callable[[str, str, str], None],
    ) -> None:
        self._plans = plans
        self._seed = seed
        self._note = note

    @contextmanager
    def during(
        self, stage: Stage, number: int, mass: Mass, supervisor: Supervisor
    ) -> Iterator[None]:
        """Have the stage's chargers do wrong while inside; newcomers as soon as they come."""
        if not stage.faults:
            yield
            return
        population = self._plans[: mass.wish.target if stage.most is None else stage.most]
        wanted: dict[str, list[Fault]] = {}
        for place, fault in enumerate(stage.faults):
            for plan in self._chosen(fault, population, f"{number}:{place}"):
                wanted.setdefault(plan.identity, []).append(fault.fault)
        given: set[str] = set()

        def give(identity: str) -> None:
            charger = supervisor.chargers.get(identity)
            if charger is None or identity in given or identity not in wanted:
                return
            given.add(identity)
            for fault in wanted[identity]:
                if not charger.post(FaultInjected(fault)):
                    self._note(identity, f"fault:{fault.kind}", "the charger did not take it")

        for identity in wanted:
            give(identity)
        mass.on_arrival = give
        try:
            yield
        finally:
            mass.on_arrival = None
            for identity in given:
                charger = supervisor.chargers.get(identity)
                if charger is not None:
                    charger.post(FaultRemoved(given=tuple(wanted[identity])))

    def _chosen(
        self, fault: StageFault, population: Sequence[ChargerPlan], place: str
    ) -> list[ChargerPlan]:
        slices = fault.to.slices
        among = [plan for plan in population if not slices or plan.slice_name in slices]
        return chosen(among, fault.to.share, seed=self._seed, place=place)
