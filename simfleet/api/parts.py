"""How each part of the service is, for /health, and its figures, for /metrics.

Names no user and no charger: both are read without a key, and metrics have few labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.api.services import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.csms.server import Csms
    from simfleet.fleet.registry import Registry
    from simfleet.load.generator import Generator
    from simfleet.store import Store

__all__ = ["components_of", "figures_of"]

MASS_FLEET: Final = "the mass fleet"
"""What the mass service holds the generator for; anything else is a run."""


def components_of(
    store: Store, csms: Csms | None, registry: Registry, generator: Generator
) -> Mapping[str, Callable[[], Component]]:
    """What /health asks, by the name it shows."""

    def journal() -> Component:
        counts = store.health().journal
        lost = counts.dropped + counts.unstored
        detail = f"{lost} rows lost" if lost else ""
        if counts.failing:
            return Component("degraded", "; ".join(filter(None, (counts.failing, detail))))
        return Component("ok", detail)

    def embedded_csms() -> Component:
        if csms is None:
            return Component("off")
        crashed = f"; {csms.crashed} sessions ended by a bug" if csms.crashed else ""
        status = f"{csms.connected} connected{crashed}"
        return Component("degraded" if csms.crashed else "ok", status)

    def chargers() -> Component:
        counters = registry.recorder.counters
        crashed = counters.crashes.total
        unsaved = registry.saver.failures
        wrong = [f"{crashed} crashed"] if crashed else []
        wrong += [f"{unsaved} times not saved"] if unsaved else []
        return Component("degraded" if crashed else "ok", ", ".join(wrong))

    # There is one generator; whose it is, and what a run is called, is its user's business.
    def mass() -> Component:
        hold = generator.hold
        return Component("ok", "in use" if hold and hold.purpose == MASS_FLEET else "idle")

    def runs() -> Component:
        hold = generator.hold
        return Component("ok", "in use" if hold and hold.purpose != MASS_FLEET else "idle")

    return {
        "store": journal,
        "csms": embedded_csms,
        "chargers": chargers,
        "mass": mass,
        "runs": runs,
    }


def figures_of(
    store: Store, csms: Csms | None, registry: Registry, generator: Generator
) -> Callable[[], Mapping[str, float]]:
    """What /metrics shows of the parts."""

    def figures() -> Mapping[str, float]:
        health = store.health()
        counts = health.journal
        counters = registry.recorder.counters
        return {
            "simfleet_database_bytes": health.bytes_used,
            "simfleet_journal_rows_queued": counts.queued,
            "simfleet_journal_rows_appended_total": counts.appended,
            "simfleet_journal_rows_stored_total": counts.stored,
            "simfleet_journal_rows_dropped_total": counts.dropped,
            "simfleet_journal_rows_unstored_total": counts.unstored,
            "simfleet_csms_connections": 0 if csms is None else csms.connected,
            "simfleet_chargers_connected": counters.connect.connected,
            "simfleet_chargers_crashed_total": counters.crashes.total,
            "simfleet_frames_sent_total": counters.frames_sent.total,
            "simfleet_frames_received_total": counters.frames_received.total,
            "simfleet_generator_in_use": generator.hold is not None,
            **{
                f'simfleet_faults_injected_total{{kind="{kind}"}}': count
                for kind, count in sorted(counters.injected.items())
            },
        }

    return figures
