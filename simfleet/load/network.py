"""The network of a run: good by default, and bad on purpose where slices, stages or people say so.

Which chargers is drawn as for faults: from the scenario's seed, the place of the impairment, and
the charger's number.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simfleet.fleet.actor import Charger
from simfleet.fleet.network_books import NetworkBooks
from simfleet.link.faults import BadNetwork
from simfleet.load.recipients import Recipients
from simfleet.load.stage_faults import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from simfleet.fleet.mass import Mass
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.recorder import Recorder
    from simfleet.fleet.supervisor import Supervisor
    from simfleet.link.impairments import Impairment
    from simfleet.link.link import Dialer, Link
    from simfleet.load.schema1 import Scenario
    from simfleet.station.events import Event

ALL = Recipients()


class Network:
    """See the module. `dial` is what chargers connect with; `attach` before the first of them."""

    def __init__(
        self,
        scenario: Scenario,
        plans: Sequence[ChargerPlan],
        recorder: Recorder,
        *,
        dial: Dialer,
    ) -> None:
        self._scenario = scenario
        self._plans = plans
        self._supervisor: Supervisor | None = None
        self._live: list[tuple[str, int]] = []
        """What was injected while the run goes on."""
        self._injected = 0
        self.books = NetworkBooks(recorder, post=self._post)
        self._bad = BadNetwork(
            dial, seed=scenario.seed, tell=self.books.touched, rewire=self._rewire
        )
        self.dial = self._bad.dial

    def attach(self, supervisor: Supervisor) -> None:
        """Chargers will live here. The impairments of slices begin."""
        self._supervisor = supervisor
        for part in self._scenario.fleet:
            among = [plan for plan in self._plans if plan.slice_name == part.name]
            for place, item in enumerate(part.network):
                name = f"slice:{part.name}:{place}"
                plans = chosen(among, item.share, seed=self._scenario.seed, place=name)
                self._give(item.impairment, plans, place=name)

    # ── while the run goes on ───────────────────────────────────────────────────────────────────

    def inject(self, impairment: Impairment, to: Recipients = ALL) -> int:
        """Make the network of these chargers worse, now, until `clear`: of those that live. Returns
        how many they are.
        """
        assert self._supervisor is not None
        self._injected += 1
        place = f"live:{self._injected}"
        living = [plan for plan in self._plans if plan.identity in self._supervisor.chargers]
        plans = self._among(living, to, place=place)
        self._live += self._give(impairment, plans, place=place)
        return len(plans)

    def clear(self) -> int:
        """Take back all that was injected; returns how many chargers had any."""
        live, self._live = self._live, []
        self._take(live)
        return len({identity for identity, _ in live})

    def cut(self, identity: str, detail: str, *, at_once: bool = False) -> bool:
        """Lose a charger's connection; False if it has none."""
        charger = self._charger(identity)
        return charger is not None and charger.cut(detail, at_once=at_once)

    def close(self) -> None:
        """The run is over: nobody holds a half-open connection any more."""
        self._bad.release()

    # ── while a stage lasts ─────────────────────────────────────────────────────────────────────

    @contextmanager
    def during(
        self, impairments: Iterable[Any], number: int, mass: Mass, most: int | None
    ) -> Iterator[None]:
        """Have the chargers of a stage be cut off from the world as it says, while inside."""
        impairments = tuple(impairments)
        if not impairments:
            yield
            return
        population = self._plans[: mass.wish.target if most is None else most]
        given: list[tuple[str, int]] = []
        for place, item in enumerate(impairments):
            name = f"stage:{number}:{place}"
            plans = self._among(population, item.to, place=name)
            given += self._give(item.impairment, plans, place=name)
        try:
            yield
        finally:
            self._take(given)

    # ── chargers ────────────────────────────────────────────────────────────────────────────────

    def _among(
        self, plans: Sequence[ChargerPlan], to: Recipients, *, place: str
    ) -> list[ChargerPlan]:
        among = [
            plan
            for plan in plans
            if (not to.slices or plan.slice_name in to.slices)
            and (not to.versions or plan.spec.version in to.versions)
        ]
        return chosen(among, to.share, seed=self._scenario.seed, place=place)

    def _give(
        self, impairment: Impairment, plans: Sequence[ChargerPlan], *, place: str
    ) -> list[tuple[str, int]]:
        self.books.mark(plan.identity for plan in plans)
        return [
            (plan.identity, self._bad.give(plan.identity, impairment, place=place))
            for plan in plans
        ]

    def _take(self, given: Iterable[tuple[str, int]]) -> None:
        for identity, number in given:
            self._bad.take(identity, number)

    def _charger(self, identity: str) -> Charger | None:
        found = None if self._supervisor is None else self._supervisor.chargers.get(identity)
        return found if isinstance(found, Charger) else None

    def _post(self, identity: str, event: Event) -> None:
        charger = self._charger(identity)
        if charger is not None:
            charger.post(event)

    def _rewire(self, identity: str, wrap: Callable[[Link], Link]) -> bool:
        charger = self._charger(identity)
        return charger is not None and charger.rewire(wrap)
